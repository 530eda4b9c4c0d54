//! The URL of a proxy, as the environment gives it.

use std::net::IpAddr;

use reqpath_core::{escape, redact_url};

use super::ProxyError;

/// The port of a proxy that names none, as curl has it.
const DEFAULT_PORT: u16 = 1080;

/// Where a proxy is, and what it wants to be told.
#[derive(PartialEq, Eq)]
pub(crate) struct ProxyUrl {
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`. Secret.
    pub(crate) authorization: Option<String>,
}

impl std::fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Credentials stay out of every log.
        f.write_str(&self.url())
    }
}

impl ProxyUrl {
    /// The URL without credentials.
    pub(crate) fn url(&self) -> String {
        let host = escape(&self.host, 255);
        if host.contains(':') {
            format!("http://[{host}]:{}", self.port)
        } else {
            format!("http://{host}:{}", self.port)
        }
    }

    /// The address, where the host is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Reads a variable's value. Without a scheme, `http://` is meant.
    pub(crate) fn parse(variable: &'static str, value: &str) -> Result<Self, ProxyError> {
        let malformed = |what| ProxyError::Malformed { variable, url: escape(&redact_url(value), 255), what };
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(ProxyError::Scheme {
                variable,
                scheme: escape(scheme, 32),
                url: escape(&redact_url(value), 255),
            });
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user_info, place) = match authority.rsplit_once('@') {
            Some((user_info, place)) => (Some(user_info), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) =
                    rest.split_once(']').ok_or_else(|| malformed("a bracket is not closed"))?;
                if !host.parse().is_ok_and(|address: IpAddr| address.is_ipv6()) {
                    return Err(malformed("brackets hold an IPv6 address"));
                }
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, Some("")),
            },
        };
        if host.is_empty() {
            return Err(malformed("it has no host"));
        }
        if host.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(malformed("the host holds a blank or a control character"));
        }
        let port = match port {
            Some("") => DEFAULT_PORT,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().map_err(|_| malformed("the port is above 65535"))?
            }
            _ => return Err(malformed("the port is not a number")),
        };
        Ok(Self { host: host.to_owned(), port, authorization: user_info.map(basic) })
    }
}

/// `user:password`, percent-encoded as in a URL, as the value of `Proxy-Authorization`.
fn basic(user_info: &str) -> String {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut plain = percent_decoded(user);
    plain.push(b':');
    plain.extend(percent_decoded(password));
    format!("Basic {}", base64(&plain))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are at most 255.
                out.push(u8::try_from(high * 16 + low).unwrap_or(u8::MAX));
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<ProxyUrl, ProxyError> {
        ProxyUrl::parse("http_proxy", value)
    }

    #[test]
    fn a_scheme_a_port_and_a_path_may_be_missing_or_there() {
        for (value, host, port) in [
            ("proxy.example", "proxy.example", 1080),
            ("proxy.example:3128", "proxy.example", 3128),
            ("HTTP://proxy.example:3128/", "proxy.example", 3128),
            ("http://proxy.example:/x?y#z", "proxy.example", 1080),
            ("http://[2001:db8::1]:3128", "2001:db8::1", 3128),
            ("[::1]", "::1", 1080),
            ("u:p@127.0.0.1:8", "127.0.0.1", 8),
        ] {
            let url = parse(value).unwrap();
            assert_eq!((url.host.as_str(), url.port), (host, port), "{value}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_kept_out_of_sight() {
        // RFC 7617's own example.
        let url = parse("http://Aladdin:open%20sesame@proxy.example").unwrap();
        assert_eq!(url.authorization.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(format!("{url:?}"), "http://proxy.example:1080");
        assert_eq!(parse("me@proxy.example").unwrap().authorization.as_deref(), Some("Basic bWU6"));
        assert_eq!(percent_decoded("%4x%4"), b"%4x%4");
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"abc"), "YWJj");
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for value in
            ["http://", "a:b", "a:99999", "[::1", "[::1]x", "[a]:1", "a b:1", "a\u{7}:1", "@", "a:1:2"]
        {
            assert!(matches!(parse(value), Err(ProxyError::Malformed { .. })), "{value}");
        }
        for value in ["https://a", "socks5h://a:1", "socks://a", "ftp://a"] {
            assert!(matches!(parse(value), Err(ProxyError::Scheme { .. })), "{value}");
        }
    }
}
