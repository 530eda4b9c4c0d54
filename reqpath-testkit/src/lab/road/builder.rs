//! Building the road: first the network, then the parts, as many at a time as do not need each other.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use super::super::{Error, HostSpec, Lab};
use super::{
    Application, DATABASE_PORT, Database, EDGE_PORT, GATEWAY_PORT, NODE_PORT, NameServer, Node, POD_PORT,
    Pod, Proxy, WholeRoad,
    application::Asks,
    names::{self, INSIDE, OUTSIDE},
    path::LOG_FORMAT,
    secure::Verified,
    service::Service,
};
use crate::{
    pki::{Authority, Leaf, PkiError},
    real::{Knot, Nginx, Postgres},
};

const USER: &str = "application";
const PASSWORD: &str = "not-a-secret";
/// The one that every server has: to make another would copy a thousand files.
const NAME: &str = "postgres";

/// Which Pods a node hands requests to, and as whom: a Service's `externalTrafficPolicy`.
///
/// ```
/// use reqpath_testkit::lab::{WholeRoad, road::TrafficPolicy};
///
/// assert_eq!(TrafficPolicy::default(), TrafficPolicy::Cluster);
/// let road = WholeRoad::builder().traffic_policy(TrafficPolicy::Local);
/// # let _ = road;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TrafficPolicy {
    /// Any Pod of the Service, with the node's own address as the source.
    #[default]
    Cluster,
    /// The Pod behind this node only, which sees the source as it was.
    Local,
}

/// Gathers what a [`WholeRoad`] is to be, then builds it.
///
/// ```
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
/// let Some(road) = lab::or_skip(road.build()) else { return };
/// assert!(road.gateway.is_none());
/// assert_eq!((road.nodes.len(), road.pods.len()), (1, 1));
/// ```
///
/// With directives that a proxy of the road would have in earnest:
///
/// ```
/// use reqpath_testkit::lab::{self, WholeRoad};
///
/// let builder = WholeRoad::builder()
///     .nodes(1)
///     .without_ipv6()
///     .edge_directives("proxy_read_timeout 1s;")
///     .gateway_directives("proxy_next_upstream off;");
/// let Some(road) = lab::or_skip(builder.build()) else { return };
/// let written = std::fs::read_to_string(road.edge.nginx.configuration()).unwrap();
/// assert!(written.contains("proxy_read_timeout 1s;"));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct RoadBuilder {
    nodes: usize,
    gateway: bool,
    ipv6: bool,
    policy: TrafficPolicy,
    edge: String,
    behind: String,
    marks_down: bool,
    secured: Option<Secured>,
}

/// How the database and its clients agree on TLS.
#[derive(Debug, Clone)]
struct Secured {
    chain: String,
    key: String,
    believed: Arc<rustls::ClientConfig>,
}

impl Default for RoadBuilder {
    fn default() -> Self {
        Self {
            nodes: 2,
            gateway: true,
            ipv6: true,
            policy: TrafficPolicy::default(),
            edge: String::new(),
            behind: String::new(),
            marks_down: true,
            secured: None,
        }
    }
}

