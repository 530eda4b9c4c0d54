//! The example of every cause, judged, names that very cause.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use reqpath_core::{Catalogue, Report, Verdict};

fn catalogue() -> Catalogue {
    Catalogue::new(reqpath_client::CAUSES.iter().chain(reqpath_dns::CAUSES).copied()).unwrap()
}

#[test]
fn every_example_yields_its_cause() {
    for cause in reqpath_dns::CAUSES {
        let example = cause.doc.example().unwrap_or_else(|| panic!("{} has no example", cause.code));
        let report = Report::load(example.as_bytes()).unwrap().judged(&catalogue());
        if cause.only_warns {
            let found = report.findings.iter().any(|finding| finding.code == cause.code);
            assert!(found, "{}: {:?}", cause.code, report.findings);
            continue;
        }
        match report.verdict {
            Some(Verdict::Died { cause: found, also, .. }) => {
                assert_eq!(found.code, cause.code);
                assert!(also.is_empty(), "{}: also {also:?}", cause.code);
                assert!(!found.summary.is_empty());
            }
            other => panic!("{}: {other:?}", cause.code),
        }
    }
}

#[test]
fn every_cause_is_explained() {
    for cause in reqpath_dns::CAUSES {
        assert!(cause.code.starts_with("dns."), "{}", cause.code);
        for part in [cause.doc.summary(), cause.doc.explanation(), cause.doc.what_to_do()] {
            assert!(part.len() > 20, "{}: {part:?}", cause.code);
        }
    }
}
