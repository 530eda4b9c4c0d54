//! The request that is followed.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use url::{Host, Url};

use crate::secret::{REDACTED, shown};
use crate::{Micros, Scrubber, TargetError, redact_url};

/// A body beyond this is not searched for secrets, in bytes.
const LARGEST_FORM: usize = 64 << 10;

/// How the request is carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Over TLS.
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// A header of the request. Stored without its value where the value is secret.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Header {
    /// The name as given.
    pub name: String,
    /// The value as given.
    pub value: String,
}

impl Header {
    /// A header.
    ///
    /// # Errors
    ///
    /// When the name is not a token, or the value holds a control character other than a tab.
    pub fn new(name: &str, value: &str) -> Result<Self, TargetError> {
        let printable = |b: u8| b == b'\t' || !b.is_ascii_control();
        if !is_token(name) || !value.bytes().all(printable) {
            return Err(TargetError::Header { header: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    fn is_secret(&self) -> bool {
        shown(&self.name, &self.value) == REDACTED
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Stored<'a> {
            name: &'a str,
            value: &'a str,
        }
        Stored { name: &self.name, value: &shown(&self.name, &self.value) }.serialize(serializer)
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, shown(&self.name, &self.value))
    }
}

/// A range of status codes that are expected: `200`, `2xx`, `200-299`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct StatusRange(RangeInclusive<u16>);

impl StatusRange {
    /// Whether the range holds this status.
    #[must_use]
    pub fn holds(&self, status: u16) -> bool {
        self.0.contains(&status)
    }
}

impl FromStr for StatusRange {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = || TargetError::Status { status: text.to_owned() };
        let number = |text: &str| {
            text.parse::<u16>().ok().filter(|status| (100..=999).contains(status)).ok_or_else(error)
        };
        let range = if let Some(class) = text.strip_suffix("xx") {
            let class =
                class.parse::<u16>().ok().filter(|class| (1..=9).contains(class)).ok_or_else(error)?;
            class * 100..=class * 100 + 99
        } else if let Some((from, to)) = text.split_once('-') {
            number(from)?..=number(to)?
        } else {
            number(text)?..=number(text)?
        };
        if range.is_empty() { Err(error()) } else { Ok(Self(range)) }
    }
}

impl TryFrom<String> for StatusRange {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl From<StatusRange> for String {
    fn from(range: StatusRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.0.start(), self.0.end());
        if from == to { write!(f, "{from}") } else { write!(f, "{from}-{to}") }
    }
}

/// What the answer should be, where the caller said so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Expectation {
    /// The status is one of these; empty where nothing was said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusRange>,
    /// Headers that must be there with these values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Text the body must hold, within the part of it that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl Expectation {
    /// Whether anything is expected at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.status.is_empty() && self.headers.is_empty() && self.body.is_none()
    }
}

/// The request that is followed: method, URL, headers, body, expectation, limits.
///
/// Cheap to clone. Its stored form holds no secrets: neither credentials nor secret query values,
/// and of the body only the length.
///
/// ```
/// let target = reqpath_core::Target::get("https://api.example/v1/users?page=2")?;
/// assert_eq!(target.host(), "api.example");
/// assert_eq!(target.port(), 443);
/// assert_eq!(target.path_and_query(), "/v1/users?page=2");
/// # Ok::<(), reqpath_core::TargetError>(())
/// ```
#[derive(Clone)]
pub struct Target(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    url: String,
    scheme: Scheme,
    host: String,
    address: Option<IpAddr>,
    port: u16,
    path_and_query: String,
    user_info: Option<(String, String)>,
    /// Whether the URL had credentials that a report left out.
    user_info_left_out: bool,
    method: String,
    headers: Vec<Header>,
    body: Arc<[u8]>,
    body_length: usize,
    expect: Expectation,
    max_time: Option<Micros>,
    max_redirects: u32,
    redirected_from: Vec<String>,
}

impl Target {
    /// A GET of this URL, with nothing special.
    ///
    /// # Errors
    ///
    /// When the URL does not parse, is neither http nor https, or has no host.
    pub fn get(url: &str) -> Result<Self, TargetError> {
        Self::builder(url).map(TargetBuilder::build)
    }

