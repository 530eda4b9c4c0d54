//! Names other than the target's, looked up just as the target's is.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use reqpath_core::{Context, Error, HopId, NameLookup, Names, Subject};

use super::road;
use crate::DnsOptions;

/// How many other names one trial may ask for: what the plan announces.
pub(super) const MOST: usize = 4;

/// Looks names up through the nameservers that the caller chose.
#[derive(Debug)]
struct Given {
    options: Arc<DnsOptions>,
}

/// The way later stages look up other names, where the caller chose nameservers.
pub(super) fn names(options: &Arc<DnsOptions>) -> Names {
    Names(Arc::new(Given { options: Arc::clone(options) }))
}

#[async_trait]
impl NameLookup for Given {
    async fn addresses(&self, name: &str, cx: &Context) -> Result<Vec<IpAddr>, Error> {
        // Not about the leg: what is wrong with another's name must not be read as wrong with the target's.
        let at = Subject::Hop(HopId::new(name));
        Ok(road::given(&self.options, &at, cx, name).await?.addresses)
    }
}
