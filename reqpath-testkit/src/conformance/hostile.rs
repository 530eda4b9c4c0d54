//! Spoilt and arbitrary JSON, the same for the same seed.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// How deep arbitrary values go.
const DEPTH: u32 = 4;

/// A copy with a few places changed: replaced by the same sort of thing or another, removed, or grown.
pub(super) fn spoilt(original: &Value, rng: &mut Rng) -> Value {
    let mut value = original.clone();
    for _ in 0..rng.u32(1..=3) {
        let with = match rng.u32(0..8) {
            // Another part of the same document has the right types in the wrong place.
            0 => nth(original, rng.usize(0..count(original).max(1))).cloned(),
            1 => Some(arbitrary(rng, DEPTH, &keys(original))),
            2 => Some(nasty(rng)),
            // Most wrong types only make a record unreadable; a wrong value of the right type goes further.
            _ => None,
        };
        let mut place = rng.usize(0..count(&value).saturating_sub(1).max(1));
        change(&mut value, &mut place, &with, rng);
    }
    value
}

/// Any JSON at all; half of its keys are among those given, so that it comes near what is read.
pub(super) fn arbitrary(rng: &mut Rng, depth: u32, keys: &[String]) -> Value {
    match rng.u32(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(rng.bool()),
        2 => json!(rng.u64(..)),
        3 => json!(rng.i64(..)),
        4 => json!(rng.f64() * 1e300),
        5 => nasty(rng),
        6 => (0..rng.usize(0..4)).map(|_| arbitrary(rng, depth - 1, keys)).collect(),
        _ => {
            let mut map = Map::new();
            for _ in 0..rng.usize(0..6) {
                let key = if keys.is_empty() || rng.bool() {
                    word(rng)
                } else {
                    keys[rng.usize(0..keys.len())].clone()
                };
                map.insert(key, arbitrary(rng, depth - 1, keys));
            }
            Value::Object(map)
        }
    }
}

/// The names of all members in a document.
pub(super) fn keys(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|child| collect(child, found)),
        Value::Object(map) => {
            for (key, child) in map {
                found.push(key.clone());
                collect(child, found);
            }
        }
        _ => {}
    }
}

/// A value that code tends to trip over.
fn nasty(rng: &mut Rng) -> Value {
    match rng.u32(0..10) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!([null, -1, "", {}, []]),
        4 => Value::Array(vec![json!(""); 500]),
        5 => (0..60).fold(json!(1), |inner, _| json!([inner])),
        6 | 7 => nasty_number(rng),
        _ => nasty_text(rng),
    }
}

fn nasty_number(rng: &mut Rng) -> Value {
    let numbers = [
        json!(0),
        json!(1),
        json!(-1),
        json!(255),
        json!(65_535),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(1e308),
        json!(-0.5),
    ];
    numbers[rng.usize(0..numbers.len())].clone()
}

fn nasty_text(rng: &mut Rng) -> Value {
    let texts = [
        "",
        " ",
        "-",
        ".",
        "é",
        "🦀ß",
        "é🦀: é=é; é.é/é",
        "\u{1b}[31m\r\n\u{0}\u{202e}",
        "9999999999999999999999",
        "-1",
        "::1",
        "0.0.0.0:0",
        "[::]:65535",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "%",
        "=:;,",
    ];
    match rng.usize(0..=texts.len()) {
        place if place < texts.len() => json!(texts[place]),
        _ => json!("x".repeat(5_000)),
    }
}

/// Something of the same type, and nastier.
fn like(value: &Value, rng: &mut Rng) -> Value {
    match value {
        Value::Null => nasty(rng),
        Value::Bool(yes) => json!(!yes),
        Value::Number(_) => nasty_number(rng),
        Value::String(_) => nasty_text(rng),
        Value::Array(list) => match list.first() {
            Some(first) if rng.bool() => Value::Array(vec![first.clone(); 300]),
            _ => json!([]),
        },
        Value::Object(map) => {
            let mut map = map.clone();
            map.retain(|_, _| rng.bool());
            Value::Object(map)
        }
    }
}

fn word(rng: &mut Rng) -> String {
    (0..rng.usize(0..8)).map(|_| rng.char(..)).collect()
}

/// How many values there are, the document itself among them.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

fn nth(value: &Value, mut place: usize) -> Option<&Value> {
    if place == 0 {
        return Some(value);
    }
    place -= 1;
    let children: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => return None,
    };
    for child in children {
        let size = count(child);
        if place < size {
            return nth(child, place);
        }
        place -= size;
    }
    None
}

/// Changes one place below the document itself; whether it was found there.
fn change(value: &mut Value, place: &mut usize, with: &Option<Value>, rng: &mut Rng) -> bool {
    match value {
        Value::Array(list) => {
            for index in 0..list.len() {
                if *place == 0 {
                    match rng.u32(0..6) {
                        0 => drop(list.remove(index)),
                        // The same thing seen twice.
                        1 => list.insert(index, list[index].clone()),
                        _ => list[index] = with.clone().unwrap_or_else(|| like(&list[index], rng)),
                    }
                    return true;
                }
                *place -= 1;
                if change(&mut list[index], place, with, rng) {
                    return true;
                }
            }
        }
        Value::Object(map) => {
            let names: Vec<String> = map.keys().cloned().collect();
            for name in names {
                let Some(child) = map.get_mut(&name) else { continue };
                if *place == 0 {
                    if rng.u32(0..6) == 0 {
                        map.remove(&name);
                    } else {
                        *child = with.clone().unwrap_or_else(|| like(child, rng));
                    }
                    return true;
                }
                *place -= 1;
                if change(child, place, with, rng) {
                    return true;
                }
            }
        }
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_spoils_alike_and_nothing_is_left_whole_for_long() {
        let original = json!({"a": [1, {"b": "c"}], "d": null});
        let spoil = |seed| spoilt(&original, &mut Rng::with_seed(seed));
        let changed = (0..200).filter(|seed| spoil(*seed) != original).count();
        assert!(changed > 150, "{changed}");
        assert!((0..200).all(|seed| spoil(seed) == spoil(seed)));
        assert_eq!(keys(&original), ["a", "b", "d"]);
    }

    #[test]
    fn every_place_is_found() {
        let original = json!([0, [1, {"x": 2}], 3]);
        assert_eq!(count(&original), 7);
        assert_eq!(nth(&original, 5), Some(&json!(2)));
        assert_eq!(nth(&original, 6), Some(&json!(3)));
        assert_eq!(nth(&original, 7), None);
    }
}
