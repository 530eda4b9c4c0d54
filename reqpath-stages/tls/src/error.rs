use rustls_pki_types::pem;

/// Options that cannot be used: the caller's mistake, naming the file it is in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The text is not PEM.
    #[error("{file}: this is not PEM")]
    Pem {
        /// The file, as the caller named it.
        file: String,
        /// Where it goes wrong.
        source: pem::Error,
    },
    /// There is no certificate in it.
    #[error("{file}: holds no certificate (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate {
        /// The file, as the caller named it.
        file: String,
    },
    /// None of its certificates can be trusted.
    #[error("{file}: none of its {count} certificates can be read as an authority's")]
    NoAuthority {
        /// The file, as the caller named it.
        file: String,
        /// How many there are.
        count: usize,
    },
    /// There is no private key in it.
    #[error("{file}: holds no private key that is not encrypted (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey {
        /// The file, as the caller named it.
        file: String,
    },
    /// The private key is of a kind that cannot be used.
    #[error("{file}: its private key cannot be used")]
    Key {
        /// The file, as the caller named it.
        file: String,
        /// Why not.
        source: rustls::Error,
    },
    /// The private key belongs to another certificate.
    #[error("{key}: this is not the key of the certificate in {certificate}")]
    KeyMismatch {
        /// The file of the key, as the caller named it.
        key: String,
        /// The file of the certificate, as the caller named it.
        certificate: String,
    },
    /// There is no revocation list in it.
    #[error("{file}: holds no revocation list (`-----BEGIN X509 CRL-----`)")]
    NoRevocationList {
        /// The file, as the caller named it.
        file: String,
    },
    /// A revocation list cannot be read.
    #[error("a revocation list cannot be read")]
    RevocationList {
        /// Why not.
        source: rustls::server::VerifierBuilderError,
    },
    /// The name that the server is said to know is no name.
    #[error("`{name}` is not a server name")]
    KnownName {
        /// The name, as given.
        name: String,
    },
    /// The platform's trust store cannot be used.
    #[error("the platform's trust store cannot be used: {why}")]
    PlatformStore {
        /// Why not.
        why: String,
    },
    /// rustls refuses to be set up so.
    #[error("TLS cannot be set up")]
    Rustls {
        /// Why not.
        source: rustls::Error,
    },
}
