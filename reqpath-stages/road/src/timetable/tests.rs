//! The arithmetic of waiting.

use proptest::prelude::*;
use reqpath_core::{Hop, HopKind, Micros, Path, Timeouts};

use super::{Holds, Patience, Remaining, Timetable};

const SECOND: u64 = 1_000_000;

fn s(seconds: u64) -> Option<Micros> {
    Some(Micros(seconds * SECOND))
}

fn waits(
    connect: Option<Micros>,
    read: Option<Micros>,
    total: Option<Micros>,
    tries: Option<u32>,
) -> Timeouts {
    let mut timeouts = Timeouts::default();
    (timeouts.connect_us, timeouts.read_us, timeouts.total_us, timeouts.tries) =
        (connect, read, total, tries);
    timeouts
}

fn hop(name: &str, kind: HopKind, timeouts: Timeouts) -> Hop {
    let mut hop = Hop::new(name, kind);
    hop.timeouts = timeouts;
    hop
}

fn path(hops: Vec<Hop>) -> Path {
    let client = Hop::new("client", HopKind::Client);
    Path::new(std::iter::once(client).chain(hops).collect())
}

fn holds(timeouts: Timeouts) -> Option<(u64, bool)> {
    let holds = Holds::of(&hop("edge", HopKind::Nginx, timeouts))?;
    Some((holds.time.0 / SECOND, holds.at_least))
}

#[test]
fn tries_multiply_and_a_total_caps() {
    assert_eq!(holds(waits(s(5), s(60), None, Some(2))), Some((130, false)));
    assert_eq!(holds(waits(s(5), s(60), s(90), Some(2))), Some((90, false)));
    assert_eq!(holds(waits(s(5), s(60), s(600), Some(2))), Some((130, false)));
    assert_eq!(holds(waits(None, None, s(15), None)), Some((15, false)));
}

#[test]
fn what_is_not_declared_is_not_guessed() {
    assert_eq!(holds(Timeouts::default()), None);
    assert_eq!(holds(waits(None, None, None, Some(3))), None, "three times nothing known");
    assert_eq!(holds(waits(None, s(60), None, Some(1))), Some((60, true)), "connecting takes time too");
    assert_eq!(holds(waits(s(5), s(60), None, None)), Some((65, true)), "it may try again");
    assert_eq!(holds(waits(None, s(60), s(60), None)), Some((60, false)), "the total ends that");
    assert_eq!(holds(waits(s(0), s(0), s(0), Some(1))), None, "0 is not the same everywhere");
}

#[test]
fn what_passes_packets_on_waits_for_nobody() {
    assert_eq!(Holds::of(&hop("lb", HopKind::Lb, waits(s(5), s(60), None, Some(1)))), None);
}

#[test]
fn an_inversion_is_one_of_neighbours() {
    let mut path = path(vec![
        hop("edge", HopKind::Nginx, waits(s(1), s(60), None, Some(1))),
        hop("gateway", HopKind::Nginx, waits(s(1), s(20), None, Some(1))),
        Hop::new("shop", HopKind::Pod),
    ]);
    path.caller.deadline_us = s(10);
    let table = Timetable::of(&path);
    let named: Vec<(&str, &str)> =
        table.inversions.iter().map(|i| (i.outer.as_str(), i.inner.as_str())).collect();
    assert_eq!(named, [("client", "edge")], "edge has time enough for gateway");
    assert_eq!(table.rows[1].remaining, Some(Remaining::Short(Micros(51 * SECOND))));
    assert_eq!(table.rows[2].remaining, Some(Remaining::Left(Micros(39 * SECOND))));
    assert_eq!(table.rows[3].remaining, None, "nothing is known of the shop");
}

#[test]
fn who_says_nothing_is_looked_past() {
    let mut path = path(vec![
        Hop::new("edge", HopKind::Nginx),
        Hop::new("lb", HopKind::Lb),
        hop("gateway", HopKind::Nginx, waits(s(1), s(20), None, Some(1))),
    ]);
    path.caller.deadline_us = s(10);
    let table = Timetable::of(&path);
    assert_eq!(table.inversions.len(), 1);
    assert_eq!(table.inversions[0].to_string(), "client gives up after 10 s, and gateway may take 21 s");
    assert_eq!(table.attempts.unknown, ["client".into(), "edge".into()]);
}

#[test]
fn as_long_as_the_inner_one_may_take_is_no_inversion() {
    let mut path = path(vec![hop("edge", HopKind::Nginx, waits(None, None, s(10), None))]);
    path.caller.deadline_us = s(10);
    assert_eq!(Timetable::of(&path).inversions, []);
    path.caller.deadline_us = Some(Micros(10 * SECOND - 1));
    assert_eq!(Timetable::of(&path).inversions.len(), 1);
}

