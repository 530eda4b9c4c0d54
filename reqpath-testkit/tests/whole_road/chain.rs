//! Roads of any length in a lab: real proxies one behind the other, a node that translates addresses,
//! an application at the end, or several instances of it.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqpath_core::{Endpoint, Hop, HopKind, Path, Report, Scheme, Sends};
use reqpath_testkit::{
    MockUpstream,
    lab::{self, Filter, Host, HostSpec, Lab, Link},
    mock::{Connection, Reply, Request, Tls},
    pki::{Authority, Leaf},
    real::{Nginx, NginxBuilder},
};

use crate::asking::Asking;
use crate::fault::{Fault, MAX_TIME, READ};

/// The port of every server.
pub(crate) const PORT: u16 = 8080;
/// How every proxy writes its access log.
pub(crate) const LOG_FORMAT: &str = "$remote_addr [$time_iso8601] \"$request\" $status $body_bytes_sent \
    \"$http_user_agent\" id=$http_x_request_id to=$upstream_addr got=$upstream_status in=$upstream_response_time";

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

/// Which legs go over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Secured {
    #[default]
    None,
    /// The client's alone.
    Front,
    /// All, and proxies verify whom they dial.
    All,
    /// All, and no proxy verifies anybody.
    Unverified,
}

/// The name of the database.
const DATABASE: &str = "db";

type Answers = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;
type Starts = Arc<dyn Fn(&Chain, usize) -> Option<Box<dyn Any + Send + Sync>> + Send + Sync>;

/// A road: the hops after the client, what is wrong or odd about them, and where.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    hops: Vec<Is>,
    faults: Vec<(usize, Fault)>,
    /// How many more instances of the last hop there are, each with its fault.
    more: Vec<Option<Fault>>,
    answers: HashMap<usize, Answers>,
    connections: HashMap<usize, Connection>,
    /// What stands in the location, the server and the http block of a proxy besides.
    location: HashMap<usize, String>,
    http: HashMap<usize, String>,
    listen: HashMap<usize, String>,
    upstream: HashMap<usize, String>,
    started: HashMap<usize, Starts>,
    filters: Vec<(usize, Out)>,
    secured: Secured,
    delay: Duration,
    waits: Option<Duration>,
    ipv6: bool,
    dead_database: bool,
}

/// Whose packets a hop drops: those of this hop.
#[derive(Clone, Copy)]
struct Out(usize);

/// A road that is up.
pub(crate) struct Chain {
    lab: Lab,
    plan: Plan,
    authority: Authority,
    leaf: Leaf,
    /// Servers that are no nginx, by the name of their host.
    pub(crate) mocks: BTreeMap<String, MockUpstream>,
    pub(crate) proxies: BTreeMap<usize, Nginx>,
    _others: Vec<Box<dyn Any + Send + Sync>>,
    _filters: Vec<reqpath_testkit::lab::Fault>,
}

impl Plan {
    pub(crate) fn new(hops: &[Is]) -> Self {
        Self { hops: hops.to_vec(), ..Self::default() }
    }

    /// The far end of leg `hop` (1 is the first behind the client) has this fault.
    pub(crate) fn with(mut self, hop: usize, fault: Fault) -> Self {
        if fault == Fault::BadTls && self.secured == Secured::None {
            self.secured = Secured::All;
        }
        self.faults.push((hop, fault));
        self
    }

    /// One more instance of the application.
    pub(crate) fn and(mut self, fault: Option<Fault>) -> Self {
        self.more.push(fault);
        self
    }

    /// The application answers so.
    pub(crate) fn answers(mut self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        self.answers.insert(self.hops.len(), Arc::new(answer));
        self
    }

    /// The server of this hop treats connections so.
    pub(crate) fn connections(mut self, hop: usize, connections: Connection) -> Self {
        self.connections.insert(hop, connections);
        self
    }

    /// Adds directives to the location of a proxy, in place of its own of the same names.
    pub(crate) fn location(mut self, hop: usize, text: &str) -> Self {
        self.location.insert(hop, text.to_owned());
        self
    }

    /// Adds directives to the `http` block of a proxy.
    pub(crate) fn http(mut self, hop: usize, text: &str) -> Self {
        self.http.insert(hop, text.to_owned());
        self
    }

    /// Adds parameters to the `listen` of a proxy.
    pub(crate) fn listen(mut self, hop: usize, text: &str) -> Self {
        self.listen.insert(hop, text.to_owned());
        self
    }

    /// Adds directives to the `upstream` of a proxy.
    pub(crate) fn upstream(mut self, hop: usize, text: &str) -> Self {
        self.upstream.insert(hop, text.to_owned());
        self
    }

