//! What recognisers of exchanges share.

use reqpath_core::{Case, Decline, Micros, PeerAddr, Seen, Subject};

use crate::evidence::{End, Exchange};

/// The exchange of a sample.
pub(super) fn exchange<'a>(case: &'a Case, at: &'a Subject) -> Result<Seen<'a, Exchange>, Decline> {
    case.first::<Exchange>(at)
}

/// The exchange of a sample, if it ended so; how it did end is what rules the cause out.
pub(super) fn ended<'a>(
    case: &'a Case,
    at: &'a Subject,
    ends: &[End],
) -> Result<Seen<'a, Exchange>, Decline> {
    let seen = exchange(case, at)?;
    match seen.end {
        Some(end) if ends.contains(&end) => Ok(seen),
        _ => Err(otherwise(case, &seen)),
    }
}

/// Whether this is a refusal of a request of ours that had been stripped of its credentials: it proves nothing.
pub(super) fn stripped(case: &Case, seen: &Seen<'_, Exchange>) -> bool {
    let hop = seen.subject().as_leg().map(|leg| &leg.to);
    matches!(seen.status, Some(401 | 403 | 407)) && hop.is_some_and(|hop| case.stripped(hop))
}

/// How an exchange did end, as the reason why it is not something else.
pub(super) fn otherwise(case: &Case, seen: &Seen<'_, Exchange>) -> Decline {
    if seen.end.is_none() { Decline::Absent } else { case.not(seen, || how_it_ended(seen)) }
}

fn how_it_ended(seen: &Exchange) -> String {
    let after = seen.ended_us.map_or_else(String::new, |ended| format!(" after {ended}"));
    match seen.end {
        Some(End::Complete | End::Limit) => format!("an answer came back: {}", seen.status_line()),
        Some(End::Empty) => {
            format!("the peer closed the connection in order{after}, without a byte of an answer")
        }
        Some(End::VersionRequired) => "the peer wants it asked over HTTP/1.1".to_owned(),
        Some(End::Reset) => format!("the peer reset{after}"),
        Some(End::TimedOut) => "the peer kept the connection open until our time ran out".to_owned(),
        Some(End::Invalid) => "something came back, though it is no HTTP".to_owned(),
        Some(End::TooLarge) => format!("{} bytes of a head came back", seen.bytes_received),
        Some(End::Truncated) => format!("the answer began and was cut short{after}"),
        Some(End::ResetMidBody) => format!("the answer began and was reset{after}"),
        Some(End::Stalled) => "the answer began, and was not whole when our time ran out".to_owned(),
        Some(End::Failed | End::Other) => match &seen.error {
            Some(error) => format!("the connection failed: {error}"),
            None => "the connection failed".to_owned(),
        },
        None => String::new(),
    }
}

/// The far end, as an exchange names it: its address, or the word for it; the proxy that was asked to pass it on.
pub(super) fn peer(seen: &Seen<'_, Exchange>) -> String {
    if let Some(proxy) = &seen.proxy {
        return format!("the proxy {proxy}");
    }
    seen.subject().address().map_or_else(|| "the server".to_owned(), |address| address.to_string())
}

/// Host and port apart, as `nc` and `openssl` want them; a placeholder where they are not known.
pub(super) fn address(seen: &Seen<'_, Exchange>) -> Option<PeerAddr> {
    seen.subject().address()
}

/// What was asked, in a few words: `GET https://api.example/x`.
pub(super) fn asked(exchange: &Exchange) -> String {
    let url = exchange.request.url();
    if url.is_empty() {
        exchange.request.method().to_owned()
    } else {
        format!("{} {url}", exchange.request.method())
    }
}

/// Interim answers in a few words: `3 interim answers (103)`. `None` where none are known of.
pub(super) fn interim(exchange: &Exchange) -> Option<String> {
    let mut statuses = exchange.informational.clone();
    statuses.sort_unstable();
    statuses.dedup();
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    let many = exchange.interim();
    let answers = if many == 1 { "interim answer" } else { "interim answers" };
    (many > 0).then(|| format!("{many} {answers} ({})", statuses.join(", ")))
}

/// The same of an exchange in which nothing else came.
pub(super) fn nothing_but(exchange: &Exchange) -> Option<String> {
    let bytes = || format!("{} bytes that begin no answer", exchange.bytes_received);
    exchange.only_interim.then(|| interim(exchange).unwrap_or_else(bytes))
}

/// The time since the request was sent, until the end.
pub(super) fn since_sent(exchange: &Exchange) -> Micros {
    let ended = exchange.ended_us.unwrap_or_default();
    Micros(ended.0.saturating_sub(exchange.request_sent_us.unwrap_or_default().0))
}

/// The system's own words for a failure.
pub(super) fn words(exchange: &Exchange) -> Option<String> {
    let mut words = exchange.error.clone()?;
    if let Some(code) = &exchange.h2_code {
        words.push_str(&format!(" ({code})"));
    }
    Some(words)
}

/// A capture of this very conversation.
pub(super) fn capture(seen: &Seen<'_, Exchange>) -> String {
    match address(seen) {
        Some(peer) => format!("tcpdump -ni any 'host {} and tcp port {}'", peer.ip(), peer.port()),
        None => "tcpdump -ni any 'tcp'".to_owned(),
    }
}

/// The same request, and the server's raw answer to it.
pub(super) fn raw(exchange: &Exchange) -> String {
    let version = exchange.curl_version();
    format!("curl -sv{version} --raw --max-time 10 {} | head -c 2000 | cat -v", exchange.curl_target())
}
