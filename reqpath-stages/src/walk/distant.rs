//! Places too far away to look from here.

use std::sync::Arc;

use reqpath_core::{Far, Scheme};

use super::Walk;
use super::plan::{Inner, Verifies};

/// A place too far away to look from here, in both ways a hop there may speak to what is behind it.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "local"), allow(dead_code, reason = "without commands there is no such place"))]
pub(super) struct Distant {
    /// Looks at certificates, and believes whom the system there believes.
    pub(super) verifying: Arc<dyn Far>,
    /// Minds no certificate.
    pub(super) trusting: Arc<dyn Far>,
}

impl Distant {
    #[cfg(feature = "local")]
    pub(super) fn of(place: crate::local::FarCommand) -> Self {
        // As proxies speak to what is behind them.
        let place = place.argument("--http1.1");
        let trusting = place.clone().argument("--insecure");
        Self { verifying: Arc::new(place), trusting: Arc::new(trusting) }
    }
}

impl Walk {
    /// The far place of this name.
    pub(super) fn distant(&self, name: &str) -> Option<&Distant> {
        self.distant.iter().find(|place| place.verifying.name() == name)
    }

    /// Who makes this entry's requests far away, where they are not made from here.
    pub(super) fn far_of(&self, inner: &Inner) -> Option<Arc<dyn Far>> {
        let place = self.distant(inner.vantage.as_deref()?)?;
        let nobody = inner.manners.verifies == Verifies::Nobody;
        Some(Arc::clone(if nobody { &place.trusting } else { &place.verifying }))
    }

    /// Whether an entry needs what the program far away has not: the client's own settings, its certificate,
    /// or authorities that are not the system's.
    pub(super) fn lacks_settings(&self, inner: &Inner) -> bool {
        let distant = inner.vantage.as_deref().is_some_and(|name| self.distant(name).is_some());
        let own = match &inner.manners.verifies {
            Verifies::AsFront => true,
            Verifies::Nobody => false,
            Verifies::For(hop) => self.trust.iter().any(|(of, _)| of == hop),
        };
        let identity = inner.manners.identity && self.road.tls.identity.is_some();
        distant && inner.target.scheme() == Scheme::Https && (own || identity)
    }
}
