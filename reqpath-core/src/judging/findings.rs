//! Running every recogniser for every subject of its scope.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    Case, Catalogue, Cause, Decline, Finding, Look, ObservationId, ProbeError, Role, RuledOut, Scope, Subject,
};

use super::deaths::{Deaths, End};

/// How many subjects of one width are judged: more than any trace of ours has.
const MOST_SUBJECTS: usize = 10_000;
/// How many looks that would tell are kept.
const MOST_LOOKS: usize = 32;

/// What the recognisers found, and which looks the others miss.
pub(super) struct Found {
    /// Each finding with its cause, in the order of the catalogue.
    pub(super) list: Vec<(&'static Cause, Finding)>,
    /// Looks that would settle whether a cause that was declined holds.
    pub(super) needed: Vec<Cow<'static, str>>,
    /// What was left unjudged.
    pub(super) errors: Vec<ProbeError>,
    subjects: Subjects,
}

/// The subjects of each width, gathered when first asked for.
#[derive(Default)]
struct Subjects {
    hops: OnceCell<Gathered>,
    legs: OnceCell<Gathered>,
    addresses: OnceCell<Gathered>,
    samples: OnceCell<Gathered>,
    attempts: OnceCell<Gathered>,
}

/// Subjects of one width, and how many there would be.
struct Gathered {
    subjects: Vec<Subject>,
    of: usize,
}

impl Subjects {
    fn of_scope(&self, scope: Scope, case: &Case) -> &[Subject] {
        static PATH: [Subject; 1] = [Subject::Path];
        let hops = || case.path().hops.iter().map(|hop| Subject::Hop(hop.id.clone())).collect();
        let gathered = match scope {
            Scope::Path => return &PATH,
            Scope::Hop => self.hops.get_or_init(|| Gathered::of(hops())),
            Scope::Leg => self.legs.get_or_init(|| Gathered::of(case.legs())),
            Scope::Address => self.addresses.get_or_init(|| Gathered::of(case.addresses())),
            Scope::Sample => self.samples.get_or_init(|| Gathered::of(case.samples())),
            Scope::Attempt => self.attempts.get_or_init(|| Gathered::of(case.attempts())),
        };
        &gathered.subjects
    }

    /// What is left unjudged.
    fn left_out(&self) -> impl Iterator<Item = ProbeError> {
        let widths = [
            (&self.hops, "hops"),
            (&self.legs, "legs"),
            (&self.addresses, "addresses"),
            (&self.samples, "samples"),
            (&self.attempts, "attempts"),
        ];
        widths.into_iter().filter_map(|(gathered, what)| {
            let of = gathered.get()?.of;
            let message = || format!("only the first {MOST_SUBJECTS} of {of} {what} were judged");
            (of > MOST_SUBJECTS).then(|| ProbeError::new("judge", message()))
        })
    }
}

impl Gathered {
    fn of(mut subjects: Vec<Subject>) -> Self {
        let of = subjects.len();
        subjects.truncate(MOST_SUBJECTS);
        Self { subjects, of }
    }
}

impl Found {
    pub(super) fn by(case: &Case, catalogue: &Catalogue) -> Self {
        let mut errors = Vec::new();
        let subjects = Subjects::default();
        let (mut list, mut needed) = (Vec::new(), Vec::new());
        // Why one declines is asked again, and only of a verdict's twins.
        case.want_reasons(false);
        for &cause in catalogue.asked_of(case) {
            for at in subjects.of_scope(cause.scope, case) {
                // A recogniser never panics; one of a user's own that does costs its own cause only.
                let asked = catch_unwind(AssertUnwindSafe(|| (cause.recognise)(case, at)));
                let asked = asked.unwrap_or_else(|_| {
                    let error =
                        ProbeError::new("judge", format!("the recogniser of {} panicked", cause.code));
                    if !errors.contains(&error) {
                        errors.push(error);
                    }
                    Err(Decline::Absent)
                });
                match asked {
                    // Without a cited observation there is no finding.
                    Ok(finding) if finding.cites.is_empty() => {}
                    Ok(mut finding) => {
                        finding.code = Cow::Borrowed(cause.code);
                        finding.blames = finding.blames.or(Some(cause.blames));
                        for command in &mut finding.next {
                            *command = case.command(&finding.subject, command);
                        }
                        list.push((cause, finding));
                    }
                    Err(Decline::Needs(Look(look))) if needed.len() < MOST_LOOKS => {
                        let look = Cow::Owned(case.command(at, &look));
                        if !needed.contains(&look) {
                            needed.push(look);
                        }
                    }
                    Err(_) => {}
                }
            }
        }
        case.want_reasons(true);
        errors.extend(subjects.left_out());
        Self { list, needed, errors, subjects }
    }

