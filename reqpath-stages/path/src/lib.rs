//! Path files: a request and the hops it is meant to take, written down.
//!
//! A [`PathFile`] is read from YAML. Unknown fields are refused with their line and what was perhaps meant,
//! secrets are named by reference and never stand in the file, and every mistake names its place.
//! What comes out are the types of reqpath-core, which code can build as well: nothing is only possible in YAML.
//!
//! ```
//! use reqpath_path::{Nothing, PathFile};
//!
//! let file = PathFile::parse("road.yaml", r"
//! request: {url: https://shop.example/cart, expect: {status: 2xx}}
//! hops:
//!   - {name: client, kind: client}
//!   - {name: edge, kind: nginx, timeouts: {connect: 5s, read: 60s}}
//!   - name: shop
//!     kind: pod
//!     addresses: [10.0.0.7:8080, 10.0.0.8:8080]
//!     sends: {host: shop.internal, uri: /v1/cart}
//! ", &Nothing)?;
//! assert_eq!(file.path.hops[2].addresses.len(), 2);
//! assert_eq!(file.request.unwrap().builder(None)?.build().url(), "https://shop.example/cart");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is absent: any contact. Reading the file and what it refers to is all that is done here.

mod build;
mod error;
mod file;
mod place;
mod reader;
mod references;
mod request;
mod schema;
mod tree;

pub use self::build::{Authorities, PathFile};
pub use self::error::PathFileError;
pub use self::place::Place;
pub use self::references::{Nothing, References, ThisProcess};
pub use self::request::{NoUrl, Request};
pub use self::schema::json_schema;
