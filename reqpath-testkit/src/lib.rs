//! Fakes that fail loudly, mocks that misbehave, real parts on a leash
//!
//! ```
//! use reqpath_testkit::mock::{Connection, MockUpstream, Reply};
//! use std::io::Read;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mock = MockUpstream::builder()
//!     .connections(Connection::every(2, Connection::reset_at_accept()))
//!     .reply(Reply::ok("hello"))
//!     .start()?;
//! let _served = std::net::TcpStream::connect(mock.address())?;
//! let reset = std::net::TcpStream::connect(mock.address()).and_then(|mut second| second.read(&mut [0]));
//! assert!(reset.is_err());
//! # Ok(())
//! # }
//! ```

pub mod assertions;
mod background;
pub mod conformance;
pub mod dns;
#[cfg(all(target_os = "linux", feature = "lab"))]
pub mod lab;
pub mod mock;
pub mod pki;
#[cfg(unix)]
pub mod real;
#[cfg(feature = "scenarios")]
pub mod scenario;
mod times;
pub mod vantage;

pub use dns::FakeDns;
pub use mock::MockUpstream;
pub use vantage::FakeVantage;

/// The pages of `docs/` that show the testkit, so that their examples are compiled and run.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/test-a-proxy-configuration.md")]
    struct TestAProxyConfiguration;
    #[doc = include_str!("../../docs/write-a-health-checker.md")]
    struct WriteAHealthChecker;
}
