//! What a plan is told to: the list of a dry run, or the budget of a trace.

use std::sync::Arc;

use crate::{Budget, Contact, Path, Stage, Subject, Target};

/// Hears all that a trace may contact. Both that do are told the same, so that they cannot disagree.
pub(crate) trait Announced {
    /// The contacts that follow are about this subject.
    fn about(&mut self, subject: &Subject);

    /// One more contact, and what is to be said behind why it is made.
    fn contact(&mut self, contact: Contact, after: &str);

    /// What the stages would contact for each request on a leg, with so many trials, so many times over.
    fn requests(
        &mut self,
        stages: &[Arc<dyn Stage>],
        leg: &Subject,
        (path, target): (&Path, &Target),
        (trials, times): (u32, u32),
        after: &str,
    ) {
        let at = leg.at_sample(0);
        for stage in stages {
            for mut contact in stage.plan(&at, path, target) {
                let trials = if contact.once { 1 } else { trials };
                contact.most = contact.most.saturating_mul(trials).saturating_mul(times);
                self.contact(contact, after);
            }
        }
    }
}

impl Announced for Vec<(Subject, Vec<Contact>)> {
    fn about(&mut self, subject: &Subject) {
        self.push((subject.clone(), Vec::new()));
    }

    fn contact(&mut self, mut contact: Contact, after: &str) {
        if !after.is_empty() {
            contact.why = format!("{}{after}", contact.why).into();
        }
        if let Some((_, contacts)) = self.last_mut() {
            contacts.push(contact);
        }
    }
}

/// Most traces are never shown their plan, and pay for no list of it.
impl Announced for Budget {
    fn about(&mut self, _: &Subject) {}

    fn contact(&mut self, contact: Contact, _: &str) {
        self.add(&contact);
    }
}
