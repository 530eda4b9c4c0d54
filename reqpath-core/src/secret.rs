//! Keeping secrets out of evidence.

use std::borrow::Cow;
use std::sync::Arc;

use url::{Url, form_urlencoded};

use crate::Header;

/// What stands where a secret stood.
pub(crate) const REDACTED: &str = "[redacted]";

/// Headers whose values are secret whatever they hold.
const SECRET_HEADERS: [&str; 10] = [
    "authorization",
    "dpop",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-amz-security-token",
    "authentication-info",
];

/// What makes a value secret wherever it stands in a header's or query parameter's name.
const SECRET_WORDS: [&str; 25] = [
    "token",
    "secret",
    "passw",
    "pwd",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "access-key",
    "privatekey",
    "private_key",
    "private-key",
    "subscription_key",
    "subscription-key",
    "signature",
    "credential",
    "session",
    "sessid",
    "ticket",
    "hmac",
    "nonce",
    "relaystate",
    "samlrequest",
    "samlresponse",
];

/// Short words that count only alone, or half the language is secret.
const SECRET_PARTS: [&str; 8] = ["sig", "auth", "jwt", "otp", "dsn", "pass", "bearer", "sid"];

/// Words that make a header ending in `-Key` a key of another kind.
const OPEN_KEYS: [&str; 4] = ["cache", "surrogate", "idempotency", "websocket"];

/// How a value begins that is a credential under whatever name.
const CREDENTIALS: [&str; 4] = ["bearer ", "basic ", "digest ", "negotiate "];

/// Headers whose values are URLs.
const URL_HEADERS: [&str; 4] = ["location", "referer", "content-location", "refresh"];

/// Whether a header's value must not be stored.
#[must_use]
pub(crate) fn secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) || secret_name(name) || is_key(name)
}

/// A header as it may be stored: without its value where that is secret, without the secrets of a URL.
pub(crate) fn shown<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    let begins = |with: &&str| value.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if secret_header(name) || CREDENTIALS.iter().any(begins) {
        return Cow::Borrowed(REDACTED);
    }
    if matches!(name.len(), 7 | 8 | 16) && URL_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Cow::Owned(redact_url(value));
    }
    // A URL under whatever name, where it names a user.
    let user = |url: &Url| !url.username().is_empty() || url.password().is_some();
    if value.contains("://") && value.contains('@') && Url::parse(value).is_ok_and(|url| user(&url)) {
        return Cow::Owned(redact_url(value));
    }
    Cow::Borrowed(value)
}

fn secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
        || name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| SECRET_PARTS.contains(&part))
        || matches!(name.as_str(), "key" | "code")
}

/// A pair of a query or a form, percent-encoded: secret by its name, or by a name in the object it holds.
fn secret_pair(name: &str, value: &str) -> bool {
    let object = |value: &str| {
        let text = decoded(value).to_ascii_lowercase();
        text.contains('{') && SECRET_WORDS.iter().any(|word| text.contains(word))
    };
    secret_name(&decoded(name)) || (value.contains(['{', '%']) && object(value))
}

/// `X-Functions-Key` and its like.
fn is_key(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.ends_with("-key") && !OPEN_KEYS.iter().any(|word| lower.contains(word))
}

/// The URL with user, password and secret query values replaced.
///
/// ```
/// assert_eq!(
///     reqpath_core::redact_url("https://me:pw@api.example/x?page=2&access_token=abc#frag"),
///     "https://[redacted]@api.example/x?page=2&access_token=[redacted]",
/// );
/// ```
#[must_use]
pub fn redact_url(url: &str) -> String {
    // Without an authority it is a relative reference, or `user:password@host` that looks like a scheme.
    let Some(parsed) = Url::parse(url).ok().filter(Url::has_authority) else {
        return redact_reference(url);
    };
    let mut out = format!("{}://", parsed.scheme());
    {
        if !parsed.username().is_empty() || parsed.password().is_some() {
            out.push_str(REDACTED);
            out.push('@');
        }
        out.push_str(parsed.host_str().unwrap_or_default());
        if let Some(port) = parsed.port() {
            out.push(':');
            out.push_str(&port.to_string());
        }
    }
    out.push_str(parsed.path());
    if let Some(query) = parsed.query() {
        out.push('?');
        out.push_str(&redact_query(query));
    }
    out
}

