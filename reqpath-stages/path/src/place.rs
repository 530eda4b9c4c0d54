//! The places to look from that a path file names.

use std::path::{Path, PathBuf};

/// A place to look from, as a path file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// This very process.
    Local,
    /// The network namespace behind this file: `/run/netns/edge`.
    Namespace(PathBuf),
    /// The network namespace of this process.
    Process(u32),
    /// A place too far away to look from here, where this command runs reqpath.
    Far(Vec<String>),
}

impl Place {
    /// The file of the network namespace, where this is one.
    #[must_use]
    pub fn namespace(&self) -> Option<PathBuf> {
        match self {
            Self::Local | Self::Far(_) => None,
            Self::Namespace(file) => Some(file.clone()),
            Self::Process(id) => Some(Path::new("/proc").join(id.to_string()).join("ns/net")),
        }
    }
}
