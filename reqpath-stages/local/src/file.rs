//! Reading a file of this place, a bounded part of it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};

/// Reads at most `limit` bytes of a regular file.
///
/// Anything else (a pipe, a device, a directory) might block or change by being opened, and is refused.
pub(crate) fn read(path: &str, limit: usize) -> io::Result<Vec<u8>> {
    refuse_irregular(&fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Should it have become a pipe or a terminal in between, opening it still does no harm.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    refuse_irregular(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refuse_irregular(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(io::Error::other("not a regular file")) }
}
