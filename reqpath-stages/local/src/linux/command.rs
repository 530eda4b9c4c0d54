//! Running a command that only looks.

use std::env;
use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use reqpath_core::{Micros, Unavailable, escape, escape_bytes};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::last::Last;
use crate::place::Place;
use crate::spare::unavailable;

/// Where programs are looked for when the environment does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How much is read at once.
const PIECE: usize = 64 * 1024;
/// How many pieces a pipe holds at most: a mebibyte, where the system was told to make them large.
const AT_ONCE: usize = 16;
/// How much of its last words an error repeats, in characters.
const WORDS: usize = 200;

/// A program that was started, and what it prints.
pub(crate) struct Started {
    running: Running,
    printed: PipeReader,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// A program under way; with this, it and what it started come to an end.
struct Running {
    group: Pid,
    /// Its closing lets the program be reaped, and how it ended come back.
    release: Option<mpsc::Sender<()>>,
    reaped: oneshot::Receiver<io::Result<ExitStatus>>,
}

/// Runs a command from a place and gives the last `limit` bytes that it printed, on both outputs.
pub(crate) async fn command(
    place: &impl Place,
    command: &[String],
    limit: usize,
    time: Duration,
) -> Result<Vec<u8>, Unavailable> {
    let program = escape(command.first().map_or("", String::as_str), WORDS);
    match run(place, command, limit, time, Heard::Both).await? {
        (Some(status), printed) if !status.success() => Err(failed(&program, status, &printed)),
        // Nothing yet is not nothing.
        (None, printed) if printed.is_empty() && limit > 0 => {
            let time = Micros::from(time);
            Err(Unavailable::System(format!("`{program}` said nothing within {time}")))
        }
        (_, printed) => Ok(printed),
    }
}

/// Runs a command from a place and gives the last `limit` bytes of its standard output, however it ended;
/// what it complains of is not heard.
pub(crate) async fn output(
    place: &impl Place,
    command: &[String],
    limit: usize,
    time: Duration,
) -> Result<Vec<u8>, Unavailable> {
    Ok(run(place, command, limit, time, Heard::Output).await?.1)
}

/// Which of its outputs are heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Both,
    Output,
}

/// How it ended, if it did within the time, and what it printed last.
async fn run(
    place: &impl Place,
    command: &[String],
    limit: usize,
    time: Duration,
    heard: Heard,
) -> Result<(Option<ExitStatus>, Vec<u8>), Unavailable> {
    let Some(program) = command.first().cloned() else {
        return Err(Unavailable::System("the command is empty".to_owned()));
    };
    let words = command.to_vec();
    // Whatever time it takes to start is its own.
    let up = sleep(time);
    let started = place.here(move || start(&words, heard)).await.map_err(unavailable)?;
    let started = started.map_err(|error| not_started(&program, error))?;
    let printed = pipe::Receiver::from_owned_fd(OwnedFd::from(started.printed)).map_err(unavailable)?;
    let mut running = started.running;
    let mut last = Last::new(limit);
    let ended = tokio::select! {
        ended = follow(printed, started.ended, &mut last) => ended.map_err(unavailable)?,
        () = up => false,
    };
    let status = match ended {
        true => Some(running.end().await.map_err(unavailable)?),
        false => None,
    };
    Ok((status, last.into_bytes()))
}

/// Starts it in the calling thread, whose namespaces it has; alone in its process group.
fn start(words: &[String], heard: Heard) -> io::Result<Started> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    // One pipe for both: what was said is in the order in which it was said.
    let (printed, out) = io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_else(|| PATH.into()))
        .env("LANG", "C")
        .stdin(Stdio::from(File::open("/dev/null")?))
        .stderr(match heard {
            Heard::Both => Stdio::from(out.try_clone()?),
            Heard::Output => Stdio::null(),
        })
        .stdout(out)
        .process_group(0);
    if let Some(home) = env::var_os("HOME") {
        command.env("HOME", home);
    }
    let child = command.spawn()?;
    // Our ends of the pipe go with this: only the program's are left.
    drop(command);
    // Process ids fit: the kernel's own type is signed.
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let (say_ended, ended) = oneshot::channel();
    let (say_reaped, reaped) = oneshot::channel();
    let (release, released) = mpsc::channel();
    let running = Running { group, release: Some(release), reaped };
    let watching = move || watch(child, group, say_ended, &released, say_reaped);
    // Where no thread is to be had, the drop of `running` still ends the program.
    thread::Builder::new().name("command".to_owned()).stack_size(128 * 1024).spawn(watching)?;
    Ok(Started { running, printed, ended })
}

/// Waits for its end, and reaps it only when nobody will kill its group any more:
/// until then the number is its own.
fn watch(
    mut child: Child,
    pid: Pid,
    say_ended: oneshot::Sender<io::Result<()>>,
    released: &mpsc::Receiver<()>,
    say_reaped: oneshot::Sender<io::Result<ExitStatus>>,
) {
    let ended = loop {
        match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            other => break other.map(drop).map_err(io::Error::from),
        }
    };
    // Nobody listens any more when the time was up.
    let _ = say_ended.send(ended);
    let _ = released.recv();
    let _ = say_reaped.send(child.wait());
}

/// Reads what it prints until it has ended.
///
/// What it left running may hold the pipe open for ever: that is not waited for.
async fn follow(
    mut printed: pipe::Receiver,
    mut ended: oneshot::Receiver<io::Result<()>>,
    last: &mut Last,
) -> io::Result<bool> {
    let mut piece = vec![0; PIECE];
    loop {
        tokio::select! {
            biased;
            read = printed.read(&mut piece) => match read? {
                0 => break,
                length => last.extend(&piece[..length]),
            },
            over = &mut ended => {
                // What it had printed is there to be read. What it left running may print for ever.
                // The kernel is asked itself: `try_read` asks only where the reactor has seen the bytes come,
                // and news of the end may overtake that.
                for _ in 0..AT_ONCE {
                    let Ok(length @ 1..) = nix::unistd::read(&printed, &mut piece) else { break };
                    last.extend(&piece[..length]);
                }
                return over.map_err(io::Error::other)?.map(|()| true);
            }
        }
    }
    ended.await.map_err(io::Error::other)?.map(|()| true)
}

impl Running {
    /// Ends what it left running, and tells how it ended itself.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        self.kill();
        (&mut self.reaped).await.map_err(io::Error::other)?
    }

    /// Kills the whole group, and lets its first process be reaped after that.
    fn kill(&mut self) {
        if let Some(release) = self.release.take() {
            // It may have ended by itself: then nothing is left to do.
            let _ = killpg(self.group, Signal::SIGKILL);
            drop(release);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn not_started(program: &str, error: io::Error) -> Unavailable {
    let program = escape(program, WORDS);
    match error.kind() {
        io::ErrorKind::NotFound => {
            Unavailable::System(format!("`{program}` is not there, or not in any folder of PATH"))
        }
        io::ErrorKind::PermissionDenied => Unavailable::System(format!("`{program}` may not be run")),
        _ => Unavailable::System(format!("`{program}` could not be started: {error}")),
    }
}

fn failed(program: &str, status: ExitStatus, printed: &[u8]) -> Unavailable {
    let mut lines = printed.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let words = lines.rfind(|line| !line.is_empty()).unwrap_or(b"it said nothing");
    Unavailable::System(format!("`{program}` failed ({status}): {}", escape_bytes(words, WORDS)))
}
