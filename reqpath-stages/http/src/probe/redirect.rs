//! An answer that sends the request elsewhere, and whether it goes.

use std::borrow::Cow;
use std::sync::Arc;

use reqpath_core::{Context, Header, Left, Subject, Target, TargetBuilder, TargetError, escape, redact_url};

use crate::credentials::{basic, is_secret};
use crate::evidence::Redirect;

/// How many characters of a URL are kept.
const MOST_URL: usize = 1024;
/// The longest URL that is followed, in bytes: a request line that hardly any server takes. The peer chooses it,
/// and every request keeps its own.
const LONGEST: usize = 16 << 10;

/// Records the redirect and, where the caller asked for it, follows it.
///
/// That the same was asked for before is no end: a form leads back to its own page, a page to itself until
/// something is ready. Only their number is bounded, as curl bounds it.
pub(crate) fn met(at: &Subject, cx: &Context, asked: &Target, status: u16, location: &str) -> Left {
    let target = cx.target();
    let from = escape(&redact_url(target.url()), MOST_URL);
    let chain: Vec<Arc<str>> =
        target.redirected_from().iter().cloned().chain([from.as_str().into()]).collect();
    let left_out =
        target.redirects().saturating_add(1).saturating_sub(u32::try_from(chain.len()).unwrap_or(u32::MAX));
    let mut seen = Redirect { from, status, chain, left_out, ..Redirect::default() };
    let follows = target.follows_redirects();
    let next = match next(target, status, location) {
        Ok((next, left_behind)) => {
            let next = next.build();
            seen.to = escape(&redact_url(next.url()), MOST_URL);
            seen.left_behind = left_behind;
            next
        }
        Err(problem) => {
            seen.to = escape(&crate::evidence::scrubber(asked).scrub(&redact_url(location)), MOST_URL);
            seen.problem = Some(problem.into_owned());
            cx.record(at, seen);
            return if follows { Left::Dead } else { Left::Alive };
        }
    };
    if follows {
        seen.round = next.round();
        seen.loops = seen.round.is_some();
        seen.limit = (target.redirects() >= target.max_redirects()).then_some(target.max_redirects());
        seen.followed = seen.limit.is_none();
    }
    let followed = seen.followed;
    cx.record(at, seen);
    if followed {
        cx.redirect(next);
    }
    if followed || !follows { Left::Alive } else { Left::Dead }
}

/// The request that a redirect asks for, and the names of headers it no longer carries.
///
/// Methods change as curl changes them; credentials stay with the origin they belong to.
fn next(
    target: &Target,
    status: u16,
    location: &str,
) -> Result<(TargetBuilder, Vec<String>), Cow<'static, str>> {
    too_long("the `Location`", location)?;
    let mut next = target.join(location).map_err(|error| words(&error))?;
    let there = next.clone().build();
    too_long("the URL it makes", there.url())?;
    let same = target.same_origin(&there);
    // 301, 302 and 303 have a POST become a GET; others mean the request as it is.
    let anew = matches!(status, 301..=303);
    let method = match (status, target.method()) {
        _ if target.keeps_method() => target.method(),
        (_, method @ ("GET" | "HEAD")) => method,
        (303, _) | (301 | 302, "POST") => "GET",
        (_, method) => method,
    };
    next = next.method(method).map_err(|error| words(&error))?;
    // As curl has it, a method that stays goes on without its body.
    let without_body = method != target.method() || anew && target.keeps_method() && target.body_length() > 0;
    let mut left_behind = Vec::new();
    for header in target.headers() {
        let Header { name, .. } = header;
        // By its name, by its value, or because whoever gave it said so.
        let bound = name.eq_ignore_ascii_case("host") || header.is_secret() || is_secret(name);
        let of_body = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-"))
            || name.eq_ignore_ascii_case("transfer-encoding");
        if !same && bound {
            left_behind.push(name.clone());
        } else if !(without_body && of_body) {
            next = next.with_header(header.clone());
        }
    }
    if let Some((user, password)) = target.user_info() {
        if !same {
            left_behind.push("Authorization".to_owned());
        } else if there.user_info().is_none() && target.header("authorization").is_none() {
            next = next.header("Authorization", &basic(user, password)).map_err(|error| words(&error))?;
        }
    }
    if !without_body {
        next = next.body(target.body().clone());
    }
    if let Some(time) = target.max_time() {
        next = next.max_time(time);
    }
    next = next.expect(target.expect().clone()).max_redirects(target.max_redirects());
    Ok((next.keeps_method(target.keeps_method()).redirected_from(target), left_behind))
}

fn too_long(what: &str, url: &str) -> Result<(), Cow<'static, str>> {
    if url.len() > LONGEST {
        return Err(format!("{what} has {} bytes, and no more than {LONGEST} are followed", url.len()).into());
    }
    Ok(())
}

