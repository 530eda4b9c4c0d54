//! An address together with the length of its network's prefix.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::error::Error;

/// An address with its prefix length, as in `10.0.1.2/24` or `fd00::2/64`.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use reqpath_testkit::lab::Cidr;
///
/// let edge: Cidr = "10.0.1.2/24".parse().unwrap();
/// assert_eq!(edge.network().to_string(), "10.0.1.0/24");
/// assert!(edge.contains("10.0.1.77".parse().unwrap()));
/// assert!("10.0.1.2/33".parse::<Cidr>().is_err());
/// # }
/// ```
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use reqpath_testkit::lab::Cidr;
///
/// let host = Cidr::new([10, 0, 1, 2].into(), 24).unwrap();
/// assert_eq!((host.ip().to_string().as_str(), host.length()), ("10.0.1.2", 24));
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    ip: IpAddr,
    length: u8,
}

impl Cidr {
    /// An address in a network with a prefix of `length` bits.
    ///
    /// # Errors
    /// When the address has fewer bits than that.
    pub fn new(ip: IpAddr, length: u8) -> Result<Self, Error> {
        if length > width(ip) {
            return Err(bad(&format!("{ip}/{length}")));
        }
        Ok(Self { ip, length })
    }

    /// The address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The length of the prefix, in bits.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The network: the same prefix with all other bits clear.
    #[must_use]
    pub fn network(&self) -> Self {
        Self { ip: from_bits(self.ip.is_ipv4(), bits(self.ip) & mask(self.length)), length: self.length }
    }

    /// Whether an address lies in this network.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && (bits(ip) ^ bits(self.ip)) & mask(self.length) == 0
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.ip) || other.contains(self.ip)
    }

    /// The `n`th address of the network, unless that is its last (a broadcast address).
    pub(super) fn nth(&self, n: u32) -> Option<Self> {
        let step = 128 - u32::from(width(self.ip));
        let ip = from_bits(self.ip.is_ipv4(), bits(self.network().ip).checked_add(u128::from(n) << step)?);
        let next = from_bits(self.ip.is_ipv4(), bits(ip).checked_add(1 << step)?);
        (self.contains(ip) && self.contains(next)).then_some(Self { ip, length: self.length })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.length)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (ip, length) = text.split_once('/').ok_or_else(|| bad(text))?;
        let ip = ip.parse().map_err(|_| bad(text))?;
        let length = length.parse().map_err(|_| bad(text))?;
        Self::new(ip, length).map_err(|_| bad(text))
    }
}

fn bad(text: &str) -> Error {
    Error::BadAddress { text: text.to_owned(), wanted: "an address with a prefix length" }
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

// Both families are held in the upper bits of one number, so that one mask fits both.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn from_bits(v4: bool, bits: u128) -> IpAddr {
    if v4 {
        // The shift leaves 32 bits: nothing is cut off.
        IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_and_members_in_both_families() {
        assert_eq!(cidr("192.0.2.77/26").network(), cidr("192.0.2.64/26"));
        assert_eq!(cidr("fd00:0:0:7::9/64").network(), cidr("fd00:0:0:7::/64"));
        assert!(cidr("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
        assert!(!cidr("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(cidr("10.0.0.0/8").overlaps(&cidr("10.9.0.0/16")));
        assert!(!cidr("10.0.1.0/24").overlaps(&cidr("10.0.2.0/24")));
    }

    #[test]
    fn addresses_are_counted_and_the_last_is_kept_free() {
        assert_eq!(cidr("10.0.1.0/24").nth(1), Some(cidr("10.0.1.1/24")));
        assert_eq!(cidr("10.0.1.0/24").nth(255), None);
        assert_eq!(cidr("10.0.1.0/30").nth(2), Some(cidr("10.0.1.2/30")));
        assert_eq!(cidr("10.0.1.0/30").nth(3), None);
        assert_eq!(cidr("fd00::/64").nth(2), Some(cidr("fd00::2/64")));
        assert_eq!(cidr("255.255.255.255/32").nth(1), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "/", "10.0.0.1", "10.0.0.1/", "10.0.0.1/33", "fd00::/129", "10.0.0/8", "a/b", "1/2/3"]
        {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
