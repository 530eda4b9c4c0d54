//! What was scripted, what was done, and the words for the difference.

use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqpath_core::{ContactKind, Micros, PeerAddr, escape};

use crate::times::Times;

/// How many contacts are kept in full; further ones are only counted.
const KEPT: usize = 10_000;
/// How many lines of each kind a message has.
const LINES: usize = 20;

/// What a stage wanted of the place.
///
/// ```
/// use reqpath_core::{Budget, ConnectOptions, Contact, ContactKind, PeerAddr, Vantage};
/// use reqpath_testkit::vantage::{Dial, FakeVantage, Wanted};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = PeerAddr(([192, 0, 2, 7], 80).into());
/// let vantage = FakeVantage::builder().tcp(shop.0, Dial::refused()).build();
/// # let budget = Budget::of(&[Contact::new(ContactKind::Connection, "the shop", 1, "to see")]);
/// let permit = budget.permit(ContactKind::Connection)?;
/// let _refused = vantage.connect(permit, shop, ConnectOptions::within(Duration::from_secs(1))).await;
///
/// assert_eq!(vantage.contacts()[0].wanted, Wanted::Connection(shop));
/// assert_eq!(vantage.contacts()[0].wanted.to_string(), "connect to 192.0.2.7:80");
/// # Ok(())
/// # }
/// ```
///
/// Each is of a kind that the budget of a trace knows:
///
/// ```
/// use reqpath_core::ContactKind;
/// use reqpath_testkit::vantage::Wanted;
///
/// assert_eq!(Wanted::File("/etc/hosts".to_owned()).kind(), ContactKind::File);
/// assert_eq!(Wanted::Descriptors.kind(), ContactKind::Kernel);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wanted {
    /// A TCP connection to this address.
    Connection(PeerAddr),
    /// A datagram socket towards this address.
    Datagrams(PeerAddr),
    /// The system resolver's answer for this name.
    Name(String),
    /// The route to this address.
    Route(IpAddr),
    /// The listener at this address.
    Listener(PeerAddr),
    /// The local ports in use towards this address.
    Ports(PeerAddr),
    /// The open descriptors.
    Descriptors,
    /// This file.
    File(String),
    /// What this command prints.
    Command(Vec<String>),
}

impl Wanted {
    /// A name as it is looked up: without its last dot, whatever its case.
    pub(super) fn name(name: &str) -> Self {
        Self::Name(name.trim_end_matches('.').to_ascii_lowercase())
    }

    /// The kind of contact this is.
    #[must_use]
    pub fn kind(&self) -> ContactKind {
        match self {
            Self::Connection(_) => ContactKind::Connection,
            Self::Datagrams(_) => ContactKind::Query,
            Self::Name(_) => ContactKind::SystemLookup,
            Self::Route(_) | Self::Listener(_) | Self::Ports(_) | Self::Descriptors => ContactKind::Kernel,
            Self::File(_) => ContactKind::File,
            Self::Command(_) => ContactKind::Command,
        }
    }

    /// Whether a permit of this kind may be spent on it.
    fn is_paid_by(&self, permit: ContactKind) -> bool {
        let datagrams = matches!(self, Self::Datagrams(_));
        permit == self.kind()
            || (datagrams && matches!(permit, ContactKind::Request | ContactKind::Connection))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(to) => write!(f, "connect to {to}"),
            Self::Datagrams(to) => write!(f, "send datagrams to {to}"),
            Self::Name(name) => write!(f, "resolve {}", escape(name, 255)),
            Self::Route(to) => write!(f, "ask the route to {to}"),
            Self::Listener(at) => write!(f, "look for the listener at {at}"),
            Self::Ports(to) => write!(f, "count the ports towards {to}"),
            Self::Descriptors => f.write_str("count the open descriptors"),
            Self::File(path) => write!(f, "read {}", escape(path, 255)),
            Self::Command(words) => write!(f, "run {}", escape(&words.join(" "), 255)),
        }
    }
}

/// Which contacts a line of the script is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    This(Wanted),
    AnyConnection,
    AnyDatagrams,
    AnyName,
}

