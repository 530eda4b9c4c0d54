//! The stages of reqpath behind one door, one feature a stage crate.
//!
//! [`Road`] puts them in the order in which a request meets them; [`Walk`] takes them along a path of many hops.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use reqpath_core::{Target, Trace};
//! use reqpath_stages::{Road, local::LocalVantage};
//!
//! let pipeline = Road::new().pipeline()?;
//! let target = Target::get("https://api.example/health")?;
//! let report = pipeline.trace(Trace::new(target, Arc::new(LocalVantage::new()))).await;
//! println!("{:?}", report.verdict);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "http")]
mod near;
#[cfg(feature = "http")]
mod walk;

#[cfg(feature = "client")]
pub use reqpath_client as client;
#[cfg(feature = "db")]
pub use reqpath_db as db;
#[cfg(feature = "dns")]
pub use reqpath_dns as dns;
#[cfg(feature = "http")]
pub use reqpath_http as http;
#[cfg(feature = "local")]
pub use reqpath_local as local;
#[cfg(feature = "path")]
pub use reqpath_path as path;
#[cfg(feature = "proxy")]
pub use reqpath_proxy as proxy;
#[cfg(feature = "road")]
pub use reqpath_road as road;
#[cfg(feature = "tcp")]
pub use reqpath_tcp as tcp;
#[cfg(feature = "tls")]
pub use reqpath_tls as tls;

#[cfg(feature = "http")]
pub use self::near::{Road, SetupError};
#[cfg(feature = "http")]
pub use self::walk::{Inner, Reads, Short, Walk, WalkError};

use reqpath_core::{Catalogue, CatalogueError, Cause};

/// Every cause of the stages that are switched on, in the order of the road.
pub fn causes() -> impl Iterator<Item = &'static Cause> {
    let crates: &[&[&'static Cause]] = &[
        #[cfg(feature = "client")]
        client::CAUSES,
        #[cfg(feature = "dns")]
        dns::CAUSES,
        #[cfg(feature = "tcp")]
        tcp::CAUSES,
        #[cfg(feature = "tls")]
        tls::CAUSES,
        #[cfg(feature = "http")]
        http::CAUSES,
        #[cfg(feature = "proxy")]
        proxy::CAUSES,
        #[cfg(feature = "db")]
        db::CAUSES,
        // What only several hops tell comes last: it rests on what all the others saw.
        #[cfg(feature = "road")]
        road::CAUSES,
    ];
    crates.iter().flat_map(|causes| causes.iter().copied()).collect::<Vec<_>>().into_iter()
}

/// The catalogue of the stages that are switched on.
///
/// # Errors
///
/// When two causes carry one code: a fault of this library, which its own tests exclude.
pub fn catalogue() -> Result<Catalogue, CatalogueError> {
    Catalogue::new(causes())
}
