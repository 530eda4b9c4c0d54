use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqpath_core::{escape, escape_bytes};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use serde::{Deserialize, Serialize};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::moment::Moment;
use crate::der::Fields;

/// Characters kept of a distinguished name or a URL that a peer sent.
const TEXT_LIMIT: usize = 256;
/// Names kept of one certificate; the largest in honest use have a few hundred.
const NAMES_LIMIT: usize = 100;
/// URLs kept of one certificate.
const URLS_LIMIT: usize = 4;

/// The lengths of RSA keys by which the library verifies; it rounds up to whole bytes.
pub(crate) const RSA_BITS: std::ops::RangeInclusive<usize> = 2041..=8192;

/// What one certificate of the served chain says, as read from the peer's Certificate message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Certificate {
    /// Whom it is for: `CN=www.example`.
    pub subject: String,
    /// Who says so.
    pub issuer: String,
    /// The names it is good for: DNS names, and addresses in text; other kinds with their kind before them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// How many names it has, where that is more than are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names_total: Option<usize>,
    /// The first moment it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Moment>,
    /// The last moment it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Moment>,
    /// The serial number in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub serial: String,
    /// The kind of key: `EC P-256`, `RSA 2048`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// How its issuer signed it: `ecdsa-with-SHA256`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub signature_algorithm: String,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// Whether subject and issuer are the same and its own key signed it.
    pub self_signed: bool,
    /// The place in the served chain, from 0, of the certificate whose key signed this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<usize>,
    /// The place of a certificate with the issuer's name whose key did *not* sign this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_signed_by: Option<usize>,
    /// Where the issuer's certificate can be fetched (AIA caIssuers).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuer_urls: Vec<String>,
    /// SHA-256 of the whole certificate, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Its length in bytes.
    pub length: usize,
    /// Why nothing more is known of it, where it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Certificate {
    /// Reads one certificate of a chain.
    pub(crate) fn read(der: &[u8]) -> Self {
        let mut certificate = Self { sha256: sha256(der), length: der.len(), ..Self::default() };
        if let Some(fields) = Fields::of(der) {
            certificate.not_before = fields.not_before.and_then(Moment::from_seconds);
            certificate.not_after = fields.not_after.and_then(Moment::from_seconds);
            certificate.serial = hex(fields.serial.get(..fields.serial.len().min(32)).unwrap_or_default());
        }
        match X509Certificate::from_der(der) {
            Ok((_, parsed)) => certificate.fill(&parsed),
            Err(error) => certificate.problem = Some(escape(&error.to_string(), TEXT_LIMIT)),
        }
        certificate
    }

    fn fill(&mut self, parsed: &X509Certificate<'_>) {
        self.subject = escape(&parsed.subject().to_string(), TEXT_LIMIT);
        self.issuer = escape(&parsed.issuer().to_string(), TEXT_LIMIT);
        self.is_authority = parsed.is_ca();
        self.key = key(parsed);
        let algorithm = &parsed.signature_algorithm.algorithm;
        self.signature_algorithm = match oid2sn(algorithm, oid_registry()) {
            Ok(name) => name.to_owned(),
            Err(_) if algorithm.to_id_string() == "1.2.840.10045.4.1" => "ecdsa-with-SHA1".to_owned(),
            Err(_) => escape(&algorithm.to_string(), 64),
        };
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => {
                    let kept = names.general_names.iter().take(NAMES_LIMIT).map(name);
                    self.names.extend(kept);
                    if names.general_names.len() > NAMES_LIMIT {
                        self.names_total = Some(names.general_names.len());
                    }
                }
                ParsedExtension::AuthorityInfoAccess(access) => {
                    let urls = access.iter().filter_map(|one| match one.access_location {
                        GeneralName::URI(url) if one.access_method.to_id_string() == CA_ISSUERS => Some(url),
                        _ => None,
                    });
                    self.issuer_urls.extend(urls.take(URLS_LIMIT).map(|url| escape(url, TEXT_LIMIT)));
                }
                _ => {}
            }
        }
    }

    /// Whether it is past its last day at this moment.
    #[must_use]
    pub fn is_expired(&self, at: Moment) -> bool {
        self.not_after.is_some_and(|not_after| at > not_after)
    }

    /// Whether its first day is still to come at this moment.
    #[must_use]
    pub fn is_not_yet_valid(&self, at: Moment) -> bool {
        self.not_before.is_some_and(|not_before| at < not_before)
    }

    /// The common name, or the whole subject where there is none.
    #[must_use]
    pub fn short_name(&self) -> &str {
        common_name(&self.subject)
    }

    /// The length of its key, where that is one of RSA.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<usize> {
        self.key.strip_prefix("RSA ")?.parse().ok()
    }

    /// The issuer's common name, or its whole name where there is none.
    #[must_use]
    pub fn short_issuer(&self) -> &str {
        common_name(&self.issuer)
    }
}

