//! `http.version_required`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause, quoted};

use super::met::{asked, ended, peer, words};
use crate::evidence::{Closed, End};

cause! {
    /// The server speaks HTTP/2, and wants this request asked over HTTP/1.1 (`HTTP_1_1_REQUIRED`).
    ///
    /// It resets the stream, or says that it is going away, with the code 13 of RFC 9113: for something that
    /// it cannot do in HTTP/2, such as asking for a client certificate or a Windows login once it has seen
    /// which page is wanted, or for an upstream that takes nothing else.
    /// Browsers and curl ask again over HTTP/1.1 and are answered; clients that do not, fail.
    /// A stream that is reset for another reason is `http.response.reset`.
    ///
    /// # What to do
    ///
    /// Ask it over HTTP/1.1 (`--http1.1`), and tell the client that failed to do so too.
    /// Where no client is to be turned away, offer no HTTP/2 (ALPN `h2`) at that name, or give what needs
    /// HTTP/1.1 a name of its own.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"request": {"url": "https://server.example/certificate"}, "spoken": "HTTP/2", "secured": true,
    ///             "request_sent_us": 90, "ended_us": 1300, "bytes_sent": 180, "bytes_received": 62,
    ///             "end": "version_required", "closed": "stream_reset", "h2_code": "HTTP_1_1_REQUIRED",
    ///             "error": "http2 error: stream error received: endpoint requires HTTP/1.1"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true}}
    /// ]}
    /// ```
    pub static VERSION_REQUIRED: "http.version_required" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        twins(&["http.response.reset", "http.response.empty", "http.response.invalid"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::VersionRequired])?;
    let how = match seen.closed {
        Some(Closed::Goaway) => "GOAWAY",
        _ => "RST_STREAM",
    };
    let agreed = if seen.secured { "although it agreed on HTTP/2" } else { "although it speaks HTTP/2" };
    let summary = format!(
        "{} wants {} asked over HTTP/1.1, {agreed} ({how}, HTTP_1_1_REQUIRED): clients that do not ask again fail",
        peer(&seen),
        asked(&seen)
    );
    let finding = Finding::new(at, &seen, summary)
        .next(format!("curl -sv --http1.1 -o /dev/null {}", seen.curl_target()))
        .next(format!("reqpath trace --http1.1 {}", quoted(&seen.request.url())));
    Ok(match words(&seen) {
        Some(words) => finding.error(words),
        None => finding,
    })
}