    /// Starts describing a request for this URL. Without a scheme, `http://` is meant, as curl has it.
    ///
    /// # Errors
    ///
    /// When the URL does not parse, is neither http nor https, or has no host.
    pub fn builder(url: &str) -> Result<TargetBuilder, TargetError> {
        let shown = || redact_url(url);
        let with_scheme = if has_scheme(url) { url.to_owned() } else { format!("http://{url}") };
        let parsed = Url::parse(&with_scheme).map_err(|source| TargetError::Url { url: shown(), source })?;
        let scheme = match parsed.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            scheme => return Err(TargetError::Scheme { url: shown(), scheme: scheme.to_owned() }),
        };
        let (host, address) = match parsed.host() {
            Some(Host::Domain(name)) => (name.to_owned(), None),
            Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::V6(address))),
            None => return Err(TargetError::NoHost { url: shown() }),
        };
        let path_and_query = match parsed.query() {
            Some(query) => format!("{}?{query}", parsed.path()),
            None => parsed.path().to_owned(),
        };
        let user_info = (!parsed.username().is_empty() || parsed.password().is_some())
            .then(|| (parsed.username().to_owned(), parsed.password().unwrap_or_default().to_owned()));
        Ok(TargetBuilder(Inner {
            url: parsed.to_string(),
            scheme,
            host,
            address,
            // Both schemes have a default port.
            port: parsed.port_or_known_default().unwrap_or(80),
            path_and_query,
            user_info,
            user_info_left_out: false,
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: Arc::from([]),
            body_length: 0,
            expect: Expectation::default(),
            max_time: None,
            max_redirects: 0,
            redirected_from: Vec::new(),
        }))
    }

    /// The URL in full, secrets included: not for storing. See [`redact_url`].
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// How the request is carried.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host: a name in ASCII form, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The address, where the host is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// The port, given or the scheme's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Host and port as the `Host` header has them: brackets around an IPv6 address, no default port.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = match self.0.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let host = self.bracketed_host();
        if self.0.port == default { host } else { format!("{host}:{}", self.0.port) }
    }

    /// Host and port, always both.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.bracketed_host(), self.0.port)
    }

    /// What goes on the request line.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.0.path_and_query
    }

    /// User and password from the URL, percent-encoded as they stood there.
    #[must_use]
    pub fn user_info(&self) -> Option<(&str, &str)> {
        self.0.user_info.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// Whether the method changes nothing by its definition, so that it may be sent again.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        matches!(self.0.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// The headers given by the caller, in order.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.0.headers
    }

    /// The value of a header given by the caller.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Arc<[u8]> {
        &self.0.body
    }

    /// The body's length in bytes, also known where the body itself was not stored.
    #[must_use]
    pub fn body_length(&self) -> usize {
        self.0.body_length
    }

    /// What the answer should be.
    #[must_use]
    pub fn expect(&self) -> &Expectation {
        &self.0.expect
    }

    /// The time one request may take, where the caller set one.
    #[must_use]
    pub fn max_time(&self) -> Option<Micros> {
        self.0.max_time
    }

    /// How many redirects are followed; 0 means they are only recorded.
    #[must_use]
    pub fn max_redirects(&self) -> u32 {
        self.0.max_redirects
    }

    /// The URLs that led here by redirects, oldest first.
    #[must_use]
    pub fn redirected_from(&self) -> &[String] {
        &self.0.redirected_from
    }

    /// Whether another target is the same origin: scheme, host and port.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        (self.0.scheme, &self.0.host, self.0.port) == (other.0.scheme, &other.0.host, other.0.port)
    }

    /// Resolves a `Location` against this URL.
    ///
    /// # Errors
    ///
    /// When it is no URL, or one that no stage speaks.
    pub fn join(&self, location: &str) -> Result<TargetBuilder, TargetError> {
        let base = Url::parse(&self.0.url)
            .map_err(|source| TargetError::Url { url: redact_url(&self.0.url), source })?;
        let next =
            base.join(location).map_err(|source| TargetError::Url { url: redact_url(location), source })?;
        Self::builder(next.as_str())
    }

    /// The secrets this request carries, to be removed from whatever comes back.
    #[must_use]
    pub fn scrubber(&self) -> Scrubber {
        let mut scrubber = Scrubber::default();
        for header in self.0.headers.iter().filter(|header| header.is_secret()) {
            scrubber.add(&header.value);
            // `Bearer abc`: the token alone is as secret as the whole.
            if let Some((_, token)) = header.value.split_once(' ') {
                scrubber.add(token);
            }
            if header.name.eq_ignore_ascii_case("cookie") {
                let values = header.value.split(';').filter_map(|cookie| Some(cookie.split_once('=')?.1));
                values.for_each(|value| scrubber.add(value));
            }
        }
        if let Some((user, password)) = &self.0.user_info {
            scrubber.add_encoded(password);
            scrubber.add_encoded(&format!("{user}:{password}"));
        }
        if let Some((_, query)) = self.0.path_and_query.split_once('?') {
            scrubber.add_query(query);
        }
        // A form with a password in it may come back in an error page.
        if (1..=LARGEST_FORM).contains(&self.0.body.len())
            && let Ok(form) = std::str::from_utf8(&self.0.body)
        {
            scrubber.add_query(form);
        }
        scrubber
    }

    /// Starts from this request to describe a similar one.
    #[must_use]
    pub fn to_builder(&self) -> TargetBuilder {
        TargetBuilder((*self.0).clone())
    }

    /// The widest thing a redirect may lead to: over TLS, and by a method that may be sent again.
    pub(crate) fn redirected(&self) -> Self {
        let mut inner = (*self.0).clone();
        inner.scheme = Scheme::Https;
        "GET".clone_into(&mut inner.method);
        Self(Arc::new(inner))
    }

    fn bracketed_host(&self) -> String {
        match self.0.address {
            Some(IpAddr::V6(_)) => format!("[{}]", self.0.host),
            _ => self.0.host.clone(),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Describes a request, step by step.
#[derive(Clone)]
pub struct TargetBuilder(Inner);

impl fmt::Debug for TargetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Credentials, secret query values and the body stay out of every log.
        f.debug_struct("Target")
            .field("method", &self.method)
            .field("url", &redact_url(&self.url))
            .field("headers", &self.headers)
            .field("body_length", &self.body_length)
            .finish_non_exhaustive()
    }
}

