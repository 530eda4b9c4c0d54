//! The request that is followed.

mod builder;
mod expectation;
mod flag;
mod header;
mod name;
mod parse;
mod scheme;
mod stored;
mod trail;

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use url::Url;

use self::trail::Trail;
use crate::secret::REDACTED;
use crate::{Micros, Scrubber, TargetError, escape, redact_url};

pub use self::builder::TargetBuilder;
pub use self::expectation::{Expectation, StatusRange};
pub use self::flag::{Flag, quoted};
pub use self::header::Header;
pub use self::scheme::Scheme;
pub use self::trail::Round;

/// A body beyond this is not searched for secrets, in bytes.
const LARGEST_FORM: usize = 64 << 10;

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
    authority: String,
    address: Option<IpAddr>,
    port: u16,
    /// Where in the URL path and query stand.
    path_and_query: Range<usize>,
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
    /// Whether redirects are followed, be it none at all.
    follows_redirects: bool,
    /// Whether a redirect leaves the method as it is.
    keeps_method: bool,
    trail: Trail,
    flags: Vec<Flag>,
    /// Secrets that others on the road send, and that may come back in an answer to this request.
    of_others: Option<Arc<Scrubber>>,
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
    /// When the URL does not parse, is neither http nor https, has no host, or one that is no name.
    pub fn builder(url: &str) -> Result<TargetBuilder, TargetError> {
        let builder = Self::parse(url)?;
        let name = Some(builder.0.host.as_str()).filter(|_| builder.0.address.is_none());
        match name.and_then(|name| Some((name, name::flaw(name)?))) {
            Some((name, why)) => Err(TargetError::Name { name: escape(name, 100), why }),
            None => Ok(builder),
        }
    }

    /// The URL in full, secrets included: not for storing. See [`redact_url`].
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The URL as a word of a shell, without its secrets: for a command to run next.
    #[must_use]
    pub fn url_to_type(&self) -> String {
        quoted(&self.shown_url()).into_owned()
    }

    /// The URL without its secrets; where user and password stood in it, it says so.
    pub(crate) fn shown_url(&self) -> String {
        let url = redact_url(&self.0.url);
        match self.0.user_info_left_out {
            true => url.replacen("://", &format!("://{REDACTED}@"), 1),
            false => url,
        }
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
    pub fn authority(&self) -> &str {
        &self.0.authority
    }

    /// Host and port, always both.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        parse::host_and_port(&self.0.host, self.0.address, Some(self.0.port))
    }

    /// What goes on the request line.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        // Both are of this very URL, which nothing changes.
        self.0.url.get(self.0.path_and_query.clone()).unwrap_or_default()
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

    /// How many redirects are followed; 0 means they are only recorded, unless they are to be
    /// [followed](Self::follows_redirects).
    #[must_use]
    pub fn max_redirects(&self) -> u32 {
        self.0.max_redirects
    }

    /// Whether a redirect is to be followed, so that one more than may be is a death, and not the answer.
    #[must_use]
    pub fn follows_redirects(&self) -> bool {
        self.0.follows_redirects || self.0.max_redirects > 0
    }

    /// Whether a redirect leaves the method as it is, a POST too: the caller named it for every request.
    #[must_use]
    pub fn keeps_method(&self) -> bool {
        self.0.keeps_method
    }

    /// The URLs that led here by redirects, without secrets, oldest first: of many, the first and the last few.
    #[must_use]
    pub fn redirected_from(&self) -> &[Arc<str>] {
        self.0.trail.urls()
    }

    /// How many redirects led here.
    #[must_use]
    pub fn redirects(&self) -> u32 {
        self.0.trail.redirects()
    }

    /// Whether the redirects that led here go round: the same was asked for before, and what came between.
    #[must_use]
    pub fn round(&self) -> Option<Round> {
        self.0.trail.round(&self.0.method, &self.0.url)
    }

    /// The flags with which a command line asks as the caller asked, for [commands to run next](Flag::repeated).
    #[must_use]
    pub fn flags(&self) -> &[Flag] {
        &self.0.flags
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
        // As an address somebody types, `mailto:80/x` would be port 80 of a host of that name.
        if !matches!(next.scheme(), "http" | "https") {
            let scheme = next.scheme().to_owned();
            return Err(TargetError::Scheme { url: redact_url(location), scheme });
        }
        Self::builder(next.as_str())
    }

    /// Whether the URL names a user, even where it was stored without.
    pub(crate) fn had_user_info(&self) -> bool {
        self.0.user_info.is_some() || self.0.user_info_left_out
    }

    /// The secrets this request carries, and those that others on its road are known to send,
    /// to be removed from whatever comes back.
    #[must_use]
    pub fn scrubber(&self) -> Scrubber {
        let mut scrubber = Scrubber::default();
        self.0.headers.iter().for_each(|header| scrubber.add_header(header));
        if let Some((user, password)) = &self.0.user_info {
            scrubber.add_encoded(password);
            scrubber.add_encoded(&format!("{user}:{password}"));
        }
        if let Some((_, query)) = self.path_and_query().split_once('?') {
            scrubber.add_query(query);
        }
        // A form with a password in it may come back in an error page.
        if (1..=LARGEST_FORM).contains(&self.0.body.len())
            && let Ok(form) = std::str::from_utf8(&self.0.body)
        {
            scrubber.add_query(form);
        }
        if let Some(others) = &self.0.of_others {
            scrubber.add_all(others);
        }
        scrubber
    }

    /// The same request, in whose answers these secrets may come back too.
    pub(crate) fn knowing(&self, secrets: &Arc<Scrubber>) -> Self {
        let mut inner = (*self.0).clone();
        inner.of_others = Some(Arc::clone(secrets));
        Self(Arc::new(inner))
    }

    /// Another request on the same road: what may come back in the answer to this one may come back there.
    pub(crate) fn followed_by(&self, next: Self) -> Self {
        let secrets = self.scrubber();
        if secrets.is_empty() { next } else { next.knowing(&Arc::new(secrets)) }
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
        inner.authority = parse::authority(&inner.host, inner.address, inner.scheme, inner.port);
        "GET".clone_into(&mut inner.method);
        Self(Arc::new(inner))
    }
}

impl fmt::Debug for Target {
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
