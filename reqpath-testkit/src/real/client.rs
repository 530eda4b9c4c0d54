//! The client programs that come with a server, and other programs that run to their end.

use std::io::{self, Read, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::log::LOOK_AGAIN;
use super::{Leash, Log, RealError, Room};

/// How long preparing a data directory may take on a busy machine, and how long an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a client with `input` and gives what it wrote, or its complaint.
///
/// `client` should begin with an empty environment: there its user keeps passwords and habits.
/// `log` is what the server writes, which may say why it does not answer.
pub(super) fn ask(part: &str, client: &mut Command, input: &str, log: &Log) -> Result<String, RealError> {
    ask_within(PATIENCE, part, client, input, log)
}

fn ask_within(
    patience: Duration,
    part: &str,
    client: &mut Command,
    input: &str,
    log: &Log,
) -> Result<String, RealError> {
    let doing = || format!("run a client of {part}");
    let mut child = client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(RealError::machine(doing()))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let deadline = Instant::now() + patience;
    let (status, said, complaint) = thread::scope(|scope| {
        // A client may answer before it has read all; both sides would wait for each other.
        // One that complains early does not read the rest.
        scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        let said = scope.spawn(|| all_of(stdout));
        let complaint = scope.spawn(|| all_of(stderr));
        let status = loop {
            match child.try_wait() {
                Ok(None) if Instant::now() < deadline => thread::sleep(LOOK_AGAIN),
                ended => break ended,
            }
        };
        if !matches!(status, Ok(Some(_))) {
            // It may have ended by itself meanwhile; then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
        (status, said.join().unwrap_or_default(), complaint.join().unwrap_or_default())
    });
    match status.map_err(RealError::machine(doing()))? {
        Some(status) if status.success() => Ok(said),
        Some(_) => {
            let complaint = format!("{complaint}{said}");
            Err(RealError::Refused { part: part.to_owned(), output: complaint.trim().to_owned() })
        }
        None => Err(RealError::NoAnswer { part: part.to_owned(), after: patience, output: log.tail() }),
    }
}

/// What could be read of a stream until its end.
fn all_of(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    // What came before an error is worth as much as what came before the end.
    let _: Option<io::Result<usize>> = stream.map(|mut stream| stream.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a program that prepares something in `room`; it ends with the test if it does not before.
pub(super) fn complete(part: &str, command: &Command, room: &Room) -> Result<(), RealError> {
    let mut leash = Leash::hold(part, command, "TERM", room)?;
    match leash.wait_ready(PATIENCE, || Ok(None::<()>)) {
        Ok(()) | Err(RealError::EndedEarly { status: Some(0), .. }) => Ok(()),
        Err(RealError::EndedEarly { part, output, .. }) => Err(RealError::Refused { part, output }),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_an_answer_is_ended_and_the_servers_words_are_told() {
        let room = Room::new("silent").unwrap();
        let log = Log::at(room.write("output", "waiting for a lock\n").unwrap());
        let mut client = Command::new("/bin/sh");
        client.args(["-c", "cat >/dev/null; echo half; exec sleep 1000"]);
        let input = "x".repeat(1 << 20);
        let began = Instant::now();
        let error = ask_within(Duration::from_millis(200), "silent", &mut client, &input, &log).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(error.to_string(), "silent did not answer within 200ms: waiting for a lock");
    }
}
