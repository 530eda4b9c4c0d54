//! What several hops together tell: the timeouts along the road, and who behind it was slow or broken.
//!
//! A single leg shows how a request died there.
//! That an outer hop gave up before an inner one could answer, that retries multiply, that the application
//! itself answered 500, or that what it asks was slow: that shows only when hops are put side by side.
//!
//! - [`Timetable`] is a pure function over a path: how long each place waits, how long it can hold a request,
//!   what is left of the patience of the place before, where that order is inverted, and how often one
//!   request may be tried in all.
//! - [`Declarations`] is the stage `road`: it writes down what the path declares, so that findings about
//!   declared settings have an observation to cite. It contacts nobody.
//! - [`CAUSES`] are those whose last piece of evidence is another hop's.
//!
//! The stage stands first in a pipeline, for it has nothing to wait for; its causes stand last in the
//! catalogue, for they rest on what all the others saw. So it brings none, and they are given apart:
//!
//! ```
//! use reqpath_core::Pipeline;
//! use reqpath_road::{CAUSES, Declarations};
//!
//! let pipeline = Pipeline::builder().stage(Declarations::new()).causes(CAUSES.iter().copied()).build()?;
//! assert!(pipeline.catalogue().find("proxy.timeout_budget_inverted").is_some());
//! # Ok::<(), reqpath_core::CatalogueError>(())
//! ```
//!
//! What is absent from this crate: any look at the world. Whatever it says of hops it says of the path as it
//! was declared, and of what other stages saw.

pub mod causes;

mod evidence;
mod probe;
mod timetable;

pub use causes::CAUSES;
pub use evidence::{Declared, DeclaredHop};
pub use probe::Declarations;
pub use timetable::{Attempts, Holds, Inversion, Patience, Remaining, Row, Timetable};
