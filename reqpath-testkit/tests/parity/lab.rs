//! Faults of a network between, on real networks made of namespaces.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use reqpath_core::{Report, Route, Target, Trace};
use reqpath_stages::Road;
use reqpath_testkit::FakeVantage;
use reqpath_testkit::lab::{self, DeadRoute, Filter, HostSpec, Lab, Rejection};
use reqpath_testkit::vantage::{Dial, FakeVantageBuilder, Lookup};

use crate::body::{runtime, same, walk};

/// The port that is asked for, on the server of the lab.
const PORT: u16 = 8080;

/// A client, a router that can forbid things, and a server.
struct Net(Lab);

impl Net {
    fn build() -> Option<Self> {
        let lab = Lab::builder()
            .host(HostSpec::new("client").knows("shop.test", "server"))
            .router("edge")
            .host("server")
            .link("client", "edge")
            .link("edge", "server")
            .without_ipv6()
            .build();
        lab::or_skip(lab).map(Self)
    }

    fn client(&self) -> IpAddr {
        self.0["client"].ipv4().into()
    }

    fn server(&self) -> IpAddr {
        self.0["server"].ipv4().into()
    }

    /// The edge as the client sees it.
    fn edge(&self) -> IpAddr {
        self.0["edge"].interface_on("client-edge").unwrap().addresses[0].ip()
    }

    /// The way to the server, as the client's kernel tells it.
    fn route(&self) -> Route {
        let mut route = Route::new("unicast");
        route.interface = Some(self.0["client"].interfaces()[0].name.clone());
        route.gateway = Some(self.edge());
        route.source = Some(self.client());
        route
    }

    /// A fake of the client, with the way to the server.
    fn fake(&self) -> FakeVantageBuilder {
        FakeVantage::builder().named("client").from(self.client()).route(self.server(), self.route())
    }

    /// Walks from the client and in memory, with the kernel's looks at the connection, and compares.
    #[track_caller]
    fn compare(&self, host: &str, fake: FakeVantageBuilder) -> Report {
        let url = format!("http://{host}:{PORT}/x");
        let target = Target::builder(&url).unwrap().max_time(Duration::from_millis(1500)).build();
        let mut road = Road::new().road_only();
        road.tcp.side_looks = true;
        road.tcp.connect_timeout = Duration::from_millis(800);
        let client = &self.0["client"];
        let on_sockets = client
            .trace(
                &road.clone().pipeline().unwrap(),
                Trace::new(target.clone(), client.vantage()).without_last_try(),
            )
            .unwrap();
        let in_memory = runtime(true).block_on(async {
            let vantage = fake.build();
            let report = walk(vantage.clone(), road, target).await;
            vantage.verify().unwrap();
            report
        });
        same(&on_sockets, &in_memory);
        in_memory
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(self.server(), PORT)
    }
}

#[test]
fn a_closed_port_behind_a_router() {
    lab::rootless(|| {
        let Some(net) = Net::build() else { return };
        net.compare(&net.server().to_string(), net.fake().tcp(net.address(), Dial::refused()));
    });
}

/// What the edge does to connections, and the fake of it.
#[track_caller]
fn filtered(filter: Filter, dial: impl FnOnce(&Net) -> Dial) -> Option<Report> {
    let net = Net::build()?;
    let _listener = net.0["server"].run(|| TcpListener::bind(("0.0.0.0", PORT))).unwrap().unwrap();
    lab::or_skip(net.0["edge"].rules())?;
    let fault = net.0["edge"].impose(&filter.tcp_port(PORT)).unwrap();
    let report = net.compare(&net.server().to_string(), net.fake().tcp(net.address(), dial(&net)));
    assert!(fault.packets().unwrap() > 0, "the fault was not met");
    Some(report)
}

#[test]
fn a_firewall_that_says_so() {
    lab::rootless(|| {
        let filter = Filter::forwarded().reject(Rejection::AdminProhibited);
        let report = filtered(filter, |net| Dial::prohibited(net.edge()));
        if let Some(report) = report {
            reqpath_testkit::assert_died!(report, of "tcp.administratively_prohibited");
        }
    });
}

#[test]
fn a_router_that_finds_nobody() {
    lab::rootless(|| {
        let filter = Filter::forwarded().reject(Rejection::HostUnreachable);
        let report = filtered(filter, |net| Dial::unreachable(net.edge()));
        if let Some(report) = report {
            reqpath_testkit::assert_died!(report, of "tcp.address_unreachable");
        }
    });
}

#[test]
fn a_firewall_that_is_silent() {
    lab::rootless(|| {
        let report = filtered(Filter::forwarded().drop(), |_| Dial::silent());
        if let Some(report) = report {
            reqpath_testkit::assert_died!(report, of "tcp.timed_out");
        }
    });
}

#[test]
fn a_host_without_a_route() {
    lab::rootless(|| {
        let Some(net) = Net::build() else { return };
        let elsewhere: IpAddr = [203, 0, 113, 7].into();
        net.0["client"].remove_routes("0.0.0.0/0").unwrap();
        let fake = net.fake().tcp((elsewhere, PORT), Dial::no_route()).route(elsewhere, Route::new("none"));
        let report = net.compare(&elsewhere.to_string(), fake);
        reqpath_testkit::assert_died!(report, of "tcp.no_local_route");
    });
}

#[test]
fn a_route_to_nowhere() {
    lab::rootless(|| {
        let Some(net) = Net::build() else { return };
        let elsewhere: IpAddr = [203, 0, 113, 7].into();
        net.0["client"].add_dead_route("203.0.113.0/24", DeadRoute::Unreachable).unwrap();
        // The kernel refuses at once, before the socket has an address; nobody sends a message.
        let mut failure = reqpath_core::ConnectFailure::new("No route to host");
        (failure.errno, failure.symbol) = (Some(113), Some("EHOSTUNREACH".into()));
        let fake = net
            .fake()
            .tcp((elsewhere, PORT), Dial::fails(failure))
            .route(elsewhere, Route::new("unreachable"));
        net.compare(&elsewhere.to_string(), fake);
    });
}

#[test]
fn a_name_of_the_hosts_file() {
    lab::rootless(|| {
        let Some(net) = Net::build() else { return };
        let fake = net.fake().name("shop.test", Lookup::addresses([net.server()]));
        net.compare("shop.test", fake.tcp(net.address(), Dial::refused()));
    });
}
