//! The hands of proxies, as they show in answers that they made themselves.

use std::borrow::Cow;

use crate::Exchange;

/// Who made it and what proves it, if this proxy did.
pub(super) type Fingerprint = fn(&Exchange) -> Option<(Cow<'static, str>, String)>;

/// What is surest first.
pub(super) static ALL: &[Fingerprint] = &[
    proxy_status,
    squid,
    tinyproxy,
    kong,
    apisix,
    nginx_family,
    haproxy,
    envoy,
    varnish,
    cloudfront,
    cloudflare,
    aws,
    traffic_server,
    traefik,
    apache,
];

const ITS_PAGE: &str = "the body is its own error page";

fn made(maker: &'static str, proof: impl Into<String>) -> Option<(Cow<'static, str>, String)> {
    Some((Cow::Borrowed(maker), proof.into()))
}

fn failed(exchange: &Exchange) -> bool {
    exchange.status.is_some_and(|status| status >= 400)
}

fn server(exchange: &Exchange) -> String {
    exchange.headers.get("server").unwrap_or_default().to_ascii_lowercase()
}

/// RFC 9209: only the intermediary that made the answer gives an `error`.
fn proxy_status(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let value = exchange.headers.get("proxy-status")?;
    let member =
        value.split(',').find(|member| member.split(';').skip(1).any(|p| p.trim().starts_with("error=")))?;
    let name: String = member.split(';').next()?.trim().trim_matches('"').chars().take(80).collect();
    let member: String = member.trim().chars().take(200).collect();
    (!name.is_empty()).then(|| (Cow::Owned(name), format!("Proxy-Status: {member}")))
}

fn squid(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let value = exchange.headers.get("x-squid-error")?;
    made("Squid", format!("X-Squid-Error: {value}"))
}

/// It names itself on answers of its own only: of those it passes on the server's name stays.
fn tinyproxy(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let named =
        exchange.headers.get("server").filter(|name| name.to_ascii_lowercase().starts_with("tinyproxy/"))?;
    let page = exchange.body_start().contains("Tinyproxy") || exchange.body_start().contains("tinyproxy");
    let proof = if page { ITS_PAGE.to_owned() } else { format!("Server: {named}") };
    failed(exchange).then(|| made("tinyproxy", proof))?
}

/// Kong sets one of two headers: this one on answers of its own, the other on those of an upstream.
fn kong(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let own =
        exchange.headers.has("x-kong-response-latency") && !exchange.headers.has("x-kong-upstream-latency");
    (own && failed(exchange)).then(|| made("Kong", "X-Kong-Response-Latency without an upstream's"))?
}

fn apisix(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let body = exchange.body_start();
    if body.contains("Powered by <a href=\"https://apisix.apache.org/\">") {
        return made("APISIX", ITS_PAGE);
    }
    let named = server(exchange).starts_with("apisix") && failed(exchange);
    if named && APISIX_PLUGINS.iter().any(|words| body.starts_with("{\"message\":\"") && body.contains(words))
    {
        return made("APISIX", "the body is that of a plugin of its own");
    }
    (named && body.contains("{\"error_msg\":")).then(|| made("APISIX", "the body is its `error_msg`"))?
}

/// What APISIX's plugins say when they refuse a request.
const APISIX_PLUGINS: [&str; 11] = [
    "\"Missing API key in request\"",
    "\"Invalid API key in request\"",
    "\"Missing JWT token in request\"",
    "\"JWT token invalid\"",
    "\"failed to verify jwt\"",
    "user key in JWT token\"",
    "\"Missing authorization in request\"",
    "\"Invalid user authorization\"",
    "\"Your IP address is not allowed\"",
    "\"Your referer host is not allowed\"",
    "\"The consumer_name is forbidden.\"",
];

/// nginx and its relatives write `<hr><center>NAME/version</center>` under the title.
fn nginx_family(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let body = exchange.body_start();
    let (_, rest) = body.split_once("<hr><center>")?;
    let name = rest.split(['/', '<']).next()?;
    let title = format!("<center><h1>{}", status_text(exchange)?);
    // nginx answers 400 for a few statuses of its own, such as 494 to 497.
    let titled = body.contains(&title) || body.contains("<center><h1>400 Bad Request");
    let name = match name.to_ascii_lowercase().as_str() {
        "nginx" => "nginx",
        "openresty" => "OpenResty",
        "tengine" => "Tengine",
        "angie" => "Angie",
        "freenginx" => "freenginx",
        _ => return None,
    };
    (titled && failed(exchange)).then(|| made(name, ITS_PAGE))?
}

fn status_text(exchange: &Exchange) -> Option<String> {
    exchange.status.map(|status| status.to_string())
}

fn haproxy(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    const SENTENCES: [&str; 9] = [
        "No server is available to handle this request.",
        "The server returned an invalid or incomplete response.",
        "The server didn't respond in time.",
        "Your browser sent an invalid request.",
        "Request forbidden by administrative rules.",
        "Your browser didn't send a complete request in time.",
        "You need a valid user and password to access this content.",
        "An internal server error occurred.",
        "The requested resource could not be found.",
    ];
    let body = exchange.body_start();
    let its =
        body.starts_with("<html><body><h1>") && SENTENCES.iter().any(|sentence| body.contains(sentence));
    its.then(|| made("HAProxy", ITS_PAGE))?
}

fn envoy(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    const STARTS: [&str; 6] = [
        "upstream connect error or disconnect/reset before headers",
        "no healthy upstream",
        "upstream request timeout",
        "no cluster match for ",
        "RBAC: access denied",
        "local_rate_limited",
    ];
    let body = exchange.body_start();
    let start = STARTS.iter().find(|start| body.starts_with(**start))?;
    made("Envoy", format!("the body is its own: `{start}`"))
}

fn varnish(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let body = exchange.body_start();
    (body.contains("XID: ") && body.contains("Varnish cache server")).then(|| made("Varnish", ITS_PAGE))?
}

fn cloudfront(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    exchange
        .body_start()
        .contains("Generated by cloudfront (CloudFront)")
        .then(|| made("CloudFront", ITS_PAGE))?
}

fn cloudflare(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    if !server(exchange).starts_with("cloudflare") {
        return None;
    }
    let status = exchange.status?;
    if matches!(status, 520..=527 | 530) {
        return made("Cloudflare", format!("the status {status} is its own"));
    }
    let body = exchange.body_start();
    let its = body.starts_with("error code: ")
        || body.contains("cf-error-details")
        || body.contains("<center>cloudflare");
    (its && failed(exchange)).then(|| made("Cloudflare", ITS_PAGE))?
}

/// The load balancer names itself on answers of its own only.
fn aws(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let server = server(exchange);
    server.starts_with("awselb").then(|| made("the AWS load balancer", format!("Server: {server}")))?
}

fn traffic_server(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let its = server(exchange).starts_with("ats") && exchange.body_start().contains("Description: ");
    its.then(|| made("Apache Traffic Server", ITS_PAGE))?
}

fn traefik(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let its = exchange.body_start().starts_with("no available server") && exchange.status == Some(503);
    its.then(|| made("Traefik", "the body is its own: `no available server`"))?
}

fn apache(exchange: &Exchange) -> Option<(Cow<'static, str>, String)> {
    let body = exchange.body_start();
    let signed = body.contains("<address>Apache");
    let proxied = body.contains("The proxy server received an invalid\\nresponse from an upstream server");
    let page = body.starts_with("<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">");
    (page && (signed || proxied) && failed(exchange)).then(|| made("Apache httpd", ITS_PAGE))?
}
