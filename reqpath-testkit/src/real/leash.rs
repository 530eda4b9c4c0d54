use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::home::{self, Process};
use super::log::LOOK_AGAIN;
use super::room::PREFIX;
use super::{Log, RealError, Room};

/// How long a program may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// The supervisor. It runs the program given after its own arguments, and hears of the test only
/// by two pipes: signals to pass on come in by one, the program's pid and exit status go out by
/// the other. When the test is gone, the first pipe ends and the second breaks.
///
/// The kernel's own "signal me when my parent dies" would not do: it needs unsafe code, and it
/// fires when the *thread* that started the program ends.
const SUPERVISOR: &str = r#"
stop=$1 output=$2 room=$3
shift 3
exec 3<&0 </dev/null
"$@" 3<&- >>"$output" 2>&1 &
child=$!
trap '' PIPE
{
    while read -r signal <&3; do kill -s "$signal" "$child"; done
    kill -s "$stop" "$child"
    sleep 5
    kill -s KILL "$child"
} >/dev/null 2>&1 &
listener=$!
exec 3<&-
echo "$child"
wait "$child"
status=$?
kill -s KILL "$listener"
wait "$listener"
if ! echo "$status"; then
    case $room in */PREFIX*) rm -rf -- "$room" ;; esac
fi
kill -s KILL 0
"#;

/// A program that ends with the test that started it.
///
/// It runs in a process group of its own, so that what it starts in turn ends with it, and
/// Ctrl-C in a terminal reaches it by way of the test only. Dropping the leash asks the program
/// to end, waits, and kills it if it does not. When the test itself is killed, the supervisor
/// does the same, and removes the program's private directory.
///
/// ```
/// use reqpath_testkit::real::{Leash, Room};
/// use std::process::Command;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), reqpath_testkit::real::RealError> {
/// let room = Room::new("sleeper")?;
/// let mut command = Command::new("/bin/sh");
/// command.args(["-c", "echo ready; exec sleep 60"]);
/// let mut leash = Leash::hold("sleeper", &command, "TERM", &room)?;
/// let output = leash.output().clone();
/// let said = leash.wait_ready(Duration::from_secs(20), || Ok(output.lines().pop()))?;
/// assert_eq!(said, "ready");
/// assert!(leash.is_running());
/// # Ok(())
/// # }
/// ```
///
/// Other signals reach it too:
///
/// ```
/// use reqpath_testkit::real::{Leash, Room};
/// use std::process::Command;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), reqpath_testkit::real::RealError> {
/// let room = Room::new("listener")?;
/// let mut command = Command::new("/bin/sh");
/// command.args(["-c", "trap 'echo again' HUP; echo ready; while :; do sleep 0.1; done"]);
/// let mut leash = Leash::hold("listener", &command, "TERM", &room)?;
/// let output = leash.output().clone();
/// let said = |word: &str| output.lines().iter().any(|line| line == word).then_some(());
/// leash.wait_ready(Duration::from_secs(20), || Ok(said("ready")))?;
/// leash.signal("HUP")?;
/// leash.wait_ready(Duration::from_secs(20), || Ok(said("again")))?;
/// assert!(std::path::Path::new(&format!("/proc/{}", leash.pid())).exists() || cfg!(not(target_os = "linux")));
/// assert!(output.path().starts_with(room.path()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Leash {
    part: String,
    stop: String,
    supervisor: Box<dyn Process>,
    signals: ChildStdin,
    reports: BufReader<ChildStdout>,
    pid: u32,
    output: Log,
}

