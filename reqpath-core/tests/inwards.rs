//! The walk inwards: which hop, which leg, by what requests met that entered further in.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use reqpath_core::*;
use serde_json::{Value, json};

/// What a request met on its leg.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Met {
    what: String,
}

impl Evidence for Met {
    const KIND: &'static str = "toy.met";
}

fn met<'a>(case: &'a Case, at: &'a Subject, what: &str) -> Result<Seen<'a, Met>, Decline> {
    case.of::<Met>(at).find(|met| met.what == what).ok_or(Decline::Absent)
}

cause! {
    /// Nothing listens.
    static REFUSED: "tcp.refused" = refused { scope(Scope::Sample), blames(End::Far) }
}
fn refused(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    Ok(Finding::new(at, &met(case, at, "refused")?, "refused"))
}

cause! {
    /// Nobody answers.
    static UNANSWERED: "tcp.timed_out" = unanswered { scope(Scope::Sample), silent() }
}
fn unanswered(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    Ok(Finding::new(at, &met(case, at, "unanswered")?, "unanswered"))
}

cause! {
    /// No answer comes.
    static SILENT: "http.response.timed_out" = silent { scope(Scope::Sample), silent() }
}
fn silent(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    Ok(Finding::new(at, &met(case, at, "silent")?, "silent").behind(Behind::SILENCE))
}

cause! {
    /// An error comes.
    static ERROR: "http.error" = error { scope(Scope::Sample), blames(End::Far) }
}
fn error(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.of::<Met>(at).find(|met| met.what.parse::<u16>().is_ok()).ok_or(Decline::Absent)?;
    let behind = match seen.what.as_str() {
        "500" => Behind::SAME.or_branch(),
        "502" => Behind::BROKEN,
        "503" => Behind::ANYTHING,
        "410" => Behind::KEPT,
        "504" => Behind::SILENCE,
        _ => Behind::SAME,
    };
    Ok(Finding::new(at, &seen, format!("answered {}", seen.what)).behind(behind).ends_sample())
}

cause! {
    /// A log line of this very request.
    static LOGGED: "proxy.connection_refused" = logged { scope(Scope::Sample), blames(End::Far), explains(&["http.error"]) }
}
fn logged(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    Ok(Finding::new(at, &met(case, at, "logged")?, "logged").behind(Behind::BROKEN))
}

cause! {
    /// A log line of this very request, of waiting in vain.
    static WAITED: "proxy.http_response_timeout" = in_vain { scope(Scope::Sample), silent(), explains(&["http.error"]) }
}
fn in_vain(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    Ok(Finding::new(at, &met(case, at, "waited")?, "waited").behind(Behind::SILENCE))
}

cause! {
    /// It answers, and takes too long.
    static SLOW: "pod.slow" = slow { scope(Scope::Sample), silent() }
}
fn slow(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    Ok(Finding::new(at, &met(case, at, "slow")?, "slow").behind(Behind::NOTHING.or_branch()))
}

/// Requests: the leg they entered by, with the legs of which a log tells, and what they met: `ok`, `ok 3s` (after so many seconds),
/// `refused`, `unanswered`, `silent`, a status, `so far` (ended after TLS as it was to).
fn judged(hops: &str, requests: &[(&str, &str)]) -> Report {
    judged_with(hops, requests, &json!({}))
}

