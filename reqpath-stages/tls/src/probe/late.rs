use std::error::Error;
use std::io;

use reqpath_core::{Context, ObservationId, Subject};

use crate::evidence::{Alert, LateAlert, Tunnelled, words};

/// Records the alert inside an error that reading or writing gave after the handshake, if there is one.
///
/// With TLS 1.3 a server judges our certificate, or the want of one, when its own handshake is
/// long over: its alert comes with the first byte we try to read.
pub fn record_late_alert(cx: &Context, at: &Subject, error: &(dyn Error + 'static)) -> Option<ObservationId> {
    let found = find(error)?;
    let rustls::Error::AlertReceived(description) = found else { return None };
    let tunnel = Tunnelled::of(cx, &at.any_address());
    Some(cx.record(at, LateAlert::new(Alert::from(*description), words(found), tunnel)))
}

/// The error of rustls within an error, however deep.
pub(crate) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>() {
            // Its `source` skips the very error that it wraps.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("wrapped")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn an_alert_is_found_below_other_errors() {
        let alert = || rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let io = || io::Error::new(io::ErrorKind::InvalidData, alert());
        assert_eq!(find(&alert()), Some(&alert()));
        assert_eq!(find(&io()), Some(&alert()));
        assert_eq!(find(&Wrapped(io())), Some(&alert()));
        assert_eq!(find(&io::Error::other(io())), Some(&alert()));
        assert_eq!(find(&Wrapped(io::ErrorKind::ConnectionReset.into())), None);
    }
}
