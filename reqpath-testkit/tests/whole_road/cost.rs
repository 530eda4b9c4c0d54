//! What a trace costs: no more time than its longest way, no more requests than it announced.

use std::time::Duration;

use reqpath_core::{Report, Role, Trial};
use serde_json::Value;

use crate::asking::{Asking, Traced, told, trials};
use crate::chain::{Chain, Is, Plan};
use crate::fault::Fault;
use crate::play;

/// From one hop to the next.
const DELAY: Duration = Duration::from_millis(300);
/// How often a trace may be made until one was not held up by a busy machine.
const TRIES: usize = 3;

/// A road whose cost is known.
struct Costs {
    what: &'static str,
    plan: Plan,
    ask: fn(Asking<'_>) -> Asking<'_>,
    /// How the verdict begins.
    verdict: &'static str,
}

const FOUR: &[Is] = &[Is::Proxy, Is::Proxy, Is::App];

#[test]
fn no_longer_than_its_longest_way() {
    // Each cable holds a packet back; two are on the way from host to host.
    let slow = || Plan::new(FOUR).delay(DELAY / 2).waits(Duration::from_secs(4));
    play::each(
        &[
            Costs { what: "a road that is well", plan: slow(), ask: |asking| asking, verdict: "reached" },
            Costs {
                what: "a dead application",
                plan: slow().with(3, Fault::Refused),
                ask: |asking| asking,
                verdict: "died shop http.response.unexpected<http.error<tcp.refused",
            },
            Costs {
                what: "a dead application, and the logs that tell",
                plan: slow().with(3, Fault::ClosedEarly),
                ask: |asking| asking.with_logs(),
                verdict: "died shop http.response.unexpected<http.error<",
            },
        ],
        |costs| {
            let Some(chain) = costs.plan.build() else { return Ok(()) };
            let mut held_up = String::new();
            for _ in 0..TRIES {
                let traced = (costs.ask)(chain.ask()).traced();
                let said = told(&traced.report);
                if !said.starts_with(costs.verdict) {
                    return Err(format!("{}: {said}{}", costs.what, trials(&traced.report)));
                }
                let (longest, took) = (longest_way(&traced.report), traced.took);
                assert!(longest >= DELAY * 6, "{longest:?} is faster than the cables");
                if took <= longest + longest / 20 + Duration::from_millis(100) {
                    return Ok(());
                }
                held_up = format!("{}: {took:?} for {longest:?}{}", costs.what, trials(&traced.report));
            }
            Err(held_up)
        },
    );
}

/// The requests at the front one after the other, or those of the entry that took longest, whichever is
/// longer; with what was looked at beside; then the last try.
fn longest_way(report: &Report) -> Duration {
    let mut way = Way::default();
    for seen in &report.observations {
        let value = seen.value();
        let sample = seen.subject.sample();
        match seen.kind() {
            "request.trial" => way.trial(&seen.subject, &serde_json::from_value(value.into_owned()).unwrap()),
            "http.reuse" => {
                let took = value.get("took_us").and_then(Value::as_u64).unwrap_or_default();
                way.beside.push((sample, Duration::from_micros(took)));
            }
            _ => {}
        }
    }
    way.longest()
}

#[derive(Default)]
struct Way {
    front: Vec<(Option<u32>, Duration)>,
    /// One request each.
    entries: Vec<(Option<u32>, Duration)>,
    last: Duration,
    /// What began when the request of this sample had ended.
    beside: Vec<(Option<u32>, Duration)>,
}

impl Way {
    fn trial(&mut self, at: &reqpath_core::Subject, trial: &Trial) {
        let (sample, took) = (at.sample(), trial.elapsed_us.duration());
        match trial.role {
            Role::Fresh => self.front.push((sample, took)),
            Role::Inner => self.entries.push((sample, took)),
            _ => self.last += took,
        }
    }

    fn longest(&self) -> Duration {
        let front: Duration = self.front.iter().map(|(_, took)| *took).sum();
        let requests = self.entries.iter().map(|(_, took)| *took).chain([front]).max().unwrap_or_default();
        let both = || self.front.iter().chain(&self.entries);
        let beside = self.beside.iter().filter_map(|(sample, took)| {
            let (_, request) = both().find(|(other, _)| other == sample)?;
            Some(*request + *took)
        });
        beside.chain([requests + self.last]).max().unwrap_or_default()
    }
}

#[test]
fn no_more_requests_than_announced() {
    let two_pods = |fault| Plan::new(&[Is::Proxy, Is::App]).with(2, fault).and(None);
    let ask: fn(Asking<'_>) -> Asking<'_> = |asking| asking;
    let many: fn(Asking<'_>) -> Asking<'_> = |asking| asking.samples(12);
    let cases = [
        ("well", Plan::new(FOUR), ask),
        ("failing", Plan::new(FOUR).with(3, Fault::Error), ask),
        ("failing, many times", Plan::new(FOUR).with(3, Fault::Error), many),
        ("closing", Plan::new(FOUR).with(3, Fault::ClosedEarly), ask),
        ("silent", Plan::new(FOUR).with(3, Fault::Silent), ask),
        ("failing by half", two_pods(Fault::Error), many),
        ("a long road", Plan::new(&[Is::Node, Is::Proxy, Is::Proxy, Is::Proxy, Is::Node, Is::App]), ask),
    ];
    play::each(&cases, |(what, plan, ask)| {
        let Some(chain) = plan.build() else { return Ok(()) };
        let traced = ask(chain.ask()).traced();
        let wrong = beyond_announced(&chain, &traced);
        if wrong.is_empty() { Ok(()) } else { Err(format!("{what}: {}", wrong.join("; "))) }
    });
}

/// The entries whose first server saw more requests than announced, or none though it works.
fn beyond_announced(chain: &Chain, traced: &Traced) -> Vec<String> {
    let id = &traced.report.request_id;
    // Which numbers each entry has, by its leg; further instances of a hop have theirs together.
    let mut wrong = Vec::new();
    let mut legs: Vec<(String, u32)> = Vec::new();
    for (at, most) in &traced.announced {
        let at = at.to_string();
        match legs.iter_mut().find(|(leg, _)| *leg == at) {
            Some((_, known)) => *known += most,
            None => legs.push((at, *most)),
        }
    }
    for (leg, most) in legs {
        let trials = traced.report.observations.iter().filter(|seen| seen.kind() == "request.trial");
        let of_leg = trials.filter(|seen| seen.subject.whole_leg().to_string() == leg);
        let numbers: Vec<u32> = of_leg.filter_map(|seen| seen.subject.sample()).collect();
        let Some(hop) = (1..=chain.len()).find(|hop| leg.ends_with(&format!(" → {}", chain.name(*hop))))
        else {
            continue;
        };
        // What a node gets, the next hop that speaks sees.
        let server = (hop..=chain.len()).find(|hop| chain.is(*hop) != Is::Node).unwrap_or(hop);
        let seen = chain.seen_by(server, id);
        let seen = seen.iter().filter(|number| numbers.contains(number)).count();
        let announced = usize::try_from(most).unwrap();
        if seen > announced || numbers.is_empty() {
            wrong.push(format!("{leg}: {seen} requests seen, {announced} announced"));
        }
    }
    wrong
}