impl Pattern {
    /// Whether it names the contact itself, or a whole sort that it is of.
    fn covers(&self, wanted: &Wanted) -> bool {
        match self {
            Self::This(this) => this == wanted,
            Self::AnyConnection => matches!(wanted, Wanted::Connection(_)),
            Self::AnyDatagrams => matches!(wanted, Wanted::Datagrams(_)),
            Self::AnyName => matches!(wanted, Wanted::Name(_)),
        }
    }

    fn kind(&self) -> ContactKind {
        match self {
            Self::This(wanted) => wanted.kind(),
            Self::AnyConnection => ContactKind::Connection,
            Self::AnyDatagrams => ContactKind::Query,
            Self::AnyName => ContactKind::SystemLookup,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::This(wanted) => wanted.fmt(f),
            Self::AnyConnection => f.write_str("connect to any other address"),
            Self::AnyDatagrams => f.write_str("send datagrams to any other address"),
            Self::AnyName => f.write_str("resolve any other name"),
        }
    }
}

/// One contact as it was made.
///
/// ```
/// use reqpath_core::{Budget, ConnectOptions, Contact, ContactKind, PeerAddr, Vantage};
/// use reqpath_testkit::vantage::{Dial, FakeVantage};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = PeerAddr(([192, 0, 2, 7], 80).into());
/// let vantage = FakeVantage::builder().tcp(shop.0, Dial::refused()).build();
/// # let budget = Budget::of(&[Contact::new(ContactKind::Connection, "the shop", 1, "to see")]);
/// let permit = budget.permit(ContactKind::Connection)?;
/// let _refused = vantage.connect(permit, shop, ConnectOptions::within(Duration::from_secs(1))).await;
///
/// let contacted = &vantage.contacts()[0];
/// assert_eq!(contacted.permit, ContactKind::Connection);
/// assert!(contacted.expected);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contacted {
    /// What was wanted.
    pub wanted: Wanted,
    /// The kind of permit that was spent on it.
    pub permit: ContactKind,
    /// When, counted from the making of the vantage.
    pub at: Duration,
    /// Whether it was scripted, or allowed to be absent.
    pub expected: bool,
}

/// One line of the script, with its count.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) pattern: Pattern,
    pub(super) times: Option<Times>,
    pub(super) made: AtomicU64,
}

/// The script's lines and everything that was done.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
    pub(super) absent: Vec<ContactKind>,
    done: Mutex<Done>,
}

#[derive(Debug, Default)]
struct Done {
    contacts: Vec<Contacted>,
    counts: Vec<(ContactKind, u64)>,
    troubles: Vec<String>,
}

