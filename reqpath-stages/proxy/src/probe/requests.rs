//! Requests of ours that a hop can have seen.

use std::collections::BTreeMap;

use reqpath_core::{Context, Hop, Left, Micros, Subject, Tri, Trial};

/// A request of ours that a hop can have seen.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Its number.
    pub(super) sample: u32,
    /// When it began and ended, from the start of the trace.
    pub(super) began: Micros,
    pub(super) ended: Micros,
    /// Whether it was sent to this very hop, and not to one further out.
    pub(super) entered: bool,
    /// Whether an answer came back.
    pub(super) answered: bool,
    /// Whether what was seen of it is no success.
    pub(super) failed: bool,
}

/// The requests that can have come to this hop, in the order in which they ended.
pub(super) fn requests(hop: &Hop, cx: &Context) -> Vec<Request> {
    let path = cx.path();
    let place = path.road().position(|other| other.id == hop.id);
    let mut requests = BTreeMap::<u32, Request>::new();
    for observation in cx.so_far() {
        let (Some(leg), Some(sample)) = (observation.subject.as_leg(), observation.subject.sample()) else {
            continue;
        };
        let Some(trial) = observation.get::<Trial>() else { continue };
        let to = path.road().position(|other| other.id == leg.to);
        let entered = leg.to == hop.id;
        // What entered behind this hop never came here, and what a redirect led elsewhere neither.
        let passed = to.zip(place).is_some_and(|(to, place)| to < place);
        if !entered && !passed {
            continue;
        }
        let answer = trial.answer.as_deref().and_then(|answer| answer.split(' ').nth(1));
        requests.insert(
            sample,
            Request {
                sample,
                began: Micros(observation.at.0.saturating_sub(trial.elapsed_us.0)),
                ended: observation.at,
                entered,
                answered: trial.arrived == Tri::Yes,
                failed: trial.left != Left::Alive || answer.is_none_or(|status| status >= "400"),
            },
        );
    }
    let mut requests: Vec<Request> = requests.into_values().collect();
    requests.sort_by_key(|request| (request.ended, request.sample));
    requests
}

/// The request whose line the log must have by now, or soon: the last one of those that were answered.
pub(super) fn awaited(requests: &[Request]) -> Option<&Request> {
    let answered = |entered: bool| {
        requests.iter().rev().find(move |request| request.answered && request.entered == entered)
    };
    answered(true).or_else(|| answered(false))
}

/// The leg about which the log of a hop tells: to the next one, or the one on which requests come.
pub(super) fn leg(hop: &Hop, cx: &Context) -> Option<Subject> {
    let path = cx.path();
    let to = path.after(&hop.id).map(|next| Subject::leg(&hop.id, &next.id));
    to.or_else(|| path.before(&hop.id).map(|before| Subject::leg(&before.id, &hop.id)))
}
