//! A server that shows a certificate whose key it does not hold.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod road;

use std::sync::Arc;

use reqpath_testkit::mock::{MockUpstream, Tls};
use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_tls::{Ended, Purpose, TlsOptions, Trust};
use road::{assert_died, assert_reached, handshake, trace, trusting};
use rustls::ServerConfig;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

const NAME: &str = "www.example.test";

/// One's certificate with another's key.
#[derive(Debug)]
struct Mixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Mixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn showing(certificate: &Leaf, key: &Leaf) -> MockUpstream {
    let key = any_supported_type(&key.key_der()).unwrap();
    let mixed = CertifiedKey::new(certificate.chain_der().to_vec(), key);
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Mixed(Arc::new(mixed))));
    MockUpstream::builder().tls(Tls::config(config)).start().unwrap()
}

#[test]
fn whoever_does_not_hold_the_key_is_refused_by_all() {
    let root = Authority::named("Test Root").unwrap();
    let (own, other) = (root.leaf(NAME).issue().unwrap(), root.leaf(NAME).issue().unwrap());
    let mut believing = TlsOptions::default();
    believing.trust = Trust::None;
    for options in [believing, trusting(&root)] {
        let report = trace(options.clone(), NAME, showing(&own, &other).address());
        assert_died(&report, "tls.protocol.error");
        let road = handshake(&report, Purpose::Road);
        assert_eq!((road.ended, &road.key_unproven), (Some(Ended::Malformed), &None));
        assert_reached(&trace(options, NAME, showing(&own, &own).address()));
    }
}
