//! The way into a network namespace.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;

use super::cover::Cover;
use super::root::Root;
use crate::file::refuse_irregular;
use crate::netns::NetnsError;

/// The most that is read of a process's environment; the kernel's own bound is of this order.
const MOST_ENVIRONMENT: u64 = 2 << 20;

/// The way into a network namespace, and what else is of that place.
#[derive(Debug)]
pub(crate) struct Gate {
    name: String,
    path: PathBuf,
    net: File,
    root: Option<Root>,
    environment: Option<Vec<(String, String)>>,
    cover: Cover,
}

impl Gate {
    /// Through a file, with the settings `ip netns` keeps for a namespace that it named.
    pub(crate) fn of_path(path: &Path) -> Result<Self, NetnsError> {
        let failed = |errno: Errno| NetnsError::of(path, errno);
        let net = File::from(open(path, READ, Mode::empty()).map_err(failed)?);
        let irregular = |_| NetnsError::NotNetns { path: path.to_owned() };
        net.metadata().and_then(|metadata| refuse_irregular(&metadata)).map_err(irregular)?;
        let named = path.parent().is_some_and(|folder| folder.ends_with("netns"));
        let name = path.file_name().filter(|_| named).map(|name| name.to_string_lossy().into_owned());
        let cover = match &name {
            Some(name) => Cover::of_named(name).map_err(|(path, source)| NetnsError::of(path, source))?,
            None => Cover::default(),
        };
        let name = name.unwrap_or_else(|| path.display().to_string());
        Ok(Self { name, path: path.to_owned(), net, root: None, environment: None, cover })
    }

    /// Into the network of a process, with the files that it sees.
    pub(crate) fn of_process(process: u32) -> Result<Self, NetnsError> {
        let path = PathBuf::from(format!("/proc/{process}"));
        let failed = |what: &str, errno: Errno| NetnsError::of(path.join(what), errno);
        // Everything is opened through this, so that all is of one process, whatever becomes of its number.
        let folder = open(&path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| NetnsError::of(&path, errno))?;
        let within = |what: &str, how: OFlag| -> Result<OwnedFd, NetnsError> {
            openat(&folder, what, how, Mode::empty()).map_err(|errno| failed(what, errno))
        };
        let net = File::from(within("ns/net", READ)?);
        let root = Root::new(within("root", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)?);
        let environment = variables(File::from(within("environ", READ)?))
            .map_err(|source| NetnsError::of(path.join("environ"), source))?;
        let cover = Cover::of_root(&root).map_err(|source| NetnsError::of(path.join("root"), source))?;
        let name = format!("process {process}");
        let (root, environment) = (Some(root), Some(environment));
        Ok(Self { name, path: path.join("ns/net"), net, root, environment, cover })
    }

    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn root(&mut self) -> Option<Root> {
        self.root.take()
    }

    pub(crate) fn environment(&mut self) -> Option<Vec<(String, String)>> {
        self.environment.take()
    }

    /// Moves the calling thread in, for good: call it only in a thread made for this.
    pub(crate) fn enter(self) -> Result<(), NetnsError> {
        // First what needs this machine's files.
        self.cover.spread().map_err(|(path, source)| NetnsError::of(path, source))?;
        setns(self.net.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
            Errno::EINVAL => NetnsError::NotNetns { path: self.path.clone() },
            errno => NetnsError::of(&self.path, errno),
        })
    }
}

/// Neither waits for a pipe to be written to, nor takes a terminal over.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// The variables a process was started with.
fn variables(file: File) -> io::Result<Vec<(String, String)>> {
    let mut bytes = Vec::new();
    file.take(MOST_ENVIRONMENT).read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok());
    Ok(lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect())
}
