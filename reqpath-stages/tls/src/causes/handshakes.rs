//! Which handshakes a cause may speak of.

use reqpath_core::{Case, Decline, Seen, Subject};

use crate::evidence::{Certificate, Handshake, Moment, Purpose, Verification};

/// The client's own handshakes that failed.
pub(super) fn failed<'a>(case: &'a Case, at: &'a Subject) -> impl Iterator<Item = Seen<'a, Handshake>> {
    case.of::<Handshake>(at).filter(|seen| seen.is_road() && !seen.completed())
}

/// The client's own handshakes that failed, or went on although nobody verified the certificate.
pub(super) fn doubtful<'a>(case: &'a Case, at: &'a Subject) -> impl Iterator<Item = Seen<'a, Handshake>> {
    let unverified = |seen: &Seen<'_, Handshake>| seen.verification == Some(Verification::Skipped);
    case.of::<Handshake>(at).filter(move |seen| seen.is_road() && (!seen.completed() || unverified(seen)))
}

/// The handshake that was made for a purpose.
pub(super) fn made<'a>(case: &'a Case, at: &'a Subject, purpose: Purpose) -> Option<Seen<'a, Handshake>> {
    case.of::<Handshake>(at).find(|seen| seen.purpose == purpose)
}

/// Ruled out by the first handshake that failed, if there is one and something to say about it.
pub(super) fn unless(
    case: &Case,
    at: &Subject,
    because: impl FnOnce(&Handshake) -> Option<String>,
) -> Decline {
    let Some(seen) = failed(case, at).next() else { return Decline::Absent };
    because(&seen).map_or(Decline::Absent, |because| Decline::not(because, &seen))
}

/// The leaf with the clock it is judged by.
pub(super) fn leaf(handshake: &Handshake) -> Option<(&Certificate, Moment)> {
    Some((handshake.chain.leaf()?, handshake.clock?))
}

/// Whether the leaf is within its dates, where that is known.
pub(super) fn leaf_in_date(handshake: &Handshake) -> Option<bool> {
    let (leaf, clock) = leaf(handshake)?;
    Some(!leaf.is_expired(clock) && !leaf.is_not_yet_valid(clock))
}

/// The certificate that was shown when the host was asked for: whose it is, where it is another's.
pub(super) fn certificate(handshake: &Handshake) -> String {
    let host = &handshake.host;
    match handshake.chain.leaf().filter(|leaf| handshake.name_misfits() && !leaf.names.is_empty()) {
        Some(leaf) => {
            format!(
                "the certificate shown for `{host}`, which is for {},",
                listed(&leaf.names, leaf.names_total)
            )
        }
        None => format!("the certificate for `{host}`"),
    }
}

/// The end of a list of names: `a, b and 3 more`.
pub(super) fn listed(names: &[String], total: Option<usize>) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match total.unwrap_or(names.len()).saturating_sub(SHOWN.min(names.len())) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The library's words, where there are any.
pub(super) fn error(handshake: &Handshake) -> String {
    handshake.error.clone().unwrap_or_default()
}
