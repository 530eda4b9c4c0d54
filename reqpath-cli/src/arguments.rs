//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use reqpath_core::StatusRange;

use crate::duration;

/// Follows one request along its road and says where it died, and why.
#[derive(Debug, Parser)]
#[command(name = "reqpath", version, long_about = LONG, after_help = EXIT_STATUS, propagate_version = true,
          args_override_self = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const LONG: &str = "\
Follows one request along its road, in order: the client's own surroundings, DNS, TCP, TLS, HTTP.
At every hop it asks: did the request arrive, and was it still alive when it left?
The first line of its answer says where the request died and why; below it stand the road with
its times, the evidence, what was ruled out, and the commands to run next.";

const EXIT_STATUS: &str = "\
Exit status: 0 reached · 1 died or degraded · 2 the command line or a file is at fault · 3 unknown

Try it:  reqpath demo
         reqpath trace https://example.com/
         reqpath trace https://api.example.com/health --expect-status 2xx -n 12
         reqpath explain tls.cert.incomplete_chain";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Follow a request and say where it died, and why
    Trace(Box<TraceArguments>),
    /// Judge the evidence of a stored report again
    Judge(JudgeArguments),
    /// Explain a cause: what is true, how it is told from its look-alikes, what to do
    Explain(ExplainArguments),
    /// List the causes this program can name
    Causes(CausesArguments),
    /// Watch built-in broken roads die on loopback; needs nothing installed
    Demo(DemoArguments),
    /// Print the JSON Schema of reports, or of path files
    Schema(SchemaArguments),
}

#[derive(Debug, Args)]
#[command(after_help = TRACE_EXAMPLES)]
pub(crate) struct TraceArguments {
    /// What to request; without a scheme, http:// is meant
    #[arg(value_name = "URL", required_unless_present = "path")]
    pub(crate) url: Option<String>,
    /// Walk the path of many hops that this file describes; URL and flags change its request
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    pub(crate) road: RoadArguments,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    #[command(flatten)]
    pub(crate) time: TimeArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

const TRACE_EXAMPLES: &str = "\
Flags that curl has mean here what they mean there: of one given twice the last counts, or they add up.

Examples:
  reqpath trace https://shop.example/cart -H 'Accept-Language: de' --max-time 10
  reqpath trace https://10.0.0.7/ --resolve shop.example:443:10.0.0.7
  reqpath trace https://shop.example/ --dns-server 10.0.0.53 --authority
  reqpath trace https://shop.example/ -n 12 --idle 5s,30s --deadline 2m
  reqpath trace -f road.yaml --dry-run; reqpath trace -f road.yaml -n 24
  reqpath trace https://shop.example/ --json > report.json; reqpath judge report.json";

#[derive(Debug, Args)]
#[command(next_help_heading = "The request")]
pub(crate) struct RequestArguments {
    /// Add a header: `Name: value`, or those in @FILE, a line each; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// Use this method
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Send this body, by POST unless -X says otherwise; @FILE reads it from a file, @- from standard input
    #[arg(short = 'd', long = "data", value_name = "DATA", allow_hyphen_values = true)]
    pub(crate) data: Vec<String>,
    /// Follow redirects; credentials stay with the host they belong to
    #[arg(short = 'L', long)]
    pub(crate) location: bool,
    /// Follow at most so many redirects
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) max_redirs: u32,
    /// Speak HTTP/1.1
    #[arg(long = "http1.1", overrides_with = "http2")]
    pub(crate) http1: bool,
    /// Speak HTTP/2, over TLS where the server agrees; on plain HTTP without asking
    #[arg(long, overrides_with = "http1")]
    pub(crate) http2: bool,
    /// Expect this status: 200, 2xx, 200-299; may be repeated
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub(crate) expect_status: Vec<StatusRange>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The road")]
pub(crate) struct RoadArguments {
    /// Use IPv4 addresses only
    #[arg(short = '4', long, overrides_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Use IPv6 addresses only
    #[arg(short = '6', long, overrides_with = "ipv4")]
    pub(crate) ipv6: bool,
    /// Use these addresses for host and port, with commas between them; may be repeated
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    pub(crate) resolve: Vec<String>,
    /// Connect to HOST2:PORT2 instead of HOST1:PORT1; may be repeated
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2")]
    pub(crate) connect_to: Vec<String>,
    /// Ask this nameserver instead of the system's resolver and nameservers; may be repeated
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = nameserver, value_delimiter = ',')]
    pub(crate) dns_server: Vec<SocketAddr>,
    /// Ask the zone's own servers too, and compare
    #[arg(long)]
    pub(crate) authority: bool,
    /// Send so many fresh requests; with 24, what tells those that die from the others is found
    #[arg(short = 'n', long, value_name = "SAMPLES", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) samples: u32,
    /// Use a connection again after it was idle so long: 5s,30s
    #[arg(long, value_name = "TIME", value_parser = duration::parse, value_delimiter = ',')]
    pub(crate) idle: Vec<Duration>,
    /// Compare the local clock with the Date of this URL; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) clock_from: Vec<String>,
    /// Make only the client's own contacts: one connection, one request, no looks beside the road
    #[arg(long)]
    pub(crate) road_only: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct TrustArguments {
    /// Go on whatever the certificate is
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// Client certificate chain, PEM; a redirect to another host leaves it behind
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Private key of the client certificate, PEM; without it, it is looked for in the --cert file
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Refuse certificates revoked by this list, PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(crate) crlfile: Vec<PathBuf>,
    /// A name this server does serve, to tell its default certificate from a wrong one
    #[arg(long, value_name = "NAME")]
    pub(crate) known_name: Option<String>,
    /// Fetch a missing intermediate from where the certificate says it is
    #[arg(long)]
    pub(crate) fetch_aia: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Time (seconds, or with a unit: 500ms, 5s, 2m)")]
pub(crate) struct TimeArguments {
    /// Bound each request, and without --deadline the whole trace; 0 is no bound
    #[arg(short = 'm', long, value_name = "TIME", value_parser = duration::limit)]
    max_time: Option<Duration>,
    /// Bound each connection, all its steps together: look-up, opening, a proxy's tunnel, TLS handshake
    #[arg(long, value_name = "TIME", value_parser = duration::limit)]
    connect_timeout: Option<Duration>,
    /// Bound the whole trace; without it and --max-time, 30 s
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) deadline: Option<Duration>,
}

