//! The causes known to one pipeline.

use crate::{Case, CatalogueError, Cause};

/// The causes known to one pipeline or judge, each code once, in order.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    causes: Vec<&'static Cause>,
    /// Those that are asked even where everything went well.
    always: Vec<&'static Cause>,
}

impl Catalogue {
    /// A catalogue of these causes. One that is given twice, by two stages of one crate, stands once.
    ///
    /// # Errors
    ///
    /// When two causes carry one code, or a code is not of the form `station.cause`.
    pub fn new(causes: impl IntoIterator<Item = &'static Cause>) -> Result<Self, CatalogueError> {
        let mut known = Vec::<&'static Cause>::new();
        for cause in causes {
            let code = cause.code;
            if !is_code(code) {
                return Err(CatalogueError::NotACode { code });
            }
            if known.iter().any(|other| std::ptr::eq(*other, cause)) {
                continue;
            }
            if known.iter().any(|other| other.code == code) {
                return Err(CatalogueError::TwoOfOneCode { code });
            }
            known.push(cause);
        }
        let always = known.iter().copied().filter(|cause| !cause.only_in_trouble).collect();
        Ok(Self { causes: known, always })
    }

    /// The causes, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &'static Cause> + '_ {
        self.causes.iter().copied()
    }

    /// The causes that may be found in a case.
    pub(crate) fn asked_of(&self, case: &Case) -> &[&'static Cause] {
        if case.went_well() { &self.always } else { &self.causes }
    }

    /// The cause of this code.
    #[must_use]
    pub fn find(&self, code: &str) -> Option<&'static Cause> {
        self.causes.iter().copied().find(|cause| cause.code == code)
    }
}

fn is_code(code: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    code.contains('.') && code.split('.').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decline, Finding, Subject};

    fn never(_: &Case, _: &Subject) -> Result<Finding, Decline> {
        Err(Decline::Absent)
    }

    static ONE: Cause = Cause::new("a.one", "", never);
    static SAME: Cause = Cause::new("a.one", "", never);
    static BAD: Cause = Cause::new("A.One", "", never);

    #[test]
    fn a_code_stands_once_and_is_well_formed() {
        assert_eq!(
            Catalogue::new([&ONE, &SAME]).unwrap_err(),
            CatalogueError::TwoOfOneCode { code: "a.one" }
        );
        assert_eq!(Catalogue::new([&BAD]).unwrap_err(), CatalogueError::NotACode { code: "A.One" });
        assert!(Catalogue::new([&ONE]).unwrap().find("a.one").is_some());
        assert_eq!(
            Catalogue::new([&ONE, &ONE]).unwrap().iter().count(),
            1,
            "the same record twice is one cause"
        );
    }
}
