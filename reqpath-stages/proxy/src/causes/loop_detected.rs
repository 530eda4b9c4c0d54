//! `proxy.loop_detected`

use reqpath_core::{Case, Decline, End, Finding, Scope, Subject, cause};
use reqpath_http::{Passage, Try};

use super::told::{placed, told};
use crate::evidence::Fault;

cause! {
    /// The request came back to a hop that had sent it on.
    ///
    /// A hop asked itself, or one further in asked it again: a name that resolves to the proxy, a `proxy_pass` to its own
    /// address, a default server that sends everything round. It goes round until something runs out: headers, ports,
    /// connections, time. Its log has the same request more than once, and sent to the hop's own address; or it says so
    /// itself (`Proxy-Status: …; error=proxy_loop_detected`).
    /// A hop before that tries again is no loop: then nothing is sent to the hop's own address.
    ///
    /// # What to do
    ///
    /// See what address the upstream's name has from the proxy's place, and which server block answers there.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx", "addresses": ["192.0.2.7:80"]},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 500, "end": "complete"}},
    ///   {"kind": "proxy.access", "subject": {"leg": {"from": "edge", "to": "shop", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/access.log", "status": 500, "tells_upstream": true,
    ///             "tries": [{"address": "192.0.2.7:80", "status": 500}]}},
    ///   {"kind": "proxy.access", "subject": {"leg": {"from": "edge", "to": "shop", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/access.log", "status": 500, "tells_upstream": true,
    ///             "tries": [{"address": "192.0.2.7:80", "status": 500}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 500"}}
    /// ]}
    /// ```
    pub static LOOP_DETECTED: "proxy.loop_detected" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        explains(&["http.error", "http.response.unexpected", "http.response.timed_out",
                   "http.response.header_section_size"]),
        twins(&["proxy.http_response_timeout", "http.response.redirect_loop"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let leg = at.as_leg().ok_or(Decline::Absent)?;
    for hop in [&leg.from, &leg.to] {
        let lines: Vec<_> =
            case.of::<Passage>(&at.any_address()).filter(|line| line.hop == hop.as_str()).collect();
        let [first, .., last] = lines.as_slice() else { continue };
        let Some(hop) = case.path().hop(hop) else { continue };
        let own = |tried: &Try| {
            let address = tried.address.as_deref();
            hop.addresses.iter().any(|own| Some(own.to_string().as_str()) == address)
        };
        let Some(sent) = lines.iter().find(|line| line.tries.iter().any(own)) else {
            return Err(case.not(last, || {
                format!("{} logged it {} times, and sent it to no address of its own", hop.id, lines.len())
            }));
        };
        if last.status.is_some_and(|status| status < 400) {
            return Err(case.not(last, || format!("{} answered all the same", hop.id)));
        }
        let whom = sent.tries.iter().find(|tried| own(tried)).and_then(|tried| tried.address.as_deref());
        let summary = format!(
            "{0} sent the request to {1}, which is {0} itself; its log has it {2} times",
            hop.id,
            whom.unwrap_or_default(),
            lines.len()
        );
        return Ok(placed(Finding::new(at, sent, summary).citing(first).citing(last), at, hop.id.as_str()));
    }
    told(case, at, Fault::LoopDetected, |hop, _| format!("the request came back to {hop}"))
}
