//! From a written hop to one of a path.

use reqpath_core::{
    Header, Hop, HopId, HopKind, Micros, Scheme, Sends, Source, Target, Timeouts, most_like, redact_url,
};

use super::Authorities;
use super::request::{expectation, headers, url_of};
use crate::error::Wrong;
use crate::file::{self, Kind};
use crate::references::References;

/// The largest file of authorities that is read, in bytes.
const LARGEST_CA: u64 = 8 << 20;

/// More addresses of one hop than this are a mistake: each is entered by itself.
const MOST_ADDRESSES: usize = 64;

/// More sources of one hop than this are a mistake.
const MOST_SOURCES: usize = 32;

/// The kinds of source that stages know; others may be read by stages of other projects.
const SOURCES: [&str; 3] = ["access_log", "error_log", "application_log"];

pub(super) fn hop(
    written: &file::Hop,
    first: bool,
    vantages: &[&str],
    references: &dyn References,
    authorities: &mut Vec<Authorities>,
) -> Result<Hop, Wrong> {
    let kind = match written.kind {
        Some(kind) => kind.into(),
        None if first && written.name == "client" => HopKind::Client,
        None => Kind::Server.into(),
    };
    let mut hop = Hop::new(written.name.as_str(), kind);
    if written.addresses.len() > MOST_ADDRESSES {
        let message = format!("a hop has at most {MOST_ADDRESSES} addresses");
        return Err(Wrong::new(message).within("addresses"));
    }
    hop.addresses.clone_from(&written.addresses);
    hop.vantage = vantage(written.vantage.as_deref(), vantages)?;
    hop.credentials = written.credentials;
    if let Some(sends) = &written.sends {
        if first {
            let message = "nobody sends to the client: what the client sends is the `request`";
            return Err(Wrong::new(message).within("sends"));
        }
        let sent =
            self::sends(sends, &hop, references, authorities).map_err(|wrong| wrong.within("sends"))?;
        hop.sends = Some(sent);
    }
    if let Some(expect) = &written.expect {
        hop.expect = Some(expectation(expect).map_err(|wrong| wrong.within("expect"))?);
    }
    hop.timeouts = timeouts(&written.timeouts);
    hop.budget_us = written.budget.map(|time| time.0);
    if written.sources.len() > MOST_SOURCES {
        return Err(Wrong::new(format!("a hop has at most {MOST_SOURCES} sources")).within("sources"));
    }
    for (place, written) in written.sources.iter().enumerate() {
        let within = |wrong: Wrong| wrong.within(place).within("sources");
        let source = source(written, vantages).map_err(within)?;
        if source.vantage.is_none() && hop.vantage.is_none() {
            let message = "from where is it read? Give the hop a `vantage`, or this source one";
            return Err(within(Wrong::new(message)));
        }
        hop.sources.push(source);
    }
    hop.branch_of = written.of.as_deref().map(HopId::from);
    Ok(hop)
}

/// A vantage by its name, which must be one of those given.
fn vantage(written: Option<&str>, known: &[&str]) -> Result<Option<String>, Wrong> {
    let Some(name) = written else { return Ok(None) };
    if known.contains(&name) {
        return Ok(Some(name.to_owned()));
    }
    let message = match most_like(name, known.iter().copied()) {
        Some(like) => format!("there is no vantage `{name}`: did you mean `{like}`?"),
        None => {
            format!("there is no vantage `{name}`: say where it is under `vantages:`, as `{name}: local`")
        }
    };
    Err(Wrong::new(message).within("vantage"))
}

