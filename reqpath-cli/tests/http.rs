//! Requests and answers, healthy and not, by real nginx and traced by the built program.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
mod tls_front;

use common::{Run, name, trace};
use reqpath_testkit::mock::{ClosedPort, Connection, MockUpstream, Reply};
use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{Envoy, Flavour, Haproxy, Nginx, NginxBuilder, require};
use tls_front::{Front, Plan};

/// Runs a test on every nginx there is, with this configuration.
fn on_each(build: impl Fn(NginxBuilder) -> NginxBuilder, test: impl Fn(&Nginx)) {
    for flavour in Flavour::each() {
        if let Some(nginx) = require(build(Nginx::builder()).flavour(flavour).start()) {
            test(&nginx);
        }
    }
}

/// Runs a test on every nginx there is, behind TLS.
fn on_each_front(plan: impl Fn() -> Plan, test: impl Fn(&Front)) {
    for flavour in Flavour::each() {
        if let Some(front) = plan().start(flavour) {
            test(&front);
        }
    }
}

/// A front whose own certificate is fine, with more directives.
fn fine(more: &'static str) -> impl Fn() -> Plan {
    move || {
        let plan = Plan::new();
        let leaf = plan.root.leaf(&plan.name).issue().unwrap();
        plan.shows(&leaf, more)
    }
}

fn ask(nginx: &Nginx, path: &str, more: &[&str]) -> Run {
    let url = format!("http://{}{path}", nginx.address());
    trace([&["--max-time", "5", url.as_str()], more].concat())
}

/// Blames this, and none of the others.
#[track_caller]
fn assert_only(run: &Run, code: &str, not: &[&str]) {
    run.assert_died(code);
    for other in not {
        run.assert_not_blamed(other);
    }
}

#[test]
fn a_healthy_https_nginx_is_reached() {
    on_each_front(fine(""), |front| {
        let run = front.trace(&[]);
        run.assert_reached();
        let exchange = &run.seen("http.exchange")[0];
        assert_eq!((exchange["status"].as_u64(), exchange["end"].as_str()), (Some(200), Some("complete")));
        assert_eq!(exchange["body"]["received"], 4);
        for phase in ["request_sent_us", "first_byte_us", "headers_us", "body_us"] {
            assert!(exchange[phase].as_u64().is_some(), "{phase} in {exchange}");
        }
        let reuse = &run.seen("http.reuse")[0];
        assert_eq!((reuse["outcome"].as_str(), reuse["status"].as_u64()), (Some("answered"), Some(200)));
        // The request can be found in a log that knows nothing of request ids.
        let id = run.report["request_id"].as_str().unwrap().to_owned();
        let line =
            front.nginx.access_log().wait_for(std::time::Duration::from_secs(5), |line| line.contains(&id));
        assert!(line.is_some(), "{}", front.nginx.access_log().text());
    });
}

#[test]
fn http_2_is_spoken_where_it_was_agreed_on() {
    let old = || fine("")().with(|builder| builder);
    for flavour in Flavour::each() {
        let plan = match flavour {
            // Only a current nginx knows the directive.
            Flavour::Wheel => fine("http2 on;")(),
            _ => old(),
        };
        let Some(front) = plan.start(flavour.clone()) else { continue };
        let run = front.trace(&["--http2"]);
        run.assert_reached();
        let spoken = if flavour == Flavour::Wheel { "HTTP/2" } else { "HTTP/1.1" };
        assert_eq!(run.seen("http.exchange")[0]["version"], spoken);
        assert_eq!(run.seen("http.reuse")[0]["outcome"], "answered", "{}", run.told());
        let run = front.trace(&["--http1.1"]);
        run.assert_reached();
        assert_eq!(run.seen("http.exchange")[0]["version"], "HTTP/1.1");
    }
}

#[test]
fn an_empty_reply() {
    on_each(
        |nginx| nginx.server("listen {listen}; location / { return 444; }"),
        |nginx| {
            let run = ask(nginx, "/", &[]);
            assert_only(&run, "http.response.empty", &["tcp.closed", "tcp.reset", "client.stale_connection"]);
            assert!(run.ruled_out().contains(&"tcp.closed"), "a silent connection lives: {}", run.told());
            assert!(run.seen("http.exchange")[0].get("first_byte_us").is_none());
        },
    );
}

