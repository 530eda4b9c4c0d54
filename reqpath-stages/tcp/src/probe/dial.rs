//! One attempt at one address.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqpath_core::{
    ConnectFailure, ConnectOptions, Connection, ContactKind, Context, Error, LocalAddr, PeerAddr, Recording,
    Subject,
};
use tokio::time::{Instant, timeout};

use crate::evidence::{Attempt, Outcome, Purpose};

use super::looks::Looks;

/// An attempt that takes longer than this is looked into while it is under way.
const SLOW: Duration = Duration::from_millis(300);

/// Silence for less than this tells nothing: a second SYN leaves after a second.
pub(super) const TELLING: Duration = Duration::from_millis(1100);

/// One attempt to be made.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) cx: Context,
    /// The leg and sample, narrowed to the address.
    pub(super) at: Subject,
    pub(super) peer: PeerAddr,
    pub(super) until: Instant,
    pub(super) purpose: Purpose,
    /// Whether the kernel is asked for more than the connection itself.
    pub(super) look: bool,
    /// Set when nobody waits for the attempt any longer: with time enough behind it, it counts as unanswered.
    pub(super) enough: Option<Arc<AtomicBool>>,
}

/// An attempt that has ended, its record still open.
#[derive(Debug)]
pub(super) struct Dialling {
    pub(super) peer: PeerAddr,
    pub(super) record: Record,
    pub(super) connection: Option<Box<dyn Connection>>,
}

impl Dial {
    /// Dials, and looks into what does not go well.
    pub(super) async fn run(self) -> Result<Dialling, Error> {
        let permit = self.cx.permit(ContactKind::Connection)?;
        let began = Instant::now();
        let limit = self.until.saturating_duration_since(began);
        let mut record = Record {
            recording: Some(self.cx.begin(
                &self.at,
                Attempt { purpose: self.purpose, limit_us: Some(limit.into()), ..Attempt::default() },
            )),
            began,
            enough: self.enough.clone(),
        };
        let connecting = self.cx.vantage().connect(permit, self.peer, ConnectOptions::within(limit));
        let connected = if self.look {
            self.watched(connecting, &mut record).await
        } else {
            let connected = connecting.await;
            record.ended(&connected);
            connected
        };
        Ok(Dialling { peer: self.peer, record, connection: connected.ok() })
    }

    /// Looks at the kernel's side while the attempt takes long, and after it failed.
    async fn watched(
        &self,
        connecting: impl Future<Output = Result<Box<dyn Connection>, ConnectFailure>>,
        record: &mut Record,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        let mut looks = Looks::new(&self.cx, &self.at, self.peer);
        let mut connecting = pin!(connecting);
        let connected = match timeout(SLOW, &mut connecting).await {
            Ok(connected) => connected,
            Err(_) => {
                looks.while_waiting().await;
                connecting.await
            }
        };
        record.ended(&connected);
        match &connected {
            Ok(connection) => record.attempt(|attempt| attempt.kernel = connection.kernel()),
            Err(_) => {
                if let Some(death) = record.recording.as_ref().and_then(|attempt| attempt.death()) {
                    looks.after(death).await;
                }
            }
        }
        connected
    }
}

/// The record of an attempt; says how long it lasted even when it is dropped half-way.
#[derive(Debug)]
pub(super) struct Record {
    /// Present until finished.
    recording: Option<Recording<Attempt>>,
    began: Instant,
    enough: Option<Arc<AtomicBool>>,
}

impl Record {
    /// Closes the record; `used` says whether the request goes on over the connection.
    pub(super) fn finish(mut self, used: bool) {
        if let Some(mut recording) = self.recording.take() {
            recording.used = used;
            recording.finish();
        }
    }

    /// Our end of an attempt that failed, where it came to have one.
    pub(super) fn local(&self) -> Option<LocalAddr> {
        self.recording.as_ref()?.failure.as_ref()?.local
    }

    fn ended(&mut self, connected: &Result<Box<dyn Connection>, ConnectFailure>) {
        let elapsed = self.began.elapsed();
        self.attempt(|attempt| {
            attempt.elapsed_us = elapsed.into();
            match connected {
                Ok(connection) => {
                    attempt.outcome = Outcome::Connected;
                    attempt.local = connection.local();
                }
                Err(failure) => {
                    attempt.outcome = Outcome::Failed;
                    attempt.failure = Some(failure.clone());
                }
            }
        });
    }

    fn attempt(&mut self, fill: impl FnOnce(&mut Attempt)) {
        if let Some(recording) = &mut self.recording {
            fill(recording);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(mut recording) = self.recording.take() else { return };
        if recording.outcome != Outcome::GivenUp {
            return;
        }
        let elapsed = self.began.elapsed();
        recording.elapsed_us = elapsed.into();
        let enough = || self.enough.as_ref().is_some_and(|enough| enough.load(Ordering::Relaxed));
        if elapsed >= TELLING && enough() {
            let mut failure = ConnectFailure::new(format!("no answer within {}", recording.elapsed_us));
            failure.timed_out = true;
            recording.outcome = Outcome::Failed;
            recording.failure = Some(failure);
            recording.finish();
        }
    }
}
