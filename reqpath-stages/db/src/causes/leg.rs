//! The leg to a database, as the one who asks it sees it.

use reqpath_core::{Case, Decline, HopId, HopKind, Micros, PeerAddr, Seen, Subject, Trial, escape};

use crate::evidence::SslRequest;

/// The leg to a database.
pub(super) struct Leg<'a> {
    /// The database.
    pub(super) to: &'a HopId,
    /// Who asks it.
    pub(super) from: &'a HopId,
}

/// The leg to a database that this is about.
pub(super) fn leg<'a>(case: &'a Case, at: &'a Subject) -> Result<Leg<'a>, Decline> {
    let leg = at.as_leg().ok_or(Decline::Absent)?;
    let hop = case.path().hop(&leg.to).filter(|hop| hop.kind == HopKind::Db).ok_or(Decline::Absent)?;
    let asking = case.path().before(&hop.id).ok_or(Decline::Absent)?;
    if asking.id != leg.from {
        // What another place cannot reach, this one may.
        let (to, from) = (escape(hop.id.as_str(), 80), escape(asking.id.as_str(), 80));
        return Err(Decline::needs(format!("`{to}` looked at from `{from}`: give `{from}` a vantage")));
    }
    Ok(Leg { to: &leg.to, from: &leg.from })
}

impl Leg<'_> {
    /// `the database `prices``, harmless.
    pub(super) fn database(&self) -> String {
        format!("the database `{}`", escape(self.to.as_str(), 80))
    }

    /// The hop that asks it, harmless.
    pub(super) fn asking(&self) -> String {
        format!("`{}`", escape(self.from.as_str(), 80))
    }
}

/// The request of ours that went this leg.
pub(super) fn trial<'a>(case: &'a Case, at: &'a Subject) -> Result<Seen<'a, Trial>, Decline> {
    case.last::<Trial>(at)
}

/// What the server answered when asked for TLS.
pub(super) fn asked<'a>(case: &'a Case, at: &'a Subject) -> Option<Seen<'a, SslRequest>> {
    case.of::<SslRequest>(at).last()
}

/// The far end, or a word for it.
pub(super) fn peer(seen: &Seen<'_, SslRequest>) -> String {
    seen.subject().address().map_or_else(|| "it".to_owned(), |peer: PeerAddr| peer.to_string())
}

/// The time of one stage of a trial, as a clause.
pub(super) fn took(trial: &Trial) -> Micros {
    trial.elapsed_us
}
