//! The queue before a listener of this very host.

use reqpath_core::{Evidence, Listener, Subject};
use serde::{Deserialize, Serialize};

/// The queue before a listener of this very host, and the host's counters of what such queues dropped.
///
/// Looked at while an attempt goes unanswered, and again when it has failed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ListenQueue {
    /// The listener's queue; absent where nothing listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Listener>,
    /// Connections dropped because a queue was full, since the host started: `TcpExtListenOverflows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflows: Option<u64>,
    /// Connections dropped by listeners for any reason: `TcpExtListenDrops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops: Option<u64>,
}

impl ListenQueue {
    /// Whether the queue takes no further connection: one more than the backlog is let in.
    #[must_use]
    pub fn full(&self) -> bool {
        self.queue.is_some_and(|queue| queue.waiting > queue.backlog)
    }

    /// Takes the counters from the text of `/proc/net/netstat`: a line of names, then one of values.
    pub(crate) fn counters(&mut self, netstat: &[u8]) {
        let Ok(text) = std::str::from_utf8(netstat) else { return };
        let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
        let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            match name {
                "ListenOverflows" => self.overflows = value.parse().ok(),
                "ListenDrops" => self.drops = value.parse().ok(),
                _ => {}
            }
        }
    }
}

impl Evidence for ListenQueue {
    const KIND: &'static str = "tcp.listener";

    fn source(&self, at: &Subject) -> String {
        let port = at.address().map_or(0, |peer| peer.port());
        format!("ss -ltn 'sport = :{port}'; nstat -az TcpExtListenOverflows TcpExtListenDrops")
    }

    fn brief(&self) -> String {
        match self.queue {
            None => "nothing listens there".to_owned(),
            Some(queue) => {
                format!(
                    "{} connections wait to be accepted, the queue takes {}",
                    queue.waiting, queue.backlog
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name() {
        let mut queue = ListenQueue::default();
        queue.counters(
            b"TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: InNoRoutes\nIpExt: 4\n",
        );
        assert_eq!((queue.overflows, queue.drops), (Some(22), Some(333)));
        for hostile in [&b""[..], b"TcpExt:", b"TcpExt: ListenDrops\nTcpExt: x", &[0xff, 0xfe]] {
            let mut queue = ListenQueue::default();
            queue.counters(hostile);
            assert_eq!(queue.drops, None);
        }
    }

    #[test]
    fn one_more_than_the_backlog_is_full() {
        let queue = |waiting, backlog| ListenQueue {
            queue: Some(Listener::new(waiting, backlog)),
            ..ListenQueue::default()
        };
        assert!(queue(129, 128).full());
        assert!(!queue(128, 128).full());
    }
}