/// A relative reference, or something that is no URL at all.
fn redact_reference(text: &str) -> String {
    let text = text.split('#').next().unwrap_or_default();
    let (head, query) = match text.split_once('?') {
        Some((head, query)) => (head, Some(query)),
        None => (text, None),
    };
    let relative = text.starts_with(['/', '?', '.']) && !text.starts_with("//");
    let head = match head.rsplit_once('@') {
        Some((_, after)) if !relative => Cow::Owned(format!("{REDACTED}@{after}")),
        _ => Cow::Borrowed(head),
    };
    let Some(query) = query else { return head.into_owned() };
    // `http://user:pass?word@host` does not parse; the half before the `?` is as secret as the other.
    let place = head.split_once("://").map_or(&*head, |(_, place)| place);
    if !relative && query.contains('@') && place.contains(':') {
        return REDACTED.to_owned();
    }
    format!("{head}?{}", redact_query(query))
}

fn redact_query(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    let mut within = false;
    for part in query.split_inclusive(['&', ';']) {
        let pair = part.trim_end_matches(['&', ';']);
        match pair.split_once('=') {
            Some((name, value)) if secret_pair(name, value) => {
                out.push_str(name);
                out.push('=');
                out.push_str(REDACTED);
                within = true;
            }
            // A secret may itself hold a `;`.
            None if within => {}
            _ => {
                out.push_str(pair);
                within = false;
            }
        }
        out.push_str(&part[pair.len()..]);
        within &= part.ends_with(';');
    }
    out
}

/// A name or value of a query as it is meant: `%41` is `A`, `+` a blank.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    // Without `&` and `=` the whole is one name.
    form_urlencoded::parse(text.as_bytes()).next().map_or(Cow::Borrowed(""), |(name, _)| name)
}

/// Removes the secrets of one request from whatever comes back.
///
/// A server may echo a credential in a header or an error page; what is stored must not hold it.
#[derive(Clone, Default)]
pub struct Scrubber {
    /// Shared: each request that redirects lead to knows those of all before it.
    secrets: Vec<Arc<str>>,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} secrets)", self.secrets.len())
    }
}

