//! A place too far away to look from here: a look runs whole there, and sends evidence back.

mod brought;
mod elsewhere;

use std::borrow::Cow;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Endpoint, Permit, Target, Unavailable};

pub(crate) use self::brought::Brought;
pub(crate) use self::elsewhere::Elsewhere;

/// A place too far away to look from here: another machine, a Pod.
///
/// Bytes that came from there would be timed here, with the way between in every figure.
/// So the look runs whole at the place, by a program that is there, and its report comes back.
/// Only evidence about the one request is taken from it, under this trace's own numbers; it is judged here,
/// with everything else.
#[async_trait]
pub trait Far: Debug + Send + Sync {
    /// Its name, as observations carry it.
    fn name(&self) -> Cow<'static, str>;

    /// Has one request made there, and gives the report on it, as JSON.
    ///
    /// Whoever implements it bounds what it reads.
    ///
    /// # Errors
    ///
    /// When the place cannot be asked, or cannot make such a request; nothing is then claimed of that leg.
    async fn trace_here(&self, permit: Permit, request: FarRequest<'_>) -> Result<Vec<u8>, Unavailable>;
}

/// One request to be made at a place far away.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FarRequest<'a> {
    /// What is asked for.
    pub target: &'a Target,
    /// Where it is dialled, whatever the URL says.
    pub endpoint: Option<&'a Endpoint>,
    /// The id it is to carry.
    pub request_id: &'a str,
    /// The stage after which it is to end, where it is not to go all the way.
    pub until: Option<&'a str>,
    /// The time it may take.
    pub time: Duration,
}

impl<'a> FarRequest<'a> {
    pub(crate) fn new(
        target: &'a Target,
        endpoint: Option<&'a Endpoint>,
        request_id: &'a str,
        until: Option<&'a str>,
        time: Duration,
    ) -> Self {
        Self { target, endpoint, request_id, until, time }
    }
}
