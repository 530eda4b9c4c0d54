//! Every leg killed in turn by each death it can have: right hop, right cause, nobody else.

use reqpath_core::Verdict;
use reqpath_testkit::lab;

use crate::asking::{told, trials};
use crate::chain::{Is, Plan, name};
use crate::fault::Fault;

/// Whether a hop of this kind can have this fault of its own.
fn possible(is: Is, fault: Fault) -> bool {
    // A node never speaks: what it can do is not to pass packets on, or to pass them to the wrong place.
    is != Is::Node || matches!(fault, Fault::Unanswered | Fault::Refused)
}

fn killed_in_turn(hops: &[Is]) {
    lab::rootless(|| {
        let mut wrong = Vec::new();
        for hop in 1..=hops.len() {
            let is = hops[hop - 1];
            for fault in Fault::ALL.into_iter().filter(|fault| possible(is, *fault)) {
                let Some(chain) = Plan::new(hops).with(hop, fault).build() else { return };
                let report = chain.trace();
                let code = fault.code(is == Is::App, hops[..hop - 1].contains(&Is::Proxy));
                let at = name(hops, hop);
                let right = match report.verdict.as_ref().unwrap() {
                    Verdict::Died { at: found, cause, also, .. } => {
                        found.hop.as_str() == at && cause.code == code && also.is_empty()
                    }
                    _ => false,
                };
                if !right {
                    wrong.push(format!("{fault:?} at {at}, {code}: {}{}", told(&report), trials(&report)));
                }
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn a_road_of_two_hops() {
    killed_in_turn(&[Is::App]);
}

#[test]
fn a_road_of_four_hops_with_two_proxies_in_a_row() {
    killed_in_turn(&[Is::Proxy, Is::Proxy, Is::App]);
}

#[test]
fn a_road_without_a_gateway() {
    killed_in_turn(&[Is::Proxy, Is::Node, Is::App]);
}

#[test]
fn a_road_of_seven_hops() {
    killed_in_turn(&[Is::Node, Is::Proxy, Is::Proxy, Is::Proxy, Is::Node, Is::App]);
}

#[test]
fn healthy_roads_are_reached() {
    lab::rootless(|| {
        for hops in [&[Is::App][..], &[Is::Proxy, Is::Node, Is::App], &[Is::Proxy, Is::Proxy, Is::App]] {
            let Some(chain) = Plan::new(hops).build() else { return };
            let report = chain.trace();
            assert_eq!(told(&report), "reached", "{hops:?}");
            assert!(report.findings.is_empty(), "{:#?}", report.findings);
            assert!(report.errors.is_empty(), "{:#?}", report.errors);
        }
    });
}
