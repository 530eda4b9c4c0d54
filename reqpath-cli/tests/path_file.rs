//! Paths of several hops from a file, walked by the built program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Run, reqpath, run};
use reqpath_testkit::mock::{MockUpstream, Reply, Request};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Nginx, require};
use serde_json::Value;

/// A path file in a folder of its own, in which others may stand beside it.
struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("road.yaml"), text).unwrap();
        Self { folder }
    }

    fn beside(self, name: &str, content: &str) -> Self {
        fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("road.yaml")
    }

    fn trace(&self, more: &[&str]) -> Run {
        let mut command = reqpath();
        command.arg("trace").arg("-f").arg(self.file()).args(more);
        // By reference only: the secret stands in no file.
        command.env("REQPATH_TEST_TOKEN", "Bearer s3cr3t-of-the-test");
        run(command)
    }

    fn json(&self, more: &[&str]) -> Run {
        self.trace(&[more, &["--json"]].concat())
    }
}

/// Two nginx, one behind the other, with a mock behind both.
struct Road {
    nginx: Nginx,
    shop: MockUpstream,
}

impl Road {
    fn new(reply: Reply) -> Option<Self> {
        let shop = MockUpstream::start(reply).unwrap();
        let started = Nginx::builder()
            .server(
                "listen {listen:edge}; location / { proxy_pass http://{listen:gateway}; \
                 proxy_set_header Host shop.internal; proxy_set_header X-From edge; }",
            )
            .server(
                "listen {listen:gateway}; location / { proxy_pass http://{shop}/v1/; \
                 proxy_set_header Host pods.internal; }",
            )
            .value("shop", shop.address())
            .start();
        Some(Self { nginx: require(started)?, shop })
    }

    fn yaml(&self, more: &str) -> String {
        format!(
            "request: {{url: 'http://{edge}/cart', headers: {{Authorization: {{env: REQPATH_TEST_TOKEN}}}}}}\n\
             vantages: {{here: local}}\n\
             hops:\n\
             - {{name: client, kind: client}}\n\
             - {{name: edge, kind: nginx, vantage: here}}\n\
             - name: gateway\n  kind: nginx\n  addresses: ['{gateway}']\n  \
               sends: {{host: shop.internal, headers: {{X-From: edge}}}}\n\
             - name: shop\n  kind: pod\n  addresses: ['{shop}']\n  \
               sends: {{host: pods.internal, uri: /v1/cart}}\n{more}",
            edge = self.nginx.address_of("edge"),
            gateway = self.nginx.address_of("gateway"),
            shop = self.shop.address(),
        )
    }
}

/// The requests that a dry run announces, by the hop they are sent to.
fn announced(plan: &Value, to: &str) -> u64 {
    let requests = plan["requests"].as_array().unwrap().iter();
    requests.filter(|request| request["to"] == to).map(|request| request["most"].as_u64().unwrap()).sum()
}

/// How many of these requests came by entering at this hop.
fn inner<'a>(run: &'a Run, to: &str) -> Vec<&'a Value> {
    let seen = run.report["observations"].as_array().unwrap().iter();
    seen.filter(|observation| {
        observation["kind"] == "request.trial"
            && observation["data"]["role"] == "inner"
            && observation["subject"]["leg"]["to"] == to
    })
    .collect()
}

fn with_host<'a>(requests: &'a [Request], host: &str) -> Vec<&'a Request> {
    requests.iter().filter(|request| request.host() == Some(host)).collect()
}

#[test]
fn every_hop_is_entered_as_the_hop_before_would() {
    let Some(road) = Road::new(Reply::ok("a cart")) else { return };
    let file = Written::new(&road.yaml(""));
    let plan = file.json(&["--dry-run", "-n", "2"]);
    assert_eq!(plan.status, 0, "{}", plan.told());
    assert_eq!(road.shop.request_count(), 0, "a dry run contacts nobody");
    let run = file.json(&["-n", "2"]);
    run.assert_reached();
    for (to, trials) in [("gateway", 2), ("shop", 2)] {
        let made = inner(&run, to);
        assert_eq!(made.len(), trials, "{}", run.told());
        assert!(made.iter().all(|trial| trial["data"]["left"] == "alive"), "{}", run.told());
    }
    let legs: Vec<(&Value, &Value)> = ["gateway", "shop"]
        .map(|to| inner(&run, to)[0])
        .map(|trial| (&trial["subject"]["leg"]["from"], &trial["vantage"]))
        .into();
    assert_eq!(legs[0], (&Value::from("edge"), &Value::from("here")));
    assert_eq!(
        legs[1],
        (&Value::from("edge"), &Value::from("here")),
        "the gateway has no place to look from"
    );
    // Through the gateway or straight: what arrives looks the same, and the credential only came in at the front.
    let requests = road.shop.requests();
    assert_eq!(with_host(&requests, "pods.internal").len(), requests.len(), "{requests:?}");
    assert!(requests.iter().all(|request| request.target == "/v1/cart"), "{requests:?}");
    let with_credentials =
        requests.iter().filter(|request| request.header("authorization").is_some()).count();
    let front = announced(&plan.report, "edge");
    assert!((2..=front).contains(&(with_credentials as u64)), "{requests:?}");
    // Each server got what was announced for it at most: all that is sent at or before it comes through.
    let all: u64 = ["edge", "gateway", "shop"].map(|to| announced(&plan.report, to)).into_iter().sum();
    assert!(road.shop.request_count() <= all, "{} of {all}", road.shop.request_count());
    let gateway = road.nginx.access_log().text().lines().count() as u64;
    let through = front + announced(&plan.report, "gateway");
    assert!((1..=through).contains(&gateway), "{gateway} of {through}");
    assert!(!run.stdout.contains("s3cr3t"), "a secret in the report");
}

