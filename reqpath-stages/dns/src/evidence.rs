//! What was seen of the names on a leg.

mod answer;
mod resolution;
mod resolvers;
mod search;
mod system;

pub use self::answer::{
    AddressRecord, Alias, Answer, Asked, Authority, ExtendedError, Flags, Outcome, Transport,
};
pub use self::resolution::Resolution;
pub use self::resolvers::Resolvers;
pub use self::search::SearchList;
pub use self::system::SystemLookup;

/// Whether an address is of the family the caller wants, 4 or 6; any, where it does not say.
pub(crate) fn wanted(family: Option<u8>, address: std::net::IpAddr) -> bool {
    match family {
        Some(4) => address.is_ipv4(),
        Some(6) => address.is_ipv6(),
        _ => true,
    }
}

/// The first of many addresses, for one line of a report.
fn first_few(addresses: &[std::net::IpAddr]) -> String {
    let shown: Vec<String> = addresses.iter().take(4).map(ToString::to_string).collect();
    match addresses.len() {
        0 => "no address".to_owned(),
        count if count > shown.len() => format!("{} and {} more", shown.join(", "), count - shown.len()),
        _ => shown.join(", "),
    }
}
