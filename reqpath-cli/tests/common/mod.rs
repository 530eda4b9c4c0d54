//! Runs the built program and reads what it says.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::expect_used, reason = "a failed expectation is the message")]

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jsonschema::Validator;
use serde_json::Value;

/// The built program.
pub(crate) const REQPATH: &str = env!("CARGO_BIN_EXE_reqpath");

/// What one run of the program gave.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit status; -1 after a signal.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    /// Wall time of the whole process.
    pub(crate) wall: Duration,
    /// The report, where standard output is one.
    pub(crate) report: Value,
}

/// What a program under test reads of the environment, and whoever runs the tests may have set: where
/// a request is led, whom it trusts, and how the report looks (`CI` too says that colours are welcome).
const SURROUNDINGS: [&str; 13] = [
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "NO_COLOR",
];

/// The program with a clean environment: no settings of whoever runs the tests.
pub(crate) fn reqpath() -> Command {
    let mut command = Command::new(REQPATH);
    clean(&mut command);
    command
}

/// Removes what could lead a request elsewhere or make the report look otherwise.
pub(crate) fn clean(command: &mut Command) {
    for name in SURROUNDINGS {
        command.env_remove(name);
    }
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Run {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    Run::of(&output, began.elapsed())
}

/// Runs a command and watches how much it has resident at most, in KiB.
#[cfg(target_os = "linux")]
pub(crate) fn watched(mut command: Command) -> (Run, u64) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (out, error) = (folder.path().join("out"), folder.path().join("error"));
    let file = |path| std::fs::File::create(path).expect("a file");
    command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&error));
    let began = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let mut most = 0;
    let status = loop {
        // The kernel keeps the high-water mark; only its last value is asked for, again and again.
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mark = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        most = most.max(mark.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let wall = began.elapsed();
    let read = |path| std::fs::read(path).expect("a file");
    assert!(most > 0, "the program was never seen running");
    (Run::of(&Output { status, stdout: read(&out), stderr: read(&error) }, wall), most)
}

/// `reqpath trace --json` with these arguments.
pub(crate) fn trace<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    let mut command = reqpath();
    command.arg("trace").arg("--json").args(arguments);
    run(command)
}

/// `reqpath trace --json` inside a namespace or with another set-up: the given command runs the program.
pub(crate) fn trace_by<S: AsRef<OsStr>>(mut command: Command, arguments: impl IntoIterator<Item = S>) -> Run {
    clean(&mut command);
    command.arg("trace").arg("--json").args(arguments);
    run(command)
}

/// The published schema, as the program prints it.
static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let printed = reqpath().arg("schema").output().expect("the program starts");
    let schema = serde_json::from_slice(&printed.stdout).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is a schema")
});

