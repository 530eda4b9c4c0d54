//! Two faults at once: the one that killed the request is named, the other is nobody's business yet.

use reqpath_testkit::mock::Reply;

use crate::asking::{Asking, told, trials};
use crate::chain::{Is, Plan};
use crate::fault::Fault;
use crate::play;

/// A road with two faults.
struct Two {
    what: &'static str,
    plan: Plan,
    ask: fn(Asking<'_>) -> Asking<'_>,
    /// The verdict as [`told`].
    verdict: &'static str,
}

fn plain(asking: Asking<'_>) -> Asking<'_> {
    asking
}

#[test]
fn the_one_that_killed_the_request_is_named() {
    let (proxies, gateway) = (&[Is::Proxy, Is::Proxy, Is::App], &[Is::Proxy, Is::Node, Is::App]);
    let cases = [
        Two {
            what: "an outer hop dead, and the application too",
            plan: Plan::new(proxies).with(2, Fault::Refused).with(3, Fault::Error),
            ask: plain,
            verdict: "died proxy2 http.response.unexpected<http.error<tcp.refused",
        },
        Two {
            what: "the front door shut, and everything behind it gone",
            plan: Plan::new(proxies).with(1, Fault::Refused).with(3, Fault::Refused),
            ask: plain,
            verdict: "died proxy1 tcp.refused",
        },
        Two {
            what: "denied at the edge while the application is dead",
            plan: Plan::new(proxies).location(1, "deny all;").with(3, Fault::Refused),
            ask: plain,
            verdict: "died proxy1 http.response.unexpected<http.error",
        },
        Two {
            what: "denied at the gateway while the application is silent",
            plan: Plan::new(proxies).location(2, "deny all;").with(3, Fault::Silent),
            ask: plain,
            verdict: "died proxy2 http.response.unexpected<http.error",
        },
        Two {
            what: "a node that leads nowhere, and an application that fails",
            plan: Plan::new(gateway).with(2, Fault::Refused).with(3, Fault::Error),
            ask: plain,
            verdict: "died node2 http.response.unexpected<http.error<tcp.refused",
        },
        Two {
            what: "an expired certificate further out than a dead application",
            plan: Plan::new(proxies).with(2, Fault::BadTls).with(3, Fault::Refused),
            ask: plain,
            verdict: "died proxy2 http.response.unexpected<http.error<tls.cert.date_invalid",
        },
        Two {
            what: "one of two instances refuses, the other fails",
            plan: Plan::new(&[Is::Proxy, Is::App])
                .location(1, "proxy_next_upstream off;")
                .with(2, Fault::Refused)
                .and(Some(Fault::Error)),
            ask: |asking| asking.samples(4),
            verdict: "died shop http.response.unexpected<http.error<tcp.refused also pod.app_error",
        },
        Two {
            what: "two of three instances dead, each in its own way",
            plan: Plan::new(&[Is::Proxy, Is::App])
                .location(1, "proxy_next_upstream off;")
                .and(Some(Fault::Refused))
                .and(Some(Fault::Reset)),
            ask: |asking| asking.samples(12),
            verdict: "degraded shop http.response.unexpected<http.error<tcp.refused also tcp.reset",
        },
        Two {
            what: "a dead application behind a proxy whose certificate nobody verifies",
            plan: Plan::new(proxies).secured(crate::chain::Secured::Unverified).with(3, Fault::Refused),
            ask: plain,
            verdict: "died shop http.response.unexpected<http.error<tcp.refused",
        },
        Two {
            what: "a dead application, and a second address of the front that is dead and never needed",
            plan: Plan::new(proxies).with(3, Fault::Unanswered).ipv6(),
            ask: |asking| {
                asking.road(|road, chain| {
                    let (six, four) = (chain.host(1).ipv6(), chain.address(1).ip());
                    road.client.resolve = vec![format!("shop.test:8080:{six},{four}").parse().unwrap()];
                })
            },
            verdict: "died shop http.response.unexpected<http.error<tcp.timed_out",
        },
        Two {
            what: "an application too slow, at a proxy that another one refuses to wait for",
            plan: Plan::new(proxies).with(3, Fault::Slow).location(1, "proxy_read_timeout 300ms;"),
            ask: plain,
            verdict: "died shop http.response.unexpected<http.error<pod.slow",
        },
        Two {
            what: "an application that cannot answer at all, before one instance that does",
            plan: Plan::new(&[Is::Proxy, Is::Proxy, Is::App])
                .with(2, Fault::Unanswered)
                .answers(|_| Reply::status(503).body("overloaded")),
            ask: plain,
            verdict: "died proxy2 http.response.unexpected<http.error<tcp.timed_out",
        },
        Two {
            what: "an application too slow, and a database that refuses at once",
            plan: Plan::new(proxies).with(3, Fault::Slow).dead_database(),
            ask: plain,
            verdict: "died shop http.response.unexpected<http.error<pod.slow",
        },
        Two {
            what: "a dead gateway, and a database that is dead as well",
            plan: Plan::new(proxies).with(2, Fault::Unanswered).dead_database(),
            ask: plain,
            verdict: "died proxy2 http.response.unexpected<http.error<tcp.timed_out",
        },
        Two {
            what: "an application that fails, and a database that is dead: no second fault but its cause",
            plan: Plan::new(proxies).with(3, Fault::Error).dead_database(),
            ask: plain,
            verdict: "died db http.response.unexpected<http.error<pod.app_error<tcp.refused<db.unreachable",
        },
    ];
    play::each(&cases, |case| {
        let Some(chain) = case.plan.build() else { return Ok(()) };
        let report = (case.ask)(chain.ask()).report();
        match told(&report) {
            told if told == case.verdict => Ok(()),
            told => Err(format!("{}: {told}{}", case.what, trials(&report))),
        }
    });
}
