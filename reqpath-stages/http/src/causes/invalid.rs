//! `http.response.invalid`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, ended, peer, raw, words};
use crate::evidence::{End, Exchange, Protocol, Redirect};

cause! {
    /// What came back is not HTTP, or breaks its rules so that it cannot be read.
    ///
    /// Another protocol listens on this port (SSH, a database, TLS, HTTP/2 where HTTP/1.1 was spoken),
    /// or a program writes its answers by hand and writes them wrong: a head that is malformed, a body longer
    /// than it promised, a switch to another protocol (101) that nothing asked for.
    /// The first bytes tell which: `SSH-2.0` is SSH, a first byte of `0x15` or `0x16` is TLS (then
    /// the cause is `tls.plaintext_to_tls`), three zero bytes or so and a `4` are HTTP/2 settings.
    /// A head that is well-formed and far too large is `http.response.header_section_size`.
    ///
    /// # What to do
    ///
    /// Look at the first bytes, and at what listens there: `ss -ltnp` on the far host.
    /// If it is an HTTP server, ask it for the raw answer and find the line that is wrong.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:22", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example:22/"}, "request_sent_us": 90, "ended_us": 1300,
    ///             "bytes_sent": 180, "bytes_received": 41, "end": "invalid",
    ///             "first_bytes": "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\\r\\n",
    ///             "error": "invalid HTTP version parsed"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true}}
    /// ]}
    /// ```
    pub static INVALID: "http.response.invalid" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        twins(&["tls.plaintext_to_tls", "http.response.header_section_size", "response.truncated"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    if let Some(redirect) = case.of::<Redirect>(at).find(|redirect| redirect.problem.is_some()) {
        let problem = redirect.problem.clone().unwrap_or_default();
        let summary = format!("the redirect from {} cannot be followed: {problem}", redirect.from);
        return Ok(Finding::new(at, &redirect, summary).error(format!("Location: {}", redirect.to)));
    }
    let seen = ended(case, at, &[End::Invalid])?;
    let summary = format!("{} answered {} with {}", peer(&seen), asked(&seen), what(&seen));
    let finding = Finding::new(at, &seen, summary).next(raw(&seen));
    let finding = match seen.subject().address() {
        Some(address) => {
            finding.next(format!("ss -ltnp 'sport = :{}'   # on {}", address.port(), address.ip()))
        }
        None => finding,
    };
    Ok(match words(&seen) {
        Some(words) => finding.error(words),
        None => finding,
    })
}

/// What it is that came back, as far as its first bytes tell.
fn what(exchange: &Exchange) -> String {
    let bytes = exchange.first_bytes.as_deref().unwrap_or_default();
    let start: String = bytes.chars().take(60).collect();
    if let Some(status) = exchange.status {
        let line = exchange.status_line();
        let body = exchange.body.as_ref();
        let more = body.and_then(|body| body.promised.filter(|promised| *promised < body.received));
        return match (body, more) {
            (None, _) if !start.is_empty() => format!("{status} and a head that is malformed (`{start}`)"),
            _ if status == 101 => format!("{line}, though nothing asked for another protocol (`Upgrade`)"),
            (Some(body), Some(promised)) => {
                format!("{line} and {} bytes of a body of {promised}: more than it promised", body.received)
            }
            _ => format!("{line} and a body that breaks the rules of its framing"),
        };
    }
    let known = match exchange.spoken {
        _ if bytes.starts_with("SSH-") => "SSH",
        Protocol::Http2 if bytes.starts_with("HTTP/1.") && exchange.secured => {
            "HTTP/1.1, although HTTP/2 was agreed on"
        }
        // In the clear nothing is agreed on: whoever speaks HTTP/2 there has to know that it is understood.
        Protocol::Http2 if bytes.starts_with("HTTP/1.") => {
            "HTTP/1.1, where HTTP/2 was spoken to it in the clear, unasked,"
        }
        Protocol::Http2 if bytes.starts_with("HTTP/") => "HTTP of another version",
        Protocol::Http2 => "frames that break the rules of HTTP/2",
        _ if bytes.starts_with("\\u{15}\\u{3}") || bytes.starts_with("\\u{16}\\u{3}") => "TLS",
        _ if bytes.starts_with("\\u{0}\\u{0}") && bytes.contains("\\u{4}\\u{0}") => "HTTP/2",
        _ if bytes.starts_with("HTTP/") => "malformed HTTP",
        _ => "something that is not HTTP",
    };
    format!("{known} (`{start}`)")
}
