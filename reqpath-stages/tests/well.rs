//! What makes a prober cheap must not make it blind: where a cause is to be found, something did not go well.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use reqpath_core::{Evidence, Observation, Report, Trial};
use reqpath_stages::http::Exchange;
use reqpath_stages::tcp::Attempt;
use reqpath_stages::tls::Handshake;

/// Whether it is evidence that can say it went well, and does.
fn went_well(observation: &Observation) -> bool {
    fn well<E: Evidence>(observation: &Observation) -> bool {
        observation.get::<E>().is_some_and(Evidence::went_well)
    }
    observation.complete
        && (well::<Trial>(observation)
            || well::<Attempt>(observation)
            || well::<Handshake>(observation)
            || well::<Exchange>(observation))
}

#[test]
fn a_cause_of_trouble_has_an_example_with_trouble_in_it() {
    for cause in reqpath_stages::causes().filter(|cause| cause.only_in_trouble) {
        let example = cause.doc.example().expect("an example");
        let report = Report::load(example.as_bytes()).unwrap();
        assert!(
            !report.observations.iter().all(went_well),
            "{} would not be asked about its own example",
            cause.code
        );
    }
}

#[test]
fn a_cause_that_is_found_among_successes_is_always_asked() {
    let declared = ["client.retry_storm", "proxy.timeout_budget_inverted", "dns.wrong_address", "pod.slow"];
    for code in ["tls.cert.expiring", "http.response.unexpected"].into_iter().chain(declared) {
        let cause = reqpath_stages::causes().find(|cause| cause.code == code);
        assert!(!cause.unwrap_or_else(|| panic!("{code}")).only_in_trouble, "{code}");
    }
}
