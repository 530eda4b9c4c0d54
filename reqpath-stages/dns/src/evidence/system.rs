//! What the system resolver answered.

use std::borrow::Cow;
use std::net::IpAddr;

use reqpath_core::{Evidence, Micros, Subject};
use serde::{Deserialize, Serialize};

/// What the system resolver answered: what any ordinary program of this place gets.
///
/// Incomplete when it had said nothing by the time the request had to be over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SystemLookup {
    /// The name as the program gives it.
    pub name: String,
    /// The addresses, in the order in which a program would try them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The symbol of `getaddrinfo`'s error: `EAI_NONAME`, `EAI_AGAIN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Cow<'static, str>>,
    /// The system's own words for that error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The time it took, or that was spent waiting.
    pub time_us: Micros,
    /// Whether waiting ended with no answer of any kind.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub still_waiting: bool,
    /// The only IP version the caller wants, 4 or 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<u8>,
}

impl SystemLookup {
    /// A question not yet answered.
    #[must_use]
    pub fn of(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The addresses the caller can use: those of the family it wants.
    pub fn usable(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().copied().filter(|address| crate::evidence::wanted(self.family, *address))
    }
}

impl Evidence for SystemLookup {
    const KIND: &'static str = "dns.system";

    fn source(&self, _: &Subject) -> String {
        match self.family {
            Some(4) => format!("getent ahostsv4 {}", self.name),
            Some(6) => format!("getent ahostsv6 {}", self.name),
            _ => format!("getent ahosts {}", self.name),
        }
    }

    fn brief(&self) -> String {
        let time = self.time_us;
        match &self.symbol {
            _ if self.still_waiting => format!("{}: still no answer after {time}", self.name),
            Some(symbol) => format!("{}: {symbol} in {time}", self.name),
            None => format!("{}: {} in {time}", self.name, super::first_few(&self.addresses)),
        }
    }
}
