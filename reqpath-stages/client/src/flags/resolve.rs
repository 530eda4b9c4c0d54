//! `--resolve`: addresses given, and not asked for.

use std::net::IpAddr;
use std::str::FromStr;

use super::{FlagError, host, port};

/// curl's `--resolve [+]HOST:PORT:ADDRESS[,ADDRESS]...`: addresses for a name, given by hand.
///
/// The host `*` stands for every name that has no entry of its own.
/// `-HOST:PORT` takes an earlier entry back.
/// The `+`, which lets an entry time out in curl's cache, changes nothing here.
///
/// ```
/// use reqpath_client::Resolve;
///
/// let entry: Resolve = "api.example:443:192.0.2.7,[2001:db8::7]".parse()?;
/// assert_eq!(entry.addresses().len(), 2);
/// # Ok::<(), reqpath_client::FlagError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

impl Resolve {
    /// The addresses given, in order; none where an earlier entry is taken back.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    fn is_for(&self, host: &str, port: u16) -> bool {
        self.port == port && self.host.eq_ignore_ascii_case(host)
    }
}

/// The addresses these entries give for a host and port.
pub(crate) fn given<'a>(entries: &'a [Resolve], host: &str, port: u16) -> Option<&'a [IpAddr]> {
    // The last word on a name counts, and only where there is none does the star.
    let find = |host: &str| {
        let last = entries.iter().rev().find(|entry| entry.is_for(host, port))?;
        Some(last.addresses()).filter(|addresses| !addresses.is_empty())
    };
    find(host).or_else(|| find("*"))
}

impl FromStr for Resolve {
    type Err = FlagError;

    fn from_str(given: &str) -> Result<Self, FlagError> {
        let shape = || FlagError::Resolve { given: given.to_owned() };
        let text = given.strip_prefix('+').unwrap_or(given);
        let (removes, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (name, rest) = host(text, given)?;
        let rest = rest.strip_prefix(':').filter(|_| !name.is_empty()).ok_or_else(shape)?;
        if removes {
            return Ok(Self { host: name.to_owned(), port: port(rest, given)?, addresses: Vec::new() });
        }
        let (number, list) = rest.split_once(':').ok_or_else(shape)?;
        let address = |text: &str| {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            bare.parse::<IpAddr>()
                .map_err(|_| FlagError::Address { given: given.to_owned(), address: text.to_owned() })
        };
        // As in curl, an empty place between commas is passed over.
        let addresses: Vec<IpAddr> =
            list.split(',').filter(|text| !text.is_empty()).map(address).collect::<Result<_, _>>()?;
        if addresses.is_empty() {
            return Err(shape());
        }
        Ok(Self { host: name.to_owned(), port: port(number, given)?, addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(entries: &[&str], host: &str, port: u16) -> Vec<String> {
        let entries: Vec<Resolve> = entries.iter().map(|text| text.parse().unwrap()).collect();
        given(&entries, host, port).unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_entry_is_for_its_host_and_port_only() {
        let entries = ["a.example:443:192.0.2.1,[2001:db8::1],2001:db8::2"];
        assert_eq!(addresses(&entries, "A.example", 443), ["192.0.2.1", "2001:db8::1", "2001:db8::2"]);
        assert!(addresses(&entries, "a.example", 80).is_empty());
        assert!(addresses(&entries, "b.example", 443).is_empty());
    }

    #[test]
    fn later_entries_replace_and_take_back_and_the_star_fills_in() {
        let entries = ["*:80:192.0.2.9", "a:80:192.0.2.1", "+a:80:192.0.2.2", "b:80:192.0.2.3", "-b:80"];
        assert_eq!(addresses(&entries, "a", 80), ["192.0.2.2"]);
        assert_eq!(addresses(&entries, "b", 80), ["192.0.2.9"]);
        assert_eq!(addresses(&entries, "c", 80), ["192.0.2.9"]);
        assert!(addresses(&entries, "c", 81).is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<Resolve>().unwrap_err().to_string();
        for text in ["", "a", "a:80", "a:80:", ":80:192.0.2.1", "-a"] {
            assert!(error(text).contains("HOST:PORT:ADDRESS"), "{text}: {}", error(text));
        }
        assert!(error("a:80:192.0.2").contains("`192.0.2`"));
        assert!(error("a:x:192.0.2.1").contains("`x`"));
        assert!(error("[::1:80:192.0.2.1").contains("bracket"));
    }
}
