use reqpath_core::{CatalogueError, HopId, TargetError, Unsound};

use crate::SetupError;

/// Why a path cannot be walked: the hop, what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// The path itself is at fault.
    #[error(transparent)]
    Unsound(#[from] Unsound),
    /// A hop is to be looked at from a place that nobody gave.
    #[error("hop `{hop}`: there is no vantage `{vantage}`{}", meant(.like.as_deref()))]
    NoSuchVantage {
        /// The hop.
        hop: HopId,
        /// The name it gives.
        vantage: String,
        /// The one that was perhaps meant.
        like: Option<String>,
    },
    /// Something is to be done at a place too far away for it.
    #[error("hop `{hop}`: `{vantage}` is far away, and {what} from here: name another vantage for that")]
    TooFar {
        /// The hop.
        hop: HopId,
        /// The place.
        vantage: String,
        /// What cannot be done there.
        what: &'static str,
    },
    /// What is sent to a hop cannot be requested.
    #[error("hop `{hop}`: what is sent to it cannot be requested")]
    Target {
        /// The hop.
        hop: HopId,
        /// What is wrong with it.
        source: TargetError,
    },
    /// The stages' options do not work.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Two causes with one code.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

fn meant(like: Option<&str>) -> String {
    like.map_or_else(
        || ": give one of this name, or take the name away".to_owned(),
        |like| format!(": did you mean `{like}`?"),
    )
}
