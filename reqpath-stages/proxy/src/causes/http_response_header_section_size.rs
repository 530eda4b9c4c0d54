//! `proxy.http_response_header_section_size`

use reqpath_core::{Behind, Case, Decline, End, Finding, Scope, Subject, cause};

use super::told::told;
use crate::evidence::Fault;

cause! {
    /// The head of the answer is larger than the proxy's buffer for it.
    ///
    /// The application answered, and the proxy threw the answer away: a cookie that grew, a token in a header, a long
    /// `Location` or policy. Entered directly the application looks healthy.
    /// Its error log says so in the line of this very request; `Proxy-Status` of any proxy says it by `error=http_response_header_section_size`.
    ///
    /// # What to do
    ///
    /// Measure the head (`curl -sI … | wc -c`) and find the header that grew; else raise `proxy_buffer_size` (4 or 8 KiB unless set).
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "edge", "kind": "nginx"},
    ///                    {"id": "shop", "kind": "pod"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange", "subject": {"leg": {"from": "client", "to": "edge", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://edge.example/"}, "version": "HTTP/1.1", "status": 502, "end": "complete"}},
    ///   {"kind": "proxy.error", "subject": {"leg": {"from": "edge", "to": "shop", "address": "10.0.0.7:8080", "sample": 0}},
    ///    "data": {"hop": "edge", "log": "/var/log/nginx/error.log", "level": "error",
    ///             "message": "upstream sent too big header", "action": "reading response header from upstream",
    ///             "upstream": "http://10.0.0.7:8080/"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "edge", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 502"}}
    /// ]}
    /// ```
    pub static HTTP_RESPONSE_HEADER_SECTION_SIZE: "proxy.http_response_header_section_size" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["proxy.connection_terminated"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let finding = told(case, at, Fault::HttpResponseHeaderSectionSize, |hop, whom| {
        format!("{whom} answered {hop} with a head larger than its buffer")
    })?;
    Ok(finding.behind(Behind::NOTHING))
}
