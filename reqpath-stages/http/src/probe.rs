//! Looking: sending the request, and what is asked beside it.

mod after;
mod ahead;
mod broken;
mod clock;
mod connect;
mod exchange;
mod flight;
mod frames;
mod heads;
mod http;
mod line;
mod progress;
mod redirect;
mod request;
mod reuse;
mod tunnel;
mod wire;

pub use self::clock::{Clock, ClockOptions};
pub use self::http::Http;
pub use self::tunnel::Tunnel;
