use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{error, failed, unless};
use crate::command::curl;
use crate::evidence::Ended;

cause! {
    /// The peer does not speak TLS on this port.
    ///
    /// Its first bytes are not a record of TLS: plain HTTP, a greeting of a mail server, SSH.
    /// Most often the port is the one for plain HTTP, or a TLS listener lost its `ssl`.
    ///
    /// # What to do
    ///
    /// Use the right scheme and port, or let the listener speak TLS (`listen 443 ssl` in nginx).
    /// Behind a load balancer that ends TLS itself, speak plainly to what is behind it.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "not_tls",
    ///             "error": "received corrupt message of type InvalidContentType",
    ///             "first_bytes": "HTTP/1.1 400 Bad Request\\r\\nServer: nginx"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static PLAINTEXT_PEER: "tls.plaintext_peer" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.protocol.error", "tls.timed_out"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = failed(case, at).find(|seen| seen.ended == Some(Ended::NotTls)).ok_or_else(|| {
        unless(case, at, |handshake| match handshake.received_bytes {
            0 => None,
            _ => Some("what the peer sent is TLS".to_owned()),
        })
    })?;
    let bytes = seen.first_bytes.clone().unwrap_or_default();
    let summary =
        format!("the peer speaks {} and not TLS: its first bytes are \"{bytes}\"", language(&bytes));
    let address = seen.subject().address();
    let place = address.map_or_else(|| seen.host.clone(), |peer| peer.to_string());
    let tunnel = address.zip(seen.tunnel.as_deref());
    Ok(Finding::new(at, &seen, summary).error(error(&seen)).next(match (language(&bytes), tunnel) {
        ("plain HTTP", Some((proxy, tunnel))) => curl(proxy, tunnel, "http"),
        (_, Some((proxy, tunnel))) => curl(proxy, tunnel, "telnet"),
        ("plain HTTP", None) => format!("curl -v http://{place}/"),
        (_, None) => format!("nc -v {}", place.replace(':', " ")),
    }))
}

/// What is spoken, as far as first bytes tell.
fn language(bytes: &str) -> &'static str {
    const KNOWN: [(&str, &str); 9] = [
        ("HTTP/", "plain HTTP"),
        ("<html", "plain HTTP"),
        ("SSH-", "SSH"),
        ("220 ", "SMTP or FTP"),
        ("220-", "SMTP or FTP"),
        ("+OK", "POP3"),
        ("* OK", "IMAP"),
        ("-ERR", "Redis"),
        ("AMQP", "AMQP"),
    ];
    let known = KNOWN.iter().find(|(start, _)| bytes.starts_with(start));
    known.map_or("something else", |(_, name)| name)
}
