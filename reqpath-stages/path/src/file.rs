//! A path file as it is written: the fields there are, and no others.
//!
//! The doc comments are the descriptions of the published schema.

mod fields;
mod text;

use std::borrow::Cow;

use reqpath_core::{Endpoint, Scheme};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::fields::{Command, Kind, Namespace, Ordered, Statuses, Time};
pub(crate) use self::text::Text;

/// A request and the hops it is meant to take.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A path file of reqpath")]
pub(crate) struct File {
    /// The request that is followed; the command line may give it, or change it.
    #[serde(default)]
    pub(crate) request: Option<Request>,
    /// The settings of the program whose request this is, as far as they are known.
    #[serde(default)]
    pub(crate) caller: Caller,
    /// The places to look from, by name.
    #[serde(default)]
    pub(crate) vantages: Ordered<Place>,
    /// The hops of the road, outermost first. The first is the client.
    #[schemars(length(min = 2, max = 100))]
    pub(crate) hops: Vec<Hop>,
    /// What hops ask beside the road: an application its database. Each says `of` which hop it is.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub(crate) dependencies: Vec<Hop>,
}

/// The request that is followed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// What to request; without a scheme, http:// is meant.
    #[serde(default)]
    pub(crate) url: Option<Text>,
    /// The method; GET unless said, or POST with a body.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// The headers, by name. A secret is named by reference: {env: NAME} or {file: /path}.
    #[serde(default)]
    pub(crate) headers: Ordered<Text>,
    /// The body.
    #[serde(default)]
    pub(crate) body: Option<Text>,
    /// What the answer should be.
    #[serde(default)]
    pub(crate) expect: Option<Expect>,
    /// The time one request may take.
    #[serde(default)]
    pub(crate) max_time: Option<Time>,
    /// How many redirects are followed; none unless said.
    #[serde(default)]
    pub(crate) max_redirects: u32,
}

/// What an answer should be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Its status is one of these: 200, 2xx, 200-299.
    #[serde(default)]
    pub(crate) status: Option<Statuses>,
    /// Headers that must be there with these values.
    #[serde(default)]
    pub(crate) headers: Ordered<String>,
    /// Text the body must hold.
    #[serde(default)]
    pub(crate) body: Option<String>,
}

/// The settings of the program whose request this is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caller {
    /// Its total deadline for one request; 0 says that it has none.
    #[serde(default)]
    pub(crate) deadline: Option<Time>,
    /// How often it tries altogether; 1 is without a retry.
    #[serde(default)]
    pub(crate) tries: Option<u32>,
    /// How many connections it keeps for later requests; 0 says that it keeps none.
    #[serde(default)]
    pub(crate) pool: Option<u32>,
    /// How long it keeps an idle connection.
    #[serde(default)]
    pub(crate) keep_idle: Option<Time>,
    /// How soon a planned change of addresses must have reached everybody.
    #[serde(default)]
    pub(crate) change_window: Option<Time>,
}

/// A place to look from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// Where reqpath itself runs.
    Local,
    /// A network namespace: its file, its name under /run/netns, or {pid: N} for that of a process.
    Netns(Namespace),
    /// A place too far away to look from here: the command that runs reqpath there, as [ssh, edge.internal, reqpath].
    Command(Command),
}

/// One place on the path, with what is known of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hop {
    /// Its name, unlike that of any other hop.
    pub(crate) name: String,
    /// What kind of place it is; `server` unless said.
    #[serde(default)]
    pub(crate) kind: Option<Kind>,
    /// Under `dependencies`: the hop that asks this one.
    #[serde(default)]
    pub(crate) of: Option<String>,
    /// Where the hop before dials it, as host:port; each is one of its instances.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) addresses: Vec<Endpoint>,
    /// The name of the vantage from which this hop itself looks.
    #[serde(default)]
    pub(crate) vantage: Option<String>,
    /// What the hop before sends here. Without it the hop is entered only as far as TCP.
    #[serde(default)]
    pub(crate) sends: Option<Sends>,
    /// Whether it may get the request's credentials when it is entered directly.
    #[serde(default)]
    pub(crate) credentials: bool,
    /// What its answer should be when it is entered directly; that of the request unless said.
    #[serde(default)]
    pub(crate) expect: Option<Expect>,
    /// How long it waits for what is behind it, and how often it tries.
    #[serde(default)]
    pub(crate) timeouts: Timeouts,
    /// The time it may take by itself.
    #[serde(default)]
    pub(crate) budget: Option<Time>,
    /// Where evidence about it can be read, from its own vantage unless said.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub(crate) sources: Vec<Source>,
}

/// What the hop before sends here, where it differs from the request at the front.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sends {
    /// How it is carried: http unless said.
    #[serde(default)]
    pub(crate) scheme: Option<Scheme>,
    /// The Host it names; that of the request unless said.
    #[serde(default)]
    pub(crate) host: Option<String>,
    /// The path and query it asks for; those of the request unless said.
    #[serde(default)]
    pub(crate) uri: Option<Text>,
    /// Headers it sets, in place of any of the same name.
    #[serde(default)]
    pub(crate) headers: Ordered<Text>,
    /// Headers of the request that it does not pass on.
    #[serde(default)]
    pub(crate) drops: Vec<String>,
    /// Over https: the name it asks for in the handshake; the host unless said.
    #[serde(default)]
    pub(crate) server_name: Option<String>,
    /// Over https: whether it verifies the certificate. Many proxies do not unless told.
    #[serde(default)]
    pub(crate) verifies: Option<bool>,
    /// Over https: the authorities it believes, a PEM file; those of the system unless said.
    #[serde(default)]
    pub(crate) ca: Option<String>,
}

/// How long a hop waits for the next one, and how often it tries; what is not said is not known.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// For a connection to the next hop.
    #[serde(default)]
    pub(crate) connect: Option<Time>,
    /// Between two pieces sent to it.
    #[serde(default)]
    pub(crate) send: Option<Time>,
    /// Between two pieces read from it: for an answer to begin, in most proxies.
    #[serde(default)]
    pub(crate) read: Option<Time>,
    /// For the whole exchange, retries included.
    #[serde(default)]
    pub(crate) total: Option<Time>,
    /// How often it tries altogether; 1 is without a retry.
    #[serde(default)]
    pub(crate) tries: Option<u32>,
    /// How long it keeps an idle connection to the next hop.
    #[serde(default)]
    pub(crate) keep_idle: Option<Time>,
    /// How long it keeps an idle connection from the hop before.
    #[serde(default)]
    pub(crate) idle: Option<Time>,
    /// How long one statement may take in a database.
    #[serde(default)]
    pub(crate) statement: Option<Time>,
}

/// Where evidence about a hop can be read: one of `file`, `command`, `api`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    /// What is found there: access_log, error_log, application_log.
    pub(crate) kind: String,
    /// A file of the vantage, from / on.
    #[serde(default)]
    pub(crate) file: Option<String>,
    /// A command that only looks, and its arguments; it is run without a shell.
    #[serde(default)]
    pub(crate) command: Option<Command>,
    /// The URL of an API.
    #[serde(default)]
    pub(crate) api: Option<String>,
    /// How its lines are written: combined, json, or an nginx log_format in full.
    #[serde(default)]
    pub(crate) format: Option<String>,
    /// The vantage it is read from; the hop's own unless said.
    #[serde(default)]
    pub(crate) vantage: Option<String>,
}

/// The name of a schema.
fn named(name: &'static str) -> Cow<'static, str> {
    Cow::Borrowed(name)
}
