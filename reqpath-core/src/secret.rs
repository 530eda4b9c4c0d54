//! Keeping secrets out of evidence.

use std::borrow::Cow;

use url::Url;

/// What stands where a secret stood.
pub(crate) const REDACTED: &str = "[redacted]";

/// Headers whose values are secret whatever they hold.
const SECRET_HEADERS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-amz-security-token",
    "authentication-info",
];

/// Parts of a header's or query parameter's name that make its value secret.
const SECRET_WORDS: [&str; 13] = [
    "token",
    "secret",
    "passw",
    "passwd",
    "pwd",
    "apikey",
    "api_key",
    "api-key",
    "signature",
    "sig",
    "credential",
    "session",
    "auth",
];

/// Whether a header's value must not be stored.
#[must_use]
pub(crate) fn secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) || secret_name(name)
}

fn secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| match *word {
        // Short words count only alone, or half the language is secret.
        "sig" | "auth" => name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == *word),
        word => name.contains(word),
    }) || matches!(name.as_str(), "key" | "code" | "jwt" | "pass")
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
    let text = match text.rsplit_once('@') {
        Some((_, after)) => Cow::Owned(format!("{REDACTED}@{after}")),
        None => Cow::Borrowed(text),
    };
    match text.split_once('?') {
        Some((path, query)) => format!("{path}?{}", redact_query(query)),
        None => text.into_owned(),
    }
}

fn redact_query(query: &str) -> String {
    let parts = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if secret_name(name) => Cow::Owned(format!("{name}={REDACTED}")),
        _ => Cow::Borrowed(pair),
    });
    parts.collect::<Vec<_>>().join("&")
}

/// Removes the secrets of one request from whatever comes back.
///
/// A server may echo a credential in a header or an error page; what is stored must not hold it.
#[derive(Clone, Default)]
pub struct Scrubber {
    secrets: Vec<String>,
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
        if secret.len() >= 4 && !self.secrets.iter().any(|known| known == secret) {
            self.secrets.push(secret.to_owned());
            // The longest first, so that no half of a secret stays behind.
            self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// The text without any of the secrets.
    #[must_use]
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), REDACTED));
            }
        }
        text
    }

    /// A header's value as it may be stored.
    #[must_use]
    pub fn header<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        if secret_header(name) {
            return Cow::Borrowed(REDACTED);
        }
        if matches!(name.len(), 7 | 8 | 16)
            && ["location", "referer", "content-location", "refresh"]
                .iter()
                .any(|n| name.eq_ignore_ascii_case(n))
        {
            return Cow::Owned(self.scrub(&redact_url(value)).into_owned());
        }
        self.scrub(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_words_are_not_secrets() {
        for name in ["Author", "author_id", "design", "page", "Content-Type", "X-Request-Id", "ETag"] {
            assert!(!secret_header(name), "{name}");
        }
        for name in ["Authorization", "X-Vault-Token", "api_key", "sig", "X-Session-Id", "Set-Cookie"] {
            assert!(secret_header(name), "{name}");
        }
    }

    #[test]
    fn relative_references_lose_their_secrets_too() {
        assert_eq!(redact_url("/next?token=abc&x=1#f"), "/next?token=[redacted]&x=1");
        assert_eq!(redact_url("user:pw@host/x"), "[redacted]@host/x");
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
