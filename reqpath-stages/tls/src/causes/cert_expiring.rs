use reqpath_core::{Case, Decline, End, Finding, Seen, Subject, cause};

use crate::command::openssl;
use crate::evidence::{Handshake, Moment, span};

cause! {
    /// The server's certificate is valid, but not for long.
    ///
    /// Only a warning: nothing has died of it yet.
    /// Certificates that are renewed by a machine usually are so with a third of their time left; one
    /// that comes this close to its end is most likely not being renewed.
    ///
    /// # What to do
    ///
    /// See why it has not been renewed yet.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "completed",
    ///             "verification": {"verdict": "trusted"},
    ///             "clock": "2026-08-13T00:00:00Z", "warn_within_days": 14,
    ///             "chain": [{"subject": "CN=server.example", "not_after": "2026-08-18T00:00:00Z"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http"}}
    /// ]}
    /// ```
    pub static CERT_EXPIRING: "tls.cert.expiring" = recognise {
        blames(End::Far),
        only_warns(),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let near = |seen: Seen<'_, Handshake>| Some((left(seen.evidence())?, seen.chain.leaf_not_after()?));
    let (seen, (left, until)) = case
        .of::<Handshake>(at)
        .filter(|seen| seen.is_road() && seen.completed())
        .find_map(|seen| Some((seen, near(seen)?)))
        .ok_or(Decline::Absent)?;
    let summary =
        format!("the certificate for `{}` expires in {} (not_after {until})", seen.host, span(left));
    Ok(Finding::new(at, &seen, summary)
        .next(format!("{} | openssl x509 -noout -dates", openssl(&seen, seen.subject()))))
}

/// Seconds left, where there are few.
fn left(handshake: &Handshake) -> Option<i64> {
    let (until, clock): (Moment, Moment) = (handshake.chain.leaf_not_after()?, handshake.clock?);
    let left = until.seconds() - clock.seconds();
    let window = i64::try_from(handshake.warn_within_days).ok()?.saturating_mul(86_400);
    (0..window).contains(&left).then_some(left)
}
