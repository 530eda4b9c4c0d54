//! The routes a host needs to reach every network of its lab.

use std::{
    collections::{BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{
    cidr::Cidr,
    plan::{Network, Node, Route},
};

/// Shortest ways over forwarding hosts.
///
/// A router gets one route a network. Any other host gets default routes to its first router, and further
/// ones only for networks that another router is nearer to.
pub(super) fn automatic(nodes: &[Node], networks: &[Network], from: usize) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut reached = on(networks, from).collect::<BTreeSet<_>>();
    let mut seen = BTreeSet::from([from]);
    let mut queue = VecDeque::new();
    for network in interfaces_in_order(nodes, networks, from) {
        for router in routers(nodes, &networks[network]) {
            if seen.insert(router) {
                queue.push_back((router, (router, network)));
            }
        }
    }
    let default = queue.front().map(|(_, hop)| *hop);
    while let Some((router, hop)) = queue.pop_front() {
        for network in on(networks, router) {
            if reached.insert(network) {
                for to in &networks[network].prefixes {
                    let via = gateway(nodes, networks, hop, to.ip().is_ipv4());
                    routes.extend(via.map(|via| Route { to: *to, via }));
                }
            }
            for next in routers(nodes, &networks[network]) {
                if seen.insert(next) {
                    queue.push_back((next, hop));
                }
            }
        }
    }
    if !forwards(&nodes[from])
        && let Some(hop) = default
    {
        for to in everywhere() {
            if let Some(via) = gateway(nodes, networks, hop, to.ip().is_ipv4()) {
                routes.retain(|route| route.via != via);
                routes.push(Route { to, via });
            }
        }
    }
    routes
}

fn everywhere() -> impl Iterator<Item = Cidr> {
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
        .into_iter()
        .filter_map(|ip| Cidr::new(ip, 0).ok())
}

fn forwards(node: &Node) -> bool {
    node.settings.as_ref().is_some_and(|settings| settings.forwards)
}

fn on(networks: &[Network], node: usize) -> impl Iterator<Item = usize> {
    let touches = move |network: &Network| network.members.iter().any(|member| member.0 == node);
    (0..networks.len()).filter(move |index| touches(&networks[*index]))
}

fn interfaces_in_order(nodes: &[Node], networks: &[Network], node: usize) -> impl Iterator<Item = usize> {
    (0..nodes[node].interfaces.len())
        .filter_map(move |at| networks.iter().position(|network| network.members.contains(&(node, at))))
}

fn routers<'a>(nodes: &'a [Node], network: &'a Network) -> impl Iterator<Item = usize> + 'a {
    network.members.iter().map(|member| member.0).filter(|node| forwards(&nodes[*node]))
}

fn gateway(nodes: &[Node], networks: &[Network], hop: (usize, usize), v4: bool) -> Option<IpAddr> {
    let (_, at) = networks[hop.1].members.iter().find(|member| member.0 == hop.0)?;
    nodes[hop.0].interfaces[*at].ip(v4)
}

#[cfg(test)]
mod tests {
    use super::super::{plan::Plan, spec::LabBuilder};

    fn routes(plan: &Plan, node: usize) -> Vec<String> {
        plan.nodes[node].routes.iter().map(|route| format!("{} via {}", route.to, route.via)).collect()
    }

    #[test]
    fn a_chain_of_routers_is_crossed_both_ways() {
        let lab = LabBuilder::default().host("client").router("one").router("two").host("server");
        let lab = lab.link("client", "one").link("one", "two").link("two", "server");
        let plan = Plan::of(&lab.without_ipv6()).unwrap();
        assert_eq!(routes(&plan, 0), ["0.0.0.0/0 via 10.0.1.2"]);
        assert_eq!(routes(&plan, 1), ["10.0.3.0/24 via 10.0.2.2"]);
        assert_eq!(routes(&plan, 2), ["10.0.1.0/24 via 10.0.2.1"]);
        assert_eq!(routes(&plan, 3), ["0.0.0.0/0 via 10.0.3.1"]);
    }

    #[test]
    fn a_host_between_two_routers_uses_each_for_what_is_behind_it() {
        let lab =
            LabBuilder::default().host("a").router("left").router("right").host("far-left").host("far-right");
        let lab =
            lab.link("left", "a").link("right", "a").link("left", "far-left").link("right", "far-right");
        let plan = Plan::of(&lab.without_ipv6()).unwrap();
        assert_eq!(routes(&plan, 0), ["10.0.4.0/24 via 10.0.2.1", "0.0.0.0/0 via 10.0.1.1"]);
    }

    #[test]
    fn without_a_router_there_are_no_routes() {
        let plan =
            Plan::of(&LabBuilder::default().host("a").host("b").host("c").link("a", "b").link("b", "c"))
                .unwrap();
        assert!(plan.nodes.iter().all(|node| node.routes.is_empty()));
    }

    #[test]
    fn both_families_are_routed() {
        let plan =
            Plan::of(&LabBuilder::default().host("a").router("r").host("b").link("a", "r").link("r", "b"))
                .unwrap();
        assert_eq!(routes(&plan, 0), ["0.0.0.0/0 via 10.0.1.2", "::/0 via fd00:0:0:1::2"]);
    }
}
