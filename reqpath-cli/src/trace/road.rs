//! The stages' options, from the flags that curl has and those that are ours.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use reqpath_core::{Scheme, Target};
use reqpath_stages::Road;
use reqpath_stages::http::Version;
use reqpath_stages::tls::{Bundle, Identity, Trust, revocation_lists};

use crate::arguments::{TraceArguments, TrustArguments};
use crate::error::Mistake;

/// The largest certificate, key or revocation list file that is read.
const FILE_LIMIT_MIB: u64 = 64;

pub(super) fn road(arguments: &TraceArguments, target: &Target) -> Result<Road, Mistake> {
    let mut road = Road::new();
    let flags = &arguments.road;
    for text in &flags.resolve {
        road.client.resolve.push(text.parse().map_err(|error| Mistake::flag("--resolve", error))?);
    }
    for text in &flags.connect_to {
        road.client.connect_to.push(text.parse().map_err(|error| Mistake::flag("--connect-to", error))?);
    }
    let family = match (flags.ipv4, flags.ipv6) {
        (true, _) => Some(4),
        (_, true) => Some(6),
        _ => None,
    };
    road.dns.servers.clone_from(&flags.dns_server);
    road.dns.authority = flags.authority;
    road.dns.family = family;
    road.tcp.family = family;
    trust(&mut road, &arguments.trust)?;
    http(&mut road, arguments, target)?;
    Ok(if flags.road_only { road.road_only() } else { road })
}

fn trust(road: &mut Road, flags: &TrustArguments) -> Result<(), Mistake> {
    if let Some(file) = &flags.cacert {
        let pem = read("--cacert", file)?;
        let bundle = Bundle::from_pem(name(file), &pem).map_err(|error| Mistake::flag("--cacert", error))?;
        road.tls.trust = Trust::Bundle(bundle);
    }
    if flags.insecure {
        road.tls.trust = Trust::None;
    }
    if let Some(file) = &flags.cert {
        let chain = read("--cert", file)?;
        let key_file = flags.key.as_ref().unwrap_or(file);
        let key = read("--key", key_file)?;
        let identity = Identity::from_pem(&name(file), &chain, &name(key_file), &key);
        road.tls.identity = Some(identity.map_err(|error| Mistake::flag("--cert", error))?);
    }
    for file in &flags.crlfile {
        let lists = revocation_lists(&name(file), &read("--crlfile", file)?);
        road.tls.crls.extend(lists.map_err(|error| Mistake::flag("--crlfile", error))?);
    }
    road.tls.known_name.clone_from(&flags.known_name);
    road.tls.fetch_aia = flags.fetch_aia;
    Ok(())
}

fn http(road: &mut Road, arguments: &TraceArguments, target: &Target) -> Result<(), Mistake> {
    let flags = &arguments.request;
    if flags.http1 {
        road.http.version = Version::Http1;
        road.tls.alpn = vec![b"http/1.1".to_vec()];
    }
    if flags.http2 {
        road.http.version = if target.scheme() == Scheme::Https { Version::Auto } else { Version::Http2 };
    }
    road.http.idle.clone_from(&arguments.road.idle);
    for url in &arguments.road.clock_from {
        road.http.clock_from.push(Target::get(url).map_err(|error| Mistake::flag("--clock-from", error))?);
    }
    Ok(())
}

fn name(file: &Path) -> String {
    file.display().to_string()
}

fn read(flag: &'static str, file: &Path) -> Result<Vec<u8>, Mistake> {
    let error = |source| Mistake::File { flag, file: file.to_owned(), source };
    let limit = FILE_LIMIT_MIB << 20;
    let mut bytes = Vec::new();
    let length =
        File::open(file).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(error)?;
    if length as u64 > limit {
        return Err(Mistake::TooLarge { file: file.to_owned(), limit: FILE_LIMIT_MIB });
    }
    Ok(bytes)
}
