//! `http.response.misdirected`

use reqpath_core::{Case, Decline, End as Blame, Finding, Scope, Subject, cause};
use reqpath_tls::Handshake;

use super::met::{asked, exchange, otherwise, peer};

cause! {
    /// The server says that this connection is the wrong one for the name asked for (421).
    ///
    /// A server answers `421 Misdirected Request` when the name in `Host` or `:authority` is not one it
    /// serves over this connection: the SNI of the handshake was another name, a client reused a
    /// connection for a second name because the certificate covers both, or a load balancer led
    /// to a server that has the certificate and not the site.
    ///
    /// # What to do
    ///
    /// Compare the SNI, the `Host` and the names in the certificate.
    /// A proxy that sets `Host` for its upstream must send the same name as SNI
    /// (nginx: `proxy_ssl_name` and `proxy_ssl_server_name on`).
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.7:443", "sample": 0}},
    ///    "data": {"request": {"url": "https://server.example/"}, "secured": true, "version": "HTTP/2", "status": 421,
    ///             "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/2 421"}}
    /// ]}
    /// ```
    pub static MISDIRECTED: "http.response.misdirected" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(Blame::Far),
        explains(&["http.error", "http.response.unexpected"]),
        twins(&["http.error", "http.response.unexpected"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = exchange(case, at)?;
    if !seen.answered() {
        return Err(otherwise(case, &seen));
    }
    if seen.status != Some(421) {
        return Err(case.not(&seen, || format!("the answer is {}", seen.status_line())));
    }
    if case.target().expect().status.iter().any(|range| range.holds(421)) {
        return Err(Decline::not("421 was expected", &seen));
    }
    let handshake = case.of::<Handshake>(at).find(|handshake| handshake.is_road());
    let names = handshake.as_ref().map_or_else(String::new, |handshake| {
        let sni = handshake.sni.as_deref().map_or_else(|| "none".to_owned(), |sni| format!("`{sni}`"));
        let names = handshake.chain.leaf().map_or_else(String::new, |leaf| {
            let some: Vec<&str> = leaf.names.iter().take(5).map(String::as_str).collect();
            format!(", the certificate is for {}", some.join(", "))
        });
        format!(" (the SNI sent was {sni}{names})")
    });
    let host = case.target().header("host").unwrap_or_else(|| case.target().authority());
    let summary = format!(
        "{} answered {} with 421: this connection does not serve `{}`{names}",
        peer(&seen),
        asked(&seen),
        reqpath_core::escape(host, 200)
    );
    let finding = Finding::new(at, &seen, summary)
        .error(format!("{} {}", seen.version.unwrap_or_default(), seen.status_line()))
        .next(seen.curl())
        .ends_sample();
    Ok(match &handshake {
        Some(handshake) => finding.citing(handshake),
        None => finding,
    })
}
