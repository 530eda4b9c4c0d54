//! One line of an access log.

use reqpath_core::Micros;
use reqpath_http::Try;

use super::clock::with_zone;
use super::format::{Format, FormatError};
use super::json;

/// So many tries of one request are kept.
const MOST_TRIES: usize = 32;

/// Reads the lines of one access log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AccessReader {
    /// Lines in an nginx `log_format`.
    Format(Format),
    /// Lines that are JSON objects.
    Json,
}

/// One line of an access log, as it stands there: nothing of it is safe to show yet.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AccessLine {
    /// Who asked.
    pub client: Option<String>,
    /// The request line.
    pub request: Option<String>,
    /// The host asked for.
    pub host: Option<String>,
    /// The status answered.
    pub status: Option<u16>,
    /// When it was logged, in seconds since 1970, where the line names a zone.
    pub time_s: Option<i64>,
    /// How long the request took.
    pub took: Option<Micros>,
    /// What a cache said.
    pub cache: Option<String>,
    /// nginx's number of the connection, which its error log has too.
    pub connection: Option<u64>,
    /// nginx's own id of the request, which some error logs have too.
    pub request_id: Option<String>,
    /// Whether it tells who was asked behind.
    pub tells_upstream: bool,
    /// Whom it asked behind.
    pub tries: Vec<Try>,
}

impl AccessReader {
    /// The reader for a format: `combined`, `json`, or an nginx `log_format`.
    ///
    /// # Errors
    ///
    /// When it is none of these.
    pub fn of(format: Option<&str>) -> Result<Self, FormatError> {
        match format.map(str::trim) {
            None | Some("") => Ok(Self::Format(Format::combined())),
            Some("json") => Ok(Self::Json),
            Some(text) => Ok(Self::Format(text.parse()?)),
        }
    }

    /// What a line says; `None` where it is of another format.
    #[must_use]
    pub fn read(&self, line: &str) -> Option<AccessLine> {
        match self {
            Self::Json => Some(line_of(&json::values(line)?)),
            Self::Format(format) => {
                // What a container's runtime writes before the line is not part of it.
                format.cut(line).or_else(|| format.cut(unwrapped(line)?)).map(|values| line_of(&values))
            }
        }
    }
}

/// The line within `2026-11-22T07:04:01.1Z stdout F LINE`.
fn unwrapped(line: &str) -> Option<&str> {
    [" stdout F ", " stderr F "].iter().find_map(|mark| line.split_once(mark)).map(|(_, line)| line)
}

fn line_of(values: &[(&str, String)]) -> AccessLine {
    let named = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let value = |name: &str| named(name).filter(|value| !matches!(*value, "" | "-"));
    let any = |names: &[&str]| names.iter().find_map(|name| value(name)).map(str::to_owned);
    let request = value("request").map(str::to_owned).or_else(|| {
        let uri = any(&["request_uri", "uri"])?;
        Some(format!("{} {uri}", value("request_method")?))
    });
    AccessLine {
        client: any(&["remote_addr", "realip_remote_addr"]),
        request,
        host: any(&["http_host", "host", "server_name"]),
        status: value("status").and_then(status),
        time_s: any(&["time_iso8601", "time_local", "msec"]).and_then(|time| with_zone(&time)),
        took: value("request_time").and_then(seconds),
        cache: any(&["upstream_cache_status"]),
        connection: value("connection").and_then(|number| number.parse().ok()),
        request_id: any(&["request_id"]),
        tells_upstream: ["upstream_addr", "upstream_status"].iter().any(|name| named(name).is_some()),
        tries: tries(&named),
    }
}

/// nginx writes `000` where nothing was answered.
fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| (100..=999).contains(status))
}

fn seconds(text: &str) -> Option<Micros> {
    let seconds: f64 = text.parse().ok()?;
    std::time::Duration::try_from_secs_f64(seconds).ok().map(Micros::from)
}

/// The entries of a list of nginx's: `a, b` are tries of one pass, ` : ` begins a pass after an internal redirect.
fn unlisted(text: &str) -> impl Iterator<Item = &str> {
    text.split(" : ").flat_map(|pass| pass.split(", ")).map(str::trim).filter(|entry| !entry.is_empty())
}

