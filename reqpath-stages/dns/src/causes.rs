//! What can be wrong with the names on a leg.

mod dangling_cname;
mod dnssec_bogus;
mod failed;
mod name_not_resolved;
mod no_address;
mod partial_resolvers;
mod refused;
mod resolvers_disagree;
mod search_amplification;
mod search_mismatch;
mod server;
mod survey;
mod system_resolver_failed;
mod timed_out;
mod truncated_tcp_blocked;
mod unreachable;
mod words;

use reqpath_core::Cause;

/// Every cause of this station that this crate's evidence decides, in the order of the road.
pub static CAUSES: &[&Cause] = &[
    &search_mismatch::SEARCH_MISMATCH,
    &name_not_resolved::NAME_NOT_RESOLVED,
    &dangling_cname::DANGLING_CNAME,
    &no_address::NO_ADDRESS,
    &dnssec_bogus::DNSSEC_BOGUS,
    &server::SERVER,
    &refused::REFUSED,
    &failed::FAILED,
    &truncated_tcp_blocked::TRUNCATED_TCP_BLOCKED,
    &timed_out::TIMED_OUT,
    &unreachable::UNREACHABLE,
    &partial_resolvers::PARTIAL_RESOLVERS,
    &resolvers_disagree::RESOLVERS_DISAGREE,
    &search_amplification::SEARCH_AMPLIFICATION,
    &system_resolver_failed::SYSTEM_RESOLVER_FAILED,
];

/// For causes of which a request dies only where they explain what killed it.
const BY_NO_STAGE: &[&str] = &["none"];