fn words(error: &TargetError) -> Cow<'static, str> {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(reason) = source {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        source = reason.source();
    }
    escape(&text, MOST_URL).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, method: &str) -> Target {
        Target::builder(url)
            .unwrap()
            .method(method)
            .unwrap()
            .header("Authorization", "Bearer abcdef")
            .unwrap()
            .header("Cookie", "id=1234")
            .unwrap()
            .header("X-Api-Key", "keykey")
            .unwrap()
            .header("Accept-Language", "de")
            .unwrap()
            .header("Content-Type", "text/plain")
            .unwrap()
            .body(b"hello".as_slice())
            .build()
    }

    fn followed(from: &Target, status: u16, to: &str) -> Target {
        next(from, status, to).unwrap().0.build()
    }

    #[test]
    fn credentials_never_go_to_another_origin() {
        let from = target("https://me:secret@a.example/x", "GET");
        for to in ["https://b.example/", "http://a.example/x", "https://a.example:8443/", "//b.example/y"] {
            let next = followed(&from, 302, to);
            for name in ["Authorization", "Cookie", "X-Api-Key"] {
                assert_eq!(next.header(name), None, "{name} to {to}");
            }
            assert_eq!(next.user_info(), None, "{to}");
            assert_eq!(next.header("Accept-Language"), Some("de"));
        }
        let (_, left) = super::next(&from, 302, "https://b.example/").unwrap();
        assert_eq!(left, ["Authorization", "Cookie", "X-Api-Key", "Authorization"]);
    }

    #[test]
    fn what_is_secret_by_its_value_or_by_word_of_the_caller_stays_too() {
        let builder = Target::builder("https://a.example/x").unwrap();
        let marked = Header::new("X-Tenant", "acme-inc").unwrap().secret();
        let from = builder.with_header(marked).header("X-Upstream", "Bearer abcdef").unwrap().build();
        let there = followed(&from, 302, "https://b.example/");
        assert_eq!((there.header("X-Tenant"), there.header("X-Upstream")), (None, None));
        let here = followed(&from, 302, "/y");
        assert_eq!(here.header("X-Tenant"), Some("acme-inc"));
        assert!(here.headers().iter().all(Header::is_secret), "it is as secret there as it was here");
        assert_eq!(here.scrubber().scrub("acme-inc"), "[redacted]");
    }

    #[test]
    fn credentials_stay_within_their_origin() {
        let from = target("https://me:secret@a.example/x", "GET");
        let next = followed(&from, 302, "/y?z=1");
        assert_eq!(next.url(), "https://me:secret@a.example/y?z=1");
        assert_eq!(next.header("cookie"), Some("id=1234"));
        let bare = Target::get("https://me:secret@a.example/x").unwrap();
        let next = followed(&bare, 302, "https://a.example/y");
        assert_eq!(next.header("Authorization"), Some("Basic bWU6c2VjcmV0"));
    }

    #[test]
    fn methods_change_as_curl_changes_them() {
        let post = target("https://a.example/", "POST");
        for (status, method, body) in
            [(301, "GET", 0), (302, "GET", 0), (303, "GET", 0), (307, "POST", 5), (308, "POST", 5)]
        {
            let next = followed(&post, status, "/y");
            assert_eq!((next.method(), next.body_length()), (method, body), "{status}");
            assert_eq!(next.header("content-type").is_some(), body > 0, "{status}");
        }
        assert_eq!(followed(&target("https://a.example/", "HEAD"), 303, "/y").method(), "HEAD");
        assert_eq!(followed(&target("https://a.example/", "PUT"), 302, "/y").method(), "PUT");
        assert_eq!(followed(&target("https://a.example/", "PUT"), 303, "/y").method(), "GET");
        // Named for every request, it stays; its body does not, where the answer asks for none.
        let named = post.to_builder().keeps_method(true).build();
        for (status, body) in [(300, 5), (301, 0), (302, 0), (303, 0), (305, 5), (307, 5)] {
            let there = followed(&named, status, "/y");
            assert_eq!(
                (there.method(), there.body_length(), there.keeps_method()),
                ("POST", body, true),
                "{status}"
            );
        }
    }

    #[test]
    fn what_is_no_url_is_told() {
        let from = target("https://a.example/", "GET");
        assert!(next(&from, 302, "ftp://a.example/").is_err());
        assert!(next(&from, 302, "http://").is_err());
        for scheme in ["mailto:80/x", "localhost:8080/x", "javascript:alert(1)"] {
            let (problem, name) = (next(&from, 302, scheme).unwrap_err(), scheme.split(':').next().unwrap());
            assert!(problem.starts_with(&format!("`{name}` in `")), "{problem}");
        }
        let problem = next(&from, 302, &"x".repeat(LONGEST + 1)).unwrap_err();
        assert!(problem.contains("the `Location` has 16385 bytes"), "{problem}");
        let problem = next(&from, 302, &"é".repeat(LONGEST / 4)).unwrap_err();
        assert!(problem.starts_with("the URL it makes has "), "{problem}");
        assert!(next(&from, 302, &"x".repeat(LONGEST - 100)).is_ok());
    }
}
