//! The commands under "run next" are run, as they stand: they ask the same server for the same thing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{REQPATH, Run, clean, name, reqpath, run};
use reqpath_testkit::mock::{MockUpstream, Reply, Request};
use reqpath_testkit::pki::{Authority, Leaf};

/// A server with a certificate of an authority nobody knows, under a name that no resolver knows.
/// It keeps silent until it is mended.
struct Server {
    mock: MockUpstream,
    name: String,
    mended: Arc<AtomicBool>,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let (authority, name) = (Authority::new().unwrap(), name());
        let leaf = authority.leaf(&name).issue().unwrap();
        Self::of(&authority, &leaf, name)
    }

    fn of(authority: &Authority, leaf: &Leaf, name: String) -> Self {
        let mended = Arc::new(AtomicBool::new(false));
        let well = Arc::clone(&mended);
        let reply =
            move |_: &Request| if well.load(Ordering::SeqCst) { Reply::ok("well") } else { Reply::hang() };
        let mock = MockUpstream::builder().tls(leaf).reply(reply).start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("our ca.pem"), authority.certificate_pem()).unwrap();
        Self { mock, name, mended, folder }
    }

    /// What leads to it, as a caller types it.
    fn led(&self) -> [String; 4] {
        let resolve = format!("{}:{}:127.0.0.1", self.name, self.mock.address().port());
        ["--cacert", "our ca.pem", "--resolve", &resolve].map(str::to_owned)
    }

    fn url(&self) -> String {
        format!("https://{}:{}/cart?it=1", self.name, self.mock.address().port())
    }
}

/// Runs a command as a person would who has the program on the search path.
fn typed(command: &str, folder: &Path) -> Run {
    let mut shell = Command::new("sh");
    clean(&mut shell);
    let ours = Path::new(REQPATH).parent().unwrap().display();
    shell.env("PATH", format!("{ours}:{}", std::env::var("PATH").unwrap()));
    shell.args(["-c", command]).current_dir(folder);
    run(shell)
}

