//! Who made an answer: the application, or a proxy on the way that answered for it.
//!
//! A proxy that answers by itself leaves its hand in the page: nobody rewrites the error pages of
//! all the others. Headers tell less, for a proxy puts its name on answers it only passed on.
//! So a body, or a header that is only ever set on a proxy's own answers, names the maker;
//! everything else is a sign for or against, to be shown and not to be relied on.
//!
//! ```
//! use reqpath_http::{Exchange, origin};
//!
//! let exchange: Exchange = serde_json::from_str(r#"{
//!     "status": 502,
//!     "headers": [["server", "nginx"]],
//!     "body": {"start": "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>"}
//! }"#)?;
//! let origin = origin(&exchange);
//! assert_eq!(origin.maker.as_deref(), Some("nginx"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod fingerprints;
mod kept;
mod made;

use std::borrow::Cow;

pub(crate) use self::kept::kept;
pub use self::made::{Made, made};
use crate::Exchange;

/// Who made an answer, and what says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The proxy that made it; `None` where nothing proves that one did.
    pub maker: Option<Cow<'static, str>>,
    /// What proves it.
    pub proof: Option<String>,
    /// What else was seen of those on the way.
    pub signs: Vec<String>,
}

impl Origin {
    /// In words, as a clause: `nginx made it: the body is its own error page`.
    #[must_use]
    pub fn said(&self) -> String {
        match (&self.maker, &self.proof) {
            (Some(maker), Some(proof)) => format!("{maker} made that answer itself: {proof}"),
            _ if self.signs.is_empty() => "nothing in it tells who made it".to_owned(),
            _ => format!("nothing in it proves who made it ({})", self.signs.join("; ")),
        }
    }
}

/// Says who made an answer.
#[must_use]
pub fn origin(exchange: &Exchange) -> Origin {
    let mut origin = Origin { signs: signs(exchange), ..Origin::default() };
    for fingerprint in fingerprints::ALL {
        if let Some((maker, proof)) = fingerprint(exchange) {
            (origin.maker, origin.proof) = (Some(maker), Some(proof));
            break;
        }
    }
    origin
}

/// What is worth showing besides: software that names itself, caches, and what only an application sets.
fn signs(exchange: &Exchange) -> Vec<String> {
    let mut signs = Vec::new();
    let mut show = |name: &str, shown: &str| {
        if let Some(value) = exchange.headers.get(name) {
            let value: String = value.chars().take(80).collect();
            signs.push(format!("{shown}: {value}"));
        }
    };
    for (name, shown) in [
        ("server", "Server"),
        ("via", "Via"),
        ("x-powered-by", "X-Powered-By"),
        ("age", "Age"),
        ("x-cache", "X-Cache"),
    ] {
        show(name, shown);
    }
    for (name, what) in [
        ("x-envoy-upstream-service-time", "an upstream behind Envoy answered"),
        ("x-kong-upstream-latency", "an upstream behind Kong answered"),
        ("x-runtime", "X-Runtime is set by applications"),
        ("set-cookie", "a cookie is set"),
    ] {
        if exchange.headers.has(name) {
            signs.push(what.to_owned());
        }
    }
    if !exchange.body_start().is_empty() {
        signs.push("the body is no error page of a proxy known here".to_owned());
    }
    signs
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(status: u16, headers: &[(&str, &str)], body: &str) -> Origin {
        let exchange = json!({"status": status, "headers": headers, "body": {"start": body}});
        origin(&serde_json::from_value(exchange).unwrap())
    }

    #[test]
    fn each_proxy_is_known_by_its_own_page() {
        let nginx = "<html>\\r\\n<head><title>504 Gateway Time-out</title></head>\\r\\n<body>\\r\\n<center><h1>504 Gateway Time-out</h1></center>\\r\\n<hr><center>nginx/1.22.1</center>\\r\\n</body>";
        let apisix = "<html>\\r\\n<center><h1>502 Bad Gateway</h1></center>\\r\\n<hr><center>openresty</center>\\r\\n<p><em>Powered by <a href=\"https://apisix.apache.org/\">APISIX</a>.</em></p></body>";
        let haproxy = "<html><body><h1>503 Service Unavailable</h1>\\nNo server is available to handle this request.\\n</body></html>";
        let alb = "<html>\\r\\n<head><title>503 Service Temporarily Unavailable</title></head>";
        let varnish = "<h1>Error 503 Backend fetch failed</h1><h3>Guru Meditation:</h3> <p>XID: 32770</p> <hr> <p>Varnish cache server</p>";
        let apache = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\\n<html><head>\\n<title>503 Service Unavailable</title>\\n</head><body>\\n<address>Apache/2.4.62 (Debian) Server at x Port 80</address>";
        type Case<'a> = (u16, &'a [(&'a str, &'a str)], &'a str, &'a str);
        let cases: &[Case<'_>] = &[
            (504, &[("server", "nginx/1.22.1")], nginx, "nginx"),
            (502, &[("server", "APISIX/3.9")], apisix, "APISIX"),
            (404, &[("server", "APISIX/3.9")], "{\"error_msg\":\"404 Route Not Found\"}\\n", "APISIX"),
            (503, &[("server", "envoy")], "no healthy upstream", "Envoy"),
            (503, &[], haproxy, "HAProxy"),
            (503, &[], "no available server\\n", "Traefik"),
            (503, &[("server", "awselb/2.0")], alb, "the AWS load balancer"),
            (
                502,
                &[("x-cache", "Error from cloudfront")],
                "<PRE>\\nGenerated by cloudfront (CloudFront)\\n",
                "CloudFront",
            ),
            (522, &[("server", "cloudflare")], "error code: 522", "Cloudflare"),
            (503, &[("x-squid-error", "ERR_CONNECT_FAIL 111")], "<html>", "Squid"),
            (503, &[], varnish, "Varnish"),
            (503, &[], apache, "Apache httpd"),
            (
                502,
                &[("server", "ATS/9.2.3")],
                "<TITLE>Could Not Connect</TITLE><B>Description: Could not",
                "Apache Traffic Server",
            ),
            (
                502,
                &[("proxy-status", "gw.example; error=connection_refused; next-hop=10.0.0.1")],
                "",
                "gw.example",
            ),
        ];
        for (status, headers, body, maker) in cases {
            let origin = of(*status, headers, body);
            assert_eq!(origin.maker.as_deref(), Some(*maker), "{body}");
            assert!(origin.said().contains(maker), "{}", origin.said());
        }
    }

    #[test]
    fn what_a_proxy_passed_on_is_not_its_own() {
        type Case<'a> = (u16, &'a [(&'a str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            (404, &[("server", "nginx")], "{\"detail\": \"no such user\"}"),
            (500, &[("server", "envoy"), ("x-envoy-upstream-service-time", "3")], "oops"),
            (404, &[], "404 page not found\\n"),
            (503, &[("server", "cloudflare")], "{\"error\": \"maintenance\"}"),
            (502, &[("proxy-status", "gw.example; received-status=502")], ""),
            (404, &[], ""),
            (200, &[("server", "nginx")], "an article about <hr><center>nginx"),
        ];
        for (status, headers, body) in cases {
            let origin = of(*status, headers, body);
            assert_eq!(origin.maker, None, "{status} {body}: {}", origin.said());
        }
        assert!(of(404, &[("server", "nginx")], "{}").said().contains("Server: nginx"));
        assert_eq!(of(404, &[], "").said(), "nothing in it tells who made it");
    }
}
