//! Whose an error line is: it carries no id, so everything else it carries must fit.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::requests::Request;
use crate::evidence::authority;
use crate::logs::ErrorLine;

/// A zone lies some quarters of an hour from UTC; the time of an error line does not name it.
const QUARTER: i64 = 900;

/// What is known of a request of ours at the hop whose error log is read.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) sample: u32,
    /// It was made beside that request.
    pub(super) further: bool,
    /// When it was there, in seconds since 1970.
    pub(super) from_s: i64,
    pub(super) to_s: i64,
    pub(super) client: Option<String>,
    /// The method, and the path with the query.
    pub(super) method: Option<String>,
    pub(super) uri: Option<String>,
    pub(super) host: Option<String>,
    pub(super) connection: Option<u64>,
    pub(super) request_id: Option<String>,
    /// Whom its own line says it was handed to; nothing where that is not known.
    pub(super) asked: Vec<SocketAddr>,
    /// Whether it went wrong there, or may have.
    pub(super) failed: bool,
}

/// An error line, the request it is of, and whether it may be of another.
pub(super) struct Joined<'a> {
    pub(super) line: ErrorLine<'a>,
    pub(super) sample: u32,
    /// It is of a request made beside that one.
    pub(super) further: bool,
    pub(super) indirect: bool,
}

/// Gives each line of a request of ours to that request.
///
/// Lines of one connection are of one request. Where several requests fit, those that failed are served
/// first, in the order of the connections, which nginx numbers as they come.
pub(super) fn join<'a>(lines: Vec<ErrorLine<'a>>, known: &[Known], lasted_s: i64) -> Vec<Joined<'a>> {
    let Some(newest) = lines.iter().map(|line| line.time_s).max() else { return Vec::new() };
    let mut groups = BTreeMap::<(u64, Option<u64>, usize), Vec<ErrorLine<'a>>>::new();
    for (place, line) in lines.into_iter().enumerate() {
        // Our own lines are among the newest there are.
        if line.time_s < newest - lasted_s || line.client.is_none() {
            continue;
        }
        let alone = if line.connection.is_some() { 0 } else { place };
        groups.entry((line.pid, line.connection, alone)).or_default().push(line);
    }
    let fitting: Vec<(Vec<ErrorLine<'a>>, Fit)> = groups
        .into_values()
        .map(|lines| {
            let fit = fit(&lines, known);
            (lines, fit)
        })
        .filter(|(_, fit)| !fit.requests.is_empty())
        .collect();
    let rivals: Vec<usize> = (0..known.len())
        .map(|which| fitting.iter().filter(|(_, fit)| fit.requests.contains(&which)).count())
        .collect();
    let mut taken = vec![false; known.len()];
    let mut joined = Vec::new();
    for (lines, fit) in fitting {
        let rivals = |which: usize| rivals.get(which).copied().unwrap_or_default();
        let indirect =
            fit.requests.len() > 1 || !fit.sure && fit.requests.iter().any(|which| rivals(*which) > 1);
        let free: Vec<usize> =
            fit.requests.iter().copied().filter(|which| taken.get(*which) == Some(&false)).collect();
        let failed: Vec<usize> = free
            .iter()
            .copied()
            .filter(|which| known.get(*which).is_some_and(|known| known.failed))
            .collect();
        let mut to = if failed.is_empty() { free } else { failed };
        // Several requests over one connection, as a proxy before sends them: they share its lines in order.
        if to.len() > 1 && to.iter().any(|which| rivals(*which) > 1) || lines.len() < to.len() {
            to.truncate(1);
        }
        if to.is_empty() {
            to.extend(fit.requests.last());
        }
        let each = lines.len().div_ceil(to.len().max(1));
        for (place, line) in lines.into_iter().enumerate() {
            let Some(&which) = to.get(place / each.max(1)) else { continue };
            if let (Some(taken), Some(request)) = (taken.get_mut(which), known.get(which)) {
                *taken = true;
                let (sample, further) = (request.sample, request.further);
                joined.push(Joined { line, sample, further, indirect });
            }
        }
    }
    joined
}

/// The requests that lines can be of.
struct Fit {
    /// Their places.
    requests: Vec<usize>,
    /// Whether a number or an id says so, and not only what they look like.
    sure: bool,
}

