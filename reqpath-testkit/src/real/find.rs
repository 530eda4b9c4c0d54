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

/// Files called `name` in `base/*/inner`, for the parts of a path that change with a version.
pub(super) fn below(base: &Path, inner: &str) -> Vec<PathBuf> {
    let Ok(entries) = base.read_dir() else { return Vec::new() };
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path().join(inner)).collect();
    found.sort();
    found
}