/// Judges a report again, from standard input.
pub(crate) fn judge_again(report: &str) -> Run {
    let began = Instant::now();
    let mut command = reqpath();
    command
        .args(["judge", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // Taken, so that it is closed afterwards. A program that does not want it is told by what it says instead.
    let _ = child.stdin.take().expect("it is piped").write_all(report.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    Run::of(&output, began.elapsed())
}

/// Traces until one process is over in time, a few times at most: a busy machine may delay one, and what counts
/// is what the program can do. Each run is looked at, in time or not.
#[track_caller]
pub(crate) fn once_within(limit: Duration, mut trace: impl FnMut() -> Run, check: impl Fn(&Run)) -> Run {
    let mut walls = Vec::new();
    for _ in 0..8 {
        let run = trace();
        check(&run);
        if run.wall <= limit {
            return run;
        }
        walls.push(run.wall);
    }
    panic!("never over within {limit:?}: {walls:?}");
}

impl Run {
    /// What a process that has ended left behind.
    pub(crate) fn of(output: &Output, wall: Duration) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Self {
            status: output.status.code().unwrap_or(-1),
            report: serde_json::from_str(&stdout).unwrap_or(Value::Null),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            wall,
        }
    }

    /// What holds of every report, whatever was traced: it fits the schema, its verdict is what a second
    /// judgement gives, and nothing in it drives a terminal.
    #[track_caller]
    fn assert_sound(&self) {
        let errors: Vec<String> = SCHEMA.iter_errors(&self.report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{}", self.told());
        let again = judge_again(&self.stdout);
        for part in ["verdict", "findings", "ruled_out", "next"] {
            assert_eq!(again.report[part], self.report[part], "{part} when judged again\n{}", self.told());
        }
        let driving = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
        assert!(!self.stdout.contains(driving), "control characters in {:?}", self.stdout);
    }

    /// `reached`, `died`, `degraded`, `unknown`, or empty where there is no report.
    pub(crate) fn kind(&self) -> &str {
        self.report["verdict"]["kind"].as_str().unwrap_or_default()
    }

    /// The verdict's cause, or empty.
    pub(crate) fn code(&self) -> &str {
        self.report["verdict"]["cause"]["code"].as_str().unwrap_or_default()
    }

    /// The codes of all findings of this weight.
    pub(crate) fn found(&self, weight: &str) -> Vec<&str> {
        let findings = self.report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        findings.iter().filter(|f| f["weight"] == weight).filter_map(|f| f["code"].as_str()).collect()
    }

    /// The codes that were ruled out.
    pub(crate) fn ruled_out(&self) -> Vec<&str> {
        let ruled = self.report["ruled_out"].as_array().map(Vec::as_slice).unwrap_or_default();
        ruled.iter().filter_map(|r| r["code"].as_str()).collect()
    }

    /// The data of all observations of a kind.
    pub(crate) fn seen(&self, kind: &str) -> Vec<&Value> {
        let seen = self.report["observations"].as_array().map(Vec::as_slice).unwrap_or_default();
        seen.iter().filter(|o| o["kind"] == kind).map(|o| &o["data"]).collect()
    }

    /// It reached the end; exit status 0.
    #[track_caller]
    pub(crate) fn assert_reached(&self) -> &Self {
        assert_eq!((self.kind(), self.status), ("reached", 0), "{}", self.told());
        self.assert_sound();
        self
    }

    /// It died of exactly this; exit status 1.
    #[track_caller]
    pub(crate) fn assert_died(&self, code: &str) -> &Self {
        assert_eq!((self.kind(), self.code(), self.status), ("died", code, 1), "{}", self.told());
        self.assert_sound();
        self
    }

    /// Some samples died of exactly this; exit status 1.
    #[track_caller]
    pub(crate) fn assert_degraded(&self, code: &str) -> &Self {
        assert_eq!((self.kind(), self.code(), self.status), ("degraded", code, 1), "{}", self.told());
        self.assert_sound();
        self
    }

    /// This is said as a warning.
    #[track_caller]
    pub(crate) fn assert_warned(&self, code: &str) -> &Self {
        assert!(self.found("warning").contains(&code), "no warning {code}\n{}", self.told());
        self
    }

    /// This is not found at all, neither as a death nor as a warning.
    #[track_caller]
    pub(crate) fn assert_not_blamed(&self, code: &str) -> &Self {
        let found = self.found("fatal").contains(&code) || self.found("warning").contains(&code);
        assert!(!found && self.code() != code, "{code} was blamed\n{}", self.told());
        self
    }

    /// The caller's mistake: exit status 2, one line on standard error with this in it, nothing on standard output.
    #[track_caller]
    pub(crate) fn assert_mistake(&self, says: &str) -> &Self {
        assert_eq!(self.status, 2, "{}", self.told());
        assert!(self.stderr.contains(says), "expected `{says}` in\n{}", self.stderr);
        assert!(self.stdout.is_empty(), "{}", self.stdout);
        self
    }

    /// The report without its bulk, for a failed assertion.
    pub(crate) fn told(&self) -> String {
        if self.report.is_null() {
            return format!("status {}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        }
        let short = |observation: &Value| {
            format!("  {} {} {}", observation["kind"], observation["subject"], observation["data"])
        };
        let seen: Vec<String> =
            self.report["observations"].as_array().into_iter().flatten().map(short).collect();
        format!(
            "status {}, wall {:?}\nverdict {:#}\nfindings {:#}\nruled out {}\nerrors {}\nseen\n{}\nstderr: {}",
            self.status,
            self.wall,
            self.report["verdict"],
            self.report["findings"],
            self.report["ruled_out"],
            self.report["errors"],
            seen.join("\n"),
            self.stderr
        )
    }
}

/// A name nobody else uses in this run.
pub(crate) fn name() -> String {
    format!("h{:08x}.example.test", fastrand::u32(..))
}
