//! `db.unreachable`

use reqpath_core::{Case, Decline, End, Finding, Scope, Seen, Subject, Trial, cause, escape};
use reqpath_dns::{Resolution, SystemLookup};
use reqpath_tcp::{Attempt, Death, Purpose};

use super::leg::{Leg, asked, leg, peer, took, trial};
use crate::evidence::{Answer, SslRequest};

/// How many attempts are told of.
const TOLD: usize = 3;

cause! {
    /// The database that the application asks cannot be reached from there.
    ///
    /// Its name gives no address, its address gives no connection, or what takes the connection is no
    /// database: it closes, keeps silent, or speaks something else, as a pooler without a server behind it,
    /// a load balancer without members or a wrong port do.
    /// The application then fails by itself, mostly with a 500 or a timeout, and nothing in that answer
    /// says why.
    ///
    /// What the names and the connection show on that leg (`dns.*`, `tcp.*`) is cited, and stands in the
    /// chain between the application's failure and this: it is how the trouble shows there.
    /// This code is the cause, because what is to be mended is that the application has no database,
    /// and because whoever counts or alerts on databases looks for one code, not for thirty.
    ///
    /// Only a look from the application's own place tells it: a database that others cannot reach is
    /// mostly one that is well guarded.
    ///
    /// # What to do
    ///
    /// Run the next commands from the application's place.
    /// A refusal: is the server running, and does it listen on that address (`listen_addresses`)?
    /// Silence: a firewall, a security group or a NetworkPolicy between the two.
    /// A name: the Service or the record of the database.
    ///
    /// # Example
    ///
    /// ```json
    /// {"schema": "reqpath.report/1",
    ///  "path": {"hops": [{"id": "client", "kind": "client"}, {"id": "shop", "kind": "pod"},
    ///                    {"id": "prices", "kind": "db", "branch_of": "shop"}]},
    ///  "observations": [
    ///   {"kind": "http.exchange",
    ///    "subject": {"leg": {"from": "client", "to": "shop", "address": "192.0.2.7:80", "sample": 0}},
    ///    "data": {"request": {"url": "http://shop.example/"}, "version": "HTTP/1.1", "status": 500,
    ///             "end": "complete"}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "shop", "sample": 0}},
    ///    "data": {"role": "fresh", "left": "alive", "stage": "http", "sent": true, "arrived": "yes",
    ///             "answer": "HTTP/1.1 500"}},
    ///   {"kind": "tcp.attempt",
    ///    "subject": {"leg": {"from": "shop", "to": "prices", "address": "10.0.0.5:5432", "sample": 10}},
    ///    "data": {"outcome": "failed", "elapsed_us": 410, "failure": {"errno": 111, "symbol": "ECONNREFUSED",
    ///             "message": "Connection refused"}}},
    ///   {"kind": "request.trial", "subject": {"leg": {"from": "shop", "to": "prices", "sample": 10}},
    ///    "data": {"role": "inner", "left": "dead", "stage": "tcp", "elapsed_us": 700}}
    /// ]}
    /// ```
    pub static UNREACHABLE: "db.unreachable" = recognise {
        only_in_trouble(),
        scope(Scope::Sample),
        blames(End::Far),
        explains(&["dns.*", "tcp.*"]),
        kills_in(&["dns", "tcp", "db"]),
        twins(&["db.tls_required", "db.tls_failed"]),
    }
}

fn recognise(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let leg = leg(case, at)?;
    let trial = trial(case, at)?;
    if !trial.died() {
        return Err(case.not(&trial, || format!("{} was reached in {}", leg.database(), took(&trial))));
    }
    match &*trial.stage {
        "dns" => Ok(unresolved(case, at, &leg, &trial)),
        "tcp" => undialled(case, at, &leg, &trial),
        "db" => unanswered(case, at, &leg),
        stage => {
            let stage = escape(stage, 40);
            Err(case
                .not(&trial, || format!("{} was reached, and the request died in {stage}", leg.database())))
        }
    }
}

