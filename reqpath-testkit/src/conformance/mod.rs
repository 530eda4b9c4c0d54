//! One call that holds somebody's own stages and causes to the rules.
//!
//! [`stage`] runs a stage in scripted worlds, on tokio's paused clock, and checks:
//!
//! | rule | how |
//! |---|---|
//! | names | the stage's name is one lower-case word, and its evidence is called after it |
//! | plan | it is announced the same each time, in words, and one run keeps to it: with permits for exactly the plan nothing is refused, and with none nothing is touched |
//! | blame | refused permits and missing hand-overs are the probe's trouble, never the path's death |
//! | survival | no panic where nothing is there, nothing answers, peers talk nonsense, or time is short |
//! | evidence | live, as JSON, read back and written again it is the same; one-line texts hold no control characters |
//! | secrets | credentials of the request are in no report |
//! | contact | nothing outside the vantage: on Linux it runs inside an empty network namespace whose kernel counts every attempt |
//! | causes | those of the stage pass [`causes`], also on spoilt copies of what it recorded |
//!
//! [`causes`] checks codes, documentation, that each example yields its cause, that judging is the same each
//! time, and that recognisers survive spoilt and arbitrary JSON.
//!
//! Not covered, and left to review: files, variables and commands used past the vantage; sockets of the file
//! system; contact by threads that were there before. Where a network namespace cannot be made
//! (no root; [`lab::rootless`](crate::lab::rootless) around the test helps) contact is not covered either;
//! that is printed, and fails with `REQPATH_REQUIRE_REAL=1`.
//!
//! ```
//! use async_trait::async_trait;
//! use reqpath_core::*;
//! use reqpath_testkit::conformance;
//! use reqpath_testkit::vantage::{FakeVantage, Packets};
//!
//! /// What the time server said.
//! #[derive(Debug, serde::Serialize, serde::Deserialize)]
//! struct Said {
//!     /// Its first byte, where it answered.
//!     #[serde(default)]
//!     mode: Option<u8>,
//! }
//!
//! impl Evidence for Said {
//!     const KIND: &'static str = "ntp.said";
//! }
//!
//! #[derive(Debug)]
//! struct Ntp;
//!
//! #[async_trait]
//! impl Stage for Ntp {
//!     fn name(&self) -> &'static str {
//!         "ntp"
//!     }
//!     fn causes(&self) -> &[&'static Cause] {
//!         CAUSES
//!     }
//!     fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
//!         vec![Contact::new(ContactKind::Query, "192.0.2.123:123", 1, "the time")]
//!     }
//!     async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
//!         let permit = cx.permit(ContactKind::Query)?;
//!         let mut said = cx.begin(at, Said { mode: None });
//!         let heard = async {
//!             let socket = cx.vantage().datagram(permit, PeerAddr(([192, 0, 2, 123], 123).into())).await?;
//!             socket.send(&[0x23; 48]).await?;
//!             let mut answer = [0; 48];
//!             let length = socket.receive(&mut answer).await?;
//!             Ok::<_, std::io::Error>((length > 0).then_some(answer[0]))
//!         };
//!         let limit = cx.limit(std::time::Duration::from_secs(1));
//!         said.mode = tokio::time::timeout(limit, heard).await.ok().and_then(Result::ok).flatten();
//!         let left = if said.mode.is_some() { Left::Alive } else { Left::Dead };
//!         said.finish();
//!         Ok(left)
//!     }
//! }
//!
//! static CAUSES: &[&Cause] = &[&SILENT];
//!
//! cause! {
//!     /// The time server does not answer.
//!     ///
//!     /// It is asked once over UDP, and a second passes without an answer.
//!     ///
//!     /// # What to do
//!     ///
//!     /// Let UDP port 123 pass, or name another server.
//!     ///
//!     /// # Example
//!     ///
//!     /// ```json
//!     /// {"schema": "reqpath.report/1", "observations": [
//!     ///   {"kind": "ntp.said", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}}, "data": {}},
//!     ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
//!     ///    "data": {"role": "fresh", "left": "dead", "stage": "ntp"}}]}
//!     /// ```
//!     static SILENT: "ntp.silent" = silent {
//!         blames(End::Far),
//!     }
//! }
//!
//! fn silent(case: &Case, at: &Subject) -> Result<Finding, Decline> {
//!     let said = case.first::<Said>(at)?;
//!     match said.mode {
//!         None => Ok(Finding::new(at, &said, "no answer within a second")),
//!         Some(_) => Err(Decline::not("it answered", &said)),
//!     }
//! }
//!
//! conformance::stage(Ntp)
//!     .world("a good server", || {
//!         FakeVantage::builder().udp(([192, 0, 2, 123], 123), Packets::reply(vec![0x24; 48])).build()
//!     })
//!     .check();
//! ```

mod causes;
mod documented;
#[cfg(target_os = "linux")]
mod empty_net;
mod hostile;
mod recognised;
mod recorded;
mod runs;
mod scene;
mod stage;
mod stand_in;
mod violations;

pub use self::causes::{CausesCheck, causes};
pub use self::stage::{StageCheck, stage};
pub use self::violations::Violations;
