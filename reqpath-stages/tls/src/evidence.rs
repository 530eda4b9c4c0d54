//! What was seen of a handshake.

mod alert;
mod certificate;
mod chain;
mod completion;
mod handshake;
mod moment;
mod request;
mod spoken;
mod staple;
mod tunnelled;
mod verification;
mod wider;

pub use self::alert::{Alert, LateAlert};
pub use self::certificate::Certificate;
pub use self::chain::Chain;
pub use self::completion::{Completion, Tried};
pub use self::handshake::{Ended, Handshake, Offer, Purpose, TrustUsed};
pub use self::moment::Moment;
pub use self::request::CertificateRequest;
pub use self::spoken::{Spoken, record_spoken};
pub use self::staple::{Staple, StapleStatus};
pub use self::tunnelled::Tunnelled;
pub use self::verification::{Reason, Refusal, Verification};
pub use self::wider::WiderOffer;

pub(crate) use self::certificate::{RSA_BITS, sha256};
pub(crate) use self::moment::span;
pub(crate) use self::verification::words;
