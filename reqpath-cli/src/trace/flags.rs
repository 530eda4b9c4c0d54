//! The flags that commands to run next repeat: those that lead the request, trust its server, or describe it.

use std::borrow::Cow;
use std::path::Path;

use reqpath_core::{Header, TargetBuilder};

use crate::arguments::{RequestArguments, RoadArguments, TraceArguments, TrustArguments};
use crate::error::Mistake;

use super::request;

/// The request, with the flags it was given.
pub(super) fn told(builder: TargetBuilder, arguments: &TraceArguments) -> Result<TargetBuilder, Mistake> {
    let builder = match &arguments.path {
        Some(file) => builder.flag("-f", Some(&word(file))),
        None => builder,
    };
    let builder = led(trusted(builder, &arguments.trust), &arguments.road);
    described(builder, &arguments.request)
}

fn led(mut builder: TargetBuilder, flags: &RoadArguments) -> TargetBuilder {
    for (given, name) in [(flags.ipv4, "-4"), (flags.ipv6, "-6")] {
        if given {
            builder = builder.flag(name, None);
        }
    }
    for (values, name) in [(&flags.resolve, "--resolve"), (&flags.connect_to, "--connect-to")] {
        for value in values {
            builder = builder.flag(name, Some(value));
        }
    }
    for server in &flags.dns_server {
        builder = builder.flag("--dns-server", Some(&server.to_string()));
    }
    builder
}

fn trusted(mut builder: TargetBuilder, flags: &TrustArguments) -> TargetBuilder {
    for (given, name) in [(flags.insecure, "-k"), (flags.fetch_aia, "--fetch-aia")] {
        if given {
            builder = builder.flag(name, None);
        }
    }
    for (file, name) in [(&flags.cacert, "--cacert"), (&flags.cert, "--cert"), (&flags.key, "--key")] {
        if let Some(file) = file {
            builder = builder.flag(name, Some(&word(file)));
        }
    }
    for file in &flags.crlfile {
        builder = builder.flag("--crlfile", Some(&word(file)));
    }
    if let Some(name) = &flags.known_name {
        builder = builder.flag("--known-name", Some(name));
    }
    builder
}

/// Without its secrets: where one stood, it says so.
fn described(mut builder: TargetBuilder, flags: &RequestArguments) -> Result<TargetBuilder, Mistake> {
    for (given, name) in [(flags.http1, "--http1.1"), (flags.http2, "--http2"), (flags.location, "-L")] {
        if given {
            builder = builder.flag(name, None);
        }
    }
    if let Some(method) = &flags.method {
        builder = builder.flag("-X", Some(method));
    }
    for text in &flags.headers {
        // What stands in a file is not told.
        if text.starts_with('@') {
            builder = builder.flag("-H", Some(text));
            continue;
        }
        let (name, value) = request::split(text)?;
        // A header that is taken away, or has no value, holds no secret.
        let shown = match value.is_empty() {
            true => text.clone(),
            false => format!("{name}: {}", Header::new(name, value)?.shown()),
        };
        builder = builder.flag("-H", Some(&shown));
    }
    for data in &flags.data {
        // Whatever stands in a body may be a secret; the name of its file is none.
        let open = data.is_empty() || data.starts_with('@') && data != "@-";
        builder = builder.flag("-d", Some(if open { data } else { "@BODY" }));
    }
    for status in &flags.expect_status {
        builder = builder.flag("--expect-status", Some(&status.to_string()));
    }
    Ok(builder)
}

fn word(file: &Path) -> Cow<'_, str> {
    file.to_string_lossy()
}
