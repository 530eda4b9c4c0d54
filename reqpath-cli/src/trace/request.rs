//! The request, from the flags that curl has.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use reqpath_core::{Target, TargetBuilder};
use reqpath_stages::path::PathFile;

use crate::arguments::{RequestArguments, TraceArguments};
use crate::error::Mistake;

use super::flags;

/// The largest body that is sent.
const BODY_LIMIT_MIB: u64 = 16;

/// The headers that are sent unless the caller has them.
const OURS: [&str; 5] = ["Host", "User-Agent", "Accept", "X-Request-Id", "traceparent"];

/// The request: that of the path file, where there is one, changed by the flags.
pub(super) fn target(arguments: &TraceArguments, file: Option<&PathFile>) -> Result<Target, Mistake> {
    let request = &arguments.request;
    let written = file.and_then(|file| file.request.clone()).unwrap_or_default();
    let url = arguments.url.as_deref();
    if written.leaves_credentials_out(url) {
        anstream::eprintln!("reqpath: the path file's credentials are for another origin, and are left out");
    }
    let mut builder = written.builder(url)?;
    let body = body(&request.data)?;
    if let Some(method) = &request.method {
        builder = builder.method(method)?.keeps_method(true);
    } else if body.is_some() && written.method.is_none() {
        builder = builder.method("POST")?;
    }
    builder = headers(builder, request, body.is_some())?;
    if let Some(body) = body {
        builder = builder.body(body);
    }
    if request.location {
        builder = builder.max_redirects(request.max_redirs).follows_redirects(true);
    }
    if let Some(max_time) = arguments.time.max_time() {
        builder = builder.max_time(max_time);
    }
    if !request.expect_status.is_empty() {
        let mut expect = written.expect;
        expect.status.clone_from(&request.expect_status);
        builder = builder.expect(expect);
    }
    Ok(flags::told(builder, arguments)?.build())
}

fn headers(
    mut builder: TargetBuilder,
    request: &RequestArguments,
    has_body: bool,
) -> Result<TargetBuilder, Mistake> {
    let headers = spelled_out(&request.headers)?;
    let given = headers.iter().map(|header| split(header)).collect::<Result<Vec<_>, _>>()?;
    // What the path file says of a header counts no more where a flag speaks of it.
    builder = builder
        .retain_headers(|written| !given.iter().any(|(name, _)| name.eq_ignore_ascii_case(&written.name)));
    for ((name, value), header) in given.into_iter().zip(&headers) {
        // `Name:` takes a header of ours away, as curl has it; where there is none to take, nothing is sent.
        let ours = OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name));
        if value.is_empty() && !header.ends_with(';') && !ours {
            continue;
        }
        builder = builder.header(name, value)?;
    }
    if has_body && builder.clone().build().header("content-type").is_none() {
        builder = builder.header("Content-Type", "application/x-www-form-urlencoded")?;
    }
    Ok(builder)
}

/// The headers, with those of files in the place of `@FILE`.
fn spelled_out(given: &[String]) -> Result<Vec<Cow<'_, str>>, Mistake> {
    let mut headers = Vec::with_capacity(given.len());
    for header in given {
        let Some(file) = header.strip_prefix('@').map(Path::new) else {
            headers.push(Cow::Borrowed(header.as_str()));
            continue;
        };
        let text = String::from_utf8(read("--header", file)?).map_err(|error| {
            let source = io::Error::new(io::ErrorKind::InvalidData, error);
            Mistake::File { flag: "--header", file: file.to_owned(), source }
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        headers.extend(lines.map(|line| Cow::Owned(line.to_owned())));
    }
    Ok(headers)
}

/// `Name: value`, or `Name;` for a header without a value, as curl has it.
pub(super) fn split(header: &str) -> Result<(&str, &str), Mistake> {
    if let Some((name, value)) = header.split_once(':') {
        return Ok((name.trim_end(), value.trim()));
    }
    if let Some(name) = header.strip_suffix(';') {
        return Ok((name, ""));
    }
    // Whatever stands there may be a secret: only its beginning is repeated.
    let header = header.chars().take(12).collect();
    Err(reqpath_core::TargetError::Header { header }.into())
}

/// All `-d` joined by `&`.
fn body(data: &[String]) -> Result<Option<Vec<u8>>, Mistake> {
    if data.is_empty() {
        return Ok(None);
    }
    let mut body = Vec::new();
    for (place, part) in data.iter().enumerate() {
        if place > 0 {
            body.push(b'&');
        }
        match part.strip_prefix('@') {
            Some(file) => {
                // curl drops line breaks when -d reads a file.
                body.extend(
                    read("--data", Path::new(file))?
                        .into_iter()
                        .filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)),
                );
            }
            None => body.extend_from_slice(part.as_bytes()),
        }
    }
    Ok(Some(body))
}

fn read(flag: &'static str, file: &Path) -> Result<Vec<u8>, Mistake> {
    let error = |source| Mistake::File { flag, file: file.to_owned(), source };
    let limit = BODY_LIMIT_MIB << 20;
    let mut bytes = Vec::new();
    let length = if file == Path::new("-") {
        io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).map_err(error)?
    } else {
        fs::File::open(file).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(error)?
    };
    if length as u64 > limit {
        return Err(Mistake::TooLarge { file: file.to_owned(), limit: BODY_LIMIT_MIB });
    }
    Ok(bytes)
}
