//! `NO_PROXY`, as curl reads it.

use std::net::IpAddr;

/// The entry of the list that exempts a host, if one does.
///
/// A name is exempted by itself and by any parent domain, with or without a leading dot;
/// an address by itself or by a range; everything by a lone `*`.
pub(super) fn exempting<'a>(list: &'a str, host: &str) -> Option<&'a str> {
    if list == "*" {
        return Some(list);
    }
    let host = Host::of(host);
    read(list).find(|entry| host.exempted_by(entry))
}

/// An entry that looks meant for the host and does not exempt it, with the reason.
pub(super) fn near_miss<'a>(list: &'a str, name: &str) -> Option<(&'a str, String)> {
    let host = Host::of(name);
    let after_blank = list.get(read_length(list)..).unwrap_or_default();
    let unread = split(after_blank).find(|entry| *entry == "*" || host.exempted_by(entry));
    if let Some(entry) = unread {
        return Some((entry, "the list is read up to the first blank without a comma".to_owned()));
    }
    read(list).find_map(|entry| host.nearly(entry, name).map(|why| (entry, why)))
}

/// A host as entries are compared with it.
enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl<'a> Host<'a> {
    fn of(host: &'a str) -> Self {
        match host.parse() {
            Ok(address) => Self::Address(address),
            Err(_) => Self::Name(host.strip_suffix('.').unwrap_or(host)),
        }
    }

    fn exempted_by(&self, entry: &str) -> bool {
        match self {
            Self::Name(name) => within(name, entry),
            Self::Address(address) => in_range(*address, entry),
        }
    }

    fn nearly(&self, entry: &str, name: &str) -> Option<String> {
        if let Some((_, bare)) = entry.split_once("://") {
            let bare = bare.split(['/', ':']).next().unwrap_or_default();
            return self.exempted_by(bare).then(|| "an entry is a host, not a URL".to_owned());
        }
        if entry.contains('*') {
            let bare = entry.trim_start_matches('*');
            return (bare.is_empty() || self.exempted_by(bare)).then(|| {
                "`*` stands for everything when it is the whole list, and for nothing in an entry".to_owned()
            });
        }
        if let Some((bare, _)) = entry.rsplit_once(':').filter(|(bare, _)| self.exempted_by(bare)) {
            return Some(format!("an entry has no port: `{bare}` would do"));
        }
        match self {
            Self::Name(_) => {
                let range =
                    entry.split_once('/').is_some_and(|(network, _)| network.parse::<IpAddr>().is_ok());
                range.then(|| {
                    format!("a range exempts addresses, and {name} is a name: it is not resolved for this")
                })
            }
            Self::Address(_) => {
                let start = entry.ends_with('.') && name.starts_with(entry);
                start.then(|| {
                    "an address is exempted by a range such as 10.0.0.0/8, not by its beginning".to_owned()
                })
            }
        }
    }
}

/// Whether a name is this domain or lies within it.
fn within(name: &str, entry: &str) -> bool {
    let entry = entry.strip_suffix('.').unwrap_or(entry);
    let domain = entry.strip_prefix('.').unwrap_or(entry);
    let Some(start) = name.len().checked_sub(domain.len()) else { return false };
    let (before, tail) = (name.as_bytes().get(..start), name.as_bytes().get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(domain.as_bytes()))
        && before.is_some_and(|before| before.last().is_none_or(|byte| *byte == b'.'))
}

/// Whether an address is this one or lies in this range.
fn in_range(address: IpAddr, entry: &str) -> bool {
    let (network, bits) = match entry.split_once('/') {
        // Like no prefix at all, 0 stands for the whole address.
        Some((network, bits)) => match bits.parse::<u32>() {
            Ok(bits) if bits <= 128 => (network, bits),
            _ => return false,
        },
        None => (entry, 0),
    };
    let same = |a: u128, b: u128, width: u32| {
        let bits = if bits == 0 { width } else { bits };
        bits <= width && (a ^ b) >> (width - bits) == 0
    };
    match (address, network.parse()) {
        (IpAddr::V4(a), Ok(IpAddr::V4(b))) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), Ok(IpAddr::V6(b))) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

/// The entries that curl reads: up to the first blank that no comma follows.
fn read(list: &str) -> impl Iterator<Item = &str> {
    split(list.get(..read_length(list)).unwrap_or_default())
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty())
}

/// The length of the part that is read.
fn read_length(list: &str) -> usize {
    let blank = |c: char| c == ' ' || c == '\t';
    let mut at = 0;
    loop {
        let rest = list.get(at..).unwrap_or_default();
        let entry = rest.trim_start_matches(blank);
        let end = entry.find(|c| c == ',' || blank(c)).unwrap_or(entry.len());
        let after = entry.get(end..).unwrap_or_default();
        let next = after.trim_start_matches(blank);
        if !next.starts_with(',') {
            return list.len() - after.len();
        }
        at = list.len() - next.trim_start_matches(',').len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_exempted_by_itself_and_its_parents() {
        for list in [
            "api.example",
            ".example",
            "example",
            "example.",
            "x, example",
            "x ,,API.Example",
            "*",
            " example",
        ] {
            assert!(exempting(list, "api.example").is_some(), "{list}");
        }
        for list in
            ["pi.example", "w.api.example", "*.example", "*,x", "api.example:443", "", ",", "10.0.0.0/8"]
        {
            assert!(exempting(list, "api.example").is_none(), "{list}");
        }
        assert!(exempting("example", "api.example.").is_some());
    }

    #[test]
    fn an_address_is_exempted_by_itself_or_a_range() {
        for list in ["192.0.2.7", "192.0.2.0/24", "192.0.0.0/8", "192.0.2.7/32", "192.0.2.7/0"] {
            assert!(exempting(list, "192.0.2.7").is_some(), "{list}");
        }
        for list in [
            "192.0.2.0",
            "192.0.3.0/24",
            "192.0.2.0/33",
            "192.0.2.",
            "2.7",
            "192.0.2.0/x",
            "0.0.0.0/0",
            "::/0",
        ] {
            assert!(exempting(list, "192.0.2.7").is_none(), "{list}");
        }
        assert_eq!(exempting("::2,2001:db8::/33", "2001:db8:7fff::1"), Some("2001:db8::/33"));
        assert!(exempting("2001:db8::/33", "2001:db8:8000::1").is_none());
    }

    #[test]
    fn reading_ends_at_a_blank_without_a_comma() {
        assert!(exempting("a.example b.example", "b.example").is_none());
        assert!(exempting("a.example , b.example", "b.example").is_some());
        let (entry, why) = near_miss("a.example b.example", "b.example").unwrap();
        assert_eq!(entry, "b.example");
        assert!(why.contains("blank"), "{why}");
    }

    #[test]
    fn what_was_meant_and_does_not_match_is_explained() {
        let why = |list: &str, host: &str| near_miss(list, host).map(|(_, why)| why).unwrap_or_default();
        assert!(why("x,*.example", "api.example").contains('*'));
        assert!(why("x,*", "api.example").contains('*'));
        assert!(why("api.example:8080", "api.example").contains("port"));
        assert!(why("http://api.example/", "api.example").contains("URL"));
        assert!(why("10.0.0.0/8", "api.example").contains("range"));
        assert!(why("10.", "10.1.2.3").contains("range"));
        assert_eq!(why("other.example,*.org", "api.example"), "");
    }
}