fn sends(
    written: &file::Sends,
    hop: &Hop,
    references: &dyn References,
    authorities: &mut Vec<Authorities>,
) -> Result<Sends, Wrong> {
    let mut sends = Sends::default();
    sends.scheme = written.scheme;
    if let Some(host) = &written.host {
        authority(host).map_err(|wrong| wrong.within("host"))?;
        sends.host = Some(host.clone());
    }
    if let Some(uri) = &written.uri {
        sends.uri = Some(uri_of(uri, hop, references).map_err(|wrong| wrong.within("uri"))?);
    }
    sends.headers = headers(&written.headers, references).map_err(|wrong| wrong.within("headers"))?;
    if let Some(header) = sends.headers.iter().find(|header| header.is_secret() && !hop.credentials) {
        let message = "this is a credential, and the hop gets none: add `credentials: true` to the hop";
        return Err(Wrong::new(message).within(header.name.as_str()).within("headers"));
    }
    if let Some(host) = sends.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host")) {
        let message = "the Host has a field of its own: write `host:` beside `headers:`";
        return Err(Wrong::new(message).within(host.name.as_str()).within("headers"));
    }
    for (place, name) in written.drops.iter().enumerate() {
        Header::new(name, "").map_err(|_| {
            Wrong::new(format!("`{name}` is not the name of a header")).within(place).within("drops")
        })?;
    }
    sends.drops.clone_from(&written.drops);
    let tls = [
        ("server_name", written.server_name.is_some()),
        ("verifies", written.verifies.is_some()),
        ("ca", written.ca.is_some()),
    ];
    if let Some((field, _)) = tls.iter().find(|(_, given)| *given && written.scheme != Some(Scheme::Https)) {
        let message = "without TLS this says nothing: add `scheme: https`";
        return Err(Wrong::new(message).within(*field));
    }
    if let Some(name) = &written.server_name {
        let named = authority(name).ok().filter(|target| target.host().eq_ignore_ascii_case(name));
        if named.is_none() {
            let message = format!("`{name}` is not a server name: write it without a port");
            return Err(Wrong::new(message).within("server_name"));
        }
        sends.server_name = Some(name.clone());
    }
    sends.verifies = written.verifies.unwrap_or(false);
    if let Some(file) = &written.ca {
        let within = |wrong: Wrong| wrong.within("ca");
        if !sends.verifies {
            return Err(within(Wrong::new(
                "nobody looks at these unless `verifies: true` stands beside them",
            )));
        }
        let pem = references.file(file, LARGEST_CA);
        let pem = pem.map_err(|error| within(Wrong::new(format!("`{file}` cannot be read: {error}"))))?;
        authorities.push(Authorities { hop: hop.id.clone(), file: file.clone(), pem });
    }
    Ok(sends)
}

/// A host, with or without a port, as a `Host` header has it.
fn authority(text: &str) -> Result<Target, Wrong> {
    let wrong = || Wrong::new(format!("`{text}` is not a host: write shop.internal or shop.internal:8080"));
    if text.is_empty() || text.contains(['/', '@', '?', '#', '\\']) || text.chars().any(char::is_whitespace) {
        return Err(wrong());
    }
    Target::get(&format!("http://{text}/")).map_err(|_| wrong())
}

fn uri_of(written: &file::Text, hop: &Hop, references: &dyn References) -> Result<String, Wrong> {
    let uri = url_of(written, references)?;
    let sendable = |c: char| c.is_ascii_graphic() && c != '#';
    if !uri.starts_with('/') || !uri.chars().all(sendable) {
        let message = "a path begins with `/` and is written as it is sent: percent-encoded, without a `#`";
        return Err(Wrong::new(message));
    }
    if redact_url(&uri).contains("[redacted]") && !hop.credentials {
        let message =
            "there is a credential in it, and the hop gets none: add `credentials: true` to the hop";
        return Err(Wrong::new(message));
    }
    Ok(uri)
}

fn timeouts(written: &file::Timeouts) -> Timeouts {
    let time = |time: Option<file::Time>| -> Option<Micros> { time.map(|time| time.0) };
    let mut timeouts = Timeouts::default();
    timeouts.connect_us = time(written.connect);
    timeouts.send_us = time(written.send);
    timeouts.read_us = time(written.read);
    timeouts.total_us = time(written.total);
    timeouts.tries = written.tries;
    timeouts.keep_idle_us = time(written.keep_idle);
    timeouts.idle_us = time(written.idle);
    timeouts.statement_us = time(written.statement);
    timeouts
}

