//! Roads of which too little can be seen: nobody is blamed, the look is named that would tell,
//! and with that look it is told.

use reqpath_testkit::mock::Reply;

use crate::asking::{Asking, told, trials};
use crate::chain::{Is, Plan};
use crate::fault::Fault;
use crate::play;

/// A road that is looked at twice.
struct Twice {
    what: &'static str,
    plan: Plan,
    /// With too little to go by, and what is said then: a part of it for each thing that matters.
    without: fn(Asking<'_>) -> Asking<'_>,
    unknown: &'static [&'static str],
    /// With the look that was asked for, and the verdict.
    with: fn(Asking<'_>) -> Asking<'_>,
    verdict: &'static str,
}

const THREE: &[Is] = &[Is::Proxy, Is::Proxy, Is::App];

#[test]
fn nobody_is_blamed_until_the_look_is_made_that_tells() {
    let cases = [
        Twice {
            what: "a gateway that fails, and an application without an address",
            plan: Plan::new(THREE).with(3, Fault::Refused),
            without: |asking| asking.hop("shop", |shop| shop.addresses.clear()),
            unknown: &["proxy2", "shop", "a request that enters at shop: give it addresses"],
            with: |asking| asking,
            verdict: "died shop http.response.unexpected<http.error<tcp.refused",
        },
        Twice {
            what: "two hops that only ever fail together",
            plan: Plan::new(THREE).with(3, Fault::Error),
            without: |asking| {
                asking.hop("proxy2", |proxy| proxy.vantage = None).hop("shop", |shop| shop.sends = None)
            },
            unknown: &["proxy2", "shop", "say it in `sends` of `shop`"],
            with: |asking| asking.hop("proxy2", |proxy| proxy.vantage = None),
            verdict: "died shop http.response.unexpected<http.error<pod.app_error",
        },
        Twice {
            what: "an inner hop that only its own neighbour may enter, and no place to look from there",
            plan: Plan::new(THREE).with(3, Fault::Refused).drops_from(2, 0),
            without: |asking| asking.seen_by_the_client_alone(),
            unknown: &["proxy1", "proxy2", "shop", "a vantage"],
            with: |asking| asking,
            verdict: "died shop http.response.unexpected<http.error<tcp.refused",
        },
        Twice {
            what: "a leg that is cut, and works from elsewhere",
            plan: Plan::new(THREE).drops_from(2, 1),
            without: |asking| asking.seen_by_the_client_alone(),
            unknown: &["proxy1 or the leg proxy1 → proxy2", "give `proxy1` a vantage"],
            with: |asking| asking,
            verdict: "died proxy2 http.response.unexpected<http.error<tcp.timed_out",
        },
        Twice {
            what: "a node of which nobody knows where it leads",
            plan: Plan::new(&[Is::Proxy, Is::Node, Is::App]).with(2, Fault::Refused),
            without: |asking| asking.hop("node2", |node| node.vantage = None),
            unknown: &["node2", "the leg node2 → shop", "from the place of node2: give `node2` a vantage"],
            with: |asking| asking,
            verdict: "died node2 http.response.unexpected<http.error<tcp.refused",
        },
        Twice {
            what: "what the gateway sends on is not known",
            plan: Plan::new(THREE).with(3, Fault::NotFound),
            without: |asking| asking.hop("shop", |shop| shop.sends = None),
            unknown: &["proxy2 or shop", "say it in `sends` of `shop`"],
            with: |asking| asking,
            verdict: "died shop http.response.unexpected",
        },
        Twice {
            what: "a request that may change something, and that is sent once",
            plan: Plan::new(THREE).with(3, Fault::Error),
            without: |asking| asking.target(|target| target.method("POST").unwrap()),
            unknown: &["proxy1", "shop", "the log of proxy1: name it in `sources` of `proxy1`"],
            with: |asking| asking.target(|target| target.method("POST").unwrap()).with_logs(),
            verdict: "died shop http.response.unexpected<http.error",
        },
        Twice {
            what: "a gateway that says it waited, before one that refuses at once",
            plan: Plan::new(THREE).location(1, "return 504;").with(2, Fault::Refused),
            without: |asking| asking,
            unknown: &["proxy1", "proxy2", "the log of proxy1"],
            with: |asking| asking.with_logs(),
            verdict: "died proxy1 http.response.unexpected<http.error",
        },
        Twice {
            what: "nothing but the front to be seen, until its log is read",
            plan: Plan::new(THREE).with(2, Fault::Refused),
            without: |asking| asking.seen_by_the_client_alone(),
            unknown: &["proxy1", "proxy2", "shop"],
            with: |asking| asking.seen_by_the_client_alone().with_logs_of(1),
            verdict: "died proxy2 http.response.unexpected<http.error<proxy.connection_refused",
        },
        Twice {
            what: "a secret in the URL, which no hop further in may have",
            plan: Plan::new(THREE).with(3, Fault::Error),
            without: |asking| asking.url("/cart?token=hunter22"),
            unknown: &["proxy1", "shop", "give `proxy2` `credentials: true`"],
            with: |asking| {
                let asking =
                    asking.url("/cart?token=hunter22").hop("proxy2", |proxy| proxy.credentials = true);
                asking.hop("shop", |shop| shop.credentials = true)
            },
            verdict: "died shop http.response.unexpected<http.error<pod.app_error",
        },
        // Of a flip at the front no place is told, and what is asked for is to look more often.
        Twice {
            what: "both instances flap",
            plan: Plan::new(THREE)
                .answers(|request| {
                    let id = request.header("x-request-id").unwrap_or_default();
                    let number = id.rsplit_once('-').and_then(|(_, number)| number.parse::<u32>().ok());
                    match number.unwrap_or(0) % 2 {
                        0 => Reply::status(500).body("not now"),
                        _ => Reply::ok("fine"),
                    }
                })
                .and(None),
            without: |asking| asking,
            unknown: &[
                "degraded: the first request died",
                "it changed during the trace",
                "more samples (-n 12) would tell",
            ],
            with: |asking| asking.samples(12),
            verdict: "degraded shop http.response.unexpected<http.error<pod.app_error",
        },
        Twice {
            what: "a failure of the edge too rare to tell that nobody further in has it",
            plan: Plan::new(THREE).location(1, "if ($http_x_request_id ~ -[0-9]*5$) { return 500; }"),
            without: |asking| asking.samples(12),
            unknown: &["degraded: ", "proxy1, proxy2 or shop may be to blame", "more samples (-n 48)"],
            with: |asking| asking.samples(48),
            verdict: "degraded proxy1 http.response.unexpected<http.error",
        },
    ];
    play::each(&cases, |case| {
        let Some(chain) = case.plan.build() else { return Ok(()) };
        let before = (case.without)(chain.ask()).report();
        let said = told(&before);
        let undecided = said.starts_with("unknown") || said.starts_with("degraded: ");
        if !undecided || case.unknown.iter().any(|part| !said.contains(part)) {
            return Err(format!("{}, without: {said}{}", case.what, trials(&before)));
        }
        let after = (case.with)(chain.ask()).report();
        match told(&after) {
            said if said == case.verdict => Ok(()),
            said => Err(format!("{}, with: {said}{}", case.what, trials(&after))),
        }
    });
}
