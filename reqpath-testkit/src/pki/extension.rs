//! Certificate extensions that the encoder below does not know.

use rcgen::CustomExtension;

const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
/// DER of id-ad-caIssuers, 1.3.6.1.5.5.7.48.2 (RFC 5280, 4.2.2.1).
const CA_ISSUERS_DER: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
/// The arc for examples in documents (RFC 7229 test certificate policies), under which nobody assigns meaning.
const PADDING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 13, 99];

/// Where the issuer's certificate can be fetched.
pub(super) fn ca_issuers(url: &str) -> CustomExtension {
    let location = der(0x86, url.as_bytes());
    let description = der(0x30, &[CA_ISSUERS_DER, &location].concat());
    CustomExtension::from_oid_content(AUTHORITY_INFO_ACCESS, der(0x30, &description))
}

/// Bytes that mean nothing and that every verifier may skip, as the extension is not critical.
pub(super) fn padding(bytes: usize) -> CustomExtension {
    CustomExtension::from_oid_content(PADDING, der(0x04, &vec![0x5a; bytes]))
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let skip = bytes.iter().take_while(|b| **b == 0).count();
        let significant = bytes.get(skip..).unwrap_or_default();
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::der;

    #[test]
    fn lengths_are_short_or_long_form() {
        assert_eq!(der(0x04, &[1, 2]), [0x04, 2, 1, 2]);
        assert_eq!(der(0x04, &[0; 0x80])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(der(0x04, &[0; 0x1234])[..4], [0x04, 0x82, 0x12, 0x34]);
    }
}
