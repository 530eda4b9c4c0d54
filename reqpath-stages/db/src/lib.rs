//! A database on a leg: whether it is reached, and whether it and its client agree on TLS.
//!
//! A database stands beside the road: an application asks it, and fails when it does.
//! [`Db`] follows the TCP stage on a leg to a hop of kind `db`. It asks a PostgreSQL whether it speaks TLS
//! (`SSLRequest`, 8 bytes), as libpq does by default, and [`Secure`] shakes hands where both want that.
//! No startup message is sent: nobody logs in, nothing is read, nothing is written.
//!
//! Of MySQL, MariaDB, Redis and others only the connection itself is looked at: to say anything to them, or to
//! leave in the middle of their greeting, counts as a failed login there.
//!
//! What is absent: users, sessions, locks and statements.
//!
//! ```
//! use reqpath_core::Pipeline;
//! use reqpath_db::{Db, DbOptions, Secure, SslMode};
//!
//! let mut options = DbOptions::default();
//! options.mode = SslMode::Require;
//! // After the stages that resolve and dial.
//! let pipeline = Pipeline::builder().stage(Db::new(&options)).stage(Secure::new(&options)?).build()?;
//! # let _ = pipeline;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod causes;
mod evidence;
mod options;
mod probe;

pub use self::causes::CAUSES;
pub use self::evidence::{Answer, ServerError, SslRequest};
pub use self::options::{DbOptions, Protocol, SslMode, SslModeError};
pub use self::probe::{Db, Secure};
