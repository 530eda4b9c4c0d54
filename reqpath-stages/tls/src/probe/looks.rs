use std::time::Duration;

use reqpath_core::{Again, Context, Error, PeerAddr, Subject};
use reqpath_tcp::{Broken, Closing, Progress, SILENCE, silence};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::fetch::fetch;
use super::setup::{Ready, Setup};
use super::shake::{How, Shaken, shake, suiting_moment};
use super::wider::ask;
use crate::evidence::{
    Certificate, Chain, Completion, Ended, Handshake, Purpose, Reason, Tried, Verification, sha256,
};

/// Certificates fetched at most: a chain lacks one, or two.
pub(crate) const FETCHES: u32 = 2;
/// Handshakes made at most after one that failed.
pub(crate) const HANDSHAKES: u32 = 3;
/// The time for fetching one certificate.
const FETCH_LIMIT: Duration = Duration::from_secs(3);
/// The time a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(100);

/// The looks that tell why the road's handshake failed, made beside the road.
pub(crate) async fn look_again(
    setup: &Setup,
    cx: &Context,
    at: &Subject,
    peer: PeerAddr,
    beneath: Option<&Again>,
    failed: &Handshake,
) {
    let looks = async {
        let Ok(ready) = setup.ready() else { return Ok(()) };
        let look = Look { setup, ready, cx, at, beneath, failed };
        let (learn, nameless, known, wider, completion, silence) = tokio::join!(
            look.learn(),
            look.without_name(),
            look.known_name(),
            look.wider_offer(),
            look.complete(),
            look.stay_silent(peer),
        );
        learn.and(nameless).and(known).and(wider).and(completion).and(silence)
    };
    if let Err(error) = looks.await {
        cx.trouble("tls", &error);
    }
}

struct Look<'a> {
    setup: &'a Setup,
    ready: &'a Ready,
    cx: &'a Context,
    at: &'a Subject,
    beneath: Option<&'a Again>,
    failed: &'a Handshake,
}

