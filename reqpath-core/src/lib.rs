//! Traits, data, runner, judging and verdict of reqpath: the walk along a request's road.
//!
//! A [`Pipeline`] sends [`Stage`]s along a [`Path`] to follow one [`Target`].
//! Stages look, through a [`Vantage`], and record [`Evidence`]; they never judge.
//! [`judge()`] is a pure function: it reads the [`Case`] with the [`Cause`]s of a
//! [`Catalogue`] and says whether the request [reached](Verdict::Reached) its end,
//! [died](Verdict::Died), and where, why, and by which evidence.
//!
//! What is absent from this crate: any protocol, any socket, any file.
//! Protocols live in the stage crates, contact with the world in a vantage.

mod announced;
mod attempt;
mod case;
mod catalogue;
mod cause;
mod contact;
mod context;
mod ends;
mod entry;
mod error;
mod evidence;
mod far;
mod finding;
mod handed;
mod judging;
mod observation;
mod path;
mod pinned;
mod pipeline;
mod report;
mod reused;
mod secret;
mod separation;
mod stage;
mod started;
mod subject;
mod target;
mod text;
mod time;
mod trace;
mod trial;
mod turns;
mod vantage;
mod verdict;

pub use case::{Case, Seen};
pub use catalogue::Catalogue;
pub use cause::{Cause, Decline, Doc, End, Look, Recognise, Scope};
pub use contact::{Budget, Contact, ContactKind, Permit};
pub use context::{Context, Recording};
pub use ends::{LocalAddr, PeerAddr};
pub use entry::Entry;
pub use error::{CatalogueError, Error, LoadError, TargetError};
pub use evidence::{AnyEvidence, Evidence};
pub use far::{Far, FarRequest};
pub use finding::{Behind, Finding, Weight};
pub use handed::{Addresses, Again, Destination, Dialled, NameLookup, Names, Proxy, Redial};
pub use judging::{Judgement, judge};
pub use observation::{Data, Observation, ObservationId, Stored};
pub use path::{Caller, Endpoint, EndpointError, Hop, HopKind, Path, Sends, Source, Timeouts, Unsound};
pub use pinned::Pinned;
pub use pipeline::{Pipeline, PipelineBuilder};
pub use report::{HopState, ProbeError, Report, RuledOut, SCHEMA, Tri};
pub use reused::Reused;
pub use secret::{Scrubber, redact_url};
pub use separation::{Confirmation, Separation, Share};
pub use stage::{Left, Stage};
pub use started::Started;
pub use subject::{HopId, LegSubject, Subject};
pub use target::{Expectation, Flag, Header, Round, Scheme, StatusRange, Target, TargetBuilder, quoted};
pub use text::{escape, escape_bytes, most_like};
pub use time::{Micros, TimeError};
pub use trace::Trace;
pub use trial::{Attribute, ByProxy, Phase, Role, Trial};
pub use vantage::{
    ConnectFailure, ConnectOptions, Connection, Datagram, IcmpError, KernelInfo, Listener, PortUse, Route,
    SystemAnswer, SystemLookupError, Unavailable, Vantage,
};
pub use verdict::{At, CauseRef, LegEnds, Outcome, Verdict};

#[doc(hidden)]
pub use serde_json;
