//! From what is written to what is meant, with every mistake told by its place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use reqpath_core::{StatusRange, Target};
use toml::Spanned;

use super::Script;
use super::error::Mistake;
use super::fault::{Fault, FaultText, Http, What};
use super::file::{FileText, ServerText, TopologyText, TraceText};
use super::request::Request;
use super::topology::{self, Server, Topology, Zone};

/// A file under examination.
struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
}

/// Reads a scenario.
pub(super) fn read(file: &Path, text: &str) -> Result<Script, Mistake> {
    let written: FileText = toml::from_str(text).map_err(|error| Mistake::parse(file, text, &error))?;
    let reader = Reader { file, text };
    let why_not = reader.places(&written)?;
    let topology = reader.topology(&written.topology)?;
    let request = reader.request(&written.trace, &topology)?;
    let faults = written.faults.iter().map(|fault| reader.fault(fault, &topology, &request));
    let faults = faults.collect::<Result<Vec<_>, _>>()?;
    let kind = &written.expected.kind;
    if kind.as_ref().names_a_cause() != written.expected.code.is_some() {
        let problem = "a code belongs to `died` and `degraded`, and to these only";
        return Err(reader.mistake(&kind.span(), problem));
    }
    if let Some(without) = &written.expected.without
        && written.requires.is_empty()
    {
        let problem = "says what is expected without a stage, and no stage is required";
        return Err(reader.mistake(&without.span(), problem).hint("name it: requires = [\"node\"]"));
    }
    Ok(Script {
        name: file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
        file: file.to_owned(),
        text: text.to_owned(),
        summary: written.summary,
        on_fakes: *written.fakes.as_ref(),
        on_lab: *written.lab.as_ref(),
        why_not,
        requires: written.requires,
        topology,
        faults,
        request,
        expected: written.expected,
    })
}

