//! The stage that asks a proxy for a tunnel.

use std::sync::Arc;

use async_trait::async_trait;
use reqpath_core::{
    Again, Cause, Contact, ContactKind, Context, Destination, Dialled, Error, Left, Path, Proxy, Redial,
    Scheme, Stage, Subject, Target,
};

use super::connect::connect;

const NAME: &str = "tunnel";
/// Further connections of one trial that may each need a tunnel: controls and reuse.
const MOST_AGAIN: u32 = 16;

/// Asks the proxy for a tunnel, where the request is for https and goes through one.
///
/// Takes [`Dialled`] and hands it on as it is spoken through the tunnel; wraps [`Again`] likewise.
#[derive(Debug, Default)]
pub struct Tunnel(());

impl Tunnel {
    /// The stage; there is nothing to choose.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

#[async_trait]
impl Stage for Tunnel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn causes(&self) -> &[&'static Cause] {
        // Those of this stage are in the catalogue of the crate, which the request's stage brings.
        &[]
    }

    fn plan(&self, _: &Subject, _: &Path, target: &Target) -> Vec<Contact> {
        if target.scheme() != Scheme::Https {
            return Vec::new();
        }
        let why = "CONNECT, for each connection that goes through a proxy";
        vec![Contact::new(
            ContactKind::Request,
            "a proxy, where the environment asks for one",
            1 + MOST_AGAIN,
            why,
        )]
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        if cx.target().scheme() != Scheme::Https {
            return Ok(Left::Alive);
        }
        let Some(proxy) = cx.see(at, |to: &Destination| to.proxy.clone()).flatten() else {
            return Ok(Left::Alive);
        };
        let missing = Error::NothingHandedOn { stage: NAME, what: "a connection" };
        let dialled = cx.take::<Dialled>(at).ok_or(missing)?;
        // On the heap of its own, so that the many requests without a proxy do not carry its room.
        let Some(through) = Box::pin(connect(at, cx, &proxy, dialled)).await? else { return Ok(Left::Dead) };
        cx.hand_on(at, through);
        if let Some(Again(beneath)) = cx.take(at) {
            cx.hand_on(at, Again(Arc::new(Through { beneath, proxy })));
        }
        Ok(Left::Alive)
    }
}

/// Another connection through a tunnel of its own.
#[derive(Debug)]
struct Through {
    beneath: Arc<dyn Redial>,
    proxy: Proxy,
}

#[async_trait]
impl Redial for Through {
    async fn redial(&self, at: &Subject, cx: &Context) -> Result<Option<Dialled>, Error> {
        match self.beneath.redial(at, cx).await? {
            Some(dialled) => connect(at, cx, &self.proxy, dialled).await,
            None => Ok(None),
        }
    }
}
