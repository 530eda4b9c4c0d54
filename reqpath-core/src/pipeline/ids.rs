//! The ids that requests of a trace carry.

/// 16 random bytes as hex: enough that no two traces meet.
pub(super) fn random_id() -> String {
    let mut text = [0; 32];
    hex(&mut text, &fastrand::u128(1..).to_be_bytes());
    ascii(&text)
}

/// A W3C trace context of our own, sampled.
pub(super) fn traceparent() -> String {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    hex(&mut text[3..35], &fastrand::u128(1..).to_be_bytes());
    hex(&mut text[36..52], &fastrand::u64(1..).to_be_bytes());
    ascii(&text)
}

fn hex(text: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = b"0123456789abcdef"[usize::from(nibble)];
        }
    }
}

fn ascii(text: &[u8]) -> String {
    // Digits and letters are always text.
    String::from_utf8(text.to_vec()).unwrap_or_default()
}
