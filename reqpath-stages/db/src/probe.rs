//! Asking a database for TLS, and shaking hands where it has it.

mod ask;
mod secure;

use async_trait::async_trait;
use reqpath_core::{
    Again, Cause, Contact, ContactKind, Context, Dialled, Error, HopKind, Left, Path, Stage, Subject, Target,
};

use crate::evidence::{Answer, SslRequest};
use crate::{CAUSES, DbOptions, Protocol};

pub use self::secure::Secure;

/// Asks a PostgreSQL whether it speaks TLS, as its client would.
///
/// It works on legs to hops of kind `db`, after TCP; other legs pass untouched.
/// It takes [`Dialled`] and hands it on, with word to [`Secure`] where both sides want TLS.
#[derive(Debug)]
pub struct Db {
    options: DbOptions,
}

/// Both sides want TLS; whether the client would go on without it.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) can_do_without: bool,
}

impl Db {
    /// A stage that asks as such a client would.
    #[must_use]
    pub fn new(options: &DbOptions) -> Self {
        Self { options: options.clone() }
    }

    /// Whether anything is said to a server that was dialled at this port.
    fn asks(&self, port: u16) -> bool {
        let protocol = self.options.protocol.unwrap_or_else(|| Protocol::of_port(port));
        protocol == Protocol::Postgres && self.options.mode.asks()
    }
}

#[async_trait]
impl Stage for Db {
    fn name(&self) -> &'static str {
        "db"
    }

    fn causes(&self) -> &[&'static Cause] {
        CAUSES
    }

    fn plan(&self, at: &Subject, path: &Path, _: &Target) -> Vec<Contact> {
        if !is_database(at, path) || !self.options.mode.asks() {
            return Vec::new();
        }
        let with = "the database that was dialled";
        vec![Contact::new(ContactKind::Request, with, 1, "whether it speaks TLS; nobody logs in")]
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        if !is_database(at, cx.path()) {
            return Ok(Left::Alive);
        }
        let missing = Error::NothingHandedOn { stage: "db", what: "an open connection" };
        let mut dialled: Dialled = cx.take(at).ok_or(missing)?;
        if !self.asks(dialled.peer.port()) {
            cx.hand_on(at, dialled);
            return Ok(Left::Alive);
        }
        let permit = cx.permit(ContactKind::Request)?;
        let mode = self.options.mode;
        let mut record = cx.begin(&at.at_address(dialled.peer), SslRequest { mode, ..SslRequest::default() });
        cx.sent();
        let limit = ask::in_time(cx.connect_limit(self.options.limit));
        ask::ask(permit, &mut *dialled.connection, limit, &mut record).await;
        let (answer, goes_on) = (record.answer, record.may_go_on());
        record.finish();
        if !matches!(answer, Some(Answer::Closed | Answer::Reset | Answer::Silent | Answer::Failed) | None) {
            cx.arrived(said(answer));
        }
        if !goes_on {
            return Ok(Left::Dead);
        }
        if answer == Some(Answer::Accepted) {
            // Another connection would have to be asked first: there is no way to that from here on.
            drop(cx.take::<Again>(at));
            cx.hand_on(at, Agreed { can_do_without: !mode.demands_tls() });
        }
        cx.hand_on(at, dialled);
        Ok(Left::Alive)
    }
}

/// Whether the leg leads to a database.
pub(crate) fn is_database(at: &Subject, path: &Path) -> bool {
    let far = at.as_leg().and_then(|leg| path.hop(&leg.to));
    far.is_some_and(|hop| hop.kind == HopKind::Db)
}

/// The answer in the protocol's words.
fn said(answer: Option<Answer>) -> &'static str {
    match answer {
        Some(Answer::Accepted) => "S",
        Some(Answer::Refused) => "N",
        Some(Answer::Error) => "E",
        _ => "something else",
    }
}
