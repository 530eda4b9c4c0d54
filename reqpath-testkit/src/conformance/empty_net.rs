//! An empty network namespace for one thread, and what its kernel counts.

use std::{fs, io};

use nix::sched::{CloneFlags, unshare};

/// Counters that move whenever somebody tries to send anything.
const ATTEMPTS: &[&str] = &[
    "Ip:OutRequests",
    "Ip:OutNoRoutes",
    "Tcp:ActiveOpens",
    "Tcp:AttemptFails",
    "Udp:OutDatagrams",
    "Icmp:OutMsgs",
    "Ip6OutRequests",
    "Ip6OutNoRoutes",
    "Udp6OutDatagrams",
];

/// The namespace of this thread, with its counters at the beginning.
#[derive(Debug)]
pub(super) struct EmptyNet {
    before: Vec<(String, u64)>,
}

impl EmptyNet {
    /// Moves this thread, and those it will start, into a new network namespace without any interface up.
    pub(super) fn enter() -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(Self { before: counters()? })
    }

    /// The counters that have moved, as `Tcp:ActiveOpens +1`.
    pub(super) fn attempts(&self) -> io::Result<Vec<String>> {
        let moved = counters()?.into_iter().filter_map(|(name, now)| {
            let before = self.before.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count);
            (now > before).then(|| format!("{name} +{}", now - before))
        });
        Ok(moved.collect())
    }
}

fn counters() -> io::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let v4 = fs::read_to_string("/proc/thread-self/net/snmp")?;
    let lines: Vec<&str> = v4.lines().collect();
    // Two lines for each protocol: names, then values.
    for pair in lines.chunks_exact(2) {
        let (names, values) = (pair[0].split_whitespace(), pair[1].split_whitespace());
        let protocol = pair[0].split_whitespace().next().unwrap_or_default();
        found.extend(
            names.zip(values).skip(1).map(|(name, value)| (format!("{protocol}{name}"), value.to_owned())),
        );
    }
    // Absent where IPv6 is switched off.
    let v6 = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    found.extend(v6.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    }));
    let kept = found.into_iter().filter(|(name, _)| ATTEMPTS.contains(&name.as_str()));
    Ok(kept.filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect())
}
