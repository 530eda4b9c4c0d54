//! What the two causes about client certificates share: what a server said about ours, or its absence.

use std::borrow::Cow;

use reqpath_core::{Case, Decline, Evidence as _, Finding, ObservationId, Seen, Subject, quoted};
use reqpath_tls::{Alert, Handshake, LateAlert};

use crate::evidence::Exchange;

/// What a server said when it refused a client for its certificate.
pub(super) enum Said<'a> {
    /// An alert within the handshake.
    Alert(Alert, Seen<'a, Handshake>),
    /// An alert after it.
    Late(Alert, Seen<'a, LateAlert>),
    /// An answer that says so, with the words that do.
    Answer(&'static str, Seen<'a, Exchange>),
}

/// The client's own handshake of this sample.
pub(super) fn handshake<'a>(case: &'a Case, at: &'a Subject) -> Result<Seen<'a, Handshake>, Decline> {
    case.of::<Handshake>(at).find(|handshake| handshake.is_road()).ok_or(Decline::Absent)
}

/// What the server said, if it is one of these alerts or an answer with one of these texts.
pub(super) fn said<'a>(
    case: &'a Case,
    at: &'a Subject,
    alerts: &[u8],
    texts: &[&'static str],
) -> Result<Option<Said<'a>>, Decline> {
    let handshake = handshake(case, at)?;
    if let Some(alert) = handshake.alert.clone().filter(|alert| alerts.contains(&alert.number)) {
        return Ok(Some(Said::Alert(alert, handshake)));
    }
    if let Some(late) = case.of::<LateAlert>(at).find(|late| alerts.contains(&late.alert.number)) {
        return Ok(Some(Said::Late(late.alert.clone(), late)));
    }
    let answer = case.of::<Exchange>(at).find_map(|seen| {
        let refusal = seen.status.is_some_and(|status| matches!(status, 400 | 403 | 495 | 496));
        let text = texts.iter().find(|text| refusal && seen.body_start().contains(**text))?;
        Some(Said::Answer(text, seen))
    });
    Ok(answer)
}

impl Said<'_> {
    /// In words, as a clause.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Alert(alert, _) => format!("refused the handshake by {alert}"),
            Self::Late(alert, _) => format!("took the handshake and then sent {alert}"),
            Self::Answer(text, seen) => format!("answered {}: `{text}`", seen.status_line()),
        }
    }

    /// A finding that rests on it.
    pub(super) fn finding(&self, at: &Subject, summary: String) -> Finding {
        match self {
            Self::Alert(_, seen) => {
                let finding = Finding::new(at, seen, summary);
                match &seen.error {
                    Some(error) => finding.error(error.clone()),
                    None => finding,
                }
            }
            Self::Late(_, seen) => {
                let finding = Finding::new(at, seen, summary);
                if seen.words.is_empty() { finding } else { finding.error(seen.words.clone()) }
            }
            // Every stage let the request pass; the answer is what refuses it.
            Self::Answer(text, seen) => Finding::new(at, seen, summary).error(*text).ends_sample(),
        }
    }

    /// The observation it is.
    pub(super) fn id(&self) -> ObservationId {
        match self {
            Self::Alert(_, seen) => seen.id(),
            Self::Late(_, seen) => seen.id(),
            Self::Answer(_, seen) => seen.id(),
        }
    }
}

/// The command that shakes hands as this handshake did, and shows the caller's certificate.
pub(super) fn shaking(case: &Case, handshake: &Seen<'_, Handshake>) -> String {
    let command = handshake.source(handshake.subject());
    let command = command.strip_suffix(" </dev/null").unwrap_or(&command);
    let key = match (given(case, "--cert"), given(case, "--key")) {
        (_, Some(key)) => format!(" -key {}", quoted(key)),
        // It holds both.
        (Some(_), None) => String::new(),
        (None, None) => " -key client.key".to_owned(),
    };
    format!("{command} -cert {}{key} </dev/null", certificate(case))
}

/// The file of the caller's certificate, as a word of a command.
pub(super) fn certificate(case: &Case) -> Cow<'_, str> {
    given(case, "--cert").map_or(Cow::Borrowed("client.pem"), quoted)
}

/// What the caller gave with this flag.
fn given<'a>(case: &'a Case, name: &str) -> Option<&'a str> {
    let flag = case.target().flags().iter().find(|flag| flag.name == name)?;
    // A report is anybody's, and what it holds is typed into a terminal.
    flag.value.as_deref().filter(|value| !value.is_empty() && !value.contains(char::is_control))
}