impl Scrubber {
    /// Adds a secret; shorter than four bytes it is no secret but a coincidence.
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() >= 4 && !self.knows(secret) {
            self.push(secret.into());
        }
    }

    fn knows(&self, secret: &str) -> bool {
        self.secrets.iter().any(|known| **known == *secret)
    }

    fn push(&mut self, secret: Arc<str>) {
        // The longest first, so that no half of a secret stays behind.
        let place = self.secrets.partition_point(|known| known.len() >= secret.len());
        self.secrets.insert(place, secret);
    }

    /// Whether it knows none.
    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Adds all that another one knows.
    pub(crate) fn add_all(&mut self, other: &Self) {
        // Its own differ from each other already: only ours are compared with them, and they may be few.
        for secret in std::mem::replace(&mut self.secrets, other.secrets.clone()) {
            if !self.knows(&secret) {
                self.push(secret);
            }
        }
    }

    /// Adds a header's value, where it is secret, and what of it is secret by itself.
    pub(crate) fn add_header(&mut self, header: &Header) {
        if !header.is_secret() {
            return;
        }
        self.add(&header.value);
        // `Bearer abc`: the token alone is as secret as the whole.
        if let Some((_, token)) = header.value.split_once(' ') {
            self.add(token);
        }
        if header.name.eq_ignore_ascii_case("cookie") {
            let values = header.value.split(';').filter_map(|cookie| Some(cookie.split_once('=')?.1));
            values.for_each(|value| self.add(value));
        }
    }

    /// Adds the secret values of a query, or of a form, as they stand there and as they are meant.
    pub(crate) fn add_query(&mut self, query: &str) {
        for pair in query.split(['&', ';']) {
            if let Some((name, value)) = pair.split_once('=')
                && secret_pair(name, value)
            {
                self.add_encoded(value);
            }
        }
    }

    /// Adds a percent-encoded secret, as it stands and as it is meant.
    pub(crate) fn add_encoded(&mut self, secret: &str) {
        self.add(secret);
        self.add(&decoded(&secret.replace('+', "%2B")));
        self.add(&decoded(secret));
    }

    /// The text without any of the secrets.
    #[must_use]
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(&**secret) {
                text = Cow::Owned(text.replace(&**secret, REDACTED));
            }
        }
        text
    }

    /// A header's value as it may be stored.
    #[must_use]
    pub fn header<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        match shown(name, value) {
            Cow::Borrowed(value) => self.scrub(value),
            Cow::Owned(value) => Cow::Owned(self.scrub(&value).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_words_are_not_secrets() {
        for name in [
            "Author",
            "author_id",
            "design",
            "page",
            "Content-Type",
            "X-Request-Id",
            "ETag",
            "X-Cache-Key",
            "Monkey",
            "side",
            "inside",
        ] {
            assert!(!secret_header(name), "{name}");
        }
        for name in [
            "Authorization",
            "X-Vault-Token",
            "api_key",
            "sig",
            "X-Session-Id",
            "Set-Cookie",
            "X-Functions-Key",
            "Ocp-Apim-Subscription-Key",
            "id-jwt",
            "PHPSESSID",
            "sid",
            "RelayState",
            "DPoP",
        ] {
            assert!(secret_header(name), "{name}");
        }
        assert_eq!(shown("X-Upstream", "Bearer abc"), REDACTED);
        assert_eq!(shown("Referer", "https://a.example/?token=x"), "https://a.example/?token=[redacted]");
        assert_eq!(shown("X-Back", "https://me:pw@a.example/x"), "https://[redacted]@a.example/x");
        assert_eq!(shown("X-Back", "https://a.example/@me"), "https://a.example/@me");
    }

    #[test]
    fn relative_references_lose_their_secrets_too() {
        assert_eq!(redact_url("/next?token=abc&x=1#f"), "/next?token=[redacted]&x=1");
        assert_eq!(redact_url("user:pw@host/x"), "[redacted]@host/x");
        assert_eq!(redact_url("/a?token=one@two&mail=me@x.example"), "/a?token=[redacted]&mail=me@x.example");
        assert_eq!(redact_url("/@me?page=2"), "/@me?page=2");
        for url in ["http://user:pa?ss@ho st/", "http://user:pa?ss@host/", "http://us er:pass@host/"] {
            let shown = redact_url(url);
            assert!(!shown.contains("pa") && !shown.contains("ss@"), "{shown}");
        }
    }

    #[test]
    fn a_query_hides_no_secret_behind_its_spelling() {
        let shown = redact_url("https://a.example/?%74oken=one&x=1;pwd=two;three;y=2&passwd=four");
        assert_eq!(shown, "https://a.example/?%74oken=[redacted]&x=1;pwd=[redacted];;y=2&passwd=[redacted]");
        let shown =
            redact_url(r#"https://a.example/?by={"token":"one"}&of={"page":2}&in=%7B%22pwd%22:%22x%22%7D"#);
        assert!(shown.contains("by=[redacted]&of={") && shown.ends_with("in=[redacted]"), "{shown}");
    }

    #[test]
    fn an_echoed_credential_is_scrubbed() {
        let mut scrubber = Scrubber::default();
        scrubber.add("Bearer s3cr3t-value");
        scrubber.add("s3cr3t-value");
        assert_eq!(scrubber.scrub("you sent s3cr3t-value!"), "you sent [redacted]!");
        assert_eq!(
            scrubber.header("Location", "https://x.example/?access_token=q"),
            "https://x.example/?access_token=[redacted]"
        );
    }
}
