//! `db.tls_required`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::leg::{asked, leg, peer};
use crate::evidence::{Answer, SslRequest};

cause! {
    /// One side of the database's leg demands TLS, and the other does not offer it.
    ///
    /// The client's policy (`sslmode=require` or `verify-full`) wants TLS and the server answers `N` to the
    /// question for it: `ssl` is off, or a pooler before it has none.
    /// Or the server says in an error that it lets nobody in without.
    /// That a server wants TLS of this very user and address (`hostssl` in `pg_hba.conf`) shows only when
    /// somebody logs in, which is not done here.
    /// A handshake that begins and fails is `db.tls_failed`.
    ///
    /// # What to do
    ///
    /// On the server: `SHOW ssl`, then `ssl = on` with a certificate and key.
    /// Through a pooler, look at its own settings (PgBouncer: `client_tls_sslmode`).
    /// Weaken the client's policy only where nobody else is on the way.
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
    ///    "data": {"mode": "require", "answer": "refused", "elapsed_us": 620}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "shop", "to": "prices", "sample": 10}},
    ///    "data": {"role": "inner", "left": "dead", "stage": "db"}}
    /// ]}
    /// ```
    pub static TLS_REQUIRED: "db.tls_required" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        twins(&["db.tls_failed", "db.unreachable"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let leg = leg(case, at)?;
    let seen = asked(case, at).ok_or(Decline::Absent)?;
    let mode = seen.mode;
    let (summary, end) = match seen.answer {
        Some(Answer::Refused) if mode.demands_tls() => {
            let asking = leg.asking();
            (
                format!(
                    "{asking} demands TLS (sslmode={mode}), and {} at {} has none",
                    leg.database(),
                    peer(&seen)
                ),
                End::Far,
            )
        }
        Some(Answer::Refused) => {
            return Err(case.not(&seen, || format!("it has no TLS, and sslmode={mode} does without")));
        }
        Some(Answer::Accepted) => return Err(case.not(&seen, || format!("it {}", seen.told()))),
        _ if demanded(&seen) => {
            let words = seen.error.as_ref().map(ToString::to_string).unwrap_or_default();
            (format!("{} demands TLS of {}: {words}", leg.database(), leg.asking()), End::Near)
        }
        _ => return Err(Decline::Absent),
    };
    let finding = Finding::new(at, &seen, summary).blaming(end);
    let finding = seen.error.iter().fold(finding, |finding, error| finding.error(error.to_string()));
    let show = "psql -c 'SHOW ssl'   # as an administrator of the database";
    Ok(match seen.subject().address() {
        Some(peer) => {
            finding.next(show).next(format!("openssl s_client -starttls postgres -connect {peer} </dev/null"))
        }
        None => finding.next(show),
    })
}

/// Whether the server's error says that it wants TLS: nobody is let in (28000), for want of encryption.
pub(super) fn demanded(seen: &SslRequest) -> bool {
    let Some(error) = seen.error.as_ref().filter(|_| seen.answer == Some(Answer::Error)) else {
        return false;
    };
    let words = error.message.to_ascii_lowercase();
    let about = ["no encryption", "ssl off", "ssl required", "tls required", "requires ssl", "requires tls"];
    let refused = error.code.as_deref().is_none_or(|code| code.starts_with("28") || code.starts_with("08"));
    refused && about.iter().any(|about| words.contains(about))
}
