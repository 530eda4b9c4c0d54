//! Three ways for a chain not to lead to the trust store, never two of them at once.

use reqpath_core::{Case, Seen, Subject};

use super::handshakes::failed;
use crate::evidence::{Certificate, Completion, Handshake, Reason};

/// Why a chain does not lead to the trust store.
pub(super) enum Untrusted<'a> {
    /// The server's own certificate signed itself.
    SelfSigned(&'a Certificate),
    /// The served chain lacks a certificate, and with it leads to the store.
    Incomplete(&'a Certificate, Seen<'a, Completion>),
    /// It ends at an authority that is not in the store, as far as was looked.
    Unknown,
}

/// The first of the client's handshakes that was refused because its chain leads nowhere, and why.
pub(super) fn untrusted<'a>(case: &'a Case, at: &'a Subject) -> Option<(Seen<'a, Handshake>, Untrusted<'a>)> {
    let seen = failed(case, at).find(|seen| leads_nowhere(seen))?;
    let handshake = seen.evidence();
    if let Some(leaf) = handshake.chain.leaf().filter(|leaf| leaf.self_signed) {
        return Some((seen, Untrusted::SelfSigned(leaf)));
    }
    if handshake.refused_for(Reason::UnknownIssuer)
        && let Some(top) = top(handshake)
        && let Some(completion) = case.of::<Completion>(at).find(|completion| completion.succeeds())
    {
        return Some((seen, Untrusted::Incomplete(top, completion)));
    }
    Some((seen, Untrusted::Unknown))
}

/// Whether no path was found at all: an authority's certificate as a leaf counts only where it signed itself.
fn leads_nowhere(handshake: &Handshake) -> bool {
    handshake.reasons().any(|reason| match reason {
        Reason::UnknownIssuer | Reason::BadSignature => true,
        Reason::AuthorityAsLeaf => handshake.chain.leaf().is_some_and(|leaf| leaf.self_signed),
        _ => false,
    })
}

/// The certificate at which the served chain ends without its issuer.
pub(super) fn top(handshake: &Handshake) -> Option<&Certificate> {
    handshake.chain.path().last().filter(|top| !top.self_signed)
}
