//! One attempt to open a connection to one address.

use std::fmt::Write as _;

use reqpath_core::{ConnectFailure, Evidence, IcmpError, KernelInfo, LocalAddr, Micros, Subject};
use serde::{Deserialize, Serialize};

use super::apart;

/// One attempt to open a connection to one address. The address is in the subject.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Attempt {
    /// How it ended.
    pub outcome: Outcome,
    /// What it was made for.
    pub purpose: Purpose,
    /// Whether the request went on over this connection.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub used: bool,
    /// The time from the first SYN to the end.
    pub elapsed_us: Micros,
    /// The time it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_us: Option<Micros>,
    /// Our end of the connection; that of a failed attempt is in `failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalAddr>,
    /// The kernel's figures once connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelInfo>,
    /// Why it failed, as the system tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<ConnectFailure>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The handshake was completed.
    Connected,
    /// It was not.
    Failed,
    /// The attempt was given up: another address was faster, or the time of the request was over.
    #[default]
    GivenUp,
}

/// What an attempt was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// The client's own road.
    #[default]
    Road,
    /// A look beside it, at an address the road did not need.
    Aside,
    /// A further connection for a later stage.
    Again,
    /// A control on which nothing is said.
    Silence,
}

/// The different ways a handshake does not succeed, told apart by more than the error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Death {
    /// A plain RST to our SYN.
    Refused,
    /// Nothing came back.
    Unanswered,
    /// The network, or our neighbourhood in it, says that nobody is there.
    Unreachable,
    /// A rule forbids it.
    Prohibited,
    /// Established, and reset within the call that opened it.
    Reset,
    /// This host has no way there.
    NoRoute,
    /// This host found no local address and port to speak from.
    NoLocalAddress,
    /// This process, or the system, has no descriptor left.
    NoDescriptor,
    /// Anything else the system said.
    Other,
}

impl Attempt {
    /// How it died, if it did.
    #[must_use]
    pub fn death(&self) -> Option<Death> {
        let failure = self.failure.as_ref().filter(|_| self.outcome == Outcome::Failed)?;
        // The error number says "refused" or "unreachable" for several things; the message behind it does not.
        if let Some(told) = failure.icmp.as_ref().and_then(by_icmp) {
            return Some(told);
        }
        if failure.timed_out {
            return Some(Death::Unanswered);
        }
        Some(match failure.symbol.as_deref().unwrap_or_default() {
            "ECONNREFUSED" => Death::Refused,
            "ETIMEDOUT" => Death::Unanswered,
            "ECONNRESET" | "EPIPE" | "ECONNABORTED" => Death::Reset,
            "EHOSTUNREACH" | "EHOSTDOWN" => Death::Unreachable,
            // EINVAL is what a blackhole route gives.
            "ENETUNREACH" | "ENETDOWN" | "EAFNOSUPPORT" | "EINVAL" => Death::NoRoute,
            "EPERM" | "EACCES" => Death::Prohibited,
            "EADDRNOTAVAIL" => Death::NoLocalAddress,
            "EMFILE" | "ENFILE" => Death::NoDescriptor,
            _ => Death::Other,
        })
    }

    /// Whether the handshake was completed.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.outcome == Outcome::Connected
    }

    /// The ICMP message behind the failure.
    #[must_use]
    pub fn icmp(&self) -> Option<&IcmpError> {
        self.failure.as_ref()?.icmp.as_ref()
    }

    /// Whether that message is this very host's own: its kernel tells itself so of a neighbour that does
    /// not answer, and of a rule of its own.
    #[must_use]
    pub fn told_by_ourselves(&self) -> bool {
        let ours = self.failure.as_ref().and_then(|failure| failure.local).map(|local| local.ip());
        ours.is_some() && self.icmp().and_then(|icmp| icmp.offender) == ours
    }

    /// How many SYNs were sent, where the kernel counted them.
    #[must_use]
    pub fn syns(&self) -> Option<u32> {
        let kernel = self.kernel.as_ref().or(self.failure.as_ref()?.kernel.as_ref())?;
        Some(kernel.total_retrans.max(kernel.retransmits.into()).saturating_add(1))
    }

    /// The system's own words for the failure: `Connection refused (ECONNREFUSED)`.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let failure = self.failure.as_ref()?;
        Some(match &failure.symbol {
            Some(symbol) => format!("{} ({symbol})", failure.message),
            None => failure.message.clone(),
        })
    }
}

