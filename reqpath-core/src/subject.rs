//! What an observation or a finding is about.

mod name;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::PeerAddr;

use self::name::Name;

/// The name of a hop, as the path gives it: `client`, `edge`, `server`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct HopId(#[schemars(with = "String")] Name);

impl HopId {
    /// A hop of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Name::Given(Arc::from(name)))
    }

    /// A hop whose name the program itself gives.
    #[must_use]
    pub const fn fixed(name: &'static str) -> Self {
        Self(Name::Fixed(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hop to which the so-many-th redirect led. No hop of a path may be called so.
    #[must_use]
    pub fn redirect(number: u32) -> Self {
        Self::new(&format!("{REDIRECT}{number}"))
    }

    /// Whether this is where a redirect led.
    #[must_use]
    pub fn is_redirect(&self) -> bool {
        self.0.starts_with(REDIRECT)
    }
}

/// What the names of hops begin with that only a redirect leads to.
const REDIRECT: &str = "redirect-";

impl From<&str> for HopId {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl Borrow<str> for HopId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What an observation or a finding is about: the whole path, one hop, or one leg.
///
/// A leg may be narrowed to one address, to one sample, or to both.
/// A narrower subject lies [within](Subject::covers) each wider one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// The path as a whole.
    Path,
    /// One hop.
    Hop(HopId),
    /// The stretch between two hops.
    Leg(LegSubject),
}

/// A leg, perhaps narrowed to one address or one sample of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct LegSubject {
    /// The hop that speaks first.
    pub from: HopId,
    /// The hop that is spoken to.
    pub to: HopId,
    /// The far end's address, where it is about one address only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub address: Option<PeerAddr>,
    /// The number of the sample, from 0, where it is about one sample only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<u32>,
}

impl Subject {
    /// The leg between two hops, whatever the address and the sample.
    #[must_use]
    pub fn leg(from: &HopId, to: &HopId) -> Self {
        Self::Leg(LegSubject { from: from.clone(), to: to.clone(), address: None, sample: None })
    }

    /// The same leg, narrowed to one address. Other subjects stay as they are.
    #[must_use]
    pub fn at_address(&self, address: PeerAddr) -> Self {
        self.map(|leg| LegSubject { address: Some(address), ..leg })
    }

    /// The same leg, narrowed to one sample. Other subjects stay as they are.
    #[must_use]
    pub fn at_sample(&self, sample: u32) -> Self {
        self.map(|leg| LegSubject { sample: Some(sample), ..leg })
    }

    /// The same leg with every address and sample of it. Other subjects stay as they are.
    #[must_use]
    pub fn whole_leg(&self) -> Self {
        self.map(|leg| LegSubject { address: None, sample: None, ..leg })
    }

    /// The same leg and sample, whatever the address. Other subjects stay as they are.
    #[must_use]
    pub fn any_address(&self) -> Self {
        self.map(|leg| LegSubject { address: None, ..leg })
    }

    /// The sample this is about, if it is about one.
    #[must_use]
    pub fn sample(&self) -> Option<u32> {
        self.as_leg().and_then(|leg| leg.sample)
    }

    /// The far end's address this is about, if it is about one.
    #[must_use]
    pub fn address(&self) -> Option<PeerAddr> {
        self.as_leg().and_then(|leg| leg.address)
    }

    /// The leg, if this is one.
    #[must_use]
    pub fn as_leg(&self) -> Option<&LegSubject> {
        match self {
            Self::Leg(leg) => Some(leg),
            _ => None,
        }
    }

    /// Whether `other` lies within this subject: the same, or narrower.
    ///
    /// The path covers everything; a hop covers itself; a leg covers its addresses and samples.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path, _) => true,
            (Self::Hop(a), Self::Hop(b)) => a == b,
            (Self::Leg(a), Self::Leg(b)) => {
                a.from == b.from
                    && a.to == b.to
                    && (a.address.is_none() || a.address == b.address)
                    && (a.sample.is_none() || a.sample == b.sample)
            }
            _ => false,
        }
    }

    /// Whether the two could be about the same flow: nothing that both name differs.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            match (a, b) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            }
        }
        match (self, other) {
            (Self::Leg(a), Self::Leg(b)) => {
                a.from == b.from
                    && a.to == b.to
                    && same(a.address.as_ref(), b.address.as_ref())
                    && same(a.sample.as_ref(), b.sample.as_ref())
            }
            (Self::Hop(hop), Self::Leg(leg)) | (Self::Leg(leg), Self::Hop(hop)) => {
                *hop == leg.from || *hop == leg.to
            }
            (Self::Hop(a), Self::Hop(b)) => a == b,
            _ => true,
        }
    }

    fn map(&self, f: impl FnOnce(LegSubject) -> LegSubject) -> Self {
        match self {
            Self::Leg(leg) => Self::Leg(f(leg.clone())),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("path"),
            Self::Hop(hop) => write!(f, "{hop}"),
            Self::Leg(leg) => {
                write!(f, "{} → {}", leg.from, leg.to)?;
                if let Some(address) = leg.address {
                    write!(f, " at {address}")?;
                }
                if let Some(sample) = leg.sample {
                    write!(f, ", sample {sample}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg() -> Subject {
        Subject::leg(&"client".into(), &"server".into())
    }

    fn address(port: u16) -> PeerAddr {
        PeerAddr(([192, 0, 2, 1], port).into())
    }

    #[test]
    fn wide_covers_narrow_and_not_the_reverse() {
        let narrow = leg().at_address(address(80)).at_sample(3);
        assert!(leg().covers(&narrow));
        assert!(!narrow.covers(&leg()));
        assert!(leg().at_sample(3).covers(&narrow));
        assert!(!leg().at_sample(2).covers(&narrow));
        assert!(Subject::Path.covers(&narrow));
    }

    #[test]
    fn a_name_is_the_same_wherever_it_came_from() {
        let (fixed, given) = (HopId::fixed("edge"), HopId::new("edge"));
        assert_eq!(fixed, given);
        assert_eq!(std::collections::HashMap::from([(fixed.clone(), 1)]).get(&given), Some(&1));
        assert_eq!(serde_json::from_str::<HopId>(&serde_json::to_string(&fixed).unwrap()).unwrap(), given);
        assert!(fixed < HopId::new("edgf") && fixed.cmp(&given).is_eq());
    }

    #[test]
    fn subjects_of_one_flow_meet() {
        assert!(leg().at_address(address(80)).meets(&leg().at_sample(1)));
        assert!(!leg().at_address(address(80)).meets(&leg().at_address(address(81))));
    }

    #[test]
    fn json_is_short_and_comes_back() {
        let subject = leg().at_sample(0);
        let json = serde_json::to_value(&subject).unwrap();
        assert_eq!(json, serde_json::json!({"leg": {"from": "client", "to": "server", "sample": 0}}));
        assert_eq!(serde_json::from_value::<Subject>(json).unwrap(), subject);
    }
}
