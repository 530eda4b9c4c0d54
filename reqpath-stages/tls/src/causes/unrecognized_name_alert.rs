use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{error, failed, made, unless};
use crate::command::openssl;
use crate::evidence::{Ended, Handshake, Purpose};

cause! {
    /// The server refuses the name in our ClientHello.
    ///
    /// It answers with alert 112 (unrecognized_name), as nginx does with `ssl_reject_handshake on`;
    /// some send another alert, and are found out by a handshake with a name they know, or without
    /// any, that gets further.
    ///
    /// # What to do
    ///
    /// Make the name known to the server: a `server` block with this `server_name`, an Ingress or SSL
    /// object for this host.
    /// If it should be known, ask whether the request reaches the server it is meant for.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "alert",
    ///             "error": "received fatal alert: UnrecognisedName",
    ///             "alert": {"number": 112, "name": "unrecognized_name"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static UNRECOGNIZED_NAME_ALERT: "tls.unrecognized_name_alert" = recognise {
        only_in_trouble(),
        blames(End::Far),
        explains(&["tls.protocol.error"]),
        twins(&["tls.version_or_cipher_mismatch", "tls.protocol.error"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = failed(case, at).find(|seen| refused_early(seen)).ok_or_else(|| unless(case, at, known))?;
    let alert = seen.alert.clone().ok_or(Decline::Absent)?;
    let further = [Purpose::KnownName, Purpose::WithoutName]
        .into_iter()
        .find_map(|purpose| made(case, at, purpose).filter(|other| !other.chain.is_empty()));
    let name = match &seen.sni {
        Some(name) => format!("the name `{name}`"),
        None => "a client that names no server".to_owned(),
    };
    let summary = match (alert.number, further) {
        (112, _) => format!("the server refuses {name} by {alert}"),
        (_, Some(other)) => {
            let other = other.sni.as_ref().map_or_else(|| "nobody".to_owned(), |name| format!("`{name}`"));
            format!("the server refuses {name} by {alert}, and goes on with a client that names {other}")
        }
        (_, None) => return Err(Decline::Absent),
    };
    let finding = Finding::new(at, &seen, summary).error(error(&seen)).next(openssl(&seen, seen.subject()));
    Ok(match further {
        Some(other) => finding.citing(&other),
        None => finding,
    })
}

/// An alert before the server showed anything.
fn refused_early(handshake: &Handshake) -> bool {
    handshake.ended == Some(Ended::Alert)
        && handshake.chain.is_empty()
        && handshake.certificate_request.is_none()
}

fn known(handshake: &Handshake) -> Option<String> {
    (!handshake.chain.is_empty()).then(|| "the server showed a certificate for the name".to_owned())
}
