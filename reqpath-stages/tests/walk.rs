//! Which requests a walk makes, where from, and with what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;

use reqpath_core::{
    ContactKind, Endpoint, Header, Hop, HopKind, Path, Scheme, Sends, Source, Target, Vantage,
};
use reqpath_stages::{Inner, Short, Walk};
use reqpath_testkit::vantage::FakeVantage;

fn place(name: &str) -> Arc<dyn Vantage> {
    FakeVantage::builder().named(name).build()
}

fn at(text: &str) -> Endpoint {
    text.parse().unwrap()
}

fn sends(change: impl FnOnce(&mut Sends)) -> Sends {
    let mut sends = Sends::default();
    change(&mut sends);
    sends
}

fn hop(name: &str, kind: HopKind) -> Hop {
    Hop::new(name, kind)
}

fn client() -> Hop {
    hop("client", HopKind::Client)
}

fn front() -> Target {
    Target::get("https://shop.example/cart?page=2").unwrap()
}

fn walk(target: Target, hops: Vec<Hop>) -> Walk {
    Walk::new(target, Path::new(hops), place("own"))
}

fn entries(walk: &Walk) -> Vec<Inner> {
    walk.entries().unwrap_or_else(|error| panic!("{error}"))
}

/// The request that enters at the third hop.
fn third(target: Target, change: impl FnOnce(&mut Hop)) -> Inner {
    let mut shop = hop("shop", HopKind::Pod).at(at("10.0.0.7:8080")).sent(Sends::default());
    change(&mut shop);
    entries(&walk(target, vec![client(), hop("edge", HopKind::Nginx), shop])).remove(0)
}

#[test]
fn each_hop_behind_the_first_two_is_entered_at_each_address_and_each_branch_too() {
    let hops = vec![
        client(),
        hop("edge", HopKind::Nginx).at(at("192.0.2.1:443")),
        hop("gateway", HopKind::Apisix).at(at("gateway.internal:8080")).sent(Sends::default()),
        hop("shop", HopKind::Pod).at(at("10.0.0.7:80")).at(at("10.0.0.8:80")).at(at("10.0.0.7:80")),
        hop("nowhere", HopKind::Pod),
        hop("prices", HopKind::Pod).at(at("10.0.1.1:80")).branch_of("shop"),
        hop("cache", HopKind::Other).at(at("10.0.1.2:80")).branch_of("edge"),
    ];
    let made: Vec<(String, String)> = entries(&walk(front(), hops))
        .iter()
        .map(|inner| (inner.to.to_string(), inner.at.to_string()))
        .collect();
    let expected = [
        ("gateway", "gateway.internal:8080"),
        ("shop", "10.0.0.7:80"),
        ("shop", "10.0.0.8:80"),
        ("prices", "10.0.1.1:80"),
        ("cache", "10.0.1.2:80"),
    ];
    assert_eq!(made, expected.map(|(to, at)| (to.to_owned(), at.to_owned())));
}

#[test]
fn entries_are_made_from_the_nearest_place_there_is() {
    let hops = |edge: Option<&str>, gateway: Option<&str>, first: Option<&str>| {
        let mut hops = vec![
            client(),
            hop("edge", HopKind::Nginx),
            hop("gateway", HopKind::Nginx).at(at("10.0.0.1:80")),
            hop("shop", HopKind::Pod).at(at("10.0.0.2:80")),
            hop("db", HopKind::Db).at(at("10.0.0.3:5432")).branch_of("shop"),
        ];
        hops[0].vantage = first.map(str::to_owned);
        hops[1].vantage = edge.map(str::to_owned);
        hops[2].vantage = gateway.map(str::to_owned);
        hops
    };
    let made = |hops| {
        let walk = walk(front(), hops).vantage(place("here")).vantage(place("e")).vantage(place("g"));
        entries(&walk)
            .iter()
            .map(|inner| format!("{}/{}", inner.from, inner.vantage.as_deref().unwrap_or("-")))
            .collect::<Vec<_>>()
    };
    assert_eq!(made(hops(None, None, None)), ["client/-", "client/-", "client/-"]);
    assert_eq!(made(hops(Some("e"), Some("g"), None)), ["edge/e", "gateway/g", "gateway/g"]);
    assert_eq!(made(hops(Some("e"), None, None)), ["edge/e", "edge/e", "edge/e"]);
    assert_eq!(made(hops(None, Some("g"), Some("here"))), ["client/here", "gateway/g", "gateway/g"]);
}