fn tries<'a>(named: &impl Fn(&str) -> Option<&'a str>) -> Vec<Try> {
    // A lone dash stays in the list: that there is such a field at all tells something too.
    let list = |name: &str| named(name).map(|text| unlisted(text).collect::<Vec<_>>()).unwrap_or_default();
    let (addresses, statuses) = (list("upstream_addr"), list("upstream_status"));
    let (connects, headers) = (list("upstream_connect_time"), list("upstream_header_time"));
    let (responses, lengths) = (list("upstream_response_time"), list("upstream_response_length"));
    let timed = !connects.is_empty() || !headers.is_empty();
    let count = addresses.len().max(statuses.len()).min(MOST_TRIES);
    let tries = (0..count).map(|which| {
        let said =
            |list: &[&str]| list.get(which).filter(|entry| **entry != "-").map(|entry| (*entry).to_owned());
        let time = |list: &[&str]| said(list).and_then(|text| seconds(&text));
        let header = time(&headers);
        let bytes = said(&lengths).and_then(|text| text.parse::<u64>().ok());
        let mut tried = Try::default();
        tried.address = said(&addresses);
        tried.status = said(&statuses).and_then(|text| status(&text));
        tried.connect_us = time(&connects);
        tried.header_us = header;
        tried.response_us = time(&responses);
        tried.timed = timed;
        tried.answered = match (header, bytes) {
            (Some(_), _) | (_, Some(1..)) => Some(true),
            // The log has a field for the head's time, and no head came.
            _ if !headers.is_empty() => Some(false),
            _ => None,
        };
        tried
    });
    tries.filter(|tried| tried.address.is_some() || tried.status.is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROAD: &str = "log_format road '$remote_addr [$time_iso8601] \"$request\" $status $body_bytes_sent \
         upstream=\"$upstream_addr\" upstream_status=\"$upstream_status\" time=$request_time id=\"$http_x_request_id\"';";

    fn road(line: &str) -> AccessLine {
        AccessReader::of(Some(ROAD)).unwrap().read(line).unwrap()
    }

    #[test]
    fn tries_are_listed_with_their_statuses() {
        let line = road(
            "10.1.0.2 [2026-11-22T07:04:01+00:00] \"GET /x HTTP/1.1\" 200 5 \
             upstream=\"10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80\" upstream_status=\"502, 504 : 200\" time=0.104 id=\"ab-1\"",
        );
        let tries: Vec<_> =
            line.tries.iter().map(|t| (t.address.as_deref().unwrap(), t.status.unwrap())).collect();
        assert_eq!(tries, [("10.0.0.1:80", 502), ("10.0.0.2:80", 504), ("10.0.0.3:80", 200)]);
        assert_eq!((line.status, line.took), (Some(200), Some(Micros(104_000))));
        assert_eq!(line.time_s, Some(1_795_331_041));
    }

    #[test]
    fn nobody_asked_is_known_only_where_the_log_would_tell() {
        let line = road(
            "::1 [2026-11-22T07:04:01+00:00] \"GET / HTTP/1.1\" 403 5 upstream=\"-\" upstream_status=\"-\" time=0.000 id=\"-\"",
        );
        assert!(line.tells_upstream && line.tries.is_empty());
        let combined = AccessReader::of(None).unwrap();
        let line = combined
            .read("::1 - - [22/Nov/2026:07:04:01 +0000] \"GET / HTTP/1.1\" 403 5 \"-\" \"x\"")
            .unwrap();
        assert!(!line.tells_upstream);
        assert!(AccessReader::of(Some("csv")).is_err());
    }

    #[test]
    fn a_head_that_came_is_told_from_one_that_did_not() {
        let reader = AccessReader::of(Some(
            "$status $upstream_addr $upstream_status $upstream_connect_time $upstream_header_time",
        ));
        let reader = reader.unwrap();
        let last = |line: &str| reader.read(line).unwrap().tries.pop().unwrap().answered;
        assert_eq!(last("502 10.0.0.1:80 502 0.001 0.002"), Some(true));
        assert_eq!(last("502 10.0.0.1:80 502 - -"), Some(false));
        assert_eq!(last("502 10.0.0.1:80, 10.0.0.2:80 502, 502 0.001, - -, -"), Some(false));
    }
}
