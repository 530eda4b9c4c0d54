//! What our nginx configuration does with requests, by a real nginx and a backend that misbehaves on request.

use std::sync::Arc;

use reqpath_core::{Report, Target, Trace};
use reqpath_stages::{Road, local::LocalVantage};
use reqpath_testkit::mock::{MockUpstream, Reply};
use reqpath_testkit::real::{Nginx, require};
use reqpath_testkit::{assert_died, assert_reached};

fn site(orders: &MockUpstream) -> Option<Nginx> {
    require(Nginx::builder().value("orders", orders.address()).server(include_str!("../site.conf")).start())
}

async fn get(nginx: &Nginx, path: &str) -> Report {
    let target = Target::get(&format!("http://{}{path}", nginx.address())).unwrap();
    let road = Road::new().road_only().pipeline().unwrap();
    road.trace(Trace::new(target, Arc::new(LocalVantage::new())).without_last_try()).await
}

#[tokio::test]
async fn the_prefix_is_cut_and_the_host_is_set() {
    let orders = MockUpstream::builder().reply(Reply::ok("42")).expect(1).start().unwrap();
    let Some(nginx) = site(&orders) else { return };
    assert_reached!(get(&nginx, "/api/orders?page=2").await, with "HTTP/1.1 200");
    assert_eq!(orders.requests()[0].target, "/orders?page=2");
    assert_eq!(orders.requests()[0].header("host"), Some("orders.acme.test"));
}

#[tokio::test]
async fn internal_pages_stay_inside() {
    let orders = MockUpstream::builder().reply(Reply::ok("42")).never_called().start().unwrap();
    let Some(nginx) = site(&orders) else { return };
    assert_died!(get(&nginx, "/internal").await, at "server", of "http.error");
}

#[tokio::test]
async fn a_backend_that_hangs_up_is_a_502() {
    let orders = MockUpstream::start(Reply::close()).unwrap();
    let Some(nginx) = site(&orders) else { return };
    assert_died!(get(&nginx, "/api/orders").await, of "http.error");
    assert!(nginx.error_log().text().contains("prematurely closed"));
}
