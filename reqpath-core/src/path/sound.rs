//! What makes a path one that can be walked.

use std::collections::HashSet;

use super::{HopKind, Path};
use crate::{HopId, escape};

/// Why a path cannot be walked: the hop, what is wrong with it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsound {
    /// Nobody to send the request, or nobody to send it to.
    #[error("a path has at least two hops: the client, and the hop that it asks")]
    TooShort,
    /// Something else stands where the client should.
    #[error("hop `{}`: the first hop is the client: let `kind: client` come first", shown(.hop))]
    FirstIsNoClient {
        /// The first hop.
        hop: HopId,
    },
    /// A client in the middle of the road.
    #[error("hop `{}`: only the first hop is a client", shown(.hop))]
    SecondClient {
        /// The hop.
        hop: HopId,
    },
    /// Two hops of one name.
    #[error("hop `{}`: another hop has this name: give each its own", shown(.hop))]
    TwoOfOneName {
        /// Their name.
        hop: HopId,
    },
    /// A name that cannot be used.
    #[error("hop `{}`: {why}", shown(.hop))]
    Name {
        /// The name.
        hop: HopId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A branch of a hop that is not there, or of itself.
    #[error("hop `{}`: it is asked by `{}`, which is no other hop{}", shown(.hop), shown(.of), meant(.like.as_ref()))]
    NoSuchHop {
        /// The branch.
        hop: HopId,
        /// The hop it names.
        of: HopId,
        /// The hop that was perhaps meant.
        like: Option<HopId>,
    },
    /// Branches of each other.
    #[error("hop `{}`: following who asks whom from here leads round in a circle", shown(.hop))]
    Circle {
        /// One of them.
        hop: HopId,
    },
}

impl Unsound {
    /// The hop at fault, where it is one.
    #[must_use]
    pub fn hop(&self) -> Option<&HopId> {
        match self {
            Self::TooShort => None,
            Self::FirstIsNoClient { hop }
            | Self::SecondClient { hop }
            | Self::TwoOfOneName { hop }
            | Self::Name { hop, .. }
            | Self::NoSuchHop { hop, .. }
            | Self::Circle { hop } => Some(hop),
        }
    }
}

impl Path {
    /// Whether the path can be walked: a client first, each name once, each branch of a hop that is there.
    ///
    /// ```
    /// use reqpath_core::{Hop, HopKind, Path};
    ///
    /// let path = Path::new(vec![Hop::new("client", HopKind::Client), Hop::new("shop", HopKind::Pod)]);
    /// assert!(path.sound().is_ok());
    /// let path = Path::new(vec![Hop::new("edge", HopKind::Nginx), Hop::new("shop", HopKind::Pod)]);
    /// assert!(path.sound().unwrap_err().to_string().contains("the first hop is the client"));
    /// ```
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its hop.
    pub fn sound(&self) -> Result<(), Unsound> {
        let mut names = HashSet::new();
        for hop in &self.hops {
            if let Some(why) = unusable(&hop.id) {
                return Err(Unsound::Name { hop: hop.id.clone(), why });
            }
            if !names.insert(&hop.id) {
                return Err(Unsound::TwoOfOneName { hop: hop.id.clone() });
            }
        }
        let first = self.hops.first().ok_or(Unsound::TooShort)?;
        if first.kind != HopKind::Client || first.branch_of.is_some() {
            return Err(Unsound::FirstIsNoClient { hop: first.id.clone() });
        }
        if let Some(hop) = self.hops[1..].iter().find(|hop| hop.kind == HopKind::Client) {
            return Err(Unsound::SecondClient { hop: hop.id.clone() });
        }
        for hop in &self.hops {
            let Some(of) = &hop.branch_of else { continue };
            if *of == hop.id || self.hop(of).is_none() {
                let others =
                    self.hops.iter().map(|hop| hop.id.as_str()).filter(|name| *name != hop.id.as_str());
                let like = crate::most_like(of.as_str(), others).map(HopId::from);
                return Err(Unsound::NoSuchHop { hop: hop.id.clone(), of: of.clone(), like });
            }
        }
        for hop in &self.hops {
            let mut at = Some(hop);
            for _ in 0..=self.hops.len() {
                at = at.and_then(|hop| self.hop(hop.branch_of.as_ref()?));
            }
            if at.is_some() {
                return Err(Unsound::Circle { hop: hop.id.clone() });
            }
        }
        if self.road().nth(1).is_none() { Err(Unsound::TooShort) } else { Ok(()) }
    }
}

/// Why a hop cannot have this name.
fn unusable(hop: &HopId) -> Option<&'static str> {
    let name = hop.as_str();
    if name.trim().is_empty() {
        Some("a hop needs a name")
    } else if hop.is_redirect() {
        Some("names that begin with `redirect-` are kept for where redirects lead: choose another")
    } else if name.len() > 80 || name.chars().any(char::is_control) {
        Some("a name has at most 80 bytes, none of them a control character")
    } else {
        None
    }
}

fn shown(hop: &HopId) -> String {
    escape(hop.as_str(), 80)
}

fn meant(like: Option<&HopId>) -> String {
    like.map(|like| format!(": did you mean `{}`?", shown(like))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hop;

    fn said(hops: Vec<Hop>) -> String {
        Path::new(hops).sound().unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_walked_is_named_with_the_way_out() {
        let (client, shop) = (Hop::new("client", HopKind::Client), Hop::new("shop", HopKind::Pod));
        let db = |of: &str| Hop::new("db", HopKind::Db).branch_of(of);
        assert!(said(vec![]).contains("at least two hops"));
        assert!(said(vec![client.clone()]).contains("at least two hops"));
        assert!(said(vec![client.clone(), db("client")]).contains("at least two hops"));
        assert!(
            said(vec![shop.clone(), client.clone()]).starts_with("hop `shop`: the first hop is the client")
        );
        assert!(said(vec![client.clone(), client.clone()]).contains("another hop has this name"));
        let second = Hop::new("other", HopKind::Client);
        assert!(said(vec![client.clone(), second]).contains("only the first hop is a client"));
        let redirect = Hop::new("redirect-1", HopKind::Server);
        assert!(said(vec![client.clone(), redirect]).contains("are kept for where redirects lead"));
        assert!(said(vec![client.clone(), Hop::new(" ", HopKind::Pod)]).contains("needs a name"));
        let lost = said(vec![client.clone(), shop.clone(), db("shpo")]);
        assert_eq!(lost, "hop `db`: it is asked by `shpo`, which is no other hop: did you mean `shop`?");
        assert!(said(vec![client.clone(), shop.clone(), db("db")]).contains("which is no other hop"));
        let cache = Hop::new("cache", HopKind::Other).branch_of("db");
        assert!(said(vec![client.clone(), shop.clone(), db("cache"), cache.clone()]).contains("in a circle"));
        assert_eq!(Path::new(vec![client, shop, db("shop"), cache]).sound(), Ok(()));
    }
}
