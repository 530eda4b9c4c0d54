//! Dates counted from one fixed moment.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, date_time_ymd};

const DAY: i64 = 24 * 60 * 60;
/// Five thousand years: further away the encoders of dates overflow.
const FURTHEST: u64 = 5_000 * 365 * 24 * 60 * 60;

/// The moment an authority was made, in whole seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor(Duration);

impl Anchor {
    pub(super) fn now() -> Self {
        // A clock before 1970 is read as 1970: certificates cannot say anything older that verifiers accept.
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(Duration::from_secs(since_epoch.as_secs()))
    }

    /// Seconds since 1970 of the moment `days` after (or, negative, before) the anchor.
    pub(super) fn plus_days(self, days: i64) -> Duration {
        self.plus(days.saturating_mul(DAY))
    }

    fn plus(self, seconds: i64) -> Duration {
        let shift = Duration::from_secs(seconds.unsigned_abs().min(FURTHEST));
        if seconds < 0 { self.0.saturating_sub(shift) } else { self.0 + shift }
    }
}

/// The span in which a certificate is valid, in seconds from the anchor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    from: i64,
    until: i64,
}

impl Validity {
    /// From yesterday on, so that a peer whose clock runs slow agrees.
    pub(super) const fn for_days(days: u32) -> Self {
        Self { from: -DAY, until: days as i64 * DAY }
    }

    /// A minute more than the days, as a certificate is still good in its last second.
    pub(super) const fn ended(days_ago: u32) -> Self {
        let until = -(days_ago as i64) * DAY - 60;
        Self { from: until - 90 * DAY, until }
    }

    pub(super) const fn begins_in(days: u32) -> Self {
        let from = days as i64 * DAY + 60;
        Self { from, until: from + 90 * DAY }
    }

    pub(super) fn write_to(self, params: &mut CertificateParams, anchor: Anchor) {
        params.not_before = date_time_ymd(1970, 1, 1) + anchor.plus(self.from);
        params.not_after = date_time_ymd(1970, 1, 1) + anchor.plus(self.until);
    }
}
