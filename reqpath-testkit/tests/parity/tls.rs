//! Faults of a certificate.

use std::sync::Arc;

use reqpath_core::Report;
use reqpath_stages::tls::{Bundle, Trust};
use reqpath_testkit::mock::{MockUpstream, Reply};
use reqpath_testkit::pki::{Authority, Leaf};
use reqpath_testkit::vantage::{Dial, Exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::body::{OK, Real, compare, one, road};

/// A TLS server with this certificate, on sockets and in memory.
#[track_caller]
fn secured(authority: &Authority, leaf: &Leaf) -> Report {
    let config = Arc::new(leaf.server_config().unwrap());
    let real = MockUpstream::builder().tls(config.clone()).reply(Reply::raw(OK)).start().unwrap();
    let mut road = road();
    road.tls.trust = Trust::Bundle(Bundle::new("test", vec![authority.certificate_der().clone()]));
    road.client.resolve = vec![format!("shop.test:{}:127.0.0.1", real.address().port()).parse().unwrap()];
    compare("https://shop.test:PORT/x", road, Real::mock(real), |address| {
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        one(
            address,
            Dial::serve(move |exchange: Exchange| {
                let acceptor = acceptor.clone();
                async move {
                    let mut stream = acceptor.accept(exchange).await?;
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    stream.write_all(OK.as_bytes()).await?;
                    stream.shutdown().await
                }
            }),
        )
    })
}

#[test]
fn a_good_certificate() {
    let authority = Authority::new().unwrap();
    reqpath_testkit::assert_reached!(secured(&authority, &authority.leaf("shop.test").issue().unwrap()));
}

#[test]
fn an_expired_certificate() {
    let authority = Authority::new().unwrap();
    secured(&authority, &authority.leaf("shop.test").expired(3).issue().unwrap());
}

#[test]
fn a_certificate_for_another_name() {
    let authority = Authority::new().unwrap();
    secured(&authority, &authority.leaf("other.test").issue().unwrap());
}
