//! Roads of any length in a lab: real proxies one behind the other, a node that translates addresses,
//! an application at the end.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use reqpath_core::{Endpoint, Expectation, Hop, HopId, HopKind, Path, Report, Scheme, Sends, Target};
use reqpath_stages::{
    Road, Walk,
    tls::{Bundle, Trust},
};
use reqpath_testkit::{
    MockUpstream,
    lab::{self, Filter, Host, HostSpec, Lab},
    mock::Tls,
    pki::{Authority, Leaf},
    real::{Nginx, NginxBuilder},
};

use crate::fault::{Fault, MAX_TIME, READ};

/// The port of every server.
const PORT: u16 = 8080;

/// One hop after the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Is {
    /// A real nginx.
    Proxy,
    /// A router that sends what comes to its port to the next hop.
    Node,
    /// The application.
    App,
}

/// A road: the hops after the client, the fault if there is one, and where.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) hops: Vec<Is>,
    pub(crate) faults: Vec<(usize, Fault)>,
}

/// A road that is up.
pub(crate) struct Chain {
    lab: Lab,
    hops: Vec<Is>,
    /// Every leg goes over TLS, where one of them is to fail by that.
    secured: bool,
    authority: Authority,
    leaf: Leaf,
    pub(crate) mocks: HashMap<usize, MockUpstream>,
    pub(crate) proxies: HashMap<usize, Nginx>,
    _filters: Vec<reqpath_testkit::lab::Fault>,
}

impl Plan {
    pub(crate) fn new(hops: &[Is]) -> Self {
        Self { hops: hops.to_vec(), faults: Vec::new() }
    }

    /// The far end of leg `hop` (1 is the first behind the client) has this fault.
    pub(crate) fn with(mut self, hop: usize, fault: Fault) -> Self {
        self.faults.push((hop, fault));
        self
    }

    pub(crate) fn build(&self) -> Option<Chain> {
        Chain::of(self)
    }
}

pub(crate) fn name(hops: &[Is], hop: usize) -> String {
    match hop {
        0 => "client".to_owned(),
        _ => match hops[hop - 1] {
            Is::Proxy => format!("proxy{hop}"),
            Is::Node => format!("node{hop}"),
            Is::App => "shop".to_owned(),
        },
    }
}

impl Chain {
    fn of(plan: &Plan) -> Option<Self> {
        let hops = &plan.hops;
        let secured = plan.faults.iter().any(|(_, fault)| *fault == Fault::BadTls);
        let mut lab = Lab::builder().without_ipv6().switch("net");
        for hop in 0..=hops.len() {
            let host = HostSpec::new(name(hops, hop));
            let router = hop > 0 && hops[hop - 1] == Is::Node;
            lab = lab.host(if router { host.router() } else { host });
        }
        for hop in 0..=hops.len() {
            // What is behind a node is reached through it alone.
            let behind_node = hop > 1 && hops[hop - 2] == Is::Node;
            let to = if behind_node { name(hops, hop - 1) } else { "net".to_owned() };
            lab = lab.link(name(hops, hop), to);
        }
        let lab = lab::or_skip(lab.build())?;
        let authority = Authority::new().unwrap();
        let leaf = authority.leaf("shop.test").issue().unwrap();
        let (mocks, proxies) = (HashMap::new(), HashMap::new());
        let mut chain =
            Self { lab, hops: hops.clone(), secured, authority, leaf, mocks, proxies, _filters: Vec::new() };
        for hop in (1..=hops.len()).rev() {
            let fault = plan.faults.iter().find(|(at, _)| *at == hop).map(|(_, fault)| *fault);
            chain.start(hop, fault)?;
        }
        Some(chain)
    }

    pub(crate) fn host(&self, hop: usize) -> &Host {
        &self.lab[name(&self.hops, hop).as_str()]
    }

    /// Where the hop before dials this one.
    pub(crate) fn address(&self, hop: usize) -> SocketAddr {
        let host = self.host(hop);
        // A node is dialled by its address on the network it shares with the hop before.
        let ip = match host.interface_on("net") {
            Some(interface) => interface.addresses.iter().map(|cidr| cidr.ip()).find(IpAddr::is_ipv4),
            None => None,
        };
        SocketAddr::new(ip.unwrap_or_else(|| host.ipv4().into()), PORT)
    }

    fn start(&mut self, hop: usize, fault: Option<Fault>) -> Option<()> {
        let (host, address) = (self.host(hop).clone(), self.address(hop));
        let is = self.hops[hop - 1];
        match (fault, is) {
            (Some(Fault::Refused), Is::Proxy | Is::App) => return Some(()),
            (Some(Fault::Unanswered), _) => {
                let filter = match is {
                    // What comes from behind it goes on: a node is on the road of others too.
                    Is::Node => Filter::forwarded().to(format!("{}/32", self.address(hop + 1).ip())),
                    _ => Filter::incoming(),
                };
                let filter = filter.tcp_port(PORT).opening().drop();
                self._filters.push(lab::or_skip(host.impose(&filter))?);
            }
            _ => {}
        }
        match is {
            Is::Node => {
                let next = match fault {
                    // Its rules lead to a port where nothing listens.
                    Some(Fault::Refused) => SocketAddr::new(self.address(hop + 1).ip(), 9),
                    _ => self.address(hop + 1),
                };
                let rules = format!(
                    "table ip chain_node {{\n\
                     chain prerouting {{ type nat hook prerouting priority -100; \
                     ip daddr {} tcp dport {PORT} dnat to {next}; }}\n\
                     chain output {{ type nat hook output priority -100; \
                     ip daddr {} tcp dport {PORT} dnat to {next}; }}\n\
                     chain postrouting {{ type nat hook postrouting priority 100; ip daddr {} masquerade; }}\n}}",
                    address.ip(),
                    address.ip(),
                    next.ip()
                );
                lab::or_skip(host.load_rules(&rules))?;
            }
            _ if is == Is::App || fault.is_some_and(|fault| fault != Fault::Unanswered) => {
                let fault = fault.unwrap_or(Fault::Refused);
                let mut mock = MockUpstream::builder()
                    .bind_exactly(address)
                    .connections(fault.connection())
                    .reply(fault.reply(self.hops[..hop - 1].contains(&Is::Proxy)));
                if self.secured {
                    let bad = self.authority.leaf("shop.test").expired(3).issue().unwrap();
                    mock = mock.tls(Tls::new(if fault == Fault::BadTls { &bad } else { &self.leaf }));
                }
                let mock = host.run(|| mock.start()).unwrap().unwrap();
                self.mocks.insert(hop, mock);
            }
            _ => {
                let nginx = self.proxy(hop, address);
                let nginx = lab::or_skip(host.start(|| nginx.start()))?;
                self.proxies.insert(hop, nginx);
            }
        }
        Some(())
    }

