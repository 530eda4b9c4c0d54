//! What the system resolver of a fake place answers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqpath_core::{SystemAnswer, SystemLookupError};

/// One answer of the system resolver: addresses, an error, or silence.
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::vantage::{FakeVantage, Lookup};
///
/// let vantage = FakeVantage::builder()
///     .name("shop.test", Lookup::addresses([[192, 0, 2, 7]]))
///     .name("gone.test", Lookup::no_name())
///     .name("slow.test", Lookup::fails("EAI_AGAIN", "Try again").delayed(Duration::from_secs(5)))
///     .name("stuck.test", Lookup::never())
///     .name("moves.test", Lookup::in_turn([Lookup::addresses([[192, 0, 2, 1]]), Lookup::addresses([[192, 0, 2, 2]])]))
///     .build();
/// # drop(vantage);
/// ```
#[derive(Clone, Debug)]
#[must_use = "an answer does nothing until a name is given it"]
pub struct Lookup {
    /// Absent: never answers.
    pub(super) answer: Option<Result<SystemAnswer, SystemLookupError>>,
    pub(super) delay: Duration,
}

impl Lookup {
    /// These addresses, in the order in which a program would try them.
    pub fn addresses<A: Into<IpAddr>>(addresses: impl IntoIterator<Item = A>) -> Self {
        Self::of(Some(Ok(SystemAnswer::new(addresses.into_iter().map(Into::into).collect()))))
    }

    /// An error of `getaddrinfo`, by its symbol and in its words.
    pub fn fails(symbol: &'static str, words: &str) -> Self {
        Self::of(Some(Err(SystemLookupError::new(symbol, words))))
    }

    /// The name does not exist: `EAI_NONAME`.
    pub fn no_name() -> Self {
        Self::fails("EAI_NONAME", "Name or service not known")
    }

    /// No nameserver answered, says the resolver: `EAI_AGAIN`.
    pub fn try_again() -> Self {
        Self::fails("EAI_AGAIN", "Temporary failure in name resolution")
    }

    /// Never answers.
    pub fn never() -> Self {
        Self::of(None)
    }

    /// Answers in turn, the last one for ever.
    pub fn in_turn(answers: impl IntoIterator<Item = Self>) -> LookupsInTurn {
        LookupsInTurn(answers.into_iter().collect())
    }

    /// Waits before answering.
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn of(answer: Option<Result<SystemAnswer, SystemLookupError>>) -> Self {
        Self { answer, delay: Duration::ZERO }
    }
}

/// Decides what the system resolver answers: a [`Lookup`], several [in turn](Lookup::in_turn),
/// or a closure from the number of the look-up, from 0.
///
/// ```
/// use reqpath_testkit::vantage::{FakeVantage, Lookup, Names};
///
/// /// Hands its addresses out in rotation, as a busy nameserver does.
/// struct Rotating(Vec<[u8; 4]>);
///
/// impl Names for Rotating {
///     fn answer(&self, number: u64) -> Lookup {
///         let mut addresses = self.0.clone();
///         addresses.rotate_left(usize::try_from(number).unwrap_or(0) % self.0.len());
///         Lookup::addresses(addresses)
///     }
/// }
///
/// let nodes = Rotating(vec![[10, 0, 0, 1], [10, 0, 0, 2]]);
/// let vantage = FakeVantage::builder().name("nodes.test", nodes).build();
/// # drop(vantage);
/// ```
pub trait Names: Send + Sync {
    /// The answer to this look-up of the name.
    fn answer(&self, number: u64) -> Lookup;
}

impl Names for Lookup {
    fn answer(&self, _: u64) -> Lookup {
        self.clone()
    }
}

impl<F: Fn(u64) -> Lookup + Send + Sync> Names for F {
    fn answer(&self, number: u64) -> Lookup {
        self(number)
    }
}

/// Answers in turn, made by [`Lookup::in_turn`].
///
/// ```
/// use reqpath_testkit::vantage::{FakeVantage, Lookup, LookupsInTurn};
///
/// // The nameserver that is not there yet when the machine starts.
/// let late: LookupsInTurn = Lookup::in_turn([Lookup::try_again(), Lookup::addresses([[192, 0, 2, 7]])]);
/// let vantage = FakeVantage::builder().name("shop.test", late).build();
/// # drop(vantage);
/// ```
pub struct LookupsInTurn(Vec<Lookup>);

impl Names for LookupsInTurn {
    fn answer(&self, number: u64) -> Lookup {
        let turn = usize::try_from(number).unwrap_or(usize::MAX);
        self.0.get(turn).or(self.0.last()).cloned().unwrap_or_else(Lookup::no_name)
    }
}

impl fmt::Debug for LookupsInTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}
