//! Runs the built program and reads what it says.
#![allow(dead_code, reason = "each test file uses its part")]

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

/// The program with a clean environment: no proxy settings of whoever runs the tests.
pub(crate) fn reqpath() -> Command {
    let mut command = Command::new(REQPATH);
    clean(&mut command);
    command
}

/// Removes what could lead a request elsewhere.
pub(crate) fn clean(command: &mut Command) {
    for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"]
    {
        command.env_remove(name);
    }
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Run {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let wall = began.elapsed();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Run {
        status: output.status.code().unwrap_or(-1),
        report: serde_json::from_str(&stdout).unwrap_or(Value::Null),
        stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        wall,
    }
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

impl Run {
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
        self
    }

    /// It died of exactly this; exit status 1.
    #[track_caller]
    pub(crate) fn assert_died(&self, code: &str) -> &Self {
        assert_eq!((self.kind(), self.code(), self.status), ("died", code, 1), "{}", self.told());
        self
    }

    /// Some samples died of exactly this; exit status 1.
    #[track_caller]
    pub(crate) fn assert_degraded(&self, code: &str) -> &Self {
        assert_eq!((self.kind(), self.code(), self.status), ("degraded", code, 1), "{}", self.told());
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
