//! Where secrets, and files beside the path file, come from.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where secrets, and files beside the path file, come from.
pub trait References {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of a file, of which at most `limit` bytes are read.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is larger.
    fn file(&self, path: &str, limit: u64) -> io::Result<Vec<u8>>;
}

/// No references: every one of them is a mistake.
///
/// Exhaustive, so that it can be written down where it is needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl References for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str, _: u64) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The environment of this process, and files relative to a folder: that of the path file.
#[derive(Clone, Debug)]
pub struct ThisProcess {
    folder: PathBuf,
}

impl ThisProcess {
    /// Relative files are looked for in this folder.
    #[must_use]
    pub fn beside(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

impl References for ThisProcess {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        bounded(&self.folder.join(path), limit)
    }
}

/// Reads a regular file of at most so many bytes.
pub(crate) fn bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut content = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}
