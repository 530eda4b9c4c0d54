//! Where in a long case evidence of a kind stands.

use std::collections::HashMap;

use crate::{Observation, PeerAddr, Subject};

/// The places of observations by kind, and within a kind by sample and by address.
#[derive(Debug)]
pub(super) struct Index {
    kinds: HashMap<String, Places>,
}

#[derive(Debug, Default)]
struct Places {
    all: Vec<usize>,
    of_sample: HashMap<u32, Vec<usize>>,
    of_address: HashMap<PeerAddr, Vec<usize>>,
}

impl Index {
    pub(super) fn of(observations: &[Observation]) -> Self {
        let mut kinds = HashMap::<String, Places>::new();
        for (place, observation) in observations.iter().enumerate() {
            let kind = observation.kind();
            if !kinds.contains_key(kind) {
                kinds.insert(kind.to_owned(), Places::default());
            }
            let Some(places) = kinds.get_mut(kind) else { continue };
            places.all.push(place);
            if let Some(sample) = observation.subject.sample() {
                places.of_sample.entry(sample).or_default().push(place);
            }
            if let Some(address) = observation.subject.address() {
                places.of_address.entry(address).or_default().push(place);
            }
        }
        Self { kinds }
    }

    /// All that may lie within this subject, in order: more than does, never less.
    pub(super) fn about(&self, kind: &str, at: &Subject) -> &[usize] {
        let Some(places) = self.kinds.get(kind) else { return &[] };
        // What a subject names, everything within it names too.
        let narrow = match (at.sample(), at.address()) {
            (Some(sample), _) => places.of_sample.get(&sample),
            (None, Some(address)) => places.of_address.get(&address),
            (None, None) => Some(&places.all),
        };
        narrow.map_or(&[], Vec::as_slice)
    }
}
