//! The kernel's figures of a connection at its end.

use reqpath_core::{Evidence, KernelInfo, Subject};
use serde::{Deserialize, Serialize};

/// The kernel's figures of a connection when the last stage was done with it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Figures(pub KernelInfo);

impl Evidence for Figures {
    const KIND: &'static str = "tcp.kernel";

    fn source(&self, at: &Subject) -> String {
        at.address().map_or_else(String::new, |peer| format!("ss -tin dst '{peer}'"))
    }

    fn brief(&self) -> String {
        let KernelInfo { total_retrans, lost, rtt_us, snd_mss, pmtu, .. } = self.0;
        format!("rtt {rtt_us}, {total_retrans} retransmitted, {lost} lost, mss {snd_mss}, path MTU {pmtu}")
    }
}
