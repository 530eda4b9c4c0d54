//! How near the client is to its own limits.

use reqpath_core::{Evidence, Subject};
use serde::{Deserialize, Serialize};

/// How near the client is to its own limits. What could not be seen is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Limits {
    /// Open file descriptors of this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<u64>,
    /// How many it may have open: the soft `RLIMIT_NOFILE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptors_limit: Option<u64>,
    /// The first local port the kernel hands out by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_port: Option<u16>,
    /// The last local port the kernel hands out by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_port: Option<u16>,
}

impl Limits {
    /// Takes the range from the text of `ip_local_port_range`: two numbers.
    pub(crate) fn ports(&mut self, text: &[u8]) {
        let mut numbers = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let mut number = || std::str::from_utf8(numbers.next()?).ok()?.parse::<u16>().ok();
        if let (Some(first), Some(last)) = (number(), number()) {
            (self.first_port, self.last_port) = (Some(first), Some(last));
        }
    }
}

impl Evidence for Limits {
    const KIND: &'static str = "client.limits";

    fn source(&self, _: &Subject) -> String {
        "ls /proc/self/fd | wc -l; ulimit -n; cat /proc/sys/net/ipv4/ip_local_port_range".to_owned()
    }

    fn brief(&self) -> String {
        let mut parts = Vec::new();
        if let (Some(used), Some(limit)) = (self.descriptors, self.descriptors_limit) {
            parts.push(format!("{used} of {limit} descriptors"));
        }
        if let (Some(first), Some(last)) = (self.first_port, self.last_port) {
            parts.push(format!("local ports {first}–{last}"));
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_range_is_two_numbers_or_nothing() {
        let read = |text: &[u8]| {
            let mut limits = Limits::default();
            limits.ports(text);
            (limits.first_port, limits.last_port)
        };
        assert_eq!(read(b"32768\t60999\n"), (Some(32768), Some(60999)));
        assert_eq!(read(b"32768"), (None, None));
        assert_eq!(read(b"1 99999"), (None, None));
        assert_eq!(read(&[0xff, b' ', 1]), (None, None));
    }
}
