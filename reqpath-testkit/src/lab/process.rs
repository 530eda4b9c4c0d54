//! Programs run inside a host.

use std::{
    ffi::OsStr,
    io::{self, Read},
    path::Path,
    process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{error::Error, host::Host, keeper::Tracked};

/// What is kept of the output of a program.
const OUTPUT_AT_MOST: u64 = 16 << 20;

/// A program about to be run inside a host, in the manner of [`std::process::Command`].
///
/// It sees the network, `resolv.conf` and hosts file of the host, and the environment of the host instead
/// of ours (only `PATH` is taken over). Files, cgroups and `/sys` are this machine's.
///
/// ```
/// use reqpath_testkit::lab::{self, Lab};
///
/// let Some(lab) = lab::or_skip(Lab::builder().host("client").build()) else { return };
/// let command = lab["client"].command("sh").args(["-c", "echo $GREETING"]).env("GREETING", "hello");
/// assert_eq!(command.output().unwrap().stdout, b"hello\n");
/// ```
///
/// Where it runs, what it reads, and for how long:
///
/// ```
/// use std::process::Stdio;
/// use std::time::Duration;
/// use reqpath_testkit::lab::{self, Lab};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let Some(lab) = lab::or_skip(Lab::builder().host("client").build()) else { return Ok(()) };
/// let room = tempfile::tempdir()?;
/// std::fs::write(room.path().join("note"), "hello\n")?;
/// let cat = lab["client"]
///     .command("cat")
///     .arg("-")
///     .stdin(std::fs::File::open(room.path().join("note"))?)
///     .current_dir(room.path())
///     .stderr(Stdio::null());
/// assert_eq!(cat.output()?.stdout, b"hello\n");
///
/// let endless = lab["client"].command("sleep").arg("1000").limit(Duration::from_millis(50));
/// assert!(endless.status().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HostCommand {
    host: Host,
    command: Command,
    limit: Duration,
}

impl HostCommand {
    pub(super) fn new(host: Host, command: Command) -> Self {
        Self { host, command, limit: Duration::from_secs(30) }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the environment, for this program alone.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory (else it is ours).
    #[must_use]
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Sets standard input (else it is empty).
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Sets standard output.
    #[must_use]
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// Sets standard error.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// Sets how long [`output`](Self::output) and [`status`](Self::status) wait (else 30 seconds).
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    /// When it cannot be started, or the lab is gone.
    pub fn spawn(mut self) -> Result<HostChild, Error> {
        let tracked = self.host.start_process(&mut self.command)?;
        let (stdin, stdout, stderr) = {
            let mut child = tracked.child();
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        };
        let program = self.command.get_program().to_string_lossy().into_owned();
        Ok(HostChild {
            tracked,
            host: self.host.name().to_owned(),
            program,
            left: false,
            stdin,
            stdout,
            stderr,
        })
    }

    /// Runs the program to its end and returns what it wrote, up to 16 MiB of each stream.
    ///
    /// # Errors
    /// When it cannot be started, or runs longer than its limit.
    pub fn output(mut self) -> Result<Output, Error> {
        let limit = self.limit;
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn()?;
        let end = Instant::now() + limit;
        let stdout = child.stdout.take().map(gather);
        let stderr = child.stderr.take().map(gather);
        let status = child.wait_within(limit)?;
        let stdout = child.gathered(stdout, end, limit)?;
        let stderr = child.gathered(stderr, end, limit)?;
        Ok(Output { status, stdout, stderr })
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// When it cannot be started, or runs longer than its limit.
    pub fn status(self) -> Result<ExitStatus, Error> {
        let limit = self.limit;
        self.spawn()?.wait_within(limit)
    }
}

/// A program that runs inside a host; it is killed when this is dropped, and when the lab ends.
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::lab::{self, Lab};
///
/// let Some(lab) = lab::or_skip(Lab::builder().host("server").build()) else { return };
/// let child = lab["server"].command("sleep").arg("1000").spawn().unwrap();
/// assert!(child.try_wait().unwrap().is_none(), "it runs");
/// let ended = child.terminate(Duration::from_secs(20)).unwrap();
/// assert!(!ended.success());
/// ```
///
/// It may also end by itself, by force, or with the lab:
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::lab::{self, Lab};
///
/// let Some(lab) = lab::or_skip(Lab::builder().host("server").build()) else { return };
/// let start = |seconds: &str| lab["server"].command("sleep").arg(seconds).spawn().unwrap();
/// assert!(start("0").wait_within(Duration::from_secs(20)).unwrap().success());
///
/// let stubborn = start("1000");
/// assert!(std::path::Path::new(&format!("/proc/{}", stubborn.id())).exists());
/// stubborn.kill();
/// assert!(!std::path::Path::new(&format!("/proc/{}", stubborn.id())).exists());
///
/// start("1000").leave_running();                                  // nobody holds it, the lab ends it
/// ```
#[derive(Debug)]
pub struct HostChild {
    tracked: Arc<Tracked>,
    host: String,
    program: String,
    left: bool,
    /// Its standard input, where that was asked to be a pipe.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, where that was asked to be a pipe.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, where that was asked to be a pipe.
    pub stderr: Option<ChildStderr>,
}

impl HostChild {
    /// Its process id, as seen from this process (inside the host it has another).
    #[must_use]
    pub fn id(&self) -> u32 {
        self.tracked.id()
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        self.tracked.child().try_wait().map_err(|source| self.failed(source))
    }

    /// Waits for its end; kills it when that takes too long.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn wait_within(&self, limit: Duration) -> Result<ExitStatus, Error> {
        let (say, heard) = mpsc::channel();
        let tracked = Arc::clone(&self.tracked);
        thread::spawn(move || say.send(tracked.wait()));
        match heard.recv_timeout(limit) {
            Ok(status) => status.map_err(|source| self.failed(source)),
            Err(_) => Err(self.overrun(limit)),
        }
    }

    /// Asks it to end (`SIGTERM`), and kills it when it does not within `patience`.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn terminate(&self, patience: Duration) -> Result<ExitStatus, Error> {
        self.tracked.terminate();
        self.wait_within(patience)
    }

    /// Kills it and what it started, and waits until it is gone.
    pub fn kill(&self) {
        self.tracked.kill();
        // It has been killed: this takes no time, and how it ended is no news.
        let _ = self.tracked.wait();
    }

    /// Lets it run until the lab ends.
    ///
    /// Pipes to it that were not taken out are closed.
    pub fn leave_running(mut self) {
        self.left = true;
    }

    fn gathered(
        &self,
        stream: Option<mpsc::Receiver<io::Result<Vec<u8>>>>,
        end: Instant,
        limit: Duration,
    ) -> Result<Vec<u8>, Error> {
        let Some(stream) = stream else { return Ok(Vec::new()) };
        // A daemon that it left behind may hold the stream open.
        match stream.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(bytes) => bytes.map_err(|source| self.failed(source)),
            Err(_) => Err(self.overrun(limit)),
        }
    }

    fn overrun(&self, waited: Duration) -> Error {
        self.kill();
        Error::Overrun { host: self.host.clone(), program: self.program.clone(), waited }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::io(format!("watch `{}` in `{}`", self.program, self.host), source)
    }
}

impl Drop for HostChild {
    fn drop(&mut self) {
        if !self.left {
            self.kill();
        }
    }
}

fn gather(stream: impl Read + Send + 'static) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (say, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stream.take(OUTPUT_AT_MOST).read_to_end(&mut bytes);
        say.send(read.map(|_| bytes))
    });
    heard
}
