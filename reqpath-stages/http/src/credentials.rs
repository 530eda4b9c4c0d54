//! Credentials as a request carries them.

use reqpath_core::Scrubber;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of `Authorization` for user information as it stood in a URL.
pub(crate) fn basic(user: &str, password: &str) -> String {
    let mut plain = percent_decoded(user);
    plain.push(b':');
    plain.extend(percent_decoded(password));
    format!("Basic {}", base64(&plain))
}

/// Whether a header of this name is secret whatever it holds.
pub(crate) fn is_secret(name: &str) -> bool {
    // The scrubber is the one place that knows; a value that comes back unchanged is no secret.
    name.eq_ignore_ascii_case("cookie2") || Scrubber::default().header(name, "-") != "-"
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)));
        if let (b'%', (Some(high), Some(low))) = (byte, pair) {
            // Two hexadecimal digits make a byte.
            out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| chunk.get(i).copied().map_or(0, u32::from);
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (word >> (18 - 6 * place)) & 63;
                out.push(char::from(ALPHABET[index as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!((of(""), of("f"), of("fo")), (String::new(), "Zg==".into(), "Zm8=".into()));
        assert_eq!((of("foo"), of("foobar")), ("Zm9v".into(), "Zm9vYmFy".into()));
    }

    #[test]
    fn user_information_is_decoded_before_it_is_encoded() {
        assert_eq!(basic("Aladdin", "open%20sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(percent_decoded("100%"), b"100%");
        assert_eq!(percent_decoded("%zz%41"), b"%zzA");
    }

    #[test]
    fn secret_headers_are_known_by_name() {
        for name in ["Authorization", "Cookie", "X-Api-Key", "X-Vault-Token"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["Accept", "Location", "X-Request-Id", "Host"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
