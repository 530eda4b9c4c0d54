//! What no resolver can be asked for.

/// The longest label, in bytes (RFC 1035, section 2.3.4).
const MOST_OF_A_LABEL: usize = 63;
/// The longest name as it is written, without its final dot.
const MOST_OF_A_NAME: usize = 253;

/// Why a host is no name, where it is none. A final dot belongs to a name.
pub(super) fn flaw(host: &str) -> Option<String> {
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.split('.').any(str::is_empty) {
        return Some("nothing stands between two dots, or before the first".to_owned());
    }
    let longest = name.split('.').map(str::len).max().unwrap_or_default();
    if longest > MOST_OF_A_LABEL {
        return Some(format!("a part of it has {longest} bytes, and {MOST_OF_A_LABEL} is the most"));
    }
    let length = name.len();
    (length > MOST_OF_A_NAME).then(|| format!("it has {length} bytes, and {MOST_OF_A_NAME} is the most"))
}

#[cfg(test)]
mod tests {
    use crate::{Target, TargetError};

    #[test]
    fn what_no_resolver_can_be_asked_for_is_no_host() {
        let long = |length: usize| "x".repeat(length);
        let name = |last: usize| format!("{0}.{0}.{0}.{1}", long(63), long(last));
        for host in ["a..b", ".a", ".", "a..", &long(64), &format!("a.{}.b", long(64)), &name(62)] {
            let error = Target::get(&format!("http://{host}:9/")).unwrap_err();
            assert!(matches!(error, TargetError::Name { .. }), "{host}: {error}");
            assert!(error.to_string().len() < 300, "{error}");
        }
        for host in ["a", "a.", "_sip._tcp.a", "a-.b", "127.0.0.1", "[::1]", &long(63), &name(61)] {
            assert!(Target::get(&format!("http://{host}:9/")).is_ok(), "{host}");
        }
        let long = format!("{}.", name(61));
        assert!(Target::get(&format!("http://{long}/")).is_ok());
    }

    #[test]
    fn a_stored_report_of_one_loads_all_the_same() {
        let stored: Target = serde_json::from_str(r#"{"url": "http://a..b/", "method": "GET"}"#).unwrap();
        assert_eq!(stored.host(), "a..b");
        assert!(stored.join("http://c..d/").is_err());
    }
}
