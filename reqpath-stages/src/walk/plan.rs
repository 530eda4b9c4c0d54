//! What is to be done along the path, before anything is.

use std::fmt;

use reqpath_core::{Endpoint, HopId, Path, Source, Target};

/// Requests that enter further in: where from, where to, and what they are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inner {
    /// The hop from whose place they are made.
    pub from: HopId,
    /// The hop they enter at.
    pub to: HopId,
    /// Where that is dialled.
    pub at: Endpoint,
    /// The name of the place they are made from; the client's own where there is none.
    pub vantage: Option<String>,
    /// What is requested.
    pub target: Target,
    /// Why they do not go all the way, where they do not.
    pub short: Option<Short>,
    pub(super) manners: Manners,
}

/// Why an entry ends before HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Short {
    /// What the hop before sends is not known.
    NotKnown,
    /// The method may change something, and is sent once: at the front.
    Unsafe,
    /// The path and query hold a secret, and the hop gets none.
    Secret,
    /// The request has a body, of which nobody can tell what is secret, and the hop gets no credentials.
    Body,
    /// It is a database, which speaks another language.
    Database,
    /// The place is far away, and the program there has not the settings it would need.
    Settings,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotKnown => "what the hop before sends is not known",
            Self::Unsafe => "the method may change something",
            Self::Secret => "the URL holds a secret, and the hop has no `credentials: true`",
            Self::Body => "the request has a body, and the hop has no `credentials: true`",
            Self::Database => "a database does not speak HTTP",
            Self::Settings => "the place is far away, and has not the certificates this needs",
        })
    }
}

/// How connections of an entry are opened: as the hop before would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manners {
    pub(super) verifies: Verifies,
    /// Whether the client's certificate may be shown.
    pub(super) identity: bool,
    pub(super) database: Option<Database>,
}

/// How a database is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Database {
    /// Whether over TLS alone.
    pub(super) secured: bool,
}

/// Whom the hop before believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verifies {
    /// As the client does, for it is the client who speaks here.
    AsFront,
    /// Whoever answers.
    Nobody,
    /// Those of the system, or those given for this hop.
    For(HopId),
}

/// One thing that is read at a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reads {
    /// The hop.
    pub hop: HopId,
    /// What is read.
    pub source: Source,
    /// The name of the place it is read from; none where nobody can read it.
    pub vantage: Option<String>,
}

/// What is read at the hops, in the order of the path.
pub(super) fn reads(path: &Path) -> Vec<Reads> {
    let of = |hop: &reqpath_core::Hop| {
        let (id, own) = (hop.id.clone(), hop.vantage.clone());
        let read = move |source: &Source| Reads {
            hop: id.clone(),
            source: source.clone(),
            vantage: source.vantage.clone().or_else(|| own.clone()),
        };
        hop.sources.iter().map(read).collect::<Vec<_>>()
    };
    path.hops.iter().flat_map(of).collect()
}
