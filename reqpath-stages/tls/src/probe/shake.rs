use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use reqpath_core::{Context, Dialled, Subject, Target, escape_bytes};
use rustls::{AlertDescription, ClientConnection, Error, PeerMisbehaved, ProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

use super::late::find;
use super::secured::Secured;
use super::setup::Ready;
use super::tap::{Heard, Tap};
use super::watch::Sight;
use crate::der::Fields;
use crate::evidence::{
    Alert, Ended, Handshake, Moment, Purpose, Reason, Staple, Tunnelled, Verification, words,
};

/// How one handshake is to be made.
#[derive(Debug)]
pub(crate) struct How {
    pub(crate) purpose: Purpose,
    /// The name the certificate must fit.
    pub(crate) name: ServerName<'static>,
    /// The same as it is written.
    pub(crate) host: String,
    /// Whether the server is told that name. Addresses are never sent.
    pub(crate) send_name: bool,
    /// Whether to go on whatever the certificate is.
    pub(crate) lenient: bool,
    /// The proxy's tunnel that the connection is.
    pub(crate) tunnel: Option<Arc<Tunnelled>>,
    pub(crate) limit: Duration,
}

/// What came of a handshake.
#[derive(Debug)]
pub(crate) enum Shaken {
    /// A secured connection and the protocol to be spoken over it.
    Secured(Box<Secured>, Option<Vec<u8>>),
    /// It failed; what was recorded of it.
    Failed(Box<Handshake>),
}

/// Shakes hands over an open connection, and records what was seen.
pub(crate) async fn shake(ready: &Ready, cx: &Context, at: &Subject, dialled: Dialled, how: How) -> Shaken {
    let began = Instant::now();
    let clock = cx.vantage().now();
    let now = UnixTime::since_unix_epoch(clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    let mut record = cx.begin(
        at,
        Handshake {
            purpose: how.purpose,
            sni: (how.send_name && matches!(how.name, ServerName::DnsName(_))).then(|| how.host.clone()),
            host: how.host,
            tunnel: how.tunnel,
            offer: ready.offer.clone(),
            trust: ready.trust.clone(),
            clock: Some(Moment::from(clock)),
            warn_within_days: ready.warn_within_days,
            ..Handshake::default()
        },
    );
    let shows = ready.has_certificate() && is_meant_for(cx.target());
    let (watch, config) = ready.watched(now, how.lenient, how.send_name, shows);
    let tap = Tap::new(dialled.connection, how.limit);
    let result = TlsConnector::from(config).connect(how.name.clone(), tap).into_fallible().await;
    let sight = watch.take();
    let shaken = match result {
        Ok(mut tls) => {
            record.ended = Some(Ended::Completed);
            let (tap, session) = tls.get_mut();
            tap.wait_no_more();
            note_heard(&mut record, &tap.heard);
            note_agreed(&mut record, session);
            if how.purpose == Purpose::Road
                && let Some(version) = &record.version
            {
                cx.attribute("tls_version", || version.to_string());
            }
            let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
            Ok((tls, protocol))
        }
        Err((error, tap)) => {
            note_heard(&mut record, &tap.heard);
            note_failure(&mut record, &error, &tap.heard, &sight);
            Err(())
        }
    };
    record.total_us = Some(began.elapsed().into());
    record.certificate_sent = sight.request.is_some() && shows;
    note_sight(&mut record, ready, sight);
    match shaken {
        Ok((tls, protocol)) => {
            record.finish();
            Shaken::Secured(Box::new(Secured::new(tls)), protocol)
        }
        Err(()) => {
            note_apart_from_dates(&mut record, ready, &how.name);
            let failed = Box::new(record.clone());
            record.finish();
            Shaken::Failed(failed)
        }
    }
}

fn note_heard(record: &mut Handshake, heard: &Heard) {
    record.sent_bytes = heard.sent;
    record.received_bytes = heard.received;
    if let (Some(spoke), Some(answered)) = (heard.spoke, heard.answered) {
        record.hello_us = Some(answered.saturating_duration_since(spoke).into());
    }
}

fn note_agreed(record: &mut Handshake, session: &ClientConnection) {
    record.version = session.protocol_version().map(version);
    record.suite =
        session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).map(Cow::Borrowed);
    record.group =
        session.negotiated_key_exchange_group().and_then(|group| group.name().as_str()).map(Cow::Borrowed);
    record.alpn = session.alpn_protocol().map(|protocol| match protocol {
        b"h2" => Cow::Borrowed("h2"),
        b"http/1.1" => Cow::Borrowed("http/1.1"),
        other => Cow::Owned(escape_bytes(other, 64)),
    });
}

/// Whether the caller's certificate is for this host: a redirect to another one leaves all credentials behind.
fn is_meant_for(target: &Target) -> bool {
    let first = target.redirected_from().first();
    first.is_none_or(|first| Target::get(first).is_ok_and(|first| first.host() == target.host()))
}

fn note_sight(record: &mut Handshake, ready: &Ready, sight: Sight) {
    record.served = sight.chain.len();
    if let Some(leaf) = sight.chain.first() {
        if !sight.stapled.is_empty() {
            record.stapled = Some(Staple::read(&sight.stapled, leaf));
        }
        record.verification = Some(match &sight.verified {
            Some(result) => Verification::of(result),
            None => Verification::Skipped,
        });
    }
    record.name_fits = sight.name_fits;
    record.key_unproven = sight.unproven.map(|fault| fault.to_string());
    record.certificate_request = sight.request;
    record.chain = ready.shared(sight.chain);
}

fn note_failure(record: &mut Handshake, error: &io::Error, heard: &Heard, sight: &Sight) {
    let inner = find(error);
    record.ended = Some(ended(error, inner, heard, sight));
    record.hello_seen = heard.is_hello();
    record.error = Some(match inner {
        Some(inner) => words(inner),
        None if heard.timed_out => format!("no answer within {:.1} s", heard_for(heard).as_secs_f64()),
        None => words(error),
    });
    if heard.is_not_tls() {
        record.first_bytes = Some(escape_bytes(heard.head(), 64));
    }
    match inner {
        Some(Error::AlertReceived(description)) => record.alert = Some(Alert::from(*description)),
        Some(Error::InvalidCertificate(refusal)) => {
            record.alert_sent = Some(Alert::from(AlertDescription::from(refusal.clone())));
        }
        _ => {}
    }
}

/// How long the peer was waited for, since we spoke.
fn heard_for(heard: &Heard) -> Duration {
    heard.spoke.map(|spoke| spoke.elapsed()).unwrap_or_default()
}

fn ended(error: &io::Error, inner: Option<&Error>, heard: &Heard, sight: &Sight) -> Ended {
    if heard.is_not_tls() {
        return Ended::NotTls;
    }
    match inner {
        Some(Error::AlertReceived(_)) => Ended::Alert,
        // The same error also says that the server does not hold its certificate's key.
        Some(Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_))
            if matches!(sight.verified, Some(Err(_))) =>
        {
            Ended::Refused
        }
        Some(Error::PeerIncompatible(_)) => Ended::Incompatible,
        Some(Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol)) => {
            Ended::UnofferedProtocol
        }
        Some(_) if matches!(sight.verified, Some(Err(_))) => Ended::Refused,
        Some(_) => Ended::Malformed,
        None if heard.timed_out => Ended::TimedOut,
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => Ended::Closed,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Ended::Reset
            }
            _ => Ended::Failed,
        },
    }
}

