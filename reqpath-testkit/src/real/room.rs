use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use super::{RealError, home};

/// How every room's name begins; the supervising shell removes nothing that is called otherwise.
pub(super) const PREFIX: &str = "reqpath-";
/// How a room is called until it is locked.
const FRESH: &str = ".reqpath-new-";
/// Whoever makes a room locks it much sooner than this; where the gate cannot be had, this has to do.
const TIME_TO_LOCK: Duration = Duration::from_secs(2);

/// The private directory of one real part, removed with it.
///
/// A part's supervisor removes it when this process is killed; where not even that had begun, the next
/// room that is made in the same place sweeps it away.
///
/// ```
/// use reqpath_testkit::real::Room;
///
/// # fn main() -> Result<(), reqpath_testkit::real::RealError> {
/// let room = Room::new("notes")?;
/// let path = room.write("folder/note", "hello")?;
/// assert_eq!(path, room.join("folder/note"));
/// drop(room);
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
///
/// Nobody else can enter it:
///
/// ```
/// use std::os::unix::fs::PermissionsExt;
/// use reqpath_testkit::real::Room;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let room = Room::new("secrets")?;
/// assert_eq!(room.path().metadata()?.permissions().mode() & 0o077, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Room {
    directory: PathBuf,
    /// Held locked while the room lives, so that nobody sweeps it away.
    _lock: File,
}

impl Room {
    /// Makes an empty directory that only this user can enter.
    ///
    /// # Errors
    ///
    /// When the system's directory for temporary files cannot be written.
    pub fn new(part: &str) -> Result<Self, RealError> {
        let rooms = home::here().map_or_else(|| Ok(std::env::temp_dir()), |home| home.rooms());
        let made = rooms.and_then(|rooms| {
            sweep(&rooms);
            // Held until the room is locked: who has this gate alone knows that nobody is in between.
            let _gate = File::open(&rooms).ok().filter(|gate| soon(|| gate.try_lock_shared().is_ok()));
            let fresh = tempfile::Builder::new()
                .prefix(FRESH)
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir_in(&rooms)?;
            let lock = File::open(fresh.path())?;
            lock.lock()?;
            let fresh = fresh.keep();
            let name = fresh.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let directory = rooms.join(format!("{PREFIX}{part}-{}", name.trim_start_matches(FRESH)));
            // Only now, locked, does it get the name that a sweep looks for.
            fs::rename(&fresh, &directory)?;
            Ok(Self { directory, _lock: lock })
        });
        made.map_err(RealError::machine(format!("make a private directory for {part}")))
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
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

impl Drop for Room {
    fn drop(&mut self) {
        // What is left for lack of permission is swept up later, or is not ours to remove.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Removes the rooms of processes that were killed, once for each process.
fn sweep(rooms: &Path) {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        sweep_now(rooms);
    });
}

fn sweep_now(rooms: &Path) {
    let gate = File::open(rooms).ok().filter(|gate| soon(|| gate.try_lock().is_ok()));
    let Ok(entries) = fs::read_dir(rooms) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // A lab's directory has a lock of its own kind, and the lab sweeps it.
        let settled = name.starts_with(PREFIX) && !name.starts_with("reqpath-lab-");
        if settled || name.starts_with(FRESH) && (gate.is_some() || is_old(&entry.path())) {
            sweep_one(&entry.path());
        }
    }
}

/// Waits a little; makers of rooms hold the gate for microseconds, strangers perhaps for ever.
fn soon(done: impl Fn() -> bool) -> bool {
    (0..50).any(|tried| {
        if tried > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        done()
    })
}

/// Removes a room that nobody holds locked. A file, a link or somebody else's is left alone.
fn sweep_one(room: &Path) {
    if !fs::symlink_metadata(room).is_ok_and(|metadata| metadata.is_dir()) {
        return;
    }
    let Ok(lock) = File::open(room) else { return };
    if lock.try_lock().is_ok() {
        let _ = fs::remove_dir_all(room);
    }
}

fn is_old(room: &Path) -> bool {
    let made = fs::symlink_metadata(room).and_then(|metadata| metadata.modified());
    made.ok().and_then(|made| made.elapsed().ok()).is_some_and(|age| age > TIME_TO_LOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_maker_left_is_swept_up_at_once_unless_somebody_is_making_one() {
        let rooms = tempfile::tempdir().unwrap();
        let orphan = rooms.path().join(format!("{FRESH}orphan"));
        fs::create_dir(&orphan).unwrap();
        let maker = File::open(rooms.path()).unwrap();
        maker.lock_shared().unwrap();
        sweep_now(rooms.path());
        assert!(orphan.exists(), "it may be the maker's");
        drop(maker);
        sweep_now(rooms.path());
        assert!(!orphan.exists());
    }
}
