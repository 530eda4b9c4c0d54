//! Deciding where the connection goes, and looking at what surrounds it.

use async_trait::async_trait;
use reqpath_core::{
    Cause, Contact, ContactKind, Context, Destination, Endpoint, Error, Left, Path, Proxy, Role, Stage,
    Subject, Target, Unavailable,
};

use crate::evidence::{Environment, HostsFile, Limits};
use crate::proxy::{self, Decision};
use crate::{ClientOptions, flags};

const NAME: &str = "client";
const HOSTS: &str = "/etc/hosts";
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Longer than the two numbers can be.
const PORT_RANGE_BYTES: usize = 64;

/// The stage before the first byte: decides where the connection goes, and hands a
/// [`Destination`] on.
///
/// In the first trial it also records the proxy variables, the hosts file's entries for the name,
/// and the process's limits, unless [`ClientOptions::side_looks`] is off.
#[derive(Debug, Default)]
pub struct Client {
    options: ClientOptions,
}

impl Client {
    /// The stage with these options.
    #[must_use]
    pub fn new(options: ClientOptions) -> Self {
        Self { options }
    }

    /// What the proxy environment says, recorded where something rests on it.
    fn environment(&self, at: &Subject, cx: &Context) -> Result<Decision, Error> {
        let vantage = cx.vantage();
        let read = |name: &str| vantage.environment(name);
        let looks = self.options.side_looks && cx.is_first();
        if !self.options.environment || cx.role() == Role::Direct {
            if looks {
                let variables = proxy::settings(read);
                cx.record(at, Environment { variables, disregarded: true, ..Environment::default() });
            }
            return Ok(Decision::default());
        }
        let target = cx.target();
        match proxy::decide(read, target.scheme(), target.host()) {
            Ok(decision) => {
                if looks || decision.proxy.is_some() {
                    cx.record(at, proxy::seen(proxy::settings(read), &decision));
                }
                Ok(decision)
            }
            Err(error) => {
                let variables = proxy::settings(read);
                cx.record(at, Environment { variables, ..Environment::default() });
                Err(Error::Setup { what: error.to_string(), source: None })
            }
        }
    }

    /// Where the connection goes.
    fn destination(&self, target: &Target, decision: Decision) -> Result<Destination, Error> {
        let mut to = Destination::of(target);
        let moved = self.options.connect_to.iter().find_map(|rule| rule.applied(&to.host, to.port));
        if let Some((variable, proxy)) = decision.proxy {
            if moved.is_some() {
                // curl would ask the proxy for a tunnel to the other place, for plain HTTP too.
                let what = format!(
                    "--connect-to cannot be combined with the proxy that `{variable}` asks for; \
                     NO_PROXY='{}' would leave the proxy out",
                    target.host()
                );
                return Err(Error::Setup { what, source: None });
            }
            let url = proxy.url();
            to.addresses = proxy.address().into_iter().collect();
            to.host = proxy.host;
            to.port = proxy.port;
            to.proxy = Some(Proxy::new(variable, url, proxy.authorization));
        } else if let Some((host, port)) = moved {
            if let Some(host) = host {
                to.addresses = host.parse().ok().into_iter().collect();
                to.host = host.to_owned();
            }
            to.port = port.unwrap_or(to.port);
        }
        // curl puts these into its DNS cache, so they also hold for a proxy's name, or a moved one.
        if let Some(addresses) = flags::given(&self.options.resolve, &to.host, to.port) {
            to.addresses = addresses.to_vec();
        }
        Ok(to)
    }
}

#[async_trait]
impl Stage for Client {
    fn name(&self) -> &'static str {
        NAME
    }

    fn causes(&self) -> &[&'static Cause] {
        crate::CAUSES
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        if !self.options.side_looks {
            return Vec::new();
        }
        vec![
            Contact::new(ContactKind::File, HOSTS, 1, "what the hosts file says of the name"),
            Contact::new(ContactKind::File, PORT_RANGE, 1, "the local ports there are"),
            Contact::new(ContactKind::Kernel, "open file descriptors", 1, "how near the limit is"),
        ]
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let to = match cx.endpoint() {
            Some(endpoint) => further_in(cx.target(), endpoint),
            None => self.destination(cx.target(), self.environment(at, cx)?)?,
        };
        if self.options.side_looks && cx.is_first() {
            let name = to.addresses.is_empty().then(|| to.host.clone());
            let (at, cx_aside) = (at.clone(), cx.clone());
            cx.aside(async move {
                if let Some(name) = name {
                    hosts_file(&at, &cx_aside, &name).await;
                }
                limits(&at, &cx_aside).await;
            });
        }
        cx.hand_on(at, to);
        Ok(Left::Alive)
    }
}

/// Where a hop further in is dialled: neither a proxy nor what the caller redirects stands before it.
fn further_in(target: &Target, endpoint: &Endpoint) -> Destination {
    let mut to = Destination::of(target);
    to.addresses = endpoint.ip().into_iter().collect();
    to.host.clone_from(&endpoint.host);
    to.port = endpoint.port;
    to
}

/// Records what the hosts file says of a name.
async fn hosts_file(at: &Subject, cx: &Context, name: &str) {
    let permit = match cx.permit(ContactKind::File) {
        Ok(permit) => permit,
        Err(error) => return cx.trouble(NAME, &error),
    };
    match cx.vantage().read(permit, HOSTS, crate::evidence::MOST_HOSTS_BYTES).await {
        Ok(bytes) => {
            cx.record(at, HostsFile::of(HOSTS, &bytes, name));
        }
        // A system without the file has no entries in it.
        Err(Unavailable::Missing | Unavailable::NotHere) => {}
        Err(source) => trouble(cx, "read the hosts file", source),
    }
}

/// Records how near the process is to its limits.
async fn limits(at: &Subject, cx: &Context) {
    let mut seen = Limits::default();
    match cx.permit(ContactKind::Kernel) {
        Ok(permit) => match cx.vantage().descriptors(permit).await {
            Ok((used, limit)) => {
                (seen.descriptors, seen.descriptors_limit) = (Some(used), Some(limit));
            }
            Err(Unavailable::NotHere) => {}
            Err(source) => trouble(cx, "count open file descriptors", source),
        },
        Err(error) => cx.trouble(NAME, &error),
    }
    match cx.permit(ContactKind::File) {
        Ok(permit) => match cx.vantage().read(permit, PORT_RANGE, PORT_RANGE_BYTES).await {
            Ok(text) => seen.ports(&text),
            // Only Linux has the file.
            Err(Unavailable::Missing | Unavailable::NotHere) => {}
            Err(source) => trouble(cx, "read the range of local ports", source),
        },
        Err(error) => cx.trouble(NAME, &error),
    }
    if seen != Limits::default() {
        cx.record(at, seen);
    }
}

fn trouble(cx: &Context, what: &'static str, source: Unavailable) {
    let vantage = cx.vantage().name().into_owned();
    cx.trouble(NAME, &Error::Vantage { vantage, what, source });
}
