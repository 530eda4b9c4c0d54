use reqpath_core::{Case, Decline, End, Finding, Subject, cause};

use super::handshakes::{doubtful, error, listed, unless};
use crate::command::openssl;
use crate::evidence::Handshake;

cause! {
    /// No name in the server's certificate fits the name that was asked for.
    ///
    /// Clients compare the host of the URL with the certificate's subject alternative names; the
    /// common name in the subject counts no more.
    /// `*.example` fits `www.example`, and neither `example` nor `a.b.example`.
    /// When the server does not know the name at all and serves its default certificate,
    /// `tls.cert.default_served` says so: that needs a name the server does know.
    ///
    /// # What to do
    ///
    /// Ask for the name in the certificate, or have a certificate issued that holds this name too.
    /// If a certificate for this name exists, see which one the server chooses for it: the name may be
    /// missing in `server_name`, or in the `hosts` of an Ingress.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "tls.handshake",
    ///    "subject": {"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}},
    ///    "data": {"host": "server.example", "sni": "server.example", "ended": "refused",
    ///             "error": "invalid peer certificate: certificate not valid for name \"server.example\"",
    ///             "verification": {"verdict": "refused", "reason": "name_mismatch"}, "name_fits": false,
    ///             "chain": [{"subject": "CN=other.example", "names": ["other.example", "www.other.example"]}]}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "tls"}}
    /// ]}
    /// ```
    pub static CERT_NAME_INVALID: "tls.cert.name_invalid" = recognise {
        only_in_trouble(),
        blames(End::Far),
        twins(&["tls.cert.default_served"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = doubtful(case, at).find(|seen| seen.name_misfits()).ok_or_else(|| unless(case, at, fits))?;
    let mut finding =
        Finding::new(at, &seen, format!("the certificate is not for `{}`: {}", seen.host, names(&seen)))
            .next(format!(
                "{} | openssl x509 -noout -subject -ext subjectAltName",
                openssl(&seen, seen.subject())
            ));
    if !seen.completed() {
        finding = finding.error(error(&seen));
    }
    Ok(finding)
}

/// Whom the certificate is for.
fn names(handshake: &Handshake) -> String {
    let Some(leaf) = handshake.chain.leaf() else { return "it is for other names".to_owned() };
    if leaf.names.is_empty() {
        let taken = match leaf.subject.contains("CN=") && covers(leaf.short_name(), &handshake.host) {
            true => " (clients on OpenSSL, such as curl, still take the common name in it; browsers do not)",
            false => "",
        };
        return format!("it holds no name at all, and its subject `{}` does not count{taken}", leaf.subject);
    }
    let dotted = leaf.names.iter().any(|name| name.ends_with('.') && covers(name, &handshake.host));
    let taken = if dotted { " (curl overlooks the final dot; most others do not)" } else { "" };
    format!("it is for {}{taken}", listed(&leaf.names, leaf.names_total))
}

/// Whether a name in a certificate is for this host, a final dot aside; `*.example` is for one label more.
fn covers(name: &str, host: &str) -> bool {
    let [name, host] = [name, host].map(|one| one.strip_suffix('.').unwrap_or(one));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return false;
    }
    let within = host.split_once('.').map(|(_, domain)| domain).filter(|domain| domain.contains('.'));
    name.eq_ignore_ascii_case(host)
        || name
            .strip_prefix("*.")
            .zip(within)
            .is_some_and(|(domain, within)| domain.eq_ignore_ascii_case(within))
}

fn fits(handshake: &Handshake) -> Option<String> {
    (handshake.name_fits == Some(true)).then(|| format!("the certificate is for `{}`", handshake.host))
}
