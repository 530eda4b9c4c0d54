//! What this host may run out of.

use reqpath_core::{Evidence, PortUse, Subject};
use serde::{Deserialize, Serialize};

/// Local ports in use towards one peer, against those there are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PortsTowards(pub PortUse);

impl PortsTowards {
    /// How many ports the kernel hands out by itself.
    #[must_use]
    pub fn available(&self) -> u32 {
        u32::from(self.0.last.saturating_sub(self.0.first)) + 1
    }
}

impl Evidence for PortsTowards {
    const KIND: &'static str = "tcp.ports";

    fn source(&self, at: &Subject) -> String {
        let peer = at.address().map_or_else(String::new, |peer| peer.to_string());
        format!("ss -Htan dst '{peer}' | wc -l; cat /proc/sys/net/ipv4/ip_local_port_range")
    }

    fn brief(&self) -> String {
        let PortUse { first, last, used, .. } = self.0;
        format!("{used} of {} local ports ({first}–{last}) in use towards it", self.available())
    }
}

/// Open file descriptors of this process, and how many there may be.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OpenDescriptors {
    /// Descriptors that are open, from `/proc/self/fd`.
    pub open: u64,
    /// How many may be: the soft `RLIMIT_NOFILE`.
    pub limit: u64,
}

impl Evidence for OpenDescriptors {
    const KIND: &'static str = "tcp.descriptors";

    fn source(&self, _: &Subject) -> String {
        "ls /proc/self/fd | wc -l; ulimit -n".to_owned()
    }

    fn brief(&self) -> String {
        format!("{} of {} descriptors open", self.open, self.limit)
    }
}
