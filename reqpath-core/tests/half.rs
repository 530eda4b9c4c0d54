//! Half-bugs through the runner: who takes turns, what is pinned, and how seldom chance is named.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

mod common;

use std::sync::Mutex;

use async_trait::async_trait;
use common::{Toy, trace};
use reqpath_core::*;

const ADDRESSES: [&str; 4] = ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80", "192.0.2.4:80"];
const RESOLVERS: [&str; 2] = ["192.0.2.53:53", "192.0.2.54:53"];
const VERSIONS: [&str; 2] = ["HTTP/1.1", "HTTP/2"];

/// What one request had, and whether it was to confirm.
#[derive(Clone, Debug)]
struct Had {
    role: Role,
    address: &'static str,
    resolver: &'static str,
    version: &'static str,
}

/// A road of which some requests die, by what they have or by chance.
#[derive(Debug)]
struct Road {
    dies: fn(&Had, &mut fastrand::Rng) -> bool,
    random: Mutex<fastrand::Rng>,
    seen: Mutex<Vec<Had>>,
}

impl Road {
    fn new(dies: fn(&Had, &mut fastrand::Rng) -> bool, seed: u64) -> Self {
        Self { dies, random: Mutex::new(fastrand::Rng::with_seed(seed)), seen: Mutex::default() }
    }
}

/// One of these: what is pinned, or whose turn it is.
fn one_of(cx: &Context, name: &str, of: &[&'static str]) -> &'static str {
    let mut order = of.to_vec();
    order.rotate_left(cx.turn(name, of.len()));
    if let Some(pinned) = cx.pinned(name) {
        order.sort_by_key(|value| !pinned.fits(value));
    }
    order[0]
}

#[async_trait]
impl Stage for &'static Road {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn causes(&self) -> &[&'static Cause] {
        &[]
    }
    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let version = VERSIONS[self.random.lock().unwrap().usize(..2)];
        let port = 32_768 + 2 * self.random.lock().unwrap().u32(..14_000);
        let had = Had {
            role: cx.role(),
            address: one_of(cx, "address", &ADDRESSES),
            resolver: one_of(cx, "resolver", &RESOLVERS),
            version,
        };
        cx.attribute("address", || had.address.to_owned());
        cx.attribute("resolver", || had.resolver.to_owned());
        cx.attribute("http_version", || had.version.to_owned());
        cx.attribute("source_port", || port.to_string());
        let dies = (self.dies)(&had, &mut self.random.lock().unwrap());
        self.seen.lock().unwrap().push(had);
        cx.record(at, Toy { ok: !dies });
        Ok(if dies { Left::Dead } else { Left::Alive })
    }
}

cause! {
    /// The toy broke.
    static BROKEN: "toy.broken" = broken { scope(Scope::Sample) }
}

fn broken(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.first::<Toy>(at)?;
    if seen.ok {
        Err(Decline::not("the toy is whole", &seen))
    } else {
        Ok(Finding::new(at, &seen, "the toy broke"))
    }
}

async fn run(road: &'static Road, trace: Trace) -> Report {
    let pipeline = Pipeline::builder().stage(road).causes([&BROKEN]).build().unwrap();
    pipeline.trace(trace).await
}

fn road(dies: fn(&Had, &mut fastrand::Rng) -> bool, seed: u64) -> &'static Road {
    Box::leak(Box::new(Road::new(dies, seed)))
}

fn separated(report: &Report) -> Vec<(String, String)> {
    let by = report.verdict.as_ref().unwrap().separated_by();
    by.iter().map(|by| (by.attributes.join("+"), by.value.clone())).collect()
}

fn confirming(road: &Road) -> Vec<Had> {
    road.seen.lock().unwrap().iter().filter(|had| had.role == Role::Confirm).cloned().collect()
}

#[tokio::test]
async fn an_address_that_kills_is_pinned_and_named() {
    let road = road(|had, _| had.address == ADDRESSES[2], 1);
    let report = run(road, trace().samples(24)).await;
    assert_eq!(separated(&report), [("address".to_owned(), ADDRESSES[2].to_owned())]);
    assert_eq!(report.verdict.as_ref().unwrap().outcome().samples, 24, "the further round is not counted");
    let confirming = confirming(road);
    let with = confirming.iter().filter(|had| had.address == ADDRESSES[2]).count();
    assert_eq!((confirming.len(), with), (24, 12), "one with it, one without");
    let text = report.verdict.unwrap().separated_by()[0].to_string();
    assert!(text.starts_with("address 192.0.2.3:80: all 6 died, 0 of 18 others (p = "), "{text}");
}

