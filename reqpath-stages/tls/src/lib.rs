//! The handshake on a leg: the chain as served, whatever the verdict.
//!
//! The [`Tls`] stage shakes hands as the client would: its trust, its versions, its protocols.
//! What the server shows is recorded *before* it is verified, so that there are facts about a
//! certificate exactly when they are needed: when it is refused.
//! After a failure further handshakes tell look-alikes apart: one that goes on whatever the
//! certificate, one without a server name, one with a name that the server is known to serve, and the beginning of
//! one that offers more than this client could speak.
//!
//! What is absent from this crate: causes that only an answer decides.
//! nginx completes a handshake without the client certificate it wants and says so in HTTP;
//! TLS 1.3 lets every server do nearly that, and [`record_late_alert`] keeps the alert for the
//! stage that meets it.
//!
//! ```
//! use reqpath_core::Pipeline;
//! use reqpath_tls::{Bundle, Tls, TlsOptions, Trust};
//!
//! # fn f(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let mut options = TlsOptions::default();
//! options.trust = Trust::Bundle(Bundle::from_pem("ca.pem", pem)?);
//! let pipeline = Pipeline::builder().stage(Tls::new(options)?).build()?;
//! # let _ = pipeline;
//! # Ok(())
//! # }
//! ```

mod causes;
mod command;
mod der;
mod error;
mod evidence;
mod options;
mod probe;
mod stage;

pub use self::causes::CAUSES;
pub use self::error::SetupError;
pub use self::evidence::{
    Alert, Certificate, CertificateRequest, Chain, Completion, Ended, Handshake, LateAlert, Moment, Offer,
    Purpose, Reason, Refusal, Spoken, Staple, StapleStatus, Tried, TrustUsed, Tunnelled, Verification,
    WiderOffer, record_spoken,
};
pub use self::options::{Bundle, Identity, TlsOptions, Trust, certificates_from_pem, revocation_lists};
pub use self::probe::record_late_alert;
pub use self::stage::Tls;