#[test]
fn what_nginx_says_itself_and_what_it_passes_on() {
    let own =
        MockUpstream::start(Reply::status(404).header("content-type", "application/json").body("{\"no\":1}"))
            .unwrap();
    let failing = MockUpstream::start(Reply::status(503).body("maintenance")).unwrap();
    let closed = ClosedPort::reserve().unwrap();
    let silent = MockUpstream::builder().connections(Connection::silent()).start().unwrap();
    let build = |nginx: NginxBuilder| {
        nginx
            .value("own", own.address())
            .value("failing", failing.address())
            .value("closed", closed.address())
            .value("silent", silent.address())
            .server(
                "listen {listen}; proxy_read_timeout 1s;
                     location /own { proxy_pass http://{own}; }
                     location /failing { proxy_pass http://{failing}; }
                     location /closed { proxy_pass http://{closed}; }
                     location /silent { proxy_pass http://{silent}; }",
            )
    };
    on_each(build, |nginx| {
        // The application's own 404 is an answer.
        let run = ask(nginx, "/own", &[]);
        run.assert_reached().assert_warned("http.error");
        assert!(run.report["verdict"]["answer"].as_str().unwrap().contains("404"), "{}", run.told());
        let warned = run.report["findings"][0]["summary"].as_str().unwrap();
        assert!(warned.contains("nothing in it proves who made it"), "{warned}");
        // nginx's own 404 is a death.
        let run = ask(nginx, "/nowhere", &[]);
        run.assert_died("http.error");
        assert!(summary(&run).contains("nginx made that answer itself"), "{}", summary(&run));
        for (path, status) in [("/closed", "502"), ("/silent", "504")] {
            let run = ask(nginx, path, &[]);
            run.assert_died("http.error");
            let summary = summary(&run);
            assert!(
                summary.contains(status) && summary.contains("nginx made that answer itself"),
                "{summary}"
            );
        }
        let run = ask(nginx, "/failing", &[]);
        run.assert_died("http.error");
        assert!(!summary(&run).contains("made that answer itself"), "{}", summary(&run));
        // What is expected is no error, and what is not is none either.
        ask(nginx, "/failing", &["--expect-status", "503"]).assert_reached();
        ask(nginx, "/nowhere", &["--expect-status", "404"]).assert_reached();
        assert_only(
            &ask(nginx, "/own", &["--expect-status", "2xx"]),
            "http.response.unexpected",
            &["http.error"],
        );
    });
}

fn summary(run: &Run) -> String {
    run.report["verdict"]["cause"]["summary"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_request_beyond_nginx_limits() {
    on_each(
        |nginx| nginx.server("listen {listen}; location / { return 200 ok; }"),
        |nginx| {
            let header = format!("X-Big: {}", "b".repeat(9000));
            let run = ask(nginx, "/", &["-H", &header]);
            run.assert_died("http.error");
            // nginx calls it 400 on the line and 494 to itself.
            assert!(
                summary(&run).contains("400") && summary(&run).contains("nginx made"),
                "{}",
                summary(&run)
            );
            assert!(run.seen("http.exchange")[0]["body"]["start"].as_str().unwrap().contains("Too Large"));
        },
    );
}

#[test]
fn redirects_are_recorded_and_followed_on_request() {
    on_each(
        |nginx| {
            nginx.server(
                "listen {listen}; absolute_redirect off;
                 location = / { return 302 /there?token=s3cr3t; } location /there { return 200 ok; }
                 location = /a { return 301 /b; } location = /b { return 302 /a; }
                 location ~ ^/count/(?<n>.*)$ { return 302 /count/${n}1; }",
            )
        },
        |nginx| {
            let run = ask(nginx, "/", &[]);
            run.assert_reached();
            assert_eq!(run.seen("http.redirect")[0]["followed"], false);
            assert!(run.report["verdict"]["answer"].as_str().unwrap().contains("302"));
            let run = ask(nginx, "/", &["-L"]);
            run.assert_reached();
            assert!(run.report["verdict"]["answer"].as_str().unwrap().contains("200"), "{}", run.told());
            assert!(!run.stdout.contains("s3cr3t"));
            // Not followed, a loop is no loop.
            ask(nginx, "/a", &[]).assert_reached().assert_not_blamed("http.response.redirect_loop");
            let run = ask(nginx, "/a", &["-L"]);
            run.assert_died("http.response.redirect_loop");
            let round = &run.seen("http.redirect").pop().unwrap()["round"];
            assert_eq!((&round["length"], &round["times"]), (&2.into(), &25.into()), "{}", run.told());
            let run = ask(nginx, "/count/", &["-L", "--max-redirs", "3"]);
            run.assert_died("http.response.redirect_loop");
            assert!(summary(&run).contains("more than 3 redirects"), "{}", summary(&run));
        },
    );
}

#[test]
fn plain_http_on_a_tls_port() {
    on_each_front(fine(""), |front| {
        let url = format!("http://127.0.0.1:{}/", front.port());
        let run = trace(["--max-time", "5", &url]);
        assert_only(&run, "tls.plaintext_to_tls", &["http.response.invalid", "tls.plaintext_peer"]);
        assert!(run.report["verdict"]["chain"].as_array().unwrap().iter().any(|code| code == "http.error"));
    });
}

#[test]
fn a_client_certificate_is_wanted() {
    on_each_front(
        || {
            let plan = Plan::new();
            let clients = Authority::named("Robots").unwrap();
            let leaf = plan.root.leaf(&plan.name).issue().unwrap();
            plan.with(|nginx| nginx.file("clients.pem", clients.certificate_pem()))
                .shows(&leaf, "ssl_verify_client on; ssl_client_certificate {file:clients.pem};")
        },
        |front| {
            let run = front.trace(&[]);
            assert_only(
                &run,
                "tls.client_cert_required",
                &["tls.client_cert_rejected", "tls.protocol.error"],
            );
            assert!(summary(&run).contains("Robots"), "{}", summary(&run));
            assert_eq!(run.report["verdict"]["at"]["station"], "tls");
            // One that the server's authority did not sign.
            let stranger = Authority::named("Strangers").unwrap().client("robot").issue().unwrap();
            let cert = front.file("client.pem", stranger.chain_pem());
            let key = front.file("client.key", stranger.key_pem());
            let run = front.trace(&["--cert", &cert, "--key", &key]);
            assert_only(&run, "tls.client_cert_rejected", &["tls.client_cert_required"]);
        },
    );
}

#[test]
fn a_client_certificate_that_is_accepted() {
    let clients = Authority::named("Robots").unwrap();
    let robot = clients.client("robot").issue().unwrap();
    on_each_front(
        || {
            let plan = Plan::new();
            let leaf = plan.root.leaf(&plan.name).issue().unwrap();
            plan.with(|nginx| nginx.file("clients.pem", clients.certificate_pem()))
                .shows(&leaf, "ssl_verify_client optional; ssl_client_certificate {file:clients.pem};")
        },
        |front| {
            let cert = front.file("client.pem", robot.chain_pem());
            let key = front.file("client.key", robot.key_pem());
            let run = front.trace(&["--cert", &cert, "--key", &key]);
            run.assert_reached().assert_not_blamed("tls.client_cert_rejected");
            // Asked for, and not needed.
            let run = front.trace(&[]);
            run.assert_reached().assert_not_blamed("tls.client_cert_required");
        },
    );
}

#[test]
fn a_proxy_that_opens_no_tunnel() {
    let proxy = MockUpstream::start(Reply::status(403).header("via", "1.1 gate").body("no")).unwrap();
    let name = name();
    let mut command = common::reqpath();
    command.env("https_proxy", format!("http://user:s3cr3tpw@{}", proxy.address()));
    command.args(["trace", "--json", "--max-time", "5", "--resolve"]);
    command.arg(format!("{name}:443:127.0.0.1")).arg(format!("https://{name}/"));
    let run = common::run(command);
    run.assert_died("client.tunnel_failed");
    let answer = &run.seen("tunnel.answer")[0];
    assert_eq!((answer["status"].as_u64(), answer["authorized"].as_bool()), (Some(403), Some(true)));
    assert!(!run.stdout.contains("s3cr3tpw") && !run.stdout.contains("dXNlcjpz"), "{}", run.stdout);
    let asked = &proxy.requests()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("CONNECT", format!("{name}:443").as_str()));
    assert!(asked.header("proxy-authorization").unwrap().starts_with("Basic "));
}

/// What a proxy says by itself when nothing listens behind it, and what it passes on.
#[track_caller]
fn assert_tells_its_own(proxy: &str, own: &str, passed_on: &str) {
    let run = trace(["--max-time", "5", own]);
    run.assert_died("http.error");
    assert!(summary(&run).contains(&format!("{proxy} made that answer itself")), "{}", summary(&run));
    let run = trace(["--max-time", "5", passed_on]);
    run.assert_reached().assert_warned("http.error");
    let warned = run.report["findings"][0]["summary"].as_str().unwrap();
    assert!(!warned.contains("made that answer itself"), "{warned}");
}

#[test]
fn what_haproxy_says_itself_and_what_it_passes_on() {
    let app = MockUpstream::start(Reply::status(404).body("{\"no\":1}")).unwrap();
    let closed = ClosedPort::reserve().unwrap();
    let started = Haproxy::builder()
        .upstream("app", app.address())
        .upstream("closed", closed.address())
        .config(
            "frontend front\n bind {listen}\n use_backend app if { path_beg /app }\n default_backend none\n\
             backend app\n server one {upstream:app}\nbackend none\n server one {upstream:closed}",
        )
        .start();
    let Some(haproxy) = require(started) else { return };
    let url = |path: &str| format!("http://{}{path}", haproxy.address());
    assert_tells_its_own("HAProxy", &url("/"), &url("/app"));
}

#[test]
fn what_envoy_says_itself_and_what_it_passes_on() {
    let app = MockUpstream::start(Reply::status(404).body("{\"no\":1}")).unwrap();
    let closed = ClosedPort::reserve().unwrap();
    let started = Envoy::builder()
        .upstream("app", app.address())
        .upstream("closed", closed.address())
        .config(ENVOY)
        .start();
    let Some(envoy) = require(started) else { return };
    let url = |path: &str| format!("http://{}{path}", envoy.address());
    assert_tells_its_own("Envoy", &url("/"), &url("/app"));
}

const ENVOY: &str = r#"
static_resources:
  listeners:
  - address: {listen}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - {match: {prefix: /app}, route: {cluster: app}}
              - {match: {prefix: /}, route: {cluster: closed}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: app
    connect_timeout: 1s
    load_assignment:
      cluster_name: app
      endpoints: [{lb_endpoints: [{endpoint: {address: {upstream:app}}}]}]
  - name: closed
    connect_timeout: 1s
    load_assignment:
      cluster_name: closed
      endpoints: [{lb_endpoints: [{endpoint: {address: {upstream:closed}}}]}]
"#;
