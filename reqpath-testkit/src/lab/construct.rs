//! From a plan to a lab that is up.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Lab,
    delay::{Relay, SlowCable},
    error::Error,
    files::{HostFiles, LabDirectory},
    filter,
    host::{Described, Host},
    namespace::{Namespaces, aside},
    netlink::Netlink,
    plan::{Node, Plan, Wire},
    sysctl,
};

impl Lab {
    pub(super) fn construct(plan: Plan) -> Result<Self, Error> {
        let directory = LabDirectory::create()?;
        let mut files = Vec::new();
        let mut spaces = Vec::new();
        for node in &plan.nodes {
            let settings = node.settings.as_ref();
            let own = settings
                .map(|settings| HostFiles::create(directory.path(), &node.name, settings))
                .transpose()?;
            let furnish = || match (settings, &own) {
                (Some(settings), Some(own)) => {
                    own.cover()?;
                    sysctl::base(settings.forwards, plan.ipv6)
                }
                _ => sysctl::silence_ipv6(),
            };
            spaces.push(Arc::new(Namespaces::create(&node.name, furnish)?));
            files.push(own);
        }
        let relay = relay(&plan.wires, &spaces)?;
        aside("builder", || wire_up(&plan, &spaces))??;

        let mut lab = Self { hosts: BTreeMap::new(), switches: Vec::new(), relay, directory };
        let mut settled = Vec::new();
        for ((node, namespaces), files) in plan.nodes.into_iter().zip(spaces).zip(files) {
            match (node.settings, files) {
                (Some(settings), Some(files)) => {
                    let described = settings.filters.iter().map(|(name, _)| name.clone()).collect();
                    let programs = settings.programs.iter().map(|program| program.name.clone()).collect();
                    let parts = Described { filters: described, programs };
                    let host = Host::new(node.name.clone(), namespaces, files, node.interfaces, parts);
                    settled.push((host.clone(), settings));
                    lab.hosts.insert(node.name, host);
                }
                _ => lab.switches.push(namespaces),
            }
        }
        for (host, settings) in &settled {
            for (key, value) in &settings.sysctls {
                host.set_sysctl(key, value)?;
            }
            for script in &settings.rules {
                host.load_rules(script)?;
            }
            for (name, filter) in &settings.filters {
                host.load_rules(&filter.script(&filter::table(name))?)?;
            }
        }
        // The network is as described before the first program is in it.
        for (host, settings) in &settled {
            for program in &settings.programs {
                program.start(host)?;
            }
        }
        Ok(lab)
    }
}

fn relay(wires: &[Wire], spaces: &[Arc<Namespaces>]) -> Result<Option<Relay>, Error> {
    let slow: Vec<SlowCable> = wires
        .iter()
        .filter(|wire| !wire.delay.is_zero())
        .map(|wire| SlowCable {
            ends: wire.ends.clone().map(|(node, name)| (Arc::clone(&spaces[node]), name)),
            delay: wire.delay,
        })
        .collect();
    if slow.is_empty() { Ok(None) } else { Relay::start(slow).map(Some) }
}

fn wire_up(plan: &Plan, spaces: &[Arc<Namespaces>]) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| Error::io("start a runtime", source))?.block_on(async {
        let mut nodes = Vec::new();
        for (node, namespaces) in plan.nodes.iter().zip(spaces) {
            // A socket stays in the namespace it was opened in, wherever the thread goes next.
            namespaces.enter_net()?;
            nodes.push((node, Netlink::open(&node.name)?));
        }
        for (number, wire) in (0_u32..).zip(&plan.wires) {
            let [(near, near_name), (far, far_name)] = &wire.ends;
            if wire.delay.is_zero() {
                nodes[*near].1.veth(number, wire.mtu, near_name, (&spaces[*far], far_name)).await?;
            } else {
                nodes[*near].1.set_mtu(near_name, wire.mtu).await?;
                nodes[*far].1.set_mtu(far_name, wire.mtu).await?;
            }
        }
        for (node, netlink) in &nodes {
            let names = interface_names(node);
            if node.settings.is_none() {
                netlink.bridge(&names).await?;
            }
            netlink.set_up("lo", true).await?;
            for name in &names {
                netlink.set_up(name, true).await?;
            }
        }
        // Addresses and routes wait for the carriers, or the kernel would think the way is down.
        for (node, netlink) in &nodes {
            netlink.wait_ready(&interface_names(node)).await?;
        }
        for (node, netlink) in &nodes {
            for interface in &node.interfaces {
                for address in &interface.addresses {
                    netlink.add_address(&interface.name, *address).await?;
                }
            }
            for route in &node.routes {
                netlink.add_route(route.to, route.via).await?;
            }
        }
        for (node, netlink) in &nodes {
            netlink.wait_ready(&interface_names(node)).await?;
        }
        Ok(())
    })
}

fn interface_names(node: &Node) -> Vec<String> {
    node.interfaces.iter().map(|interface| interface.name.clone()).collect()
}