/// id-ad-caIssuers, RFC 5280, 4.2.2.1.
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// Reads a chain as served, with the links between its certificates.
pub(crate) fn read_chain(
    chain: &[CertificateDer<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
) -> Vec<Certificate> {
    let fields: Vec<Option<Fields<'_>>> = chain.iter().map(|der| Fields::of(der)).collect();
    chain
        .iter()
        .enumerate()
        .map(|(place, der)| {
            let mut certificate = Certificate::read(der);
            if let Some(own) = &fields[place] {
                certificate.self_signed = own.subject == own.issuer && signed_by(own, own, algorithms);
                let named =
                    fields.iter().enumerate().filter_map(|(other, issuer)| Some((other, issuer.as_ref()?)));
                for (other, issuer) in
                    named.filter(|(other, issuer)| *other != place && issuer.subject == own.issuer)
                {
                    if signed_by(own, issuer, algorithms) {
                        certificate.signed_by = Some(other);
                        break;
                    }
                    // By some keys nothing can be verified, neither for nor against them.
                    if fitting(own, issuer, algorithms).next().is_some() {
                        certificate.not_signed_by.get_or_insert(other);
                    }
                }
            }
            certificate
        })
        .collect()
}

/// Whether the issuer's key made this certificate's signature.
pub(crate) fn signed_by(
    certificate: &Fields<'_>,
    issuer: &Fields<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    fitting(certificate, issuer, algorithms).any(|algorithm| {
        algorithm.verify_signature(issuer.key, certificate.signed, certificate.signature).is_ok()
    })
}

/// The algorithms that can tell whether an issuer's key signed a certificate.
fn fitting<'a>(
    certificate: &'a Fields<'_>,
    issuer: &'a Fields<'_>,
    algorithms: &'a WebPkiSupportedAlgorithms,
) -> impl Iterator<Item = &'a dyn SignatureVerificationAlgorithm> {
    let of_a_length = issuer.rsa_bits().is_none_or(|bits| RSA_BITS.contains(&bits));
    algorithms.all.iter().copied().filter(move |algorithm| {
        of_a_length
            && *algorithm.signature_alg_id() == *certificate.signature_algorithm
            && *algorithm.public_key_alg_id() == *issuer.key_algorithm
    })
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .map(|suite| suite.common.hash_provider);
    hash.map(|hash| hex(hash.hash(bytes).as_ref())).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => escape(name, TEXT_LIMIT),
        GeneralName::IPAddress(bytes) => {
            let address = match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
                16 => <[u8; 16]>::try_from(*bytes).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
                _ => None,
            };
            address
                .map_or_else(|| format!("address:{}", escape_bytes(bytes, 64)), |address| address.to_string())
        }
        GeneralName::RFC822Name(mail) => format!("mail:{}", escape(mail, TEXT_LIMIT)),
        GeneralName::URI(url) => format!("uri:{}", escape(url, TEXT_LIMIT)),
        GeneralName::DirectoryName(name) => format!("name:{}", escape(&name.to_string(), TEXT_LIMIT)),
        GeneralName::Invalid(_, bytes) => format!("invalid:{}", escape_bytes(bytes, TEXT_LIMIT)),
        _ => "other".to_owned(),
    }
}

