//! Where programs are on this machine.

use std::env;
use std::path::{Path, PathBuf};

use super::RealError;

const SYSTEM: [&str; 6] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin"];

/// Finds `program` in the system's directories and then in `PATH`.
///
/// The system's come first, and count even where an ordinary user's `PATH` leaves out `sbin`.
pub(super) fn system_program(part: &str, program: &str, install: &str) -> Result<PathBuf, RealError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = SYSTEM.iter().map(PathBuf::from).chain(env::split_paths(&path));
    first_present(part, folders.map(|folder| folder.join(program)), install)
}

/// The first of `candidates` that is a file.
pub(super) fn first_present(
    part: &str,
    candidates: impl IntoIterator<Item = PathBuf>,
    install: &str,
) -> Result<PathBuf, RealError> {
    let mut looked_in = Vec::new();
    for candidate in candidates {
        if candidate.is_file() {
            return Ok(candidate);
        }
        if !looked_in.contains(&candidate) {
            looked_in.push(candidate);
        }
    }
    Err(RealError::Missing { part: part.to_owned(), looked_in, install: install.to_owned() })
}

/// Where the file `inner` of a Python wheel may be: where the environment variable says, in
/// `$VIRTUAL_ENV`, or in a `.venv` of this directory or of one above it.
pub(super) fn in_wheel(variable: &str, inner: &str) -> Vec<PathBuf> {
    let inner = Path::new("site-packages").join(inner);
    let mut candidates: Vec<PathBuf> = env::var_os(variable).map(PathBuf::from).into_iter().collect();
    let active = env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let here = env::current_dir().unwrap_or_default();
    for environment in active.into_iter().chain(here.ancestors().map(|folder| folder.join(".venv"))) {
        // The directory of a Python version is in between.
        let found = below(&environment.join("lib"), &inner);
        let none = found.is_empty().then(|| environment.join("lib/python3").join(&inner));
        candidates.extend(found.into_iter().chain(none));
    }
    candidates
}

/// The paths `base/*/inner`, for the parts of a path that change with a version.
pub(super) fn below(base: &Path, inner: impl AsRef<Path>) -> Vec<PathBuf> {
    let Ok(entries) = base.read_dir() else { return Vec::new() };
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path().join(&inner)).collect();
    found.sort();
    found
}
