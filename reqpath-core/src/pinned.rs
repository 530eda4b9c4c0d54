//! What a request is to have, so that a round of them puts a difference to the test.

/// An attribute that a confirming request is to have, or is to differ in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    attribute: String,
    values: Vec<String>,
    /// Whether it is to have one of the values, or another.
    wanted: bool,
}

impl Pinned {
    pub(crate) fn new(attribute: String, values: Vec<String>) -> Self {
        Self { attribute, values, wanted: true }
    }

    /// The same attribute, but another value.
    pub(crate) fn otherwise(&self) -> Self {
        Self { wanted: !self.wanted, ..self.clone() }
    }

    /// What is pinned.
    #[must_use]
    pub fn attribute(&self) -> &str {
        &self.attribute
    }

    /// Whether this value is as wished.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        self.values.iter().any(|known| known == value) == self.wanted
    }
}
