//! `client.fds_exhausted`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use crate::evidence::{Death, OpenDescriptors};

use super::met::met;

cause! {
    /// The client may not open another file descriptor.
    ///
    /// Every connection needs one, and a process (`RLIMIT_NOFILE`, `EMFILE`) or the whole system (`ENFILE`) has a
    /// limit.
    /// A client that leaks connections, or keeps more of them open than it was allowed, fails here before anything
    /// is sent, towards every destination alike.
    ///
    /// # What to do
    ///
    /// See what is open: `ls -l /proc/PID/fd | awk '{print $NF}' | sort | uniq -c | sort -n`.
    /// Many sockets in CLOSE-WAIT are a leak; else raise the limit (`ulimit -n`, `LimitNOFILE=`).
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 9, "failure": {"errno": 24, "symbol": "EMFILE",
    ///             "message": "Too many open files"}}},
    ///   {"kind": "tcp.descriptors",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"open": 1024, "limit": 1024}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static FDS_EXHAUSTED: "client.fds_exhausted" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Near),
        twins(&["client.ports_exhausted", "tcp.failed"]),
        kills_in(&["tcp"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let met = met(case, at, &[Death::NoDescriptor])?;
    let Some(descriptors) = case.of::<OpenDescriptors>(at).last() else {
        return Err(Decline::needs("ls /proc/self/fd | wc -l; ulimit -n"));
    };
    let OpenDescriptors { open, limit } = *descriptors.evidence();
    let whose = match met.words().contains("ENFILE") {
        true => "the whole system has no descriptor left",
        false => "this process may not open another descriptor",
    };
    let summary = format!("{whose}: {open} are open, the limit is {limit}{}", met.how_often());
    Ok(Finding::new(at, &met.attempt, summary)
        .citing(&descriptors)
        .error(met.words())
        .next("ulimit -n; cat /proc/sys/fs/file-nr"))
}