impl Reader<'_> {
    fn mistake(&self, span: &Range<usize>, problem: impl Into<String>) -> Mistake {
        Mistake::new(self.file, self.text, span, problem)
    }

    fn places(&self, written: &FileText) -> Result<String, Mistake> {
        let not = [&written.fakes, &written.lab].into_iter().filter(|place| !place.as_ref());
        match (not.collect::<Vec<_>>().as_slice(), &written.reason) {
            ([], None) => Ok(String::new()),
            ([], Some(reason)) => {
                Err(self.mistake(&reason.span(), "a reason for nothing: neither `fakes` nor `lab` is false"))
            }
            ([place], None) => {
                let mistake = self.mistake(&place.span(), "is false without a reason");
                Err(mistake.hint("add `reason = \"…\"`"))
            }
            ([_], Some(reason)) => Ok(reason.as_ref().clone()),
            ([place, ..], _) => Err(self.mistake(&place.span(), "can be played nowhere")),
        }
    }

    fn topology(&self, written: &TopologyText) -> Result<Topology, Mistake> {
        let mut servers: Vec<Server> = Vec::new();
        for server in &written.servers {
            let server = self.server(server, servers.len())?;
            let span = written.servers[servers.len()].name.span();
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if server.name.is_empty() || !server.name.chars().all(letters) {
                return Err(self.mistake(&span, "is no name of a host").hint("use a-z, 0-9 and `-`"));
            }
            if ["client", "edge", "dns", "far"].contains(&server.name.as_str()) {
                return Err(self.mistake(&span, format!("`{}` is taken by the road itself", server.name)));
            }
            for other in &servers {
                if other.name == server.name {
                    return Err(self.mistake(&span, format!("`{}` is taken", server.name)));
                }
                if let Some(ip) = server.addresses.iter().find(|ip| other.addresses.contains(ip)) {
                    return Err(self.mistake(&span, format!("`{}` has {ip} as well", other.name)));
                }
            }
            servers.push(server);
        }
        let mut zones = Vec::new();
        for zone in &written.zones {
            let origin = zone.origin.as_ref().trim_end_matches('.').to_ascii_lowercase();
            if origin.is_empty() {
                return Err(self.mistake(&zone.origin.span(), "is no name of a zone"));
            }
            let mut names = BTreeMap::new();
            for (name, targets) in &zone.names {
                let mut addresses = Vec::new();
                for target in targets {
                    addresses.extend(self.addresses(target, &servers)?);
                }
                names.insert(name.clone(), addresses);
            }
            zones.push(Zone { origin, names, aliases: zone.aliases.clone() });
        }
        let mut hosts = BTreeMap::new();
        for (name, target) in &written.client.hosts {
            for ip in self.addresses(target, &servers)?.into_iter().take(1) {
                hosts.insert(name.clone(), ip);
            }
        }
        let mut resolv_conf = written.client.resolv_conf.clone();
        if resolv_conf.is_empty() {
            resolv_conf.push("options timeout:1 attempts:1".to_owned());
        }
        Ok(Topology { resolv_conf, hosts, zones, servers })
    }

    fn server(&self, written: &ServerText, place: usize) -> Result<Server, Mistake> {
        let addresses = match &written.addresses {
            None => vec![topology::address_of(place)],
            Some(chosen) => {
                for ip in chosen {
                    if !topology::is_a_servers(*ip.as_ref()) {
                        let mistake = self.mistake(&ip.span(), format!("{} is no server's", ip.as_ref()));
                        return Err(mistake.hint("take one of 192.0.2.0/24 or 2001:db8:2::/64"));
                    }
                }
                chosen.iter().map(|ip| *ip.as_ref()).collect()
            }
        };
        let port = written.port.unwrap_or(if written.certificate.is_some() { 443 } else { 80 });
        let name = written.name.as_ref().clone();
        Ok(Server { name, role: written.role, addresses, port, certificate: written.certificate })
    }

    /// The addresses of a server, or the address itself.
    fn addresses(&self, target: &Spanned<String>, servers: &[Server]) -> Result<Vec<IpAddr>, Mistake> {
        if let Ok(ip) = target.as_ref().parse() {
            return Ok(vec![ip]);
        }
        match servers.iter().find(|server| server.name == *target.as_ref()) {
            Some(server) => Ok(server.addresses.clone()),
            None => Err(self.no_server(target, servers)),
        }
    }

    fn no_server(&self, given: &Spanned<String>, servers: &[Server]) -> Mistake {
        let mistake = self.mistake(&given.span(), format!("there is no server `{}`", given.as_ref()));
        mistake.suggest(given.as_ref(), servers.iter().map(|server| server.name.as_str()))
    }

    fn request(&self, written: &TraceText, topology: &Topology) -> Result<Request, Mistake> {
        let mut url = written.url.as_ref().clone();
        for server in &topology.servers {
            if let Some(ip) = server.addresses.first() {
                let ip = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
                url = url.replace(&format!("{{{}}}", server.name), &ip);
            }
        }
        let wrong =
            |span: Range<usize>, error: &dyn std::fmt::Display| self.mistake(&span, error.to_string());
        let mut target = Target::builder(&url).map_err(|error| wrong(written.url.span(), &error))?;
        if let Some(method) = &written.method {
            target = target.method(method.as_ref()).map_err(|error| wrong(method.span(), &error))?;
        }
        let mut expect_status = Vec::new();
        for status in &written.expect_status {
            let range = status.as_ref().parse::<StatusRange>();
            expect_status.push(range.map_err(|error| wrong(status.span(), &error))?);
        }
        let max_time = match &written.max_time {
            Some(time) => self.duration(time)?,
            None => Duration::from_secs(3),
        };
        let optional =
            |time: &Option<Spanned<String>>| time.as_ref().map(|time| self.duration(time)).transpose();
        Ok(Request {
            target: target.build(),
            samples: written.samples.unwrap_or(1),
            max_time,
            deadline: optional(&written.deadline)?,
            connect_timeout: optional(&written.connect_timeout)?,
            expect_status,
            max_redirects: written.max_redirects,
            road_only: written.road_only,
            knows_intermediate: written.knows_intermediate,
        })
    }

    fn fault(
        &self,
        spanned: &Spanned<FaultText>,
        topology: &Topology,
        request: &Request,
    ) -> Result<Fault, Mistake> {
        let written = spanned.as_ref();
        let mistake = |problem: &str| self.mistake(&spanned.span(), problem);
        let kinds = [
            written.dns.map(What::Dns),
            written.tcp.map(What::Tcp),
            written.tls.map(What::Tls),
            written.http.map(What::Http),
            written.slow.as_ref().map(|by| self.duration(by)).transpose()?.map(What::Slow),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(mut what), None) = (kinds.next(), kinds.next()) else {
            return Err(mistake("is one of `dns`, `tcp`, `tls`, `http` and `slow`")
                .hint("write one `[[fault]]` for each"));
        };
        match (what, &written.status) {
            (What::Http(Http::Status), Some(status)) => what = What::Status(*status.as_ref()),
            (What::Http(Http::Status), None) => return Err(mistake("lacks its `status`")),
            (_, Some(status)) => {
                return Err(self.mistake(&status.span(), "only `http = \"status\"` has a status"));
            }
            (_, None) => {}
        }
        let host = request.target.host();
        let name = written.name.as_ref().map_or(host, |name| name.as_ref().as_str()).to_owned();
        let server = self.fault_server(spanned, topology, request)?;
        let is_tcp = matches!(what, What::Tcp(_));
        if let (Some(family), false) = (&written.family, is_tcp) {
            return Err(self.mistake(&family.span(), "only a `tcp` fault is one of a family"));
        }
        if let Some(every) = &written.every
            && (!may_be_every(what) || *every.as_ref() < 2)
        {
            let problem =
                "only `tcp` refuse and drop, and `http` status, empty and reset can befall every nth, from 2";
            return Err(self.mistake(&every.span(), problem));
        }
        match what {
            What::Dns(_) if topology.zone_of(&name).is_none() => {
                return Err(mistake(&format!("`{name}` is in no zone of the topology")));
            }
            What::Tls(_) if topology.servers[server].certificate.is_none() => {
                return Err(mistake("is one of TLS, and the server has no certificate")
                    .hint("add `certificate = \"by-root\"` to it"));
            }
            _ => {}
        }
        let (family, every) = (written.family.as_ref(), written.every.as_ref());
        Ok(Fault {
            what,
            server,
            name,
            family: family.map(|family| *family.as_ref()),
            every: every.map(|every| *every.as_ref()),
            met: written.met,
        })
    }

    /// The server named, or the one that the request goes to.
    fn fault_server(
        &self,
        spanned: &Spanned<FaultText>,
        topology: &Topology,
        request: &Request,
    ) -> Result<usize, Mistake> {
        let servers = &topology.servers;
        if let Some(name) = &spanned.as_ref().server {
            let place = servers.iter().position(|server| server.name == *name.as_ref());
            return place.ok_or_else(|| self.no_server(name, servers));
        }
        let target = &request.target;
        let leads = target.address().or_else(|| topology.lookup(target.host())?.first().copied());
        match leads.and_then(|ip| topology.server_at(ip)) {
            Some(place) => Ok(place),
            // A name that exists nowhere needs no server behind it.
            None if spanned.as_ref().dns.is_some() && !servers.is_empty() => Ok(0),
            None => Err(self
                .mistake(&spanned.span(), "is at no server: the URL leads to none")
                .hint("name it: server = \"…\"")),
        }
    }

    /// `300ms`, `1.5s`, `2s`.
    fn duration(&self, time: &Spanned<String>) -> Result<Duration, Mistake> {
        let text = time.as_ref().trim();
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 0.001),
            None => (text.strip_suffix('s').unwrap_or(""), 1.0),
        };
        let seconds = number.parse::<f64>().ok().map(|number| number * unit);
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| {
            let mistake = self.mistake(&time.span(), format!("`{}` is no time", time.as_ref()));
            mistake.hint("write `300ms` or `1.5s`")
        })
    }
}

fn may_be_every(what: What) -> bool {
    use super::fault::Tcp;
    matches!(
        what,
        What::Tcp(Tcp::Refuse | Tcp::Drop) | What::Status(_) | What::Http(Http::Empty | Http::Reset)
    )
}
