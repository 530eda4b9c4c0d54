//! `http.response.timed_out`

use reqpath_core::{Behind, Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, ended, nothing_but, peer, since_sent};
use crate::evidence::{End, Protocol};

cause! {
    /// The request was sent, and no complete head of an answer came before our time ran out.
    ///
    /// The connection is open and the far side says nothing, or says its headers so slowly that they
    /// do not end: an application that works, waits for a lock, a database or another service, a
    /// proxy that waits for its upstream, or a path that swallows large packets.
    /// That the same request succeeds when given more time is `client.deadline_too_short`;
    /// silence before the TLS handshake is done is `tls.timed_out`, and to the SYN `tcp.timed_out`.
    ///
    /// # What to do
    ///
    /// Ask the server what it was doing at this second: its access log shows the request when it
    /// ends, its own status page or a stack dump while it lasts.
    /// Repeat with more time (`--max-time 60`), and directly against the application, past the proxies.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/report"}, "request_sent_us": 90, "ended_us": 2000000,
    ///             "bytes_sent": 180, "end": "timed_out"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true, "out_of_time": true}}
    /// ]}
    /// ```
    pub static TIMED_OUT: "http.response.timed_out" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Leg),
        silent(),
        twins(&["client.deadline_too_short", "response.stalled", "http.response.empty", "tls.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::TimedOut])?;
    let waited = since_sent(&seen);
    let said = match (seen.bytes_sent, seen.bytes_received) {
        (0, _) => "could not even be sent the request".to_owned(),
        (_, 0) => "said nothing".to_owned(),
        _ if seen.only_interim => {
            format!("sent {}, and of the answer itself nothing", nothing_but(&seen).unwrap_or_default())
        }
        // Settings and acknowledgements answer nothing.
        (_, bytes) if seen.spoken == Protocol::Http2 && seen.first_bytes.is_none() => {
            format!(
                "keeps the connection ({bytes} bytes of HTTP/2's own talk came) and said nothing in answer"
            )
        }
        (_, bytes) => format!("sent {bytes} bytes, which do not make a head,"),
    };
    let summary = format!("{} {said} for {waited} after {}", peer(&seen), asked(&seen));
    let finding = Finding::new(at, &seen, summary)
        .behind(Behind::SILENCE)
        .next(format!("reqpath trace {} --max-time 60", reqpath_core::quoted(&seen.request.url())))
        .next(seen.curl());
    Ok(match seen.first_bytes.as_ref().filter(|_| !seen.only_interim) {
        Some(bytes) => finding.error(bytes.clone()),
        None => finding,
    })
}
