//! Whether real parts go when the test that started them cannot clean up any more.
//!
//! The test starts a copy of its own program, with an environment variable that makes one
//! otherwise idle test start a server from a thread that ends. Then the copy is killed with
//! SIGKILL, which no destructor survives.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use super::{
    Envoy, Haproxy, Knot, Leash, MariaDb, Nginx, Postgres, RealError, Redis, Room, Unbound, Zone, require,
};

const ROLE: &str = "REQPATH_TESTKIT_SURVIVAL_ROLE";
const SOON: Duration = Duration::from_secs(20);

/// What the copy of this program started: process ids, room, and address if it has one.
struct Started {
    copy: Child,
    pid: u32,
    room: PathBuf,
    address: String,
}

impl Started {
    fn by_copy(role: &str) -> Self {
        let mut copy = Command::new(env::current_exe().unwrap())
            .args(["--exact", "real::survival::role_of_the_copy", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(copy.stdout.take().unwrap());
        let said = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("STARTED ").map(|(_, said)| said.to_owned()));
        let said = said.unwrap_or_else(|| panic!("the copy started no {role}"));
        let mut words = said.split_whitespace();
        let mut next = || words.next().unwrap().to_owned();
        Self { copy, pid: next().parse().unwrap(), room: next().into(), address: next() }
    }

    fn kill_and_look(mut self) {
        // The thread that started the server ended before the copy spoke.
        assert!(alive(self.pid), "the server went with the thread that started it");
        if self.address != "-" {
            TcpStream::connect(&self.address).unwrap();
        }
        let family = family_of(self.pid);
        assert!(family.contains(&self.pid));

        self.copy.kill().unwrap();
        self.copy.wait().unwrap();

        eventually("every process is gone", || family_of(self.pid).is_empty() && !alive(self.pid));
        eventually("nobody works in the directory", || !somebody_works_in(&self.room));
        for pid in family {
            eventually("every process is gone", || !alive(pid));
        }
        eventually("the private directory is gone", || !self.room.exists());
    }
}

#[test]
fn role_of_the_copy() {
    let Ok(role) = env::var(ROLE) else { return };
    // Leaked on purpose: nothing in the copy may drop it.
    let said = thread::spawn(move || start(&role)).join().unwrap();
    println!("\nSTARTED {said}");
    let mut until_killed = String::new();
    std::io::stdin().read_to_string(&mut until_killed).unwrap();
}

/// Starts a part that nothing will drop, and says where it is.
macro_rules! leaked {
    ($builder:expr) => {{
        let part = $builder.start().unwrap();
        let said = format!("{} {} {}", part.pid(), part.room().path().display(), part.address());
        std::mem::forget(part);
        said
    }};
}

fn haproxy() -> super::HaproxyBuilder {
    Haproxy::builder().config("frontend shop\n bind {listen}\n http-request deny")
}

/// An Envoy that listens, and has nothing behind it.
fn envoy() -> super::EnvoyBuilder {
    Envoy::builder().config(
        r#"
static_resources:
  listeners:
  - address: {listen}
    filter_chains:
    - filters:
      - name: envoy.filters.network.echo
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}
"#,
    )
}

fn start(role: &str) -> String {
    match role {
        "envoy" => leaked!(envoy()),
        "haproxy" => leaked!(haproxy()),
        "postgres" => leaked!(Postgres::builder()),
        "mariadb" => leaked!(MariaDb::builder()),
        "redis" => leaked!(Redis::builder()),
        "nginx" => {
            let nginx = Nginx::builder().server("listen {listen}; return 204;").start().unwrap();
            let said = format!("{} {} {}", nginx.pid(), nginx.room().path().display(), nginx.address());
            std::mem::forget(nginx);
            said
        }
        "knot" => {
            let knot = Knot::builder().zone(Zone::new("shop.test", "")).start().unwrap();
            let said = format!("{} {} {}", knot.pid(), knot.room().path().display(), knot.address());
            std::mem::forget(knot);
            said
        }
        "unbound" => {
            let unbound = Unbound::builder().start().unwrap();
            let said = format!("{} {} {}", unbound.pid(), unbound.room().path().display(), unbound.address());
            std::mem::forget(unbound);
            said
        }
        "stubborn" => {
            let room = Room::new("stubborn").unwrap();
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "trap '' TERM INT HUP; echo deaf; while :; do sleep 1000; done"]);
            let leash = Leash::hold("stubborn", &command, "TERM", &room).unwrap();
            leash.output().wait_for(SOON, |line| line == "deaf").unwrap();
            let said = format!("{} {} -", leash.pid(), room.path().display());
            std::mem::forget((leash, room));
            said
        }
        other => panic!("no role {other}"),
    }
}

#[test]
fn nginx_goes_with_a_killed_test() {
    let Some(_) = require(Nginx::builder().server("listen {listen};").start()) else { return };
    Started::by_copy("nginx").kill_and_look();
}

#[test]
fn dns_servers_go_with_a_killed_test() {
    if require(Knot::builder().start()).is_some() {
        Started::by_copy("knot").kill_and_look();
    }
    if require(Unbound::builder().start()).is_some() {
        Started::by_copy("unbound").kill_and_look();
    }
}