    fn proxy(&self, hop: usize, address: SocketAddr) -> NginxBuilder {
        let next = self.address(hop + 1);
        let ssl = if self.secured { " ssl" } else { "" };
        let (scheme, verify) = match self.secured {
            true => (
                "https",
                "proxy_ssl_verify on; proxy_ssl_trusted_certificate {dir}/root.pem; proxy_ssl_name shop.test; proxy_ssl_server_name on;",
            ),
            false => ("http", ""),
        };
        let certificate = match self.secured {
            true => "ssl_certificate {dir}/own.certificate.pem; ssl_certificate_key {dir}/own.key.pem;",
            false => "",
        };
        Nginx::builder()
            .at("it", address)
            .file("root.pem", self.authority.certificate_pem())
            .certificate("own", self.leaf.chain_pem(), self.leaf.key_pem())
            .http("upstream next { server NEXT; }".replace("NEXT", &next.to_string()).as_str())
            .server(&format!(
                "listen {{listen:it}}{ssl};\n{certificate}\n\
                 location / {{\n\
                 proxy_pass {scheme}://next;\n{verify}\n\
                 proxy_http_version 1.1; proxy_set_header Connection '';\n\
                 proxy_connect_timeout {read}ms; proxy_read_timeout {read}ms;\n\
                 proxy_set_header Host $http_host;\n}}",
                // The further out, the longer it waits.
                read = READ.as_millis() * (1 + u128::from(self.proxies_behind(hop))),
            ))
    }

    fn proxies_behind(&self, hop: usize) -> u32 {
        u32::from(self.hops[hop..].contains(&Is::Proxy))
    }

    /// The path as a person would describe it.
    pub(crate) fn path(&self) -> Path {
        let hops = (0..=self.hops.len()).map(|hop| {
            let kind = match hop {
                0 => HopKind::Client,
                _ => match self.hops[hop - 1] {
                    Is::Proxy => HopKind::Nginx,
                    Is::Node => HopKind::Node,
                    Is::App => HopKind::Pod,
                },
            };
            let name = name(&self.hops, hop);
            let mut described = Hop::new(name.as_str(), kind).seen_from(name.as_str());
            if hop > 0 {
                described = described.at(Endpoint::from(self.address(hop)));
            }
            if hop > 1 {
                let mut sends = Sends::default();
                sends.scheme = self.secured.then_some(Scheme::Https);
                sends.verifies = self.secured;
                described = described.sent(sends);
            }
            described
        });
        Path::new(hops.collect())
    }

    pub(crate) fn target(&self) -> Target {
        let scheme = if self.secured { "https" } else { "http" };
        let mut expect = Expectation::default();
        expect.status = vec!["200".parse().unwrap()];
        Target::builder(&format!("{scheme}://shop.test:{PORT}/cart"))
            .unwrap()
            .max_time(MAX_TIME)
            .expect(expect)
            .build()
    }

    /// Traces along the path, with the vantages of all its hosts.
    pub(crate) fn trace(&self) -> Report {
        self.trace_along(self.path(), 1)
    }

    pub(crate) fn trace_along(&self, path: Path, samples: u32) -> Report {
        let client = self.host(0);
        let mut road = Road::new();
        road.client.resolve.push(format!("shop.test:{PORT}:{}", self.address(1).ip()).parse().unwrap());
        let root = Bundle::from_pem("root", self.authority.certificate_pem().as_bytes()).unwrap();
        road.tls.trust = Trust::Bundle(root.clone());
        let hops: Vec<HopId> = path.hops.iter().map(|hop| hop.id.clone()).collect();
        let mut walk = Walk::new(self.target(), path, client.vantage()).road(road);
        for (number, hop) in hops.into_iter().enumerate() {
            walk = walk.vantage(self.host(number).vantage()).believed(hop, Trust::Bundle(root.clone()));
        }
        let (pipeline, trace) = walk.ready().unwrap();
        client.trace(&pipeline, trace.samples(samples).connect_timeout(READ).deadline(MAX_TIME * 4)).unwrap()
    }
}

/// `died shop http.error<tcp.refused`: the kind, the hop that is blamed, the chain.
pub(crate) fn told(report: &Report) -> String {
    use reqpath_core::Verdict;
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

/// How each request of a trace ended, a line each.
pub(crate) fn trials(report: &Report) -> String {
    let trials = report.observations.iter().filter(|seen| seen.kind() == "request.trial");
    trials.map(|seen| format!("\n    {}: {}", seen.subject, seen.brief())).collect()
}
