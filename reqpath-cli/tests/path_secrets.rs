//! What hops send each other in secret stays out of everything the program says, whoever repeats it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{reqpath, run};
use reqpath_testkit::mock::{MockUpstream, Reply};

/// By reference only: they stand in no file.
const SECRETS: [(&str, &str); 4] = [
    ("REQPATH_TEST_TOKEN", "Bearer t0ken-of-the-front"),
    ("REQPATH_TEST_KEY", "k3y-of-the-gateway"),
    ("REQPATH_TEST_PLAIN", "v4lue-called-nothing"),
    ("REQPATH_TEST_URI", "/v1/cart?api_key=qu3ry-of-the-shop"),
];

/// What of them is secret.
const HIDDEN: [&str; 4] = ["t0ken-of", "k3y-of", "v4lue-called", "qu3ry-of"];

/// An application's page for those who debug it, with all the headers that came.
fn debug_page() -> Reply {
    let all = "authorization: Bearer t0ken-of-the-front\nx-api-key: k3y-of-the-gateway\n\
               x-tenant: v4lue-called-nothing\nGET /v1/cart?hint=qu3ry-of-the-shop";
    Reply::status(500).header("X-Seen", "k3y-of-the-gateway v4lue-called-nothing").body(all)
}

#[test]
fn an_answer_may_repeat_what_any_hop_sent() {
    let [edge, gateway, shop] = [0; 3].map(|_| MockUpstream::start(debug_page()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("road.yaml");
    let text = format!(
        "request: {{url: 'http://{}/cart', headers: {{Authorization: {{env: REQPATH_TEST_TOKEN}}}}}}\n\
         vantages: {{here: local}}\n\
         hops:\n\
         - {{name: client}}\n\
         - name: edge\n  kind: nginx\n  vantage: here\n  sources:\n  \
             - {{kind: error_log, command: [sh, -c, 'echo k3y-of-the-gateway qu3ry-of-the-shop; exit 3']}}\n\
         - name: gateway\n  kind: nginx\n  addresses: ['{}']\n  credentials: true\n  \
             sends: {{headers: {{X-Api-Key: {{env: REQPATH_TEST_KEY}}}}}}\n\
         - name: shop\n  kind: pod\n  addresses: ['{}']\n  credentials: true\n  \
             sends: {{uri: {{env: REQPATH_TEST_URI}}, headers: {{X-Tenant: {{env: REQPATH_TEST_PLAIN}}}}}}\n",
        edge.address(),
        gateway.address(),
        shop.address()
    );
    fs::write(&file, text).unwrap();
    for more in [&["--json"][..], &["--json", "-n", "2"], &["-v"], &["--markdown"], &["--dry-run"]] {
        let mut command = reqpath();
        command.arg("trace").arg("-f").arg(&file).args(more).envs(SECRETS);
        let run = run(command);
        assert_eq!(run.status, i32::from(more[0] != "--dry-run"), "{}", run.told());
        for hidden in HIDDEN {
            // The command stands in the file as whoever wrote it wanted it; it is no credential by its looks.
            let said = run.stdout.replace("echo k3y-of-the-gateway qu3ry-of-the-shop;", "");
            assert!(!said.contains(hidden) && !run.stderr.contains(hidden), "{hidden} {more:?}\n{said}");
        }
    }
    let keys = gateway.requests().iter().filter(|request| request.header("x-api-key").is_some()).count();
    assert!(keys > 0, "the secret was sent: {:?}", gateway.requests());
    assert!(shop.requests().iter().any(|request| request.target.contains("qu3ry")), "{:?}", shop.requests());
}