/// No address.
fn unresolved(case: &Case, at: &Subject, leg: &Leg<'_>, trial: &Seen<'_, Trial>) -> Finding {
    let cannot = cannot(leg);
    let system = case.of::<SystemLookup>(at).find(|seen| seen.usable().next().is_none());
    if let Some(seen) = system {
        let words = match (&seen.message, &seen.symbol) {
            _ if seen.still_waiting => format!("nobody answered within {}", seen.time_us),
            (Some(message), Some(symbol)) => format!("{} ({})", escape(message, 120), escape(symbol, 40)),
            _ => "it has no address that can be used".to_owned(),
        };
        let name = escape(&seen.name, 255);
        let finding =
            Finding::new(at, trial, format!("{cannot}: the name `{name}` gives no address, {words}"));
        return finding.citing(&seen).error(words).blaming(End::Leg).next(format!("getent ahosts {name}"));
    }
    let given = case.of::<Resolution>(at).find(|seen| seen.addresses.is_empty());
    let name = given.as_ref().map(|seen| escape(&seen.name, 255));
    let what = name.map_or_else(|| "its name".to_owned(), |name| format!("the name `{name}`"));
    let finding = Finding::new(at, trial, format!("{cannot}: {what} gives no address")).blaming(End::Leg);
    given.into_iter().fold(finding, |finding, seen| finding.citing(&seen))
}

/// No connection.
fn undialled(case: &Case, at: &Subject, leg: &Leg<'_>, trial: &Seen<'_, Trial>) -> Result<Finding, Decline> {
    let attempts =
        || case.of::<Attempt>(at).filter(|seen| seen.purpose == Purpose::Road && !seen.connected());
    let own = |death| matches!(death, Some(Death::NoLocalAddress | Death::NoDescriptor));
    if let Some(seen) = attempts().find(|seen| own(seen.death())) {
        return Err(case.not(&seen, || {
            format!("{} could not even begin: {}", leg.asking(), seen.words().unwrap_or_default())
        }));
    }
    let told: Vec<String> = attempts()
        .filter_map(|seen| {
            let peer = seen.subject().address()?;
            Some(match seen.death()? {
                Death::Refused => format!("{peer} refused the connection"),
                Death::Unanswered => format!("{peer} left it unanswered for {}", seen.elapsed_us),
                _ => format!("{peer}: {}", seen.words().unwrap_or_default()),
            })
        })
        .collect();
    let more = match told.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let why = match told.is_empty() {
        true => "no connection came about".to_owned(),
        false => told[..told.len().min(TOLD)].join(", ") + &more,
    };
    let finding = Finding::new(at, trial, format!("{}: {why}", cannot(leg)));
    let mut finding = attempts().take(TOLD).fold(finding, |finding, seen| finding.citing(&seen));
    if !attempts().all(|seen| matches!(seen.death(), Some(Death::Refused | Death::Reset))) {
        finding = finding.blaming(End::Leg);
    }
    if let Some(seen) = attempts().find(|seen| seen.death().is_some()) {
        finding = finding.error(seen.words().unwrap_or_default());
        if let Some(peer) = seen.subject().address() {
            finding = finding.next(ready(peer.ip(), peer.port(), leg));
        }
    }
    Ok(finding)
}

/// A connection, and no database at its end.
fn unanswered(case: &Case, at: &Subject, leg: &Leg<'_>) -> Result<Finding, Decline> {
    let seen = asked(case, at).ok_or(Decline::Absent)?;
    if matches!(seen.answer, Some(Answer::Accepted | Answer::Refused)) || super::tls_required::demanded(&seen)
    {
        return Err(case.not(&seen, || format!("it {}", seen.told())));
    }
    let who = peer(&seen);
    let finding = Finding::new(at, &seen, format!("{}: {who} {}", cannot(leg), seen.told()));
    let finding = words(&seen).into_iter().fold(finding, Finding::error);
    Ok(match seen.subject().address() {
        Some(peer) => finding.next(ready(peer.ip(), peer.port(), leg)),
        None => finding,
    })
}

fn cannot(leg: &Leg<'_>) -> String {
    format!("{} cannot be reached from {}", leg.database(), leg.asking())
}

fn words(seen: &SslRequest) -> Option<String> {
    seen.error.as_ref().map(ToString::to_string).or_else(|| seen.message.clone())
}

fn ready(host: std::net::IpAddr, port: u16, leg: &Leg<'_>) -> String {
    format!("pg_isready -h {host} -p {port}   # on {}", escape(leg.from.as_str(), 80))
}
