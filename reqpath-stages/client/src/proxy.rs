//! Which proxy the environment asks for, as curl reads it.

mod no_proxy;
mod url;

use reqpath_core::{Scheme, escape, redact_url};

use crate::evidence::{Environment, Exemption, NearMiss, ProxyInForce, Setting};

pub(crate) use url::ProxyUrl;

/// Every variable that curl may read, in its order. `HTTP_PROXY` it never reads: a CGI program's client sets it.
const VARIABLES: [&str; 8] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];
/// How much of a value is kept.
const MOST_CHARACTERS: usize = 512;

/// A proxy variable that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// A kind of proxy that this client does not speak to.
    #[error("`{variable}` asks for a proxy of scheme `{scheme}` ({url}); only http:// proxies are supported")]
    Scheme {
        /// The variable.
        variable: &'static str,
        /// The scheme found.
        scheme: String,
        /// The value, without credentials.
        url: String,
    },
    /// A value that is no proxy's URL.
    #[error("`{variable}` holds `{url}`, which does not name a proxy: {what}")]
    Malformed {
        /// The variable.
        variable: &'static str,
        /// The value, without credentials.
        url: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What the environment says of one request.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    /// The proxy to go through, with the variable that names it.
    pub(crate) proxy: Option<(&'static str, ProxyUrl)>,
    /// What exempts the request from the proxy that is set.
    pub(crate) exempted: Option<Exemption>,
    /// What looks meant to exempt it.
    pub(crate) nearly: Option<NearMiss>,
}

/// Decides for a request of this scheme to this host.
pub(crate) fn decide(
    environment: impl Fn(&str) -> Option<String>,
    scheme: Scheme,
    host: &str,
) -> Result<Decision, ProxyError> {
    // An empty variable counts as not set.
    let read =
        |name: &'static str| environment(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    let of_scheme = match scheme {
        Scheme::Https => read("https_proxy").or_else(|| read("HTTPS_PROXY")),
        _ => read("http_proxy"),
    };
    let Some((variable, value)) = of_scheme.or_else(|| read("all_proxy")).or_else(|| read("ALL_PROXY"))
    else {
        return Ok(Decision::default());
    };
    let mut decision = Decision::default();
    if let Some((name, list)) = read("no_proxy").or_else(|| read("NO_PROXY")) {
        if let Some(entry) = no_proxy::exempting(&list, host) {
            decision.exempted = Some(Exemption {
                variable: name.to_owned(),
                entry: escape(entry, MOST_CHARACTERS),
                instead_of: variable.to_owned(),
            });
            return Ok(decision);
        }
        decision.nearly = no_proxy::near_miss(&list, host).map(|(entry, why)| NearMiss {
            variable: name.to_owned(),
            entry: escape(entry, MOST_CHARACTERS),
            why,
        });
    }
    decision.proxy = Some((variable, ProxyUrl::parse(variable, &value)?));
    Ok(decision)
}

/// The variables that are set, without their secrets.
pub(crate) fn settings(environment: impl Fn(&str) -> Option<String>) -> Vec<Setting> {
    let set = VARIABLES.into_iter().filter_map(|name| Some((name, environment(name)?)));
    set.map(|(name, value)| Setting::new(name, shown(name, &value))).collect()
}

/// A decision as it is stored.
pub(crate) fn seen(variables: Vec<Setting>, decision: &Decision) -> Environment {
    Environment {
        variables,
        disregarded: false,
        proxy: decision
            .proxy
            .as_ref()
            .map(|(variable, proxy)| ProxyInForce { variable: (*variable).to_owned(), url: proxy.url() }),
        exempted: decision.exempted.clone(),
        nearly: decision.nearly.clone(),
    }
}

/// A variable's value as it may be stored.
fn shown(name: &str, value: &str) -> String {
    let list = name.eq_ignore_ascii_case("no_proxy");
    escape(&if list { value.to_owned() } else { redact_url(value) }, MOST_CHARACTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(variables: &[(&str, &str)], scheme: Scheme, host: &str) -> Result<Decision, ProxyError> {
        let read = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        decide(read, scheme, host)
    }

    fn chosen(variables: &[(&str, &str)], scheme: Scheme) -> Option<&'static str> {
        decided(variables, scheme, "api.example").unwrap().proxy.map(|(variable, _)| variable)
    }

    #[test]
    fn the_scheme_s_own_variable_goes_before_the_one_for_all() {
        let all = [
            ("http_proxy", "a:1"),
            ("https_proxy", "b:1"),
            ("HTTPS_PROXY", "c:1"),
            ("all_proxy", "d:1"),
            ("ALL_PROXY", "e:1"),
        ];
        assert_eq!(chosen(&all, Scheme::Http), Some("http_proxy"));
        assert_eq!(chosen(&all[1..], Scheme::Http), Some("all_proxy"));
        assert_eq!(chosen(&all, Scheme::Https), Some("https_proxy"));
        assert_eq!(chosen(&all[2..], Scheme::Https), Some("HTTPS_PROXY"));
        assert_eq!(chosen(&all[4..], Scheme::Https), Some("ALL_PROXY"));
        assert_eq!(chosen(&[], Scheme::Https), None);
    }

    #[test]
    fn the_upper_case_http_proxy_is_never_obeyed_and_an_empty_variable_is_none() {
        assert_eq!(chosen(&[("HTTP_PROXY", "a:1")], Scheme::Http), None);
        assert_eq!(
            chosen(&[("https_proxy", ""), ("HTTPS_PROXY", "c:1")], Scheme::Https),
            Some("HTTPS_PROXY")
        );
        assert_eq!(chosen(&[("http_proxy", "")], Scheme::Http), None);
    }

    #[test]
    fn an_exempt_host_needs_no_proxy_that_parses() {
        let variables = [("http_proxy", "socks5://x:1"), ("NO_PROXY", ".example")];
        let decision = decided(&variables, Scheme::Http, "api.example").unwrap();
        let exempted = decision.exempted.unwrap();
        assert_eq!((exempted.entry.as_str(), exempted.instead_of.as_str()), (".example", "http_proxy"));
        let error = decided(&variables[..1], Scheme::Http, "api.example").unwrap_err();
        assert!(error.to_string().contains("`http_proxy`"), "{error}");
        assert!(error.to_string().contains("socks5"), "{error}");
    }

    #[test]
    fn the_lower_case_list_goes_before_the_upper_case_one() {
        let variables = [("http_proxy", "a:1"), ("no_proxy", "other"), ("NO_PROXY", "*")];
        assert!(decided(&variables, Scheme::Http, "api.example").unwrap().proxy.is_some());
        assert!(decided(&[variables[0], variables[2]], Scheme::Http, "api.example").unwrap().proxy.is_none());
    }

    #[test]
    fn credentials_never_show() {
        let read = |name: &str| Some(format!("http://me:s3cr3t@{name}.example:3128"));
        for setting in settings(read).iter().filter(|setting| !setting.name.eq_ignore_ascii_case("no_proxy"))
        {
            assert!(!setting.value.contains("s3cr3t"), "{}", setting.value);
            assert!(setting.value.contains(&setting.name.to_lowercase()), "{}", setting.value);
        }
        let error = decided(&[("all_proxy", "socks5h://me:s3cr3t@x:1")], Scheme::Http, "a").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"));
        let error = decided(&[("all_proxy", "me:s3cr3t@x:bad")], Scheme::Http, "a").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"));
    }
}
