//! What is looked at when an exchange broke, to tell who broke it.

use std::io;
use std::time::Duration;

use reqpath_core::{Context, Micros, PeerAddr, Subject};
use reqpath_tcp::{Broken, Closing, Progress, SILENCE};

use crate::evidence::{Closed, End, Exchange, Protocol};

/// A silent connection is watched for so many times what the broken one lived.
const AS_LONG_AGAIN: u32 = 2;

/// Records what the layers beneath are told of an exchange that broke, and makes their controls.
pub(crate) fn broken(
    at: &Subject,
    cx: &Context,
    peer: PeerAddr,
    exchange: &Exchange,
    failure: Option<&io::Error>,
    side_looks: bool,
) {
    if let Some(failure) = failure.filter(|_| exchange.secured) {
        reqpath_tls::record_late_alert(cx, &at.at_address(peer), failure);
    }
    let heard = exchange.first_bytes.as_deref().is_some_and(|bytes| bytes.starts_with("HTTP/1."));
    if exchange.secured && exchange.spoken == Protocol::Http2 && heard {
        reqpath_tls::record_spoken(cx, &at.at_address(peer), "h2", "http/1.1");
    }
    let how = match (exchange.end, exchange.closed) {
        (Some(End::Empty), Some(Closed::Fin)) => Closing::Fin,
        (Some(End::Reset), Some(Closed::Rst)) => Closing::Reset,
        _ => return,
    };
    let (sent, ended) = (exchange.request_sent_us.unwrap_or_default(), exchange.ended_us.unwrap_or_default());
    let lived = Micros(ended.0.saturating_sub(sent.0));
    let broken = Broken::new(Progress::Sent, how, lived, exchange.bytes_received);
    connection(at, cx, peer, broken, side_looks);
}

/// Records how a connection died before any answer, and looks whether a silent one dies as well.
pub(crate) fn connection(at: &Subject, cx: &Context, peer: PeerAddr, broken: Broken, side_looks: bool) {
    let limit: Duration = SILENCE.max(broken.after_us.duration().saturating_mul(AS_LONG_AGAIN));
    cx.record(&at.at_address(peer), broken);
    if !side_looks {
        return;
    }
    let (cx_aside, at) = (cx.clone(), at.clone());
    cx.aside(async move {
        if let Err(error) = reqpath_tcp::silence(&cx_aside, &at, peer, limit).await {
            cx_aside.trouble("http", &error);
        }
    });
}
