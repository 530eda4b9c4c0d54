//! The broken roads: one for each station and some more, each with the cause it must yield.

use std::any::Any;
use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use reqpath_core::{Role, Target};
use reqpath_stages::Road;
use reqpath_stages::tls::{Bundle, Trust};
use reqpath_testkit::dns::{FakeDns, Zone};
use reqpath_testkit::mock::{ClosedPort, Connection, MockUpstream, Reply, Tls};
use reqpath_testkit::pki::{Authority, Leaf};

/// A broken road.
pub(super) struct Scene {
    pub(super) name: &'static str,
    /// What is broken, for the reader.
    pub(super) broken: &'static str,
    /// The cause that must be named.
    pub(super) code: &'static str,
    pub(super) set: fn() -> Result<Stage, Box<dyn Error + Send + Sync>>,
}

/// A scene that is set up and running.
pub(super) struct Stage {
    pub(super) road: Road,
    pub(super) target: Target,
    pub(super) samples: u32,
    pub(super) deadline: Duration,
    pub(super) controls: Vec<Role>,
    /// The servers, kept until the trace is over.
    pub(super) props: Vec<Box<dyn Any>>,
}

type Set = Result<Stage, Box<dyn Error + Send + Sync>>;

pub(super) static SCENES: &[Scene] = &[
    Scene {
        name: "client",
        broken: "the caller waits 300 ms, the server needs 700 ms",
        code: "client.deadline_too_short",
        set: impatient,
    },
    Scene {
        name: "dns",
        broken: "the name does not exist, says the nameserver",
        code: "dns.name_not_resolved",
        set: no_such_name,
    },
    Scene { name: "tcp", broken: "nothing listens on the port", code: "tcp.refused", set: refused },
    Scene {
        name: "tls",
        broken: "the server's certificate expired three days ago",
        code: "tls.cert.date_invalid",
        set: expired,
    },
    Scene {
        name: "chain",
        broken: "the server leaves out the intermediate certificate",
        code: "tls.cert.incomplete_chain",
        set: incomplete,
    },
    Scene {
        name: "http",
        broken: "the server closes without a byte of answer",
        code: "http.response.empty",
        set: empty,
    },
    Scene {
        name: "response",
        broken: "the answer stops after 10 of its bytes",
        code: "response.truncated",
        set: truncated,
    },
    Scene {
        name: "flaky",
        broken: "every third connection is reset",
        code: "http.response.reset",
        set: every_third,
    },
];

fn stage(road: Road, url: &str) -> Set {
    Ok(Stage {
        road,
        target: Target::get(url)?,
        samples: 1,
        deadline: Duration::from_secs(10),
        controls: Vec::new(),
        props: Vec::new(),
    })
}

impl Stage {
    fn with(mut self, prop: impl Any) -> Self {
        self.props.push(Box::new(prop));
        self
    }
}

/// The road, blind to proxies in the environment: the scene is on loopback.
fn road() -> Road {
    let mut road = Road::new();
    road.client.environment = false;
    road
}

fn impatient() -> Set {
    let mock = MockUpstream::start(Reply::ok("at last").delay(Duration::from_millis(700)))?;
    let mut stage = stage(road(), &mock.url("/report"))?;
    stage.target = stage.target.to_builder().max_time(Duration::from_millis(300)).build();
    stage.controls = vec![Role::Patient];
    Ok(stage.with(mock))
}

fn no_such_name() -> Set {
    let dns = FakeDns::start(Zone::new("example.test").a("www", Ipv4Addr::LOCALHOST))?;
    let mut road = road();
    road.dns.servers = vec![dns.address()];
    Ok(stage(road, "http://wwww.example.test/")?.with(dns))
}

fn refused() -> Set {
    let port = ClosedPort::reserve()?;
    Ok(stage(road(), &format!("http://{}/", port.address()))?.with(port))
}

/// An HTTPS server with this certificate, and a road that trusts its authority.
fn https(authority: &Authority, leaf: &Leaf) -> Set {
    let mock = MockUpstream::builder().tls(Tls::new(leaf)).reply(Reply::ok("hello")).start()?;
    let mut road = road();
    road.tls.trust =
        Trust::Bundle(Bundle::from_pem("the demo's authority", authority.certificate_pem().as_bytes())?);
    road.client.resolve = vec![format!("shop.example.test:{}:127.0.0.1", mock.address().port()).parse()?];
    Ok(stage(road, &mock.url_for("shop.example.test", "/cart"))?.with(mock))
}

fn expired() -> Set {
    let authority = Authority::new()?;
    https(&authority, &authority.leaf("shop.example.test").expired(3).issue()?)
}

fn incomplete() -> Set {
    let authority = Authority::new()?;
    let intermediate = authority.intermediate("Demo Intermediate").issue()?;
    let leaf = intermediate.leaf("shop.example.test").without_intermediates().issue()?;
    let mut stage = https(&authority, &leaf)?;
    stage.road.tls.spare_intermediates = vec![intermediate.certificate_der().clone()];
    Ok(stage)
}

fn empty() -> Set {
    let mock = MockUpstream::start(Reply::close())?;
    Ok(stage(road(), &mock.url("/"))?.with(mock))
}

fn truncated() -> Set {
    let mock = MockUpstream::start(Reply::ok("an answer of some length").truncate_after(10))?;
    Ok(stage(road(), &mock.url("/download"))?.with(mock))
}

fn every_third() -> Set {
    let mock = MockUpstream::builder()
        .connections(Connection::every(3, Connection::reset_after_first_bytes()))
        .reply(Reply::ok("hello"))
        .start()?;
    let mut road = road();
    // Only the client's own connections, so that every third of them is a sample.
    road.http.reuse = false;
    let mut stage = stage(road.road_only(), &mock.url("/"))?;
    stage.samples = 12;
    Ok(stage.with(mock))
}
