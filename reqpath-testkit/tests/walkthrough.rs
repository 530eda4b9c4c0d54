//! The eight steps of `docs/walkthrough.md`, each taken on the ready-made road: its commands are run where they
//! say, and the report shows the lines that the page shows.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

mod page;
mod ready;

use reqpath_core::Report;
use reqpath_testkit::{
    lab::{self, Filter, Host},
    pki::Authority,
};

use page::{Page, Section};
use ready::{PATIENCE, Ready, off, shown, told};

/// Commands that only ask, and that every machine has that can make a lab.
const ASK: [&str; 3] = ["getent", "curl", "grep"];

fn step(number: usize) -> Section {
    Page::read("walkthrough.md").section(number)
}

/// A command of the page, where it is run, and a part of what it prints.
struct Asked {
    command: String,
    on: String,
    prints: Option<String>,
}

fn commands(section: &Section) -> Vec<Asked> {
    let lines = section.fences("sh").flat_map(str::lines);
    let read = |line: &str| {
        let (command, place) = line.split_once("   # on ")?;
        let (on, prints) = match place.split_once(" → ") {
            Some((on, prints)) => (on, Some(prints.to_owned())),
            None => (place, None),
        };
        Some(Asked { command: command.to_owned(), on: on.to_owned(), prints })
    };
    lines.filter_map(read).collect()
}

/// The names in angle brackets that the page may use.
fn places(ready: &Ready) -> Vec<(String, String)> {
    let outside = |host: &Host| host.interface_on("outside").unwrap().addresses[0].ip().to_string();
    let inside = |host: &Host| host.interface_on("inside").unwrap().addresses[0].ip().to_string();
    let road = &ready.road;
    let gateway = road.gateway.as_ref().unwrap();
    let mut places = vec![
        ("<edge>".to_owned(), outside(&road.edge.host)),
        ("<gateway>".to_owned(), inside(&gateway.host)),
        ("<database>".to_owned(), inside(&road.database.host)),
        ("<edge-log>".to_owned(), road.edge.access_log().path().display().to_string()),
        ("<gateway-log>".to_owned(), gateway.access_log().path().display().to_string()),
    ];
    for (number, node) in (1..).zip(&road.nodes) {
        places.push((format!("<node{number}>"), node.node_port().ip().to_string()));
    }
    let pods = ready.path.hop(&"pods".into()).unwrap();
    for (number, address) in (1..).zip(&pods.addresses) {
        places.push((format!("<pod{number}>"), address.ip().unwrap().to_string()));
    }
    places
}

fn filled(text: &str, places: &[(String, String)]) -> String {
    let filled = places.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(
        !filled.contains('<') || filled.contains("</dev/null") || filled.contains("http.error<"),
        "{filled}"
    );
    filled
}

/// Whether a line holds these parts in this order.
fn holds(line: &str, pattern: &str) -> bool {
    let mut rest = line;
    pattern.split('…').all(|part| match rest.split_once(part.trim()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Takes a step: its commands, then its report.
#[track_caller]
fn taken(number: usize, ready: &Ready, report: &Report) {
    let section = step(number);
    let mut places = places(ready);
    places.push(("<id>".to_owned(), report.request_id.clone()));
    for asked in commands(&section) {
        let program = asked.command.split(' ').next().unwrap();
        if !ASK.contains(&program) {
            continue;
        }
        let host = ready.road.network().host(&asked.on).unwrap();
        let command = filled(&asked.command, &places);
        let output = host.command("sh").args(["-c", &command]).output();
        let missing = |_| lab::Error::Missing { program: program.to_owned(), package: program.to_owned() };
        let Some(output) = lab::or_skip(output.map_err(missing)) else { return };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if let Some(prints) = asked.prints {
            let prints = filled(&prints, &places);
            assert!(said.contains(&prints), "step {number}: `{command}` on {}: {said}{output:?}", asked.on);
        }
    }
    let mut text = shown(report);
    for next in &report.next {
        text.push_str(&format!("next: {next}\n"));
    }
    let block = section.fence("text").unwrap_or_else(|| panic!("step {number} shows no report"));
    for line in block.lines() {
        if let Some(verdict) = line.strip_prefix("verdict: ") {
            assert_eq!(told(report), verdict, "step {number}\n{text}");
            continue;
        }
        let pattern = filled(line, &places);
        assert!(
            text.lines().any(|line| holds(line, &pattern)),
            "step {number}: no line `{pattern}` in\n{text}"
        );
    }
}

#[test]
fn the_page_has_eight_steps_and_each_shows_a_report() {
    let page = Page::read("walkthrough.md");
    let sections = page.sections();
    assert_eq!(
        sections.iter().map(|section| section.number).collect::<Vec<_>>(),
        (1..=8).collect::<Vec<_>>()
    );
    for section in &sections {
        assert!(section.fence("sh").is_some(), "{}", section.title);
        let report = section.fence("text").unwrap_or_default();
        assert!(report.starts_with("verdict: ") && report.lines().count() > 2, "{}", section.title);
    }
}

#[test]
fn a_line_holds_its_parts_in_their_order() {
    assert!(holds("#1 dns.system  a → b: x in 3 ms", "dns.system … a → b: x in …"));
    assert!(!holds("a → b: dns.system", "dns.system … a → b"));
}

#[test]
fn step_1_names_are_resolved_where_they_are_used() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::calm()) else { return };
        named(&mut ready, "gateway", &["gateway.road.test:8080"]);
        let report = ready.trace("/");
        taken(1, &ready, &report);
    });
}