/// Asks the verifier once more, about a moment at which the chain was in date.
fn note_apart_from_dates(record: &mut Handshake, ready: &Ready, name: &ServerName<'static>) {
    let dates = record.verification.as_ref().and_then(Verification::reason).is_some_and(Reason::is_date);
    if !dates {
        return;
    }
    let chain = record.chain.der();
    if let (Some((leaf, above)), Some(then)) = (chain.split_first(), suiting_moment(chain)) {
        let result = ready.judge().verify(leaf, above, name, &[], then);
        record.apart_from_dates = Some(Verification::of(&result));
    }
}

/// A moment at which every certificate of the chain was valid, or at least the leaf.
pub(crate) fn suiting_moment(chain: &[CertificateDer<'_>]) -> Option<UnixTime> {
    let window = |der: &CertificateDer<'_>| {
        let fields = Fields::of(der)?;
        Some((fields.not_before?, fields.not_after?))
    };
    let leaf = window(chain.first()?)?;
    let common = chain
        .iter()
        .filter_map(window)
        .reduce(|(from, until), (other_from, other_until)| (from.max(other_from), until.min(other_until)))
        .filter(|(from, until)| from <= until)
        .unwrap_or(leaf);
    let middle = common.0 / 2 + common.1 / 2;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(middle).ok()?)))
}

pub(crate) fn version(version: ProtocolVersion) -> Cow<'static, str> {
    match version {
        ProtocolVersion::TLSv1_2 => Cow::Borrowed("TLSv1.2"),
        ProtocolVersion::TLSv1_3 => Cow::Borrowed("TLSv1.3"),
        other => Cow::Owned(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use reqpath_testkit::pki::Authority;

    use super::*;

    #[test]
    fn a_suiting_moment_is_in_every_window_or_in_the_leafs() {
        let root = Authority::new().unwrap();
        let middle = root.intermediate("Middle").expired(5).issue().unwrap();
        let leaf = middle.leaf("www.example.test").expired(3).issue().unwrap();
        let then = suiting_moment(leaf.chain_der()).unwrap().as_secs().cast_signed();
        for der in leaf.chain_der() {
            let fields = Fields::of(der).unwrap();
            assert!((fields.not_before.unwrap()..=fields.not_after.unwrap()).contains(&then));
        }
        let apart = root.intermediate("Late").not_yet_valid(5).issue().unwrap();
        let leaf = apart.leaf("www.example.test").expired(3).issue().unwrap();
        let then = suiting_moment(leaf.chain_der()).unwrap().as_secs().cast_signed();
        assert!(then < Fields::of(leaf.certificate_der()).unwrap().not_after.unwrap());
        assert!(suiting_moment(&[]).is_none());
    }
}
