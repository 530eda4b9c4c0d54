//! Conformance lets a good stage pass, and names each rule that a bad one breaks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqpath_core::{
    Budget, Case, Cause, ConnectOptions, Contact, ContactKind, Context, Decline, Destination, End, Error,
    Evidence, Finding, Left, Path, PeerAddr, Stage, Subject, Target, cause,
};
use reqpath_testkit::FakeVantage;
use reqpath_testkit::conformance::{self, StageCheck};
use reqpath_testkit::vantage::{Dial, Exchange};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the peer said.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Said {
    words: Option<String>,
    /// Lost in storage.
    #[serde(skip_deserializing)]
    forgotten: u32,
}

impl Evidence for Said {
    const KIND: &'static str = "toy.said";
    fn brief(&self) -> String {
        self.words.clone().unwrap_or_default()
    }
}

/// Evidence under somebody else's name.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stray {
    token: Option<String>,
}

impl Evidence for Stray {
    const KIND: &'static str = "other.stray";
}

cause! {
    /// The peer is silent.
    ///
    /// It accepts the connection and does not say a word on it.
    ///
    /// # What to do
    ///
    /// Ask whoever runs it.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "toy.said", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}}, "data": {}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "toy"}}]}
    /// ```
    static SILENT: "toy.silent" = silent {
        blames(End::Far),
        explains(&["tcp.*"]),
    }
}

fn silent(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let said = case.first::<Said>(at)?;
    match &said.words {
        None => Ok(Finding::new(at, &said, "not a word")),
        Some(_) => Err(Decline::not("it spoke", &said)),
    }
}

static GOOD_CAUSES: &[&Cause] = &[&SILENT];

/// What a toy stage does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sin {
    None,
    Name,
    Greed,
    Forgery,
    Blame,
    BlameForNothing,
    Panic,
    Loss,
    Stray,
    Raw,
    Secret,
    Socket,
    Block,
    Whim,
    Trespass,
    Mute,
}

/// Connects where it is told to, and listens to what the peer says.
#[derive(Debug)]
struct Toy(Sin, AtomicU32);

impl Toy {
    fn new(sin: Sin) -> Self {
        Self(sin, AtomicU32::new(0))
    }

    async fn listen(&self, cx: &Context, peer: PeerAddr) -> Result<Option<Vec<u8>>, Error> {
        let forged = Budget::of(&[Contact::new(ContactKind::Connection, "x", 1, "x")]);
        let permit = match cx.permit(ContactKind::Connection) {
            Err(_) if self.0 == Sin::Forgery => forged.permit(ContactKind::Connection)?,
            Err(_) if self.0 == Sin::Blame => return Ok(None),
            asked => asked?,
        };
        if self.0 == Sin::Greed {
            let _more = cx.permit(ContactKind::Connection)?;
        }
        let how = ConnectOptions::within(cx.limit(Duration::from_secs(5)));
        let Ok(mut open) = cx.vantage().connect(permit, peer, how).await else { return Ok(None) };
        let mut words = vec![0; 64];
        let heard = tokio::time::timeout(cx.limit(Duration::from_secs(1)), open.read(&mut words)).await;
        match heard {
            Ok(Ok(length @ 1..)) => {
                words.truncate(length);
                Ok(Some(words))
            }
            _ => Ok(None),
        }
    }
}