impl Leash {
    /// Starts `command`, which must stay in the foreground, with its output in `room`.
    ///
    /// Program, arguments, environment and directory of `command` count; its standard streams do
    /// not. `stop` is the signal, such as `TERM`, that asks it to end. The program belongs to the
    /// network namespace of the calling thread, which may end at once.
    ///
    /// # Errors
    ///
    /// When no process can be started. A program that cannot be run is found to have ended.
    pub fn hold(part: &str, command: &Command, stop: &str, room: &Room) -> Result<Self, RealError> {
        let output = Log::at(room.join("output"));
        let mut shell = Command::new("/bin/sh");
        home::furnish(&mut shell);
        shell
            .arg("-c")
            .arg(SUPERVISOR.replace("PREFIX", PREFIX))
            .arg("sh")
            .arg(stop)
            .arg(output.path())
            .arg(room.path())
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(command.get_current_dir().unwrap_or_else(|| room.path()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let doing = || format!("start {part}");
        let mut started = home::spawn(&mut shell).map_err(RealError::machine(doing()))?;
        let (Some(signals), Some(reports)) = (started.stdin.take(), started.stdout.take()) else {
            return Err(RealError::machine(doing())(std::io::ErrorKind::BrokenPipe.into()));
        };
        let mut reports = BufReader::new(reports);
        let mut first = String::new();
        reports.read_line(&mut first).map_err(RealError::machine(doing()))?;
        let pid = first.trim().parse().map_err(|odd| {
            RealError::machine(doing())(std::io::Error::new(std::io::ErrorKind::InvalidData, odd))
        })?;
        let pid = if home::here().is_some() { as_we_count(started.id, pid) } else { pid };
        let (part, stop) = (part.to_owned(), stop.to_owned());
        Ok(Self { part, stop, supervisor: started.process, signals, reports, pid, output })
    }

    /// The program's process id.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// What the program wrote to its standard output and standard error.
    #[must_use]
    pub const fn output(&self) -> &Log {
        &self.output
    }

    /// Sends a signal, named as `kill -s` names it: `HUP`, `USR1`.
    ///
    /// # Errors
    ///
    /// When the program has ended.
    pub fn signal(&mut self, name: &str) -> Result<(), RealError> {
        let part = &self.part;
        writeln!(self.signals, "{name}").map_err(RealError::machine(format!("signal {part}")))
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        !self.supervisor.has_ended()
    }

    /// Waits until `ready` gives something, and says how it went otherwise.
    ///
    /// `ready` is asked again and again; it should look at what the program itself says. An error
    /// it gives ends the wait.
    ///
    /// # Errors
    ///
    /// When the program ends first, when `patience` does, or when `ready` fails.
    pub fn wait_ready<T>(
        &mut self,
        patience: Duration,
        mut ready: impl FnMut() -> Result<Option<T>, RealError>,
    ) -> Result<T, RealError> {
        let deadline = Instant::now() + patience;
        loop {
            // In this order: what it said before it ended is then still heard.
            let running = self.is_running();
            if let Some(found) = ready()? {
                return Ok(found);
            }
            if !running {
                return Err(self.ended_early());
            }
            if Instant::now() >= deadline {
                let (part, output) = (self.part.clone(), self.output.tail());
                return Err(RealError::NotReady { part, after: patience, output });
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn ended_early(&mut self) -> RealError {
        let mut status = String::new();
        let read = self.reports.read_line(&mut status);
        RealError::EndedEarly {
            part: self.part.clone(),
            status: read.ok().and_then(|_| status.trim().parse().ok()),
            output: self.output.tail(),
        }
    }
}

/// The process id, as this process counts, of the child that its parent knows by another.
///
/// Of one that has ended there is no such id; the parent stands in for it, as signals to the wrong
/// process would be worse.
fn as_we_count(parent: u32, inside: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap_or_default();
    let is_it = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        ids.split_whitespace().next_back() == Some(inside.to_string().as_str())
    };
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_it).unwrap_or(parent)
}

fn ended_within(supervisor: &mut dyn Process, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while !supervisor.has_ended() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK_AGAIN);
    }
    true
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Each step is for the case that the one before was not enough; that a pipe is already
        // broken means that the program has ended.
        for signal in [self.stop.as_str(), "KILL"] {
            let _ = writeln!(self.signals, "{signal}");
            if ended_within(&mut *self.supervisor, GRACE) {
                return;
            }
        }
        self.supervisor.end();
    }
}
