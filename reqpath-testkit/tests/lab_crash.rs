//! What is left of a lab when the process that holds it is killed: nothing.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of a test fails as the test does")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqpath_testkit::lab::{self, Lab, Link};

const CHILD: &str = "REQPATH_LAB_CRASH_CHILD";
const MARK: &str = "REQPATH_LAB_CRASH_MARK";

/// Not a test: what the killed copy of this program does.
#[test]
#[ignore = "it is run by the other tests of this file, in a process of its own"]
fn child() {
    let Some(mark) = env::var_os(CHILD) else { return };
    let lab = Lab::builder().host("client").host("server").connect(Link::between("client", "server"));
    let Some(lab) = lab::or_skip(lab.build()) else { return };
    for host in lab.hosts() {
        let script = "setsid sleep 1000 >/dev/null 2>&1 & sleep 1000";
        let program = host.command("sh").args(["-c", script]).env(MARK, &mark).spawn().unwrap();
        println!("\nLAB pid {}", program.id());
        program.leave_running();
    }
    println!("\nLAB directory {}", lab["client"].hosts_path().parent().unwrap().parent().unwrap().display());
    println!("\nLAB ready");
    loop {
        std::thread::park();
    }
}

struct Copy {
    process: Child,
    mark: String,
    pids: Vec<u32>,
    directory: PathBuf,
}

impl Copy {
    fn start(mark: &str, temporary: &Path) -> Option<Self> {
        let mark = format!("{mark}-{}", std::process::id());
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(CHILD, &mark)
            .env("TMPDIR", temporary)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut pids, mut directory) = (Vec::new(), PathBuf::new());
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(pid) = line.strip_prefix("LAB pid ") {
                pids.push(pid.parse().unwrap());
            } else if let Some(path) = line.strip_prefix("LAB directory ") {
                directory = path.into();
            } else if line == "LAB ready" {
                return Some(Self { process, mark, pids, directory });
            }
        }
        // It skipped, with its reason on standard error, or failed.
        assert!(process.wait().unwrap().success());
        None
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Processes that carry the mark in their environment.
fn marked(mark: &str) -> Vec<PathBuf> {
    let wanted = format!("{MARK}={mark}").into_bytes();
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    all.filter(|process| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
    })
    .collect()
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_left_after_kill_9() {
    lab::rootless(|| {
        let temporary = tempfile::tempdir().unwrap();
        let Some(mut copy) = Copy::start("killed", temporary.path()) else { return };
        assert_eq!(copy.pids.len(), 2);
        eventually("the programs start", || marked(&copy.mark).len() == 6);
        assert!(copy.directory.starts_with(temporary.path()) && copy.directory.exists());
        let namespaces: Vec<PathBuf> =
            copy.pids.iter().map(|pid| fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap()).collect();

        copy.kill();

        eventually("every program is gone, orphans too", || marked(&copy.mark).is_empty());
        eventually("the directory is gone", || fs::read_dir(temporary.path()).unwrap().count() == 0);
        let holds = |process: &Path| {
            fs::read_link(process.join("ns/pid")).is_ok_and(|found| namespaces.contains(&found))
        };
        let all = || fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        eventually("no process is in the namespaces", || !all().any(|process| holds(&process)));
    });
}

#[test]
fn what_even_the_broom_could_not_sweep_goes_with_the_next_lab() {
    lab::rootless(|| {
        let temporary = tempfile::tempdir().unwrap();
        let Some(mut copy) = Copy::start("swept", temporary.path()) else { return };
        // The process that would remove the directory dies first, as when a whole control group is killed.
        let directory = copy.directory.clone();
        let broom = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).find(|process| {
            let line = fs::read(process.join("cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == directory.as_os_str().as_encoded_bytes())
        });
        let pid: u32 = broom.unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap();
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        copy.kill();
        assert!(directory.exists());

        // One that lives is left alone, and removes what the dead one left.
        let Some(mut other) = Copy::start("next", temporary.path()) else { return };
        assert!(!directory.exists());
        assert!(other.directory.exists());
        let Some(mut third) = Copy::start("third", temporary.path()) else { return };
        assert!(other.directory.exists(), "a lab in use is not swept");
        other.kill();
        third.kill();
        eventually("all is gone", || fs::read_dir(temporary.path()).unwrap().count() == 0);
    });
}
