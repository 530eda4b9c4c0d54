//! `tcp.accept_queue_full`

use reqpath_core::{Case, Decline, End, Finding, Scope, Seen, Subject, cause};

use crate::evidence::{Death, ListenQueue};

use super::met::met;

cause! {
    /// Something listens, and takes no further connection: the queue before `accept()` is full, so SYNs are dropped.
    ///
    /// The kernel completes handshakes on behalf of the application and keeps them in a queue of limited length.
    /// An application that no longer calls `accept()` (stuck, out of workers, out of descriptors) lets it fill up,
    /// and then the kernel drops what comes, silently: from outside it looks like a firewall (`tcp.timed_out`).
    /// The queue tells them apart, and only the host that listens can see it:
    /// `Recv-Q` above `Send-Q` in `ss -ltn`, or the counter `TcpExtListenOverflows` rising.
    ///
    /// # What to do
    ///
    /// Find out why the application does not accept: `ss -ltnp` names it, its stacks tell what it waits for.
    /// A longer queue (`listen()`'s backlog, `net.core.somaxconn`) only helps with short bursts.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "127.0.0.1:8080", "sample": 0}},
    ///    "data": {"outcome": "failed", "elapsed_us": 4980000, "failure": {"message": "no answer within 4.98 s",
    ///             "timed_out": true, "kernel": {"state": 2, "retransmits": 2, "total_retrans": 2}}}},
    ///   {"kind": "tcp.listener",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "127.0.0.1:8080", "sample": 0}},
    ///    "data": {"queue": {"waiting": 129, "backlog": 128}, "overflows": 3, "drops": 3}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tcp"}}
    /// ]}
    /// ```
    pub static ACCEPT_QUEUE_FULL: "tcp.accept_queue_full" = recognise {
        only_in_trouble(),
        scope(Scope::Attempt),
        blames(End::Far),
        silent(),
        explains(&["tcp.timed_out", "tcp.reset"]),
        twins(&["tcp.timed_out", "tcp.refused"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    // With `tcp_abort_on_overflow` the kernel resets instead of keeping silent.
    let met = met(case, at, &[Death::Unanswered, Death::Reset])?;
    let looks: Vec<Seen<'_, ListenQueue>> = case.of::<ListenQueue>(at).collect();
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else {
        let port = met.peer.port();
        return Err(Decline::needs(format!("ss -ltn 'sport = :{port}'   # on {}", met.peer.ip())));
    };
    let full = looks.iter().find(|look| look.full());
    let dropped = match (first.overflows, last.overflows) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => 0,
    };
    let Some(queue) = full.unwrap_or(last).queue else {
        return Err(Decline::not(format!("nothing listens on {}", met.peer), last));
    };
    if full.is_none() && dropped == 0 {
        let because = format!(
            "{} connections wait to be accepted, the queue takes {}, and no queue of this host overflowed",
            queue.waiting, queue.backlog
        );
        return Err(Decline::not(because, last));
    }
    let counted = if dropped > 0 {
        format!("; this host's queues overflowed {dropped} times meanwhile")
    } else {
        String::new()
    };
    let summary = format!(
        "the listener on {} accepts nothing: {} connections wait where {} may{counted}{}",
        met.peer,
        queue.waiting,
        queue.backlog,
        met.how_often()
    );
    Ok(Finding::new(at, full.unwrap_or(last), summary)
        .citing(&met.attempt)
        .citing(first)
        .citing(last)
        .error(met.words())
        .next(format!("ss -ltnp 'sport = :{}'", met.peer.port()))
        .next("nstat -az TcpExtListenOverflows TcpExtListenDrops"))
}