fn key(parsed: &X509Certificate<'_>) -> String {
    let info = parsed.public_key();
    let curve =
        || info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    match info.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => match info.parsed() {
            Ok(key) => format!("RSA {}", key.key_size()),
            Err(_) => "RSA".to_owned(),
        },
        "1.2.840.10045.2.1" => match curve().as_deref() {
            Some("1.2.840.10045.3.1.7") => "EC P-256".to_owned(),
            Some("1.3.132.0.34") => "EC P-384".to_owned(),
            Some("1.3.132.0.35") => "EC P-521".to_owned(),
            Some(other) => format!("EC {}", escape(other, 64)),
            None => "EC".to_owned(),
        },
        "1.2.840.113549.1.1.10" => "RSASSA-PSS".to_owned(),
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        other => escape(other, 64),
    }
}

/// The common name within a distinguished name in text.
fn common_name(name: &str) -> &str {
    let Some((_, rest)) = name.split_once("CN=") else { return name };
    let end = rest.find(", ").unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use reqpath_testkit::pki::Authority;
    use rustls::crypto::ring::default_provider;

    use super::*;

    fn read(chain: &[CertificateDer<'_>]) -> Vec<Certificate> {
        read_chain(chain, &default_provider().signature_verification_algorithms)
    }

    #[test]
    fn a_chain_is_read_with_its_links() {
        let root = Authority::named("Root").unwrap();
        let middle = root.intermediate("Middle").issue().unwrap();
        let leaf = middle.leaf("www.example.test").also_for("192.0.2.7").issuer_url("http://a.test/m.der");
        let chain = read(leaf.with_root().issue().unwrap().chain_der());
        assert_eq!(chain[0].subject, "CN=www.example.test");
        assert_eq!(chain[0].short_issuer(), "Middle");
        assert_eq!(chain[0].names, ["www.example.test", "192.0.2.7"]);
        assert_eq!(chain[0].issuer_urls, ["http://a.test/m.der"]);
        assert_eq!((chain[0].signed_by, chain[1].signed_by), (Some(1), Some(2)));
        assert_eq!(chain.iter().map(|one| one.self_signed).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(chain.iter().map(|one| one.is_authority).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!((&*chain[0].key, &*chain[0].signature_algorithm), ("EC P-256", "ecdsa-with-SHA256"));
        assert_eq!(chain[0].sha256.len(), 64);
        assert!(chain[0].not_before < chain[0].not_after);
    }

    #[test]
    fn an_impostor_has_the_name_and_not_the_key() {
        let root = Authority::named("Root").unwrap();
        let forged = root.impostor().unwrap().leaf("www.example.test").issue().unwrap();
        let chain = read(&[forged.certificate_der().clone(), root.certificate_der().clone()]);
        assert_eq!((chain[0].signed_by, chain[0].not_signed_by), (None, Some(1)));
    }

    #[test]
    fn names_that_would_drive_a_terminal_are_escaped() {
        let root = Authority::new().unwrap();
        let name = format!("\u{1b}]0;owned\u{7}{}", "x".repeat(2000));
        let leaf = root.leaf(&name).common_name_only().issue().unwrap();
        let chain = read(leaf.chain_der());
        assert!(chain[0].subject.chars().all(|c| !c.is_control()), "{}", chain[0].subject);
        assert!(chain[0].subject.chars().count() < 300);
    }

    #[test]
    fn whatever_is_broken_says_so_and_keeps_its_fingerprint() {
        let chain = read(&[CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])]);
        assert!(chain[0].problem.is_some());
        assert_eq!(chain[0].sha256.len(), 64);
    }

    proptest::proptest! {
        #[test]
        fn a_certificate_with_any_bytes_changed_is_survived(places in proptest::collection::vec((0_usize..600, 0_u8..), 1..8)) {
            static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
            let der = DER.get_or_init(|| {
                let leaf = Authority::new().unwrap().leaf("www.example.test").issuer_url("http://a.test/").issue().unwrap();
                leaf.certificate_der().to_vec()
            });
            let mut der = der.clone();
            for (place, byte) in places {
                let length = der.len();
                der[place % length] = byte;
            }
            let _ = read(&[CertificateDer::from(der)]);
        }
    }
}
