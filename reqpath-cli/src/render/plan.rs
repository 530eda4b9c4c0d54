//! `--dry-run`: what would be sent, read and contacted, at most.

use std::collections::HashMap;
use std::fmt::Write as _;

use reqpath_core::{Contact, ContactKind, Path, Source, Subject, Target, escape, redact_url};
use reqpath_stages::{Inner, Reads};
use serde_json::{Value, json};

use crate::error::Mistake;

/// The headers that are sent unless the caller has them.
const OURS: [&str; 5] = ["Host", "User-Agent", "Accept", "X-Request-Id", "traceparent"];

/// What a dry run shows.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) target: &'a Target,
    /// The contacts by subject: the front, each entry, each visit.
    pub(crate) parts: Vec<(Subject, Vec<Contact>)>,
    pub(crate) ahead: &'a Ahead,
}

/// What lies ahead on the path of a file; nothing on that of a URL.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) path: Option<Path>,
    pub(crate) entries: Vec<Inner>,
    pub(crate) reads: Vec<Reads>,
    /// What each vantage is.
    pub(crate) places: HashMap<String, String>,
    /// The name of the place the client looks from.
    pub(crate) front: String,
}

/// Requests that would be sent.
struct Requests<'a> {
    from: String,
    to: String,
    at: Option<String>,
    vantage: &'a str,
    target: &'a Target,
    most: u32,
    short: Option<String>,
}

impl Plan<'_> {
    /// The plan as text. Of a URL it holds the contacts alone.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{} {}\n", self.target.method(), redact_url(self.target.url()));
        // Writing to a String cannot fail.
        if let Some(path) = &self.ahead.path {
            let _ = writeln!(out, "{}", road(path));
            out.push_str("Would send, at most:\n");
            for requests in self.requests() {
                self.say(&mut out, &requests);
            }
            if !self.ahead.reads.is_empty() {
                out.push_str("Would read:\n");
            }
            for reads in &self.ahead.reads {
                let from = reads.vantage.as_deref().unwrap_or_default();
                let _ = writeln!(
                    out,
                    "  {}: {}, {}, from {}",
                    escape(reads.hop.as_str(), 80),
                    escape(&reads.source.kind, 80),
                    what(&reads.source),
                    self.place(from)
                );
            }
        }
        out.push_str("Would contact, at most:\n");
        for (subject, contacts) in &self.parts {
            if self.ahead.path.is_some() {
                let _ = writeln!(out, "  {}:", leg(subject));
            }
            for contact in contacts.iter().filter(|contact| contact.most > 0) {
                // Where it enters is said above already.
                let why = contact.why.split(", entering at ").next().unwrap_or_default();
                let (most, kind, with) = (contact.most, contact.kind.to_string(), escape(&contact.with, 200));
                let _ = writeln!(out, "  {most:>5} × {kind:<14} {with}: {}", escape(why, 400));
            }
        }
        out.push_str("Nothing was contacted.\n");
        out
    }

    /// The plan for programs.
    pub(crate) fn json(&self) -> Result<String, Mistake> {
        let requests = self.requests().into_iter().map(|requests| {
            json!({
                "from": requests.from,
                "to": requests.to,
                "at": requests.at,
                "vantage": requests.vantage,
                "method": requests.target.method(),
                "url": redact_url(requests.target.url()),
                "headers": headers(requests.target),
                "most": requests.most,
                "ends_before_http": requests.short,
            })
        });
        let reads = self
            .ahead
            .reads
            .iter()
            .map(|reads| json!({"hop": reads.hop, "vantage": reads.vantage, "source": reads.source}));
        let plan = json!({
            "method": self.target.method(),
            "url": redact_url(self.target.url()),
            "hops": self.ahead.path.as_ref().map(|path| path.hops.iter().map(|hop| &hop.id).collect::<Vec<_>>()),
            "requests": requests.collect::<Value>(),
            "reads": reads.collect::<Value>(),
            "contacts": self.contacts().collect::<Vec<_>>(),
        });
        Ok(format!("{}\n", serde_json::to_string_pretty(&plan)?))
    }

    fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.parts.iter().flat_map(|(_, contacts)| contacts).filter(|contact| contact.most > 0)
    }

    /// The requests in the order of the road: at the front, then at every entry.
    fn requests(&self) -> Vec<Requests<'_>> {
        let mut parts = self.parts.iter();
        let mut requests = Vec::new();
        if let Some((Subject::Leg(leg), contacts)) = parts.next() {
            requests.push(Requests {
                from: leg.from.to_string(),
                to: leg.to.to_string(),
                at: None,
                vantage: &self.ahead.front,
                target: self.target,
                most: sent(contacts),
                short: None,
            });
        }
        // The entries stand in the plan as they were given.
        for (inner, (_, contacts)) in self.ahead.entries.iter().zip(parts) {
            requests.push(Requests {
                from: inner.from.to_string(),
                to: inner.to.to_string(),
                at: Some(inner.at.to_string()),
                vantage: inner.vantage.as_deref().unwrap_or(&self.ahead.front),
                target: &inner.target,
                most: sent(contacts),
                short: inner.short.map(|short| short.to_string()),
            });
        }
        requests
    }

    fn say(&self, out: &mut String, requests: &Requests<'_>) {
        let leg = format!("{} → {}", escape(&requests.from, 80), escape(&requests.to, 80));
        let at = requests.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        let from = self.place(requests.vantage);
        // Writing to a String cannot fail.
        let _ = match &requests.short {
            Some(why) => writeln!(out, "  {leg}: no HTTP request{at}, from {from}: {why}"),
            None => writeln!(
                out,
                "  {leg}: {} × {} {}{at}, from {from}\n      headers: {}",
                requests.most,
                requests.target.method(),
                redact_url(requests.target.url()),
                headers(requests.target).join(", ")
            ),
        };
    }

    /// A vantage by its name, with what it is.
    fn place(&self, name: &str) -> String {
        let name_said = escape(name, 80);
        match self.ahead.places.get(name) {
            Some(place) => format!("{name_said} ({})", escape(place, 200)),
            None => name_said,
        }
    }
}