impl RoadBuilder {
    /// So many nodes, one at least, each with a Pod behind it.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes.max(1);
        self
    }

    /// Without a gateway: the edge hands requests to the nodes.
    pub fn without_gateway(mut self) -> Self {
        self.gateway = false;
        self
    }

    /// With IPv4 only.
    pub fn without_ipv6(mut self) -> Self {
        self.ipv6 = false;
        self
    }

    /// With this policy of the Service.
    pub fn traffic_policy(mut self, policy: TrafficPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Adds directives to the only `location` of the edge's nginx, as in `proxy_read_timeout 1s;`.
    pub fn edge_directives(mut self, text: &str) -> Self {
        self.edge.push_str(text);
        self.edge.push('\n');
        self
    }

    /// Adds directives to the only `location` of the gateway's nginx.
    pub fn gateway_directives(mut self, text: &str) -> Self {
        self.behind.push_str(text);
        self.behind.push('\n');
        self
    }

    /// The proxies never mark a server down that failed (`max_fails=0`), so that each failure stays one.
    ///
    /// Otherwise nginx leaves out for ten seconds whom it could not ask once, and says that there are
    /// no live upstreams when that were all of them.
    ///
    /// ```
    /// use reqpath_testkit::lab::{self, WholeRoad};
    ///
    /// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6().without_marking_down();
    /// let Some(road) = lab::or_skip(road.build()) else { return };
    /// let written = std::fs::read_to_string(road.edge.nginx.configuration()).unwrap();
    /// assert!(written.contains("max_fails=0"), "{written}");
    /// ```
    pub fn without_marking_down(mut self) -> Self {
        self.marks_down = false;
        self
    }

    /// The database serves this certificate, and the application wants TLS of it: it believes this authority
    /// alone, and wants the name `database.road.test`.
    ///
    /// ```
    /// use reqpath_testkit::{lab::{self, WholeRoad}, pki::Authority};
    ///
    /// let authority = Authority::new().unwrap();
    /// let leaf = authority.leaf("another.test").issue().unwrap();
    /// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
    /// let Some(road) = lab::or_skip(road.database_over_tls(&authority, &leaf).unwrap().build()) else { return };
    /// let curl = road.client.command("curl").args(["--silent", "--max-time", "20"]).arg(road.url("/db"));
    /// let answer = String::from_utf8(curl.output().unwrap().stdout).unwrap();
    /// assert!(answer.contains("invalid peer certificate"), "{answer}");
    /// ```
    ///
    /// # Errors
    /// When the authority cannot be believed.
    pub fn database_over_tls(mut self, authority: &Authority, leaf: &Leaf) -> Result<Self, PkiError> {
        let (chain, key) = (leaf.chain_pem(), leaf.key_pem());
        let believed = Arc::new(authority.client_config()?);
        self.secured = Some(Secured { chain: chain.into(), key: key.into(), believed });
        Ok(self)
    }

    /// Builds the road; when this returns, every part serves.
    ///
    /// # Errors
    /// When the machine lacks something ([`Error::is_missing`]), or a part does not start.
    pub fn build(self) -> Result<WholeRoad, Error> {
        let lab = self.network()?;
        let ((dns, database), pods) = both(
            || both(|| self.dns(&lab), || self.database(&lab)),
            || (1..=self.nodes).map(|number| self.pod(&lab, number)).collect::<Result<Vec<_>, _>>(),
        )?;
        let addresses: Vec<Vec<IpAddr>> = pods.iter().map(|pod| pod.host.ips().collect()).collect();
        let nodes = || {
            let node = |own| {
                let host = lab.host(&format!("node{}", own + 1))?.clone();
                host.load_rules(&Service { pods: &addresses, own, policy: self.policy }.rules())?;
                Ok(Node { host })
            };
            (0..self.nodes).map(node).collect::<Result<Vec<_>, Error>>()
        };
        let proxies = || both(|| self.edge(&lab), || self.gateway.then(|| self.gateway(&lab)).transpose());
        let (nodes, (edge, gateway)) = both(nodes, proxies)?;
        let client = lab.host("client")?.clone();
        Ok(WholeRoad { lab, client, dns, edge, gateway, nodes, pods, database })
    }

    fn network(&self) -> Result<Lab, Error> {
        let mut lab = Lab::builder().switch(OUTSIDE).switch(INSIDE);
        if !self.ipv6 {
            lab = lab.without_ipv6();
        }
        let host = |name: &str| HostSpec::new(name).nameserver("dns");
        lab = lab.host(host("client")).host("dns").host(host("edge"));
        // Who shares no network with the DNS server asks it by its first address: the one inside.
        lab = lab.link("dns", INSIDE).link("edge", INSIDE);
        lab = lab.link("client", OUTSIDE).link("dns", OUTSIDE).link("edge", OUTSIDE);
        if self.gateway {
            lab = lab.host(host("gateway")).link("gateway", INSIDE);
        }
        lab = lab.host(host("database")).link("database", INSIDE);
        for number in 1..=self.nodes {
            let (node, pod) = (format!("node{number}"), format!("pod{number}"));
            lab = lab.host(host(&node).router()).link(node.as_str(), INSIDE);
            lab = lab.host(host(&pod)).link(node, pod);
        }
        lab.build()
    }

    fn dns(&self, lab: &Lab) -> Result<NameServer, Error> {
        let host = lab.host("dns")?.clone();
        // Over either family: it is asked by its IPv4 address alone, and answers for both.
        let (zone, at) = (names::zone(lab), (Ipv4Addr::UNSPECIFIED, 53).into());
        let knot = host.start(|| Knot::builder().zone(zone).at(at).start())?;
        Ok(NameServer { host, knot })
    }

    fn pod(&self, lab: &Lab, number: usize) -> Result<Pod, Error> {
        let name = format!("pod{number}");
        let host = lab.host(&name)?.clone();
        let mut database = tokio_postgres::Config::new();
        database.host(names::DATABASE).port(DATABASE_PORT).user(USER).password(PASSWORD).dbname(NAME);
        database.application_name(&name);
        let secured = self.secured.as_ref().map(|secured| Verified(Arc::clone(&secured.believed)));
        if secured.is_some() {
            database.ssl_mode(tokio_postgres::config::SslMode::Require);
        }
        let ips = self.any().into_iter();
        let application = host.run(|| {
            let listeners = ips.map(|ip| listen((ip, POD_PORT).into())).collect::<Result<_, _>>()?;
            Application::start(&name, listeners, Asks { database, secured })
        })?;
        let application =
            application.map_err(|source| Error::io(format!("start the application of {name}"), source))?;
        Ok(Pod { host, application })
    }

    fn edge(&self, lab: &Lab) -> Result<Proxy, Error> {
        let upstreams = match self.gateway {
            true => format!("server {}:{GATEWAY_PORT}{};", names::GATEWAY, self.fails()),
            false => self.node_ports(),
        };
        self.proxy(lab, "edge", EDGE_PORT, &upstreams, &self.edge)
    }

    fn gateway(&self, lab: &Lab) -> Result<Proxy, Error> {
        self.proxy(lab, "gateway", GATEWAY_PORT, &self.node_ports(), &self.behind)
    }

    fn node_ports(&self) -> String {
        let fails = self.fails();
        (1..=self.nodes)
            .map(|number| format!("server node{number}.{}:{NODE_PORT}{fails};\n", names::ZONE))
            .collect()
    }

    fn fails(&self) -> &'static str {
        if self.marks_down { "" } else { " max_fails=0" }
    }

    fn proxy(&self, lab: &Lab, name: &str, port: u16, upstreams: &str, more: &str) -> Result<Proxy, Error> {
        let host = lab.host(name)?.clone();
        let mut nginx = Nginx::builder();
        let mut listens = String::new();
        for (family, ip) in ["v4", "v6"].iter().zip(self.any()) {
            nginx = nginx.at(family, (ip, port).into());
            listens.push_str(&format!("listen {{listen:{family}}};\n"));
        }
        let nginx = nginx
            .http(&format!(
                "log_format road {LOG_FORMAT};\n\
                 access_log {{dir}}/access.log road;\n\
                 upstream next {{\n{upstreams}}}"
            ))
            .server(&format!(
                "{listens}\
                 location / {{\n\
                 proxy_pass http://next;\n\
                 proxy_http_version 1.1;\n\
                 proxy_set_header Host $http_host;\n\
                 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
                 {more}}}"
            ));
        let nginx = host.start(|| nginx.start())?;
        Ok(Proxy { host, nginx })
    }

    fn database(&self, lab: &Lab) -> Result<Database, Error> {
        let host = lab.host("database")?.clone();
        let at: SocketAddr = (host.ipv4(), DATABASE_PORT).into();
        let mut postgres = Postgres::builder()
            .at(at)
            .setting("listen_addresses", "*")
            .user(USER, PASSWORD)
            .sql("CREATE TABLE prices (article text PRIMARY KEY, cents int NOT NULL)")
            .sql("INSERT INTO prices VALUES ('tea', 199), ('coffee', 299)")
            .sql(&format!("GRANT SELECT ON prices TO {USER}"));
        if let Some(Secured { chain, key, .. }) = &self.secured {
            postgres = postgres.certificate(chain.as_str(), key.as_str());
        }
        let postgres = host.start(|| postgres.start())?;
        Ok(Database { host, postgres, over_tls: self.secured.is_some() })
    }

    /// The address that stands for all of a family, for each family of the road.
    fn any(&self) -> Vec<IpAddr> {
        let all = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
        all.into_iter().filter(|ip| ip.is_ipv4() || self.ipv6).collect()
    }
}

fn listen(at: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        // The other family has a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// Does both at a time; the first error of either.
fn both<A, B: Send>(
    one: impl FnOnce() -> Result<A, Error>,
    other: impl FnOnce() -> Result<B, Error> + Send,
) -> Result<(A, B), Error> {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        let other = other.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked));
        Ok((one?, other?))
    })
}