/// The same with these headers in the request, and instances at addresses: `pod@10.0.0.9:80,10.0.0.8:80`;
/// a leg that ends in `@10.0.0.9:80` leads to that one.
fn judged_with(hops: &str, requests: &[(&str, &str)], target: &Value) -> Report {
    let hops: Vec<Value> = hops
        .split_whitespace()
        .map(|hop| {
            let (hop, at) = hop.split_once('@').unwrap_or((hop, ""));
            let at: Vec<&str> = at.split(',').filter(|at| !at.is_empty()).collect();
            let (name, of) = hop.split_once('<').map_or((hop, None), |(name, of)| (name, Some(of)));
            let kind = match name {
                "client" => "client",
                name if name.starts_with("node") => "node",
                name if name.starts_with("db") => "db",
                name if name.starts_with("pod") => "pod",
                _ => "nginx",
            };
            json!({"id": name, "kind": kind, "branch_of": of, "addresses": at})
        })
        .collect();
    let front = format!("client>{}", hops[1]["id"].as_str().unwrap());
    let mut observations = Vec::new();
    for (sample, (leg, what)) in (0..).zip(requests) {
        let (leg, peer) = leg.split_once('@').map_or((*leg, None), |(leg, peer)| (leg, Some(peer)));
        let mut logged = leg.split(' ');
        let leg = logged.next().unwrap();
        let subject = |leg: &str| {
            let (from, to) = leg.split_once('>').unwrap();
            json!({"leg": {"from": from, "to": to, "sample": sample}})
        };
        let (what, seconds) = what.split_once(' ').map_or((*what, 0), |(what, time)| {
            (what, time.strip_suffix('s').and_then(|time| time.parse().ok()).unwrap_or_default())
        });
        let mut trial = json!({
            "role": if leg == front { "fresh" } else { "inner" },
            "left": if what == "ok" || what == "so" || what.parse::<u16>().is_ok() { "alive" } else { "dead" },
            "stage": match what { "refused" | "unanswered" => "tcp", "so" => "tls", _ => "http" },
            "arrived": if matches!(what, "refused" | "unanswered" | "so") { "no" } else { "yes" },
            "elapsed_us": seconds * 1_000_000 + 5_000,
        });
        if what != "refused" {
            trial["peer"] = json!(peer);
        }
        match what {
            "gone" => trial["left"] = json!("unknown"),
            "late" => trial["out_of_time"] = json!(true),
            "ok" => trial["answer"] = json!("HTTP/1.1 200"),
            "slow" => {
                (trial["left"], trial["answer"]) = (json!("alive"), json!("HTTP/1.1 200"));
            }
            "so" => trial["until"] = json!("tls"),
            _ if what.parse::<u16>().is_ok() => trial["answer"] = json!(format!("HTTP/1.1 {what}")),
            _ => {}
        }
        observations.push(json!({"kind": "request.trial", "subject": subject(leg), "data": trial}));
        observations.push(json!({"kind": "toy.met", "subject": subject(leg), "data": {"what": what}}));
        for logged in logged {
            let what = if what == "504" { "waited" } else { "logged" };
            observations.push(json!({"kind": "toy.met", "subject": subject(logged), "data": {"what": what}}));
        }
    }
    let mut json = json!({"schema": SCHEMA, "path": {"hops": hops}, "observations": observations});
    if target.get("url").is_some() {
        json["target"] = target.clone();
    }
    let catalogue =
        Catalogue::new([&REFUSED, &UNANSWERED, &SILENT, &ERROR, &LOGGED, &WAITED, &SLOW]).unwrap();
    let report = Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue);
    let again = serde_json::to_vec(&report).unwrap();
    let again = Report::load(&again).unwrap().judged(&catalogue);
    assert_eq!(again.verdict, report.verdict, "stored and judged again");
    report
}

/// `died gateway http.error<tcp.refused`: the kind, the hop that is blamed, the chain.
fn told(report: &Report) -> String {
    let verdict = report.verdict.as_ref().unwrap();
    let hop = verdict.at().map(|at| format!(" {}", at.hop)).unwrap_or_default();
    let chain = match verdict {
        Verdict::Died { chain, .. } | Verdict::Degraded { chain, .. } => format!(" {}", chain.join("<")),
        Verdict::Unknown { why, .. } => {
            return format!("unknown: {}", why.split_once("; ").map_or(why.as_str(), |(_, why)| why));
        }
        _ => String::new(),
    };
    format!("{}{hop}{chain}", verdict.kind())
}