/// Whether it begins with a scheme; one further on belongs to a path or a query.
fn has_scheme(url: &str) -> bool {
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    url.split_once("://").is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.chars().all(of_scheme))
}

/// A token of RFC 9110: a method, or a header's name.
fn is_token(text: &str) -> bool {
    let of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(of_token)
}

impl TargetBuilder {
    /// The method, as given on the request line.
    ///
    /// # Errors
    ///
    /// When it is not a token of RFC 9110.
    pub fn method(mut self, method: &str) -> Result<Self, TargetError> {
        if !is_token(method) {
            return Err(TargetError::Method { method: method.to_owned() });
        }
        method.clone_into(&mut self.0.method);
        Ok(self)
    }

    /// One more header.
    ///
    /// # Errors
    ///
    /// When the name is not a token, or the value holds a control character other than a tab.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, TargetError> {
        self.0.headers.push(Header::new(name, value)?);
        Ok(self)
    }

    /// Drops the headers for which `keep` says no.
    #[must_use]
    pub fn retain_headers(mut self, mut keep: impl FnMut(&Header) -> bool) -> Self {
        self.0.headers.retain(|header| keep(header));
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Arc<[u8]>>) -> Self {
        self.0.body = body.into();
        self.0.body_length = self.0.body.len();
        self
    }

    /// What the answer should be.
    #[must_use]
    pub fn expect(mut self, expect: Expectation) -> Self {
        self.0.expect = expect;
        self
    }

    /// The time one request may take.
    #[must_use]
    pub fn max_time(mut self, max_time: impl Into<Micros>) -> Self {
        self.0.max_time = Some(max_time.into());
        self
    }

    /// How many redirects to follow.
    #[must_use]
    pub fn max_redirects(mut self, most: u32) -> Self {
        self.0.max_redirects = most;
        self
    }

    /// The URLs that led here, oldest first, without secrets.
    #[must_use]
    pub fn redirected_from(mut self, urls: Vec<String>) -> Self {
        self.0.redirected_from = urls;
        self
    }

    /// The request.
    #[must_use]
    pub fn build(self) -> Target {
        Target(Arc::new(self.0))
    }
}

