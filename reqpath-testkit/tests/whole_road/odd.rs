//! Roads that are well and look odd: nobody is blamed, and only what is worth a warning is warned of.

use std::time::Duration;

use reqpath_core::Micros;
use reqpath_stages::http::Version;
use reqpath_testkit::mock::{Connection, Reply};
use reqpath_testkit::real::Haproxy;

use crate::asking::{Asking, status_of, told, trials, warned};
use crate::chain::{Chain, Is, Plan, Secured};
use crate::fault::Fault;
use crate::play;

/// A road that is well.
struct Odd {
    what: &'static str,
    plan: Plan,
    /// What happens on it before the trace.
    before: fn(&mut Chain),
    ask: fn(Asking<'_>) -> Asking<'_>,
    /// What is found, and no more; with a `?` before it what may be found.
    warned: &'static [&'static str],
}

impl Odd {
    fn new(what: &'static str, plan: Plan) -> Self {
        Self { what, plan, before: |_| {}, ask: |asking| asking, warned: &[] }
    }

    fn before(self, before: fn(&mut Chain)) -> Self {
        Self { before, ..self }
    }

    fn ask(self, ask: fn(Asking<'_>) -> Asking<'_>) -> Self {
        Self { ask, ..self }
    }

    fn warns(self, warned: &'static [&'static str]) -> Self {
        Self { warned, ..self }
    }

    fn warns_of(&self, warned: &[String]) -> bool {
        let known =
            |warning: &String| self.warned.iter().any(|known| known.trim_start_matches('?') == warning);
        let sure = self.warned.iter().filter(|known| !known.starts_with('?'));
        warned.iter().all(known) && sure.into_iter().all(|sure| warned.iter().any(|warning| warning == sure))
    }
}

const TWO: &[Is] = &[Is::Proxy, Is::App];
const THREE: &[Is] = &[Is::Proxy, Is::Proxy, Is::App];

fn nobody_is_blamed(cases: &[Odd]) {
    play::each(cases, |odd| {
        let Some(mut chain) = odd.plan.build() else { return Ok(()) };
        (odd.before)(&mut chain);
        let report = (odd.ask)(chain.ask()).report();
        let (told, warned) = (told(&report), warned(&report));
        if told == "reached" && odd.warns_of(&warned) && report.errors.is_empty() {
            return Ok(());
        }
        let errors = &report.errors;
        Err(format!("{}: {told}, warned of {warned:?}, {errors:?}{}", odd.what, trials(&report)))
    });
}

#[test]
fn answers_that_are_meant() {
    nobody_is_blamed(&[
        Odd::new(
            "404 by design, and said to be expected",
            Plan::new(THREE).answers(|_| Reply::status(404).body("no such thing")),
        )
        .ask(|asking| asking.expect("404")),
        Odd::new(
            "the application's own 404, and nothing said",
            Plan::new(TWO).answers(|_| Reply::status(404).body("{\"detail\": \"no such user\"}")),
        )
        .ask(|asking| asking.expect_nothing())
        .warns(&["http.error client→proxy1", "http.error proxy1→shop"]),
        Odd::new("a client that is denied, as it should be", Plan::new(TWO).location(1, "deny all;"))
            .ask(|asking| asking.expect("403").hop("shop", |shop| shop.expect = Some(status_of("200")))),
        Odd::new(
            "a client that has to say who it is",
            Plan::new(THREE)
                .answers(|_| Reply::status(401).header("www-authenticate", "Basic realm=\"shop\"")),
        )
        .ask(|asking| asking.expect("401")),
        Odd::new(
            "a redirect that nobody follows",
            Plan::new(THREE).answers(|_| Reply::redirect(302, "http://other.test/")),
        )
        .ask(|asking| asking.expect("302")),
        Odd::new(
            "a redirect that the proxy makes itself",
            Plan::new(TWO).location(1, "return 301 http://other.test/;"),
        )
        .ask(|asking| asking.expect("301").hop("shop", |shop| shop.expect = Some(status_of("200")))),
        Odd::new("nothing to say", Plan::new(THREE).answers(|_| Reply::status(204)))
            .ask(|asking| asking.expect("204")),
        Odd::new("a HEAD", Plan::new(THREE).answers(|_| Reply::ok("fine")))
            .ask(|asking| asking.target(|target| target.method("HEAD").unwrap())),
        Odd::new("an OPTIONS", Plan::new(THREE).answers(|_| Reply::status(204).header("allow", "GET")))
            .ask(|asking| asking.expect("204").target(|target| target.method("OPTIONS").unwrap())),
    ]);
}

