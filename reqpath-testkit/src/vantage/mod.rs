//! A place to look from that is all in memory, scripted, and loud about what was not.
//!
//! [`FakeVantage`] implements [`Vantage`](reqpath_core::Vantage): names, connections, datagrams, routes,
//! listeners, ports, descriptors, files, environment and clock are what the test says they are.
//! A connection is a stream in memory served by a closure; nothing opens a socket.
//! It counts every permit it is given, and a contact that nobody scripted fails the test,
//! with what was expected and what came nearest.
//!
//! It lives on tokio's clock, so with `start_paused` a test of timeouts takes no time and is the same each time.
//!
//! ```
//! use reqpath_core::{ConnectOptions, PeerAddr, Vantage};
//! use reqpath_core::{Budget, Contact, ContactKind};
//! use reqpath_testkit::vantage::{Dial, Exchange, FakeVantage, Lookup};
//! use std::time::Duration;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let vantage = FakeVantage::builder()
//!     .name("shop.test", Lookup::addresses([[192, 0, 2, 7], [192, 0, 2, 8]]))
//!     .tcp(([192, 0, 2, 7], 80), Dial::refused())
//!     .tcp(([192, 0, 2, 8], 80), |mut exchange: Exchange| async move {
//!         exchange.read_head().await?;
//!         exchange.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
//!     })
//!     .build();
//!
//! // A pipeline does this; a test of a stage hands the vantage to `Trace::new`.
//! let budget = Budget::of(&[Contact::new(ContactKind::Connection, "the shop", 2, "to see")]);
//! let (one, two) = (PeerAddr(([192, 0, 2, 7], 80).into()), PeerAddr(([192, 0, 2, 8], 80).into()));
//! let how = ConnectOptions::within(Duration::from_secs(1));
//! let refused = vantage.connect(budget.permit(ContactKind::Connection)?, one, how).await.unwrap_err();
//! assert_eq!(refused.symbol.as_deref(), Some("ECONNREFUSED"));
//! let mut open = vantage.connect(budget.permit(ContactKind::Connection)?, two, how).await?;
//! open.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n").await?;
//! let mut answer = String::new();
//! open.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 204"));
//!
//! assert_eq!(vantage.count(ContactKind::Connection), 2);
//! vantage.verify()?;
//! # Ok(())
//! # }
//! ```
//!
//! The whole road goes over it like over any other place:
//!
//! ```
//! use reqpath_core::{Target, Trace};
//! use reqpath_stages::Road;
//! use reqpath_testkit::vantage::{Dial, FakeVantage, Lookup};
//! use reqpath_testkit::{assert_died, assert_reached};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let vantage = FakeVantage::builder()
//!     .name("shop.test", Lookup::addresses([[192, 0, 2, 7]]))
//!     .tcp(([192, 0, 2, 7], 80), Dial::in_turn([Dial::answers("HTTP/1.1 204 No Content\r\n\r\n"), Dial::silent()]))
//!     .rest_absent()          // the looks beside the road find nothing, and that is no failure
//!     .build();
//! let pipeline = Road::new().road_only().pipeline()?;
//! let trace = || Ok::<_, reqpath_core::TargetError>(Trace::new(Target::get("http://shop.test/")?, vantage.clone()));
//!
//! assert_reached!(pipeline.trace(trace()?).await, with "HTTP/1.1 204");
//! assert_died!(pipeline.trace(trace()?.without_last_try()).await, of "tcp.timed_out");
//! vantage.verify()?;
//! # Ok(())
//! # }
//! ```

mod builder;
mod clock;
mod dial;
mod errno;
mod exchange;
mod fake;
mod ledger;
mod lookup;
mod packets;
mod tells;

pub use self::builder::FakeVantageBuilder;
pub use self::dial::{Dial, Dials, DialsInTurn};
pub use self::exchange::{Exchange, connection};
pub use self::fake::FakeVantage;
pub use self::ledger::{Contacted, Unmet, Wanted};
pub use self::lookup::{Lookup, LookupsInTurn, Names};
pub use self::packets::{Datagrams, Packets};
pub use self::tells::Tells;
pub use crate::times::Times;
