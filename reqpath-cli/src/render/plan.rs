//! `--dry-run`: what would be contacted, at most.

use std::fmt::Write as _;

use reqpath_core::{Contact, Target, redact_url};

/// The plan as text. Identical lines stand together.
pub(crate) fn plan(target: &Target, contacts: &[Contact]) -> String {
    let mut out = format!("{} {}\nWould contact, at most:\n", target.method(), redact_url(target.url()));
    for contact in contacts.iter().filter(|contact| contact.most > 0) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  {:>5} × {:<14} {}: {}",
            contact.most,
            contact.kind.to_string(),
            reqpath_core::escape(&contact.with, 200),
            contact.why
        );
    }
    out.push_str("Nothing was contacted.\n");
    out
}
