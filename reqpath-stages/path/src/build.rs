//! From the fields of a file to the types that are walked.

mod hop;
mod request;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use reqpath_core::{Caller, Hop, HopId, HopKind, Path, Source, Unsound};

use crate::error::{PathFileError, Step, Wrong, field};
use crate::file::{self, Namespace};
use crate::reader;
use crate::references::{References, ThisProcess, bounded};
use crate::tree::{LARGEST, Node};
use crate::{Place, Request};

/// More hops than this are a mistake.
const MOST_HOPS: usize = 100;

/// A path file, read: the path, and what is needed to walk it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PathFile {
    /// The path, with the caller's settings.
    pub path: Path,
    /// The request, where the file has one.
    pub request: Option<Request>,
    /// The places to look from, by name, in the order of the file.
    pub vantages: Vec<(String, Place)>,
    /// Whom the hop before each of these believes, where that is a file of its own.
    pub authorities: Vec<Authorities>,
    origin: Origin,
}

/// The file all of this came from.
#[derive(Clone)]
struct Origin {
    name: String,
    tree: Arc<Node>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The authorities that the hop before believes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Authorities {
    /// The hop whose certificate they vouch for.
    pub hop: HopId,
    /// The name of the file.
    pub file: String,
    /// Its content.
    pub pem: Vec<u8>,
}

impl PathFile {
    /// Reads a path file, and what it refers to: the environment, and files beside it.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or something is wrong with it.
    pub fn open(file: impl AsRef<FilePath>) -> Result<Self, PathFileError> {
        let path = file.as_ref();
        let name = path.display().to_string();
        let whole = |message: String| PathFileError::new(&name, None, String::new(), message);
        let content = bounded(path, LARGEST as u64).map_err(|error| match error.kind() {
            std::io::ErrorKind::FileTooLarge => {
                whole(format!("a path file has at most {} MiB", LARGEST >> 20))
            }
            _ => whole(format!("cannot be read: {error}")),
        })?;
        let text = String::from_utf8(content).map_err(|_| whole("is not text in UTF-8".to_owned()))?;
        let folder = path.parent().map(FilePath::to_owned).unwrap_or_default();
        Self::parse(&name, &text, &ThisProcess::beside(folder))
    }

    /// Reads a path file's text. The name is for messages.
    ///
    /// # Errors
    ///
    /// When something is wrong with it: the place, the field, what it is, and what to do.
    pub fn parse(name: &str, text: &str, references: &dyn References) -> Result<Self, PathFileError> {
        let tree = Node::parse(name, text)?;
        let file: file::File = reader::read(&tree)
            .map_err(|fault| PathFileError::new(name, fault.place, field(&fault.steps()), fault.message))?;
        let origin = Origin { name: name.to_owned(), tree: Arc::new(tree) };
        build(&file, references, &origin).map_err(|wrong| origin.error(&wrong))
    }

    /// A mistake that shows only later: a vantage that cannot be looked from.
    #[must_use]
    pub fn vantage_error(&self, vantage: &str, why: impl fmt::Display) -> PathFileError {
        self.origin.error(&Wrong::new(why.to_string()).within(vantage).within("vantages"))
    }