#[test]
fn step_2_phases_are_told_apart() {
    lab::rootless(|| {
        let authority = Authority::new().unwrap();
        let leaf = authority.leaf("database.road.test").issue().unwrap();
        let secured = Ready::calm().database_over_tls(&authority, &leaf).unwrap();
        let Some(ready) = Ready::up(secured) else { return };
        let report = ready.trace_over_tls("/db", &authority);
        taken(2, &ready, &report);
    });
}

#[test]
fn step_3_the_backend_answers_and_the_balanced_way_does_not() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        off(ready.gateway().leash(), "TERM");
        let report = ready.trace("/");
        taken(3, &ready, &report);
    });
}

#[test]
fn step_4_name_address_and_pods_are_each_asked() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::calm()) else {
            return;
        };
        ready.road.nodes[1].host.load_rules("flush table inet reqpath_service").unwrap();
        named(&mut ready, "nodes", &["node1.road.test:30080", "node2.road.test:30080"]);
        let report = ready.trace("/");
        taken(4, &ready, &report);
    });
}

#[test]
fn step_5_a_pod_that_is_listed_and_does_not_serve() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        drop(ready.road.pods.remove(1));
        let report = ready.trace_often("/", 24);
        taken(5, &ready, &report);
    });
}

#[test]
fn step_6_and_7_what_waits_for_the_database() {
    lab::rootless(|| {
        let Some(ready) = Ready::up(Ready::strict()) else { return };
        let silent = Filter::incoming().tcp_port(5432).opening().drop();
        let Some(filter) = lab::or_skip(ready.road.database.host.impose(&silent)) else { return };
        let report = ready.trace("/db");
        // What a capture there would show: they arrive at the host, and nothing answers.
        assert!(filter.packets().unwrap() > 0);
        taken(6, &ready, &report);
        taken(7, &ready, &report);
    });
}

#[test]
fn step_8_the_words_and_the_id_lead_through_every_log() {
    lab::rootless(|| {
        let Some(mut ready) = Ready::up(Ready::strict()) else { return };
        off(ready.road.database.postgres.leash(), "INT");
        let report = ready.trace("/db");
        let id = report.request_id.clone();
        assert!(ready.road.edge.access_log().wait_for(PATIENCE, |line| line.contains(&id)).is_some());
        taken(8, &ready, &report);
        let served = ready.road.pods.iter().flat_map(|pod| pod.application.served());
        assert!(served.into_iter().any(|one| one.request_id.as_deref() == Some(&id) && one.status == 503));
    });
}

/// The hop is given by these names, as a person would who knows no addresses.
fn named(ready: &mut Ready, hop: &str, names: &[&str]) {
    let hop = ready.path.hops.iter_mut().find(|known| known.id.as_str() == hop).unwrap();
    hop.addresses = names.iter().map(|name| name.parse().unwrap()).collect();
}
