//! The files that a host sees in place of this machine's: resolver settings, hosts, environment.

use std::{
    env,
    fs::{self, File, Permissions},
    io,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use nix::{
    mount::{MsFlags, mount},
    sys::statvfs::statvfs,
    unistd::Uid,
};

use super::{error::Error, plan::Settings};

/// The files of one host.
#[derive(Debug)]
pub(super) struct HostFiles {
    directory: PathBuf,
    rooms: PathBuf,
}

impl HostFiles {
    pub(super) fn create(lab: &Path, name: &str, settings: &Settings) -> Result<Self, Error> {
        let files = Self { directory: lab.join(name), rooms: lab.join(ROOMS) };
        fs::create_dir_all(files.empty())
            .and_then(|()| fs::set_permissions(&files.directory, Permissions::from_mode(0o700)))
            .map_err(|source| Error::io(format!("make {}", files.directory.display()), source))?;
        write(&files.resolv_conf(), &settings.resolv_conf)?;
        write(&files.hosts(), &settings.hosts)?;
        write(&files.nsswitch(), "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")?;
        write(&files.environment(), "")?;
        for (name, value) in &settings.environment {
            files.set_variable(name, value)?;
        }
        Ok(files)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the private directories of the host's real parts are made.
    pub(super) fn rooms(&self) -> &Path {
        &self.rooms
    }

    pub(super) fn resolv_conf(&self) -> PathBuf {
        self.directory.join("resolv.conf")
    }

    pub(super) fn hosts(&self) -> PathBuf {
        self.directory.join("hosts")
    }

    pub(super) fn environment(&self) -> PathBuf {
        self.directory.join("environment")
    }

    /// The variables of the environment file, one `NAME=value` a line.
    pub(super) fn variables(&self) -> Result<Vec<(String, String)>, Error> {
        let path = self.environment();
        let text = fs::read_to_string(&path)
            .map_err(|source| Error::io(format!("read {}", path.display()), source))?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        Ok(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(super) fn set_variable(&self, name: &str, value: &str) -> Result<(), Error> {
        if name.is_empty() || name.contains(['=', '\n', '\0']) || value.contains(['\n', '\0']) {
            let source = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(Error::io(format!("set the variable `{}`", name.escape_debug()), source));
        }
        let mut variables = self.variables()?;
        variables.retain(|(known, _)| known != name);
        variables.push((name.to_owned(), value.to_owned()));
        let text: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        write(&self.environment(), &text)
    }

    /// Puts the files in place of this machine's, in the mount namespace of the calling thread.
    ///
    /// Everything else (cgroups, `/sys`, `/proc`) stays as it is, and what the machine mounts later is seen too.
    pub(super) fn cover(&self) -> Result<(), Error> {
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_SLAVE, nothing)
            .map_err(|errno| Error::kernel("keep mounts from spreading", errno))?;
        bind(&self.resolv_conf(), Path::new("/etc/resolv.conf"))?;
        bind(&self.hosts(), Path::new("/etc/hosts"))?;
        // Without this file the C library's own order is already "files, then dns".
        if Path::new("/etc/nsswitch.conf").exists() {
            bind(&self.nsswitch(), Path::new("/etc/nsswitch.conf"))?;
        }
        // A cache that is asked over a socket in the file system would answer for this machine.
        for cache in ["/run/nscd", "/var/run/nscd"].map(Path::new) {
            if cache.is_dir() {
                bind(&self.empty(), cache)?;
            }
        }
        Ok(())
    }

    fn nsswitch(&self) -> PathBuf {
        self.directory.join("nsswitch.conf")
    }

    fn empty(&self) -> PathBuf {
        self.directory.join("empty")
    }
}

/// The private directory of a lab, which goes with the lab: at drop; when this process is killed, by a
/// process that waits for that; and when that was killed too, by the next lab.
#[derive(Debug)]
pub(super) struct LabDirectory {
    path: PathBuf,
    // Held locked while the lab lives.
    lock: File,
    broom: Child,
    // Its closing, however this process ends, is what the broom waits for.
    leash: Option<ChildStdin>,
}

const PREFIX: &str = "reqpath-lab-";
/// A file system in memory, where there is one.
const MEMORY: &str = "/dev/shm";
/// Room for some dozens of databases, in bytes: 1 GiB.
const PLENTY: u64 = 1 << 30;
/// What is being killed while it is swept up may write once more.
const BROOM: &str = r#"read -r gone
for pause in 0 0.1 0.2 0.5 1 2; do rm -rf -- "$1" "$2" && break; sleep $pause; done"#;
/// No host has such a name.
const ROOMS: &str = ".rooms";

impl LabDirectory {
    pub(super) fn create() -> Result<Self, Error> {
        let failed = |source| Error::io("make the directory of a lab", source);
        sweep();
        let fresh =
            tempfile::Builder::new().prefix(".reqpath-lab-new-").tempdir_in(base()).map_err(failed)?;
        let lock = File::create(fresh.path().join("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        // Some servers run as users who must get to their rooms, and need not see what is beside these.
        let passable = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o711));
        let rooms = fresh.path().join(ROOMS);
        fs::create_dir(&rooms).and_then(|()| passable(&rooms)).map_err(failed)?;
        passable(fresh.path()).map_err(failed)?;
        let path = fresh.path().with_file_name(
            fresh.path().file_name().unwrap_or_default().to_string_lossy().replacen(
                ".reqpath-lab-new-",
                PREFIX,
                1,
            ),
        );
        let mut broom = Command::new("sh")
            .args(["-c", BROOM, "broom"])
            .arg(fresh.path())
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let leash = broom.stdin.take();
        // Only now, locked and leashed, does it get the name that a sweep looks for.
        let moved = fs::rename(fresh.path(), &path).map_err(failed);
        let lab = Self { path, lock, broom, leash };
        moved?;
        let _gone = fresh.keep();
        Ok(lab)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LabDirectory {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.broom.wait();
        // Usually gone by now; nothing more can be done about one that is not.
        let _ = fs::remove_dir_all(&self.path);
        let _ = self.lock.unlock();
    }
}

/// Where labs have their directories: in memory where there is plenty, as a database writes a thousand
/// files before it is ready, and else, or when told, where temporary files are.
fn base() -> PathBuf {
    let memory = Path::new(MEMORY);
    let plenty = || statvfs(memory).is_ok_and(|has| has.blocks_available() * has.fragment_size() >= PLENTY);
    if env::var_os("TMPDIR").is_none() && plenty() { memory.to_owned() } else { env::temp_dir() }
}

/// Removes the directories of labs whose process is gone.
fn sweep() {
    let bases = [env::temp_dir(), MEMORY.into()];
    let entries = bases.iter().filter_map(|base| fs::read_dir(base).ok()).flatten();
    for entry in entries.flatten() {
        // What another user put there is not ours to open: it could be a pipe that blocks.
        let ours =
            entry.metadata().is_ok_and(|known| known.is_dir() && known.uid() == Uid::effective().as_raw());
        if ours
            && entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Ok(lock) = File::open(entry.path().join("lock"))
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes in place: a file that is bound elsewhere must stay the same file.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::io(format!("write {}", path.display()), source))
}

fn bind(from: &Path, onto: &Path) -> Result<(), Error> {
    if !onto.exists() {
        return Err(Error::NothingToCover { path: onto.to_owned() });
    }
    let nothing: Option<&str> = None;
    mount(Some(from), onto, nothing, MsFlags::MS_BIND, nothing)
        .map_err(|errno| Error::kernel(format!("cover {}", onto.display()), errno))
}
