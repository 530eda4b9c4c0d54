//! One line of the error log of nginx and its relatives.

use super::clock::without_zone;

/// One line of the error log of nginx and its relatives, as it stands there: nothing of it is safe to show yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorLine<'a> {
    /// Its time, in seconds since 1970 as if the zone, which it does not name, were UTC.
    pub time_s: i64,
    /// How bad it is: `error`, `crit`, `warn`.
    pub level: &'a str,
    /// The process that wrote it.
    pub pid: u64,
    /// nginx's number of the connection that it is about.
    pub connection: Option<u64>,
    /// What happened, up to `while`.
    pub message: &'a str,
    /// The number that the system, or a nameserver, gave: to be relied on, unlike its words.
    pub number: Option<i32>,
    /// What it was doing: `connecting to upstream`.
    pub action: Option<&'a str>,
    /// Who asked.
    pub client: Option<&'a str>,
    /// The first name of the server that was chosen.
    pub server: Option<&'a str>,
    /// The request line.
    pub request: Option<&'a str>,
    /// Whom it asked, as a URL.
    pub upstream: Option<&'a str>,
    /// The host asked for.
    pub host: Option<&'a str>,
    /// nginx's own id of the request, where the build writes it.
    pub request_id: Option<&'a str>,
}

/// Names of what follows the message, in nginx's order, and whether it stands in quotes.
const FIELDS: [(&str, bool); 9] = [
    ("client", false),
    ("server", false),
    ("login", true),
    ("request", true),
    ("subrequest", true),
    ("upstream", true),
    ("host", true),
    ("referrer", true),
    ("request_id", true),
];

/// Reads a line; `None` where it is no line of an error log.
///
/// ```
/// use reqpath_proxy::logs::parse_error_line;
///
/// let line = parse_error_line(
///     "2026/11/22 07:04:01 [error] 7#7: *3 connect() failed (111: Connection refused) while connecting to \
///      upstream, client: 192.0.2.9, server: shop.example, request: \"GET / HTTP/1.1\", \
///      upstream: \"http://10.0.0.7:8080/\", host: \"shop.example\"").unwrap();
/// assert_eq!((line.number, line.connection), (Some(111), Some(3)));
/// assert_eq!(line.action, Some("connecting to upstream"));
/// assert_eq!(line.upstream, Some("http://10.0.0.7:8080/"));
/// ```
#[must_use]
pub fn parse_error_line(line: &str) -> Option<ErrorLine<'_>> {
    // What a container's runtime writes before the line is not part of it.
    let line =
        [" stdout F ", " stderr F "].iter().find_map(|mark| line.split_once(mark)).map_or(line, |(_, l)| l);
    let time = line.get(..19)?;
    let rest = line.get(19..)?.strip_prefix(" [")?;
    let (level, rest) = rest.split_once("] ")?;
    if level.is_empty() || !level.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    let (pid, rest) = rest.split_once('#')?;
    let (_, rest) = rest.split_once(": ")?;
    let mut read =
        ErrorLine { time_s: without_zone(time)?, level, pid: pid.parse().ok()?, ..ErrorLine::default() };
    let mut rest = rest;
    if let Some((number, after)) = rest.strip_prefix('*').and_then(|rest| rest.split_once(' '))
        && let Ok(number) = number.parse()
    {
        (read.connection, rest) = (Some(number), after);
    }
    let mut text = rest;
    // From the right: what stands left of a field may hold anything, what nginx itself writes does not.
    for (name, quoted) in FIELDS.iter().rev() {
        let mark = if *quoted { format!(", {name}: \"") } else { format!(", {name}: ") };
        let place = if *name == "client" { text.find(&mark) } else { text.rfind(&mark) };
        let Some(place) = place else { continue };
        let value = text.get(place + mark.len()..).unwrap_or_default();
        let value = if *quoted { value.strip_suffix('"').unwrap_or(value) } else { value };
        text = text.get(..place).unwrap_or_default();
        let value = Some(value).filter(|value| !value.is_empty());
        match *name {
            "client" => read.client = value,
            "server" => read.server = value,
            "request" => read.request = value,
            "upstream" => read.upstream = value,
            "host" => read.host = value,
            "request_id" => read.request_id = value,
            _ => {}
        }
    }
    let (message, action) = match text.rsplit_once(" while ") {
        Some((message, action)) => (message, Some(action)),
        None => (text, None),
    };
    (read.message, read.action, read.number) = (message, action, number(message));
    Some(read)
}

/// The number in `(111: Connection refused)`.
fn number(message: &str) -> Option<i32> {
    message.match_indices('(').find_map(|(place, _)| {
        let (digits, _) = message.get(place + 1..)?.split_once(':')?;
        (!digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_nginx_writes_are_read() {
        let line = parse_error_line(
            "2026/11/22 07:04:01 [error] 12#12: *7 shop.test could not be resolved (3: Host not found), \
             client: 127.0.0.1, server: , request: \"GET /a?b=\"c HTTP/1.1\", host: \"127.0.0.1:80\", referrer: \"x\"",
        )
        .unwrap();
        assert_eq!((line.number, line.action, line.server), (Some(3), None, None));
        assert_eq!(line.request, Some("GET /a?b=\"c HTTP/1.1"));
        assert_eq!(line.host, Some("127.0.0.1:80"));
        let line = parse_error_line(
            "2026/11/22 07:04:01 [error] 12#12: *7 SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong \
             version number) while SSL handshaking to upstream, client: ::1, server: x, request: \"GET / HTTP/1.1\", \
             upstream: \"https://[::1]:80/\", host: \"x\"",
        )
        .unwrap();
        assert_eq!((line.number, line.action), (None, Some("SSL handshaking to upstream")));
        let line = parse_error_line("2026/11/22 07:04:01 [notice] 1#1: start worker processes").unwrap();
        assert_eq!((line.connection, line.client), (None, None));
    }

    #[test]
    fn what_is_no_error_line_is_none() {
        for line in [
            "",
            "x",
            "2026/11/22 07:04:01",
            "2026/11/22 07:04:01 [error] x",
            "2026/13/22 07:04:01 [error] 1#1: x",
            "é".repeat(30).as_str(),
        ] {
            assert!(parse_error_line(line).is_none(), "{line}");
        }
    }
}
