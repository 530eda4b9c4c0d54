//! Asking a proxy for a tunnel over one connection.

use std::sync::Arc;
use std::task::Poll;

use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Method, Request, Uri, Version};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqpath_core::{
    Connection, ContactKind, Context, Dialled, Error, PeerAddr, Proxy, Recording, Subject, Target, escape,
    escape_bytes,
};
use reqpath_tcp::{Closing, Progress};
use tokio::time::{Instant, timeout_at};

use super::ahead::Ahead;
use super::line::{Broken, Drive, Sent, both};
use super::wire::{Ended, Tap, Wire};
use crate::evidence::{End, FEW, Headers, Protocol, TunnelAnswer, scrubber};

/// A proxy's answer to CONNECT is short.
const MOST_HEAD: usize = 64 << 10;

/// Asks for the tunnel. `None` where the proxy does not open it, or not while there is time to connect.
pub(super) async fn connect(
    at: &Subject,
    cx: &Context,
    proxy: &Proxy,
    dialled: Dialled,
) -> Result<Option<Dialled>, Error> {
    timeout_at(cx.connect_deadline(), ask(at, cx, proxy, dialled)).await.unwrap_or(Ok(None))
}

async fn ask(at: &Subject, cx: &Context, proxy: &Proxy, dialled: Dialled) -> Result<Option<Dialled>, Error> {
    let target = cx.target();
    let to = target.host_and_port();
    let request = request(&to, cx, proxy)?;
    let _permit = cx.permit(ContactKind::Request)?;
    let peer = dialled.peer;
    let at = &at.at_address(peer);
    let wire = Wire::new(Instant::now(), false, Protocol::Http11);
    let record = cx.begin(
        at,
        TunnelAnswer {
            proxy: proxy.url.clone(),
            variable: proxy.variable.clone(),
            to,
            authorized: proxy.authorization.is_some(),
            ..TunnelAnswer::default()
        },
    );
    // With the proxy's credentials among its headers, the request knows all that must not come back.
    let with = proxy
        .authorization
        .as_ref()
        .and_then(|value| target.to_builder().header("Proxy-Authorization", value).ok());
    let asked = with.map_or_else(|| target.clone(), reqpath_core::TargetBuilder::build);
    let mut asking =
        Asking { record: Some(record), wire: wire.clone(), deadline: cx.connect_deadline(), asked };
    let tap = Tap::new(dialled.connection, wire);
    let opened = http1::Builder::new()
        .max_header_size(MOST_HEAD)
        .max_buf_size(MOST_HEAD + 8192)
        .handshake::<_, Sent>(TokioIo::new(tap))
        .await;
    let (mut sender, connection) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            asking.broken(&Some(error), cx, at);
            return Ok(None);
        }
    };
    let mut connection = Connecting { connection: Some(connection), ended: false, error: None };
    let response = match both(sender.send_request(request), &mut connection, || true).await {
        Ok(response) => response,
        Err(broken) => {
            asking.broken(&broken, cx, at);
            return Ok(None);
        }
    };
    if !asking.head(&response) {
        return Ok(None);
    }
    let Some(through) = connection.into_stream(peer).await else {
        asking.end(End::Failed);
        return Ok(None);
    };
    asking.end(End::Complete);
    Ok(Some(Dialled::plain(through, peer)))
}

fn request(to: &str, cx: &Context, proxy: &Proxy) -> Result<Request<Sent>, Error> {
    let unfit =
        |what: &str| Error::Setup { what: format!("{what} cannot be sent to the proxy"), source: None };
    let mut request = Request::new(Sent::default());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::try_from(to).map_err(|_| unfit("the name of the server"))?;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(to).map_err(|_| unfit("the name of the server"))?);
    let agent = format!(concat!("reqpath/", env!("CARGO_PKG_VERSION"), " ({})"), cx.request_id());
    headers.insert(USER_AGENT, HeaderValue::try_from(agent).map_err(|_| unfit("the request id"))?);
    if let Some(authorization) = &proxy.authorization {
        let mut value = HeaderValue::try_from(authorization).map_err(|_| unfit("the proxy's credential"))?;
        value.set_sensitive(true);
        headers.insert(PROXY_AUTHORIZATION, value);
    }
    Ok(request)
}

/// The look under way. Whatever ends it, what was seen until then is recorded.
struct Asking {
    record: Option<Recording<TunnelAnswer>>,
    wire: Arc<Wire>,
    deadline: Instant,
    asked: Target,
}

impl Asking {
    /// The head of the answer is there. Says whether the tunnel is open.
    fn head(&mut self, response: &http::Response<hyper::body::Incoming>) -> bool {
        let headers = Headers::keep(response.headers(), &self.asked, FEW);
        let elapsed = self.wire.epoch().elapsed();
        let Some(record) = &mut self.record else { return false };
        record.status = Some(response.status().as_u16());
        record.headers_us = Some(elapsed.into());
        record.headers = headers;
        let opened = record.opened();
        if !opened {
            self.end(End::Complete);
        }
        opened
    }

    fn broken(&mut self, broken: &Broken, cx: &Context, at: &Subject) {
        let end = match (broken, self.wire.ended()) {
            (Some(error), _) if error.is_parse_too_large() => End::TooLarge,
            (Some(error), _) if error.is_parse() => End::Invalid,
            (_, Ended::Fin) if self.wire.received() == 0 => End::Empty,
            (_, Ended::Fin) => End::Truncated,
            (_, Ended::Rst) => End::Reset,
            _ => End::Failed,
        };
        let scrubber = scrubber(&self.asked);
        let first = self.wire.first_bytes();
        if let Some(record) = &mut self.record {
            record.error = broken.as_ref().map(|error| escape(&super::broken::chain(error), 300));
            if !first.is_empty() {
                record.first_bytes = Some(scrubber.scrub(&escape_bytes(&first, 256)).into_owned());
            }
        }
        let how = match end {
            End::Empty => Some(Closing::Fin),
            End::Reset => Some(Closing::Reset),
            _ => None,
        };
        if let Some(how) = how {
            let lived = self.wire.epoch().elapsed().into();
            cx.record(at, reqpath_tcp::Broken::new(Progress::Handshake, how, lived, self.wire.received()));
        }
        self.end(end);
    }

    fn end(&mut self, end: End) {
        if let Some(mut record) = self.record.take() {
            record.end = Some(end);
            record.ended_us = Some(self.wire.epoch().elapsed().into());
            record.finish();
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if Instant::now() >= self.deadline {
            self.end(End::TimedOut);
        }
    }
}

/// The connection while the proxy thinks.
struct Connecting {
    connection: Option<http1::Connection<TokioIo<Tap>, Sent>>,
    ended: bool,
    error: Option<hyper::Error>,
}

impl Drive for Connecting {
    fn drive(&mut self, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.ended) else {
            return Poll::Ready(());
        };
        match connection.poll_without_shutdown(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                (self.ended, self.error) = (true, result.err());
                Poll::Ready(())
            }
        }
    }

    fn take_error(&mut self) -> Option<hyper::Error> {
        self.error.take()
    }
}

impl Connecting {
    /// What lies beneath, once HTTP is done with it.
    async fn into_stream(mut self, peer: PeerAddr) -> Option<Box<dyn Connection>> {
        std::future::poll_fn(|cx| self.drive(cx)).await;
        if self.error.is_some() {
            return None;
        }
        let parts = self.connection.take()?.into_parts();
        let beneath = parts.io.into_inner().into_inner()?;
        if parts.read_buf.is_empty() {
            return Some(beneath);
        }
        Some(Box::new(Ahead { read: parts.read_buf, beneath, peer }))
    }
}
