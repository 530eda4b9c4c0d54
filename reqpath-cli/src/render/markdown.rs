//! The Markdown report, for the channel of an incident: the answer first, then the road and what it rests on.
//!
//! Whatever a peer or a report file says is text here and nothing else: no link, no mention, no markup, no HTML.

use std::fmt::Write as _;

use reqpath_core::{
    Catalogue, Finding, HopId, Report, Role, Tri, Trial, Verdict, Weight, escape, redact_url,
};
use reqpath_stages::road::Timetable;

use super::hops::{self, Shown};
use super::{COMMAND, text};

/// How many observations, warnings and look-alikes are shown of each.
const MANY: usize = 12;
/// How wide a peer's words may grow.
const WIDTH: usize = 240;

pub(super) fn report(report: &Report, catalogue: &Catalogue) -> String {
    // The same words as on a terminal, without its colours.
    let plain = |text: String| anstream::adapter::strip_str(&text).to_string();
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "**{}**\n", inert(&plain(text::first_line(report)), 900));
    for separation in report.verdict.iter().flat_map(Verdict::separated_by).take(MANY) {
        let _ = writeln!(out, "{}\n", inert(&separation.to_string(), 400));
    }
    about(&mut out, report);
    road(&mut out, report);
    cause(&mut out, report, catalogue);
    warnings(&mut out, report);
    let timetable = Timetable::of(&report.path);
    if !timetable.is_empty() {
        let _ = writeln!(out, "### Timeouts, as declared\n\n{}", timetable.markdown());
    }
    list(
        &mut out,
        "Ruled out",
        report
            .ruled_out
            .iter()
            .map(|ruled| format!("{}: {}", inert(&ruled.code, 80), inert(&ruled.because, WIDTH))),
    );
    if let Some(Verdict::Unknown { what_would_tell, .. }) = &report.verdict {
        list(&mut out, "What would tell", what_would_tell.iter().map(|look| inert(look, COMMAND)));
    }
    list(
        &mut out,
        "Could not look",
        report
            .errors
            .iter()
            .map(|error| format!("{}: {}", inert(&error.stage, 40), inert(&error.message, WIDTH))),
    );
    if !report.next.is_empty() {
        let _ = writeln!(out, "### Run next\n\n{}", block(report.next.iter().map(String::as_str)));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// What was asked, when, and by which id its log lines are found.
fn about(out: &mut String, report: &Report) {
    let request = format!("{} {}", report.target.method(), redact_url(report.target.url()));
    let mut parts = vec![code(&request, WIDTH)];
    if !report.started.is_empty() {
        parts.push(inert(&report.started.to_string(), 40));
    }
    if !report.request_id.is_empty() {
        parts.push(format!("request id {}", code(&report.request_id, 80)));
    }
    let _ = writeln!(out, "{}\n", parts.join(" · "));
}

/// The two questions hop by hop, the time of the leg to it, and how it fared when it was entered directly.
fn road(out: &mut String, report: &Report) {
    if report.hops.is_empty() {
        return;
    }
    let entered = report.hops.iter().any(|hop| trials_to(report, &hop.hop, true).next().is_some());
    let last = if entered { " entered directly |" } else { "" };
    let line = if entered { " --- |" } else { "" };
    let _ = writeln!(out, "| hop | arrived | left alive | time |{last}\n| --- | --- | --- | --- |{line}");
    for shown in hops::shown(report, false) {
        let (state, starts) = match shown {
            Shown::Hop(state, starts) => (state, starts),
            Shown::Folded(folded) => {
                let rest = if entered { " |" } else { "" };
                let _ = writeln!(out, "| … {folded} more redirects | | | |{rest}");
                continue;
            }
        };
        let said = |tri| match tri {
            Tri::Yes => "yes",
            Tri::No => "**no**",
            _ => "not known",
        };
        // The request does not arrive where it starts.
        let arrived = if starts { "–" } else { said(state.arrived) };
        let time = trials_to(report, &state.hop, false).next();
        let time = time.map_or_else(String::new, |trial| trial.elapsed_us.to_string());
        let name = inert(state.hop.as_str(), 40);
        let _ = write!(out, "| {name} | {arrived} | {} | {time} |", said(state.left_alive));
        if entered {
            let _ = write!(out, " {} |", directly(report, &state.hop));
        }
        out.push('\n');
    }
    out.push('\n');
}

/// How requests fared that entered at this hop: each manner once, with how often.
fn directly(report: &Report, hop: &HopId) -> String {
    let mut fared: Vec<(String, usize, String)> = Vec::new();
    for trial in trials_to(report, hop, true) {
        let how = match &trial.answer {
            Some(answer) if !trial.died() => answer.to_string(),
            _ if trial.died() => format!("died in {}", trial.stage),
            _ => format!("alive after {}", trial.stage),
        };
        match fared.iter_mut().find(|(known, ..)| *known == how) {
            Some((_, times, _)) => *times += 1,
            None => fared.push((how, 1, trial.elapsed_us.to_string())),
        }
    }
    let said = fared.iter().take(4).map(|(how, times, time)| match times {
        1 => format!("{} after {time}", inert(how, 80)),
        _ => format!("{times} × {}, the first after {time}", inert(how, 80)),
    });
    said.collect::<Vec<_>>().join("; ")
}

/// The requests to a hop: those that entered there, or those from the front that are counted.
fn trials_to<'a>(report: &'a Report, hop: &'a HopId, inner: bool) -> impl Iterator<Item = &'a Trial> {
    report.observations.iter().filter_map(move |observation| {
        let leg = observation.subject.as_leg().filter(|leg| leg.to == *hop)?;
        let trial = observation.get::<Trial>()?;
        let role = if inner { Role::Inner } else { Role::Fresh };
        (trial.role == role && leg.sample.is_some()).then_some(trial)
    })
}

/// The cause, the chain that leads to it, what it rests on, and what to do.
fn cause(out: &mut String, report: &Report, catalogue: &Catalogue) {
    let Some(cause) = report.verdict.as_ref().and_then(Verdict::cause) else { return };
    let (chain, also) = match &report.verdict {
        Some(Verdict::Died { chain, also, .. } | Verdict::Degraded { chain, also, .. }) => (chain, also),
        _ => return,
    };
    let _ = writeln!(out, "### Cause: {}\n", inert(&cause.code, 80));
    let codes = |codes: &[String], by: &str| {
        codes.iter().take(MANY).map(|code| inert(code, 80)).collect::<Vec<_>>().join(by)
    };
    if chain.len() > 1 {
        let _ = writeln!(out, "{}\n", codes(chain, " ← "));
    }
    let known = catalogue.find(&cause.code);
    if let Some(known) = known {
        let _ = writeln!(out, "{}\n", known.doc.summary());
    }
    let about = |finding: &&Finding| finding.code == cause.code.as_str() && finding.subject == cause.subject;
    if let Some(finding) = report.findings.iter().find(about) {
        evidence(out, report, finding);
    }
    if let Some(advice) = known.map(|known| known.doc.what_to_do()).filter(|advice| !advice.is_empty()) {
        let first = advice.split("\n\n").next().unwrap_or_default();
        let _ = writeln!(out, "**To do:** {}\n", first.replace('\n', " "));
    }
    if !also.is_empty() {
        let _ = writeln!(out, "**Also:** {}\n", codes(also, ", "));
    }
}

fn evidence(out: &mut String, report: &Report, finding: &Finding) {
    let mut sources: Vec<String> = Vec::new();
    for id in finding.cites.iter().take(MANY) {
        let Some(seen) = report.observations.iter().find(|observation| observation.id == *id) else {
            continue;
        };
        let brief = seen.brief();
        let _ = writeln!(
            out,
            "- #{} {} at {}{}",
            id.0,
            inert(seen.kind(), 60),
            inert(&seen.subject.to_string(), 120),
            if brief.is_empty() { String::new() } else { format!(": {}", inert(&brief, WIDTH)) }
        );
        let source = report.source_of(seen);
        if !source.is_empty() && !sources.contains(&source) {
            sources.push(source);
        }
    }
    if let Some(error) = &finding.error {
        let _ = writeln!(out, "- in the system's own words: {}", inert(error, 400));
    }
    out.push('\n');
    if !sources.is_empty() {
        let _ = writeln!(out, "Seen as by\n\n{}", block(sources.iter().map(String::as_str)));
    }
}

/// Each warning once, with the number of times it was met.
fn warnings(out: &mut String, report: &Report) {
    let mut told: Vec<(&Finding, usize)> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.weight == Weight::Warning) {
        match told.iter_mut().find(|(known, _)| known.code == finding.code) {
            Some((_, times)) => *times += 1,
            None => told.push((finding, 1)),
        }
    }
    list(
        out,
        "Warnings",
        told.into_iter().map(|(finding, times)| {
            let again = if times > 1 { format!(" ({times} times)") } else { String::new() };
            format!("{}: {}{again}", inert(&finding.code, 80), inert(&finding.summary, 400))
        }),
    );
}