#[test]
fn a_hop_that_is_down_is_seen_from_the_hop_before() {
    let Some(road) = Road::new(Reply::ok("a cart")) else { return };
    // Seen from where the gateway itself looks: that another is refused would prove nothing of it.
    let text = road.yaml("").replace("- name: gateway\n", "- name: gateway\n  vantage: here\n");
    let closed = road.shop.address();
    let Road { nginx, shop } = road;
    drop(shop);
    let run = Written::new(&text).json(&["--max-time", "5"]);
    assert_eq!((run.kind(), run.status), ("died", 1), "{}", run.told());
    let entered = inner(&run, "shop");
    assert!(entered.iter().all(|trial| trial["data"]["left"] == "dead"), "{closed}: {}", run.told());
    assert_eq!(run.report["verdict"]["at"]["hop"], "shop", "{}", run.told());
    assert_eq!(run.code(), "tcp.refused", "{}", run.told());
    assert_eq!(run.report["verdict"]["chain"][0], "http.error", "{}", run.told());
    drop(nginx);
}

#[test]
fn credentials_reach_a_hop_that_is_marked_for_them() {
    let Some(road) = Road::new(Reply::ok("a cart")) else { return };
    let text = road.yaml("  credentials: true\n");
    let run = Written::new(&text).json(&["--road-only"]);
    run.assert_reached();
    assert!(inner(&run, "shop").is_empty(), "only the client's own contacts");
    assert_eq!(road.shop.request_count(), 1);
    let run = Written::new(&text).json(&[]);
    run.assert_reached();
    let requests = road.shop.requests();
    let straight: Vec<_> = requests.iter().filter(|request| request.header("x-from").is_none()).collect();
    assert!(!straight.is_empty());
    assert!(
        straight.iter().all(|r| r.header("authorization") == Some("Bearer s3cr3t-of-the-test")),
        "{requests:?}"
    );
}

#[test]
fn a_certificate_is_believed_as_the_hop_before_believes_it() {
    let (ours, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let leaf = ours.leaf("pods.internal").issue().unwrap();
    let shop = MockUpstream::builder().tls(&leaf).reply(Reply::ok("a cart")).start().unwrap();
    let edge = MockUpstream::start(Reply::ok("a cart")).unwrap();
    let text = |sends: &str| {
        format!(
            "request: {{url: 'http://{}/cart'}}\n\
             hops: [{{name: client}}, {{name: edge}}, {{name: shop, addresses: ['{}'], sends: {{scheme: https, {sends}}}}}]\n",
            edge.address(),
            shop.address()
        )
    };
    for (sends, left) in [
        ("host: shop.internal", "alive"),
        ("server_name: pods.internal, verifies: true, ca: ours.pem", "alive"),
        ("server_name: pods.internal, verifies: true, ca: other.pem", "dead"),
        ("server_name: pods.internal, verifies: true", "dead"),
        ("server_name: another.internal, verifies: true, ca: ours.pem", "dead"),
    ] {
        let file = Written::new(&text(sends));
        let file =
            file.beside("ours.pem", ours.certificate_pem()).beside("other.pem", other.certificate_pem());
        let run = file.json(&[]);
        run.assert_reached();
        let entered = inner(&run, "shop");
        assert_eq!(
            (entered.len(), &entered[0]["data"]["left"]),
            (1, &Value::from(left)),
            "{sends}: {}",
            run.told()
        );
    }
    let file = Written::new(&text("verifies: true, ca: ours.pem")).beside("ours.pem", "no certificate");
    file.trace(&[]).assert_mistake(": hops[2].sends.ca: ours.pem: holds no certificate");
}

#[test]
fn entries_that_are_not_known_well_enough_end_before_http() {
    let edge = MockUpstream::start(Reply::ok("done")).unwrap();
    let shop = MockUpstream::builder().never_called().start().unwrap();
    let text = |sends: &str| {
        format!(
            "request: {{url: 'http://{}/'}}\nhops: [{{name: client}}, {{name: edge}}, {{name: shop, addresses: ['{}']{sends}}}]\n",
            edge.address(),
            shop.address()
        )
    };
    for (sends, more) in [("", vec![]), (", sends: {host: shop.internal}", vec!["-X", "POST", "-d", "a=b"])] {
        let before = shop.connection_count();
        let run = Written::new(&text(sends)).json(&more);
        run.assert_reached();
        assert_eq!(inner(&run, "shop")[0]["data"]["left"], "alive", "{}", run.told());
        assert!(shop.wait_until(Duration::from_secs(5), |seen| seen.connections.len() as u64 > before));
    }
    assert_eq!(edge.request_count(), 3, "once more on the same connection for the GET, once for the POST");
    shop.verify().unwrap();
}

#[test]
fn flags_change_the_request_of_the_file() {
    let edge = MockUpstream::start(Reply::status(404)).unwrap();
    let elsewhere = MockUpstream::start(Reply::ok("")).unwrap();
    let text = format!(
        "request:\n  url: http://{}/cart\n  headers: {{Authorization: {{env: REQPATH_TEST_TOKEN}}, X-A: file}}\n  \
         expect: {{status: 404}}\nhops: [{{name: client}}, {{name: edge}}]\n",
        edge.address()
    );
    let file = Written::new(&text);
    file.json(&[]).assert_reached();
    let run = file.json(&["-H", "x-a: flag", "--expect-status", "200", "-X", "HEAD"]);
    assert_eq!(run.kind(), "died", "{}", run.told());
    let last = edge.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.header("x-a")), ("HEAD", Some("flag")));
    assert_eq!(last.header("authorization"), Some("Bearer s3cr3t-of-the-test"));
    let other = file.json(&[&elsewhere.url("/"), "--expect-status", "2xx"]);
    other.assert_reached();
    assert!(other.stderr.contains("credentials are for another origin"), "{}", other.stderr);
    let request = &elsewhere.requests()[0];
    assert_eq!((request.header("authorization"), request.header("x-a")), (None, Some("file")));
}

