//! `http.response.header_section_size`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause};

use super::met::{asked, ended, interim, peer, words};
use crate::evidence::{End, LimitOf};

cause! {
    /// The head of the answer is larger than what we read, or does not end at all; or interim answers (1xx)
    /// come without end, and no answer.
    ///
    /// Clients and proxies bound the head of an answer: nginx reads 4 or 8 KiB of it unless told
    /// otherwise, many clients up to 64 KiB and a hundred lines.
    /// What grows beyond is nearly always `Set-Cookie`, a token, or a `Content-Security-Policy` that is
    /// added once per layer; a peer that writes headers without end is broken or hostile.
    ///
    /// # What to do
    ///
    /// Look which header repeats or grows: `curl -sI URL | awk '{print length, $1}' | sort -n | tail`.
    /// Make it smaller at its source; larger buffers at every proxy only move the limit.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://server.example/"}, "bytes_received": 65599, "end": "too_large",
    ///             "error": "message head is too large"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "sent": true}}
    /// ]}
    /// ```
    pub static HEADER_SECTION_SIZE: "http.response.header_section_size" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        twins(&["http.response.invalid"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = ended(case, at, &[End::TooLarge])?;
    let (peer, asked, read) = (peer(&seen), asked(&seen), seen.bytes_received);
    let met = seen.met.unwrap_or_default();
    let summary = match met.limit {
        LimitOf::Lines => format!(
            "{peer} answered {asked} with a head of more lines than the {} that are read ({read} bytes came)",
            met.most
        ),
        LimitOf::Bytes => format!(
            "{peer} answered {asked} with a head larger than the {} bytes that are read ({read} bytes came)",
            met.most
        ),
        LimitOf::Before => {
            let came = interim(&seen).map_or_else(String::new, |came| format!("{came} and "));
            format!(
                "{peer} sent {came}no answer to {asked} within the {} bytes that are read before one ({read} bytes came)",
                met.most
            )
        }
        LimitOf::Other => format!(
            "{peer} answered {asked} with a head that did not end within our limits: {read} bytes of it were read"
        ),
    };
    let url = seen.curl_target();
    let lines = format!(
        "curl -s -D - -o /dev/null --max-time 10 {url} | awk '{{print length, $1}}' | sort -n | tail"
    );
    let finding = Finding::new(at, &seen, summary).next(lines);
    Ok(match words(&seen) {
        Some(words) => finding.error(words),
        None => finding,
    })
}
