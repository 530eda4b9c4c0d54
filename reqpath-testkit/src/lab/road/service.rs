//! The address translation of a node, in the manner of kube-proxy's nftables mode.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use super::{NODE_PORT, POD_PORT, TrafficPolicy};

/// The table that holds it.
pub(super) const TABLE: &str = "reqpath_service";
/// The mark of a connection whose source is to be exchanged, kube-proxy's own choice.
const MASQUERADE: &str = "0x4000";

/// Everything a node needs to know.
pub(super) struct Service<'a> {
    /// The addresses of every Pod.
    pub(super) pods: &'a [Vec<IpAddr>],
    /// Which of them is behind this node.
    pub(super) own: usize,
    pub(super) policy: TrafficPolicy,
}

impl Service<'_> {
    /// The script for nft.
    pub(super) fn rules(&self) -> String {
        let mut text = format!("table inet {TABLE} {{\ncounter external {{ }}\ncounter masqueraded {{ }}\n");
        // Writing to a String cannot fail.
        for number in 1..=self.pods.len() {
            let _ = writeln!(text, "counter pod{number} {{ }}");
        }
        for (number, pod) in (1..).zip(self.pods) {
            for ip in pod {
                let (chain, family) = (chain(number, *ip), family(*ip));
                let to = SocketAddr::new(*ip, POD_PORT);
                let _ = writeln!(
                    text,
                    "chain {chain} {{ counter name pod{number} meta l4proto tcp dnat {family} to {to}; }}"
                );
            }
        }
        let _ = writeln!(text, "chain nodeport {{\ncounter name external");
        if self.policy == TrafficPolicy::Cluster {
            // The Pod may be behind another node, and must answer by way of this one.
            let _ = writeln!(text, "meta mark set meta mark or {MASQUERADE}");
        }
        for v4 in [true, false] {
            text.push_str(&self.choice(v4));
        }
        text.push_str("}\n");
        for hook in ["prerouting", "output"] {
            let _ = writeln!(
                text,
                "chain {hook} {{ type nat hook {hook} priority -100; policy accept;\n\
                 fib daddr type local tcp dport {NODE_PORT} jump nodeport\n}}"
            );
        }
        let _ = writeln!(
            text,
            "chain postrouting {{ type nat hook postrouting priority 100; policy accept;\n\
             meta mark and {MASQUERADE} == {MASQUERADE} counter name masqueraded masquerade"
        );
        text.push_str(&self.leaving());
        text.push_str("}\n}\n");
        text
    }

    /// One Pod at random, each as likely as the others.
    fn choice(&self, v4: bool) -> String {
        let protocol = if v4 { "ipv4" } else { "ipv6" };
        let chosen = |number: usize| match self.policy {
            TrafficPolicy::Cluster => true,
            TrafficPolicy::Local => number == self.own + 1,
        };
        let chains: Vec<String> = (1..)
            .zip(self.pods)
            .filter(|(number, _)| chosen(*number))
            .flat_map(|(number, pod)| pod.iter().map(move |ip| (number, ip)))
            .filter(|(_, ip)| ip.is_ipv4() == v4)
            .enumerate()
            .map(|(place, (number, ip))| format!("{place} : goto {}", chain(number, *ip)))
            .collect();
        if chains.is_empty() {
            return String::new();
        }
        let of = chains.len();
        format!("meta nfproto {protocol} numgen random mod {of} vmap {{ {} }}\n", chains.join(", "))
    }

    /// Outside of the cluster a Pod's own address is nobody's: it leaves with that of its node.
    fn leaving(&self) -> String {
        let mut text = String::new();
        for own in self.pods.get(self.own).into_iter().flatten() {
            let family = family(*own);
            let same = self.pods.iter().flatten().filter(|ip| ip.is_ipv4() == own.is_ipv4());
            let pods = same.map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let _ = writeln!(
                text,
                "{family} saddr {own} {family} daddr != {{ {pods} }} fib daddr type != local \
                 counter name masqueraded masquerade"
            );
        }
        text
    }
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "ip" } else { "ip6" }
}

fn chain(number: usize, ip: IpAddr) -> String {
    format!("pod{number}_{}", if ip.is_ipv4() { "v4" } else { "v6" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> Vec<Vec<IpAddr>> {
        let pod = |n: u8| vec![IpAddr::from([10, 0, n, 2]), format!("fd00::{n}").parse().unwrap()];
        vec![pod(3), pod(4)]
    }

    #[test]
    fn cluster_chooses_among_all_pods_and_hides_the_source() {
        let pods = pods();
        let rules = Service { pods: &pods, own: 1, policy: TrafficPolicy::Cluster }.rules();
        assert!(rules.contains("numgen random mod 2 vmap { 0 : goto pod1_v4, 1 : goto pod2_v4 }"), "{rules}");
        assert!(rules.contains("dnat ip6 to [fd00::3]:8080"), "{rules}");
        assert!(rules.contains("meta mark set"), "{rules}");
    }

    #[test]
    fn local_keeps_to_the_own_pod_and_the_source() {
        let pods = pods();
        let rules = Service { pods: &pods, own: 1, policy: TrafficPolicy::Local }.rules();
        assert!(rules.contains("numgen random mod 1 vmap { 0 : goto pod2_v4 }"), "{rules}");
        assert!(!rules.contains("meta mark set"), "{rules}");
    }
}