    /// Drops what a control or the last try met again after a counted request had met it.
    pub(super) fn drop_echoes(&mut self, deaths: &Deaths) {
        let counted = |finding: &Finding| {
            let end = finding.subject.sample().and_then(|sample| deaths.ends.get(sample));
            end.is_none_or(|end| end.role == Role::Fresh)
        };
        if deaths.ends.values().all(|end| end.role == Role::Fresh) {
            return;
        }
        // What is met past a proxy is met elsewhere than at it.
        let what = |cause: &Cause, finding: &Finding| {
            let end = finding.subject.sample().and_then(|sample| deaths.ends.get(sample));
            let proxied = end.is_some_and(|end| end.is_the_proxy_s(cause.station()));
            (cause.code, finding.subject.whole_leg(), proxied)
        };
        let met: HashSet<(&'static str, Subject, bool)> = self
            .list
            .iter()
            .filter(|(_, finding)| counted(finding))
            .map(|(cause, finding)| what(cause, finding))
            .collect();
        self.list.retain(|(cause, finding)| counted(finding) || !met.contains(&what(cause, finding)));
    }

    /// Drops the silence that was met by a stage for which an earlier one had left hardly any time.
    pub(super) fn drop_starved(&mut self, deaths: &Deaths) {
        if deaths.ends.values().all(|end| end.starved_by.is_none()) {
            return;
        }
        let starved = |cause: &Cause, finding: &Finding| {
            let about = |sample| finding.subject.sample().is_none_or(|own| own == sample);
            let met = |(sample, end): &(u32, &End)| {
                about(*sample) && finding.subject.meets(&end.leg) && cause.kills(&end.stage)
            };
            // What is about the whole time is about the eater too.
            let eater = |end: &End| end.starved_by.as_ref().is_some_and(|eater| !cause.kills(&eater.stage));
            let mut ends = deaths.ends.iter().filter(met).peekable();
            ends.peek().is_some() && ends.all(|(_, end)| eater(end))
        };
        self.list.retain(|(cause, finding)| !(cause.silent && starved(cause, finding)));
    }

    /// Drops the silence that was met only by tries which had less time than the road took.
    pub(super) fn drop_cut_short(&mut self, case: &Case, deaths: &Deaths) {
        if deaths.ends.values().all(|end| !end.cut_short) {
            return;
        }
        let samples: HashMap<ObservationId, u32> =
            case.observations().iter().filter_map(|seen| Some((seen.id, seen.subject.sample()?))).collect();
        let cut_short = |cause: &Cause, finding: &Finding| {
            let met = |sample: u32| {
                deaths.ends.get(sample).is_some_and(|end| end.cut_short && cause.kills(&end.stage))
            };
            // What is about an address rests on what some sample saw of it.
            let mut rests_on = finding.cites.iter().filter_map(|id| samples.get(id).copied()).peekable();
            match finding.subject.sample() {
                Some(sample) => met(sample),
                None => rests_on.peek().is_some() && rests_on.all(met),
            }
        };
        self.list.retain(|(cause, finding)| !(cause.silent && cut_short(cause, finding)));
    }

    /// Drops what was met by requests that entered a hop from elsewhere than the hop before it, and got no answer:
    /// from there the hop may be out of bounds on purpose.
    pub(super) fn drop_out_of_bounds(&mut self, case: &Case, deaths: &Deaths) {
        let strange = |finding: &Finding| {
            let Some(leg) = finding.subject.as_leg() else { return false };
            let entered = case.path().before(&leg.to).is_some_and(|before| before.id != leg.from);
            let answered = |sample| deaths.ends.get(sample).is_some_and(|end| end.answer.is_some());
            entered && !leg.to.is_redirect() && !leg.sample.is_some_and(answered)
        };
        if case.path().hops.len() > 2 {
            self.list.retain(|(_, finding)| !strange(finding));
        }
    }

    /// The look-alikes of a cause whose recognisers say why not.
    pub(super) fn ruled_out(
        &self,
        case: &Case,
        catalogue: &Catalogue,
        cause: &Cause,
        at: &Subject,
    ) -> Vec<RuledOut> {
        let twins = catalogue.iter().filter(|other| {
            let twin = cause.twins.contains(&other.code) || other.twins.contains(&cause.code);
            twin && !self.list.iter().any(|(found, _)| found.code == other.code)
        });
        let because = |other: &'static Cause| {
            let subjects =
                self.subjects.of_scope(other.scope, case).iter().filter(|subject| subject.meets(at));
            subjects.into_iter().find_map(|subject| match (other.recognise)(case, subject) {
                Err(Decline::Not { because, cites }) => {
                    Some(RuledOut::new(other.code.to_owned(), because.into_owned(), cites))
                }
                _ => None,
            })
        };
        twins.filter_map(because).collect()
    }
}