#[test]
fn proxies_go_with_a_killed_test() {
    if require(envoy().start()).is_some() {
        Started::by_copy("envoy").kill_and_look();
    }
    if require(haproxy().start()).is_some() {
        Started::by_copy("haproxy").kill_and_look();
    }
}

#[test]
fn databases_go_with_a_killed_test() {
    if require(Postgres::builder().start()).is_some() {
        Started::by_copy("postgres").kill_and_look();
    }
    if require(MariaDb::builder().start()).is_some() {
        Started::by_copy("mariadb").kill_and_look();
    }
    if require(Redis::builder().start()).is_some() {
        Started::by_copy("redis").kill_and_look();
    }
}

#[test]
fn a_program_deaf_to_signals_goes_with_a_killed_test() {
    let started = Started::by_copy("stubborn");
    let began = Instant::now();
    started.kill_and_look();
    assert!(began.elapsed() > Duration::from_secs(1), "it heard the signal, so nothing was shown");
}

#[test]
fn a_panic_ends_the_program() {
    let room = Room::new("panic").unwrap();
    let mut command = Command::new("/bin/sleep");
    command.arg("1000");
    let leash = Leash::hold("sleep", &command, "TERM", &room).unwrap();
    let pid = leash.pid();
    assert!(alive(pid));
    let panicked = thread::spawn(move || {
        let _leash = leash;
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert!(!alive(pid));
}

#[test]
fn a_program_that_ends_by_itself_is_told_with_its_status_and_words() {
    let room = Room::new("early").unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo no luck today; exit 3"]);
    let mut leash = Leash::hold("luck", &command, "TERM", &room).unwrap();
    let error = leash.wait_ready(SOON, || Ok(None::<()>)).unwrap_err();
    assert!(matches!(error, RealError::EndedEarly { status: Some(3), .. }), "{error:?}");
    assert!(error.to_string().contains("no luck today"), "{error}");
    assert!(leash.signal("HUP").is_err() || !leash.is_running());
    assert!(room.path().exists(), "its output is still wanted");
}

#[test]
fn many_at_once_do_not_meet() {
    let Some(_) = require(Nginx::builder().server("listen {listen};").start()) else { return };
    let Some(_) = require(Knot::builder().start()) else { return };
    let threads: Vec<_> = (0..24)
        .map(|number: u8| {
            thread::spawn(move || {
                let zone = Zone::new("shop.test", &format!("www A 192.0.2.{number}"));
                let knot = Knot::builder().zone(zone).start().unwrap();
                let nginx = Nginx::builder().server(&format!("listen {{listen}}; return 200 {number}!;"));
                let nginx = nginx.start().unwrap();
                let mut answer = String::new();
                let mut stream = TcpStream::connect(nginx.address()).unwrap();
                stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.ends_with(&format!("\n{number}!")), "{number} got {answer}");
                knot.address()
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_lives_in_the_namespace_of_the_thread_that_started_it() {
    let Some(_) = require(Nginx::builder().server("listen {listen};").start()) else { return };
    let started = thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(std::io::Error::from)?;
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
        assert!(up.success());
        let namespace = fs::read_link("/proc/thread-self/ns/net")?;
        let nginx = Nginx::builder().at("", "127.0.0.1:80".parse().unwrap()).server("listen {listen};");
        Ok::<_, std::io::Error>((namespace, nginx.start().unwrap()))
    });
    let (namespace, mut nginx) = match started.join().unwrap() {
        Ok(started) => started,
        Err(refused) => {
            assert!(env::var_os(super::REQUIRE_REAL).is_none_or(|value| value != "1"), "{refused}");
            eprintln!("SKIPPED: no network namespace may be made here: {refused}");
            return;
        }
    };
    // The thread is gone, and with it all that held the namespace but nginx.
    assert!(nginx.leash().is_running());
    assert_eq!(fs::read_link(format!("/proc/{}/ns/net", nginx.pid())).unwrap(), namespace);
    assert_ne!(fs::read_link("/proc/self/ns/net").unwrap(), namespace);
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {SOON:?} until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Also those who left the group of the server, as the processes of PostgreSQL do.
fn somebody_works_in(room: &Path) -> bool {
    let mut entries = fs::read_dir("/proc").unwrap().flatten();
    entries.any(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(room)))
}

/// Running, and not only waiting to be buried.
fn alive(pid: u32) -> bool {
    stat(Path::new(&format!("/proc/{pid}"))).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// The living processes of the group that `pid` belongs to, or belonged to: the supervisor leads
/// it, so it is found by its members.
fn family_of(pid: u32) -> Vec<u32> {
    let Some((_, group)) = stat(Path::new(&format!("/proc/{pid}"))) else { return Vec::new() };
    assert_ne!(group, process::id(), "the server shares the group of the test");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let members = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let (_, its_group) = stat(&entry.path())?;
        (its_group == group).then_some(pid)
    });
    members.filter(|pid| alive(*pid)).collect()
}

/// State and process group, the first and third word after the name in brackets.
fn stat(process: &Path) -> Option<(String, u32)> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let mut words = after_name.split_whitespace();
    let state = words.next()?.to_owned();
    Some((state, words.nth(1)?.parse().ok()?))
}
