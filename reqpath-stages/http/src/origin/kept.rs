//! Whether an answer was kept by a cache on the way.

use crate::Exchange;

/// What caches say of an answer that they had, besides `Cache-Status`.
const WORDS: [&str; 4] = ["x-cache", "x-cache-status", "x-proxy-cache", "cf-cache-status"];

/// The header that says that a cache on the way had this answer, so that nobody behind it was asked.
///
/// `Age: 0` is not one: some caches say so of what they have only just fetched.
#[must_use]
pub(crate) fn kept(exchange: &Exchange) -> Option<String> {
    let headers = &exchange.headers;
    let said = |name: &str, value: &str| format!("{name}: {}", reqpath_core::escape(value, 80));
    if let Some(value) = headers.get("cache-status")
        && value.split([',', ';']).any(|part| matches!(part.trim(), "hit" | "hit=?1"))
    {
        return Some(said("Cache-Status", &value));
    }
    let hit = |value: &str| {
        let mut words = value.split(|character: char| !character.is_ascii_alphanumeric());
        words.any(|word| word.eq_ignore_ascii_case("hit"))
    };
    for name in WORDS {
        if let Some(value) = headers.get(name).filter(|value| hit(value)) {
            return Some(said(name, &value));
        }
    }
    let age = headers.get("age")?;
    age.trim().parse::<u64>().is_ok_and(|age| age > 0).then(|| said("Age", &age))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_cache_had_is_told_from_what_it_fetched() {
        let of = |name: &str, value: &str| {
            kept(&serde_json::from_value(json!({"status": 502, "headers": [[name, value]]})).unwrap())
        };
        for (name, value) in [
            ("age", "12"),
            ("cache-status", "edge; hit; ttl=30"),
            ("cache-status", "origin; fwd=miss, edge;hit"),
            ("x-cache", "HIT"),
            ("x-cache", "Hit from cloudfront"),
            ("x-cache", "TCP_HIT from squid"),
            ("x-cache-status", "HIT"),
            ("cf-cache-status", "HIT"),
        ] {
            assert!(of(name, value).is_some(), "{name}: {value}");
        }
        for (name, value) in [
            ("age", "0"),
            ("age", "soon"),
            ("cache-status", "edge; fwd=miss; stored"),
            ("x-cache", "MISS"),
            ("x-cache", "Error from cloudfront"),
            ("x-cache-status", "EXPIRED"),
            ("server", "hit"),
        ] {
            assert_eq!(of(name, value), None, "{name}: {value}");
        }
    }
}
