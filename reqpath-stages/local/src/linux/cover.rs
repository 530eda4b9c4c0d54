//! Resolver settings of another place, in front of this machine's, for one thread.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::root::Root;
use crate::file;

/// What of a namespace's settings the resolver reads.
const SETTINGS: [&str; 5] = ["resolv.conf", "hosts", "nsswitch.conf", "gai.conf", "host.conf"];
/// The order of the C library itself. Another place's own may name modules that only it has, or have
/// this machine's caches asked, which know nothing of that place.
const ORDER: &[u8] = b"passwd: files\ngroup: files\nhosts: files dns\n";
/// The most that is read of one file.
const MOST: usize = 4 << 20;
/// Folders of which one exists everywhere, to be covered for a moment in the sight of one thread.
const FOLDERS: [&str; 4] = ["/tmp", "/mnt", "/run", "/dev"];

/// Where a cache of this machine is asked, ahead of all settings.
const CACHES: [&str; 2] = ["/run/nscd", "/var/run/nscd"];

/// Files of `/etc` that are to be seen in place of this machine's.
#[derive(Debug, Default)]
pub(crate) struct Cover {
    files: Vec<(&'static str, Vec<u8>)>,
    /// Whether this machine's caches know nothing of that place.
    caches: bool,
}

/// A failure, and the file it is about.
type Failed = (PathBuf, io::Error);

impl Cover {
    /// The settings that `ip netns` keeps for a namespace that it named.
    pub(crate) fn of_named(name: &str) -> Result<Self, Failed> {
        let mut files = Vec::new();
        for setting in SETTINGS {
            let path = format!("/etc/netns/{name}/{setting}");
            match file::read(&path, MOST) {
                Ok(bytes) => files.push((setting, bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err((path.into(), error)),
            }
        }
        Ok(Self { files, caches: false })
    }

    /// The settings of a place with files of its own. What it lacks is empty there.
    pub(crate) fn of_root(root: &Root) -> io::Result<Self> {
        let mut files = vec![("nsswitch.conf", ORDER.to_vec())];
        for setting in ["resolv.conf", "hosts"] {
            let read = root.open(&format!("/etc/{setting}")).and_then(|file| file::start(file, MOST));
            match read {
                Ok(bytes) => files.push((setting, bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => files.push((setting, Vec::new())),
                Err(error) => return Err(error),
            }
        }
        Ok(Self { files, caches: true })
    }

    /// Puts them in front of this machine's, in the sight of the calling thread and of what it starts.
    ///
    /// The files lie in memory and go with the thread; nobody else ever sees them.
    pub(crate) fn spread(&self) -> Result<(), Failed> {
        if self.files.is_empty() {
            return Ok(());
        }
        let nothing: Option<&str> = None;
        let at = |path: &Path| {
            let path = path.to_owned();
            move |errno: nix::errno::Errno| (path, io::Error::from(errno))
        };
        unshare(CloneFlags::CLONE_NEWNS).map_err(at(Path::new("/proc/thread-self/ns/mnt")))?;
        let private = MsFlags::MS_REC | MsFlags::MS_SLAVE;
        mount(nothing, "/", nothing, private, nothing).map_err(at(Path::new("/")))?;
        let folder = FOLDERS.into_iter().map(Path::new).find(|folder| folder.is_dir());
        let folder = folder.unwrap_or(Path::new("/"));
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("reqpath"), folder, Some("tmpfs"), flags, Some("mode=755")).map_err(at(folder))?;
        for (setting, bytes) in &self.files {
            let (ours, target) = (folder.join(setting), Path::new("/etc").join(setting));
            if !target.exists() {
                // Without it, the library does what an empty one says, or that order says.
                match bytes.is_empty() || *setting == "nsswitch.conf" {
                    true => continue,
                    false => return Err((target, io::ErrorKind::NotFound.into())),
                }
            }
            write(&ours, bytes).map_err(|error| (ours.clone(), error))?;
            mount(Some(&ours), &target, nothing, MsFlags::MS_BIND, nothing).map_err(at(&target))?;
        }
        for cache in CACHES.into_iter().filter(|_| self.caches).map(Path::new).filter(|cache| cache.is_dir())
        {
            mount(Some("reqpath"), cache, Some("tmpfs"), flags, Some("mode=755")).map_err(at(cache))?;
        }
        // The files stay where they are bound; the folder is seen again.
        umount2(folder, MntFlags::MNT_DETACH).map_err(at(folder))?;
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
}
