//! The stage that sends the request and reads the answer.

use async_trait::async_trait;
use reqpath_core::{
    Again, Cause, Contact, ContactKind, Context, Destination, Dialled, Error, Left, Path, Proxy, Role,
    Scheme, Stage, Subject, Target,
};

use super::exchange::{Limits, exchange, form, open, tapped, version};
use super::flight::{self, Flight};
use super::request::request;
use super::reuse::{First, Looks};
use super::{after, redirect};
use crate::HttpOptions;
use crate::evidence::{Asked, End, Exchange};

/// Of how many samples some have their connection used again, where samples are compared.
const USED_AGAIN: u32 = 48;
/// Which of them, by the bits: about half, and of each dozen as many as it takes to tell.
/// With servers that take turns by twos, threes or fours, fresh requests and further ones meet all of them.
const DRAWN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Sends the request over the connection handed on, and reads the answer to its end.
///
/// Takes [`Dialled`]; looks at [`Destination`] and [`Again`].
/// A complete answer leaves the request alive, whatever its status: what it means is for the judge.
#[derive(Debug)]
pub struct Http {
    options: HttpOptions,
}

impl Http {
    /// A stage that asks like this.
    #[must_use]
    pub fn new(options: HttpOptions) -> Self {
        Self { options }
    }

    /// Looks beside the road, once the first answer is whole.
    fn reuse(&self, looks: &Looks, again: Option<Again>) {
        let Some(again) = again else { return };
        for idle in &self.options.idle {
            looks.cx.aside(looks.clone().after_idle(again.clone(), *idle));
        }
    }
}

#[async_trait]
impl Stage for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn causes(&self) -> &[&'static Cause] {
        crate::CAUSES
    }

    fn plan(&self, _: &Subject, _: &Path, target: &Target) -> Vec<Contact> {
        let server = "the server";
        let mut plan = vec![Contact::new(ContactKind::Request, server, 1, "the request itself")];
        if !self.options.side_looks || !target.is_safe() {
            return plan;
        }
        if self.options.reuse {
            plan.push(Contact::new(ContactKind::Request, server, 1, "once more on the same connection"));
        }
        let idle = u32::try_from(self.options.idle.len()).unwrap_or(u32::MAX);
        if idle > 0 {
            plan.push(Contact::new(ContactKind::Connection, server, idle, "one for each idle time"));
            let requests = idle.saturating_mul(2);
            plan.push(Contact::new(
                ContactKind::Request,
                server,
                requests,
                "before and after each idle time",
            ));
        }
        plan
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let missing = Error::NothingHandedOn { stage: "http", what: "a connection" };
        let dialled = cx.take::<Dialled>(at).ok_or(missing)?;
        let (target, proxy) = asked(at, cx);
        let limits = Limits::of(&self.options);
        let spoken = version(self.options.version, &dialled, proxy.is_some());
        let mut request = request(&target, cx, form(spoken, proxy.is_some()))?;
        cx.attribute("http_version", || spoken.to_string());
        let _permit = cx.permit(ContactKind::Request)?;
        let (peer, secured) = (dialled.peer, dialled.secured);
        let asked = Exchange {
            request: Asked::of(&target),
            entered_at: cx.endpoint().map(ToString::to_string),
            spoken,
            secured,
            proxy: proxy.map(|proxy| proxy.url),
            ..Exchange::default()
        };
        let looks = self.options.side_looks;
        let (tap, wire) = tapped(dialled, spoken, looks);
        // Declared before the line, so that the connection is gone when the flight ends.
        let mut flight =
            Flight::begin(cx, wire.clone(), cx.deadline(), limits, asked, Some(at.at_address(peer)));
        if looks {
            flight.listen(&mut request);
        }
        let mut line = match open(tap, spoken, limits).await {
            Ok(line) => Some(line),
            Err(broken) => {
                flight.broken(broken);
                None
            }
        };
        if let Some(line) = &mut line {
            exchange(line, request, &mut flight, limits).await;
        }
        let seen = flight.exchange();
        if !seen.answered() {
            after::broken(at, cx, peer, seen, wire.take_failure().as_ref(), looks);
            return Ok(Left::Dead);
        }
        // Where samples are compared, fresh connections are compared with used ones as well.
        let compares = compares_reuse(at, cx) && flight::is_good(seen, &target);
        if looks && (cx.is_first() || compares) && target.is_safe() && seen.proxy.is_none() {
            let looks = Looks::new(cx, at, peer, &self.options, compares);
            if let (true, Some(line)) = (self.options.reuse, line) {
                let first = First::of(seen);
                cx.aside(looks.clone().at_once(line, wire, spoken, first));
            }
            self.reuse(&looks, cx.peek::<Again>(at));
        }
        match (seen.status, flight.location()) {
            (Some(status), Some(location)) if seen.end == Some(End::Complete) => {
                Ok(redirect::met(at, cx, &target, status, location))
            }
            _ => Ok(Left::Alive),
        }
    }
}

/// Whether this sample is one of those whose connection is used again for comparison.
///
/// Not every one is, and in no regular order: behind a balancer that takes its servers in turn, fresh requests
/// would otherwise all meet one of two, and used connections the other.
fn compares_reuse(at: &Subject, cx: &Context) -> bool {
    let drawn = |sample: u32| sample < USED_AGAIN && DRAWN >> sample & 1 == 1;
    cx.compares() && cx.role() == Role::Fresh && at.sample().is_some_and(drawn)
}

/// The request as it is sent, and the proxy it is sent to in the clear.
fn asked(at: &Subject, cx: &Context) -> (Target, Option<Proxy>) {
    let target = cx.target();
    let proxy = match target.scheme() {
        // Through a tunnel the proxy sees nothing of it.
        Scheme::Http => cx.see(at, |to: &Destination| to.proxy.clone()).flatten(),
        _ => None,
    };
    let authorization = proxy.as_ref().and_then(|proxy| proxy.authorization.as_deref());
    // As a header of the request it is kept secret like the caller's own.
    let with = authorization.and_then(|value| target.to_builder().header("Proxy-Authorization", value).ok());
    (with.map_or_else(|| target.clone(), reqpath_core::TargetBuilder::build), proxy)
}
