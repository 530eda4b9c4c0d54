//! Open descriptors, and how many there may be.

use std::fs;
use std::io;

use nix::sys::resource::{Resource, getrlimit};

/// Open descriptors of this process without the one that counts them, and the limit.
pub(crate) fn descriptors() -> io::Result<(u64, u64)> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let open = fs::read_dir("/proc/self/fd")?.filter(Result::is_ok).count() as u64;
    Ok((open.saturating_sub(1), limit))
}