#[tokio::test]
async fn what_cannot_be_chosen_is_confirmed_by_what_happens() {
    let road = road(|had, _| had.version == "HTTP/2", 2);
    let report = run(road, trace().samples(24)).await;
    assert_eq!(separated(&report), [("http_version".to_owned(), "HTTP/2".to_owned())]);
}

#[tokio::test]
async fn a_resolver_is_told_from_the_addresses_that_take_turns_with_it() {
    let report = run(road(|had, _| had.resolver == RESOLVERS[1], 3), trace().samples(24)).await;
    assert_eq!(separated(&report), [("resolver".to_owned(), RESOLVERS[1].to_owned())]);
}

#[tokio::test]
async fn without_a_further_round_nothing_is_named() {
    let road = road(|had, _| had.address == ADDRESSES[2], 1);
    let report = run(road, trace().samples(24).without_confirmation()).await;
    assert!(separated(&report).is_empty() && confirming(road).is_empty());
    // Few samples are not compared: none takes another's turn, and nothing is recorded.
    let few = self::road(|had, _| had.address == ADDRESSES[2], 1);
    let report = run(few, trace().samples(9)).await;
    assert!(matches!(report.verdict, Some(Verdict::Reached { .. })));
    assert!(few.seen.lock().unwrap().iter().all(|had| had.address == ADDRESSES[0]));
}

#[tokio::test]
async fn a_thousand_traces_whose_deaths_depend_on_nothing() {
    let mut named = 0;
    for seed in 0..1_000 {
        let dies: fn(&Had, &mut fastrand::Rng) -> bool = match seed % 5 {
            0 => |_, random| random.u8(..10) < 1,
            1 => |_, random| random.u8(..10) < 3,
            2 => |_, random| random.u8(..10) < 5,
            3 => |_, random| random.u8(..10) < 7,
            _ => |_, random| random.u8(..10) < 9,
        };
        let report = run(road(dies, seed), trace().samples(24)).await;
        named += usize::from(!separated(&report).is_empty());
    }
    println!("{named} of 1000");
    assert!(named <= 10, "{named} of 1000");
}

/// A road whose requests die by a node that only a log tells of, which is read when all have ended.
#[derive(Debug)]
struct Logged {
    random: Mutex<fastrand::Rng>,
    log: Mutex<Vec<(Subject, &'static str)>>,
}

#[async_trait]
impl Stage for &'static Logged {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn causes(&self) -> &[&'static Cause] {
        &[]
    }
    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let node = ["node1", "node2"][self.random.lock().unwrap().usize(..2)];
        self.log.lock().unwrap().push((at.clone(), node));
        cx.record(at, Toy { ok: node == "node1" });
        Ok(if node == "node1" { Left::Alive } else { Left::Dead })
    }
    fn visits(&self) -> bool {
        true
    }
    async fn visit(&self, _: &Subject, cx: &Context) -> Result<(), Error> {
        for (at, node) in self.log.lock().unwrap().iter() {
            cx.record(at, Attribute::new("node", *node));
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_only_a_log_tells_is_confirmed_by_a_further_round_all_the_same() {
    let logged = || -> &'static Logged {
        let random = Mutex::new(fastrand::Rng::with_seed(4));
        Box::leak(Box::new(Logged { random, log: Mutex::default() }))
    };
    let traced = async |logged: &'static Logged, path: Path| {
        let pipeline = Pipeline::builder().stage(logged).causes([&BROKEN]).build().unwrap();
        let trace = trace().samples(24).path(path).vantage_of("server", std::sync::Arc::new(common::Nowhere));
        pipeline.trace(trace).await
    };
    let mut path = Path::of_url();
    // Where nobody has a log, nothing can be told later, and no further round is made.
    let without = logged();
    traced(without, path.clone()).await;
    assert_eq!(without.log.lock().unwrap().len(), 24);

    path.hops[1].sources.push(Source::file("access_log", "/var/log/nginx/access.log"));
    let with = logged();
    let report = traced(with, path).await;
    assert_eq!(with.log.lock().unwrap().len(), 48);
    assert_eq!(separated(&report), [("node".to_owned(), "node2".to_owned())]);
}
