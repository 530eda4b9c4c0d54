//! An entry of the catalogue: what can be true of a road, and how it is recognised.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Case, Evidence, Finding, ObservationId, Seen, Subject};

/// A pure function that recognises a cause at one subject, or declines.
pub type Recognise = fn(&Case, &Subject) -> Result<Finding, Decline>;

/// What a recogniser is run for: once for each subject of this width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// Once for the path.
    Path,
    /// Once for each hop.
    Hop,
    /// Once for each leg.
    Leg,
    /// Once for each address of each leg.
    Address,
    /// Once for each sample of each leg.
    Sample,
    /// Once for each address that a sample tried: what is true of one attempt and not of the next.
    Attempt,
}

/// Which end of a leg a cause blames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// The end that speaks first: its own resolver, its own limits.
    Near,
    /// The end that is spoken to: its certificate, its closed port.
    Far,
    /// The stretch between, when no control tells more.
    Leg,
}

/// A look that was not made and would settle the matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Look(pub Cow<'static, str>);

/// Why a recogniser does not name its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decline {
    /// Nothing of the kind it reads was seen; nothing is ruled out.
    Absent,
    /// What was seen rules it out.
    Not {
        /// Why, as a clause: `the resolver answered in 3 ms`.
        because: Cow<'static, str>,
        /// The observations that rule it out.
        cites: Vec<ObservationId>,
    },
    /// It might be; this look would tell.
    Needs(Look),
}

impl Decline {
    /// Ruled out by one observation, for a reason.
    #[must_use]
    pub fn not<E: Evidence>(because: impl Into<Cow<'static, str>>, seen: &Seen<'_, E>) -> Self {
        Self::Not { because: because.into(), cites: vec![seen.id()] }
    }

    /// It might be; this look would tell.
    #[must_use]
    pub fn needs(look: impl Into<Cow<'static, str>>) -> Self {
        Self::Needs(Look(look.into()))
    }
}

/// An entry of the catalogue: a code, what it means, and the function that recognises it.
///
/// Write one with [`cause!`](crate::cause), which keeps its doc comment readable at run time.
#[non_exhaustive]
pub struct Cause {
    /// `station.cause`, lower case: binding once published.
    pub code: &'static str,
    /// The explanation, what to do, and an example, as its doc comment has them.
    pub doc: Doc,
    /// What the recogniser is run for.
    pub scope: Scope,
    /// Which end it blames.
    pub blames: End,
    /// Codes that this cause explains: they are its symptoms. `tcp.*` stands for a whole station.
    pub explains: &'static [&'static str],
    /// Codes that look the same and must be ruled out.
    pub twins: &'static [&'static str],
    /// The stages in which a request dies of this.
    pub kills_in: &'static [&'static str],
    /// Whether it is only ever a warning.
    pub only_warns: bool,
    /// Whether it is not to be asked of a trace in which everything went well.
    pub only_in_trouble: bool,
    /// Whether whoever waited for this waited in vain, rather than being told.
    pub silent: bool,
    /// The pure function that recognises it.
    pub recognise: Recognise,
}

impl Cause {
    /// A cause about a leg that blames the leg, and is its own station's death.
    #[must_use]
    pub const fn new(code: &'static str, doc: &'static str, recognise: Recognise) -> Self {
        Self {
            code,
            doc: Doc(doc),
            scope: Scope::Leg,
            blames: End::Leg,
            explains: &[],
            twins: &[],
            kills_in: &[],
            only_warns: false,
            only_in_trouble: false,
            silent: false,
            recognise,
        }
    }

    /// What the recogniser is run for; a leg unless said.
    #[must_use]
    pub const fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Which end it blames; the leg unless said.
    #[must_use]
    pub const fn blames(mut self, end: End) -> Self {
        self.blames = end;
        self
    }