fn list(out: &mut String, title: &str, lines: impl ExactSizeIterator<Item = String>) {
    let more = lines.len().saturating_sub(MANY);
    let lines: Vec<String> = lines.take(MANY).collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "### {title}\n");
    for line in lines {
        let _ = writeln!(out, "- {line}");
    }
    if more > 0 {
        let _ = writeln!(out, "- and {more} more");
    }
    out.push('\n');
}

/// Lines as they are to be typed. No line of theirs can end the block.
fn block<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines.map(|line| escape(line, COMMAND)).collect();
    let fence = "`".repeat(lines.iter().map(|line| longest_run(line)).max().unwrap_or(0).max(2) + 1);
    format!("{fence}sh\n{}\n{fence}\n", lines.join("\n"))
}

/// A few words as they are, in line; not for cells of a table, which a `|` would end all the same.
fn code(text: &str, limit: usize) -> String {
    let text = escape(text, limit);
    let fence = "`".repeat(longest_run(&text) + 1);
    // A space keeps a backtick at either end from joining the fence.
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text that means nothing but itself: in Markdown, in HTML, in a cell of a table, to those who answer mentions.
fn inert(text: &str, limit: usize) -> String {
    let text = escape(text, limit);
    let mut out = String::with_capacity(text.len() + 16);
    let mut before = None;
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A zero-width space: `@all` and `#12` call nobody, and `http://…` leads nowhere.
            '@' | '#' => out.extend([c].into_iter().chain("&#8203;".chars())),
            '/' if before == Some(':') => out.push_str("&#8203;/"),
            // Some make a link of it without a scheme.
            '.' if out.as_bytes().iter().rev().take(3).filter(|byte| matches!(byte, b'w' | b'W')).count()
                == 3 =>
            {
                out.push_str("&#8203;.");
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => out.extend(['\\', c]),
            _ => out.push(c),
        }
        before = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(report: serde_json::Value) -> String {
        let catalogue = reqpath_stages::catalogue().unwrap();
        let report = Report::load(report.to_string().as_bytes()).unwrap().judged(&catalogue);
        super::report(&report, &catalogue)
    }

    #[test]
    fn text_means_nothing_but_itself() {
        assert_eq!(
            inert("a|b`c`<img src=x>@all #7", 99),
            "a\\|b\\`c\\`&lt;img src=x&gt;@&#8203;all #&#8203;7"
        );
        assert_eq!(inert("[x](http://evil)", 99), "\\[x\\](http:&#8203;//evil)");
        assert_eq!(inert("see WWW.evil.example", 99), "see WWW&#8203;.evil.example");
        assert_eq!(inert("a\nb\u{202e}c", 99), "a\\\\nb\\\\u{202e}c");
        assert_eq!(code("a`b", 9), "``a`b``");
        assert_eq!(block(["echo ```"].into_iter()), "````sh\necho ```\n````\n");
    }

    #[test]
    fn the_answer_is_the_first_line() {
        let cause = reqpath_stages::catalogue().unwrap().find("pod.slow").unwrap();
        let example = serde_json::from_str(&cause.doc.example().unwrap()).unwrap();
        let text = of(example);
        let first = text.lines().next().unwrap();
        assert!(
            first.starts_with("**died at shop (pod): shop at 10.0.0.9:8080 began its answer to GET"),
            "{text}"
        );
        for part in [
            "| gateway | yes |",
            "| HTTP/1.1 200 after 3.20 s |",
            "### Cause: pod.slow",
            "http.error ← pod.slow",
            "### Run next\n\n```sh\ncurl",
            "| shop | – | – | – | – | – | 500 ms |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "no colours: {text}");
    }

    #[test]
    fn nothing_a_peer_says_gets_out_of_its_place() {
        let evil = "```\n# Owned\n<script>alert(1)</script> @everyone [click](http://evil.example) | x |";
        let text = of(json!({"schema": "reqpath.report/1",
            "path": {"hops": [{"id": "client", "kind": "client"}, {"id": evil, "kind": "nginx", "timeouts": {"read_us": 1}}]},
            "request_id": evil, "started": evil, "errors": [{"stage": evil, "message": evil}],
            "observations": [
                {"kind": "http.exchange", "source": evil, "brief": evil,
                 "subject": {"leg": {"from": "client", "to": evil, "address": "192.0.2.7:80", "sample": 0}},
                 "data": {"request": {"url": "http://shop.example/```/@all"}, "version": "HTTP/1.1", "status": 502,
                          "reason": evil, "end": "complete", "headers": [["server", evil]], "body": {"start": evil}}},
                {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": evil, "sample": 0}},
                 "data": {"role": "fresh", "left": "alive", "stage": "http", "answer": evil}}]}));
        let mut fence: Option<usize> = None;
        for line in text.lines() {
            let run = line.len() - line.trim_start_matches('`').len();
            match fence {
                // Inside a block only its own end ends it.
                Some(open) if run >= open && line.trim_matches('`').is_empty() => fence = None,
                Some(_) => continue,
                None if run >= 3 && line.ends_with("sh") => fence = Some(run),
                None => {
                    assert!(!line.starts_with("# "), "{line}");
                    // What stands in backticks is shown as it is.
                    let outside: String = outside_code(line);
                    for sign in ["<script", "@everyone", "http://evil", "[click]("] {
                        assert!(!outside.contains(sign), "{sign} in {line}");
                    }
                }
            }
        }
        assert_eq!(fence, None, "every block ends\n{text}");
    }

    /// The parts of a line that stand in no code span.
    fn outside_code(line: &str) -> String {
        let (mut out, mut rest) = (String::new(), line.replace("\\`", ""));
        while let Some(start) = rest.find('`') {
            out.push_str(&rest[..start]);
            let run = rest[start..].len() - rest[start..].trim_start_matches('`').len();
            let fence = "`".repeat(run);
            let body = &rest[start + run..];
            let Some(end) = body.find(&fence) else { return out + body };
            rest = body[end + run..].to_owned();
        }
        out + &rest
    }
}
