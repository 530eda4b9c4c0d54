//! `client.deadline_too_short`

use reqpath_core::{
    Case, Decline, End, Finding, Left, Micros, Role, Scope, Subject, Trial, cause, redact_url,
};

cause! {
    /// The caller gives up before the path can answer.
    ///
    /// The request ran out of the time its caller allows (`--max-time`), and the very same request, given more
    /// time, was answered, later than that.
    /// So the path works and is slower than the caller will wait.
    /// The control with more time is what tells it from a path that never answers: where that try dies too,
    /// the time allowed is not blamed.
    ///
    /// # What to do
    ///
    /// Allow more time than the slowest good answer takes, or make the path faster: the times of the stages
    /// in the report say where the time goes.
    /// A deadline must be longer than those of everything behind it, added up with their retries.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1", "observations": [
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "dead", "stage": "http", "out_of_time": true,
    ///             "elapsed_us": 1000000, "limit_us": 1000000}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 1}},
    ///    "data": {"role": "patient", "left": "alive", "stage": "http", "answer": "HTTP/1.1 200",
    ///             "elapsed_us": 2400000, "limit_us": 9000000}}
    /// ]}
    /// ```
    pub static DEADLINE_TOO_SHORT: "client.deadline_too_short" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Near),
        explains(&[
            "dns.timed_out",
            "tcp.timed_out",

            "tls.timed_out",
            "http.response.timed_out",
            "response.stalled",
            "response.truncated",
        ]),
        twins(&["pod.slow", "http.response.timed_out", "response.stalled"]),
        kills_in(&["client", "dns", "tcp", "tunnel", "tls", "http"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let trial = case.first::<Trial>(at)?;
    if trial.role != Role::Fresh || !ran_out(&trial) {
        return Err(Decline::Absent);
    }
    let (limit, leg) = (trial.limit_us, at.whole_leg());
    let Some(patient) = case.of::<Trial>(&leg).find(|trial| trial.role == Role::Patient) else {
        return Err(Decline::needs(format!("reqpath trace --deadline {} …", seconds(limit, 10))));
    };
    if patient.left != Left::Alive {
        let because =
            format!("with {} instead of {limit} it died too, in {}", patient.limit_us, patient.stage);
        return Err(Decline::not(because, &patient));
    }
    if patient.elapsed_us <= limit {
        let because =
            format!("tried again it took {}, which is within the {limit} allowed", patient.elapsed_us);
        return Err(Decline::not(because, &patient));
    }
    let slowest = patient.phases.iter().max_by_key(|phase| phase.elapsed_us);
    let within = slowest.map(|phase| format!(" ({} of it in {})", phase.elapsed_us, phase.stage));
    let summary = format!(
        "the caller allows {limit}, and the request needs {}{}: with more time it was answered",
        patient.elapsed_us,
        within.unwrap_or_default(),
    );
    let url = redact_url(case.target().url());
    Ok(Finding::new(at, &patient, summary)
        .citing(&trial)
        .next(format!("curl -v --max-time {} '{url}'", seconds(patient.elapsed_us, 2)))
        .next(format!(
            "curl -so /dev/null -w '%{{time_connect}} %{{time_starttransfer}} %{{time_total}}\\n' '{url}'"
        )))
}

/// Whether the request died because its time was over.
fn ran_out(trial: &Trial) -> bool {
    // Stages end a look slightly before the deadline, so that its evidence is complete.
    let nearly = trial.limit_us.0 > 0 && trial.elapsed_us.0 / 9 >= trial.limit_us.0 / 10;
    trial.died() && (trial.out_of_time || nearly)
}

/// This many times the duration, in whole seconds and at least one.
fn seconds(time: Micros, times: u64) -> u64 {
    time.0.saturating_mul(times).div_ceil(1_000_000).max(1)
}