    /// Codes that are this cause's symptoms on the same flow.
    #[must_use]
    pub const fn explains(mut self, codes: &'static [&'static str]) -> Self {
        self.explains = codes;
        self
    }

    /// Codes that look the same.
    #[must_use]
    pub const fn twins(mut self, codes: &'static [&'static str]) -> Self {
        self.twins = codes;
        self
    }

    /// The stages in which a request dies of this; the station itself unless said.
    #[must_use]
    pub const fn kills_in(mut self, stages: &'static [&'static str]) -> Self {
        self.kills_in = stages;
        self
    }

    /// Makes it a warning always.
    #[must_use]
    pub const fn only_warns(mut self) -> Self {
        self.only_warns = true;
        self
    }

    /// Is never found where all evidence [went well](Evidence::went_well), and so is not asked there.
    ///
    /// A prober traces roads that are well most of the time; asking a hundred recognisers each time
    /// would cost more than the request.
    #[must_use]
    pub const fn only_in_trouble(mut self) -> Self {
        self.only_in_trouble = true;
        self
    }

    /// Whoever waits for this waits in vain: the hop before shows a timeout, not an error.
    #[must_use]
    pub const fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// The station: the first word of the code.
    #[must_use]
    pub fn station(&self) -> &'static str {
        self.code.split('.').next().unwrap_or(self.code)
    }

    /// Whether a request that died in this stage can have died of this.
    #[must_use]
    pub fn kills(&self, stage: &str) -> bool {
        if self.kills_in.is_empty() { self.station() == stage } else { self.kills_in.contains(&stage) }
    }

    /// Whether the code is one of this cause's symptoms.
    #[must_use]
    pub fn explains_code(&self, code: &str) -> bool {
        self.explains.iter().any(|symptom| match symptom.strip_suffix('*') {
            Some(prefix) => code.starts_with(prefix),
            None => *symptom == code,
        })
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({})", self.code)
    }
}

/// A cause's doc comment, read at run time.
#[derive(Clone, Copy, Debug)]
pub struct Doc(&'static str);

impl Doc {
    /// The whole comment as Markdown, without the space after `///`.
    #[must_use]
    pub fn markdown(&self) -> String {
        self.0.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    /// The first paragraph: what is true, in one sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        self.markdown().split("\n\n").next().unwrap_or_default().replace('\n', " ").trim().to_owned()
    }

    /// The paragraphs between the summary and the first heading.
    #[must_use]
    pub fn explanation(&self) -> String {
        let markdown = self.markdown();
        let before = markdown.split("\n# ").next().unwrap_or_default();
        before.split_once("\n\n").map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default()
    }

    /// The section `# What to do`.
    #[must_use]
    pub fn what_to_do(&self) -> String {
        self.section("What to do")
    }

    /// The JSON of the section `# Example`: a report that, judged, yields this cause.
    #[must_use]
    pub fn example(&self) -> Option<String> {
        let section = self.section("Example");
        let (_, rest) = section.split_once("```json\n")?;
        let (json, _) = rest.split_once("```")?;
        Some(json.to_owned())
    }

    fn section(&self, title: &str) -> String {
        let markdown = self.markdown();
        let Some((_, rest)) = markdown.split_once(&format!("# {title}\n")) else { return String::new() };
        rest.split("\n# ").next().unwrap_or_default().trim().to_owned()
    }
}

/// Declares a cause: its doc comment is the documentation, the printed explanation, and the test.
///
/// The comment's first paragraph is the summary; then come the explanation, `# What to do`, and
/// `# Example` with a JSON report that must yield this cause when judged.
///
/// ```
/// use reqpath_core::{Case, Decline, End, Finding, Subject, cause};
///
/// cause! {
///     /// The quota of the account is used up.
///     ///
///     /// The far end counts requests and refuses the rest.
///     ///
///     /// # What to do
///     ///
///     /// Ask for a larger quota.
///     pub static QUOTA_USED_UP: "acme.quota_used_up" = recognise {
///         blames(End::Near),
///         twins(&["http.error"]),
///     }
/// }
///
/// fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
///     Err(Decline::Absent)
/// }
///
/// assert_eq!(QUOTA_USED_UP.doc.summary(), "The quota of the account is used up.");
/// assert_eq!(QUOTA_USED_UP.doc.what_to_do(), "Ask for a larger quota.");
/// ```
#[macro_export]
macro_rules! cause {
    (
        $(#[doc = $doc:literal])+
        $vis:vis static $name:ident : $code:literal = $recognise:ident {
            $($method:ident ( $($argument:expr)? )),* $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        $vis static $name: $crate::Cause =
            $crate::Cause::new($code, concat!($($doc, "\n"),+), $recognise)
                $(.$method($($argument)?))*;
    };
}
