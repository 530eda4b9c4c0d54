//! What a cause must say of itself.

use reqpath_core::Cause;

use super::violations::Violations;

/// Longer than any sentence that is read in a list.
const SUMMARY_MOST: usize = 200;

/// The doc comment has its parts, and the codes it names are codes.
pub(super) fn check(cause: &Cause, known: Option<&[&'static str]>, violations: &mut Violations) {
    let (code, doc) = (cause.code, cause.doc);
    let summary = doc.summary();
    violations.unless(summary.ends_with('.') && summary.chars().count() <= SUMMARY_MOST, || {
        format!("{code}: the first paragraph is to be one sentence of at most {SUMMARY_MOST} characters, and is `{summary}`")
    });
    violations.unless(!doc.explanation().is_empty(), || {
        format!("{code}: after the first paragraph, explain why it happens and how it is told from what looks the same")
    });
    violations.unless(!doc.what_to_do().is_empty(), || {
        format!("{code}: the section `# What to do` is missing or empty")
    });
    for (list, name) in [(cause.twins, "twins"), (cause.explains, "explains")] {
        for other in list {
            violations.unless(is_code(other), || format!("{code}: `{other}` in `{name}` is no code"));
            violations.unless(*other != code, || format!("{code}: it names itself in `{name}`"));
            // Unless these are all there are, codes may be those of other people's stages.
            let found = known.is_none_or(|known| match other.strip_suffix('*') {
                Some(prefix) => known.iter().any(|known| known.starts_with(prefix)),
                None => known.contains(other),
            });
            violations
                .unless(found, || format!("{code}: `{other}` in `{name}` is the code of no cause given"));
        }
    }
}

fn is_code(code: &str) -> bool {
    let code = code.strip_suffix(".*").unwrap_or(code);
    code.split('.').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}
