//! Answers that no honest zone gives, or hardly any: long chains of aliases, aliases alone, records of others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType};
use hickory_resolver::proto::rr::rdata::{A, CNAME, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use reqpath_core::{Pipeline, Report, Target, Trace, Verdict};
use reqpath_dns::{Answer, Dns, DnsOptions};
use reqpath_local::LocalVantage;

const NAME: &str = "www.shop.test.";

/// Answers every question with these records, and no others; until the process ends.
fn serve(records: impl Fn(RecordType) -> Records + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            message.metadata.message_type = MessageType::Response;
            message.edns = None;
            let records = records(message.queries[0].query_type());
            message.add_answers(records.answers);
            message.add_authorities(records.authorities);
            socket.send_to(&message.to_vec().unwrap(), from).unwrap();
        }
    });
    address
}

#[derive(Default)]
struct Records {
    answers: Vec<Record>,
    authorities: Vec<Record>,
}

fn name(text: &str) -> Name {
    Name::from_str(text).unwrap()
}

fn alias(of: &str, target: &str) -> Record {
    Record::from_rdata(name(of), 60, RData::CNAME(CNAME(name(target))))
}

fn a(of: &str) -> Record {
    Record::from_rdata(name(of), 60, RData::A(A(Ipv4Addr::LOCALHOST)))
}

fn denied() -> Records {
    let soa = SOA::new(name("ns.test."), name("host.test."), 1, 2, 3, 4, 60);
    Records {
        answers: Vec::new(),
        authorities: vec![Record::from_rdata(name("shop.test."), 60, RData::SOA(soa))],
    }
}

fn trace(server: SocketAddr) -> Report {
    let mut options = DnsOptions::default();
    options.servers = vec![server];
    let pipeline = Pipeline::builder().stage(Dns::new(options)).build().unwrap();
    let target = Target::get(&format!("http://{NAME}/")).unwrap();
    let trace = Trace::new(target, Arc::new(LocalVantage::new())).without_last_try();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(pipeline.trace(trace.deadline(Duration::from_secs(5))))
}

#[track_caller]
fn died_of<'a>(report: &'a Report, code: &str) -> &'a str {
    match &report.verdict {
        Some(Verdict::Died { cause, .. }) if cause.code == code => &cause.summary,
        other => panic!("{other:?}\n{:?}", report.findings),
    }
}

fn chain(length: usize, last: &str) -> Vec<Record> {
    let link = |n: usize| if n == 0 { NAME.to_owned() } else { format!("c{n}.test.") };
    let to = |n: usize| if n == length { last.to_owned() } else { link(n) };
    (0..length).map(|n| alias(&link(n), &to(n + 1))).collect()
}

#[test]
fn a_chain_is_a_loop_only_where_a_name_is_met_twice() {
    for length in [16, 17, 40, 100] {
        let server = serve(move |of| match of {
            RecordType::A => {
                let answers = [chain(length, "end.test."), vec![a("end.test.")]].concat();
                Records { answers, ..Records::default() }
            }
            _ => denied(),
        });
        let report = trace(server);
        assert!(matches!(report.verdict, Some(Verdict::Reached { .. })), "{length}: {:?}", report.verdict);
        assert!(report.findings.is_empty(), "{length}: {:?}", report.findings);
        let answers = report.observations.iter().filter_map(|seen| seen.get::<Answer>());
        let answer = answers.max_by_key(|answer| answer.aliases()).unwrap();
        assert_eq!((answer.aliases(), answer.end_of_chain()), (length, "end.test."));
    }
    // Its twin: the last one leads back to the first but one.
    let server = serve(|_| Records { answers: [chain(20, "c1.test.")].concat(), ..Records::default() });
    let report = trace(server);
    let summary = died_of(&report, "dns.failed");
    assert!(summary.contains("lead round in a loop: www.shop.test. → c1.test. → "), "{summary}");
    assert!(summary.contains("→ (12 more) → c1.test."), "{summary}");
}

#[test]
fn an_answer_that_denies_nothing_is_not_said_to_deny() {
    // An alias alone.
    let server = serve(|_| Records { answers: vec![alias(NAME, "end.test.")], ..Records::default() });
    let report = trace(server);
    let summary = died_of(&report, "dns.no_address");
    assert!(summary.contains("no address of end.test., nor a SOA to deny one"), "{summary}");
    assert!(!summary.contains("exists"), "{summary}");
    let ask = format!("dig @127.0.0.1 -p {} end.test. A", server.port());
    assert!(report.next.iter().any(|next| next.starts_with(&ask)), "{:?}", report.next);

    // An address of another name, beside a plain denial for the other version.
    let server = serve(|of| match of {
        RecordType::A => Records { answers: vec![a("other.test.")], ..Records::default() },
        _ => denied(),
    });
    let report = trace(server);
    let summary = died_of(&report, "dns.no_address");
    assert!(summary.contains("the record in the answer is of another name or type"), "{summary}");
    assert!(!summary.contains("exists") && !summary.contains("empty"), "{summary}");

    // Their twins: the zone denies the name, and what it is an alias of.
    let report = trace(serve(|_| denied()));
    let summary = died_of(&report, "dns.no_address");
    assert!(summary.contains("exists and has neither") && summary.contains("an empty answer"), "{summary}");
    let server = serve(|_| Records { answers: vec![alias(NAME, "end.test.")], ..denied() });
    let report = trace(server);
    let summary = died_of(&report, "dns.no_address");
    assert!(summary.contains("www.shop.test. → end.test. exists and has neither"), "{summary}");
}
