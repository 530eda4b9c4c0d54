use reqpath_core::{Case, Decline, End, Finding, Seen, Subject, cause};
use reqpath_tcp::{Attempt, Closing, Death, Silence};

use super::handshakes::{error, failed, unless};
use crate::command::openssl;
use crate::evidence::{Ended, Handshake};

cause! {
    /// The handshake broke off: an alert, a record that breaks the rules, or the end of the connection.
    ///
    /// This is what remains when no finer cause fits: an alert without a code of its own, a message out
    /// of order or beyond all limits, a server that does not hold its certificate's key, a connection
    /// closed half-way.
    /// A peer that ends every connection, even one on which nothing is said, is `tcp.reset` or `tcp.closed`.
    ///
    /// # What to do
    ///
    /// Look into the log of what ends TLS at that address; it knows why.
    /// Where a silent connection lives and one with a ClientHello dies at once, something on the way
    /// reads the server name in it.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "alert",
    ///             "error": "received fatal alert: InternalError",
    ///             "alert": {"number": 80, "name": "internal_error"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static PROTOCOL_ERROR: "tls.protocol.error" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tcp.reset", "tcp.closed", "tls.plaintext_peer", "tls.client_cert_required"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let found = failed(case, at).find_map(|seen| Some((seen, what(&seen)?)));
    let (seen, summary) = found.ok_or_else(|| unless(case, at, finer))?;
    let broke = matches!(seen.ended, Some(Ended::Closed | Ended::Reset)) && seen.received_bytes == 0;
    let mut finding = Finding::new(at, &seen, summary);
    if broke
        && let Some(unasked) = case.of::<Attempt>(at).find(|attempt| attempt.death() == Some(Death::Reset))
    {
        return Err(Decline::not("another connection was reset before anything was said on it", &unasked));
    }
    if broke && let Some(silence) = case.of::<Silence>(at).next() {
        if silence.closed != Closing::None {
            let because = format!("a connection on which nothing is said dies as well: {}", silence.closed);
            return Err(Decline::not(because, &silence));
        }
        // One that was watched for less time than the first one lived may have died like it.
        if silence.after_us >= seen.total_us.unwrap_or_default() {
            finding.summary.push_str(", while one on which nothing was said stayed open");
            // The far end took the connection: who ended it may stand between.
            finding = finding.blaming(End::Leg).citing(&silence);
        }
    }
    Ok(finding.error(error(&seen)).next(openssl(&seen, seen.subject())))
}

fn what(seen: &Seen<'_, Handshake>) -> Option<String> {
    let handshake = seen.evidence();
    let after = match handshake.received_bytes {
        0 => "before a byte of answer".to_owned(),
        bytes => format!("after {bytes} bytes of answer"),
    };
    Some(match handshake.ended? {
        Ended::Alert => match &handshake.alert {
            Some(alert) if has_a_code(handshake, alert.number) => return None,
            Some(alert) => format!("the server ended the handshake by {alert}"),
            None => "the server ended the handshake by an alert".to_owned(),
        },
        Ended::Malformed if error(handshake).contains("PayloadTooLarge") => {
            "the server announced a message, most likely its certificates, beyond the 64 KiB that are read"
                .to_owned()
        }
        Ended::Malformed => format!("what the server sent breaks the rules of TLS ({after})"),
        Ended::Closed => format!("the connection was closed (FIN) during the handshake, {after}"),
        Ended::Reset => format!("the connection was reset (RST) during the handshake, {after}"),
        Ended::Failed | Ended::Other => format!("the connection failed during the handshake, {after}"),
        _ => return None,
    })
}

/// Whether another cause speaks of this alert.
fn has_a_code(handshake: &Handshake, alert: u8) -> bool {
    match alert {
        70 | 71 | 86 | 112 | 120 => true,
        // With or without a CertificateRequest, it is either a client's certificate or a common suite.
        40 => handshake.certificate_request.is_some() || handshake.chain.is_empty(),
        41..=49 | 116 => handshake.certificate_request.is_some(),
        _ => false,
    }
}

fn finer(handshake: &Handshake) -> Option<String> {
    match handshake.ended? {
        Ended::Refused => Some("the server kept to the rules of TLS: we refused its certificate".to_owned()),
        Ended::Alert if handshake.certificate_request.is_some() => {
            Some("the server asked for a client certificate before its alert".to_owned())
        }
        Ended::NotTls => Some("the peer does not speak TLS at all".to_owned()),
        _ => None,
    }
}