impl Look<'_> {
    /// The whole handshake, whatever the certificate is.
    async fn learn(&self) -> Result<(), Error> {
        if self.failed.ended != Some(Ended::Refused) {
            return Ok(());
        }
        let name = server_name(&self.failed.host);
        self.shake(Purpose::Learn, name, self.failed.sni.is_some()).await
    }

    /// What is served to those who name nobody.
    async fn without_name(&self) -> Result<(), Error> {
        if self.failed.sni.is_none() || !self.name_matters() {
            return Ok(());
        }
        self.shake(Purpose::WithoutName, server_name(&self.failed.host), false).await
    }

    /// What is served for a name that the server knows.
    async fn known_name(&self) -> Result<(), Error> {
        if !self.name_matters() {
            return Ok(());
        }
        self.shake(Purpose::KnownName, self.setup.known_name.clone(), true).await
    }

    /// What the server would choose of more than we have.
    async fn wider_offer(&self) -> Result<(), Error> {
        let Some(Again(beneath)) = self.beneath.filter(|_| self.failed.refuses_the_offer()) else {
            return Ok(());
        };
        let cx = self.cx.connecting_again();
        let Some(dialled) = beneath.redial(self.at, &cx).await? else { return Ok(()) };
        let at = self.at.at_address(dialled.peer);
        let limit = in_time(cx.connect_limit(self.setup.options.limit));
        let asked = ask(dialled.connection, self.failed.sni.as_deref(), &self.setup.options.alpn);
        // Nothing is recorded of a peer that falls silent: that it does so is for others to tell.
        if let Ok(mut answer) = timeout(limit, asked).await {
            answer.tunnel = self.failed.tunnel.clone();
            cx.record(&at, answer);
        }
        Ok(())
    }

    /// Whether the name we sent may be what the server stumbled over.
    fn name_matters(&self) -> bool {
        let refused_early = self.failed.ended == Some(Ended::Alert) && self.failed.chain.is_empty();
        self.failed.name_misfits() || refused_early
    }

    async fn shake(
        &self,
        purpose: Purpose,
        name: Option<ServerName<'static>>,
        send_name: bool,
    ) -> Result<(), Error> {
        let (Some(name), Some(Again(beneath))) = (name, self.beneath) else { return Ok(()) };
        let cx = self.cx.connecting_again();
        let Some(dialled) = beneath.redial(self.at, &cx).await? else { return Ok(()) };
        let at = self.at.at_address(dialled.peer);
        let limit = in_time(cx.connect_limit(self.setup.options.limit));
        let host = name.to_str().into_owned();
        let how =
            How { purpose, name, host, send_name, lenient: true, tunnel: self.failed.tunnel.clone(), limit };
        if let Shaken::Secured(mut tls, _) = shake(self.ready, &cx, &at, dialled, how).await {
            // Nothing was said; a polite end keeps it out of the server's error log.
            drop(timeout(GOODBYE, tls.shutdown()).await);
        }
        Ok(())
    }

    /// Whether the chain leads to the store once what it lacks is added.
    async fn complete(&self) -> Result<(), Error> {
        let chain = &self.failed.chain;
        let Some(top) = incomplete(self.failed) else { return Ok(()) };
        let Some((leaf, above)) = chain.der().split_first() else { return Ok(()) };
        let Some(name) = server_name(&self.failed.host) else { return Ok(()) };
        let now = match self.failed.clock {
            Some(clock) if !self.wrong_dates() => {
                u64::try_from(clock.seconds()).ok().map(Duration::from_secs)
            }
            _ => None,
        };
        let Some(now) = now.map(UnixTime::since_unix_epoch).or_else(|| suiting_moment(chain.der())) else {
            return Ok(());
        };
        let verify = |added: &[CertificateDer<'static>]| {
            let above: Vec<_> = above.iter().chain(added).cloned().collect();
            Verification::of(&self.ready.judge().verify(leaf, &above, &name, &[], now))
        };
        let mut record =
            self.cx.begin(self.at, Completion { missing: top.issuer.clone(), ..Completion::default() });
        let mut added = self.setup.options.spare_intermediates.clone();
        record.tried = added.iter().map(|der| tried("given", der)).collect();
        if !added.is_empty() {
            record.verification = Some(verify(&added));
        }
        if self.setup.options.fetch_aia {
            let mut urls = top.issuer_urls.clone();
            for _ in 0..FETCHES {
                let (false, Some(url)) = (record.succeeds(), urls.first()) else { break };
                match fetch(self.cx, self.at, url, in_time(self.cx.limit(FETCH_LIMIT))).await {
                    Ok(der) => {
                        record.tried.push(tried(url, &der));
                        // What it lacks in turn is where it says.
                        urls = Certificate::read(&der).issuer_urls;
                        added.push(der);
                        record.verification = Some(verify(&added));
                    }
                    Err(error) => {
                        let from = url.clone();
                        record.tried.push(Tried {
                            from,
                            problem: Some(error.to_string()),
                            ..Tried::default()
                        });
                        break;
                    }
                }
            }
        }
        record.finish();
        Ok(())
    }

    fn wrong_dates(&self) -> bool {
        self.failed.reasons().any(Reason::is_date)
    }

    /// When the peer ended the connection before a byte of answer: whether it does so unasked, too.
    async fn stay_silent(&self, peer: PeerAddr) -> Result<(), Error> {
        if !matches!(self.failed.ended, Some(Ended::Closed | Ended::Reset)) {
            return Ok(());
        }
        if self.failed.received_bytes > 0 || self.failed.tunnel.is_some() {
            return Ok(());
        }
        // A peer that took its time with the first connection is given more with the silent one.
        let taken = self.failed.total_us.unwrap_or_default().duration();
        silence(self.cx, self.at, peer, SILENCE.max(taken * 3 / 2)).await
    }
}

/// Records that the connection died under the handshake, for the stage below to judge.
pub(crate) fn record_broken(cx: &Context, at: &Subject, failed: &Handshake) {
    let how = match failed.ended {
        Some(Ended::Closed) => Closing::Fin,
        Some(Ended::Reset) => Closing::Reset,
        _ => return,
    };
    let after = failed.total_us.unwrap_or_default();
    cx.record(at, Broken::new(Progress::Handshake, how, after, failed.received_bytes));
}

/// The topmost certificate served, where the store is not reached and its issuer was not served.
pub(crate) fn incomplete(failed: &Handshake) -> Option<&Certificate> {
    let nowhere = failed.refused_for(Reason::UnknownIssuer);
    top_without_issuer(&failed.chain).filter(|_| nowhere)
}

/// The certificate at which the served chain ends, where that is not its natural end.
pub(crate) fn top_without_issuer(chain: &Chain) -> Option<&Certificate> {
    chain.path().last().filter(|top| !top.self_signed && top.problem.is_none())
}

fn tried(from: &str, der: &CertificateDer<'_>) -> Tried {
    let subject = Certificate::read(der).subject;
    Tried { from: from.to_owned(), subject, sha256: sha256(der), problem: None }
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

/// A limit a little short of the time there is, so that the look ends by itself and is complete.
pub(crate) fn in_time(limit: Duration) -> Duration {
    limit - (limit / 20).min(Duration::from_millis(20))
}
