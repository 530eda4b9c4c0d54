//! What can go wrong while making certificates.

use std::path::PathBuf;

/// A certificate, a revocation list or a configuration could not be made.
///
/// ```
/// use reqpath_testkit::pki::{Authority, PkiError};
///
/// let wrong = Authority::new()?.leaf("caf\u{e9}.test").issue();
/// assert!(matches!(wrong, Err(PkiError::Name { name, .. }) if name == "caf\u{e9}.test"));
/// # Ok::<(), PkiError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The name asked for cannot stand in a certificate.
    #[error("`{name}` cannot stand in a certificate")]
    Name {
        /// The name as given.
        name: String,
        /// What the encoder said.
        source: rcgen::Error,
    },
    /// A key could not be made or a certificate not signed.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// rustls refuses to serve or trust what was made.
    #[error("rustls does not take this certificate")]
    Config(#[from] rustls::Error),
    /// The revocation lists or roots do not make a verifier.
    #[error("no verifier can be made of these certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// A PEM file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