#[test]
fn each_hop_is_told_from_the_next() {
    let road = "client edge gateway pod";
    for (requests, expected) in [
        // The first hop does not even answer: what is further in does not matter.
        (
            vec![("client>edge", "refused"), ("edge>gateway", "ok"), ("gateway>pod", "ok")],
            "died edge tcp.refused",
        ),
        (vec![("client>edge", "refused"), ("edge>gateway", "refused")], "died edge tcp.refused"),
        // The edge's own answer.
        (vec![("client>edge", "502"), ("edge>gateway", "ok"), ("gateway>pod", "ok")], "died edge http.error"),
        (vec![("client>edge", "403"), ("edge>gateway", "ok"), ("gateway>pod", "ok")], "died edge http.error"),
        (vec![("client>edge", "403"), ("edge>gateway", "refused")], "died edge http.error"),
        // The leg behind it.
        (
            vec![("client>edge", "502"), ("edge>gateway", "refused"), ("gateway>pod", "ok")],
            "died gateway http.error<tcp.refused",
        ),
        (
            vec![("client>edge", "504"), ("edge>gateway", "unanswered"), ("gateway>pod", "ok")],
            "died gateway http.error<tcp.timed_out",
        ),
        // Two faults: the request never came as far as the second.
        (
            vec![("client>edge", "502"), ("edge>gateway", "refused"), ("gateway>pod", "refused")],
            "died gateway http.error<tcp.refused",
        ),
        // Through two proxies.
        (
            vec![("client>edge", "502"), ("edge>gateway", "502"), ("gateway>pod", "refused")],
            "died pod http.error<tcp.refused",
        ),
        (
            vec![("client>edge", "502"), ("edge>gateway", "502"), ("gateway>pod", "ok")],
            "died gateway http.error",
        ),
        (
            vec![("client>edge", "500"), ("edge>gateway", "500"), ("gateway>pod", "500")],
            "died pod http.error",
        ),
        (
            vec![("client>edge", "504"), ("edge>gateway", "504"), ("gateway>pod", "silent")],
            "died pod http.error<http.response.timed_out",
        ),
        // The pod takes longer than the gateway waits, and answers in the end.
        (
            vec![("client>edge", "504 2s"), ("edge>gateway", "504 2s"), ("gateway>pod", "ok 5s")],
            "died pod http.error",
        ),
        // Rules of thumb that are wrong: an application that answers 502 itself.
        (
            vec![("client>edge", "502"), ("edge>gateway", "502"), ("gateway>pod", "502")],
            "died pod http.error",
        ),
        (vec![("client>edge", "ok"), ("edge>gateway", "refused"), ("gateway>pod", "ok")], "reached"),
        // Denied further out than where it would have died: another answer was not passed on.
        (
            vec![("client>edge", "403"), ("edge>gateway", "502"), ("gateway>pod", "refused")],
            "died edge http.error",
        ),
        // The edge is impatient, and the gateway fails as well, but later than the edge waits.
        (
            vec![("client>edge", "504 1s"), ("edge>gateway", "502 2s"), ("gateway>pod", "silent 2s")],
            "unknown: gateway or pod may be to blame",
        ),
    ] {
        assert_eq!(told(&judged(road, &requests)), expected, "{requests:?}");
    }
}

