//! `tcp.retransmits`

use reqpath_core::{Case, Decline, End, Finding, KernelInfo, Micros, Scope, Subject, cause};

use crate::evidence::{Attempt, Figures};

cause! {
    /// Segments were lost on the way and sent again.
    ///
    /// The request got through, or died of something else; but every lost segment costs at least a round trip, and a
    /// lost SYN a whole second.
    /// The figures are the kernel's own, of this very connection.
    /// A single loss now and then is ordinary life on the Internet; within a data centre it is not.
    ///
    /// # What to do
    ///
    /// Sample more (`-n 24`), and from other places, to see on which leg it happens: `mtr --tcp` shows the hop.
    /// Then look at that hop's interface counters (`ip -s link`, `ethtool -S`) and queues.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tcp.kernel",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"state": 1, "total_retrans": 3, "rtt_us": 42000, "min_rtt_us": 18000, "rto_us": 244000}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "arrived": "yes", "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static RETRANSMITS: "tcp.retransmits" = recognise {
        only_in_trouble(),
        scope(Scope::Address),
        blames(End::Leg),
        only_warns(),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let peer = at.address().ok_or(Decline::Absent)?;
    let summary = |info: &KernelInfo, lost_syn: bool| {
        let syn = if lost_syn { "the SYN was lost: " } else { "" };
        let rtt = match info.rtt_us {
            Micros(0) => String::new(),
            rtt => format!("; round trip {rtt}, at best {}", info.min_rtt_us),
        };
        match info.total_retrans {
            1 => format!("{syn}1 segment to {peer} was sent again{rtt}"),
            count => format!("{syn}{count} segments to {peer} were sent again{rtt}"),
        }
    };
    let finding = if let Some(figures) = case.of::<Figures>(at).find(|figures| figures.0.total_retrans > 0) {
        Finding::new(at, &figures, summary(&figures.0, false))
    } else {
        let lost_syn = |attempt: &Attempt| attempt.kernel.filter(|kernel| kernel.total_retrans > 0);
        let attempt =
            case.of::<Attempt>(at).find(|attempt| lost_syn(attempt).is_some()).ok_or(Decline::Absent)?;
        Finding::new(at, &attempt, summary(&lost_syn(&attempt).unwrap_or_default(), true))
    };
    Ok(finding.next(format!("ss -tin dst '{peer}'")).next(format!(
        "mtr --tcp --port {} -rwc 20 {}",
        peer.port(),
        peer.ip()
    )))
}
