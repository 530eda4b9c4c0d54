//! What of a request must not come back in evidence.

use reqpath_core::{Scrubber, Target};

use crate::credentials::basic;

/// The secrets of a request, the encoded form of its user information among them.
pub(crate) fn scrubber(target: &Target) -> Scrubber {
    let mut scrubber = target.scrubber();
    if let Some((user, password)) = target.user_info() {
        let basic = basic(user, password);
        scrubber.add(&basic);
        if let Some((_, encoded)) = basic.split_once(' ') {
            scrubber.add(encoded);
        }
    }
    scrubber
}
