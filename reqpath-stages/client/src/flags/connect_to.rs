//! `--connect-to`: go elsewhere, and ask for the same thing.

use std::fmt;
use std::str::FromStr;

use super::{FlagError, host, port};

/// curl's `--connect-to HOST1:PORT1:HOST2:PORT2`: a request for the first goes to the second.
///
/// Only the connection moves: SNI, `Host` and everything else stay the target's.
/// An empty first host or port stands for any, an empty second one for the same as before.
///
/// ```
/// use reqpath_client::ConnectTo;
///
/// let rule: ConnectTo = "api.example:443:[::1]:8443".parse()?;
/// assert_eq!(rule.applied("API.example", 443), Some((Some("::1"), Some(8443))));
/// assert_eq!(rule.applied("api.example", 80), None);
/// # Ok::<(), reqpath_client::FlagError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    from_host: Option<String>,
    from_port: Option<u16>,
    to_host: Option<String>,
    to_port: Option<u16>,
}

impl ConnectTo {
    /// Where a request for this host and port goes by this rule: the host and the port that change.
    ///
    /// `None` where the rule is about another host or port, or changes nothing.
    #[must_use]
    pub fn applied(&self, host: &str, port: u16) -> Option<(Option<&str>, Option<u16>)> {
        let applies = self.from_host.as_deref().is_none_or(|from| from.eq_ignore_ascii_case(host))
            && self.from_port.is_none_or(|from| from == port)
            && (self.to_host.is_some() || self.to_port.is_some());
        applies.then_some((self.to_host.as_deref(), self.to_port))
    }
}

impl FromStr for ConnectTo {
    type Err = FlagError;

    fn from_str(given: &str) -> Result<Self, FlagError> {
        let shape = || FlagError::ConnectTo { given: given.to_owned() };
        let some_port = |text: &str| if text.is_empty() { Ok(None) } else { port(text, given).map(Some) };
        let some_host = |text: &str| (!text.is_empty()).then(|| text.to_owned());

        let (from_host, rest) = host(given, given)?;
        let (from_port, rest) =
            rest.strip_prefix(':').and_then(|rest| rest.split_once(':')).ok_or_else(shape)?;
        let (to_host, rest) = host(rest, given)?;
        // curl lets the last part go with its colon.
        let to_port = match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => "",
            None => return Err(shape()),
        };
        Ok(Self {
            from_host: some_host(from_host),
            from_port: some_port(from_port)?,
            to_host: some_host(to_host),
            to_port: some_port(to_port)?,
        })
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |host: &Option<String>| match host.as_deref() {
            Some(host) if host.contains(':') => format!("[{host}]"),
            Some(host) => host.to_owned(),
            None => String::new(),
        };
        let port = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
        write!(
            f,
            "{}:{}:{}:{}",
            host(&self.from_host),
            port(self.from_port),
            host(&self.to_host),
            port(self.to_port)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(rule: &str, host: &str, port: u16) -> Option<(Option<String>, Option<u16>)> {
        let rule: ConnectTo = rule.parse().unwrap();
        rule.applied(host, port).map(|(host, port)| (host.map(str::to_owned), port))
    }

    #[test]
    fn empty_parts_stand_for_any_and_for_the_same() {
        let to = |host: Option<&str>, port| Some((host.map(str::to_owned), port));
        assert_eq!(applied("::b.example:81", "a.example", 80), to(Some("b.example"), Some(81)));
        assert_eq!(applied("a.example::b.example:", "a.example", 80), to(Some("b.example"), None));
        assert_eq!(applied(":80::81", "a.example", 80), to(None, Some(81)));
        assert_eq!(applied(":80::81", "a.example", 443), None);
        assert_eq!(applied("a.example:80::", "a.example", 80), None, "it changes nothing");
        assert_eq!(
            applied("[2001:db8::1]:80:127.0.0.1:81", "2001:db8::1", 80),
            to(Some("127.0.0.1"), Some(81))
        );
        assert_eq!(applied("a.example:80:b.example", "a.example", 80), to(Some("b.example"), None));
        assert_eq!(applied("a.example:80:[::1]", "a.example", 80), to(Some("::1"), None));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<ConnectTo>().unwrap_err().to_string();
        for text in ["", "a", "a:1", "[::1]", "a:80:[::1]x"] {
            assert!(error(text).contains("HOST1:PORT1:HOST2:PORT2"), "{text}");
        }
        assert!(error("a:b:c:1").contains("`b`"));
        assert!(error("a:1:c:65536").contains("65536"));
        assert!(error("a:1:c:+1").contains("`+1`"));
        assert!(error("[::1:80:a:1").contains("bracket"));
        assert!(error("a:0:c:1").contains("`0`"));
    }

    #[test]
    fn it_prints_as_it_was_written() {
        for text in ["a:80:b:81", "::b:", ":443:[::1]:"] {
            assert_eq!(text.parse::<ConnectTo>().unwrap().to_string(), text);
        }
    }
}
