//! The request and its answer on a leg, over the connection that was judged.
//!
//! Three stages live here, in the order in which a request meets them:
//!
//! - [`Tunnel`] asks a proxy for a tunnel, where the environment puts one before an https target;
//! - [`Clock`] compares the local clock with those of servers the caller names, beside the road;
//! - [`Http`] sends the request over the very connection that the stages before examined, and reads
//!   the answer to its last byte.
//!
//! HTTP/1.1 and HTTP/2 are spoken by hyper, driven by the stage itself: when the stage is dropped,
//! nothing goes on behind its back, and what it saw until then is recorded.
//! A complete answer leaves the request alive, whatever its status;
//! what a status means, and who made the answer, is for the [`causes`] to say.
//!
//! Rooms: `probe` looks, [`evidence`] is what was seen, [`origin`](mod@origin) says who made an answer,
//! [`causes`] are those whose deciding evidence is complete here: among them some of the stations
//! `client`, `tls` and `response`, whose last piece of evidence is an answer.
//!
//! ```
//! use reqpath_http::{Http, HttpOptions, Tunnel, Version};
//!
//! let mut options = HttpOptions::default();
//! options.version = Version::Http1;
//! options.side_looks = false;
//! let stages = (Tunnel::new(), Http::new(options));
//! # let _ = stages;
//! ```

pub mod causes;
pub mod evidence;
pub mod origin;

mod credentials;
mod date;
mod options;
mod probe;

pub use causes::CAUSES;
pub use evidence::{
    Asked, Body, Closed, Coding, End, Exchange, Gave, Headers, Passage, Protocol, Redirect, Reuse,
    ReuseOutcome, Try, TunnelAnswer,
};
pub use options::{HttpOptions, Version};
pub use origin::{Made, Origin, made, origin};
pub use probe::{Clock, ClockOptions, Http, Tunnel};
