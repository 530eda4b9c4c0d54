//! From the text of a URL to the request it means.

use std::net::IpAddr;
use std::sync::Arc;

use url::{Host, Position, Url};

use super::trail::Trail;
use super::{Expectation, Inner, Scheme, Target, TargetBuilder};
use crate::{TargetError, redact_url};

impl Target {
    /// The same, whatever the host is called: a stored report may have been about any.
    pub(super) fn parse(url: &str) -> Result<TargetBuilder, TargetError> {
        let shown = || redact_url(url);
        if let Some(scheme) = ["http", "https"].into_iter().find(|scheme| {
            url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                && url[scheme.len()..].starts_with("//")
        }) {
            return Err(TargetError::Colon { url: shown(), scheme });
        }
        let with_scheme = if has_scheme(url) { url.to_owned() } else { format!("http://{url}") };
        let parsed = Url::parse(&with_scheme).map_err(|source| TargetError::Url { url: shown(), source })?;
        let scheme = match parsed.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            scheme => return Err(TargetError::Scheme { url: shown(), scheme: scheme.to_owned() }),
        };
        let (host, address) = match parsed.host() {
            Some(Host::Domain(name)) => (name.to_owned(), None),
            Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::V6(address))),
            None => return Err(TargetError::NoHost { url: shown() }),
        };
        let path_and_query = parsed[..Position::BeforePath].len()..parsed[..Position::AfterQuery].len();
        let user_info = (!parsed.username().is_empty() || parsed.password().is_some())
            .then(|| (parsed.username().to_owned(), parsed.password().unwrap_or_default().to_owned()));
        // Both schemes have a default port.
        let port = parsed.port_or_known_default().unwrap_or(80);
        Ok(TargetBuilder(Inner {
            url: parsed.into(),
            scheme,
            authority: authority(&host, address, scheme, port),
            host,
            address,
            port,
            path_and_query,
            user_info,
            user_info_left_out: false,
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: Arc::from([]),
            body_length: 0,
            expect: Expectation::default(),
            max_time: None,
            max_redirects: 0,
            follows_redirects: false,
            keeps_method: false,
            trail: Trail::default(),
            flags: Vec::new(),
            of_others: None,
        }))
    }
}

/// Host and port without the scheme's own port.
pub(super) fn authority(host: &str, address: Option<IpAddr>, scheme: Scheme, port: u16) -> String {
    let default = match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    host_and_port(host, address, Some(port).filter(|port| *port != default))
}

pub(super) fn host_and_port(host: &str, address: Option<IpAddr>, port: Option<u16>) -> String {
    let (open, close) = if matches!(address, Some(IpAddr::V6(_))) { ("[", "]") } else { ("", "") };
    match port {
        Some(port) => format!("{open}{host}{close}:{port}"),
        None => format!("{open}{host}{close}"),
    }
}

/// Whether it says how it is carried, rightly or not; further on a `://` says nothing of it.
fn has_scheme(url: &str) -> bool {
    url.split_once("://")
        .is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains(['/', '?', '#', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_the_scheme_is_no_host() {
        let said = |url: &str| Target::get(url).unwrap_err().to_string();
        assert_eq!(said("http//me:hunter22@h/"), "`[redacted]@h/` lacks a colon: write `http://`");
        assert_eq!(said("HTTPS//h/x"), "`HTTPS//h/x` lacks a colon: write `https://`");
        assert_eq!(said("ht!tp://x"), "`ht!tp://x` is not a URL");
        assert_eq!(Target::get("httpd.test/x?u=http://y").unwrap().host(), "httpd.test");
        assert_eq!(Target::get("http/x").unwrap().host(), "http");
        assert_eq!(Target::get("me:pw@h?u=http://y").unwrap().host(), "h");
    }
}
