//! A path file that looks from another network namespace, walked by the built program.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use common::{REQPATH, Run};
use reqpath_testkit::lab::{self, Filter, Lab};
use reqpath_testkit::mock::{MockUpstream, Reply};
use serde_json::Value;

#[test]
fn a_hop_is_entered_from_the_network_of_the_hop_before() {
    let lab = Lab::builder().host("client").router("edge").host("server");
    let Some(lab) = lab::or_skip(lab.link("client", "edge").link("edge", "server").build()) else { return };
    if lab::or_skip(lab["edge"].rules()).is_none() {
        return;
    }
    let serving = |host: &str| {
        let start = || MockUpstream::builder().bind(IpAddr::from([0; 4])).reply(Reply::ok("open")).start();
        let mock = lab[host].run(start).unwrap().unwrap();
        (SocketAddr::new(lab[host].ipv4().into(), mock.address().port()), mock)
    };
    let ((front, _edge), (shop, server)) = (serving("edge"), serving("server"));
    // Only the router itself may speak to the server: what the client finds there says nothing of the road.
    let fault = lab["edge"].impose(&Filter::forwarded().tcp_port(shop.port()).drop()).unwrap();
    let inside = lab["edge"].command("sleep").args(["600"]).spawn().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let walked = |vantage: &str| {
        let file = folder.path().join("road.yaml");
        let text = format!(
            "request: {{url: 'http://{front}/', max_time: 2s}}\n\
             vantages: {{edge: {{netns: {{pid: {}}}}}}}\n\
             hops: [{{name: client}}, {{name: edge, kind: nginx{vantage}}}, \
             {{name: shop, addresses: ['{shop}'], sends: {{host: shop.internal}}}}]\n",
            inside.id()
        );
        std::fs::write(&file, text).unwrap();
        let began = Instant::now();
        let command = lab["client"].command(REQPATH).args(["trace", "--json", "-f"]).arg(&file);
        Run::of(&command.output().unwrap(), began.elapsed())
    };
    for (vantage, from, left, asked) in
        [(", vantage: edge", "edge", "alive", true), ("", "client", "dead", false)]
    {
        let before = server.request_count();
        let run = walked(vantage);
        run.assert_reached();
        let trials = run.report["observations"].as_array().unwrap().iter();
        let inner = trials.filter(|seen| seen["data"]["role"] == "inner").collect::<Vec<_>>();
        assert_eq!(inner.len(), 1, "{}", run.told());
        assert_eq!(inner[0]["subject"]["leg"]["from"], Value::from(from), "{}", run.told());
        assert_eq!(inner[0]["data"]["left"], Value::from(left), "{}", run.told());
        assert_eq!(server.request_count() > before, asked, "{}", run.told());
    }
    assert!(fault.packets().unwrap() > 0);
    assert!(server.requests().iter().all(|request| request.host() == Some("shop.internal")));
}
