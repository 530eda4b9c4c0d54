//! Reading the logs of a hop, once all requests have ended.

mod join;
mod read;
mod requests;
mod visit;

use async_trait::async_trait;
use reqpath_core::{
    Cause, Contact, ContactKind, Context, Error, Hop, HopId, Left, Path, Source, Stage, Subject, Target,
};

use crate::ProxyOptions;

/// How often a file is read again while the line that is waited for is not there.
const READS: u32 = 10;
/// How often a command is run, likewise.
const RUNS: u32 = 3;

/// Reads the logs of the hops that name some.
#[derive(Clone, Debug)]
pub struct Proxy {
    options: ProxyOptions,
}

impl Proxy {
    /// The stage with these options.
    #[must_use]
    pub fn new(options: ProxyOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Stage for Proxy {
    fn name(&self) -> &'static str {
        "proxy"
    }

    fn causes(&self) -> &[&'static Cause] {
        crate::CAUSES
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }

    async fn run(&self, _: &Subject, _: &Context) -> Result<Left, Error> {
        Ok(Left::Alive)
    }

    fn visits(&self) -> bool {
        self.options.side_looks
    }

    fn plan_visit(&self, hop: &Subject, path: &Path, _: &Target) -> Vec<Contact> {
        let Some(hop) = at(hop).and_then(|hop| path.hop(hop)).filter(|_| self.options.side_looks) else {
            return Vec::new();
        };
        let contact = |source: &Source| {
            let why =
                format!("the {} of {}, for lines of our requests", source.kind.replace('_', " "), hop.id);
            let times = if source.kind == ACCESS { (READS, RUNS) } else { (1, 1) };
            match &source.file {
                Some(file) => Contact::new(ContactKind::File, file.clone(), times.0, why),
                None => Contact::new(ContactKind::Command, source.shown(), times.1, why),
            }
        };
        logs(hop).map(contact).collect()
    }

    async fn visit(&self, hop: &Subject, cx: &Context) -> Result<(), Error> {
        let Some(hop) = at(hop).and_then(|hop| cx.path().hop(hop)) else { return Ok(()) };
        if self.options.side_looks && logs(hop).next().is_some() {
            visit::visit(&self.options, hop, cx).await;
        }
        Ok(())
    }
}

/// A log of requests.
const ACCESS: &str = "access_log";
/// A log of errors.
const ERRORS: &str = "error_log";

/// The logs that a hop names.
fn logs(hop: &Hop) -> impl Iterator<Item = &Source> {
    hop.sources.iter().filter(|source| {
        matches!(source.kind.as_str(), ACCESS | ERRORS)
            && (source.file.is_some() || !source.command.is_empty())
    })
}

/// Whether a source is to be read from this place: its own, else that of its hop.
fn read_here(source: &Source, hop: &Hop, cx: &Context) -> bool {
    let place = source.vantage.as_ref().or(hop.vantage.as_ref());
    place.is_none_or(|place| *place == cx.vantage().name())
}

fn at(subject: &Subject) -> Option<&HopId> {
    match subject {
        Subject::Hop(hop) => Some(hop),
        _ => None,
    }
}
