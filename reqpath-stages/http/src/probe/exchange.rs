//! One request over a connection, and its answer to the last byte.

use http::Request;
use hyper::body::Body as _;
use reqpath_core::Dialled;
use tokio::time::Instant;

use super::flight::Flight;
use super::line::{Broken, Line, Sent};
use super::request::Form;
use super::wire::{Tap, Wire};
use crate::HttpOptions;
use crate::evidence::{End, Protocol};
use crate::options::Version;

/// Sizes that bound what is read of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) header: usize,
    pub(crate) body: u64,
}

/// What may come before the head of an answer, in heads of the largest size: interim answers and, in HTTP/2,
/// talk about the connection.
const BEFORE_HEAD: usize = 4;
/// As much may come of it whatever the largest size is.
const LEAST_BEFORE_HEAD: usize = 64 << 10;

impl Limits {
    /// The most bytes that are read until the head of an answer is whole.
    pub(crate) fn before_head(self) -> u64 {
        self.header.saturating_mul(BEFORE_HEAD).max(LEAST_BEFORE_HEAD) as u64
    }

    pub(crate) fn of(options: &HttpOptions) -> Self {
        Self { header: options.max_header, body: options.max_body }
    }
}

/// The version to speak over a connection.
pub(crate) fn version(wanted: Version, dialled: &Dialled, through_proxy: bool) -> Protocol {
    let two = match (dialled.secured, wanted) {
        (true, Version::Http1) => false,
        // Over TLS nobody speaks HTTP/2 who has not agreed to.
        (true, _) => dialled.protocol.as_deref() == Some(b"h2"),
        (false, wanted) => wanted == Version::Http2 && !through_proxy,
    };
    if two { Protocol::Http2 } else { Protocol::Http11 }
}

/// How the request line is written.
pub(crate) fn form(spoken: Protocol, through_proxy: bool) -> Form {
    match (spoken, through_proxy) {
        (Protocol::Http2, _) => Form::Two,
        (_, true) => Form::Absolute,
        (_, false) => Form::Origin,
    }
}

/// HTTP over a connection, and the wire beneath it.
pub(crate) fn tapped(dialled: Dialled, spoken: Protocol, ask_kernel: bool) -> (Tap, std::sync::Arc<Wire>) {
    let wire = Wire::new(Instant::now(), ask_kernel, spoken);
    (Tap::new(dialled.connection, wire.clone()), wire)
}

/// Opens HTTP over a connection.
pub(crate) async fn open(tap: Tap, spoken: Protocol, limits: Limits) -> Result<Line, Broken> {
    let line = match spoken {
        Protocol::Http2 => Line::two(tap, limits.header).await,
        _ => Line::one(tap, limits.header).await,
    };
    line.map_err(Some)
}

/// Sends the request and reads the answer to its end. Says how it ended.
pub(crate) async fn exchange(
    line: &mut Line,
    request: Request<Sent>,
    flight: &mut Flight,
    limits: Limits,
) -> End {
    let response = match line.ask(request, || flight.watch()).await {
        Ok(response) => response,
        Err(broken) => return flight.broken(broken),
    };
    flight.head(&response);
    if flight.switched_unasked() {
        return flight.whole(End::Invalid);
    }
    // HTTP/1 heads are bounded while they are read; HTTP/2 hands them over in one piece, up to a limit above ours.
    if head_size(&response) > limits.header {
        return flight.whole(End::TooLarge);
    }
    let mut body = response.into_body();
    while !body.is_end_stream() {
        let frame = match line.frame(&mut body).await {
            Some(Ok(frame)) => frame,
            Some(Err(broken)) => return flight.broken(broken),
            None => break,
        };
        if let Some(piece) = frame.data_ref() {
            if flight.piece(piece) >= limits.body {
                return flight.whole(End::Limit);
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            flight.trailers(trailers);
        }
    }
    flight.whole(End::Complete)
}

fn head_size<B>(response: &http::Response<B>) -> usize {
    match response.version() {
        http::Version::HTTP_2 => {
            response.headers().iter().map(|(n, v)| n.as_str().len() + v.len() + 32).sum()
        }
        _ => 0,
    }
}