#[async_trait]
impl Stage for Toy {
    fn name(&self) -> &'static str {
        if self.0 == Sin::Name { "Toy Stage" } else { "toy" }
    }

    fn causes(&self) -> &[&'static Cause] {
        GOOD_CAUSES
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        let most = if self.0 == Sin::Whim { self.1.fetch_add(1, Ordering::Relaxed) + 1 } else { 1 };
        let why = if self.0 == Sin::Mute { "" } else { "to hear it speak" };
        vec![Contact::new(ContactKind::Connection, "the peer", most, why)]
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let Some(to) = cx.peek::<Destination>(at) else {
            if self.0 == Sin::BlameForNothing {
                return Ok(Left::Dead);
            }
            return Err(Error::NothingHandedOn { stage: "toy", what: "a destination" });
        };
        match self.0 {
            Sin::Stray => drop(cx.record(at, Stray::default())),
            Sin::Secret => {
                let token = cx.target().header("authorization").map(str::to_owned);
                cx.record(at, Said { words: token, forgotten: 0 });
            }
            Sin::Socket => {
                let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
                let _ = socket.send_to(b"hello", "192.0.2.1:9");
            }
            Sin::Block => std::thread::sleep(Duration::from_millis(500)),
            _ => {}
        }
        let port = if self.0 == Sin::Trespass { to.port + 1 } else { to.port };
        let mut seen = cx.begin(at, Said::default());
        let words = self.listen(cx, PeerAddr(([192, 0, 2, 7], port).into())).await?;
        let left = if words.is_some() { Left::Alive } else { Left::Dead };
        if let Some(words) = words {
            let text = String::from_utf8_lossy(&words).into_owned();
            if self.0 == Sin::Panic {
                assert!(text.is_ascii(), "only ASCII was thought of");
            }
            seen.words = Some(if self.0 == Sin::Raw { text } else { reqpath_core::escape(&text, 80) });
        }
        seen.forgotten = u32::from(self.0 == Sin::Loss);
        seen.finish();
        Ok(left)
    }
}

fn check(sin: Sin) -> StageCheck {
    conformance::stage(Toy::new(sin))
        .url("http://toy.test:7/")
        .given(|at, cx| cx.hand_on(at, Destination::of(cx.target())))
        .world("it speaks", || {
            let speaks = |mut exchange: Exchange| async move { exchange.write_all(b"hello").await };
            FakeVantage::builder().tcp(([192, 0, 2, 7], 7), speaks).build()
        })
        .world("it is silent", || {
            FakeVantage::builder().tcp(([192, 0, 2, 7], 7), Dial::serve(Exchange::hold)).build()
        })
}

#[test]
fn a_good_stage_passes() {
    check(Sin::None).check();
}

#[test]
fn every_rule_that_is_broken_is_named() {
    for (sin, words) in [
        (Sin::Name, "its name is one lower-case word, and is `Toy Stage`"),
        (Sin::Greed, "it wants more than its plan announces"),
        (Sin::Forgery, "it makes contact without a permit of the trace (1 more)"),
        (Sin::Blame, "refused every permit, it says that the request died"),
        (Sin::BlameForNothing, "with nothing handed on, it says that the request died"),
        (Sin::Panic, "where every peer talks nonsense: it panics: only ASCII was thought of"),
        (Sin::Loss, "toy.said changes in storage"),
        (Sin::Stray, "evidence `other.stray` is not called after its stage"),
        (Sin::Raw, "the brief of toy.said holds control characters"),
        (Sin::Secret, "a secret of the request is in the report"),
        (Sin::Whim, "its plan is another each time"),
        (Sin::Mute, "its plan is to say with whom and why"),
        (Sin::Trespass, "unexpected: connect to 192.0.2.7:8"),
    ] {
        let broken = check(sin).violations().expect_err(words);
        assert!(broken.list().iter().any(|violation| violation.contains(words)), "{sin:?}: {broken}");
        assert!(broken.to_string().starts_with("the stage `"), "{broken}");
    }
    check(Sin::Stray).also_records("other").check();
}

#[test]
fn a_stage_that_blocks_is_told() {
    let broken = check(Sin::Block).within(Duration::from_millis(50)).violations().unwrap_err();
    assert!(broken.to_string().contains("it did not come to an end within 50ms"), "{broken}");
}

#[cfg(target_os = "linux")]
#[test]
fn contact_outside_the_vantage_is_counted_by_the_kernel() {
    reqpath_testkit::lab::rootless(|| {
        let broken = match check(Sin::Socket).violations() {
            Err(broken) => broken.to_string(),
            Ok(()) if std::env::var_os("REQPATH_REQUIRE_REAL").is_some_and(|value| value == "1") => {
                panic!("it sent a datagram past the vantage, and nobody saw it")
            }
            Ok(()) => return eprintln!("SKIPPED: network namespaces cannot be made here"),
        };
        assert!(broken.contains("makes contact outside the vantage"), "{broken}");
        assert!(broken.contains("Ip:OutNoRoutes"), "{broken}");
    });
}