fn fit(lines: &[ErrorLine<'_>], known: &[Known]) -> Fit {
    // An id that the caller chose stands on all of our requests, and tells none from another.
    let alone = |id: &str| known.iter().filter(|known| known.request_id.as_deref() == Some(id)).count() == 1;
    let same_id = |line: &ErrorLine<'_>, known: &Known| {
        line.request_id.is_some_and(|id| known.request_id.as_deref() == Some(id) && alone(id))
    };
    let sure = |known: &Known| {
        lines.iter().any(|line| {
            let same_connection = line.connection.is_some() && line.connection == known.connection;
            same_id(line, known) || same_connection && looks_like(line, known)
        })
    };
    let places = |fits: &dyn Fn(&Known) -> bool| {
        known.iter().enumerate().filter(|(_, known)| fits(known)).map(|(place, _)| place).collect::<Vec<_>>()
    };
    let requests = places(&sure);
    if !requests.is_empty() {
        return Fit { requests, sure: true };
    }
    // Another number of the connection rules it out.
    let other = |known: &Known| {
        lines.iter().any(|line| known.connection.is_some() && line.connection != known.connection)
    };
    let requests = places(&|known| !other(known) && lines.iter().any(|line| looks_like(line, known)));
    Fit { requests, sure: false }
}

fn looks_like(line: &ErrorLine<'_>, known: &Known) -> bool {
    fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
    let mut words = line.request.unwrap_or_default().split(' ');
    let (method, uri) = (words.next().filter(|method| !method.is_empty()), words.next());
    same(line.client, known.client.as_deref())
        && line.request.is_some()
        && same(method, known.method.as_deref())
        && same(uri, known.uri.as_deref())
        && same(line.host.map(bare), known.host.as_deref().map(bare))
        && then(line.time_s, known.from_s, known.to_s)
        && handed_to_the_same(line, known)
}

/// Whether the server that the line names is one of those that the request's own line names.
fn handed_to_the_same(line: &ErrorLine<'_>, known: &Known) -> bool {
    let at: Option<SocketAddr> = line.upstream.and_then(authority).and_then(|at| at.parse().ok());
    at.is_none_or(|at| known.asked.is_empty() || known.asked.contains(&at))
}

/// A host without its port, in lower case.
fn bare(host: &str) -> String {
    let port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, number)) if port(number) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
    .to_ascii_lowercase()
}

/// Whether a time without a zone can lie between two with one. Clocks of logs count whole seconds.
fn then(time_s: i64, from_s: i64, to_s: i64) -> bool {
    let since = time_s.saturating_sub(from_s).rem_euclid(QUARTER);
    since <= to_s.saturating_sub(from_s).max(0).saturating_add(1) || since >= QUARTER - 1
}

/// What is known where no access log tells more: the request as the hop before is said to send it.
pub(super) fn by_trial(request: &Request, sent: &Sent, now_s: i64, now_us: u64) -> Known {
    let ago = |us: u64| i64::try_from(now_us.saturating_sub(us) / 1_000_000).unwrap_or(i64::MAX);
    Known {
        sample: request.sample,
        further: false,
        from_s: now_s.saturating_sub(ago(request.began.0)).saturating_sub(1),
        to_s: now_s.saturating_sub(ago(request.ended.0)),
        client: None,
        method: Some(sent.method.clone()),
        uri: Some(sent.uri.clone()),
        host: Some(sent.host.clone()),
        connection: None,
        request_id: None,
        asked: Vec::new(),
        failed: request.failed,
    }
}

