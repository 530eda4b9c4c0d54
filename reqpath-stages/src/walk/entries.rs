//! Which entries there are, and the stages of each.

use std::collections::HashSet;
use std::sync::Arc;

use reqpath_core::{Hop, HopId, HopKind, Pipeline, Scheme};

use super::plan::{Database, Inner, Manners, Short, Verifies};
use super::sent::{Sent, holds_secret, sent, target};
use super::{Walk, WalkError};
use crate::Road;
use crate::http::Version;
use crate::tls::Trust;

impl Walk {
    /// What enters further in, on a path that can be walked.
    pub(super) fn inner(&self) -> Result<Vec<Inner>, WalkError> {
        let road = self.path.road().skip(2);
        let branches = self.path.hops.iter().filter(|hop| hop.branch_of.is_some());
        let mut entries = Vec::new();
        for hop in road.chain(branches) {
            let mut met = HashSet::new();
            for at in hop.addresses.iter().filter(|at| met.insert(*at)) {
                let (from, vantage) = self.from(hop);
                let sent = sent(&self.path, hop);
                let target = target(&self.target, sent, hop)
                    .map_err(|source| WalkError::Target { hop: hop.id.clone(), source })?;
                let mut inner = Inner {
                    from,
                    to: hop.id.clone(),
                    at: at.clone(),
                    vantage,
                    short: self.short(hop, sent),
                    manners: manners(hop, sent),
                    target,
                };
                if inner.short.is_none() && self.lacks_settings(&inner) {
                    inner.short = Some(Short::Settings);
                }
                entries.push(inner);
            }
        }
        Ok(entries)
    }

    /// The hop from whose place another is entered, and the name of that place.
    fn from(&self, hop: &Hop) -> (HopId, Option<String>) {
        let mut at = self.path.before(&hop.id);
        while let Some(before) = at {
            if before.vantage.is_some() || before.kind == HopKind::Client {
                return (before.id.clone(), before.vantage.clone());
            }
            at = self.path.before(&before.id);
        }
        // Every road begins at the client.
        (self.path.hops.first().map_or_else(|| hop.id.clone(), |client| client.id.clone()), None)
    }

    /// Why an entry ends before HTTP, where it does.
    fn short(&self, hop: &Hop, sent: Sent<'_>) -> Option<Short> {
        let uri = match sent {
            Sent::Known(sends, _) => sends.uri.as_deref(),
            _ => None,
        };
        if hop.kind == HopKind::Db {
            Some(Short::Database)
        } else if matches!(sent, Sent::NotKnown) {
            Some(Short::NotKnown)
        } else if !self.target.is_safe() {
            Some(Short::Unsafe)
        } else if holds_secret(uri.unwrap_or_else(|| self.target.path_and_query())) && !hop.credentials {
            Some(Short::Secret)
        } else if self.target.body_length() > 0 && !hop.credentials {
            // Nobody can tell what of a body is secret.
            Some(Short::Body)
        } else {
            None
        }
    }
}

fn manners(hop: &Hop, sent: Sent<'_>) -> Manners {
    let verifies = match sent {
        Sent::AsFront => Verifies::AsFront,
        Sent::Known(sends, of) if sends.verifies => Verifies::For(of.id.clone()),
        _ => Verifies::Nobody,
    };
    // For a database, a scheme says whether its client demands TLS.
    let secured = matches!(sent, Sent::Known(sends, _) if sends.scheme == Some(Scheme::Https));
    let database = (hop.kind == HopKind::Db).then_some(Database { secured });
    Manners { verifies, identity: hop.credentials, database }
}

/// The stages of entries; those of the same manners share theirs.
pub(super) struct Roads<'a> {
    road: &'a Road,
    trust: &'a [(HopId, Trust)],
    made: Vec<(Manners, Arc<Pipeline>)>,
}

impl<'a> Roads<'a> {
    pub(super) fn new(road: &'a Road, trust: &'a [(HopId, Trust)]) -> Self {
        Self { road, trust, made: Vec::new() }
    }

    pub(super) fn of(&mut self, inner: &Inner) -> Result<Arc<Pipeline>, WalkError> {
        let manners = self.told_apart(&inner.manners);
        if let Some((_, made)) = self.made.iter().find(|(known, _)| *known == manners) {
            return Ok(Arc::clone(made));
        }
        let road = self.road_of(&manners);
        let made = if manners.database.is_some() { to_database(road)? } else { road.pipeline()? };
        let made = Arc::new(made);
        self.made.push((manners, Arc::clone(&made)));
        Ok(made)
    }

    /// The same manners under one name: without authorities of its own, every hop believes the system's.
    fn told_apart(&self, manners: &Manners) -> Manners {
        let mut manners = manners.clone();
        if let Verifies::For(hop) = &manners.verifies
            && self.trust_of(hop).is_none()
        {
            manners.verifies = Verifies::For(HopId::from(""));
        }
        manners
    }

    fn trust_of(&self, hop: &HopId) -> Option<&Trust> {
        self.trust.iter().rev().find(|(of, _)| of == hop).map(|(_, trust)| trust)
    }

    /// The client's road without what is the client's alone.
    fn road_of(&self, manners: &Manners) -> Road {
        let mut road = self.road.clone();
        // What the path declares is told once, by the pipeline that traces.
        road.whole = false;
        road.client.environment = false;
        road.client.resolve.clear();
        road.client.connect_to.clear();
        road.dns.servers.clear();
        road.dns.authority = false;
        road.dns.family = None;
        road.tcp.family = None;
        road.tls.known_name = None;
        if !manners.identity {
            road.tls.identity = None;
        }
        road.http.idle.clear();
        road.http.clock_from.clear();
        if manners.verifies != Verifies::AsFront {
            // As proxies speak to what is behind them, and without asking for another protocol.
            road.http.version = Version::Http1;
            road.tls.alpn.clear();
            road.tls.crls.clear();
        }
        match &manners.verifies {
            Verifies::AsFront => {}
            Verifies::Nobody => road.tls.trust = Trust::None,
            Verifies::For(hop) => road.tls.trust = self.trust_of(hop).cloned().unwrap_or(Trust::Platform),
        }
        #[cfg(feature = "db")]
        if let Some(database) = manners.database {
            use crate::db::SslMode;
            road.db.mode = match (&manners.verifies, database.secured) {
                (Verifies::For(_), _) => SslMode::VerifyFull,
                (_, true) => SslMode::Require,
                (_, false) => SslMode::Prefer,
            };
        }
        road
    }
}

/// The stages towards a database: it speaks another language over the same kind of connection.
#[cfg(feature = "db")]
fn to_database(road: Road) -> Result<Pipeline, WalkError> {
    Ok(road.to_database()?)
}

/// The stages towards a database, whose language nobody here speaks.
#[cfg(not(feature = "db"))]
fn to_database(road: Road) -> Result<Pipeline, WalkError> {
    let (client, dns) = (crate::client::Client::new(road.client), crate::dns::Dns::new(road.dns));
    let pipeline = Pipeline::builder().stage(client).stage(dns).stage(crate::tcp::Tcp::new(road.tcp));
    Ok(pipeline.build()?)
}
