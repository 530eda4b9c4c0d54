//! The resolver's configuration, as the C library reads it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqpath_core::{ContactKind, Context, Error, PeerAddr, Unavailable, Vantage, escape};
use resolv_conf::{Config, ScopedIp};

use crate::evidence::Resolvers;

/// Nameservers the C library asks; it forgets the others.
pub(super) const MOST_NAMESERVERS: usize = 3;
/// More than any configuration that is meant to be read.
const MOST_BYTES: usize = 64 * 1024;
/// The C library takes no larger figures than these.
const MOST_NDOTS: u32 = 15;
const MOST_TIMEOUT: u32 = 30;
const MOST_ATTEMPTS: u32 = 5;

/// Reads `/etc/resolv.conf` and the two variables that overrule it.
///
/// Without the file the C library asks the nameserver on this very host, and so it is written down.
pub(super) async fn read(cx: &Context) -> Result<Resolvers, Error> {
    let vantage = cx.vantage();
    let mut text = match vantage.read(cx.permit(ContactKind::File)?, "/etc/resolv.conf", MOST_BYTES).await {
        Ok(text) => text,
        Err(Unavailable::Missing) => Vec::new(),
        Err(source) => {
            let vantage = vantage.name().into_owned();
            return Err(Error::Vantage { vantage, what: "read /etc/resolv.conf", source });
        }
    };
    overrule(&mut text, vantage);
    let mut resolvers = parse(&text);
    if resolvers.search.is_empty()
        && let Ok(hostname) =
            vantage.read(cx.permit(ContactKind::File)?, "/proc/sys/kernel/hostname", 256).await
        && let Some((_, domain)) = String::from_utf8_lossy(&hostname).trim().split_once('.')
        && !domain.is_empty()
    {
        // The host's own domain is the list where none is written.
        resolvers.search.push(escape(domain, 255));
    }
    Ok(resolvers)
}

/// `LOCALDOMAIN` and `RES_OPTIONS` count as if they were the file's last lines.
fn overrule(text: &mut Vec<u8>, vantage: &dyn Vantage) {
    for (variable, keyword) in [("LOCALDOMAIN", "search"), ("RES_OPTIONS", "options")] {
        if let Some(value) = vantage.environment(variable).filter(|value| !value.contains('\n')) {
            text.extend_from_slice(format!("\n{keyword} {value}\n").as_bytes());
        }
    }
}

/// What the text says, with the C library's defaults and limits.
pub(super) fn parse(text: &[u8]) -> Resolvers {
    let (config, errors) = Config::parse_with_errors(text);
    let mut resolvers = Resolvers::default();
    for nameserver in &config.nameservers {
        let Some(address) = socket_address(nameserver) else {
            resolvers.not_understood.push(format!("nameserver {}", escape(&nameserver.to_string(), 100)));
            continue;
        };
        let list = if resolvers.nameservers.len() < MOST_NAMESERVERS {
            &mut resolvers.nameservers
        } else {
            &mut resolvers.ignored
        };
        list.push(PeerAddr(address));
    }
    resolvers.ignored.truncate(16);
    if resolvers.nameservers.is_empty() {
        resolvers.assumed_local = true;
        resolvers.nameservers.push(PeerAddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 53))));
    }
    resolvers.search =
        config.get_last_search_or_domain().take(64).map(|suffix| escape(suffix, 255)).collect();
    resolvers.ndots = config.ndots.min(MOST_NDOTS);
    resolvers.timeout_s = config.timeout.clamp(1, MOST_TIMEOUT);
    resolvers.attempts = config.attempts.clamp(1, MOST_ATTEMPTS);
    let options = [
        ("rotate", config.rotate),
        ("edns0", config.edns0),
        ("single-request", config.single_request),
        ("single-request-reopen", config.single_request_reopen),
        ("use-vc", config.use_vc),
        ("trust-ad", config.trust_ad),
        ("no-tld-query", config.no_tld_query),
        ("no-reload", config.no_reload),
        ("no-aaaa", config.no_aaaa),
    ];
    resolvers.options = options.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned()).collect();
    resolvers.not_understood.extend(errors.iter().take(8).map(|error| escape(&error.to_string(), 200)));
    resolvers
}

/// Port 53 there; a named scope cannot be turned into a number here.
fn socket_address(nameserver: &ScopedIp) -> Option<SocketAddr> {
    match nameserver {
        ScopedIp::V6(ip, Some(scope)) => {
            let scope = scope.parse().ok()?;
            Some(std::net::SocketAddrV6::new(*ip, 53, 0, scope).into())
        }
        other => Some(SocketAddr::new(IpAddr::from(other), 53)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_means_this_host() {
        let resolvers = parse(b"# nothing\n");
        assert!(resolvers.assumed_local);
        assert_eq!(resolvers.nameservers, [PeerAddr(SocketAddr::from(([127, 0, 0, 1], 53)))]);
        assert_eq!((resolvers.ndots, resolvers.timeout_s, resolvers.attempts), (1, 5, 2));
    }

    #[test]
    fn the_fourth_nameserver_is_never_asked() {
        let text =
            b"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 2001:db8::3\nnameserver 192.0.2.4\n";
        let resolvers = parse(text);
        assert_eq!(resolvers.nameservers.len(), 3);
        assert_eq!(resolvers.ignored, [PeerAddr(SocketAddr::from(([192, 0, 2, 4], 53)))]);
        assert!(!resolvers.assumed_local);
    }

    #[test]
    fn options_are_kept_and_bounded() {
        let text = b"domain a.test\nsearch b.test c.test\noptions ndots:99 timeout:0 attempts:9 rotate use-vc no-aaaa odd:thing\nnameserver banana\n";
        let resolvers = parse(text);
        assert_eq!(resolvers.search, ["b.test", "c.test"]);
        assert_eq!((resolvers.ndots, resolvers.timeout_s, resolvers.attempts), (15, 1, 5));
        assert_eq!(resolvers.options, ["rotate", "use-vc", "no-aaaa"]);
        assert_eq!(resolvers.not_understood.len(), 2);
    }

    #[test]
    fn hostile_bytes_are_survived() {
        let mut text = vec![0xff; 1000];
        text.extend_from_slice(b"\nnameserver fe80::1%eth0\nnameserver fe80::1%2\n");
        let resolvers = parse(&text);
        assert_eq!(resolvers.nameservers.len(), 1);
        assert_eq!(resolvers.nameservers[0].port(), 53);
    }
}
