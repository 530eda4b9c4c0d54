//! What the hosts file says of the destination's name.

use std::net::IpAddr;

use reqpath_core::{Evidence, Subject, escape};
use serde::{Deserialize, Serialize};

/// How much of the hosts file is read.
pub(crate) const MOST_BYTES: usize = 1 << 20;
/// How many entries are kept.
const MOST_ENTRIES: usize = 32;

/// The lines of the hosts file that name the destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HostsFile {
    /// The file that was read.
    pub file: String,
    /// The name that was looked for.
    pub name: String,
    /// The entries that name it, in the file's order, 32 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<HostsEntry>,
    /// Whether the file is longer than the part that was read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// A line of the hosts file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostsEntry {
    /// The address it gives.
    pub address: IpAddr,
    /// The line's number, from 1.
    #[serde(default)]
    pub line: u32,
}

impl HostsFile {
    /// The entries for a name in the bytes of a hosts file.
    pub(crate) fn of(file: &str, bytes: &[u8], name: &str) -> Self {
        let wanted = name.strip_suffix('.').unwrap_or(name);
        let lines = (1_u32..).zip(bytes.split(|byte| *byte == b'\n'));
        let entries =
            lines.filter_map(|(line, text)| Some(HostsEntry { address: entry(text, wanted)?, line }));
        Self {
            file: file.to_owned(),
            name: escape(name, 255),
            entries: entries.take(MOST_ENTRIES).collect(),
            cut: bytes.len() >= MOST_BYTES,
        }
    }
}

impl Evidence for HostsFile {
    const KIND: &'static str = "client.hosts";

    fn source(&self, _: &Subject) -> String {
        format!("grep -nw '{}' {}", self.name, self.file)
    }

    fn brief(&self) -> String {
        if self.entries.is_empty() {
            return format!("{} does not name {}", self.file, self.name);
        }
        let addresses: Vec<String> = self.entries.iter().map(|entry| entry.address.to_string()).collect();
        format!("{} gives {}", self.file, addresses.join(", "))
    }
}

/// The address of a line that names this host.
fn entry(line: &[u8], wanted: &str) -> Option<IpAddr> {
    let line = line.split(|byte| *byte == b'#').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let address = std::str::from_utf8(words.next()?).ok()?;
    words.any(|word| word.eq_ignore_ascii_case(wanted.as_bytes())).then_some(())?;
    // A zone after `%` has no place in an address that a request goes to.
    address.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_those_that_name_the_host_as_a_whole() {
        let file = b"127.0.0.1 localhost\n# 192.0.2.9 api.example\n\n192.0.2.1\tother API.example # note api.example\r\n\
                     2001:db8::1 api.example.\n192.0.2.3 my-api.example api.example.org\nnonsense api.example\n\
                     fe80::1%eth0 api.example";
        let hosts = HostsFile::of("/etc/hosts", file, "api.example");
        let found: Vec<_> =
            hosts.entries.iter().map(|entry| (entry.line, entry.address.to_string())).collect();
        assert_eq!(found, [(4, "192.0.2.1".to_owned()), (8, "fe80::1".to_owned())]);
        assert_eq!(hosts.brief(), "/etc/hosts gives 192.0.2.1, fe80::1");
    }

    #[test]
    fn any_bytes_are_survived_and_the_number_of_entries_is_bounded() {
        let mut file = vec![0xff, 0, b'\n', b' ', b'#'];
        file.extend(b"\n192.0.2.1 a".repeat(100));
        assert_eq!(HostsFile::of("/etc/hosts", &file, "a").entries.len(), MOST_ENTRIES);
        assert!(HostsFile::of("/etc/hosts", b"", "a").entries.is_empty());
    }
}