impl Ledger {
    pub(super) fn new(name: String, lines: Vec<Line>, absent: Vec<ContactKind>) -> Self {
        Self { name, lines, absent, done: Mutex::default() }
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a contact down; gives the line that scripts it, and how often it was made before.
    pub(super) fn meet(&self, wanted: Wanted, permit: ContactKind, at: Duration) -> Option<(usize, u64)> {
        let exact = |line: &Line| matches!(&line.pattern, Pattern::This(this) if *this == wanted);
        let place = self.lines.iter().position(exact);
        let place = place.or_else(|| self.lines.iter().position(|line| line.pattern.covers(&wanted)));
        let expected = place.is_some() || self.absent.contains(&wanted.kind());
        let mut done = self.done();
        if !wanted.is_paid_by(permit) {
            let trouble = format!("a permit for a {permit} was spent to {wanted}");
            if !done.troubles.contains(&trouble) && done.troubles.len() < LINES {
                done.troubles.push(trouble);
            }
        }
        match done.counts.iter_mut().find(|(kind, _)| *kind == permit) {
            Some((_, count)) => *count += 1,
            None => done.counts.push((permit, 1)),
        }
        if done.contacts.len() < KEPT {
            done.contacts.push(Contacted { wanted, permit, at, expected });
        }
        drop(done);
        let place = place?;
        Some((place, self.lines[place].made.fetch_add(1, Ordering::Relaxed)))
    }

    /// Runs a closure of the script; a panic in it is written down.
    pub(super) fn guard<T>(&self, what: &dyn fmt::Display, run: impl FnOnce() -> T) -> Option<T> {
        let outcome = catch_unwind(AssertUnwindSafe(run)).ok();
        if outcome.is_none() {
            self.panicked(what);
        }
        outcome
    }

    pub(super) fn panicked(&self, what: &dyn fmt::Display) {
        self.done().troubles.push(format!("the closure for \"{what}\" panicked"));
    }

    pub(super) fn contacts(&self) -> Vec<Contacted> {
        self.done().contacts.clone()
    }

    pub(super) fn count(&self, permit: ContactKind) -> u64 {
        self.done().counts.iter().find(|(kind, _)| *kind == permit).map_or(0, |(_, count)| *count)
    }

    pub(super) fn verify(&self) -> Result<(), Unmet> {
        let mut unmet = Vec::new();
        for contact in self.contacts().iter().filter(|contact| !contact.expected) {
            let mut line = format!("unexpected: {}, at +{}", contact.wanted, Micros::from(contact.at));
            if let Some(nearest) = self.nearest(&contact.wanted) {
                line.push_str(&format!("\n    nearest expected: {nearest}"));
            }
            unmet.push(line);
        }
        for line in &self.lines {
            let made = line.made.load(Ordering::Relaxed);
            if let Some(times) = line.times.filter(|times| !times.holds(made)) {
                unmet.push(format!("expected {times}, made {made}: {}", line.pattern));
            }
        }
        unmet.extend(self.done().troubles.iter().cloned());
        if unmet.is_empty() {
            return Ok(());
        }
        let expected = self.lines.iter().map(|line| {
            let often = line.times.map_or_else(|| "any number".to_owned(), |times| times.to_string());
            format!("{} ({often}, made {})", line.pattern, line.made.load(Ordering::Relaxed))
        });
        Err(Unmet { name: self.name.clone(), unmet, expected: expected.collect() })
    }

    /// The scripted line that looks most like what was wanted: of the same kind if there is one.
    fn nearest(&self, wanted: &Wanted) -> Option<&Pattern> {
        let text = wanted.to_string();
        self.lines
            .iter()
            .map(|line| &line.pattern)
            .min_by_key(|other| (other.kind() != wanted.kind(), distance(&text, &other.to_string())))
    }
}

/// A fake vantage whose script was not followed; its text says in what, and what was expected.
///
/// ```
/// use reqpath_testkit::vantage::{Dial, FakeVantage};
///
/// let vantage = FakeVantage::builder().tcp(([192, 0, 2, 7], 80), Dial::refused()).expect(1).build();
/// let unmet = vantage.verify().unwrap_err();
/// assert!(unmet.to_string().contains("expected once, made 0: connect to 192.0.2.7:80"));
/// ```
#[derive(Clone, Debug)]
pub struct Unmet {
    name: String,
    unmet: Vec<String>,
    expected: Vec<String>,
}

impl std::error::Error for Unmet {}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fake vantage `{}` was not used as scripted", escape(&self.name, 80))?;
        lines(f, &self.unmet)?;
        match self.expected.as_slice() {
            [] => f.write_str("\nnothing was expected"),
            expected => {
                f.write_str("\nexpected were")?;
                lines(f, expected)
            }
        }
    }
}

fn lines(f: &mut fmt::Formatter<'_>, lines: &[String]) -> fmt::Result {
    for line in lines.iter().take(LINES) {
        write!(f, "\n  {line}")?;
    }
    match lines.len().saturating_sub(LINES) {
        0 => Ok(()),
        more => write!(f, "\n  … and {more} more"),
    }
}

/// How many characters differ (Levenshtein), of the first few hundred.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(300).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().take(300).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, steps) in
            [("", "", 0), ("kitten", "sitting", 3), ("abc", "", 3), ("", "xy", 2), ("flaw", "lawn", 2)]
        {
            assert_eq!(distance(a, b), steps, "{a} {b}");
        }
    }
}
