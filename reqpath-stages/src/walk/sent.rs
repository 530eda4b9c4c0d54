//! What is sent to a hop, as far as it is known, and the request that is the same.

use reqpath_core::{
    Header, Hop, HopKind, Path, Scheme, Sends, Target, TargetBuilder, TargetError, redact_url,
};

/// Headers of ours that a hop's `drops` can take away.
const OURS: [&str; 4] = ["User-Agent", "Accept", "X-Request-Id", "traceparent"];

/// What is sent to a hop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent<'a> {
    /// What the client sends: only packets were passed on so far.
    AsFront,
    /// What a proxy sends to this hop.
    Known(&'a Sends, &'a Hop),
    NotKnown,
}

/// What is sent to a hop: what is said of it, or of the hops before that only pass packets on.
pub(super) fn sent<'a>(path: &'a Path, hop: &'a Hop) -> Sent<'a> {
    let mut at = hop;
    // No path has more hops than this, and none leads round in a circle.
    for _ in 0..=path.hops.len() {
        if let Some(sends) = &at.sends {
            return Sent::Known(sends, at);
        }
        match path.before(&at.id) {
            Some(before) if before.kind == HopKind::Client && at.branch_of.is_none() => return Sent::AsFront,
            Some(before) if before.kind.passes_packets() => at = before,
            _ => break,
        }
    }
    Sent::NotKnown
}

/// The request as it arrives at a hop.
pub(super) fn target(front: &Target, sent: Sent<'_>, hop: &Hop) -> Result<Target, TargetError> {
    let front_host = front.header("host").unwrap_or_else(|| front.authority());
    let nothing = Sends::default();
    let (sends, scheme) = match sent {
        Sent::AsFront => (&nothing, front.scheme()),
        Sent::Known(sends, _) => (sends, sends.scheme.unwrap_or_default()),
        // Only the connection is looked at; where it goes, the entry says.
        Sent::NotKnown => (&nothing, Scheme::Http),
    };
    let host = sends.host.as_deref().unwrap_or(front_host);
    let uri = sends.uri.as_deref().unwrap_or_else(|| front.path_and_query());
    let uri = if holds_secret(uri) && !hop.credentials { "/" } else { uri };
    let user = match front.user_info().filter(|_| hop.credentials) {
        Some((user, password)) => format!("{user}:{password}@"),
        None => String::new(),
    };
    // The name in the URL is the one that the handshake asks for and the certificate must bear.
    let named = match (sent, scheme) {
        (Sent::AsFront, _) => front.authority(),
        (_, Scheme::Https) => sends.server_name.as_deref().unwrap_or(host),
        _ => host,
    };
    let builder = Target::builder(&format!("{scheme}://{user}{named}{uri}"))?.method(front.method())?;
    let mut builder = headers(builder, front, sends, hop)?;
    if builder.clone().build().authority() != host {
        builder = builder.header("Host", host)?;
    }
    if let Some(max_time) = front.max_time() {
        builder = builder.max_time(max_time);
    }
    let expect = hop.expect.as_ref().unwrap_or_else(|| front.expect());
    Ok(builder.body(front.body().clone()).expect(expect.clone()).max_redirects(0).build())
}

/// Whether a path and query hold something that is stored nowhere.
pub(super) fn holds_secret(uri: &str) -> bool {
    redact_url(uri).contains("[redacted]")
}

fn headers(
    mut builder: TargetBuilder,
    front: &Target,
    sends: &Sends,
    hop: &Hop,
) -> Result<TargetBuilder, TargetError> {
    let named = |names: &[String], name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    let set = |name: &str| sends.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    let allowed = |header: &Header| hop.credentials || !header.is_secret();
    for header in front.headers() {
        let own_host = header.name.eq_ignore_ascii_case("host");
        if !own_host && !set(&header.name) && !named(&sends.drops, &header.name) && allowed(header) {
            builder = builder.with_header(header.clone());
        }
    }
    for header in sends.headers.iter().filter(|header| allowed(header)) {
        builder = builder.with_header(header.clone());
    }
    for ours in OURS.iter().filter(|ours| named(&sends.drops, ours) && !set(ours)) {
        // A header of ours with an empty value is not sent.
        builder = builder.header(ours, "")?;
    }
    Ok(builder)
}
