//! The headers of an answer, kept small and shown safe.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use reqpath_core::{Target, escape_bytes};
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::secrets::scrubber;

/// How many headers of an answer are kept.
pub const MOST_HEADERS: usize = 64;
/// How many bytes of one header's value are kept.
pub const MOST_VALUE: usize = 1024;
/// How many bytes of all headers are kept of one of many samples.
pub(crate) const FEW: usize = 2 << 10;
/// A name is seldom longer; what is longer is cut.
const MOST_NAME: usize = 128;

/// The headers of an answer, in order: at most 64, each value at most 1 KiB.
///
/// Control characters are escaped and secrets removed whenever a value is read or stored.
/// In JSON a list of pairs: `[["server", "nginx"]]`.
#[derive(Clone, Default)]
pub struct Headers {
    /// Names and values as they came, one after the other.
    bytes: Vec<u8>,
    /// Where each name and each value ends in `bytes`.
    ends: Vec<(u32, u32)>,
    /// The request they answer, whose secrets a peer could echo; `None` once they were stored.
    asked: Option<Target>,
    /// How many there were besides.
    pub(crate) left_out: u32,
}

impl Headers {
    /// Keeps what is wanted of these, and no more than so many bytes.
    pub(crate) fn keep(map: &HeaderMap, asked: &Target, most: usize) -> Self {
        let length: usize =
            map.iter().take(MOST_HEADERS).map(|(n, v)| n.as_str().len() + v.len().min(MOST_VALUE)).sum();
        let mut kept = Self {
            bytes: Vec::with_capacity(length.min(most)),
            ends: Vec::with_capacity(map.len().min(MOST_HEADERS)),
            asked: Some(asked.clone()),
            left_out: 0,
        };
        for (name, value) in map {
            if kept.bytes.len().saturating_add(value.len().min(MOST_VALUE)) > most {
                kept.left_out = kept.left_out.saturating_add(1);
            } else {
                kept.push(name.as_str().as_bytes(), value.as_bytes());
            }
        }
        kept
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        if self.ends.len() == MOST_HEADERS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.bytes.extend_from_slice(&name[..name.len().min(MOST_NAME)]);
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(&value[..value.len().min(MOST_VALUE)]);
        // 64 × (1024 + 128) bytes: far below the limit of the type.
        let end = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.ends.push((end(name_end), end(self.bytes.len())));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Names and values, safe to show and to store.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let scrubber = self.asked.as_ref().map(scrubber);
        self.raw().map(move |(name, value)| {
            let name = safe(name);
            let value = match &scrubber {
                Some(scrubber) => Cow::Owned(scrubber.header(&name, &safe(value)).into_owned()),
                // What was stored is safe already.
                None => String::from_utf8_lossy(value),
            };
            (name, value)
        })
    }

    /// The first value of a name, safe to show.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.raw().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(match &self.asked {
            Some(asked) => Cow::Owned(scrubber(asked).header(name, &safe(value)).into_owned()),
            None => String::from_utf8_lossy(value),
        })
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.raw().any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
    }

    fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        starts.zip(&self.ends).filter_map(|(start, (name_end, end))| {
            let (start, name_end, end) = (start as usize, *name_end as usize, *end as usize);
            Some((self.bytes.get(start..name_end)?, self.bytes.get(name_end..end)?))
        })
    }
}

fn safe(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) => Cow::Borrowed(text),
        _ => Cow::Owned(escape_bytes(bytes, MOST_VALUE)),
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.ends.len()))?;
        for pair in self.iter() {
            list.serialize_element(&pair)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names and values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                let mut headers = Headers::default();
                while let Some((name, value)) = list.next_element::<(String, String)>()? {
                    headers.push(name.as_bytes(), value.as_bytes());
                }
                Ok(headers)
            }
        }
        deserializer.deserialize_seq(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    fn target() -> Target {
        Target::builder("https://api.example/")
            .unwrap()
            .header("Authorization", "Bearer s3cr3t-t0ken")
            .unwrap()
            .build()
    }

    fn map(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &[u8])| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn secrets_and_invisibles_stay_out_of_every_form() {
        let map = map(&[
            ("set-cookie", b"id=verysecret"),
            ("x-echo", b"you sent s3cr3t-t0ken"),
            ("server", b"evil\x80\xe2\x80\xaename"),
            ("location", b"/next?access_token=abc"),
        ]);
        let headers = Headers::keep(&map, &target(), usize::MAX);
        let json = serde_json::to_string(&headers).unwrap();
        for secret in ["verysecret", "s3cr3t-t0ken", "abc", "\u{202e}"] {
            assert!(!json.contains(secret), "{json}");
            assert!(!format!("{headers:?}").contains(secret));
        }
        let back: Headers = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), json);
        assert_eq!(back.get("Server").unwrap(), "evil\\x80\\u{202e}name");
        assert!(back.has("set-cookie") && !back.has("cookie"));
    }

    #[test]
    fn there_is_a_limit_to_number_and_length() {
        let mut map = HeaderMap::new();
        for i in 0..100 {
            map.append("x-many", HeaderValue::from_str(&format!("{i}{}", "v".repeat(2000))).unwrap());
        }
        let headers = Headers::keep(&map, &target(), usize::MAX);
        assert_eq!(headers.iter().count(), MOST_HEADERS);
        assert_eq!(headers.left_out, 36);
        assert!(headers.iter().all(|(_, value)| value.len() <= MOST_VALUE));
        let few = Headers::keep(&map, &target(), FEW);
        assert!(few.bytes.len() <= FEW + MOST_NAME, "{}", few.bytes.len());
        assert_eq!(few.ends.len() + few.left_out as usize, 100);
    }
}
