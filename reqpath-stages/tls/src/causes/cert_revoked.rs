use reqpath_core::{Case, Decline, End, Finding, Seen, Subject, cause};

use super::handshakes::{error, failed, unless};
use crate::command::openssl;
use crate::evidence::{Handshake, Reason, StapleStatus};

cause! {
    /// The server's certificate, or one above it, has been revoked.
    ///
    /// An authority revokes a certificate when its key is lost or its owner changed.
    /// It says so in revocation lists and OCSP responses; clients that look at neither go on.
    /// A list that was given decides; a stapled response that says "revoked" is a warning, because
    /// this client, like most, goes on.
    ///
    /// # What to do
    ///
    /// Have a new certificate issued with a new key, and find out why the old one was revoked.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "refused",
    ///             "error": "invalid peer certificate: Revoked",
    ///             "verification": {"verdict": "refused", "reason": "revoked"},
    ///             "chain": [{"subject": "CN=server.example", "serial": "1f2e"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_REVOKED: "tls.cert.revoked" = recognise {
        only_in_trouble(),
        blames(End::Far),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    if let Some(seen) = failed(case, at).find(|seen| seen.refused_for(Reason::Revoked)) {
        let serial = seen.chain.leaf().map(|leaf| leaf.serial.clone()).unwrap_or_default();
        let summary = format!(
            "a revocation list names a certificate of the chain for `{}` (the leaf has serial {serial})",
            seen.host
        );
        return Ok(Finding::new(at, &seen, summary).error(error(&seen)).next(command(&seen)));
    }
    let stapled = case
        .of::<Handshake>(at)
        .find(|seen| seen.is_road() && status(seen) == Some(StapleStatus::Revoked))
        .ok_or_else(|| unless(case, at, good))?;
    let when = stapled.stapled.as_ref().and_then(|staple| staple.revoked_at);
    let when = when.map_or_else(String::new, |when| format!(" since {when}"));
    let summary = format!(
        "the stapled OCSP response says that the certificate for `{}` is revoked{when}",
        stapled.host
    );
    Ok(Finding::new(at, &stapled, summary).next(command(&stapled)))
}

fn command(seen: &Seen<'_, Handshake>) -> String {
    format!("{} | openssl x509 -noout -serial -ext crlDistributionPoints", openssl(seen, seen.subject()))
}

fn status(handshake: &Handshake) -> Option<StapleStatus> {
    handshake.stapled.as_ref().map(|staple| staple.status)
}

fn good(handshake: &Handshake) -> Option<String> {
    (status(handshake) == Some(StapleStatus::Good))
        .then(|| "the stapled OCSP response says it is good".to_owned())
}
