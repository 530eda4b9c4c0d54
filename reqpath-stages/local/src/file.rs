//! Reading a file of this place, a bounded part of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};

/// How often the end of a file that shrinks meanwhile is looked for again.
const TRIES: usize = 4;

/// Reads at most `limit` bytes of a regular file.
pub(crate) fn read(path: &str, limit: usize) -> io::Result<Vec<u8>> {
    start(open(path)?, limit)
}

/// Reads the last `limit` bytes of a regular file.
pub(crate) fn tail(path: &str, limit: usize) -> io::Result<Vec<u8>> {
    end(open(path)?, limit)
}

/// The first `limit` bytes of what was opened.
pub(crate) fn start(file: File, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last `limit` bytes of what was opened.
///
/// A log that is emptied to begin anew while it is read gives what it holds then.
pub(crate) fn end(mut file: File, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for _ in 0..TRIES {
        let length = file.metadata()?.len();
        let from = length.saturating_sub(limit as u64);
        file.seek(SeekFrom::Start(from))?;
        (&mut file).take(limit as u64).read_to_end(&mut bytes)?;
        // Only where something was cut off can there be something to find.
        if !bytes.is_empty() || from == 0 {
            break;
        }
    }
    Ok(bytes)
}

/// Opens a regular file.
///
/// Anything else (a pipe, a device, a directory) might block or change by being opened, and is refused.
fn open(path: &str) -> io::Result<File> {
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
    Ok(file)
}

/// An error unless it is a regular file.
pub(crate) fn refuse_irregular(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(io::Error::other("not a regular file")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_file_is_bounded_whatever_its_size() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("access.log");
        let path = path.to_str().unwrap();
        fs::write(path, "").unwrap();
        assert_eq!(tail(path, 10).unwrap(), b"");
        fs::write(path, "one\ntwo\n").unwrap();
        assert_eq!(tail(path, 100).unwrap(), b"one\ntwo\n");
        assert_eq!(tail(path, 4).unwrap(), b"two\n");
        assert_eq!(tail(path, 0).unwrap(), b"");
    }

    #[test]
    fn a_log_that_was_moved_away_is_the_new_one() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("access.log");
        fs::write(&path, "old\n").unwrap();
        fs::rename(&path, room.path().join("access.log.1")).unwrap();
        let missing = tail(path.to_str().unwrap(), 10).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        fs::write(&path, "new\n").unwrap();
        assert_eq!(tail(path.to_str().unwrap(), 10).unwrap(), b"new\n");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for path in ["/dev/null", "/dev/zero", "/"] {
            assert_eq!(tail(path, 10).unwrap_err().to_string(), "not a regular file", "{path}");
        }
    }
}
