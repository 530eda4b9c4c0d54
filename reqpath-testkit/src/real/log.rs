use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How often a file that something else writes is looked at again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(3);

/// A log that a real part writes, to read now or to wait for.
///
/// ```
/// use reqpath_testkit::real::{Nginx, require};
/// use std::io::Write;
/// use std::time::Duration;
///
/// let started = Nginx::builder().server("listen {listen}; return 204;").start();
/// let Some(nginx) = require(started) else { return Ok(()) };
/// std::net::TcpStream::connect(nginx.address())?.write_all(b"GET /cart HTTP/1.0\r\n\r\n")?;
/// let line = nginx.access_log().wait_for(Duration::from_secs(20), |line| line.contains("GET /cart"));
/// assert!(line.is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    pub(super) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file behind it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All that was written so far; empty while there is no file.
    #[must_use]
    pub fn text(&self) -> String {
        fs::read(&self.path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The lines written so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Waits for a whole line that `wanted` accepts, and gives it, or `None` after `patience`.
    ///
    /// A server writes of a request when the request has ended, which a client may see first: a
    /// test that reads a log right after an answer has to wait for the line.
    pub fn wait_for(&self, patience: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let mut from = 0;
        let deadline = Instant::now() + patience;
        loop {
            let whole = self.whole_lines_since(from);
            if let Some(line) = whole.lines().find(|line| wanted(line)) {
                return Some(line.to_owned());
            }
            from += whole.len() as u64;
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// How long the log is, to be given to [`text_since`](Self::text_since).
    pub(super) fn length(&self) -> u64 {
        self.path.metadata().map_or(0, |metadata| metadata.len())
    }

    /// What was written after the first `from` bytes.
    pub(super) fn text_since(&self, from: u64) -> String {
        String::from_utf8_lossy(&self.bytes_since(from)).into_owned()
    }

    /// The last part, short enough for a message.
    pub(super) fn tail(&self) -> String {
        const ENOUGH: u64 = 4_096;
        self.text_since(self.length().saturating_sub(ENOUGH)).trim().to_owned()
    }

    fn whole_lines_since(&self, from: u64) -> String {
        let mut bytes = self.bytes_since(from);
        bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1));
        // Offsets count bytes, so a byte that is not UTF-8 must stay one byte long.
        String::from_utf8(bytes).unwrap_or_else(|odd| {
            odd.into_bytes().iter().map(|b| if b.is_ascii() { *b as char } else { '?' }).collect()
        })
    }

    fn bytes_since(&self, from: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.path)
            && file.seek(SeekFrom::Start(from)).is_ok()
        {
            // What could not be read now is read by the next look.
            let _ = file.read_to_end(&mut bytes);
        }
        bytes
    }
}