#[test]
fn packets_pass_a_node_and_its_deaths_may_come_from_behind() {
    let road = "client edge node pod";
    for (requests, expected) in [
        (
            vec![("client>edge", "502"), ("edge>node", "refused"), ("edge>pod", "refused")],
            // Who cannot be reached from elsewhere than the hop before may be out of bounds there.
            "unknown: node, the leg node → pod or pod may be to blame",
        ),
        (
            vec![("client>edge", "502"), ("edge>node", "refused"), ("node>pod", "refused")],
            "died pod http.error<tcp.refused",
        ),
        (
            vec![("client>edge", "502"), ("edge>node", "refused"), ("node>pod", "ok")],
            "died node http.error<tcp.refused",
        ),
        (
            vec![("client>edge", "504"), ("edge>node", "unanswered"), ("node>pod", "ok")],
            "died node http.error<tcp.timed_out",
        ),
        (vec![("client>edge", "500"), ("edge>node", "500"), ("node>pod", "500")], "died pod http.error"),
        // Whoever answers there refuses nobody, whatever the answer.
        (
            vec![("client>edge", "502"), ("edge>node", "refused"), ("node>pod", "500")],
            "died node http.error<tcp.refused",
        ),
        (vec![("client>edge", "500"), ("edge>node", "500"), ("edge>pod", "500")], "died pod http.error"),
    ] {
        assert_eq!(told(&judged(road, &requests)), expected, "{requests:?}");
    }
}

#[test]
fn several_places_that_remain_are_listed_and_nobody_is_blamed() {
    let road = "client edge gateway pod";
    for (requests, expected) in [
        (
            vec![("client>edge", "502")],
            "unknown: edge, the leg edge → gateway, gateway or pod may be to blame",
        ),
        (
            vec![("client>edge", "502"), ("client>gateway", "ok")],
            "unknown: edge or the leg edge → gateway may be to blame",
        ),
        (
            vec![("client>edge", "502"), ("edge>gateway", "so far")],
            "unknown: edge, gateway or pod may be to blame",
        ),
        (
            vec![("client>edge", "502"), ("edge>gateway", "502")],
            "unknown: gateway, the leg gateway → pod or pod may be to blame",
        ),
        // It waits in vain, and who is behind refuses at once: that does not go together.
        (
            vec![("client>edge", "504"), ("edge>gateway", "refused")],
            "unknown: edge, gateway or pod may be to blame",
        ),
    ] {
        assert_eq!(told(&judged(road, &requests)), expected, "{requests:?}");
    }
    // No leg makes answers.
    let own = [("client>edge", "403"), ("client>gateway", "ok")];
    assert_eq!(told(&judged(road, &own)), "died edge http.error");
}

#[test]
fn a_log_line_of_this_very_request_decides() {
    let road = "client edge gateway pod";
    // With nothing but the line: the proxy says that it was refused.
    let logged = [("client>edge edge>gateway", "502")];
    assert_eq!(told(&judged(road, &logged)), "died gateway http.error<proxy.connection_refused");
    // What is seen from there stands behind it.
    let seen = [("client>edge edge>gateway", "502"), ("edge>gateway", "refused")];
    let chain = "died gateway http.error<proxy.connection_refused<tcp.refused";
    assert_eq!(told(&judged(road, &seen)), chain);
    // Two logs tell of it, each of the hop behind.
    let both = [("client>edge edge>gateway gateway>pod", "502")];
    assert_eq!(told(&judged(road, &both)), "died pod http.error<proxy.connection_refused");
}

#[test]
fn a_log_line_cannot_tell_a_node_from_what_is_behind_it() {
    let road = "client edge node pod";
    let remain = "unknown: node, the leg node → pod or pod may be to blame";
    let refused = [("client>edge edge>node", "502")];
    assert_eq!(told(&judged(road, &refused)), remain);
    // Nor can a request that took too long there.
    let late = [("client>edge edge>node", "504 1s"), ("edge>node", "ok 3s")];
    assert_eq!(told(&judged(road, &late)), remain);
    let seen = [("client>edge edge>node", "502"), ("node>pod", "refused")];
    assert_eq!(told(&judged(road, &seen)), "died pod http.error<proxy.connection_refused<tcp.refused");
}

