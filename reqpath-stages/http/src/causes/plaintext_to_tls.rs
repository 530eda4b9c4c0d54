//! `tls.plaintext_to_tls`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause, quoted};

use super::met::{asked, exchange, otherwise, peer};
use crate::evidence::Exchange;

/// What servers answer in plain text on their TLS port: nginx, Apache httpd, Go, and others alike.
const TEXTS: [&str; 4] = [
    "The plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
    "Client sent an HTTP request to an HTTPS server",
    "This combination of host and port requires TLS",
];

cause! {
    /// Plain HTTP was spoken to a port that wants TLS.
    ///
    /// The URL says `http`, or a proxy's upstream does, and the port serves `https`.
    /// Servers that know the mistake answer in plain text with a 400 that says so; others answer with
    /// the bytes of a TLS alert (a first byte of `0x15`), which are no HTTP at all.
    /// The reverse, TLS spoken to a plain port, is `tls.plaintext_peer`.
    ///
    /// # What to do
    ///
    /// Use `https` in the URL; in nginx, `proxy_pass https://…` for such an upstream.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "target": {"url": "http://server.example:443/", "method": "GET"},
    ///  "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example:443/"}, "version": "HTTP/1.1", "status": 400,
    ///             "end": "complete", "headers": [["server", "nginx"]],
    ///             "body": {"start": "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head><body><center><h1>400 Bad Request</h1></center><center>The plain HTTP request was sent to HTTPS port</center><hr><center>nginx</center></body></html>"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes"}}
    /// ]}
    /// ```
    pub static PLAINTEXT_TO_TLS: "tls.plaintext_to_tls" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Near),
        explains(&["http.*"]),
        twins(&["http.error", "http.response.invalid", "tls.plaintext_peer"]),
        kills_in(&["http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = exchange(case, at)?;
    if seen.secured {
        return Err(Decline::not("TLS was spoken", &seen));
    }
    let text = TEXTS.iter().find(|text| seen.status == Some(400) && seen.body_start().contains(**text));
    let said = match (text, alert(&seen)) {
        (Some(text), _) => format!("400: `{text}`"),
        (None, Some(alert)) => alert,
        (None, None) if seen.answered() => {
            return Err(case.not(&seen, || format!("plain HTTP was understood: {}", seen.status_line())));
        }
        (None, None) => return Err(otherwise(case, &seen)),
    };
    let url = seen.request.url();
    let secure =
        url.strip_prefix("http://").map_or_else(|| url.to_string(), |rest| format!("https://{rest}"));
    let summary =
        format!("{} was sent in the clear to a TLS port: {} answered {said}", asked(&seen), peer(&seen));
    let finding = Finding::new(at, &seen, summary).next(format!("reqpath trace {}", quoted(&secure)));
    let finding = match seen.subject().address() {
        Some(peer) => finding.next(format!("openssl s_client -connect {peer} </dev/null")),
        None => finding,
    };
    Ok(match text {
        Some(text) => finding.error(*text).ends_sample(),
        None => finding.error(seen.first_bytes.clone().unwrap_or_default()),
    })
}

/// What came back as a TLS alert record, in words.
fn alert(exchange: &Exchange) -> Option<String> {
    let rest = exchange.first_bytes.as_deref()?.strip_prefix("\\u{15}\\u{3}")?;
    // Version, two bytes of length, level and description: what is left of the record.
    (rest.len() < 60).then(|| "with the bytes of a TLS alert".to_owned())
}
