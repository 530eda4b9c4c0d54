//! `client.deadline_exceeds_nothing`

use reqpath_core::{Case, Decline, End, Finding, Micros, Scope, Subject, cause};

use super::met::declared;
use crate::timetable::{Patience, Timetable};

cause! {
    /// The caller has no deadline: it waits for as long as anything keeps it waiting.
    ///
    /// The path declares that the caller bounds its requests by nothing.
    /// As long as something behind it gives up first, that is not felt; where nothing does (a connection that
    /// was silently dropped, an answer that trickles), a worker waits for ever, and then the next one.
    /// A caller whose settings are not declared is not spoken of: not known is not the same as none.
    ///
    /// # What to do
    ///
    /// Give every request a total deadline: longer than the slowest good answer, longer than what the first
    /// proxy may take, and short enough that the workers kept waiting do not use up the pool.
    /// Many clients have none unless told.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "server", "kind": "server"}],
    ///           "caller": {"deadline_us": 0}},
    ///  "observations": [
    ///   {"kind": "road.declared", "subject": "path", "data": {"caller": {"deadline_us": 0}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "answer": "HTTP/1.1 200"}}
    /// ]}
    /// ```
    pub static DEADLINE_EXCEEDS_NOTHING: "client.deadline_exceeds_nothing" = recognise {
        scope(Scope::Path),
        blames(End::Near),
        twins(&["client.deadline_too_short"]),
        only_warns(),
    }
}

fn recognise(case: &Case, _: &Subject) -> Result<Finding, Decline> {
    let declared = declared(case)?;
    match case.path().caller.deadline_us {
        None => return Err(Decline::Absent),
        Some(Micros(0)) => {}
        Some(deadline) => {
            return Err(case.not(&declared, || format!("the caller gives up after {deadline}")));
        }
    }
    let table = Timetable::of(case.path());
    let bounded = table.rows.iter().skip(1).find_map(|row| match row.patience {
        Some(Patience::For(time)) => Some(format!("the first to give up is {}, after {time}", row.hop)),
        _ => None,
    });
    let bounded = bounded.unwrap_or_else(|| "nothing behind it is declared to give up either".to_owned());
    let summary = format!("the caller has no deadline; {bounded}");
    let url = case.target().url_to_type();
    Ok(Finding::new(&Subject::Path, &declared, summary)
        .next(format!("curl -so /dev/null -w '%{{time_total}}\\n' --max-time 60 {url}")))
}