impl TimeArguments {
    /// The bound of each request, if there is one.
    pub(crate) fn max_time(&self) -> Option<Duration> {
        self.max_time.filter(|time| !time.is_zero())
    }

    /// The bound of each connection, if there is one.
    pub(crate) fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout.filter(|time| !time.is_zero())
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The answer")]
pub(crate) struct OutputArguments {
    /// Print the whole report as JSON (schema: `reqpath schema`)
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the report as Markdown, for the channel of an incident
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Exit with 1 on warnings too
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) fail_on: Option<FailOn>,
    /// Print what would be contacted, at most, and contact nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Show every observation in the text report
    #[arg(short = 'v', long, action = ArgAction::SetTrue)]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Also when only warnings were found
    Warning,
}

#[derive(Debug, Args)]
pub(crate) struct JudgeArguments {
    /// A report written by `trace --json`; `-` is standard input
    #[arg(value_name = "REPORT")]
    pub(crate) report: PathBuf,
    #[command(flatten)]
    pub(crate) output: JudgeOutput,
}

#[derive(Debug, Args)]
pub(crate) struct JudgeOutput {
    /// Print the whole report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the report as Markdown, for the channel of an incident
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Exit with 1 on warnings too
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) fail_on: Option<FailOn>,
    /// Show every observation in the text report
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The code, as a report has it: tls.cert.incomplete_chain
    #[arg(value_name = "CODE")]
    pub(crate) code: String,
}

#[derive(Debug, Args)]
pub(crate) struct CausesArguments {
    /// Print the whole catalogue as Markdown
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Print the whole catalogue as JSON, examples included
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// That of path files
    #[arg(long)]
    pub(crate) path: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Which death to play; all of them without a name
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// List the names
    #[arg(long)]
    pub(crate) list: bool,
}

/// A nameserver's address; port 53 unless given.
fn nameserver(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, 53));
    }
    text.parse().map_err(|_| {
        format!("`{text}` is not an address: write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nameservers_have_a_default_port() {
        assert_eq!(nameserver("192.0.2.53").unwrap().port(), 53);
        assert_eq!(nameserver("2001:db8::53").unwrap().port(), 53);
        assert_eq!(nameserver("[2001:db8::53]:5353").unwrap().port(), 5353);
        assert!(nameserver("dns.example").is_err());
    }
}
