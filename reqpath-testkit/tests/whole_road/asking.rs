//! A trace along a chain: what is asked, by whom, and with what knowledge of the road.

use std::time::{Duration, Instant};

use reqpath_core::{
    ContactKind, Expectation, Hop, HopId, Micros, Path, Report, Source, Subject, Target, TargetBuilder,
    Timeouts, Weight,
};
use reqpath_stages::{
    Road, Walk,
    tls::{Bundle, Trust},
};

use crate::chain::{Chain, Is, LOG_FORMAT, PORT, Secured};
use crate::fault::READ;

/// What a test says of a trace to be made.
pub(crate) type Ask = fn(Asking<'_>) -> Asking<'_>;

/// A trace to be made.
pub(crate) struct Asking<'a> {
    chain: &'a Chain,
    path: Path,
    samples: u32,
    target: TargetBuilder,
    expect: Expectation,
    road: Road,
}

/// A trace that was made.
pub(crate) struct Traced {
    pub(crate) report: Report,
    /// How many requests were announced, for the front and each entry in their order.
    pub(crate) announced: Vec<(Subject, u32)>,
    pub(crate) took: Duration,
}

impl<'a> Asking<'a> {
    pub(crate) fn of(chain: &'a Chain) -> Self {
        let mut expect = Expectation::default();
        expect.status = vec!["200".parse().unwrap()];
        let mut road = Road::new();
        road.client.resolve.push(format!("shop.test:{PORT}:{}", chain.address(1).ip()).parse().unwrap());
        road.tls.trust = Trust::Bundle(trusted(chain));
        let target = Target::builder("http://shop.test/").unwrap();
        Self { chain, path: chain.path(), samples: 1, target, expect, road }.url("/cart")
    }

    pub(crate) fn samples(mut self, samples: u32) -> Self {
        self.samples = samples;
        self
    }

    pub(crate) fn hop(mut self, hop: &str, change: impl FnOnce(&mut Hop)) -> Self {
        change(self.path.hops.iter_mut().find(|other| other.id.as_str() == hop).unwrap());
        self
    }

    /// Another path and query.
    pub(crate) fn url(mut self, uri: &str) -> Self {
        let scheme = if self.chain.secured() == Secured::None { "http" } else { "https" };
        self.target = Target::builder(&format!("{scheme}://shop.test:{PORT}{uri}")).unwrap();
        self
    }

    pub(crate) fn target(mut self, change: impl FnOnce(TargetBuilder) -> TargetBuilder) -> Self {
        self.target = change(self.target);
        self
    }

    pub(crate) fn road(mut self, change: impl FnOnce(&mut Road, &Chain)) -> Self {
        change(&mut self.road, self.chain);
        self
    }

    /// This status is expected at the front, and what is not said further in is expected there too.
    pub(crate) fn expect(mut self, status: &str) -> Self {
        self.expect = status_of(status);
        self
    }

    /// Nothing is expected but that it works.
    pub(crate) fn expect_nothing(mut self) -> Self {
        self.expect = Expectation::default();
        self
    }

    /// All proxies' logs can be read.
    pub(crate) fn with_logs(mut self) -> Self {
        for hop in 1..=self.chain.len() {
            self = self.with_logs_of(hop);
        }
        self
    }

    /// The logs of this proxy can be read, from the client's place where it has none of its own.
    pub(crate) fn with_logs_of(self, hop: usize) -> Self {
        let Some(nginx) = self.chain.proxies.get(&hop) else { return self };
        let (access, errors) = (nginx.access_log(), nginx.error_log());
        let (access, errors) = (access.path().display().to_string(), errors.path().display().to_string());
        let name = self.chain.name(hop);
        self.hop(&name, |described| {
            let mut sources =
                [Source::file("access_log", access).format(LOG_FORMAT), Source::file("error_log", errors)];
            if described.vantage.is_none() {
                sources.iter_mut().for_each(|source| source.vantage = Some("client".to_owned()));
            }
            described.sources.extend(sources);
        })
    }

    /// How long each hop waits is told.
    pub(crate) fn with_timeouts(mut self) -> Self {
        for hop in (1..=self.chain.len()).filter(|hop| self.chain.is(*hop) == Is::Proxy) {
            let further = (hop + 1..=self.chain.len()).any(|hop| self.chain.is(hop) == Is::Proxy);
            let read = READ * (1 + u32::from(further));
            let name = self.chain.name(hop);
            self = self.hop(&name, |described| {
                let mut timeouts = Timeouts::default();
                timeouts.connect_us = Some(Micros::from(read));
                timeouts.read_us = Some(Micros::from(read));
                timeouts.tries = Some(1);
                described.timeouts = timeouts;
            });
        }
        self
    }

