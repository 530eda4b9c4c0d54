//! Data directories that were prepared once and are laid out again for every server.
//!
//! They are kept in memory: a directory would have to be removed when the test program ends, and
//! a program that is killed removes nothing.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::RealError;

/// A directory with everything in it; folders come before what is in them.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    entries: Vec<(PathBuf, Option<Vec<u8>>)>,
}

/// The prepared directories of one part, one for each of its programs.
#[derive(Debug)]
pub(super) struct Templates {
    prepared: Mutex<BTreeMap<PathBuf, Arc<Snapshot>>>,
}

impl Snapshot {
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let mut snapshot = Self::default();
        snapshot.take_in(directory, Path::new(""))?;
        Ok(snapshot)
    }

    /// Writes it all below `directory`, for this user alone, and calls `written` with each path.
    pub(super) fn lay_out(
        &self,
        directory: &Path,
        mut written: impl FnMut(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        for (name, content) in &self.entries {
            let path = directory.join(name);
            match content {
                None => fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?,
                Some(bytes) => {
                    let mut options = OpenOptions::new();
                    options.write(true).create_new(true).mode(0o600).open(&path)?.write_all(bytes)?;
                }
            }
            written(&path)?;
        }
        Ok(())
    }

    fn take_in(&mut self, directory: &Path, name: &Path) -> io::Result<()> {
        self.entries.push((name.to_owned(), None));
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (path, name) = (entry.path(), name.join(entry.file_name()));
            if entry.file_type()?.is_dir() {
                self.take_in(&path, &name)?;
            } else if entry.file_type()?.is_file() {
                self.entries.push((name, Some(fs::read(path)?)));
            }
        }
        Ok(())
    }
}

impl Templates {
    pub(super) const fn new() -> Self {
        Self { prepared: Mutex::new(BTreeMap::new()) }
    }

    /// What `prepare` made for `program`, now or earlier; whoever comes meanwhile waits for it.
    pub(super) fn of(
        &self,
        program: &Path,
        prepare: impl FnOnce() -> Result<Snapshot, RealError>,
    ) -> Result<Arc<Snapshot>, RealError> {
        // A panic leaves the map as it was.
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = prepared.get(program) {
            return Ok(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(prepare()?);
        prepared.insert(program.to_owned(), Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::{fs, thread};

    use super::super::RealError;
    use super::{Path, Snapshot, Templates};

    #[test]
    fn a_directory_is_laid_out_as_it_was_for_this_user_alone() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("base/1/empty")).unwrap();
        fs::write(from.path().join("base/1/2"), [0, 159, 146, 150]).unwrap();
        fs::write(from.path().join("nothing"), "").unwrap();

        let snapshot = Snapshot::of(from.path()).unwrap();
        drop(from);
        let target = to.path().join("data");
        let mut written = 0;
        let count = |path: &Path| {
            let mode = path.metadata()?.permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} has {mode:o}", path.display());
            written += 1;
            Ok(())
        };
        snapshot.lay_out(&target, count).unwrap();
        assert_eq!(written, 6);
        assert_eq!(fs::read(target.join("base/1/2")).unwrap(), [0, 159, 146, 150]);
        assert!(target.join("base/1/empty").is_dir());
        assert!(fs::read(target.join("nothing")).unwrap().is_empty());
    }

    #[test]
    fn what_was_prepared_is_not_prepared_again_and_a_failure_is() {
        let (templates, calls) = (Templates::new(), AtomicUsize::new(0));
        let fails = || Err(RealError::machine("try")(std::io::ErrorKind::NotFound.into()));
        assert!(templates.of(Path::new("/bin/a"), fails).is_err());
        let prepare = || {
            calls.fetch_add(1, Ordering::SeqCst);
            Ok(Snapshot::default())
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| templates.of(Path::new("/bin/a"), prepare).unwrap());
            }
        });
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        templates.of(Path::new("/bin/b"), prepare).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