#[test]
fn what_is_requested_is_what_the_hop_before_sends() {
    let plain = third(front(), |_| ());
    assert_eq!(plain.target.url(), "http://shop.example/cart?page=2");
    assert_eq!((plain.target.header("host"), plain.short), (None, None));
    let changed = third(front(), |shop| {
        shop.sends = Some(sends(|sends| {
            sends.scheme = Some(Scheme::Https);
            sends.host = Some("shop.internal:8443".to_owned());
            sends.uri = Some("/v1/cart".to_owned());
        }));
    });
    assert_eq!(changed.target.url(), "https://shop.internal:8443/v1/cart");
    let named = third(front(), |shop| {
        shop.sends = Some(sends(|sends| {
            sends.scheme = Some(Scheme::Https);
            sends.host = Some("Shop.internal".to_owned());
            sends.server_name = Some("pods.internal".to_owned());
        }));
    });
    assert_eq!(named.target.host(), "pods.internal", "the name of the handshake");
    assert_eq!(named.target.header("host"), Some("Shop.internal"));
    let own_host = front().to_builder().header("Host", "other.example").unwrap().build();
    assert_eq!(third(own_host, |_| ()).target.url(), "http://other.example/cart?page=2");
    let default_port = third(front(), |shop| {
        shop.sends = Some(sends(|sends| sends.host = Some("shop.internal:80".to_owned())));
    });
    assert_eq!(default_port.target.header("host"), Some("shop.internal:80"), "as it is sent, to the letter");
}

#[test]
fn limits_and_expectations_are_those_of_the_front_unless_the_hop_has_its_own() {
    let mut expect = reqpath_core::Expectation::default();
    expect.status.push("2xx".parse().unwrap());
    let limit = std::time::Duration::from_secs(3);
    let target = front().to_builder().expect(expect.clone()).max_time(limit).max_redirects(5).build();
    let same = third(target.clone(), |_| ()).target;
    assert_eq!((same.expect(), same.max_time(), same.max_redirects()), (&expect, Some(limit.into()), 0));
    let mut own = reqpath_core::Expectation::default();
    own.status.push("404".parse().unwrap());
    let other = third(target, |shop| shop.expect = Some(own.clone())).target;
    assert_eq!(other.expect(), &own);
}

#[test]
fn headers_are_dropped_and_set_as_the_hop_before_does() {
    let target = front().to_builder();
    let target = target.header("Accept-Language", "de").unwrap().header("X-Kept", "1").unwrap();
    let target = target.header("X-Set", "old").unwrap().build();
    let inner = third(target, |shop| {
        shop.sends = Some(sends(|sends| {
            sends.drops = vec!["accept-language".to_owned(), "user-agent".to_owned()];
            sends.headers.push(Header::new("x-set", "new").unwrap());
            sends.headers.push(Header::new("X-From", "edge").unwrap());
        }));
    });
    let sent: HashMap<&str, &str> =
        inner.target.headers().iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
    let expected = [("X-Kept", "1"), ("x-set", "new"), ("X-From", "edge"), ("User-Agent", "")];
    assert_eq!(sent, HashMap::from(expected));
}

#[test]
fn credentials_go_only_where_they_are_allowed() {
    let target = Target::builder("https://me:pass%40word@shop.example/").unwrap();
    let target = target.header("Authorization", "Bearer abcdefgh").unwrap();
    let target = target.with_header(Header::new("X-Tenant", "acme-corp").unwrap().secret()).build();
    let with_key = |shop: &mut Hop| {
        let key = Header::new("X-Api-Key", "key-of-edge").unwrap();
        shop.sends = Some(sends(|sends| sends.headers.push(key)));
    };
    let stripped = third(target.clone(), with_key).target;
    assert!(stripped.headers().is_empty() && stripped.user_info().is_none(), "{:?}", stripped.headers());
    let allowed = third(target, |shop| {
        with_key(shop);
        shop.credentials = true;
    });
    assert_eq!(allowed.target.user_info(), Some(("me", "pass%40word")));
    assert_eq!(allowed.target.headers().len(), 3);
    assert!(allowed.target.headers().iter().all(Header::is_secret));
}

