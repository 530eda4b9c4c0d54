//! Why a network namespace cannot be looked from.

use std::io;
use std::path::PathBuf;

use reqpath_core::Unavailable;

/// Why a network namespace cannot be looked from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetnsError {
    /// There is no such file.
    #[error(
        "`{}` does not exist: `ip netns list` names namespaces, `lsns -t net` shows a process of each",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It may not be entered.
    #[error(
        "`{}` may not be entered: run as root, or with CAP_SYS_ADMIN (and CAP_SYS_PTRACE for a process)",
        path.display()
    )]
    Permission {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("`{}` is not a network namespace: give a file like /run/netns/NAME or /proc/PID/ns/net", path.display())]
    NotNetns {
        /// The file.
        path: PathBuf,
    },
    /// The system answered with an error.
    #[error("`{}` could not be used", path.display())]
    System {
        /// The file it was about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This system has no network namespaces.
    #[error("network namespaces are Linux's: look from this process, or run on the machine that has them")]
    NotLinux,
}

impl NetnsError {
    /// The system's error about a file, by what it means here.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.into(), source.into());
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::PermissionDenied => Self::Permission { path },
            _ => Self::System { path, source },
        }
    }
}

impl From<NetnsError> for Unavailable {
    fn from(error: NetnsError) -> Self {
        match error {
            NetnsError::NotLinux => Self::NotHere,
            NetnsError::System { ref source, .. } => Self::System(format!("{error}: {source}")),
            other => Self::System(other.to_string()),
        }
    }
}
