use std::fs;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{RealError, home};

/// How every room's name begins; the supervising shell removes nothing that is called otherwise.
pub(super) const PREFIX: &str = "reqpath-";

/// The private directory of one real part, removed with it.
#[derive(Debug)]
pub struct Room {
    directory: tempfile::TempDir,
}

impl Room {
    /// Makes an empty directory that only this user can enter.
    ///
    /// # Errors
    ///
    /// When the system's directory for temporary files cannot be written.
    pub fn new(part: &str) -> Result<Self, RealError> {
        let rooms = home::here().map_or_else(|| Ok(std::env::temp_dir()), |home| home.rooms());
        let directory = rooms
            .and_then(|rooms| tempfile::Builder::new().prefix(&format!("{PREFIX}{part}-")).tempdir_in(rooms))
            .map_err(RealError::machine(format!("make a private directory for {part}")))?;
        Ok(Self { directory })
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where a file called `name` is in this room, whether it exists or not.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file that only this user can read, making the folders above it.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, RealError> {
        let path = self.join(name);
        let written = (|| {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            std::io::Write::write_all(&mut file, content.as_ref())
        })();
        written.map_err(RealError::machine(format!("write {}", path.display())))?;
        Ok(path)
    }

    /// Whether this process acts as root, told by whom the room belongs to.
    pub(super) fn is_roots(&self) -> bool {
        self.path().metadata().is_ok_and(|metadata| metadata.uid() == 0)
    }
}
