//! The stage that compares clocks.

use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use reqpath_core::{
    Cause, ConnectOptions, Contact, ContactKind, Context, Dialled, Error, Left, Path, PeerAddr, Scheme,
    Stage, Subject, Target, redact_url,
};
use tokio::time::{Instant, timeout_at};

use super::exchange::{Limits, exchange, open, tapped};
use super::flight::Flight;
use super::request::{Form, request};
use crate::date;
use crate::evidence::{Asked, Clock as Seen, Exchange, Protocol};

const NAME: &str = "clock";
/// How many addresses of a name are tried.
const MOST_ADDRESSES: u32 = 2;
/// A clock tells no more than its head.
const LIMITS: Limits = Limits { header: 16 << 10, body: 0 };

/// What a caller may choose about comparing clocks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClockOptions {
    /// Plain HTTP URLs whose `Date` the local clock is compared with: a TLS one may fail for that very clock.
    pub from: Vec<Target>,
    /// How long each is waited for.
    pub limit: Duration,
    /// Whether it is done at all: it is a look beside the road.
    pub side_looks: bool,
}

impl Default for ClockOptions {
    fn default() -> Self {
        Self { from: Vec::new(), limit: Duration::from_secs(5), side_looks: true }
    }
}

/// Compares the local clock with the `Date` of other servers, beside the road.
///
/// It stands before TLS, because a wrong clock is what kills there.
#[derive(Debug, Default)]
pub struct Clock {
    options: ClockOptions,
}

impl Clock {
    /// A stage that asks these.
    #[must_use]
    pub fn new(options: ClockOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Stage for Clock {
    fn name(&self) -> &'static str {
        NAME
    }

    fn causes(&self) -> &[&'static Cause] {
        // Those of this stage are in the catalogue of the crate, which the request's stage brings.
        &[]
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        if !self.options.side_looks {
            return Vec::new();
        }
        let peer = |target: &Target| target.host_and_port();
        let why = "its Date, beside our clock";
        let contacts = self.options.from.iter().flat_map(|target| {
            [
                Contact::new(
                    ContactKind::SystemLookup,
                    peer(target),
                    u32::from(target.address().is_none()),
                    why,
                ),
                Contact::new(ContactKind::Connection, peer(target), MOST_ADDRESSES, why),
                Contact::new(ContactKind::Request, peer(target), 1, why),
            ]
        });
        contacts.filter(|contact| contact.most > 0).collect()
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        if !self.options.side_looks || !cx.is_first() || !cx.target().redirected_from().is_empty() {
            return Ok(Left::Alive);
        }
        for target in &self.options.from {
            let (cx_aside, at, target, limit) = (cx.clone(), at.clone(), target.clone(), self.options.limit);
            cx.aside(async move {
                if let Err(error) = look(&cx_aside, &at, &target, limit).await {
                    cx_aside.trouble(NAME, &error);
                }
            });
        }
        Ok(Left::Alive)
    }
}

/// Asks one server for its time.
async fn look(cx: &Context, at: &Subject, target: &Target, limit: Duration) -> Result<(), Error> {
    let mut seen = cx.begin(&at.whole_leg(), Seen { peer: redact_url(target.url()), ..Seen::default() });
    let until = (Instant::now() + limit).min(cx.trace_deadline() - Duration::from_millis(30));
    let asked = match timeout_at(until, ask(cx, at, target, until)).await {
        Ok(asked) => asked?,
        Err(_) => Err("no answer in time".to_owned()),
    };
    let now = cx.vantage().now().duration_since(UNIX_EPOCH);
    seen.local_s = now.ok().and_then(|now| i64::try_from(now.as_secs()).ok()).unwrap_or_default();
    match asked {
        Ok(date) => {
            seen.ahead_s = date::parse(&date).map(|theirs| seen.local_s.saturating_sub(theirs));
            seen.error = seen.ahead_s.is_none().then(|| "its Date is none".to_owned());
            seen.date = Some(date);
        }
        Err(why) => seen.error = Some(why),
    }
    seen.finish();
    Ok(())
}

/// Its `Date`, or why there is none.
async fn ask(
    cx: &Context,
    at: &Subject,
    target: &Target,
    until: Instant,
) -> Result<Result<String, String>, Error> {
    if target.scheme() != Scheme::Http {
        return Ok(Err("only plain http is asked for the time: a wrong clock breaks https".to_owned()));
    }
    let target = match target.to_builder().method("HEAD") {
        Ok(builder) => builder.build(),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let addresses = match target.address() {
        Some(address) => vec![address],
        None => match cx.addresses_of(at, target.host()).await? {
            Ok(addresses) => addresses,
            Err(why) => return Ok(Err(why)),
        },
    };
    let mut why = "the name has no address".to_owned();
    for address in addresses.into_iter().take(MOST_ADDRESSES as usize) {
        let peer = PeerAddr((address, target.port()).into());
        let permit = cx.permit(ContactKind::Connection)?;
        let how = ConnectOptions::within(until.saturating_duration_since(Instant::now()) / 2);
        match cx.vantage().connect(permit, peer, how).await {
            Ok(connection) => return date_over(cx, &target, Dialled::plain(connection, peer), until).await,
            Err(failure) => why = failure.message,
        }
    }
    Ok(Err(why))
}

async fn date_over(
    cx: &Context,
    target: &Target,
    dialled: Dialled,
    until: Instant,
) -> Result<Result<String, String>, Error> {
    let request = request(target, cx, Form::Origin)?;
    let _permit = cx.permit(ContactKind::Request)?;
    let (tap, wire) = tapped(dialled, Protocol::Http11, false);
    let Ok(mut line) = open(tap, Protocol::Http11, LIMITS).await else {
        return Ok(Err("the connection broke".to_owned()));
    };
    let asked = Exchange { request: Asked::of(target), ..Exchange::default() };
    let mut flight = Flight::begin(cx, wire, until, LIMITS, asked, None);
    exchange(&mut line, request, &mut flight, LIMITS).await;
    let seen = flight.take();
    Ok(match seen.headers.get("date") {
        Some(date) => Ok(date.into_owned()),
        None => Err(seen.error.unwrap_or_else(|| "it sent no Date".to_owned())),
    })
}