/// The shape in a report.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Wire {
    /// The URL, without credentials and secret query values.
    url: String,
    /// The method.
    #[serde(default = "get")]
    method: String,
    /// The headers given, secret values replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header>,
    /// The length of the body given, in bytes.
    #[serde(default)]
    body_length: usize,
    /// What was expected.
    #[serde(default, skip_serializing_if = "Expectation::is_empty")]
    expect: Expectation,
    /// The time one request may take, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_time_us: Option<Micros>,
    /// How many redirects are followed.
    #[serde(default)]
    max_redirects: u32,
    /// The URLs that led here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    redirected_from: Vec<String>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut url = redact_url(&self.0.url);
        if self.0.user_info_left_out {
            url = url.replacen("://", &format!("://{REDACTED}@"), 1);
        }
        Wire {
            url,
            method: self.0.method.clone(),
            headers: self.0.headers.clone(),
            body_length: self.0.body_length,
            expect: self.0.expect.clone(),
            max_time_us: self.0.max_time,
            max_redirects: self.0.max_redirects,
            redirected_from: self.0.redirected_from.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        // `[redacted]@` does not parse as user information, and says nothing that is needed again.
        let url = wire.url.replacen(&format!("://{REDACTED}@"), "://", 1);
        let mut inner = Self::builder(&url).map_err(serde::de::Error::custom)?.0;
        inner.user_info_left_out = url != wire.url;
        inner.method = wire.method;
        inner.headers = wire.headers;
        inner.body_length = wire.body_length;
        inner.expect = wire.expect;
        inner.max_time = wire.max_time_us;
        inner.max_redirects = wire.max_redirects;
        inner.redirected_from = wire.redirected_from;
        Ok(Self(Arc::new(inner)))
    }
}

impl JsonSchema for Target {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Wire::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_targets_hold_no_secrets() {
        let target = Target::builder("https://me:hunter22@api.example/x?token=abcd&page=1")
            .unwrap()
            .header("Authorization", "Bearer abcdefgh")
            .unwrap()
            .body(b"password=zyxw".as_slice())
            .build();
        let json = serde_json::to_string(&target).unwrap();
        for secret in ["hunter22", "abcd", "zyxw"] {
            assert!(!json.contains(secret), "{json}");
            assert!(!format!("{:?} {target:?} {:?}", target.headers(), target.to_builder()).contains(secret));
        }
        let back: Target = serde_json::from_str(&json).unwrap();
        assert_eq!((back.host(), back.port(), back.body_length()), ("api.example", 443, 13));
        assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }

    #[test]
    fn authority_has_brackets_and_no_default_port() {
        assert_eq!(Target::get("https://[2001:db8::1]/").unwrap().authority(), "[2001:db8::1]");
        assert_eq!(Target::get("http://h.example:8080/").unwrap().authority(), "h.example:8080");
        assert_eq!(Target::get("h.example").unwrap().url(), "http://h.example/");
    }

    #[test]
    fn what_comes_back_holds_no_secret_however_it_is_spelt() {
        let target = Target::builder("https://me:p%40ss%2Bword@api.example/?access_token=q%20value&x=open")
            .unwrap()
            .header("Cookie", "theme=dark-blue; sid=s3ss10n")
            .unwrap()
            .header("X-Upstream", "Bearer t0k3n-of-mine")
            .unwrap()
            .body(b"user=me&password=f0rm+field".as_slice())
            .build();
        let page =
            "p%40ss%2Bword p@ss+word q%20value q value s3ss10n t0k3n-of-mine f0rm+field f0rm field open";
        let scrubbed = target.scrubber().scrub(page).into_owned();
        assert_eq!(scrubbed.replace("[redacted]", "").trim_start(), "open", "{scrubbed}");
    }

    #[test]
    fn a_scheme_further_on_is_none() {
        let target = Target::get("h.example/go?to=http://other.example/").unwrap();
        assert_eq!((target.host(), target.path_and_query()), ("h.example", "/go?to=http://other.example/"));
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused() {
        let builder = || Target::builder("http://h.example/").unwrap();
        for (name, value) in
            [("", "x"), ("a b", "x"), ("X", "a\r\nY: b"), ("X", "a\u{0}"), ("X", "\u{1b}["), ("X", "\u{7f}")]
        {
            assert!(builder().header(name, value).is_err(), "{name:?}: {value:?}");
        }
        assert!(builder().header("X", "tab\tand é").is_ok());
    }

    #[test]
    fn statuses_parse() {
        assert!("2xx".parse::<StatusRange>().unwrap().holds(204));
        assert!(!"200-201".parse::<StatusRange>().unwrap().holds(204));
        for bad in ["", "20", "abc", "300-200", "0xx", "xx"] {
            assert!(bad.parse::<StatusRange>().is_err(), "{bad}");
        }
    }
}