    /// Only the client has a place to look from.
    pub(crate) fn seen_by_the_client_alone(mut self) -> Self {
        self.path.hops.iter_mut().skip(1).for_each(|hop| hop.vantage = None);
        self
    }

    /// Only every second hop further in has addresses, from this one on.
    pub(crate) fn every_second_entry(mut self, first: usize) -> Self {
        self.path.hops.iter_mut().skip(2 + first).step_by(2).for_each(|hop| hop.addresses.clear());
        self
    }

    /// Nobody knows what is sent from hop to hop.
    pub(crate) fn nothing_sent_is_known(mut self) -> Self {
        self.path.hops.iter_mut().for_each(|hop| hop.sends = None);
        self
    }

    pub(crate) fn report(self) -> Report {
        self.traced().report
    }

    pub(crate) fn traced(self) -> Traced {
        let Self { chain, path, samples, target, expect, road } = self;
        let client = chain.host(0);
        let root = trusted(chain);
        let hops: Vec<HopId> = path.hops.iter().map(|hop| hop.id.clone()).collect();
        let target = target.max_time(chain.max_time()).expect(expect).build();
        let mut walk = Walk::new(target, path, client.vantage()).road(road);
        for hop in hops {
            walk = walk.believed(hop, Trust::Bundle(root.clone()));
        }
        for hop in 0..=chain.len() {
            walk = walk.vantage(chain.host(hop).vantage());
        }
        let (pipeline, trace) = walk.ready().unwrap();
        let limit = READ.max(chain.max_time() / 4);
        let trace = trace.samples(samples).connect_timeout(limit).deadline(chain.max_time() * 4);
        let requests = |contacts: Vec<reqpath_core::Contact>| {
            contacts
                .iter()
                .filter(|contact| contact.kind == ContactKind::Request)
                .map(|contact| contact.most)
                .sum()
        };
        let plan = pipeline.plan_by_subject(&trace);
        let announced = plan.into_iter().map(|(at, contacts)| (at, requests(contacts))).collect();
        let began = Instant::now();
        let report = client.trace(&pipeline, trace).unwrap();
        let took = began.elapsed();
        // Whoever loads it later comes to the same verdict.
        let stored = serde_json::to_vec(&report).unwrap();
        let again = Report::load(&stored).unwrap().judged(pipeline.catalogue());
        assert_eq!(again.verdict, report.verdict, "stored, loaded and judged again");
        assert_eq!(again.hops, report.hops, "stored, loaded and judged again");
        Traced { report, announced, took }
    }
}

fn trusted(chain: &Chain) -> Bundle {
    Bundle::from_pem("root", chain.authority().certificate_pem().as_bytes()).unwrap()
}

pub(crate) fn status_of(status: &str) -> Expectation {
    let mut expect = Expectation::default();
    expect.status = vec![status.parse().unwrap()];
    expect
}

/// `died shop http.error<tcp.refused`: the kind, the hop that is blamed, the chain.
pub(crate) fn told(report: &Report) -> String {
    use reqpath_core::Verdict;
    let verdict = report.verdict.as_ref().unwrap();
    let hop = verdict.at().map(|at| format!(" {}", at.hop)).unwrap_or_default();
    match verdict {
        // Where it says why, nothing is placed.
        Verdict::Degraded { why: Some(why), .. } => format!("degraded: {why}"),
        Verdict::Died { chain, also, .. } | Verdict::Degraded { chain, also, .. } => {
            let also = if also.is_empty() { String::new() } else { format!(" also {}", also.join(" ")) };
            format!("{}{hop} {}{also}", verdict.kind(), chain.join("<"))
        }
        Verdict::Unknown { why, what_would_tell, .. } => format!("unknown{hop}: {why} ({what_would_tell:?})"),
        _ => verdict.kind().to_owned(),
    }
}

/// `tcp.refused proxy1→shop`: what was found and ended no request, each once, in order.
pub(crate) fn warned(report: &Report) -> Vec<String> {
    let warnings = report.findings.iter().filter(|finding| finding.weight == Weight::Warning);
    let mut warned: Vec<String> = warnings
        .map(|finding| match &finding.subject {
            Subject::Leg(leg) => format!("{} {}→{}", finding.code, leg.from, leg.to),
            Subject::Hop(hop) => format!("{} {hop}", finding.code),
            _ => finding.code.to_string(),
        })
        .collect();
    warned.sort();
    warned.dedup();
    warned
}

/// How each request of a trace ended, and what was found, a line each.
pub(crate) fn trials(report: &Report) -> String {
    let trials = report.observations.iter().filter(|seen| seen.kind() == "request.trial");
    let trials = trials.map(|seen| format!("\n    {}: {}", seen.subject, seen.brief()));
    let findings = report
        .findings
        .iter()
        .map(|found| format!("\n    {:?} {} {}: {}", found.weight, found.subject, found.code, found.summary));
    trials.chain(findings).collect()
}
