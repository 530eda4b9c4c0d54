use reqpath_core::{Case, Decline, End, Evidence, Finding, Seen, Subject, cause, escape};

use super::handshakes::{error, unless};
use crate::command::openssl;
use crate::evidence::{Ended, Handshake, Spoken};

cause! {
    /// Client and server have no application protocol in common.
    ///
    /// In the ClientHello stands what the client would speak over the connection: `h2`, `http/1.1`.
    /// A server that speaks none of it answers with alert 120 (no_application_protocol), or says nothing
    /// about it, and then HTTP/1.1 is spoken, which a client that offered only `h2` does not want.
    /// Worst is the server that agrees on one and speaks the other: a proxy before it made the promise.
    ///
    /// # What to do
    ///
    /// Offer what the server speaks (`--http1.1`), or have it speak what is offered (`http2 on` in nginx).
    /// A server for something else entirely, a mail or a message broker on this port, says no in the same way.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "alert",
    ///             "error": "received fatal alert: NoApplicationProtocol",
    ///             "alert": {"number": 120, "name": "no_application_protocol"},
    ///             "offer": {"alpn": ["h2", "http/1.1"]}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static ALPN_MISMATCH: "tls.alpn_mismatch" = recognise {
        only_in_trouble(),
        blames(End::Far),
        explains(&["http.response.invalid"]),
        twins(&["tls.version_or_cipher_mismatch", "http.response.invalid"]),
        kills_in(&["tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    if let Ok(spoken) = case.first::<Spoken>(at) {
        let (agreed, heard) = (escape(&spoken.agreed, 40), escape(&spoken.heard, 40));
        let summary = format!("the handshake agreed on `{agreed}`, and the server speaks `{heard}`");
        return Ok(Finding::new(at, &spoken, summary).next(spoken.source(spoken.subject())));
    }
    let found = case
        .of::<Handshake>(at)
        .filter(|seen| seen.is_road())
        .find_map(|seen: Seen<'_, Handshake>| Some((seen, refusal(seen.evidence())?)));
    let (seen, refusal) = found.ok_or_else(|| {
        unless(case, at, |handshake| {
            handshake.alpn.as_ref().map(|protocol| format!("`{protocol}` was agreed on"))
        })
    })?;
    let offered =
        seen.offer.alpn.iter().map(|protocol| format!("`{protocol}`")).collect::<Vec<_>>().join(", ");
    let finding = Finding::new(at, &seen, format!("we offered to speak {offered}, and the server {refusal}"))
        .next(openssl(&seen, seen.subject()));
    Ok(if seen.completed() { finding } else { finding.error(error(&seen)) })
}

fn refusal(handshake: &Handshake) -> Option<String> {
    let alert = handshake.alert.as_ref().filter(|alert| alert.number == 120);
    match (handshake.ended?, alert) {
        (Ended::Alert, Some(alert)) => Some(format!("wants none of it: {alert}")),
        (Ended::UnofferedProtocol, _) => Some("chose another".to_owned()),
        (Ended::Completed, _) if handshake.alpn.is_none() => {
            let offered = &handshake.offer.alpn;
            let only_newer =
                !offered.is_empty() && !offered.iter().any(|protocol| protocol.starts_with("http/1"));
            only_newer.then(|| "agreed on none, which leaves HTTP/1.1".to_owned())
        }
        _ => None,
    }
}
