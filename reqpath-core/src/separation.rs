//! What tells failing samples from good ones.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many of some samples died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Share {
    /// Those that died.
    pub died: u32,
    /// All of them.
    pub of: u32,
}

impl Share {
    /// So many of so many.
    #[must_use]
    pub fn new(died: u32, of: u32) -> Self {
        Self { died, of }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.died, self.of)
    }
}

/// How a further round bore out what the counted samples suggested.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Confirmation {
    /// The further samples that had the value.
    pub failing: Share,
    /// Those that had another.
    pub others: Share,
    /// How likely such a difference is by chance, from these samples alone.
    pub p: f64,
}

impl Confirmation {
    pub(crate) fn new(failing: Share, others: Share, p: f64) -> Self {
        Self { failing, others, p }
    }
}

/// An attribute by which the samples that died differ from those that did not.
///
/// Nominated by the counted samples and confirmed by others, so it is named by chance less than once in a
/// hundred traces.
///
/// ```
/// use reqpath_core::Separation;
///
/// let json = r#"{"attributes": ["address"], "value": "10.0.0.7:8080", "failing": {"died": 12, "of": 12},
///     "others": {"died": 0, "of": 12}, "p": 1.5e-5,
///     "confirmed": {"failing": {"died": 12, "of": 12}, "others": {"died": 0, "of": 12}, "p": 3.7e-7}}"#;
/// let separation: Separation = serde_json::from_str(json)?;
/// assert_eq!(
///     separation.to_string(),
///     "address 10.0.0.7:8080: all 12 died, 0 of 12 others (p = 1.5e-5); tried again: all 12, 0 of 12 others"
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Separation {
    /// What they differ in: `address`, `source_port`, `node`; several where they always went together.
    pub attributes: Vec<String>,
    /// What it was in the samples that failed.
    pub value: String,
    /// The counted samples that had this value.
    pub failing: Share,
    /// The counted samples that had another.
    pub others: Share,
    /// How likely such a difference is by chance, corrected for everything that was compared.
    pub p: f64,
    /// The round that confirmed it.
    pub confirmed: Confirmation,
}

impl Separation {
    pub(crate) fn new(
        attributes: Vec<String>,
        value: String,
        (failing, others, p): (Share, Share, f64),
        confirmed: Confirmation,
    ) -> Self {
        Self { attributes, value, failing, others, p, confirmed }
    }
}

impl fmt::Display for Separation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |share: Share| match share.died == share.of {
            true => format!("all {}", share.of),
            false => share.to_string(),
        };
        write!(
            f,
            "{} {}: {} died, {} others (p = {:e}); tried again: {}, {} others",
            self.attributes.join(", ").replace('_', " "),
            self.value,
            all(self.failing),
            self.others,
            self.p,
            all(self.confirmed.failing),
            self.confirmed.others,
        )
    }
}
