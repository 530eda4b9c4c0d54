//! What a finding says of the addresses that were not dialled.

use reqpath_core::{Case, Evidence, Finding, Seen, Subject};

use crate::evidence::NotDialled;

/// The addresses that were not dialled, if any.
pub(super) fn not_dialled<'a>(case: &'a Case, at: &Subject) -> Option<Seen<'a, NotDialled>> {
    case.of::<NotDialled>(&at.any_address()).last()
}

/// What to say of them, as a further clause.
pub(super) fn words(left: Option<&Seen<'_, NotDialled>>) -> String {
    left.map_or_else(String::new, |left| format!("; {}", left.brief()))
}

/// The finding, citing them.
pub(super) fn cited(finding: Finding, left: Option<&Seen<'_, NotDialled>>) -> Finding {
    match left {
        Some(left) => finding.citing(left),
        None => finding,
    }
}