/// The request as it comes to a hop.
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) host: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::parse_error_line;

    fn known(sample: u32, from_s: i64, failed: bool) -> Known {
        Known {
            sample,
            further: false,
            from_s,
            to_s: from_s + 1,
            client: Some("192.0.2.9".to_owned()),
            method: Some("GET".to_owned()),
            uri: Some("/x".to_owned()),
            host: Some("shop.test".to_owned()),
            connection: None,
            request_id: None,
            asked: Vec::new(),
            failed,
        }
    }

    fn line(connection: u64, client: &str, uri: &str, at: &str) -> String {
        format!(
            "2026/11/22 {at} [error] 7#7: *{connection} connect() failed (111: x) while connecting to upstream, \
             client: {client}, server: s, request: \"GET {uri} HTTP/1.1\", upstream: \"http://10.0.0.1:80{uri}\", host: \"shop.test:8080\""
        )
    }

    fn joined(lines: &[String], known: &[Known]) -> Vec<(u64, u32, bool)> {
        let lines = lines.iter().filter_map(|line| parse_error_line(line)).collect();
        join(lines, known, 60).iter().map(|j| (j.line.connection.unwrap(), j.sample, j.indirect)).collect()
    }

    /// 2026-11-22 07:04:01 UTC.
    const T: i64 = 1_795_331_041;

    #[test]
    fn a_line_is_given_to_the_request_it_fits_whatever_the_zone() {
        for at in ["07:04:01", "08:04:02", "12:49:01"] {
            assert_eq!(
                joined(&[line(3, "192.0.2.9", "/x", at)], &[known(0, T, true)]),
                [(3, 0, false)],
                "{at}"
            );
        }
    }

    #[test]
    fn lines_of_others_are_left() {
        let ours = [known(0, T, true)];
        assert!(joined(&[line(3, "192.0.2.8", "/x", "07:04:01")], &ours).is_empty());
        assert!(joined(&[line(3, "192.0.2.9", "/y", "07:04:01")], &ours).is_empty());
        assert!(joined(&[line(3, "192.0.2.9", "/x", "07:09:01")], &ours).is_empty());
        let old = [line(3, "192.0.2.9", "/x", "06:49:01"), line(9, "192.0.2.8", "/z", "07:04:09")];
        assert!(joined(&old, &ours).is_empty(), "a quarter of an hour ago is not a zone away");
    }

    #[test]
    fn several_that_fit_are_given_in_order_to_those_that_failed_and_said_to_be_indirect() {
        let lines = [line(3, "192.0.2.9", "/x", "07:04:01"), line(8, "192.0.2.9", "/x", "07:04:01")];
        let ours = [known(0, T, false), known(1, T, true), known(2, T, true)];
        assert_eq!(joined(&lines, &ours), [(3, 1, true), (8, 2, true)]);
    }

    #[test]
    fn what_a_further_request_met_is_not_given_to_the_one_beside_which_it_was_made() {
        let ours = [known(3, T, false), Known { further: true, ..known(3, T, true) }];
        let lines = [line(8, "192.0.2.9", "/x", "07:04:01")];
        let lines = lines.iter().filter_map(|line| parse_error_line(line)).collect();
        assert!(join(lines, &ours, 60).iter().all(|joined| joined.further));
    }

    #[test]
    fn the_server_that_it_was_handed_to_settles_it() {
        let asked = |address: &str| vec![address.parse().unwrap()];
        let lines = [line(3, "192.0.2.9", "/x", "07:04:01"), line(8, "192.0.2.9", "/x", "07:04:01")];
        let ours = [
            Known { asked: asked("10.0.0.2:80"), ..known(0, T, true) },
            Known { asked: asked("10.0.0.1:80"), ..known(1, T, true) },
        ];
        assert_eq!(joined(&lines[..1], &ours), [(3, 1, false)]);
        // Where its own line names none, or several, it may be any of them.
        let ours = [known(0, T, true), Known { asked: asked("10.0.0.1:80"), ..known(1, T, true) }];
        assert_eq!(joined(&lines, &ours), [(3, 0, true), (8, 1, true)]);
    }

    #[test]
    fn another_request_that_looks_the_same_makes_it_indirect() {
        let lines = [line(3, "192.0.2.9", "/x", "07:04:01"), line(8, "192.0.2.9", "/x", "07:04:01")];
        assert!(joined(&lines, &[known(0, T, true)]).iter().all(|(_, _, indirect)| *indirect));
    }

    #[test]
    fn the_number_of_the_connection_settles_it() {
        let lines = [line(3, "192.0.2.9", "/x", "07:04:01"), line(8, "192.0.2.9", "/x", "07:04:01")];
        let ours = [
            Known { connection: Some(8), ..known(0, T, true) },
            Known { connection: Some(5), ..known(1, T, true) },
        ];
        assert_eq!(joined(&lines, &ours), [(8, 0, false)]);
    }
}