fn next(run: &Run) -> Vec<String> {
    run.report["next"]
        .as_array()
        .unwrap()
        .iter()
        .map(|command| command.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn commands_to_run_next_ask_as_the_caller_asked() {
    let server = Server::start();
    fs::write(server.folder.path().join("order.json"), "{}").unwrap();
    fs::write(server.folder.path().join("headers"), "X-Of-File: one\r\n\nX-Key: s3cr3t-of-file\n").unwrap();
    let mut command = reqpath();
    command.current_dir(&server.folder).args(["trace", "--json", "--max-time", "1"]).args(server.led());
    command.args(["-H", "@headers", "--connect-timeout", "0"]);
    command.args([
        "-d",
        "@order.json",
        "-H",
        "X-Tenant: acme & co",
        "-H",
        "Authorization: Bearer s3cr3t-w0rd",
    ]);
    command.arg(server.url());
    let died = run(command);
    died.assert_died("http.response.timed_out");
    assert!(!died.stdout.contains("s3cr3t"), "{}", died.stdout);
    server.mended.store(true, Ordering::SeqCst);
    let commands = next(&died);
    assert!(commands[0].starts_with("reqpath trace "), "{commands:?}");
    assert!(commands[1].starts_with("curl "), "{commands:?}");
    // No file is named that would be sent: whoever types the command says which.
    let filled = |command: &str| {
        assert!(command.contains(" -d @BODY ") && command.contains(" -H @HEADERS "), "{command}");
        command.replace("@BODY", "@order.json").replace("@HEADERS", "@headers")
    };
    let before = server.mock.request_count();
    let again = typed(&filled(&commands[0]), server.folder.path());
    assert!(again.status == 0 && again.stdout.starts_with("reached"), "{commands:?}: {}", again.told());
    let asked = server.mock.requests();
    let asked = asked.last().unwrap();
    assert_eq!((asked.method.as_str(), asked.header("x-tenant")), ("POST", Some("acme & co")));
    assert_eq!((asked.header("x-of-file"), asked.header("x-key")), (Some("one"), Some("s3cr3t-of-file")));
    assert_eq!((asked.header("authorization"), &asked.body[..]), (Some("[redacted]"), &b"{}"[..]));
    let again = typed(&filled(&commands[1]), server.folder.path());
    assert_eq!(again.status, 0, "{commands:?}: {}", again.stderr);
    assert_eq!(server.mock.request_count(), before + 2);
    let asked = server.mock.requests();
    let asked = asked.last().unwrap();
    assert_eq!((asked.method.as_str(), asked.header("x-tenant")), ("POST", Some("acme & co")));
    assert_eq!(&asked.body[..], b"{}");

    // What was stored is judged to the same commands, and shown with them.
    let file = server.folder.path().join("report.json");
    fs::write(&file, &died.stdout).unwrap();
    let judged = |form: &str| {
        let mut command = reqpath();
        command.args(["judge", form]).arg(&file);
        run(command)
    };
    let stored: serde_json::Value = serde_json::from_str(&judged("--json").stdout).unwrap();
    assert_eq!(stored["next"], died.report["next"]);
    let led = "curl --cacert 'our ca.pem' --resolve ";
    assert!(judged("--markdown").stdout.contains(led) && judged("-v").stdout.contains(&format!("$ {led}")));
}

#[test]
fn a_user_in_the_url_is_left_out_of_a_stored_report_s_commands_as_of_the_live_one_s() {
    let mock = MockUpstream::start(Reply::status(500)).unwrap();
    let url = mock.url("/cart").replace("http://", "http://me:hunter22@");
    let mut command = reqpath();
    command.args(["trace", "--json", "-H", "X-Tenant: acme", "-d", "", &url]);
    let died = run(command);
    died.assert_died("http.error");
    let commands = next(&died);
    assert!(commands[0].starts_with("curl -H 'X-Tenant: acme' -d '' "), "{commands:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    fs::write(&file, &died.stdout).unwrap();
    let mut command = reqpath();
    command.args(["judge", "--json"]).arg(&file);
    assert_eq!(next(&run(command)), commands);
}

#[test]
fn commands_to_run_next_walk_the_same_path() {
    let server = Server::start();
    let road = format!(
        "request: {{url: '{}'}}\nhops:\n  - {{name: client, kind: client}}\n  - {{name: edge, kind: server}}\n",
        server.url()
    );
    fs::write(server.folder.path().join("road.yaml"), road).unwrap();
    let mut command = reqpath();
    command.current_dir(&server.folder).args(["trace", "-f", "road.yaml", "--json", "--max-time", "1"]);
    command.args(server.led());
    let died = run(command);
    died.assert_died("http.response.timed_out");
    server.mended.store(true, Ordering::SeqCst);
    let commands = next(&died);
    assert!(commands[0].starts_with("reqpath trace -f road.yaml "), "{commands:?}");
    let again = typed(&format!("{} --json", commands[0]), server.folder.path());
    again.assert_reached();
    assert_eq!(again.report["path"], died.report["path"]);
}

#[test]
fn a_look_that_needs_one_more_flag_is_made_at_the_same_server() {
    let (authority, name) = (Authority::new().unwrap(), name());
    let middle = authority.intermediate("Shop R1").issue().unwrap();
    let der = middle.certificate_der().to_vec();
    let shelf = MockUpstream::start(move |_: &Request| Reply::ok(der.clone())).unwrap();
    let leaf = middle.leaf(&name).without_intermediates().issuer_url(&shelf.url("/r1.der")).issue().unwrap();
    let server = Server::of(&authority, &leaf, name);
    let mut command = reqpath();
    command.current_dir(&server.folder).args(["trace", "--json", "--max-time", "5"]).args(server.led());
    command.arg(server.url());
    let died = run(command);
    died.assert_died("tls.cert.authority_invalid");
    let commands = next(&died);
    let fetching = commands.iter().find(|command| command.starts_with("reqpath trace ")).unwrap();
    let (fetching, why) = fetching.split_once("   # ").unwrap();
    assert_eq!(why, "is a certificate left out?");
    typed(&format!("{fetching} --json"), server.folder.path()).assert_died("tls.cert.incomplete_chain");
}

#[test]
fn a_circle_that_only_this_request_meets_is_shown_by_the_command_too() {
    let turning = |asked: &Request| match asked.header("cookie") {
        Some(_) => Reply::redirect(302, "/there"),
        None => Reply::ok("well"),
    };
    let server = MockUpstream::start(turning).unwrap();
    let mut command = reqpath();
    command.args([
        "trace",
        "--json",
        "-L",
        "--max-redirs",
        "8",
        "-H",
        "X-Tenant: acme",
        "-H",
        "Cookie: lang=de",
    ]);
    command.arg(server.url("/"));
    let died = run(command);
    died.assert_died("http.response.redirect_loop");
    let folder = tempfile::tempdir().unwrap();
    let commands = next(&died);
    assert!(commands[0].starts_with("curl -H 'X-Tenant: acme' -H 'Cookie: [redacted]' "), "{commands:?}");
    let again = typed(&commands[0], folder.path());
    assert_eq!(
        again.stdout.to_lowercase().matches("location: /there").count(),
        6,
        "{commands:?}: {}",
        again.stdout
    );
}
