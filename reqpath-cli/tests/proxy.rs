//! What the logs of two nginx in a row tell, read by the built program from a path file.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{Run, reqpath, run};
use reqpath_testkit::mock::{ClosedPort, MockUpstream, Reply};
use reqpath_testkit::real::{Nginx, require};

/// A client, an edge and a gateway that are real nginx, and something behind them.
struct Road {
    nginx: Nginx,
    folder: tempfile::TempDir,
}

/// What is said of the road in the path file.
#[derive(Clone, Copy)]
struct Told {
    logs: bool,
    addresses: bool,
}

const ALL: Told = Told { logs: true, addresses: true };
const LOGS: Told = Told { logs: true, addresses: false };
const NOTHING: Told = Told { logs: false, addresses: false };

impl Road {
    /// With this in the gateway's only location.
    fn new(gateway: &str) -> Option<Self> {
        let started = Nginx::builder()
            .http(
                "log_format road '$remote_addr [$time_iso8601] \"$request\" $status \
                 upstream=\"$upstream_addr\" upstream_status=\"$upstream_status\" \
                 time=$request_time id=\"$http_x_request_id\"';\n\
                 access_log off;",
            )
            .server(
                "listen {listen:edge}; access_log {dir}/edge.log road; error_log {dir}/edge.err info;\n\
                 location / { proxy_pass http://{listen:gateway}; proxy_set_header Host shop.internal; }",
            )
            .server(&format!(
                "listen {{listen:gateway}}; access_log {{dir}}/gateway.log combined; error_log {{dir}}/gateway.err info;\n\
                 location / {{ {gateway} }}"
            ))
            .start();
        Some(Self { nginx: require(started)?, folder: tempfile::tempdir().unwrap() })
    }

    fn trace(&self, told: Told, shop: &str, more: &[&str]) -> Run {
        let room = self.nginx.room().path().display().to_string();
        let format = "'$remote_addr [$time_iso8601] \"$request\" $status upstream=\"$upstream_addr\" \
                      upstream_status=\"$upstream_status\" time=$request_time id=\"$http_x_request_id\"'";
        let logs = |name: &str, format: &str| match told.logs {
            true => format!(
                "  sources:\n  - {{kind: access_log, file: {room}/{name}.log, format: {format}}}\n  \
                 - {{kind: error_log, file: {room}/{name}.err}}\n"
            ),
            false => String::new(),
        };
        let at = |address: &str| match told.addresses {
            true => format!("  addresses: ['{address}']\n  sends: {{host: shop.internal}}\n"),
            false => String::new(),
        };
        let yaml = format!(
            "request: {{url: 'http://{edge}/cart?page=2'}}\n\
             vantages: {{here: local}}\n\
             hops:\n\
             - {{name: client, kind: client}}\n\
             - name: edge\n  kind: nginx\n  vantage: here\n{}\
             - name: gateway\n  kind: nginx\n  vantage: here\n{}{}\
             - name: shop\n  kind: pod\n{}",
            logs("edge", format),
            at(&self.nginx.address_of("gateway").to_string()),
            logs("gateway", "combined"),
            at(shop),
            edge = self.nginx.address_of("edge"),
        );
        let file = self.folder.path().join("road.yaml");
        fs::write(&file, yaml).unwrap();
        let mut command = reqpath();
        command.args(["trace", "--json", "--max-time", "5", "-f"]).arg(&file).args(more);
        run(command)
    }
}

fn hop(run: &Run) -> &str {
    run.report["verdict"]["at"]["hop"].as_str().unwrap_or_default()
}

fn chain(run: &Run) -> Vec<&str> {
    let chain = run.report["verdict"]["chain"].as_array();
    chain.into_iter().flatten().filter_map(|code| code.as_str()).collect()
}

#[test]
fn what_broke_behind_the_gateway() {
    let closed = ClosedPort::reserve().unwrap();
    let Some(road) = Road::new(&format!("proxy_pass http://{};", closed.address())) else { return };
    let shop = closed.address().to_string();
    let run = road.trace(LOGS, &shop, &[]);
    run.assert_died("proxy.connection_refused");
    assert_eq!(
        (hop(&run), chain(&run)),
        ("shop", vec!["http.error", "proxy.connection_refused"]),
        "{}",
        run.told()
    );
    let run = road.trace(ALL, &shop, &[]);
    assert_eq!((run.kind(), hop(&run)), ("died", "shop"), "{}", run.told());
    assert!(chain(&run).contains(&"proxy.connection_refused"), "{:?}", chain(&run));
    let run = road.trace(NOTHING, &shop, &[]);
    assert_eq!(run.kind(), "unknown", "less evidence gives no other verdict: {}", run.told());
    let run = road.trace(LOGS, &shop, &["-n", "6"]);
    run.assert_died("proxy.connection_refused");
    assert_eq!(hop(&run), "shop");
}

#[test]
fn an_application_that_sends_502_itself() {
    let upstream = MockUpstream::start(Reply::status(502).body("from the shop")).unwrap();
    let location = format!("proxy_pass http://{};", upstream.address());
    let Some(road) = Road::new(&location) else { return };
    let run = road.trace(ALL, &upstream.address().to_string(), &[]);
    assert_eq!((run.kind(), hop(&run)), ("died", "shop"), "{}", run.told());
    run.assert_not_blamed("proxy.connection_refused").assert_not_blamed("proxy.connection_terminated");
}

#[test]
fn a_gateway_that_refuses_the_caller() {
    let upstream = MockUpstream::builder().reply(Reply::ok("x")).start().unwrap();
    let location =
        format!("auth_basic shop; auth_basic_user_file /nowhere; proxy_pass http://{};", upstream.address());
    let Some(road) = Road::new(&location) else { return };
    for told in [LOGS, ALL] {
        let run = road.trace(told, &upstream.address().to_string(), &[]);
        assert_eq!((run.kind(), hop(&run)), ("died", "gateway"), "{}", run.told());
        run.assert_died("proxy.authentication_required");
    }
    let run = road.trace(LOGS, "", &["--expect-status", "401"]);
    run.assert_reached();
}

#[test]
fn a_retry_that_saved_the_request() {
    let (closed, upstream) = (ClosedPort::reserve().unwrap(), MockUpstream::start(Reply::ok("x")).unwrap());
    let Some(road) = Road::new(&format!("proxy_pass http://{};", upstream.address())) else { return };
    let reconfigured = road.nginx.address_of("gateway");
    let Some(edge) = require(
        Nginx::builder()
            .http(&format!("upstream gateways {{ server {}; server {reconfigured} backup; }}", closed.address()))
            .http("log_format tries '$upstream_addr $upstream_status $status $http_x_request_id'; access_log {dir}/access.log tries;")
            .server("listen {listen:edge}; location / { proxy_pass http://gateways; }")
            .start(),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("road.yaml");
    let yaml = format!(
        "request: {{url: 'http://{}/'}}\nvantages: {{here: local}}\nhops:\n- {{name: client, kind: client}}\n\
         - name: edge\n  kind: nginx\n  vantage: here\n  sources:\n  \
         - {{kind: access_log, file: {}, format: '$upstream_addr $upstream_status $status $http_x_request_id'}}\n\
         - {{name: gateway, kind: nginx}}\n",
        edge.address_of("edge"),
        edge.access_log().path().display()
    );
    fs::write(&file, yaml).unwrap();
    let mut command = reqpath();
    command.args(["trace", "--json", "-f"]).arg(&file);
    run(command).assert_reached().assert_warned("proxy.retried");
}
