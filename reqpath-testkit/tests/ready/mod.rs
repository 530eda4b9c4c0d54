//! The ready-made road, walked along its own path; shared by the tests that do.
#![allow(dead_code, reason = "each test binary needs its own part of this")]

use std::net::SocketAddr;
use std::time::Duration;

use reqpath_core::{Path, Report, Target, Trace, Verdict};
use reqpath_stages::{
    Road, Walk,
    db::SslMode,
    tls::{Bundle, Trust},
};
use reqpath_testkit::lab::{self, Host, WholeRoad, road::RoadBuilder};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Leash, Nginx, RealError};

/// How long one request may take.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(4);
/// How long a connection may take.
pub(crate) const CONNECT: Duration = Duration::from_millis(700);
/// How long anything of the machine's may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A road that is up, and its path as it was when everything was.
pub(crate) struct Ready {
    pub(crate) road: WholeRoad,
    pub(crate) path: Path,
}

/// How one trace is made.
pub(crate) struct How {
    pub(crate) url: String,
    pub(crate) samples: u32,
    pub(crate) stages: Road,
    pub(crate) path: Path,
}

impl Ready {
    pub(crate) fn up(road: RoadBuilder) -> Option<Self> {
        let road = lab::or_skip(road.build())?;
        let path = road.path();
        Some(Self { road, path })
    }

    /// Two nodes, a gateway, IPv4.
    pub(crate) fn calm() -> RoadBuilder {
        WholeRoad::builder().without_ipv6()
    }

    /// The proxies wait for no longer than it takes on a busy machine, and do not try another one instead.
    pub(crate) fn strict() -> RoadBuilder {
        let once = "proxy_next_upstream off; proxy_connect_timeout 600ms; proxy_read_timeout 1500ms;";
        let edge = "proxy_next_upstream off; proxy_connect_timeout 600ms; proxy_read_timeout 1900ms;";
        Self::calm().without_marking_down().edge_directives(edge).gateway_directives(once)
    }

    pub(crate) fn gateway(&mut self) -> &mut Nginx {
        &mut self.road.gateway.as_mut().unwrap().nginx
    }

    pub(crate) fn how(&self, at: &str) -> How {
        How { url: self.road.url(at), samples: 1, stages: Road::new(), path: self.path.clone() }
    }

    /// Traces along the path, from the places of all its hosts.
    pub(crate) fn trace(&self, at: &str) -> Report {
        self.trace_as(self.how(at), |walk| walk)
    }

    /// With so many requests.
    pub(crate) fn trace_often(&self, at: &str, samples: u32) -> Report {
        let mut how = self.how(at);
        how.samples = samples;
        self.trace_as(how, |walk| walk)
    }

    /// Where the application wants TLS of its database, and believes this authority.
    pub(crate) fn trace_over_tls(&self, at: &str, authority: &Authority) -> Report {
        let root =
            || Trust::Bundle(Bundle::from_pem("root", authority.certificate_pem().as_bytes()).unwrap());
        let mut how = self.how(at);
        how.stages.db.mode = SslMode::VerifyFull;
        how.stages.tls.trust = root();
        self.trace_as(how, |walk| walk.believed("database", root()))
    }

    pub(crate) fn trace_as(&self, how: How, more: impl FnOnce(Walk) -> Walk) -> Report {
        let target = Target::builder(&how.url).unwrap().max_time(MAX_TIME).build();
        let client = &self.road.client;
        let mut walk = Walk::new(target, how.path, client.vantage()).road(how.stages);
        for place in self.road.vantages() {
            walk = walk.vantage(place);
        }
        let (pipeline, trace) = more(walk).ready().unwrap();
        let trace: Trace = trace.samples(how.samples).connect_timeout(CONNECT).deadline(PATIENCE);
        let report = client.trace(&pipeline, trace).unwrap();
        assert!(report.errors.is_empty(), "{:#?}", report.errors);
        // What was stored tells the same to whoever reads it later.
        let stored = serde_json::to_vec(&report).unwrap();
        let again = Report::load(&stored).unwrap().judged(pipeline.catalogue());
        assert_eq!(told(&again), told(&report), "judged again");
        report
    }

    /// The directives of a proxy's only location, exchanged while it runs.
    pub(crate) fn reconfigured(nginx: &mut Nginx, from: &str, to: &str) {
        let text = std::fs::read_to_string(nginx.configuration()).unwrap();
        assert!(text.contains(from), "no `{from}` in\n{text}");
        nginx.room().write("nginx.conf", text.replace(from, to)).unwrap();
        nginx.reload().unwrap();
    }
}

/// Ends a server in earnest: when this returns it is gone.
pub(crate) fn off(leash: &mut Leash, signal: &str) {
    leash.signal(signal).unwrap();
    match leash.wait_ready(PATIENCE, || Ok(None::<()>)) {
        Err(RealError::EndedEarly { .. }) => {}
        other => panic!("it goes on: {other:?}"),
    }
}

/// What a plain connection from there meets.
pub(crate) fn dial(from: &Host, to: SocketAddr) -> Result<(), std::io::ErrorKind> {
    let dialled = from.run(|| std::net::TcpStream::connect_timeout(&to, CONNECT)).unwrap();
    dialled.map(drop).map_err(|error| error.kind())
}

/// The status and the body of an answer, as curl in a host gets them; 0 where there is none.
pub(crate) fn curl(from: &Host, url: &str, options: &[&str]) -> Option<(u16, String)> {
    let plain = ["-sS", "--max-time", "10", "--write-out", "\n%{http_code}"];
    let curl = from.command("curl").args(plain).args(options).arg(url);
    let missing = |_| lab::Error::Missing { program: "curl".to_owned(), package: "curl".to_owned() };
    let output = lab::or_skip(curl.output().map_err(missing))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = said.rsplit_once('\n').unwrap();
    Some((status.parse().unwrap(), body.to_owned()))
}

/// `died gateway http.error<tcp.refused`: the kind, the hop that is blamed, the chain.
pub(crate) fn told(report: &Report) -> String {
    let verdict = report.verdict.as_ref().unwrap();
    let hop = verdict.at().map(|at| format!(" {}", at.hop)).unwrap_or_default();
    match verdict {
        Verdict::Died { chain, also, .. } | Verdict::Degraded { chain, also, .. } => {
            let also = if also.is_empty() { String::new() } else { format!(" also {}", also.join(" ")) };
            format!("{}{hop} {}{also}", verdict.kind(), chain.join("<"))
        }
        Verdict::Unknown { why, what_would_tell, .. } => format!("unknown{hop}: {why} ({what_would_tell:?})"),
        _ => verdict.kind().to_owned(),
    }
}

/// The verdict in full, for a failed expectation.
pub(crate) fn shown(report: &Report) -> String {
    reqpath_testkit::assertions::text(report)
}

#[track_caller]
pub(crate) fn assert_told(report: &Report, expected: &str) {
    assert_eq!(told(report), expected, "\n{}", shown(report));
}
