//! A request that enters the road further in.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::far::Elsewhere;
use crate::{Endpoint, Far, HopId, Pipeline, Target, Vantage};

/// Requests that enter the road at a hop further in, from a vantage that can reach it.
///
/// Two entries that differ by one hop are a test of that hop. They are made at the same time as the
/// requests at the front, are announced like them, and are never counted as samples.
#[derive(Clone)]
pub struct Entry {
    pub(crate) from: HopId,
    pub(crate) to: HopId,
    pub(crate) target: Target,
    pub(crate) vantage: Arc<dyn Vantage>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) road: Option<Arc<Pipeline>>,
    pub(crate) until: Option<Cow<'static, str>>,
    pub(crate) samples: Option<u32>,
    pub(crate) far: Option<Arc<dyn Far>>,
}

impl Entry {
    /// Requests to the hop `to` as the hop `from` would send them, looked at from this vantage.
    #[must_use]
    pub fn new(
        from: impl Into<HopId>,
        to: impl Into<HopId>,
        target: Target,
        vantage: Arc<dyn Vantage>,
    ) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
            target,
            vantage,
            endpoint: None,
            road: None,
            until: None,
            samples: None,
            far: None,
        }
    }

    /// The same from a place too far away to look from here: each request is made and looked at there,
    /// with the settings of the program there.
    #[must_use]
    pub fn from_far(from: impl Into<HopId>, to: impl Into<HopId>, target: Target, far: Arc<dyn Far>) -> Self {
        let near = Arc::new(Elsewhere(far.name()));
        Self { far: Some(far), ..Self::new(from, to, target, near) }
    }

    /// Where the hop is dialled, whatever the URL says.
    #[must_use]
    pub fn at(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// The stages of this entry, where the hop before has other settings than the client: whom it
    /// trusts, for one. Their causes must be in the catalogue of the pipeline that traces.
    #[must_use]
    pub fn over(mut self, stages: Arc<Pipeline>) -> Self {
        self.road = Some(stages);
        self
    }

    /// Ends after this stage: what comes later is not known well enough to be compared.
    #[must_use]
    pub fn until(mut self, stage: impl Into<Cow<'static, str>>) -> Self {
        self.until = Some(stage.into());
        self
    }

    /// How many requests; as many as at the front unless said.
    #[must_use]
    pub fn samples(mut self, samples: u32) -> Self {
        self.samples = Some(samples.max(1));
        self
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("endpoint", &self.endpoint)
            .field("vantage", &self.vantage.name())
            .finish_non_exhaustive()
    }
}
