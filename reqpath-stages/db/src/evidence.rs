//! What a database said when asked whether it speaks TLS.

mod server_error;
mod ssl_request;

pub use self::server_error::ServerError;
pub use self::ssl_request::{Answer, SslRequest};
