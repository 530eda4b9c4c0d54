//! From the written request to one that can be sent.

use std::sync::Arc;

use reqpath_core::{Expectation, Header, Target, redact_url};

use crate::Request;
use crate::error::Wrong;
use crate::file::{self, Ordered, Text};
use crate::references::References;

pub(super) fn request(written: &file::Request, references: &dyn References) -> Result<Request, Wrong> {
    let mut request = Request::default();
    if let Some(url) = &written.url {
        let url = url_of(url, references).map_err(|wrong| wrong.within("url"))?;
        Target::get(&url).map_err(|error| Wrong::new(chain(&error)).within("url"))?;
        request.url = Some(url);
    }
    if let Some(method) = &written.method {
        let probe = Target::builder("http://localhost/").and_then(|builder| builder.method(method));
        probe.map_err(|error| Wrong::new(error.to_string()).within("method"))?;
        request.method = Some(method.clone());
    }
    request.headers = headers(&written.headers, references).map_err(|wrong| wrong.within("headers"))?;
    if let Some(body) = &written.body {
        let (body, _) = body.followed(references).map_err(|wrong| wrong.within("body"))?;
        request.body = Some(Arc::from(body.into_bytes()));
    }
    if let Some(expect) = &written.expect {
        request.expect = expectation(expect).map_err(|wrong| wrong.within("expect"))?;
    }
    if written.max_time.is_some_and(|time| time.0.0 == 0) {
        return Err(Wrong::new("a request needs some time: write 10s").within("max_time"));
    }
    request.max_time = written.max_time.map(|time| time.0);
    if written.max_redirects > 50 {
        return Err(Wrong::new("at most 50 redirects are followed").within("max_redirects"));
    }
    request.max_redirects = written.max_redirects;
    Ok(request)
}

/// A URL, or a part of one, whose secrets do not stand in the file.
pub(super) fn url_of(written: &Text, references: &dyn References) -> Result<String, Wrong> {
    let (url, referred) = written.followed(references)?;
    if !referred && redact_url(&url).contains("[redacted]") {
        let message = "a credential does not belong in the file: \
                       write {env: NAME} or {file: /path} in place of the whole, or send it as a header";
        return Err(Wrong::new(message));
    }
    Ok(url)
}

/// Headers with their references followed. What came by reference is secret whatever it is called.
pub(super) fn headers(written: &Ordered<Text>, references: &dyn References) -> Result<Vec<Header>, Wrong> {
    let mut headers: Vec<Header> = Vec::new();
    for (name, text) in &written.0 {
        let within = |wrong: Wrong| wrong.within(name.as_str());
        let (value, referred) = text.followed(references).map_err(within)?;
        let header = Header::new(name, &value).map_err(|_| {
            within(Wrong::new(
                "this cannot be sent: a name is a token, and a value has no control characters",
            ))
        })?;
        if headers.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return Err(within(Wrong::new("this header stands here twice")));
        }
        if !referred && header.is_secret() {
            let message = format!(
                "a credential does not belong in the file: write `{name}: {{env: NAME}}` or `{name}: {{file: /path}}`"
            );
            return Err(within(Wrong::new(message)));
        }
        headers.push(if referred { header.secret() } else { header });
    }
    Ok(headers)
}

pub(super) fn expectation(written: &file::Expect) -> Result<Expectation, Wrong> {
    let mut expect = Expectation::default();
    if let Some(statuses) = &written.status {
        expect.status = statuses.0.iter().map(|status| status.0.clone()).collect();
    }
    for (name, value) in &written.headers.0 {
        let header = Header::new(name, value).map_err(|_| {
            let message =
                "no answer has such a header: a name is a token, and a value has no control characters";
            Wrong::new(message).within(name.as_str()).within("headers")
        })?;
        expect.headers.push(header);
    }
    expect.body.clone_from(&written.body);
    Ok(expect)
}

/// An error with all its reasons, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        source = reason.source();
    }
    text
}