#[test]
fn entries_that_cannot_be_compared_end_before_http() {
    let post = front().to_builder().method("POST").unwrap().build();
    assert_eq!(third(post, |_| ()).short, Some(Short::Unsafe));
    assert_eq!(third(front(), |shop| shop.sends = None).short, Some(Short::NotKnown));
    assert_eq!(third(front(), |shop| shop.kind = HopKind::Db).short, Some(Short::Database));
    let secret = Target::get("https://shop.example/?access_token=abcdefgh").unwrap();
    let inner = third(secret.clone(), |_| ());
    assert_eq!(inner.short, Some(Short::Secret));
    assert!(!inner.target.url().contains("abcdefgh"));
    let inner = third(secret.clone(), |shop| shop.credentials = true);
    assert_eq!((inner.short, inner.target.path_and_query()), (None, "/?access_token=abcdefgh"));
    let elsewhere = |shop: &mut Hop| shop.sends = Some(sends(|sends| sends.uri = Some("/open".to_owned())));
    assert_eq!(third(secret, elsewhere).short, None);
    let body = front().to_builder().body(*b"card=4111111111111111").build();
    assert_eq!(third(body.clone(), |_| ()).short, Some(Short::Body));
    assert_eq!(third(body, |shop| shop.credentials = true).short, None);
}

#[test]
fn what_is_sent_through_packets_stays_the_same() {
    let known = sends(|sends| sends.host = Some("shop.internal".to_owned()));
    let hops = vec![
        client(),
        hop("edge", HopKind::Nginx),
        hop("service", HopKind::Service).at(at("10.96.0.1:80")).sent(known),
        hop("node", HopKind::Node).at(at("10.0.0.1:30080")),
        hop("shop", HopKind::Pod).at(at("10.1.0.7:8080")),
        hop("api", HopKind::Server).at(at("10.1.0.8:8080")),
    ];
    let made = entries(&walk(front(), hops));
    let hosts: Vec<&str> = made[..3].iter().map(|inner| inner.target.host()).collect();
    assert_eq!(hosts, ["shop.internal"; 3]);
    let shorts: Vec<Option<Short>> = made.iter().map(|inner| inner.short).collect();
    assert_eq!(shorts, [None, None, None, Some(Short::NotKnown)], "a Pod sends what it likes");
}

#[test]
fn behind_a_load_balancer_at_the_front_arrives_what_the_client_sends() {
    let mut hops = vec![
        client(),
        hop("balancer", HopKind::Lb),
        hop("edge", HopKind::Nginx).at(at("192.0.2.7:443")).at(at("192.0.2.8:443")),
    ];
    let made = entries(&walk(front(), hops.clone()));
    assert_eq!(made[0].target.url(), "https://shop.example/cart?page=2");
    assert_eq!((made.len(), made[0].short), (2, None));
    hops[2].sends = Some(Sends::default());
    assert_eq!(entries(&walk(front(), hops))[0].target.scheme(), Scheme::Http, "what is said counts");
}

#[test]
fn a_path_that_cannot_be_walked_is_named_with_the_hop() {
    let said = |hops| walk(front(), hops).vantage(place("edge-1")).entries().unwrap_err().to_string();
    let lost = hop("edge", HopKind::Nginx).seen_from("egde-1");
    assert_eq!(
        said(vec![client(), lost]),
        "hop `edge`: there is no vantage `egde-1`: did you mean `edge-1`?"
    );
    let mut source = Source::file("access_log", "/x");
    source.vantage = Some("elsewhere".to_owned());
    assert_eq!(
        said(vec![client(), hop("edge", HopKind::Nginx).source(source)]),
        "hop `edge`: there is no vantage `elsewhere`: give one of this name, or take the name away"
    );
    assert!(said(vec![hop("edge", HopKind::Nginx)]).contains("the first hop is the client"));
    let spoilt = hop("shop", HopKind::Pod).at(at("10.0.0.7:80"));
    let spoilt = spoilt.sent(sends(|sends| sends.host = Some("a b".to_owned())));
    assert_eq!(
        said(vec![client(), hop("edge", HopKind::Nginx), spoilt]),
        "hop `shop`: what is sent to it cannot be requested"
    );
    assert!(walk(front(), vec![client(), hop("edge", HopKind::Nginx).seen_from("own")]).entries().is_ok());
}

