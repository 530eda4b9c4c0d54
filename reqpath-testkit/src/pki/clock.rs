//! Dates counted from one fixed moment.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, date_time_ymd};

const DAY: u64 = 24 * 60 * 60;
/// Five thousand years: further away the encoders of dates overflow.
const FURTHEST: u64 = 5_000 * 365 * DAY;

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
        let shift = Duration::from_secs(days.unsigned_abs().saturating_mul(DAY).min(FURTHEST));
        if days < 0 { self.0.saturating_sub(shift) } else { self.0 + shift }
    }
}

/// The days in which a certificate is valid, relative to the anchor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    from_days: i64,
    until_days: i64,
}

impl Validity {
    /// From yesterday on, so that a peer whose clock runs slow agrees.
    pub(super) const fn for_days(days: u32) -> Self {
        Self { from_days: -1, until_days: days as i64 }
    }

    pub(super) const fn ended(days_ago: u32) -> Self {
        Self { from_days: -(days_ago as i64) - 90, until_days: -(days_ago as i64) }
    }

    pub(super) const fn begins_in(days: u32) -> Self {
        Self { from_days: days as i64, until_days: days as i64 + 90 }
    }

    pub(super) fn write_to(self, params: &mut CertificateParams, anchor: Anchor) {
        params.not_before = date_time_ymd(1970, 1, 1) + anchor.plus_days(self.from_days);
        params.not_after = date_time_ymd(1970, 1, 1) + anchor.plus_days(self.until_days);
    }
}
