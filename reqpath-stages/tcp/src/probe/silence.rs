//! The control on which nothing is said.

use std::io;
use std::time::Duration;

use reqpath_core::{Connection, Context, Error, PeerAddr, Subject};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use crate::evidence::{Closing, Purpose, Silence};

use super::dial::{Dial, Dialling};
use super::{in_time, narrowed};

/// How long a silent connection is watched, unless there is a reason for another time.
pub const SILENCE: Duration = Duration::from_secs(1);

/// A peer that talks without being asked is not listened to for longer than this, in bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// Opens a second connection to a peer and says nothing on it, to see whether it dies as the first did.
///
/// Made after a connection was [broken](crate::Broken) before any answer.
/// A peer that ends silent connections as well dislikes the connection; one that leaves them open
/// dislikes what was said.
/// The plan of this stage announces two such connections a trial.
///
/// # Errors
///
/// The probe's own trouble: a spent budget.
pub async fn silence(cx: &Context, at: &Subject, peer: PeerAddr, limit: Duration) -> Result<(), Error> {
    let at = narrowed(at, peer);
    let until = Instant::now() + in_time(cx.limit(limit));
    let dial = Dial {
        cx: cx.clone(),
        at: at.clone(),
        peer,
        until,
        purpose: Purpose::Silence,
        look: false,
        enough: None,
    };
    let Dialling { record, connection, .. } = dial.run().await?;
    record.finish(false);
    // An attempt that failed is evidence by itself.
    let Some(mut connection) = connection else { return Ok(()) };
    let began = Instant::now();
    let mut seen = cx.begin(&at, Silence::default());
    let left = until.saturating_duration_since(began);
    let heard = timeout(left, listen(&mut *connection, &mut seen.bytes_received)).await;
    seen.after_us = began.elapsed().into();
    seen.closed = heard.unwrap_or_default();
    seen.finish();
    Ok(())
}

/// Reads until the peer ends the connection.
async fn listen(connection: &mut dyn Connection, received: &mut u64) -> Closing {
    let mut buffer = [0; 4096];
    while *received < MOST_BYTES {
        match connection.read(&mut buffer).await {
            Ok(0) => return Closing::Fin,
            Ok(read) => *received += read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Closing::Reset,
        }
    }
    Closing::None
}