#[test]
fn the_plan_of_the_trace_holds_every_entry_and_no_more() {
    let hops = vec![
        client(),
        hop("edge", HopKind::Nginx).seen_from("e"),
        hop("shop", HopKind::Pod).at(at("10.0.0.7:8080")).sent(Sends::default()),
        hop("other", HopKind::Pod).at(at("10.0.0.8:8080")),
        hop("db", HopKind::Db).at(at("10.0.0.9:5432")).branch_of("shop"),
    ];
    let road = reqpath_stages::Road::new().road_only();
    let ready = |walk: Walk| walk.vantage(place("e")).road(road.clone()).ready().unwrap();
    let (pipeline, trace) = ready(walk(front(), hops.clone()));
    let trace = trace.samples(3).without_last_try();
    let plan = pipeline.plan(&trace);
    let requests = |to: &str| -> u32 {
        let of = |why: &str| why.contains(&format!("entering at {to} at"));
        let requests = plan.iter().filter(|contact| contact.kind == ContactKind::Request && of(&contact.why));
        let requests = requests.filter(|contact| contact.why.starts_with("the request itself"));
        requests.map(|contact| contact.most).sum()
    };
    assert_eq!((requests("shop"), requests("other"), requests("db")), (3, 0, 0), "{plan:#?}");
    let opens = |to: &str| {
        plan.iter()
            .any(|c| c.kind == ContactKind::Connection && c.why.contains(&format!("entering at {to} at")))
    };
    assert!(opens("shop") && opens("other") && opens("db"), "{plan:#?}");
    let (pipeline, trace) = ready(walk(front(), hops).front_only());
    let alone = pipeline.plan(&trace.samples(3).without_last_try());
    assert!(
        !alone.is_empty() && alone.iter().all(|contact| !contact.why.contains("entering at")),
        "{alone:#?}"
    );
}

#[test]
fn names_are_announced_to_be_asked_for_only_where_a_hop_is_dialled_by_one() {
    let asked_for = |gateway: &str| {
        let gateway = hop("gateway", HopKind::Nginx).at(at(gateway)).sent(Sends::default());
        let (pipeline, trace) =
            walk(front(), vec![client(), hop("edge", HopKind::Nginx), gateway]).ready().unwrap();
        let plan = pipeline.plan(&trace);
        plan.iter()
            .filter(|contact| contact.why.contains("entering at gateway"))
            .filter(|contact| matches!(contact.kind, ContactKind::Query | ContactKind::SystemLookup))
            .count()
    };
    assert_eq!(asked_for("10.0.0.7:80"), 0);
    assert!(asked_for("gateway.internal:80") > 0);
}

#[test]
fn a_place_far_away_makes_requests_and_nothing_else() {
    use reqpath_stages::WalkError;
    use reqpath_stages::local::FarCommand;

    let far = || FarCommand::new("far", ["ssh", "edge.internal", "reqpath"]);
    let shop = |change: fn(&mut Sends)| hop("shop", HopKind::Pod).at(at("10.0.0.7:8080")).sent(sends(change));
    let road = |edge: Hop, shop: Hop| walk(front(), vec![client(), edge, shop]).far(far());
    let edge = || hop("edge", HopKind::Nginx).seen_from("far");

    let inner = entries(&road(edge(), shop(|_| ()))).remove(0);
    assert_eq!((inner.vantage.as_deref(), inner.short), (Some("far"), None));
    let inner = entries(&road(edge(), shop(|sends| sends.scheme = Some(Scheme::Https)))).remove(0);
    assert_eq!(inner.short, None, "nobody minds the certificate");
    let (_, trace) = road(edge(), shop(|_| ())).ready().unwrap();
    let pipeline = reqpath_stages::Road::new().pipeline().unwrap();
    let planned = pipeline.plan(&trace);
    assert!(planned.iter().any(|contact| contact.kind == ContactKind::Command), "{planned:#?}");

    let verified: fn(&mut Sends) = |sends| (sends.scheme, sends.verifies) = (Some(Scheme::Https), true);
    let own = road(edge(), shop(verified)).believed("shop", reqpath_stages::tls::Trust::None);
    assert_eq!(entries(&own).remove(0).short, Some(Short::Settings));
    // It is the client who speaks there, with settings of its own.
    let balancer = hop("balancer", HopKind::Lb).seen_from("far");
    let as_front = hop("shop", HopKind::Pod).at(at("10.0.0.7:8443"));
    assert_eq!(entries(&road(balancer, as_front)).remove(0).short, Some(Short::Settings));

    let read = edge().source(Source::file("error_log", "/e"));
    for (client, edge) in [(client(), read), (client().seen_from("far"), edge())] {
        let refused = walk(front(), vec![client, edge, shop(|_| ())]).far(far()).entries().unwrap_err();
        assert!(matches!(refused, WalkError::TooFar { .. }), "{refused}");
    }
    let misspelt = walk(front(), vec![client(), hop("edge", HopKind::Nginx).seen_from("fra")]).far(far());
    assert!(misspelt.entries().unwrap_err().to_string().contains("did you mean `far`?"));
}
