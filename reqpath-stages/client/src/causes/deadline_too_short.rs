//! `client.deadline_too_short`

use reqpath_core::{
    Behind, Case, Decline, End, Finding, Left, Micros, Phase, Role, Scope, Subject, Trial, cause,
};

cause! {
    /// The caller gives up before the path can answer.
    ///
    /// The request ran out of the time its caller allows (`--max-time`, or `--connect-timeout` for the part
    /// before the request is sent), and the very same request, given more time, was answered, later than that.
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
        silent(),
        explains(&[
            "dns.timed_out",
            "tcp.timed_out",
            "client.proxy_unreachable",
            "client.tunnel_failed",
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
    if trial.role != Role::Fresh || !trial.died() {
        return Err(Decline::Absent);
    }
    let over = over(&trial).ok_or(Decline::Absent)?;
    let (limit, leg) = (over.limit, at.whole_leg());
    let Some(patient) = case.of::<Trial>(&leg).find(|trial| trial.role == Role::Patient) else {
        let url = case.target().url_to_type();
        return Err(Decline::needs(format!("reqpath trace {url} --deadline {}", seconds(limit, 10))));
    };
    if patient.left != Left::Alive {
        let because =
            format!("with {} instead of {limit} it died too, in {}", patient.limit_us, patient.stage);
        return Err(Decline::not(because, &patient));
    }
    let taken = over.taken(&patient);
    if taken <= limit {
        let because = format!("tried again it took {taken}, which is within the {limit} allowed");
        return Err(Decline::not(because, &patient));
    }
    let slowest = over.phases(&patient).max_by_key(|phase| phase.elapsed_us);
    let within = slowest.map(|phase| format!(" ({} of it in {})", phase.elapsed_us, phase.stage));
    let what = if over.connecting { "for connecting, and that" } else { "and the request" };
    let comma = if over.connecting { "" } else { "," };
    let summary = format!(
        "the caller allows {limit}{comma} {what} needs {taken}{}: with more time it was answered",
        within.unwrap_or_default(),
    );
    let flag = if over.connecting { "--connect-timeout" } else { "--max-time" };
    let url = case.target().url_to_type();
    Ok(Finding::new(at, &patient, summary)
        .behind(Behind::SILENCE)
        .citing(&trial)
        .next(format!("curl -v {flag} {} {url}", seconds(taken, 2)))
        .next(format!(
            "curl -so /dev/null -w '%{{time_connect}} %{{time_starttransfer}} %{{time_total}}\\n' {url}"
        )))
}

/// The time that was over when the request died.
struct Over {
    limit: Micros,
    /// Whether it was the time for connecting.
    connecting: bool,
}

impl Over {
    /// The stages that this time bounds: connecting ends where the request is sent, by the last of them.
    fn phases<'t>(&self, trial: &'t Trial) -> impl Iterator<Item = &'t Phase> {
        let last = if self.connecting { trial.phases.len().saturating_sub(1) } else { usize::MAX };
        trial.phases.iter().take(last)
    }

    /// How much of it another trial took.
    fn taken(&self, trial: &Trial) -> Micros {
        if self.connecting {
            return Micros(self.phases(trial).map(|phase| phase.elapsed_us.0).fold(0, u64::saturating_add));
        }
        trial.elapsed_us
    }
}

/// Which time the request ran out of, if it did.
fn over(trial: &Trial) -> Option<Over> {
    // Stages end a look slightly before the deadline, so that its evidence is complete.
    let nearly = |limit: Micros| limit.0 > 0 && trial.elapsed_us.0 / 9 >= limit.0 / 10;
    if trial.out_of_time || nearly(trial.limit_us) {
        return Some(Over { limit: trial.limit_us, connecting: false });
    }
    let limit = trial.connect_limit_us.filter(|limit| !trial.sent && nearly(*limit))?;
    Some(Over { limit, connecting: true })
}

/// This many times the duration, in whole seconds and at least one.
fn seconds(time: Micros, times: u64) -> u64 {
    time.0.saturating_mul(times).div_ceil(1_000_000).max(1)
}