    /// Something else than an nginx stands in the place of a proxy.
    pub(crate) fn started(
        mut self,
        hop: usize,
        start: impl Fn(&Chain, usize) -> Option<Box<dyn Any + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.started.insert(hop, Arc::new(start));
        self
    }

    /// A hop drops whatever comes from another one.
    pub(crate) fn drops_from(mut self, hop: usize, other: usize) -> Self {
        self.filters.push((hop, Out(other)));
        self
    }

    pub(crate) fn secured(mut self, secured: Secured) -> Self {
        self.secured = secured;
        self
    }

    /// Each cable holds what passes it back for so long.
    pub(crate) fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The innermost proxy waits for so long, and each further out for longer.
    pub(crate) fn waits(mut self, waits: Duration) -> Self {
        self.waits = Some(waits);
        self
    }

    /// The lab speaks IPv6 as well.
    pub(crate) fn ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    /// The application asks a database, and nothing listens there.
    pub(crate) fn dead_database(mut self) -> Self {
        self.dead_database = true;
        self
    }

    pub(crate) fn build(&self) -> Option<Chain> {
        Chain::of(self)
    }

    fn fault(&self, hop: usize) -> Option<Fault> {
        self.faults.iter().find(|(at, _)| *at == hop).map(|(_, fault)| *fault)
    }

    /// How long the proxies of this road wait.
    fn read(&self) -> Duration {
        self.waits.unwrap_or(READ)
    }

    pub(crate) fn max_time(&self) -> Duration {
        self.waits.map_or(MAX_TIME, |waits| waits * 4)
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
        let mut lab = Lab::builder().switch("net");
        if !plan.ipv6 {
            lab = lab.without_ipv6();
        }
        let cable = |one: String, other: &str| Link::between(one, other).delay(plan.delay);
        for hop in 0..=hops.len() {
            let host = HostSpec::new(name(hops, hop));
            let router = hop > 0 && hops[hop - 1] == Is::Node;
            lab = lab.host(if router { host.router() } else { host });
        }
        for instance in 0..plan.more.len() {
            lab = lab.host(instance_name(instance)).connect(cable(instance_name(instance), "net"));
        }
        for hop in 0..=hops.len() {
            // What is behind a node is reached through it alone.
            let behind_node = hop > 1 && hops[hop - 2] == Is::Node;
            let to = if behind_node { name(hops, hop - 1) } else { "net".to_owned() };
            lab = lab.connect(cable(name(hops, hop), &to));
        }
        if plan.dead_database {
            lab = lab.host(DATABASE).connect(cable(DATABASE.to_owned(), "net"));
        }
        let lab = lab::or_skip(lab.build())?;
        let authority = Authority::new().unwrap();
        let leaf = authority.leaf("shop.test").issue().unwrap();
        let mut chain = Self {
            lab,
            plan: plan.clone(),
            authority,
            leaf,
            mocks: BTreeMap::new(),
            proxies: BTreeMap::new(),
            _others: Vec::new(),
            _filters: Vec::new(),
        };
        for (instance, fault) in plan.more.iter().enumerate() {
            let host = chain.lab[instance_name(instance).as_str()].clone();
            chain.serve(&host, SocketAddr::new(host.ipv4().into(), PORT), plan.hops.len(), *fault)?;
        }
        for hop in (1..=hops.len()).rev() {
            chain.start(hop, plan.fault(hop))?;
        }
        for (hop, Out(other)) in &plan.filters {
            let filter = Filter::incoming().tcp_port(PORT).from(format!("{}/32", chain.host(*other).ipv4()));
            chain._filters.push(lab::or_skip(chain.host(*hop).impose(&filter.drop()))?);
        }
        Some(chain)
    }

    pub(crate) fn len(&self) -> usize {
        self.plan.hops.len()
    }

    pub(crate) fn is(&self, hop: usize) -> Is {
        self.plan.hops[hop - 1]
    }

    pub(crate) fn name(&self, hop: usize) -> String {
        name(&self.plan.hops, hop)
    }