    /// A mistake that shows only later: something of a hop that cannot be used.
    #[must_use]
    pub fn hop_error(&self, hop: &HopId, field: &[&str], why: impl fmt::Display) -> PathFileError {
        let wrong = field.iter().rev().fold(Wrong::new(why.to_string()), |wrong, field| wrong.within(*field));
        let branches = self.path.hops.iter().filter(|hop| hop.branch_of.is_some());
        let (mut road, mut branches) = (self.path.road().map(|hop| &hop.id), branches.map(|hop| &hop.id));
        let wrong = match (road.position(|id| id == hop), branches.position(|id| id == hop)) {
            (Some(place), _) => wrong.within(place).within("hops"),
            (_, Some(place)) => wrong.within(place).within("dependencies"),
            _ => wrong,
        };
        self.origin.error(&wrong)
    }
}

impl Origin {
    fn error(&self, wrong: &Wrong) -> PathFileError {
        let steps = wrong.steps();
        PathFileError::new(&self.name, Some(self.tree.find(&steps)), field(&steps), wrong.message.as_str())
    }
}

fn build(file: &file::File, references: &dyn References, origin: &Origin) -> Result<PathFile, Wrong> {
    let vantages = vantages(file)?;
    let names: Vec<&str> = vantages.iter().map(|(name, _)| name.as_str()).collect();
    if file.hops.len() + file.dependencies.len() > MOST_HOPS {
        return Err(Wrong::new(format!("a path has at most {MOST_HOPS} hops")).within("hops"));
    }
    let (mut hops, mut authorities) = (Vec::new(), Vec::new());
    for (place, written) in file.hops.iter().enumerate() {
        let within = |wrong: Wrong| wrong.within(place).within("hops");
        if written.of.is_some() {
            let message = "what a hop asks beside the road stands under `dependencies`: move this hop there";
            return Err(within(Wrong::new(message).within("of")));
        }
        let hop = hop::hop(written, place == 0, &names, references, &mut authorities);
        let hop = hop.and_then(|hop| near(&hop, &vantages).map(|()| hop));
        hops.push(hop.map_err(within)?);
    }
    for (place, written) in file.dependencies.iter().enumerate() {
        let within = |wrong: Wrong| wrong.within(place).within("dependencies");
        if written.of.is_none() {
            let message = "`of` is missing: name the hop that asks this one, or move it to `hops`";
            return Err(within(Wrong::new(message)));
        }
        let hop = hop::hop(written, false, &names, references, &mut authorities);
        let hop = hop.and_then(|hop| near(&hop, &vantages).map(|()| hop));
        hops.push(hop.map_err(within)?);
    }
    let mut path = Path::new(hops);
    path.sound().map_err(|unsound| unsound_at(&unsound, file))?;
    path.caller = caller(&file.caller);
    let request = file.request.as_ref();
    let request = request.map(|request| request::request(request, references)).transpose();
    let request = request.map_err(|wrong| wrong.within("request"))?;
    Ok(PathFile { path, request, vantages, authorities, origin: origin.clone() })
}

/// Where an unsound path stands in the file.
fn unsound_at(unsound: &Unsound, file: &file::File) -> Wrong {
    let message = unsound.to_string();
    let Some(hop) = unsound.hop() else { return Wrong::new(message).within("hops") };
    // The hop is named by the place already.
    let message = message.strip_prefix(&format!("hop `{hop}`: ")).unwrap_or(&message).to_owned();
    let lists = [("hops", &file.hops), ("dependencies", &file.dependencies)];
    let all = lists.iter().flat_map(|(list, hops)| hops.iter().enumerate().map(move |at| (*list, at)));
    let mut of_name = all.filter(|(_, (_, written))| written.name == hop.as_str());
    // Of two of one name the second is the mistake.
    let found = match unsound {
        Unsound::TwoOfOneName { .. } => of_name.nth(1),
        _ => of_name.next(),
    };
    let at: Step = match unsound {
        Unsound::NoSuchHop { .. } | Unsound::Circle { .. } => "of".into(),
        Unsound::FirstIsNoClient { .. } | Unsound::SecondClient { .. } => "kind".into(),
        _ => "name".into(),
    };
    match found {
        Some((list, (place, _))) => Wrong::new(message).within(at).within(place).within(list),
        None => Wrong::new(message).within("hops"),
    }
}

fn vantages(file: &file::File) -> Result<Vec<(String, Place)>, Wrong> {
    let mut names = HashSet::new();
    let mut vantages = Vec::new();
    for (name, place) in &file.vantages.0 {
        let within = |wrong: Wrong| wrong.within(name.as_str()).within("vantages");
        if name.trim().is_empty() || !names.insert(name) {
            return Err(within(Wrong::new("a vantage needs a name of its own")));
        }
        let place = match place {
            file::Place::Local => Place::Local,
            file::Place::Netns(Namespace::Process(0)) => {
                return Err(within(Wrong::new("no process has the number 0").within("pid").within("netns")));
            }
            file::Place::Netns(Namespace::Process(id)) => Place::Process(*id),
            file::Place::Netns(Namespace::File(text)) => {
                Place::Namespace(namespace(text).map_err(|wrong| within(wrong.within("netns")))?)
            }
            file::Place::Command(command) => {
                Place::Far(hop::command(command).map_err(|wrong| within(wrong.within("command")))?)
            }
        };
        vantages.push((name.clone(), place));
    }
    Ok(vantages)
}

/// That nothing is to be done at a place far away but to make requests behind it.
fn near(hop: &Hop, vantages: &[(String, Place)]) -> Result<(), Wrong> {
    let far = |name: Option<&str>| {
        vantages.iter().any(|(known, place)| Some(known.as_str()) == name && matches!(place, Place::Far(_)))
    };
    let own = hop.vantage.as_deref();
    if hop.kind == HopKind::Client && far(own) {
        let message = "it is far away, and the client's own requests are made from here: run reqpath there";
        return Err(Wrong::new(message).within("vantage"));
    }
    let unread = |source: &Source| far(source.vantage.as_deref().or(own));
    match hop.sources.iter().position(unread) {
        Some(place) => {
            let message = "nothing is read at a place far away: give the source another vantage, as with \
                           `vantage: here` and a `command` that reads it from here";
            Err(Wrong::new(message).within(place).within("sources"))
        }
        None => Ok(()),
    }
}

/// The file of a network namespace: as written, or by its name under `/run/netns`.
fn namespace(text: &str) -> Result<PathBuf, Wrong> {
    if text.starts_with('/') {
        return Ok(text.into());
    }
    if text.is_empty() || text.contains('/') || text.starts_with('.') {
        return Err(Wrong::new("write the file from `/` on, a name that `ip netns` lists, or {pid: N}"));
    }
    Ok(FilePath::new("/run/netns").join(text))
}

fn caller(written: &file::Caller) -> Caller {
    let mut caller = Caller::default();
    caller.deadline_us = written.deadline.map(|time| time.0);
    caller.tries = written.tries;
    caller.pool = written.pool;
    caller.keep_idle_us = written.keep_idle.map(|time| time.0);
    caller.change_window_us = written.change_window.map(|time| time.0);
    caller
}