#[test]
fn no_deadline_is_no_inversion() {
    let mut path = path(vec![hop("edge", HopKind::Nginx, waits(s(1), s(60), None, Some(1)))]);
    path.caller.deadline_us = Some(Micros(0));
    let table = Timetable::of(&path);
    assert_eq!(table.rows[0].patience, Some(Patience::Endless));
    assert_eq!((table.inversions.len(), table.rows[1].remaining), (0, Some(Remaining::Endless)));
    assert_eq!(table.notes(), ["the caller waits for ever"]);
}

#[test]
fn an_application_waits_for_what_it_asks() {
    let mut shop = hop("shop", HopKind::Pod, waits(s(1), s(2), None, Some(1)));
    shop.budget_us = s(1);
    let mut prices = Hop::new("prices", HopKind::Db).branch_of("shop");
    prices.timeouts.statement_us = s(30);
    let path = path(vec![hop("edge", HopKind::Nginx, waits(s(1), s(60), None, Some(1))), shop, prices]);
    let table = Timetable::of(&path);
    assert_eq!(table.rows[2].holds, Some(Holds { time: Micros(4 * SECOND), at_least: false }));
    assert_eq!(table.inversions[0].to_string(), "shop gives up after 2 s, and prices may take 30 s");
}

#[test]
fn retries_multiply_along_the_road() {
    let mut path = path(vec![
        hop("edge", HopKind::Nginx, waits(None, None, None, Some(2))),
        hop("gateway", HopKind::Nginx, waits(None, None, None, Some(3))),
        Hop::new("shop", HopKind::Pod),
    ]);
    path.caller.tries = Some(4);
    let table = Timetable::of(&path);
    assert_eq!(table.attempts.product, 24);
    assert_eq!(table.notes(), ["one request may be tried 24 times (client 4 × edge 2 × gateway 3)"]);
}

#[test]
fn a_table_reads_well() {
    let mut shop = Hop::new("shop|<b>", HopKind::Pod);
    shop.budget_us = Some(Micros(1_500_000));
    let prices = Hop::new("prices", HopKind::Db).branch_of("shop|<b>");
    let mut path = path(vec![hop("edge", HopKind::Nginx, waits(s(5), s(60), None, Some(2))), shop, prices]);
    path.caller.deadline_us = s(10);
    let table = Timetable::of(&path);
    assert_eq!(
        table.markdown(),
        "\
| hop | connect | send | read | total | tries | own time | holds up to | waited for | left |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| client | – | – | – | 10 s | ? | – | – | – | – |
| edge | 5 s | ? | 60 s | ? | 2 | ? | 130 s | 10 s | −120 s |
| shop\\|&lt;b&gt; | ? | ? | ? | ? | ? | 1.5 s | 1.5 s | 60 s | 58.5 s |
| └ prices | – | – | – | – | – | ? | ? | 60 s | ? |

- client gives up after 10 s, and edge may take 130 s
"
    );
    assert!(!table.is_empty());
    assert!(Timetable::of(&Path::of_url()).is_empty());
}

#[test]
fn branches_that_lead_in_a_circle_are_survived() {
    let mut path = path(vec![
        Hop::new("a", HopKind::Pod).branch_of("b"),
        Hop::new("b", HopKind::Pod).branch_of("a"),
        Hop::new("c", HopKind::Pod).branch_of("c"),
    ]);
    path.caller.tries = Some(1);
    let table = Timetable::of(&path);
    assert_eq!(table.rows.len(), 1, "nothing on the road leads to them");
    assert_eq!(table.waited_for(&path, &"c".into()), None);
}

proptest! {
    #[test]
    fn whatever_is_declared_is_survived(
        times in prop::collection::vec(prop::option::of(any::<u64>()), 16),
        tries in prop::collection::vec(prop::option::of(any::<u32>()), 4),
    ) {
        let of = |i: usize| times[i].map(Micros);
        let mut shop = hop("shop", HopKind::Pod, waits(of(8), of(9), of(10), tries[2]));
        shop.budget_us = of(11);
        let mut data = Hop::new("data", HopKind::Db).branch_of("shop");
        data.timeouts.statement_us = of(12);
        let mut path = path(vec![
            hop("edge", HopKind::Nginx, waits(of(0), of(1), of(2), tries[0])),
            hop("gateway", HopKind::Apisix, waits(of(4), of(5), of(6), tries[1])),
            shop,
            data,
        ]);
        path.caller.deadline_us = of(13);
        path.caller.tries = tries[3];
        let table = Timetable::of(&path);
        for inversion in &table.inversions {
            prop_assert!(inversion.patience < inversion.holds.time);
        }
        prop_assert!(!table.markdown().is_empty());
        // What is not declared is never made up: without a time there is no time.
        if times.iter().all(Option::is_none) {
            prop_assert!(table.rows.iter().all(|row| row.holds.is_none() && row.patience.is_none()));
        }
    }
}