/// How many requests these contacts are: those over HTTP to the hop itself.
fn sent(contacts: &[Contact]) -> u32 {
    let requests = contacts.iter().filter(|contact| contact.kind == ContactKind::Request);
    requests.filter(|contact| contact.with == "the server").map(|contact| contact.most).sum()
}

/// What a part of the plan is about.
fn leg(subject: &Subject) -> String {
    match subject {
        Subject::Leg(leg) => format!("{} → {}", escape(leg.from.as_str(), 80), escape(leg.to.as_str(), 80)),
        Subject::Hop(hop) => format!("{}, looked at by itself", escape(hop.as_str(), 80)),
        _ => "the path".to_owned(),
    }
}

/// The names of the headers that are sent.
fn headers(target: &Target) -> Vec<String> {
    let given = target.headers();
    let has = |name: &str| given.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    let mut names: Vec<String> =
        OURS.iter().filter(|ours| !has(ours)).map(|ours| (*ours).to_owned()).collect();
    if target.user_info().is_some() && !has("Authorization") {
        names.push("Authorization".to_owned());
    }
    // One of ours with an empty value is not sent.
    let ours = |name: &str| OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    let sent = given.iter().filter(|header| !(header.value.is_empty() && ours(&header.name)));
    names.extend(sent.map(|header| escape(&header.name, 80)));
    names
}

/// The hops in a line, and what stands beside the road.
fn road(path: &Path) -> String {
    let mut out = "The road: ".to_owned();
    let names: Vec<String> = path.road().map(|hop| escape(hop.id.as_str(), 80)).collect();
    out.push_str(&names.join(" → "));
    for hop in &path.hops {
        if let Some(of) = &hop.branch_of {
            out.push_str(&format!(
                "; beside it {} → {}",
                escape(of.as_str(), 80),
                escape(hop.id.as_str(), 80)
            ));
        }
    }
    out
}

/// What is read.
fn what(source: &Source) -> String {
    let shown = escape(&source.shown(), 400);
    match (&source.file, &source.api) {
        (Some(_), _) => format!("file {shown}"),
        (None, Some(_)) => format!("API {shown}"),
        (None, None) => format!("command `{shown}`"),
    }
}
