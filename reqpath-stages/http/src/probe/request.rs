//! The request as it is sent.

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, Entry, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, USER_AGENT,
};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Uri, Version};
use reqpath_core::{Context, Error, Scheme, Target};

use super::line::Sent;
use crate::credentials::basic;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How many headers are added of our own, credentials apart.
const OURS: usize = 5;
const AGENT: &str = concat!("reqpath/", env!("CARGO_PKG_VERSION"), " (");

/// Which way the request line names what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The path alone, as servers want it.
    Origin,
    /// The whole URL, as proxies want it.
    Absolute,
    /// The whole URL, and HTTP/2's own pseudo-headers made from it.
    Two,
}

/// The request as it is sent: the caller's own headers, and ours where the caller has none.
///
/// The caller's headers with an empty value take ours away, as curl has it.
pub(crate) fn request(target: &Target, cx: &Context, form: Form) -> Result<Request<Sent>, Error> {
    request_as(target, cx, cx.request_id(), form)
}

/// The same under another id.
pub(crate) fn request_as(
    target: &Target,
    cx: &Context,
    id: &str,
    form: Form,
) -> Result<Request<Sent>, Error> {
    let method = Method::from_bytes(target.method().as_bytes()).map_err(|error| unfit("method", error))?;
    // Exactly what is added below: a map that has room for more is of the next size.
    let no_body = target.body().is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH);
    let ours = OURS + usize::from(target.user_info().is_some()) + usize::from(no_body);
    let mut headers = HeaderMap::with_capacity(ours + target.headers().len());
    for header in target.headers() {
        let name =
            HeaderName::from_bytes(header.name.as_bytes()).map_err(|error| unfit("header name", error))?;
        let value =
            HeaderValue::from_bytes(header.value.as_bytes()).map_err(|error| unfit("header value", error))?;
        headers.append(name, value);
    }
    let ours = Ours::new(target, id, cx.traceparent());
    add(&mut headers, HOST, || ours.value(ours.host()))?;
    add(&mut headers, USER_AGENT, || ours.value(ours.agent()))?;
    add(&mut headers, ACCEPT, || Ok(HeaderValue::from_static("*/*")))?;
    add(&mut headers, REQUEST_ID, || ours.value(ours.id()))?;
    add(&mut headers, TRACEPARENT, || ours.value(ours.traceparent()))?;
    if let Some((user, password)) = target.user_info() {
        add(&mut headers, AUTHORIZATION, || {
            let mut value =
                HeaderValue::try_from(basic(user, password)).map_err(|e| unfit("credential", e))?;
            value.set_sensitive(true);
            Ok(value)
        })?;
    }
    // RFC 9110, 8.6: these methods give a body its meaning, and some servers refuse (411) what does not say
    // that there is none.
    if no_body && !headers.contains_key(TRANSFER_ENCODING) {
        add(&mut headers, CONTENT_LENGTH, || Ok(HeaderValue::from_static("0")))?;
    }
    let uri = uri(target, form, &mut headers)?;
    let body = target.body();
    let body = if body.is_empty() { Bytes::new() } else { Bytes::from_owner(body.clone()) };
    let mut request = Request::new(Sent::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    *request.version_mut() = if form == Form::Two { Version::HTTP_2 } else { Version::HTTP_11 };
    Ok(request)
}

/// What goes on the request line, or into HTTP/2's pseudo-headers.
fn uri(target: &Target, form: Form, headers: &mut HeaderMap) -> Result<Uri, Error> {
    let path = PathAndQuery::try_from(target.path_and_query()).map_err(|error| unfit("path", error))?;
    if form == Form::Origin {
        return Ok(Uri::from(path));
    }
    // In HTTP/2 the authority takes the place of Host; a caller's own Host is meant to be sent.
    let host = if form == Form::Two { headers.remove(HOST) } else { headers.get(HOST).cloned() };
    let authority = match host.as_ref().map(|host| Authority::try_from(host.as_bytes())) {
        Some(Ok(authority)) => authority,
        _ => Authority::try_from(target.authority()).map_err(|error| unfit("host", error))?,
    };
    let scheme = match target.scheme() {
        Scheme::Https => "https",
        _ => "http",
    };
    let parts = Uri::builder().scheme(scheme).authority(authority).path_and_query(path);
    parts.build().map_err(|error| unfit("URL", error))
}

/// Adds a header of ours, unless the caller has one of that name.
fn add(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: impl FnOnce() -> Result<HeaderValue, Error>,
) -> Result<(), Error> {
    let always = name == AUTHORIZATION;
    match headers.entry(name) {
        Entry::Vacant(place) => {
            place.insert(value()?);
        }
        Entry::Occupied(given) if given.get().is_empty() && !always => {
            given.remove();
        }
        Entry::Occupied(_) => {}
    }
    Ok(())
}

fn unfit(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Setup { what: format!("the {what} of the request cannot be sent"), source: Some(Box::new(source)) }
}

/// The values of our own headers, in one piece of memory.
struct Ours {
    text: Bytes,
    agent: usize,
    traceparent: usize,
    id: (usize, usize),
}

impl Ours {
    fn new(target: &Target, id: &str, traceparent: &str) -> Self {
        let host = target.authority();
        let mut text = Vec::with_capacity(AGENT.len() + id.len() + 1 + traceparent.len() + host.len());
        // The id stands in the user agent too: nginx's usual log has no field for the other.
        text.extend_from_slice(AGENT.as_bytes());
        text.extend_from_slice(id.as_bytes());
        text.push(b')');
        let agent = text.len();
        text.extend_from_slice(traceparent.as_bytes());
        let end = text.len();
        text.extend_from_slice(host.as_bytes());
        Self { text: Bytes::from(text), agent, traceparent: end, id: (AGENT.len(), AGENT.len() + id.len()) }
    }

    fn agent(&self) -> Bytes {
        self.text.slice(..self.agent)
    }

    fn id(&self) -> Bytes {
        self.text.slice(self.id.0..self.id.1)
    }

    fn traceparent(&self) -> Bytes {
        self.text.slice(self.agent..self.traceparent)
    }

    fn host(&self) -> Bytes {
        self.text.slice(self.traceparent..)
    }

    fn value(&self, bytes: Bytes) -> Result<HeaderValue, Error> {
        HeaderValue::from_maybe_shared(bytes).map_err(|error| unfit("request id", error))
    }
}
