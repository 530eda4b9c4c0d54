//! A log line that is a JSON object, whatever its keys are called.

use serde_json::Value;

/// How deep objects in objects are looked into.
const DEEPEST: usize = 5;
/// So many values of one line are looked at.
const MOST_VALUES: usize = 512;

/// The other names under which proxies log what nginx's variables hold.
const NAMES: &[(&str, &[&str])] = &[
    ("status", &["status", "response_code", "status_code", "http_status", "downstreamstatus"]),
    ("remote_addr", &["remote_addr", "client_ip", "remote_ip", "clienthost", "downstream_remote_address"]),
    ("request", &["request", "request_line"]),
    ("request_method", &["request_method", "method", "http_method", "requestmethod"]),
    ("request_uri", &["request_uri", "uri", "path", "requestpath", "url"]),
    ("host", &["host", "http_host", "authority", "requesthost", "vhost"]),
    ("request_time", &["request_time", "response_time_s", "duration_s"]),
    (
        "time_iso8601",
        &["time_iso8601", "time_local", "time", "timestamp", "@timestamp", "msec", "start_time", "ts"],
    ),
    ("upstream_addr", &["upstream_addr", "upstream_address", "upstream_host", "upstream", "serviceaddr"]),
    ("upstream_status", &["upstream_status", "originstatus"]),
    ("upstream_connect_time", &["upstream_connect_time"]),
    ("upstream_header_time", &["upstream_header_time"]),
    ("upstream_response_time", &["upstream_response_time"]),
    ("upstream_response_length", &["upstream_response_length", "upstream_bytes_received"]),
    ("upstream_cache_status", &["upstream_cache_status", "cache_status"]),
    ("request_id", &["nginx_request_id"]),
    ("connection", &["connection"]),
];

/// The values of a line by the names of nginx's variables; `None` where it is no JSON object.
pub(super) fn values(line: &str) -> Option<Vec<(&'static str, String)>> {
    // What a container's runtime writes before the line is not part of it.
    let object = line.get(line.find('{')?..)?;
    let mut read = serde_json::Deserializer::from_str(object).into_iter::<Value>();
    let Value::Object(map) = read.next()?.ok()? else { return None };
    let mut leaves = Vec::new();
    gather(&Value::Object(map), "", 0, &mut leaves);
    let value = |names: &[&str]| {
        let named = |name: &&str| leaves.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        names.iter().find_map(named).map(|(_, value)| value.clone())
    };
    Some(NAMES.iter().filter_map(|(name, names)| Some((*name, value(names)?))).collect())
}

/// Every value with the name it stands under, the outermost first.
fn gather(value: &Value, name: &str, depth: usize, leaves: &mut Vec<(String, String)>) {
    if leaves.len() >= MOST_VALUES {
        return;
    }
    let leaf = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // A list of tries, as some write `$upstream_addr`.
        Value::Array(list) => {
            let texts = list.iter().take(64).map(|value| match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => "-".to_owned(),
            });
            texts.collect::<Vec<_>>().join(", ")
        }
        Value::Object(map) if depth < DEEPEST => {
            let deeper = |value: &Value| matches!(value, Value::Object(_));
            for (name, value) in map.iter().filter(|(_, value)| !deeper(value)) {
                gather(value, name, depth + 1, leaves);
            }
            for (name, value) in map.iter().filter(|(_, value)| deeper(value)) {
                gather(value, name, depth + 1, leaves);
            }
            return;
        }
        _ => return,
    };
    leaves.push((name.to_owned(), leaf));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_proxies_are_known() {
        let line = r#"2026-11-22T07:04:01Z stdout F {"http":{"response_code":503,"method":"GET"},"path":"/x","upstream_host":"10.0.0.7:80"}"#;
        let values = values(line).unwrap();
        let value =
            |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        assert_eq!(value("status"), Some("503"));
        assert_eq!(value("request_method"), Some("GET"));
        assert_eq!(value("upstream_addr"), Some("10.0.0.7:80"));
        assert_eq!(value("upstream_status"), None);
    }

    #[test]
    fn what_is_no_object_is_none() {
        for line in ["", "{", "[1]", "null", "{\"a\":", "plain text"] {
            assert!(values(line).is_none(), "{line}");
        }
        assert!(values(&format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100))).is_some());
    }
}
