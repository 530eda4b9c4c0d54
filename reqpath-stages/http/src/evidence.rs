//! What was seen, as it is stored.

mod asked;
mod clock;
mod exchange;
mod headers;
mod passage;
mod redirect;
mod reuse;
mod secrets;
mod tunnel;

pub use self::asked::Asked;
pub use self::clock::Clock;
pub use self::exchange::{Body, Closed, Coding, End, Exchange, LimitOf, Met, Protocol};
pub(crate) use self::headers::FEW;
pub use self::headers::{Headers, MOST_HEADERS, MOST_VALUE};
pub use self::passage::{Gave, Passage, Try};
pub use self::redirect::Redirect;
pub use self::reuse::{Reuse, ReuseOutcome};
pub(crate) use self::secrets::scrubber;
pub use self::tunnel::TunnelAnswer;
