//! Less to go by never makes a right verdict wrong: it is the right one still, a coarser one, or none.

use std::collections::BTreeSet;

use reqpath_core::{Catalogue, Verdict};

use crate::asking::{Ask, told, trials};
use crate::chain::{Chain, Is, Plan};
use crate::fault::Fault;
use crate::play;

const FOUR: &[Is] = &[Is::Proxy, Is::Proxy, Is::App];
const SEVEN: &[Is] = &[Is::Node, Is::Proxy, Is::Proxy, Is::Proxy, Is::Node, Is::App];

/// What is taken away of everything that could be known.
const REMOVED: [(&str, Ask); 10] = [
    ("nothing", |asking| asking.with_logs().with_timeouts()),
    ("the logs", |asking| asking.with_timeouts()),
    ("the timeouts", |asking| asking.with_logs()),
    ("all places but the client's", |asking| asking.seen_by_the_client_alone().with_logs().with_timeouts()),
    ("all places but the client's, and the logs", |asking| asking.seen_by_the_client_alone().with_timeouts()),
    ("every second entry", |asking| asking.every_second_entry(0).with_logs().with_timeouts()),
    ("every other entry, and the logs", |asking| asking.every_second_entry(1).with_timeouts()),
    ("what is sent", |asking| asking.nothing_sent_is_known().with_logs().with_timeouts()),
    ("what is sent, and the logs", |asking| asking.nothing_sent_is_known().with_timeouts()),
    ("everything", |asking| asking.seen_by_the_client_alone().nothing_sent_is_known()),
];

#[test]
fn on_a_road_of_four_hops() {
    never_wrong(
        FOUR,
        &[
            (2, Fault::Refused),
            (3, Fault::Refused),
            (3, Fault::Unanswered),
            (3, Fault::ClosedEarly),
            (2, Fault::BadTls),
            (2, Fault::NotFound),
            (3, Fault::Error),
            (3, Fault::Slow),
            (3, Fault::Truncated),
        ],
    );
}

#[test]
fn on_a_road_of_seven_hops() {
    never_wrong(
        SEVEN,
        &[
            (1, Fault::Refused),
            (3, Fault::Refused),
            (4, Fault::Error),
            (5, Fault::Refused),
            (5, Fault::Unanswered),
            (6, Fault::Refused),
            (6, Fault::ClosedEarly),
            (6, Fault::Slow),
            (4, Fault::Truncated),
        ],
    );
}

fn never_wrong(hops: &[Is], faults: &[(usize, Fault)]) {
    let catalogue = reqpath_stages::catalogue().unwrap();
    play::each(faults, |&(hop, fault)| {
        let Some(chain) = Plan::new(hops).with(hop, fault).build() else { return Ok(()) };
        let codes = right_or_coarser(&catalogue, &chain, hop, fault);
        let at = chain.name(hop);
        let mut wrong = Vec::new();
        for (removed, ask) in REMOVED {
            let report = ask(chain.ask()).report();
            let right = match report.verdict.as_ref().unwrap() {
                Verdict::Unknown { what_would_tell, .. } => {
                    removed != "nothing" && !what_would_tell.is_empty()
                }
                Verdict::Died { at: found, cause, also, .. } => {
                    found.hop.as_str() == at && codes.contains(&cause.code) && also.is_empty()
                }
                _ => false,
            };
            if !right {
                wrong.push(format!("  without {removed}: {}{}", told(&report), trials(&report)));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{fault:?} at {at}:\n{}", wrong.join("\n"))) }
    });
}

/// The code of this fault, what the log of the hop before calls it, and everything coarser.
fn right_or_coarser(catalogue: &Catalogue, chain: &Chain, hop: usize, fault: Fault) -> BTreeSet<String> {
    let behind_proxy = (1..hop).any(|hop| chain.is(hop) == Is::Proxy);
    let mut open = vec![fault.code(chain.is(hop) == Is::App, behind_proxy).to_owned()];
    open.extend(fault.logged().map(str::to_owned));
    let mut codes = BTreeSet::new();
    while let Some(code) = open.pop() {
        if let Some(cause) = catalogue.iter().find(|cause| cause.code == code) {
            open.extend(
                cause.explains.iter().map(|code| (*code).to_owned()).filter(|code| !codes.contains(code)),
            );
        }
        codes.insert(code);
    }
    codes
}
