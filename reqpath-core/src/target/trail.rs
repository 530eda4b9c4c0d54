//! The requests that led to one by redirects.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{escape, redact_url};

/// How many URLs are kept beside the first: the last so many.
const MOST_URLS: usize = 5;
/// How many characters of a URL are kept, the first one excepted: that is the caller's own.
const MOST_URL: usize = 256;
/// How many requests are remembered, to tell when they go round.
const MOST_MARKS: usize = 64;

/// The requests that led to one by redirects.
///
/// Its size is bounded however many there were and whatever they asked for.
#[derive(Clone, Default)]
pub(super) struct Trail {
    /// The first and the last few, to show.
    urls: Vec<Arc<str>>,
    /// What the last of them asked for, oldest first: exactly, and with nothing of it to read.
    marks: Vec<u64>,
    redirects: u32,
}

/// A way that redirects go again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Round {
    /// How many redirects lead from a request back to itself.
    pub length: u32,
    /// How many times it was gone, without anything else between, as far as remembered.
    pub times: u32,
}

impl Trail {
    /// As a report has it: the URLs to show.
    pub(super) fn stored(urls: Vec<Arc<str>>) -> Self {
        let redirects = count(urls.len());
        Self { urls, marks: Vec::new(), redirects }
    }

    /// With one request more.
    pub(super) fn after(&self, method: &str, url: &str) -> Self {
        let shown = redact_url(url);
        let shown = if self.urls.is_empty() { shown } else { escape(&shown, MOST_URL) };
        let mut urls = Vec::with_capacity(self.urls.len() + 1);
        urls.extend_from_slice(&self.urls);
        if urls.len() > MOST_URLS {
            urls.remove(1);
        }
        urls.push(shown.into());
        let forgotten = (self.marks.len() + 1).saturating_sub(MOST_MARKS);
        let known = self.marks.iter().skip(forgotten).copied();
        let marks = known.chain([mark(method, url)]).collect();
        Self { urls, marks, redirects: self.redirects.saturating_add(1) }
    }

    pub(super) fn urls(&self) -> &[Arc<str>] {
        &self.urls
    }

    pub(super) fn redirects(&self) -> u32 {
        self.redirects
    }

    /// How these requests, with this one after them, go round, if they do.
    pub(super) fn round(&self, method: &str, url: &str) -> Option<Round> {
        if self.marks.is_empty() {
            return None;
        }
        let back: Vec<u64> =
            [mark(method, url)].into_iter().chain(self.marks.iter().rev().copied()).collect();
        let gone = |length: usize| {
            // How far back each was what it was one round before.
            let same = back.iter().zip(&back[length..]).take_while(|(this, before)| this == before).count();
            Round { length: count(length), times: count(same.div_ceil(length)) }
        };
        let rounds = (1..back.len()).map(gone).filter(|round| round.times > 0);
        // The shortest of those gone most often.
        rounds.reduce(|best, round| if round.times > best.times { round } else { best })
    }
}

fn mark(method: &str, url: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    // A fragment is not sent.
    (method, url.split('#').next()).hash(&mut hasher);
    hasher.finish()
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use crate::Target;

    /// What redirects make of a request for the first of these URLs.
    fn led(urls: &[&str]) -> Target {
        let of = |url: &str| Target::builder(&format!("http://h.example/{url}")).unwrap();
        let (first, more) = urls.split_first().unwrap();
        more.iter().fold(of(first).build(), |before, url| of(url).redirected_from(&before).build())
    }

    fn round(urls: &[&str]) -> Option<(u32, u32)> {
        led(urls).round().map(|round| (round.length, round.times))
    }

    #[test]
    fn rounds_are_told_from_long_ways() {
        assert_eq!(round(&["a"]), None);
        assert_eq!(round(&["a", "b", "c"]), None);
        assert_eq!(round(&["a", "a"]), Some((1, 1)));
        assert_eq!(round(&["a", "b", "a"]), Some((2, 1)));
        assert_eq!(round(&["x", "a", "b", "a", "b", "a"]), Some((2, 2)));
        assert_eq!(round(&["a", "b", "a", "c", "a", "b", "a", "c", "a"]), Some((4, 2)), "with a loop within");
        assert_eq!(round(&["a", "a", "a", "b"]), None, "it is out of it");
        assert_eq!(round(&["a?token=one", "a?token=two", "a?token=six"]), None, "secrets only look the same");
        assert_eq!(round(&["a?token=one", "a?token=one"]), Some((1, 1)));
        assert_eq!(round(&["a#one", "a#two"]), Some((1, 1)), "a fragment is not sent");
        let long = "x".repeat(5000);
        assert_eq!(
            round(&["a", &format!("{long}1"), &format!("{long}2")]),
            None,
            "what is cut is compared whole"
        );
    }

    #[test]
    fn a_post_that_leads_to_a_get_of_the_same_url_is_no_round() {
        let post = Target::builder("http://h.example/").unwrap().method("POST").unwrap().build();
        let get = Target::builder("http://h.example/").unwrap().redirected_from(&post).build();
        assert_eq!((get.round(), get.redirects()), (None, 1));
    }

    #[test]
    fn a_long_way_is_kept_short() {
        let long = "y".repeat(10_000);
        let urls: Vec<String> = (0..1000).map(|k| format!("{k}/{long}?token=s3cr3t")).collect();
        let end = led(&urls.iter().map(String::as_str).collect::<Vec<_>>());
        let kept = end.redirected_from();
        assert_eq!((kept.len(), end.redirects()), (6, 999));
        assert!(kept[0].starts_with("http://h.example/0/") && kept[5].starts_with("http://h.example/998/"));
        assert!(kept[1..].iter().all(|url| url.len() < 300), "only the first, the caller's own, is whole");
        assert!(!kept.iter().any(|url| url.contains("s3cr3t")));
        assert!(end.0.trail.marks.len() <= 64);
    }
}
