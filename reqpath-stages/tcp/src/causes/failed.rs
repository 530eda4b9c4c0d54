//! `tcp.failed`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::Death;

use super::met::{apart, met};

cause! {
    /// The connection could not be opened, for a reason that has no cause of its own: the system's words say which.
    ///
    /// Refusals, silence, unreachable networks, prohibitions, resets and this host's own limits are told apart by
    /// other causes; what is left are errors such as `ENOBUFS` (no memory for the socket) or those of unusual
    /// networks.
    ///
    /// # What to do
    ///
    /// Look the error up in `man 2 connect`, and in this host's own log: `dmesg | tail`.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 30, "failure": {"errno": 105, "symbol": "ENOBUFS",
    ///             "message": "No buffer space available"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static FAILED: "tcp.failed" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Leg),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::Other])?;
    let summary = format!("connecting to {} failed: {}{}", met.peer, met.words(), met.how_often());
    Ok(Finding::new(at, &met.attempt, summary)
        .error(met.words())
        .next(format!("nc -vz {}", apart(met.peer)))
        .next("dmesg | tail"))
}
