//! One question of eight bytes, and whatever comes back.

use std::io;
use std::time::Duration;

use reqpath_core::{Connection, Permit, escape_bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::evidence::{Answer, ServerError, SslRequest};

/// `SSLRequest`: its length, and a version number that no protocol has.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// The most that is read of an answer.
const MOST: usize = 8 * 1024;
/// How long the rest of an error is waited for, once it has begun.
const REST: Duration = Duration::from_millis(200);
/// How much of what is none of PostgreSQL's is kept, in characters.
const KEPT: usize = 64;

/// Asks, and notes what came back.
pub(super) async fn ask(
    _: Permit,
    connection: &mut dyn Connection,
    limit: Duration,
    record: &mut SslRequest,
) {
    let began = Instant::now();
    let mut bytes = vec![0; MOST];
    let came = timeout(limit, async {
        connection.write_all(&SSL_REQUEST).await?;
        connection.flush().await?;
        connection.read(&mut bytes).await
    });
    let came = came.await;
    record.elapsed_us = Some(began.elapsed().into());
    let length = match came {
        Err(_) => {
            record.answer = Some(Answer::Silent);
            record.message = Some(format!("no answer within {}", reqpath_core::Micros::from(limit)));
            return;
        }
        Ok(Err(error)) => {
            record.answer = Some(of_system(&error));
            record.message = Some(error.to_string());
            return;
        }
        Ok(Ok(length)) => length,
    };
    // A server says one letter and then waits for us: more than that was not said by one, whatever it begins with.
    record.answer = Some(match &bytes[..length] {
        [] => Answer::Closed,
        [b'S'] => Answer::Accepted,
        [b'N'] => Answer::Refused,
        [b'E', ..] => {
            let length = rest(connection, &mut bytes, length).await;
            record.error = Some(ServerError::read(&bytes[1..length]));
            Answer::Error
        }
        foreign => {
            record.first_bytes = Some(escape_bytes(foreign, KEPT));
            Answer::Foreign
        }
    });
}

/// A limit a little short of the time there is, so that the look ends by itself and is complete.
pub(super) fn in_time(limit: Duration) -> Duration {
    limit - (limit / 20).min(Duration::from_millis(20))
}

/// Reads on until the error is whole, the peer closes, or it takes too long.
async fn rest(connection: &mut dyn Connection, bytes: &mut [u8], mut length: usize) -> usize {
    let until = Instant::now() + REST;
    while length < bytes.len() {
        match timeout_at(until, connection.read(&mut bytes[length..])).await {
            Ok(Ok(more @ 1..)) => length += more,
            _ => break,
        }
    }
    length
}

fn of_system(error: &io::Error) -> Answer {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Answer::Reset
        }
        io::ErrorKind::UnexpectedEof => Answer::Closed,
        io::ErrorKind::TimedOut => Answer::Silent,
        _ => Answer::Failed,
    }
}