/// What the network itself says, by RFC 792, RFC 1812 and RFC 4443.
fn by_icmp(icmp: &IcmpError) -> Option<Death> {
    match (icmp.v6, icmp.kind, icmp.code) {
        // No TCP answers with "port unreachable" or "protocol unreachable": a rule does.
        (false, 3, 2 | 3 | 9 | 10 | 13) | (true, 1, 1 | 4 | 5 | 6) => Some(Death::Prohibited),
        // "Fragmentation needed" is part of ordinary life.
        (false, 3, 4) => None,
        // Time exceeded: the packets go in circles.
        (false, 3 | 11, _) | (true, 1 | 3, _) => Some(Death::Unreachable),
        _ => None,
    }
}

impl Evidence for Attempt {
    const KIND: &'static str = "tcp.attempt";

    fn went_well(&self) -> bool {
        let lost = self.kernel.is_some_and(|kernel| kernel.total_retrans > 0);
        self.connected() && self.failure.is_none() && !lost
    }

    fn source(&self, at: &Subject) -> String {
        format!("nc -vz {}", apart(at))
    }

    fn brief(&self) -> String {
        let mut text = match self.outcome {
            Outcome::Connected => format!("connected in {}", self.elapsed_us),
            Outcome::Failed => {
                let words = self.words().unwrap_or_else(|| "failed".to_owned());
                // "no answer within 5.00 s" has its time already.
                match self.failure.as_ref().is_some_and(|failure| failure.timed_out) {
                    true => words,
                    false => format!("{words} after {}", self.elapsed_us),
                }
            }
            Outcome::GivenUp => format!("given up after {}", self.elapsed_us),
        };
        if let Some(icmp) = self.icmp() {
            let version = if icmp.v6 { "v6" } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(text, ", ICMP{version} type {} code {}", icmp.kind, icmp.code);
            if let Some(offender) = icmp.offender {
                let _ = write!(text, " from {offender}");
            }
        }
        match self.purpose {
            Purpose::Road => {}
            Purpose::Aside => text.push_str(" (not needed by the request)"),
            Purpose::Again => text.push_str(" (once more)"),
            Purpose::Silence => text.push_str(" (to stay silent)"),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(symbol: &str, icmp: Option<(bool, u8, u8)>) -> Attempt {
        let mut failure = ConnectFailure::new("words");
        failure.symbol = Some(symbol.to_owned().into());
        failure.icmp = icmp.map(|(v6, kind, code)| IcmpError::new(kind, code, None, v6));
        Attempt { outcome: Outcome::Failed, failure: Some(failure), ..Attempt::default() }
    }

    #[test]
    fn six_deaths_are_told_apart() {
        for (symbol, icmp, death) in [
            ("ECONNREFUSED", None, Death::Refused),
            ("ECONNREFUSED", Some((false, 3, 3)), Death::Prohibited),
            ("ECONNREFUSED", Some((true, 1, 4)), Death::Prohibited),
            ("EHOSTUNREACH", None, Death::Unreachable),
            ("EHOSTUNREACH", Some((false, 3, 1)), Death::Unreachable),
            ("EHOSTUNREACH", Some((false, 3, 13)), Death::Prohibited),
            ("EACCES", Some((true, 1, 1)), Death::Prohibited),
            ("EHOSTUNREACH", Some((false, 11, 0)), Death::Unreachable),
            ("ENETUNREACH", Some((false, 3, 0)), Death::Unreachable),
            ("ENETUNREACH", None, Death::NoRoute),
            ("EPERM", None, Death::Prohibited),
            ("ECONNRESET", None, Death::Reset),
            ("ETIMEDOUT", Some((false, 3, 4)), Death::Unanswered),
            ("EADDRNOTAVAIL", None, Death::NoLocalAddress),
            ("EMFILE", None, Death::NoDescriptor),
            ("ENOBUFS", None, Death::Other),
        ] {
            assert_eq!(failed(symbol, icmp).death(), Some(death), "{symbol} {icmp:?}");
        }
        assert_eq!(Attempt::default().death(), None);
    }

    #[test]
    fn words_are_for_people() {
        let mut attempt = failed("EHOSTUNREACH", Some((false, 3, 13)));
        attempt.elapsed_us = Micros(1500);
        assert_eq!(attempt.brief(), "words (EHOSTUNREACH) after 1.50 ms, ICMP type 3 code 13");
    }
}
