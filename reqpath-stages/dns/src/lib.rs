//! The names on a leg: every resolver asked, every answer kept.
//!
//! The client's own road is one question to the system resolver, or, where nameservers are given,
//! our own resolution through those in their order.
//! Beside the road every nameserver is asked directly, so that "the name does not resolve" can be
//! told apart from "this server does not answer", "this server refuses the signature" and
//! "these two servers disagree".
//!
//! ```
//! use reqpath_core::Pipeline;
//! use reqpath_dns::{Dns, DnsOptions};
//!
//! let mut options = DnsOptions::default();
//! options.servers = vec!["192.0.2.53:53".parse().unwrap()];
//! let pipeline = Pipeline::builder().stage(Dns::new(options)).build().unwrap();
//! assert!(pipeline.catalogue().find("dns.name_not_resolved").is_some());
//! ```
//!
//! What is absent from this crate: any judgement about addresses that resolve and do not serve.
//! That needs dialling, and lives with the stage that dials; the answers kept here carry what it needs.

mod causes;
mod evidence;
mod options;
mod probe;

pub use causes::CAUSES;
pub use evidence::{
    AddressRecord, Alias, Answer, Asked, Authority, ExtendedError, Flags, Outcome, Resolution, Resolvers,
    SearchList, SystemLookup, Transport,
};
pub use options::DnsOptions;
pub use probe::Dns;