#[test]
fn a_world_that_the_request_does_not_live_to_see_is_told() {
    #[derive(Debug)]
    struct Wall;
    #[async_trait]
    impl Stage for Wall {
        fn name(&self) -> &'static str {
            "wall"
        }
        fn causes(&self) -> &[&'static Cause] {
            &[]
        }
        fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
            Vec::new()
        }
        async fn run(&self, _: &Subject, _: &Context) -> Result<Left, Error> {
            Ok(Left::Dead)
        }
    }
    let broken = check(Sin::None).after(Wall).violations().unwrap_err().to_string();
    assert!(broken.contains("the request does not come as far as this stage"), "{broken}");
}

mod bad_causes {
    use super::*;

    cause! {
        /// no sentence
        pub(super) static BARE: "toy.bare" = silent {
            twins(&["toy.unknown", "Not A Code", "toy.bare"]),
        }
    }

    cause! {
        /// It is fragile.
        ///
        /// It counts on what it reads.
        ///
        /// # What to do
        ///
        /// Count on nothing.
        ///
        /// # Example
        ///
        /// ```json
        /// {"schema": "reqpath.report/1", "observations": [
        ///   {"kind": "toy.said", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
        ///    "data": {"words": "hello"}},
        ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
        ///    "data": {"role": "fresh", "left": "dead", "stage": "toy"}}]}
        /// ```
        pub(super) static FRAGILE: "toy.fragile" = fragile {}
    }

    fn fragile(case: &Case, at: &Subject) -> Result<Finding, Decline> {
        let said = case.first::<Said>(at)?;
        let words = said.words.as_deref().unwrap_or("hello");
        Ok(Finding::new(at, &said, format!("it said {}…", &words[..1])))
    }

    cause! {
        /// It is never recognised.
        ///
        /// Its recogniser declines whatever it is shown.
        ///
        /// # What to do
        ///
        /// Write one that does not.
        ///
        /// # Example
        ///
        /// ```json
        /// {"schema": "reqpath.report/1", "observations": []}
        /// ```
        pub(super) static NEVER: "toy.never" = never {
            explains(&["tcp.refused"]),
        }
    }

    pub(super) static SAME: Cause = Cause::new("toy.silent", "", never);

    fn never(_: &Case, _: &Subject) -> Result<Finding, Decline> {
        Err(Decline::Absent)
    }
}

#[test]
fn what_is_wrong_with_causes_is_named() {
    let causes: &[&'static Cause] = &[&bad_causes::BARE, &bad_causes::FRAGILE, &bad_causes::NEVER];
    let broken =
        conformance::causes(causes).beside([&SILENT]).complete().violations().unwrap_err().to_string();
    for words in [
        "the catalogue (toy.bare, toy.fragile, toy.never) breaks",
        "toy.bare: the first paragraph is to be one sentence",
        "toy.bare: after the first paragraph, explain why",
        "toy.bare: the section `# What to do` is missing or empty",
        "toy.bare: the section `# Example` with a ```json report is missing",
        "toy.bare: `toy.unknown` in `twins` is the code of no cause given",
        "toy.bare: `Not A Code` in `twins` is no code",
        "toy.bare: it names itself in `twins`",
        "toy.never: `tcp.refused` in `explains` is the code of no cause given",
        "toy.fragile panics on spoilt evidence",
        "toy.never: its example does not yield it: the verdict is unknown, the findings are []",
    ] {
        assert!(broken.contains(words), "`{words}` is missing from\n{broken}");
    }
    let open = conformance::causes(&[&bad_causes::NEVER]).violations().unwrap_err().to_string();
    assert!(!open.contains("tcp.refused"), "codes of others may be named: {open}");
    let twice = conformance::causes(&[&SILENT, &bad_causes::SAME]).violations().unwrap_err().to_string();
    assert!(twice.contains("two causes are called `toy.silent`"), "{twice}");
}

#[test]
fn worlds_are_made_anew_for_each_trace() {
    let made = Arc::new(AtomicU32::new(0));
    let count = made.clone();
    let world = move || {
        count.fetch_add(1, Ordering::Relaxed);
        FakeVantage::builder().tcp(([192, 0, 2, 7], 7), Dial::refused()).expect(1).build()
    };
    check(Sin::None).world("it is closed", world).check();
    assert!(made.load(Ordering::Relaxed) > 3);
}
