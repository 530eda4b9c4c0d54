//! An application that fails, and the leg to its database.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use reqpath_client::{Client, ClientOptions};
use reqpath_core::{
    Endpoint, Entry, Finding, Hop, HopKind, Path, Pipeline, Report, Target, Trace, Vantage, Verdict,
};
use reqpath_db::{Db, DbOptions, Secure, SslRequest};
use reqpath_dns::{Dns, DnsOptions};
use reqpath_http::{Http, HttpOptions};
use reqpath_tcp::{Tcp, TcpOptions};

/// What an attempt to connect may take.
pub const SOON: Duration = Duration::from_millis(700);

/// Client, application, and the database that only the application asks.
pub fn path() -> Path {
    Path::new(vec![
        Hop::new("client", HopKind::Client),
        Hop::new("shop", HopKind::Pod),
        Hop::new("prices", HopKind::Db).branch_of("shop"),
    ])
}

/// The stages of the front, with every cause that the leg to the database may have.
pub fn front() -> Pipeline {
    let (mut client, mut dns, mut http) =
        (ClientOptions::default(), DnsOptions::default(), HttpOptions::default());
    client.side_looks = false;
    client.environment = false;
    dns.side_looks = false;
    http.side_looks = false;
    Pipeline::builder()
        .stage(Client::new(client))
        .stage(Dns::new(dns))
        .stage(Tcp::new(tcp()))
        .stage(Http::new(http))
        .causes(reqpath_tls::CAUSES.iter().copied())
        .causes(reqpath_db::CAUSES.iter().copied())
        .build()
        .unwrap()
}

/// The stages of the leg to the database.
pub fn database(options: &DbOptions) -> Arc<Pipeline> {
    let (mut client, mut dns) = (ClientOptions::default(), DnsOptions::default());
    client.side_looks = false;
    client.environment = false;
    dns.side_looks = false;
    let pipeline = Pipeline::builder()
        .stage(Client::new(client))
        .stage(Dns::new(dns))
        .stage(Tcp::new(tcp()))
        .stage(Db::new(options))
        .stage(Secure::new(options).unwrap());
    Arc::new(pipeline.build().unwrap())
}

fn tcp() -> TcpOptions {
    let mut tcp = TcpOptions::default();
    tcp.side_looks = false;
    tcp.connect_timeout = SOON;
    tcp
}

/// A request to the application, and a look at its database from this place.
pub fn trace(
    url: &str,
    client: Arc<dyn Vantage>,
    from: &str,
    vantage: Arc<dyn Vantage>,
    at: &str,
    options: &DbOptions,
) -> Trace {
    let at: Endpoint = at.parse().unwrap();
    // What it is called in the connection string, wherever it is dialled.
    let called = Target::get(&format!("http://prices.test:{}/", at.port)).unwrap();
    let entry = Entry::new(from, "prices", called, vantage).at(at).over(database(options));
    Trace::new(Target::get(url).unwrap(), client).path(path()).deadline(Duration::from_secs(20)).entry(entry)
}

/// `died prices http.error<tcp.refused<db.unreachable`: the kind, the hop that is blamed, the chain.
pub fn told(report: &Report) -> String {
    let verdict = report.verdict.as_ref().unwrap();
    match verdict {
        Verdict::Died { at, chain, .. } => format!("died {} {}", at.hop, chain.join("<")),
        other => format!("{}: {other:?}", other.kind()),
    }
}

/// What is found of the database.
pub fn of_database(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.code.starts_with("db.")).collect()
}

/// The answer to the question for TLS.
pub fn asked(report: &Report) -> Option<SslRequest> {
    report.observations.iter().find_map(|seen| seen.get::<SslRequest>().cloned())
}