#[test]
fn a_dry_run_tells_everything_in_the_order_of_the_road() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/paths");
    let mut command = reqpath();
    command.args(["trace", "--dry-run", "-f"]).arg(examples.join("whole-road.yaml"));
    let told = run(command);
    assert_eq!(told.status, 0, "{}", told.told());
    let order = [
        "GET https://shop.example/cart",
        "The road: client → edge → gateway → balancer → shop; beside it shop → prices; beside it shop → database",
        "  client → edge: ",
        "× GET https://shop.example/cart, from here (this process)",
        "      headers: Host, User-Agent, X-Request-Id, traceparent, Accept, Accept-Language",
        "  edge → gateway: ",
        "× GET https://gateway.internal/v1/cart at gateway.internal:8443, from edge (network namespace /run/netns/edge",
        "X-From",
        "  gateway → shop: ",
        "at 10.0.0.7:8080",
        "at 10.0.0.8:8080",
        "  gateway → prices: ",
        "http://shop.example/health at prices.internal:8080",
        "  gateway → database: no HTTP request at 10.0.0.9:5432",
        "a database does not speak HTTP",
        "Would read:\n",
        "  edge: access_log, file /var/log/nginx/access.log, from edge",
        "  edge: error_log, command `kubectl logs deploy/edge`, from here (this process)",
        "Would contact, at most:\n  client → edge:\n",
        "Nothing was contacted.",
    ];
    let mut rest = told.stdout.as_str();
    for part in order {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("no `{part}` in its place:\n{}", told.stdout)
        };
        rest = after;
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let two = "hops: [{name: client}, {name: edge, vantage: gw}]\n";
    for (text, says) in [
        (
            "hops: [{name: client}, {name: edge, adresses: []}]\n",
            "road.yaml:1:37: hops[1].adresses: there is no such field: did you mean `addresses`?",
        ),
        (two, "road.yaml:1:37: hops[1].vantage: there is no vantage `gw`"),
        (
            "hops: [{name: client}, {name: edge, vantage: gw}]\nvantages: {gw: {netns: /run/netns/reqpath-nowhere}}\nrequest: {url: a.example}\n",
            "road.yaml:2:12: vantages.gw: `/run/netns/reqpath-nowhere` does not exist: `ip netns list`",
        ),
        (
            "hops: [{name: client}, {name: edge}]\n",
            "no URL: give one, or write `request: {url: https://shop.example/}`",
        ),
        (
            "request: {url: a.example, headers: {Authorization: {env: REQPATH_NOT_SET}}}\nhops: [{name: client}, {name: edge}]\n",
            "request.headers.Authorization.env: the environment has no variable `REQPATH_NOT_SET`: set it",
        ),
    ] {
        Written::new(text).trace(&[]).assert_mistake(says);
    }
    let mut command = reqpath();
    command.args(["trace", "-f", "/nowhere/road.yaml"]);
    run(command).assert_mistake("/nowhere/road.yaml: cannot be read");
    let mut command = reqpath();
    command.arg("trace");
    run(command).assert_mistake("URL");
}

#[test]
fn the_published_schema_is_what_the_program_prints() {
    let mut command = reqpath();
    command.args(["schema", "--path"]);
    let printed = run(command);
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/path.schema.json");
    assert_eq!(
        fs::read_to_string(published).unwrap(),
        printed.stdout,
        "reqpath schema --path > docs/path.schema.json"
    );
}
