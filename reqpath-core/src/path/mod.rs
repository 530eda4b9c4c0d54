//! The hops a request is meant to take.

mod caller;
mod endpoint;
mod hop;
mod kind;
mod sends;
mod sound;
mod source;
mod timeouts;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::caller::Caller;
pub use self::endpoint::{Endpoint, EndpointError};
pub use self::hop::Hop;
pub use self::kind::HopKind;
pub use self::sends::Sends;
pub use self::sound::Unsound;
pub use self::source::Source;
pub use self::timeouts::Timeouts;
use crate::{Flag, HopId, Subject, Target};

/// The hops a request is meant to take, outermost first.
///
/// ```
/// use reqpath_core::{Hop, HopKind, Path};
///
/// let path = Path::new(vec![
///     Hop::new("client", HopKind::Client),
///     Hop::new("edge", HopKind::Nginx),
///     Hop::new("shop", HopKind::Pod),
///     Hop::new("prices", HopKind::Db).branch_of("shop"),
/// ]);
/// assert_eq!(path.before(&"shop".into()).unwrap().id.as_str(), "edge");
/// assert_eq!(path.before(&"prices".into()).unwrap().id.as_str(), "shop");
/// assert!(path.after(&"shop".into()).is_none(), "the main road ends there");
/// assert_eq!(path.branches(&"shop".into()).count(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Path {
    /// The hops in order; those beside the main road say whose branch they are.
    pub hops: Vec<Hop>,
    /// The settings of the program whose request this is.
    #[serde(default, skip_serializing_if = "Caller::is_empty")]
    pub caller: Caller,
    /// What a later version stored besides.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Path {
    /// A path over these hops.
    #[must_use]
    pub fn new(hops: Vec<Hop>) -> Self {
        Self { hops, caller: Caller::default(), extra: Map::new() }
    }

    /// The path of a plain URL: `client` and `server`.
    #[must_use]
    pub fn of_url() -> Self {
        let hop = |name, kind| Hop::new(HopId::fixed(name), kind);
        Self::new(vec![hop("client", HopKind::Client), hop("server", HopKind::Server)])
    }

    /// The first leg: from the client to the first hop that answers it.
    #[must_use]
    pub fn front(&self) -> Option<Subject> {
        let mut road = self.road();
        Some(Subject::leg(&road.next()?.id, &road.next()?.id))
    }

    /// A command about this subject, with the caller's flags that it knows.
    ///
    /// What enters further in is led and trusted as the path says, whatever the caller said of his own requests.
    pub(crate) fn command<'a>(&self, target: &Target, about: &Subject, command: &'a str) -> Cow<'a, str> {
        let first = self.hops.first().map(|client| &client.id);
        let further_in = about.as_leg().is_some_and(|leg| first.is_some_and(|client| leg.from != *client));
        match further_in && !command.starts_with("reqpath ") {
            true => Cow::Borrowed(command),
            false => Flag::repeated(target, command),
        }
    }

    /// The hops of the main road, in order: without branches, and without what redirects led to.
    pub fn road(&self) -> impl Iterator<Item = &Hop> {
        self.hops.iter().filter(|hop| hop.branch_of.is_none() && !hop.id.is_redirect())
    }

    /// The hop of this name.
    #[must_use]
    pub fn hop(&self, id: &HopId) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.id == *id)
    }

    /// The place of a hop on the path, from 0.
    #[must_use]
    pub fn place(&self, hop: &HopId) -> Option<usize> {
        self.hops.iter().position(|h| h.id == *hop)
    }

    /// The hop that speaks to this one: the one before it, or the one whose branch it is.
    #[must_use]
    pub fn before(&self, id: &HopId) -> Option<&Hop> {
        let hop = self.hop(id)?;
        match &hop.branch_of {
            Some(of) => self.hop(of),
            None => self.road().take_while(|other| other.id != *id).last(),
        }
    }

    /// The next hop of the main road.
    #[must_use]
    pub fn after(&self, id: &HopId) -> Option<&Hop> {
        self.road().skip_while(|hop| hop.id != *id).nth(1)
    }

    /// Whether this leg leads further in to a hop that is dialled by its addresses alone:
    /// no name is looked up on it.
    #[must_use]
    pub fn dialled_by_address(&self, leg: &Subject) -> bool {
        let Some(to) = leg.as_leg().and_then(|leg| self.hop(&leg.to)) else { return false };
        !to.addresses.is_empty()
            && to.addresses.iter().all(|at| at.ip().is_some())
            && self.front() != Some(leg.whole_leg())
    }

    /// The hops that this one asks beside the main road.
    pub fn branches(&self, id: &HopId) -> impl Iterator<Item = &Hop> {
        self.hops.iter().filter(move |hop| hop.branch_of.as_ref() == Some(id))
    }
}

impl Default for Path {
    fn default() -> Self {
        Self::of_url()
    }
}
