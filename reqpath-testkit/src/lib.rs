//! Fakes that fail loudly, mocks that misbehave, real parts on a leash

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
