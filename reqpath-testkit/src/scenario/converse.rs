//! One request in bytes, and what came back for it.

use std::fmt;
use std::io;
use std::time::Duration;

use reqpath_core::escape_bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::witness::Stream;

/// More than any answer of a scenario has.
const MOST: usize = 1 << 20;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Reset,
    /// It had not ended when we stopped listening.
    Open,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
    /// Whether TLS ended it with an alert.
    pub(super) alert: bool,
    /// The time to the first byte.
    pub(super) first: Option<Duration>,
}

/// Sends bytes and listens: so long for the first one, and until so long nothing follows.
pub(super) async fn converse(
    mut stream: Box<dyn Stream>,
    bytes: &[u8],
    patience: Duration,
    quiet: Duration,
) -> Said {
    let began = Instant::now();
    let mut said = Said { bytes: Vec::new(), end: End::Open, alert: false, first: None };
    let sent = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    // A peer that is gone already shows when reading, with what it said before.
    drop(timeout(patience, sent).await);
    let mut buffer = vec![0; 16 * 1024];
    while said.bytes.len() < MOST {
        let limit = if said.first.is_none() { patience } else { quiet };
        match timeout(limit, stream.read(&mut buffer)).await {
            Err(_) => break,
            Ok(Ok(0)) => {
                said.end = End::Closed;
                break;
            }
            Ok(Ok(length)) => {
                said.first.get_or_insert_with(|| began.elapsed());
                said.bytes.extend_from_slice(&buffer[..length]);
            }
            Ok(Err(error)) => {
                // TLS calls it an error when there was no close_notify.
                said.end =
                    if error.kind() == io::ErrorKind::ConnectionReset { End::Reset } else { End::Closed };
                said.alert = error.to_string().contains("alert");
                break;
            }
        }
    }
    said
}

impl Said {
    pub(super) fn is_silence(&self) -> bool {
        self.bytes.is_empty() && self.end == End::Open
    }

    pub(super) fn status(&self) -> Option<u16> {
        let line = self.head().lines().next()?;
        line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head().lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(super) fn content_length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    pub(super) fn body_length(&self) -> usize {
        self.bytes.len().saturating_sub(self.head_length())
    }

    fn head_length(&self) -> usize {
        let end = self.bytes.windows(4).position(|window| window == b"\r\n\r\n");
        end.map_or(self.bytes.len(), |end| end + 4)
    }

    fn head(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.head_length()]).unwrap_or_default()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        match self.bytes.len() {
            0 => f.write_str("not a byte")?,
            length => write!(f, "{length} bytes from `{}`", escape_bytes(line, 60))?,
        }
        if let Some(first) = self.first {
            write!(f, " after {} ms", first.as_millis())?;
        }
        match (self.end, self.alert) {
            (_, true) => f.write_str(", then a TLS alert"),
            (End::Closed, _) => f.write_str(", then closed"),
            (End::Reset, _) => f.write_str(", then reset"),
            (End::Open, _) => f.write_str(", then silence"),
        }
    }
}
