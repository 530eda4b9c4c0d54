//! A configuration with placeholders, on its way to being one without.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::place::{Place, Reserved};
use super::text::fill;
use super::{RealError, Room};

/// What the placeholders of one part's configuration mean.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    part: &'static str,
    /// How the part writes an address in its configuration.
    written: fn(SocketAddr) -> String,
    pub(super) ip: IpAddr,
    pub(super) fixed: BTreeMap<String, SocketAddr>,
    values: BTreeMap<String, String>,
    files: BTreeMap<String, Vec<u8>>,
}

/// A text without placeholders, and the addresses that it names.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) text: String,
    pub(super) listening: Listening,
    // Held until the server listens.
    _reserved: Vec<Reserved>,
}

/// The addresses of `{listen}` and `{listen:NAME}`.
#[derive(Clone, Debug, Default)]
pub(super) struct Listening {
    addresses: BTreeMap<String, SocketAddr>,
    may_move: bool,
}

impl Draft {
    pub(super) const fn new(part: &'static str, written: fn(SocketAddr) -> String) -> Self {
        Self {
            part,
            written,
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            fixed: BTreeMap::new(),
            values: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    pub(super) fn value(&mut self, name: &str, value: impl ToString) {
        self.values.insert(name.to_owned(), value.to_string());
    }

    pub(super) fn upstream(&mut self, name: &str, address: SocketAddr) {
        self.value(&format!("upstream:{name}"), (self.written)(address));
    }

    pub(super) fn file(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        self.files.insert(name.to_owned(), content.into());
    }

    /// Three files, as parts differ in whether they want the key beside the chain or behind it.
    pub(super) fn certificate(&mut self, name: &str, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) {
        let (chain, key) = (chain.into(), key.into());
        self.file(&format!("{name}.pem"), [chain.as_slice(), b"\n", key.as_slice()].concat());
        self.file(&format!("{name}.certificate.pem"), chain);
        self.file(&format!("{name}.key.pem"), key);
    }

    /// Writes the files into `room` and gives `text` with every placeholder replaced.
    pub(super) fn fill(&self, text: &str, room: &Room) -> Result<Filled, RealError> {
        for (name, content) in &self.files {
            room.write(name, content)?;
        }
        let mut reserved: BTreeMap<String, Reserved> = BTreeMap::new();
        let mut trouble = None;
        let mut address = |name: &str| {
            if let Some(had) = reserved.get(name) {
                return Some(had.address);
            }
            let place = self.fixed.get(name).map_or(Place::Free(self.ip), |fixed| Place::Fixed(*fixed));
            match place.reserve() {
                Ok(new) => Some(reserved.entry(name.to_owned()).or_insert(new).address),
                Err(error) => {
                    trouble = Some(error);
                    None
                }
            }
        };
        let dir = room.path().display().to_string();
        let file = |name: String| self.files.contains_key(&name).then(|| format!("{dir}/{name}"));
        let filled = fill(text, |name, of| match (name, of) {
            ("dir", "") => Some(dir.clone()),
            ("listen", of) => address(of).map(self.written),
            ("ip", of) => address(of).map(|address| address.ip().to_string()),
            ("port", of) => address(of).map(|address| address.port().to_string()),
            ("file", of) => file(of.to_owned()),
            ("certificate", of) => file(format!("{of}.certificate.pem")),
            ("key", of) => file(format!("{of}.key.pem")),
            ("pem", of) => file(format!("{of}.pem")),
            (name, "") => self.values.get(name).cloned(),
            (name, of) => self.values.get(&format!("{name}:{of}")).cloned(),
        });
        if let Some(error) = trouble {
            return Err(error);
        }
        let text = filled.map_err(|placeholder| RealError::Placeholder {
            part: self.part.to_owned(),
            placeholder,
            known: self.known(),
        })?;
        let listening = Listening {
            addresses: reserved.iter().map(|(name, one)| (name.clone(), one.address)).collect(),
            may_move: reserved.keys().any(|name| !self.fixed.contains_key(name)),
        };
        Ok(Filled { text, listening, _reserved: reserved.into_values().collect() })
    }

    fn known(&self) -> Vec<String> {
        let always = ["dir", "listen", "listen:NAME", "ip", "ip:NAME", "port", "port:NAME"];
        let files = self.files.keys().map(|name| format!("file:{name}"));
        let pairs = self.files.keys().filter_map(|file| file.strip_suffix(".key.pem"));
        let pairs = pairs.flat_map(|name| ["certificate", "key", "pem"].map(|kind| format!("{kind}:{name}")));
        always
            .map(str::to_owned)
            .into_iter()
            .chain(self.values.keys().cloned())
            .chain(files)
            .chain(pairs)
            .collect()
    }
}

impl Listening {
    /// Whether a port that somebody took could be exchanged for another.
    pub(super) const fn may_move(&self) -> bool {
        self.may_move
    }

    #[track_caller]
    #[allow(clippy::panic, reason = "a test that asks for what it did not configure is wrong, and is told")]
    pub(super) fn only(&self) -> SocketAddr {
        let only = (self.addresses.len() == 1).then(|| self.addresses.values().next()).flatten();
        match self.addresses.get("").or(only) {
            Some(address) => *address,
            None => panic!("no {{listen}} without a name in this part, only {:?}", self.addresses.keys()),
        }
    }

    #[track_caller]
    #[allow(clippy::panic, reason = "a test that asks for what it did not configure is wrong, and is told")]
    pub(super) fn named(&self, name: &str) -> SocketAddr {
        match self.addresses.get(name) {
            Some(address) => *address,
            None => panic!("no {{listen:{name}}} in this part, only {:?}", self.addresses.keys()),
        }
    }
}
