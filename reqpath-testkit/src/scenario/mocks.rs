//! The servers of a scenario as mocks: all of them on fakes, those that misbehave as no real one would on the lab.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Script;
use super::certificates::Certificates;
use super::fault::{Fault, Http, Tcp, Tls, What};
use crate::mock::{self, Builder, Connection, MockUpstream, Reply, Request};

/// What a healthy server says.
pub(super) const HEALTHY: &str = "alive and well\n";
/// The body of which a part is missing, and where it ends.
const BODY: usize = 64 * 1024;
const CUT: u64 = 1000;

/// The server as a mock, to be bound where it is wanted.
pub(super) fn mock(script: &Script, certificates: &Certificates, server: usize) -> Builder {
    let mut mock = MockUpstream::builder().named(&script.topology.servers[server].name);
    let faults: Vec<&Fault> = script.faults.iter().filter(|fault| fault.server == server).collect();
    let has = |what: What| faults.iter().any(|fault| fault.what == what);
    if let (Some(leaf), false) = (certificates.of(server), has(What::Tls(Tls::Plaintext))) {
        let mut tls = mock::Tls::new(leaf).alpn(&["http/1.1"]);
        if has(What::Tls(Tls::ClientCertificate)) {
            tls = tls.ask_client(certificates.root());
        }
        mock = mock.tls(tls);
    }
    for (what, connection) in [
        (What::Tls(Tls::Plaintext), Connection::plain_http_400()),
        (What::Tls(Tls::Silent), Connection::silent()),
        (What::Tcp(Tcp::Close), Connection::close_at_accept()),
        (What::Tcp(Tcp::Reset), Connection::reset_at_accept()),
    ] {
        if has(what) {
            mock = mock.connections(connection);
        }
    }
    match faults.iter().find(|fault| matches!(fault.what, What::Http(_) | What::Status(_) | What::Slow(_))) {
        None => mock.reply(Reply::ok(HEALTHY)),
        Some(fault) => {
            let (what, every, count) = (fault.what, fault.every.map(u64::from), AtomicU64::new(0));
            mock.reply(move |request: &Request| {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                match every {
                    Some(every) if !number.is_multiple_of(every) => Reply::ok(HEALTHY),
                    _ => spoilt(what, request),
                }
            })
        }
    }
}

fn spoilt(what: What, request: &Request) -> Reply {
    let long = || Reply::ok(vec![b'x'; BODY]);
    match what {
        What::Status(status) => Reply::status(status).body(format!("status {status} on purpose\n")),
        What::Slow(by) => Reply::ok(HEALTHY).delay(by),
        What::Http(Http::Empty) => Reply::close(),
        What::Http(Http::Reset) => Reply::reset(),
        What::Http(Http::Silent) => Reply::hang(),
        What::Http(Http::Truncate) => long().truncate_after(CUT),
        What::Http(Http::Stall) => long().stop_after(CUT),
        What::Http(Http::Garbage) => Reply::garbage(),
        What::Http(Http::RedirectLoop) => Reply::redirect(302, &request.target),
        _ => Reply::ok(HEALTHY),
    }
}
