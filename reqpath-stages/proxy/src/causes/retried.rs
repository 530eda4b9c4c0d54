//! `proxy.retried`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};
use reqpath_http::{Passage, Try};

use crate::evidence::{Fault, LoggedError};

cause! {
    /// A proxy's first try failed, and another one saved the request.
    ///
    /// `$upstream_status` lists one status for each try: `502, 200` is a server that failed and another that answered.
    /// The client sees success, later than it could, and the next request may not be so lucky: methods that may not be
    /// sent twice get no second try.
    ///
    /// # What to do
    ///
    /// Find out what is the matter with the first server: the proxy's error log says how the try failed.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 200, "end": "complete"}},
    ///   {"kind": "proxy.access", "subject": {"leg": {"from": "edge", "to": "shop", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/access.log", "status": 200, "tells_upstream": true,
    ///             "tries": [{"address": "10.0.0.7:8080", "status": 502}, {"address": "10.0.0.8:8080", "status": 200}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static RETRIED: "proxy.retried" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        only_warns(),
        twins(&["proxy.connection_refused"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.of::<Passage>(at).find(|passage| passage.saved_by_retry()).ok_or(Decline::Absent)?;
    let (last, failed) = seen.tries.split_last().ok_or(Decline::Absent)?;
    let shown = |tried: &Try| {
        let status = tried.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        format!("{} ({status})", tried.address.as_deref().unwrap_or("-"))
    };
    let failed: Vec<String> = failed.iter().map(shown).collect();
    let mut summary =
        format!("{} tried {} in vain before {} answered", seen.hop, failed.join(", "), shown(last));
    let whole = at.any_address();
    let lines = case.of::<LoggedError>(&whole).filter(|line| line.hop == seen.hop);
    let lines: Vec<_> = lines.filter(|line| Fault::of_line(line).is_some_and(Fault::is_upstream)).collect();
    if let Some(line) = lines.first() {
        summary.push_str(&format!(" (\"{}\")", line.words()));
    }
    let finding = Finding::new(&whole, &seen, summary);
    Ok(lines.iter().fold(finding, |finding, line| finding.citing(line)))
}