#[test]
fn ways_of_saying_it() {
    nobody_is_blamed(&[
        Odd::new(
            "HTTP/2 in front, HTTP/1.0 behind",
            Plan::new(THREE)
                .secured(Secured::Front)
                .listen(1, "http2")
                .location(1, "proxy_http_version 1.0; proxy_set_header Connection close;"),
        )
        .ask(|asking| asking.road(|road, _| road.http.version = Version::Http2)),
        Odd::new("in pieces", Plan::new(THREE).answers(|_| Reply::ok("x".repeat(9_000)).chunked())),
        Odd::new("until the connection ends", Plan::new(TWO).answers(|_| Reply::ok("fine").until_close())),
        Odd::new(
            "squeezed",
            Plan::new(THREE)
                .http(1, "gzip on; gzip_min_length 1; gzip_types text/plain;")
                .answers(|_| Reply::ok("x".repeat(9_000)).header("content-type", "text/plain")),
        )
        .ask(|asking| asking.target(|target| target.header("Accept-Encoding", "gzip").unwrap())),
        Odd::new("large", Plan::new(THREE).answers(|_| Reply::ok("x".repeat(3 << 20)))),
        Odd::new(
            "connections kept",
            Plan::new(THREE).upstream(1, "keepalive 4;").upstream(2, "keepalive 4;"),
        ),
        Odd::new(
            "one request a connection",
            Plan::new(THREE).connections(3, Connection::serve().requests_at_most(1)),
        ),
        Odd::new(
            "slow, and within the budget",
            Plan::new(THREE).answers(|_| Reply::ok("late").delay(Duration::from_millis(350))),
        )
        .ask(|asking| {
            let budget = |ms| Some(Micros::from(Duration::from_millis(ms)));
            asking.with_timeouts().hop("shop", |shop| shop.budget_us = budget(500))
        }),
        Odd::new(
            "a certificate that nobody verifies",
            Plan::new(THREE).secured(Secured::Unverified).with(3, Fault::BadTls),
        )
        .warns(&["tls.cert.date_invalid proxy2→shop"]),
        Odd::new(
            "a proxy that tells whom it speaks for before it speaks",
            Plan::new(&[Is::Proxy, Is::Proxy, Is::App]).listen(2, "proxy_protocol").started(
                1,
                |chain, hop| {
                    let started = chain.host(hop).start(|| {
                        let text = "frontend front\n bind {listen}\n default_backend next\n\
                                backend next\n server next {upstream:next} send-proxy";
                        Haproxy::builder()
                            .at("", chain.address(hop))
                            .upstream("next", chain.address(hop + 1))
                            .config(text)
                            .start()
                    });
                    Some(Box::new(reqpath_testkit::lab::or_skip(started)?))
                },
            ),
        )
        .warns(&["http.response.empty proxy1→proxy2"]),
    ]);
}

#[test]
fn what_is_got_over() {
    nobody_is_blamed(&[
        Odd::new("one family down", Plan::new(THREE).ipv6())
            .ask(|asking| {
                asking.road(|road, chain| {
                    let (six, four) = (chain.host(1).ipv6(), chain.address(1).ip());
                    road.client.resolve = vec![format!("shop.test:8080:{six},{four}").parse().unwrap()];
                })
            })
            .warns(&["dns.broken_family client→proxy1", "tcp.refused client→proxy1"]),
        Odd::new(
            "an answer from the cache, and the application dead",
            Plan::new(TWO).http(1, "proxy_cache_path {dir}/cache keys_zone=kept:1m;").location(
                1,
                "proxy_cache kept; proxy_cache_valid 200 10m; add_header X-Cache $upstream_cache_status;",
            ),
        )
        .before(|chain| {
            assert_eq!(told(&chain.trace()), "reached");
            chain.mocks.clear();
        })
        .warns(&["tcp.refused proxy1→shop"]),
        Odd::new("one of two instances dead, and a proxy that tries the other", {
            Plan::new(TWO).and(Some(Fault::Refused))
        })
        .ask(|asking| asking.samples(4))
        .warns(&["tcp.refused proxy1→shop"]),
        // Lines of the error log bear no id: where two requests are of one second, it may tell of neither.
        Odd::new("the same, and the proxy's log tells", Plan::new(TWO).with(2, Fault::Refused).and(None))
            .ask(|asking| asking.samples(4).with_logs())
            .warns(&[
                "?proxy.connection_refused proxy1→shop",
                "proxy.retried proxy1→shop",
                "tcp.refused proxy1→shop",
            ]),
        Odd::new(
            "one of two instances fails, and a proxy that tries the other",
            Plan::new(THREE)
                .location(2, "proxy_next_upstream error timeout http_500;")
                .with(3, Fault::Error)
                .and(None),
        )
        .ask(|asking| asking.samples(4))
        .warns(&[
            "http.error proxy2→shop",
            "http.response.unexpected proxy2→shop",
            "pod.app_error proxy2→shop",
        ]),
        Odd::new(
            "an inner hop that fails and that this request does not need",
            Plan::new(THREE).with(3, Fault::Silent).location(2, "return 200 'from here';"),
        )
        .warns(&["http.response.timed_out proxy2→shop"]),
    ]);
}

#[test]
fn what_cannot_be_seen() {
    nobody_is_blamed(&[
        Odd::new("an inner hop out of the client's reach", Plan::new(THREE).drops_from(2, 0))
            .ask(|asking| asking.seen_by_the_client_alone()),
        Odd::new("a hop without a place to look from", Plan::new(THREE))
            .ask(|asking| asking.hop("proxy2", |proxy| proxy.vantage = None)),
        Odd::new("a hop of which nobody knows what it is sent", Plan::new(THREE))
            .ask(|asking| asking.hop("shop", |shop| shop.sends = None)),
        Odd::new("a hop without an address", Plan::new(THREE))
            .ask(|asking| asking.hop("proxy2", |proxy| proxy.addresses.clear())),
        Odd::new("an inner hop that lets in the hop before alone", {
            Plan::new(THREE).location(2, "allow FROM1; deny all;")
        })
        .ask(|asking| asking.hop("proxy1", |proxy| proxy.vantage = None))
        .warns(&["http.error client→proxy2", "http.response.unexpected client→proxy2"]),
        Odd::new("a node in between, and no place to look from at all", {
            Plan::new(&[Is::Proxy, Is::Node, Is::App])
        })
        .ask(|asking| asking.seen_by_the_client_alone()),
    ]);
}
