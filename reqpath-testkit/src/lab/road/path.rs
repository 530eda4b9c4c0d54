//! The road as a person would describe it in a path file.

use std::{net::SocketAddr, sync::Arc};

use reqpath_core::{Endpoint, Hop, HopKind, Path, Sends, Source, Vantage};

use super::{
    DATABASE_PORT, EDGE_PORT, GATEWAY_PORT, Host, NODE_PORT, POD_PORT, Proxy, WholeRoad,
    names::{self, INSIDE, OUTSIDE, ips_on},
};

/// How the proxies of the road write their access logs.
pub(super) const LOG_FORMAT: &str = "'$remote_addr [$time_iso8601] \"$request\" $status $body_bytes_sent '\n\
     'upstream=\"$upstream_addr\" upstream_status=\"$upstream_status\" time=$request_time id=\"$http_x_request_id\"'";

impl WholeRoad {
    /// The road as its people would describe it: `client`, `edge`, `gateway`, `nodes`, `pods`, and beside the
    /// Pods their `database`.
    ///
    /// Each hop has its addresses (every node and every Pod is an instance), the logs of the proxies, what the
    /// proxies send on, and a vantage: the host of that name, of nodes and Pods the first.
    /// [`vantages`](Self::vantages) are those places.
    ///
    /// ```
    /// use reqpath_testkit::lab::{self, WholeRoad};
    ///
    /// let road = WholeRoad::builder().nodes(2).without_ipv6();
    /// let Some(road) = lab::or_skip(road.build()) else { return };
    /// let path = road.path();
    /// let hops: Vec<&str> = path.hops.iter().map(|hop| hop.id.as_str()).collect();
    /// assert_eq!(hops, ["client", "edge", "gateway", "nodes", "pods", "database"]);
    /// assert_eq!(path.hop(&"nodes".into()).unwrap().addresses[1].to_string(), road.nodes[1].node_port().to_string());
    /// ```
    #[must_use]
    pub fn path(&self) -> Path {
        let hop = |name: &str, kind, of: &Host| Hop::new(name, kind).seen_from(of.name());
        let mut hops = vec![hop("client", HopKind::Client, &self.client)];
        hops.push(dialled(proxy("edge", &self.edge), &self.edge.host, OUTSIDE, EDGE_PORT));
        if let Some(gateway) = &self.gateway {
            let described = proxy("gateway", gateway).sent(Sends::default());
            hops.push(dialled(described, &gateway.host, INSIDE, GATEWAY_PORT));
        }
        if let Some(first) = self.nodes.first() {
            let described = hop("nodes", HopKind::Node, &first.host).sent(Sends::default());
            let each = |described, node: &super::Node| dialled(described, &node.host, INSIDE, NODE_PORT);
            hops.push(self.nodes.iter().fold(described, each));
        }
        if let Some(first) = self.pods.first() {
            let each = |described, pod: &super::Pod| {
                pod.host.ips().fold(described, |described, ip| at(described, (ip, POD_PORT).into()))
            };
            hops.push(self.pods.iter().fold(hop("pods", HopKind::Pod, &first.host), each));
        }
        let mut database = hop("database", HopKind::Db, &self.database.host).branch_of("pods");
        if self.database.over_tls {
            let mut sends = Sends::default();
            (sends.host, sends.verifies) = (Some(names::DATABASE.to_owned()), true);
            database = database.sent(sends);
        }
        hops.push(at(database, (self.database.host.ipv4(), DATABASE_PORT).into()));
        Path::new(hops)
    }

    /// The places to look from: every host of the road, by its name.
    ///
    /// ```
    /// use reqpath_testkit::lab::{self, WholeRoad};
    ///
    /// let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
    /// let Some(road) = lab::or_skip(road.build()) else { return };
    /// let names: Vec<_> = road.vantages().iter().map(|place| place.name().into_owned()).collect();
    /// assert!(["client", "dns", "edge", "node1", "pod1", "database"].iter().all(|name| names.iter().any(|n| n == name)));
    /// ```
    #[must_use]
    pub fn vantages(&self) -> Vec<Arc<dyn Vantage>> {
        self.lab.hosts().map(Host::vantage).collect()
    }
}

fn proxy(name: &str, proxy: &Proxy) -> Hop {
    let file = |kind: &str, log: crate::real::Log| Source::file(kind, log.path().display().to_string());
    Hop::new(name, HopKind::Nginx)
        .seen_from(proxy.host.name())
        .source(file("access_log", proxy.access_log()).format(LOG_FORMAT))
        .source(file("error_log", proxy.error_log()))
}

fn dialled(hop: Hop, host: &Host, network: &str, port: u16) -> Hop {
    ips_on(host, network).into_iter().fold(hop, |hop, ip| at(hop, (ip, port).into()))
}

fn at(hop: Hop, address: SocketAddr) -> Hop {
    hop.at(Endpoint::from(address))
}