#[test]
fn what_an_application_asks_beside_the_road_stands_behind_its_failure() {
    let road = "client edge pod db<pod";
    for (requests, expected) in [
        (
            vec![("client>edge", "500"), ("edge>pod", "500"), ("pod>db", "refused")],
            "died db http.error<tcp.refused",
        ),
        (vec![("client>edge", "500"), ("edge>pod", "500"), ("pod>db", "so far")], "died pod http.error"),
        (vec![("client>edge", "404"), ("edge>pod", "404"), ("pod>db", "refused")], "died pod http.error"),
    ] {
        assert_eq!(told(&judged(road, &requests)), expected, "{requests:?}");
    }
    // What refuses at once is not what takes so long; what does not answer is.
    for (met, expected) in [
        ("refused", "died pod http.error<pod.slow"),
        ("unanswered", "died db http.error<pod.slow<tcp.timed_out"),
    ] {
        let slow = [("client>edge", "504 2s"), ("edge>pod", "slow 5s"), ("pod>db", met)];
        assert_eq!(told(&judged(road, &slow)), expected);
    }
    // What it asks is well, and so is what is behind it: the time is lost in this very hop.
    let slow = [
        ("client>edge", "504 2s"),
        ("edge>gateway", "ok 3s"),
        ("gateway>cache", "ok"),
        ("gateway>pod", "ok"),
    ];
    assert_eq!(told(&judged("client edge gateway pod cache<gateway", &slow)), "died gateway http.error");
}

#[test]
fn a_part_of_the_instances_explains_a_part_of_the_deaths() {
    let road = "client edge pod";
    let some = [
        ("client>edge", "502"),
        ("client>edge", "ok"),
        ("client>edge", "502"),
        ("client>edge", "ok"),
        ("edge>pod", "refused"),
        ("edge>pod", "ok"),
    ];
    assert_eq!(told(&judged(road, &some)), "degraded pod http.error<tcp.refused");
    // So few die at the front that those further in may have come through by chance, until there are more.
    let few = |samples: usize| {
        let mut few = vec![("client>edge", "500"), ("client>edge", "500")];
        few.extend(vec![("client>edge", "ok"); samples - 2]);
        few.extend(vec![("edge>pod", "ok"); samples]);
        few
    };
    assert_eq!(told(&judged(road, &few(12))), "degraded http.error");
    let mut more = few(48);
    more[..48].fill(("client>edge", "ok"));
    (0..48).step_by(8).for_each(|place| more[place] = ("client>edge", "500"));
    assert_eq!(told(&judged(road, &more)), "degraded edge http.error");
    // That a dozen requests in a row met the dead one of two is not to be believed.
    let mut all = vec![("client>edge", "502"); 12];
    all.extend([("edge>pod", "refused"), ("edge>pod", "ok")]);
    assert_eq!(told(&judged(road, &all)), "unknown: edge may be to blame");
}

#[test]
fn hops_before_the_death_did_their_part() {
    let report = judged(
        "client edge gateway pod",
        &[("client>edge", "502"), ("edge>gateway", "502"), ("gateway>pod", "refused")],
    );
    let states: Vec<(Tri, Tri)> = report.hops.iter().map(|hop| (hop.arrived, hop.left_alive)).collect();
    let (yes, no) = (Tri::Yes, Tri::No);
    assert_eq!(states, [(yes, yes), (yes, yes), (yes, yes), (no, Tri::Unknown)]);
}

#[test]
fn an_instance_of_which_nothing_is_known_may_be_the_one() {
    let road = "client edge pod@10.0.0.8:80,10.0.0.9:80";
    let pods = |second: &'static str, what: &'static str| {
        told(&judged(road, &[("client>edge", what), ("edge>pod@10.0.0.8:80", "ok"), (second, "gone")]))
    };
    assert_eq!(pods("edge>pod@10.0.0.9:80", "502"), "unknown: edge or pod may be to blame");
    assert_eq!(pods("edge>pod@10.0.0.9:80", "403"), "unknown: edge or pod may be to blame");
    let both = [("client>edge", "403"), ("edge>pod@10.0.0.8:80", "ok"), ("edge>pod@10.0.0.9:80", "ok")];
    assert_eq!(told(&judged(road, &both)), "died edge http.error");
    // One refuses, and the other was not asked all the way.
    let partly =
        [("client>edge", "403"), ("edge>pod@10.0.0.9:80", "refused"), ("edge>pod@10.0.0.8:80", "so far")];
    assert_eq!(told(&judged(road, &partly)), "unknown: edge or pod may be to blame");
}

