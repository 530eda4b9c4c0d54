//! Programs that are started with a lab.

use std::{
    fs::File,
    io::Read as _,
    path::Path,
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

use super::{error::Error, host::Host};

/// How long a program may take to be ready, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(3);
/// What is kept of what it writes.
const OUTPUT_AT_MOST: u64 = 16 << 20;

/// A program that is started inside a host when the lab is built, and runs until the lab ends.
///
/// Nothing follows before it is ready, so a server comes before its clients.
///
/// ```
/// use reqpath_testkit::lab::{self, HostSpec, Lab, Program, Ready};
///
/// let program = Program::new("hello", ["sh", "-c", "echo here; exec sleep 1000"]);
/// let host = HostSpec::new("server").program(program.ready(Ready::Says("here".to_owned())));
/// let Some(lab) = lab::or_skip(Lab::builder().host(host).build()) else { return };
/// assert_eq!(lab["server"].output_of("hello").unwrap(), "here\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Program {
    pub(super) name: String,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) ready: Ready,
}

/// What shows that a program is ready.
///
/// ```
/// use std::net::TcpStream;
/// use reqpath_testkit::lab::{self, HostSpec, Lab, Program, Ready};
///
/// let serve = Program::new("web", ["python3", "-m", "http.server", "8080"]).ready(Ready::Listens(8080));
/// let prepare = Program::new("prepare", ["true"]).ready(Ready::Ends);
/// let server = HostSpec::new("server").program(prepare).program(serve);
/// # if !std::path::Path::new("/usr/bin/python3").exists() { return }
/// let lab = Lab::builder().host("client").host(server).link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// lab["client"].run(|| TcpStream::connect((lab["server"].ipv4(), 8080))).unwrap().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ready {
    /// That it was started.
    #[default]
    AtOnce,
    /// That something in the host listens on this TCP port.
    Listens(u16),
    /// That it has written this.
    Says(String),
    /// That it has ended, with success.
    Ends,
}

impl Program {
    /// A program with its arguments; the name is for the lab's own use.
    pub fn new(name: impl Into<String>, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Self { name: name.into(), command, environment: Vec::new(), ready: Ready::AtOnce }
    }

    /// Sets a variable of the environment, for this program alone.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Says what shows that it is ready.
    pub fn ready(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// Starts it and waits until it is ready.
    pub(super) fn start(&self, host: &Host) -> Result<(), Error> {
        // The plan has refused a command of no words.
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let path = host.log_path(&self.name);
        let log = File::create(&path)
            .and_then(|log| Ok((log.try_clone()?, log)))
            .map_err(|source| Error::io(format!("write {}", path.display()), source))?;
        let mut command = host.command(program).args(arguments).stdout(log.0).stderr(log.1);
        for (name, value) in &self.environment {
            command = command.env(name, value);
        }
        let child = command.spawn()?;
        let begun = Instant::now();
        loop {
            // In this order: what it did before it ended then still counts.
            let ended = child.try_wait()?;
            let ready = match (&self.ready, ended) {
                (Ready::AtOnce, _) => true,
                (Ready::Listens(port), _) => listens(host, *port)?,
                (Ready::Says(text), _) => output(&path)?.contains(text.as_str()),
                (Ready::Ends, status) => status.is_some_and(|status| status.success()),
            };
            if ready {
                break;
            }
            if let Some(status) = ended {
                return Err(self.ended(host, status, &path));
            }
            if begun.elapsed() >= PATIENCE {
                let missing = format!("`{}` {}", self.name, self.ready.missing());
                return Err(Error::NotReady { host: host.name().to_owned(), waited: PATIENCE, missing });
            }
            thread::sleep(LOOK_AGAIN);
        }
        child.leave_running();
        Ok(())
    }

    fn ended(&self, host: &Host, status: ExitStatus, log: &Path) -> Error {
        let said = output(log).unwrap_or_default();
        let tail = said.trim().char_indices().rev().nth(2000).map_or(0, |(at, _)| at);
        let said = said.trim().get(tail..).unwrap_or_default().to_owned();
        Error::ProgramEnded { host: host.name().to_owned(), program: self.name.clone(), status, said }
    }
}

impl Ready {
    fn missing(&self) -> String {
        match self {
            Self::AtOnce => "is not running".to_owned(),
            Self::Listens(port) => format!("does not listen on port {port}"),
            Self::Says(text) => format!("has not said `{}`", text.escape_debug()),
            Self::Ends => "still runs".to_owned(),
        }
    }
}

/// What a log holds by now.
pub(super) fn output(log: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    File::open(log)
        .and_then(|file| file.take(OUTPUT_AT_MOST).read_to_end(&mut bytes))
        .map_err(|source| Error::io(format!("read {}", log.display()), source))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Looked up in the kernel's own list: a connection to try would be the server's first.
fn listens(host: &Host, port: u16) -> Result<bool, Error> {
    host.run(|| {
        ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].iter().any(|list| {
            // Without IPv6 there is no second list.
            let list = std::fs::read_to_string(list).unwrap_or_default();
            list.lines().skip(1).any(|line| is_listener(line, port))
        })
    })
}

/// Whether a line of such a list is of a socket that listens (state 0A) on this port.
fn is_listener(line: &str, port: u16) -> bool {
    let mut words = line.split_whitespace().skip(1);
    let (local, state) = (words.next(), words.nth(1));
    let bound = local.and_then(|local| local.rsplit_once(':')).map(|(_, port)| port);
    bound.and_then(|bound| u16::from_str_radix(bound, 16).ok()) == Some(port) && state == Some("0A")
}

#[cfg(test)]
mod tests {
    use super::is_listener;

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let listens = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0";
        assert!(is_listener(listens, 8080));
        assert!(!is_listener(listens, 80));
        assert!(!is_listener(&listens.replace(" 0A ", " 01 "), 8080));
        assert!(!is_listener("", 0));
    }
}
