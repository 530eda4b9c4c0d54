//! `db.tls_failed`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause, escape};
use reqpath_tls::{Ended, Handshake};

use super::leg::{asked, leg};

cause! {
    /// The database agreed to TLS, and the handshake with it failed.
    ///
    /// Mostly the client does not believe the certificate: it comes from an authority of the provider's own
    /// that the client was not told of (`sslrootcert`), is for another name than the one in the connection
    /// string, or has run out.
    /// Or the two have no version or cipher in common, or the server wants a client certificate.
    /// What exactly failed (`tls.*`) is cited, and stands in the chain between the application's failure and this.
    ///
    /// The certificate is verified only where the client does so (`sslmode=verify-full`); a client that merely
    /// prefers TLS goes on in the clear after a failure, and this is a warning then.
    /// A server without TLS is `db.tls_required`.
    ///
    /// # What to do
    ///
    /// Compare the certificate that is served with the name in the connection string and with the
    /// authorities that the client is given.
    /// Turning verification off lets anybody on the way read the passwords.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "shop", "kind": "pod"},
    ///                    {"id": "prices", "kind": "db", "branch_of": "shop"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "shop", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "version": "HTTP/1.1", "status": 500,
    ///             "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "shop", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 500"}},
    ///   {"kind": "db.ssl_request",
    ///    "subject": {"leg": {"from": "shop", "to": "prices", "address": "10.0.0.5:5432", "sample": 10}},
    ///    "data": {"mode": "verify-full", "answer": "accepted"}},
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "shop", "to": "prices", "address": "10.0.0.5:5432", "sample": 10}},
    ///    "data": {"host": "prices.example", "sni": "prices.example", "ended": "refused",
    ///             "error": "invalid peer certificate: UnknownIssuer",
    ///             "verification": {"verdict": "refused", "reason": "unknown_issuer"},
    ///             "chain": [{"subject": "CN=prices.example", "issuer": "CN=Cloud Database CA"}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "shop", "to": "prices", "sample": 10}},
    ///    "data": {"role": "inner", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static TLS_FAILED: "db.tls_failed" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        explains(&["tls.*"]),
        kills_in(&["tls"]),
        twins(&["db.tls_required", "db.unreachable"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let leg = leg(case, at)?;
    let asked = asked(case, at).ok_or(Decline::Absent)?;
    let seen = case.of::<Handshake>(at).filter(|seen| seen.is_road()).last();
    let Some(seen) = seen else {
        return Err(case.not(&asked, || format!("no handshake was begun: it {}", asked.told())));
    };
    if seen.completed() {
        return Err(case.not(&seen, || "the handshake was completed"));
    }
    let words = match (&seen.error, seen.ended) {
        (Some(error), _) => escape(error, 300),
        (None, None) => "it was cut short".to_owned(),
        (None, Some(Ended::TimedOut)) => "no answer came".to_owned(),
        (None, Some(_)) => "the connection ended".to_owned(),
    };
    let summary = format!(
        "the handshake of {} with {} failed (sslmode={}): {words}",
        leg.asking(),
        leg.database(),
        asked.mode
    );
    let finding = Finding::new(at, &seen, summary).citing(&asked).error(words);
    Ok(match seen.subject().address() {
        Some(peer) => {
            let command = "openssl s_client -starttls postgres -showcerts -connect";
            finding.next(format!("{command} {peer} </dev/null"))
        }
        None => finding,
    })
}