#[test]
fn what_passes_packets_on_makes_no_answers_either() {
    // Asked from the client's place, the pod is well; the node said nothing by itself.
    let road = "client node pod";
    for what in ["500", "403"] {
        let met = told(&judged(road, &[("client>node", what), ("client>pod", "ok")]));
        assert_eq!(met, "unknown: node or the leg node → pod may be to blame");
    }
}

#[test]
fn one_replica_in_three_is_not_what_a_dozen_requests_in_a_row_died_of() {
    let mut requests = vec![("client>pod", "500"); 12];
    requests.extend([("pod>db", "refused"), ("pod>db", "so far"), ("pod>db", "so far")]);
    assert_eq!(told(&judged("client pod db<pod", &requests)), "died pod http.error");
    let few = [&requests[..2], &requests[12..]].concat();
    assert_eq!(told(&judged("client pod db<pod", &few)), "died db http.error<tcp.refused");
}

#[test]
fn of_hops_behind_a_cache_nothing_is_said() {
    let road = "client edge gateway pod";
    // 410: an answer that a cache had, here.
    for (requests, expected) in [
        (vec![("client>edge", "410"), ("edge>gateway", "refused")], "died edge http.error"),
        (vec![("client>edge", "410"), ("edge>gateway", "ok")], "died edge http.error"),
        (
            vec![("client>edge", "410"), ("edge>gateway", "410"), ("gateway>pod", "refused")],
            "died gateway http.error",
        ),
        (
            vec![("client>edge", "410")],
            "unknown: edge, the leg edge → gateway, gateway or pod may be to blame",
        ),
    ] {
        assert_eq!(told(&judged(road, &requests)), expected, "{requests:?}");
    }
}

#[test]
fn to_come_back_without_its_credentials_is_not_to_come_back() {
    let road = "client edge gateway";
    let target = json!({"url": "http://a.example/", "method": "GET",
                        "headers": [{"name": "Authorization", "value": "[redacted]"}]});
    let requests = [("client>edge", "502"), ("edge>gateway", "ok")];
    let report = judged_with(road, &requests, &target);
    assert_eq!(told(&report), "unknown: edge or gateway may be to blame");
    let Some(Verdict::Unknown { what_would_tell, .. }) = &report.verdict else { panic!() };
    assert!(what_would_tell[0].contains("`credentials: true`") || what_would_tell[0].contains("`sends`"));
    assert_eq!(told(&judged(road, &requests)), "died edge http.error");
    // What does not come as far as its credentials is comparable.
    let refused = judged_with(road, &[("client>edge", "502"), ("edge>gateway", "refused")], &target);
    assert_eq!(told(&refused), "died gateway http.error<tcp.refused");
}

#[test]
fn who_was_not_waited_for_as_long_tells_nothing() {
    // The gateway was given half a second, and the edge had waited two.
    let report = judged("client edge gateway", &[("client>edge", "504 2s"), ("edge>gateway", "late")]);
    assert_eq!(told(&report), "unknown: edge or gateway may be to blame");
}

#[test]
fn one_code_in_two_places_is_two_things() {
    let mut requests = vec![("client>edge", "502"); 12];
    requests[0].1 = "404";
    requests.extend([
        ("edge>gateway", "502"),
        ("edge>gateway", "502"),
        ("gateway>pod", "ok"),
        ("gateway>pod", "ok"),
    ]);
    assert_eq!(told(&judged("client edge gateway pod", &requests)), "died gateway http.error");
}