    pub(crate) fn host(&self, hop: usize) -> &Host {
        &self.lab[self.name(hop).as_str()]
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn secured(&self) -> Secured {
        self.plan.secured
    }

    pub(crate) fn max_time(&self) -> Duration {
        self.plan.max_time()
    }

    /// Where the hop before dials this one.
    pub(crate) fn address(&self, hop: usize) -> SocketAddr {
        let host = self.host(hop);
        // A node is dialled by its address on the network it shares with the hop before.
        let ip = match host.interface_on("net") {
            Some(interface) => interface.addresses.iter().map(lab::Cidr::ip).find(IpAddr::is_ipv4),
            None => None,
        };
        SocketAddr::new(ip.unwrap_or_else(|| host.ipv4().into()), PORT)
    }

    /// Where its further instances are dialled, of the last hop.
    fn further(&self, hop: usize) -> Vec<SocketAddr> {
        let instances = 0..if hop == self.len() { self.plan.more.len() } else { 0 };
        let ip = |instance: usize| self.lab[instance_name(instance).as_str()].ipv4();
        instances.map(|instance| SocketAddr::new(ip(instance).into(), PORT)).collect()
    }

    fn start(&mut self, hop: usize, fault: Option<Fault>) -> Option<()> {
        let (host, address, is) = (self.host(hop).clone(), self.address(hop), self.is(hop));
        if is == Is::App {
            return self.serve(&host, address, hop, fault);
        }
        match (fault, is) {
            (Some(Fault::Refused), Is::Proxy) => return Some(()),
            (Some(Fault::Unanswered), Is::Node) => {
                // What comes from behind it goes on: a node is on the road of others too.
                let behind = Filter::forwarded().to(format!("{}/32", self.address(hop + 1).ip()));
                let filter = behind.tcp_port(PORT).opening().drop();
                self._filters.push(lab::or_skip(host.impose(&filter))?);
            }
            _ => {}
        }
        if is == Is::Node {
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
            return Some(());
        }
        if let Some(start) = self.plan.started.get(&hop).cloned() {
            self._others.push(start(self, hop)?);
            return Some(());
        }
        if fault.is_some_and(|fault| fault != Fault::Unanswered) {
            return self.serve(&host, address, hop, fault);
        }
        self.unanswered(&host, fault)?;
        let nginx = self.proxy(hop, address);
        self.proxies.insert(hop, lab::or_skip(host.start(|| nginx.start()))?);
        Some(())
    }

    fn unanswered(&mut self, host: &Host, fault: Option<Fault>) -> Option<()> {
        if fault == Some(Fault::Unanswered) {
            let filter = Filter::incoming().tcp_port(PORT).opening().drop();
            self._filters.push(lab::or_skip(host.impose(&filter))?);
        }
        Some(())
    }

    /// A server that is no proxy: an application, or something broken in the place of a proxy.
    fn serve(&mut self, host: &Host, address: SocketAddr, hop: usize, fault: Option<Fault>) -> Option<()> {
        if fault == Some(Fault::Refused) {
            return Some(());
        }
        self.unanswered(host, fault)?;
        let behind_proxy = self.plan.hops[..hop - 1].contains(&Is::Proxy);
        let connections = self.plan.connections.get(&hop).cloned();
        let connections = connections.unwrap_or_else(|| fault.map_or(Connection::serve(), Fault::connection));
        let mock = MockUpstream::builder().bind_exactly(address).connections(connections);
        let mut mock = match (fault, self.plan.answers.get(&hop).cloned()) {
            (None | Some(Fault::BadTls), Some(answers)) => {
                mock.reply(move |request: &Request| answers(request))
            }
            (fault, _) => mock.reply(fault.map_or(Reply::ok("fine"), |fault| fault.reply(behind_proxy))),
        };
        if self.is_secured(hop) {
            let bad = self.authority.leaf("shop.test").expired(3).issue().unwrap();
            mock = mock.tls(Tls::new(if fault == Some(Fault::BadTls) { &bad } else { &self.leaf }));
        }
        let mock = host.run(|| mock.start()).unwrap().unwrap();
        self.mocks.insert(host.name().to_owned(), mock);
        Some(())
    }

    /// Whether the leg to this hop goes over TLS.
    fn is_secured(&self, hop: usize) -> bool {
        match self.plan.secured {
            Secured::None => false,
            Secured::Front => hop == 1,
            Secured::All | Secured::Unverified => true,
        }
    }

    fn proxy(&self, hop: usize, address: SocketAddr) -> NginxBuilder {
        let text = |of: &HashMap<usize, String>| of.get(&hop).cloned().unwrap_or_default();
        // `FROM1` stands for the address of the first hop.
        let from = (0..=self.len()).map(|hop| (format!("FROM{hop}"), self.host(hop).ipv4().to_string()));
        let own = from.fold(text(&self.plan.location), |own, (what, address)| own.replace(&what, &address));
        let further = self.further(hop + 1).into_iter().map(|at| format!("server {at} max_fails=0; "));
        let next: String = std::iter::once(format!("server {} max_fails=0; ", self.address(hop + 1)))
            .chain(further)
            .collect();
        let (ssl, certificate) = match self.is_secured(hop) {
            true => {
                (" ssl", "ssl_certificate {dir}/own.certificate.pem; ssl_certificate_key {dir}/own.key.pem;")
            }
            false => ("", ""),
        };
        let scheme = if self.is_secured(hop + 1) { "https" } else { "http" };
        // The further out, the longer it waits.
        let read = self.plan.read().as_millis() * (1 + u128::from(self.proxies_behind(hop)));
        let mut directives = vec![
            format!("proxy_pass {scheme}://next"),
            "proxy_http_version 1.1".to_owned(),
            "proxy_set_header Connection ''".to_owned(),
            format!("proxy_connect_timeout {read}ms"),
            format!("proxy_read_timeout {read}ms"),
            "proxy_set_header Host $http_host".to_owned(),
        ];
        if self.is_secured(hop + 1) && self.plan.secured != Secured::Unverified {
            directives.extend([
                "proxy_ssl_verify on".to_owned(),
                "proxy_ssl_trusted_certificate {dir}/root.pem".to_owned(),
                "proxy_ssl_name shop.test".to_owned(),
                "proxy_ssl_server_name on".to_owned(),
            ]);
        }
        // What the test says takes the place of what is said here.
        let replaced = |directive: &str| {
            let words = if directive.starts_with("proxy_set_header") { 2 } else { 1 };
            let name: Vec<&str> = directive.split_whitespace().take(words).collect();
            own.contains(&name.join(" ")) || directive.starts_with("proxy_pass") && own.starts_with("return ")
        };
        directives.retain(|directive| !replaced(directive));
        let directives: String = directives.iter().map(|directive| format!("{directive};\n")).collect();
        Nginx::builder()
            .at("it", address)
            .file("root.pem", self.authority.certificate_pem())
            .certificate("own", self.leaf.chain_pem(), self.leaf.key_pem())
            .http(&format!("log_format road '{LOG_FORMAT}';\naccess_log {{dir}}/access.log road;"))
            .http(&format!("upstream next {{ {next}{} }}", text(&self.plan.upstream)))
            .http(&text(&self.plan.http))
            .server(&format!(
                "listen {{listen:it}}{ssl} {};\n{certificate}\nlocation / {{\n{own}\n{directives}}}",
                text(&self.plan.listen),
            ))
    }

    fn proxies_behind(&self, hop: usize) -> u32 {
        u32::from(self.plan.hops[hop..].contains(&Is::Proxy))
    }

    /// The path as a person would describe it.
    pub(crate) fn path(&self) -> Path {
        let hops = (0..=self.len()).map(|hop| {
            let kind = match hop {
                0 => HopKind::Client,
                _ => match self.is(hop) {
                    Is::Proxy => HopKind::Nginx,
                    Is::Node => HopKind::Node,
                    Is::App => HopKind::Pod,
                },
            };
            let name = self.name(hop);
            let mut described = Hop::new(name.as_str(), kind).seen_from(name.as_str());
            if hop > 0 {
                described = described.at(Endpoint::from(self.address(hop)));
                described.addresses.extend(self.further(hop).into_iter().map(Endpoint::from));
            }
            if hop > 1 {
                let mut sends = Sends::default();
                sends.scheme = self.is_secured(hop).then_some(Scheme::Https);
                sends.verifies = self.plan.secured == Secured::All;
                described = described.sent(sends);
            }
            described
        });
        let database = self.plan.dead_database.then(|| {
            let at = SocketAddr::new(self.lab[DATABASE].ipv4().into(), 5432);
            Hop::new(DATABASE, HopKind::Db).at(Endpoint::from(at)).branch_of(self.name(self.len()).as_str())
        });
        Path::new(hops.chain(database).collect())
    }

    /// A trace to be made, along the path with the vantages of all its hosts unless told otherwise.
    pub(crate) fn ask(&self) -> Asking<'_> {
        Asking::of(self)
    }

    pub(crate) fn trace(&self) -> Report {
        self.ask().report()
    }

    /// The requests that the server of a hop has seen, by the number that each bears in its trace.
    pub(crate) fn seen_by(&self, hop: usize, trace: &str) -> Vec<u32> {
        let number = |id: &str| match id.strip_prefix(trace)? {
            "" => Some(0),
            number => number.strip_prefix('-')?.parse().ok(),
        };
        if let Some(nginx) = self.proxies.get(&hop) {
            let lines = nginx.access_log().lines();
            let ids = lines.iter().filter_map(|line| line.split_once(" id=")?.1.split(' ').next());
            return ids.filter_map(number).collect();
        }
        let names: Vec<String> = match hop == self.len() {
            true => {
                std::iter::once(self.name(hop)).chain((0..self.plan.more.len()).map(instance_name)).collect()
            }
            false => vec![self.name(hop)],
        };
        let requests = names.iter().filter_map(|name| self.mocks.get(name)).flat_map(MockUpstream::requests);
        requests.filter_map(|request| number(request.header("x-request-id")?)).collect()
    }
}

fn instance_name(instance: usize) -> String {
    format!("shop{}", instance + 2)
}
