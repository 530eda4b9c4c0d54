//! `client.retry_storm`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};

use super::met::declared;
use crate::timetable::{MANY_TRIES, Timetable};

cause! {
    /// Retries multiply along the road: one request may become many at its end.
    ///
    /// Each place that tries again does so for every try of the place before it.
    /// Where the client tries three times, the edge twice and the gateway twice, the application gets twelve
    /// requests for one, and it gets them when it is slow or failing, which keeps it so.
    /// More than four are worth a warning. Places that do not say how often they try are not counted.
    ///
    /// # What to do
    ///
    /// Retry in one place, the one that knows best whether the request may be repeated; elsewhere once.
    /// In nginx: `proxy_next_upstream_tries` and `proxy_next_upstream_timeout`, for which the default is as many
    /// tries as there are servers.
    /// Bound retries by a budget (a share of all requests), and let each wait longer than the one before.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx", "timeouts": {"tries": 2}},
    ///                    {"id": "shop", "kind": "pod"}],
    ///           "caller": {"tries": 3}},
    ///  "observations": [
    ///   {"kind": "road.declared", "subject": "path",
    ///    "data": {"caller": {"tries": 3}, "hops": [{"hop": "edge", "timeouts": {"tries": 2}}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static RETRY_STORM: "client.retry_storm" = recognise {
        scope(Scope::Path),
        blames(End::Near),
        only_warns(),
    }
}

fn recognise(case: &Case, _: &Subject) -> Result<Finding, Decline> {
    let declared = declared(case)?;
    let attempts = Timetable::of(case.path()).attempts;
    if attempts.parts.is_empty() {
        return Err(Decline::Absent);
    }
    if attempts.product <= MANY_TRIES {
        return Err(
            case.not(&declared, || format!("one request is tried {} times at most", attempts.product))
        );
    }
    let finding = Finding::new(&Subject::Path, &declared, attempts.to_string());
    Ok(finding.next("nginx -T | grep -nE 'proxy_next_upstream|proxy_next_upstream_tries|upstream|server '"))
}
