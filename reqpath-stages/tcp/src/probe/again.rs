//! Another connection to the address that answered.

use std::time::Duration;

use async_trait::async_trait;
use reqpath_core::{Context, Dialled, Error, PeerAddr, Redial, Subject};
use tokio::time::Instant;

use crate::evidence::Purpose;

use super::dial::{Dial, Dialling};
use super::{in_time, narrowed};

/// Straight to the address, without a race.
#[derive(Debug)]
pub(super) struct Straight {
    pub(super) peer: PeerAddr,
    pub(super) timeout: Duration,
}

#[async_trait]
impl Redial for Straight {
    async fn redial(&self, at: &Subject, cx: &Context) -> Result<Option<Dialled>, Error> {
        let dial = Dial {
            cx: cx.clone(),
            at: narrowed(at, self.peer),
            peer: self.peer,
            until: Instant::now() + in_time(cx.connect_limit(self.timeout)),
            purpose: Purpose::Again,
            look: false,
            enough: None,
        };
        let Dialling { peer, record, connection } = dial.run().await?;
        record.finish(false);
        Ok(connection.map(|connection| Dialled::plain(connection, peer)))
    }
}