fn source(written: &file::Source, vantages: &[&str]) -> Result<Source, Wrong> {
    let kind = written.kind.as_str();
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    if kind.is_empty() || !kind.chars().all(word) {
        let message = format!("a kind is a word like {}", SOURCES.join(", "));
        return Err(Wrong::new(message).within("kind"));
    }
    if let Some(like) = most_like(kind, SOURCES).filter(|like| *like != kind) {
        return Err(Wrong::new(format!("did you mean `{like}`?")).within("kind"));
    }
    let given = [written.file.is_some(), written.command.is_some(), written.api.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(Wrong::new("a source has one of `file`, `command` and `api`"));
    }
    let mut source = Source::default();
    kind.clone_into(&mut source.kind);
    if let Some(file) = &written.file {
        if !file.starts_with('/') {
            let message = "it is read at the vantage, so write it from `/` on";
            return Err(Wrong::new(message).within("file"));
        }
        source.file = Some(file.clone());
    }
    if let Some(written) = &written.command {
        source.command = command(written).map_err(|wrong| wrong.within("command"))?;
    }
    if let Some(api) = &written.api {
        let target = Target::get(api).map_err(|error| Wrong::new(error.to_string()).within("api"))?;
        if redact_url(target.url()).contains("[redacted]") {
            return Err(Wrong::new("a credential does not belong in the file").within("api"));
        }
        source.api = Some(api.clone());
    }
    source.format.clone_from(&written.format);
    source.vantage = vantage(written.vantage.as_deref(), vantages)?;
    Ok(source)
}

/// The words of a command: a program, and nothing secret.
pub(super) fn command(written: &file::Command) -> Result<Vec<String>, Wrong> {
    let words = &written.0;
    let program = words.first().is_some_and(|program| !program.trim().is_empty());
    if !program || words.len() > 64 || words.iter().any(|word| word.contains('\0')) {
        return Err(Wrong::new("a command is a program and its arguments, at most 64 words"));
    }
    match secret_word(words) {
        Some(place) => {
            let message = "a credential does not belong in the file: let the program find it by itself";
            Err(Wrong::new(message).within(place))
        }
        None => Ok(words.clone()),
    }
}

/// The place of the first word of a command that is a credential, or holds one.
fn secret_word(words: &[String]) -> Option<usize> {
    let before = |place: usize| place.checked_sub(1).and_then(|before| words.get(before));
    (0..words.len()).find(|&place| {
        let word = words[place].as_str();
        let flag = before(place).filter(|flag| flag.starts_with("--") && !flag.contains('='));
        holds_secret(word) || flag.is_some_and(|flag| !word.starts_with('-') && is_credential(flag, word))
    })
}

/// Whether a word of a command is a header, a URL or a setting with a secret in it.
fn holds_secret(word: &str) -> bool {
    if word.contains("://") {
        return redact_url(word).contains("[redacted]");
    }
    let header = word.split_once(':').and_then(|(name, value)| Header::new(name, value.trim()).ok());
    header.is_some_and(|header| header.is_secret())
        || word.split_once('=').is_some_and(|(name, value)| is_credential(name, value))
}

/// Whether a setting of this name holds a credential itself, and not its kind or where it is to be found.
fn is_credential(name: &str, value: &str) -> bool {
    let name = name.trim_start_matches('-');
    let elsewhere = value.is_empty() || value.starts_with(['/', '.', '~', '@', '$']);
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let secret = |name: &str| redact_url(&format!("?{name}=x")).contains("[redacted]");
    let last = name.rsplit(['-', '_']).next().unwrap_or_default();
    plain && !elsewhere && secret(name) && secret(last)
}
