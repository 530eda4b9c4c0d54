//! `response.larger_than_read`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, ended, peer};
use crate::evidence::End;

cause! {
    /// The answer is larger than what is read of it; nothing is said of the rest.
    ///
    /// A trace counts the bytes of a body up to a limit (16 MiB unless chosen otherwise) and then
    /// stops, so that a body without end cannot hold it up.
    /// The request counts as answered: its head and that much of its body came back.
    ///
    /// # What to do
    ///
    /// Nothing, where answers of that size are meant. Where they are not, look at what the URL serves.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/image.iso"}, "status": 200, "end": "limit",
    ///             "body": {"coding": "length", "promised": 1000000000, "received": 16777216}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes"}}
    /// ]}
    /// ```
    pub static LARGER_THAN_READ: "response.larger_than_read" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        kills_in(&["http"]),
        only_warns(),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::Limit])?;
    let body = seen.body.clone().unwrap_or_default();
    let promised = match body.promised {
        Some(promised) => format!("of {promised} bytes"),
        None => "whose length it does not say".to_owned(),
    };
    let summary = format!(
        "{} answers {} with a body {promised}; {} bytes of it were read, and nothing is said of the rest",
        peer(&seen),
        asked(&seen),
        body.received
    );
    Ok(Finding::new(at, &seen, summary)
        .next(format!("curl -so /dev/null -w '%{{size_download}}\\n' --max-time 60 {}", seen.curl_target())))
}
