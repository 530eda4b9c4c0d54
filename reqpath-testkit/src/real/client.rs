//! The client programs that come with a server, and other programs that run to their end.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Leash, RealError, Room};

/// How long preparing a data directory may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a client with `input` and gives what it wrote, or its complaint.
///
/// `client` should begin with an empty environment: there its user keeps passwords and habits.
pub(super) fn ask(part: &str, client: &mut Command, input: &str) -> Result<String, RealError> {
    let doing = || format!("run a client of {part}");
    let mut child = client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(RealError::machine(doing()))?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        // A client may answer before it has read all; both sides would wait for each other.
        scope.spawn(|| {
            // A client that complains early does not read the rest.
            stdin.map(|mut stdin| stdin.write_all(input.as_bytes()))
        });
        child.wait_with_output()
    });
    let output = output.map_err(RealError::machine(doing()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complaint = format!("{}{said}", String::from_utf8_lossy(&output.stderr));
    Err(RealError::Refused { part: part.to_owned(), output: complaint.trim().to_owned() })
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
