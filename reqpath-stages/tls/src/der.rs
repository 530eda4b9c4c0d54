//! Just enough DER to find the fields of a certificate without parsing all of it.

/// Tags of ASN.1, as DER writes them.
pub(crate) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    /// A context tag that holds other elements.
    pub(crate) const fn context(number: u8) -> u8 {
        0xa0 | number
    }
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
}

/// Reads elements one after another; whatever is malformed reads as the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn next(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        // Tags of more than one byte stand in no certificate.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.is_empty() || bytes.len() > 4 {
                return None;
            }
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some(Element { tag, content, whole })
    }

    /// The next element, if it has this tag; otherwise nothing is read.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.next().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// What is inside the next element, if it has this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.expect(tag).map(|element| Self(element.content))
    }
}

/// The fields of a certificate that decide dates, links and keys, as they stand in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    /// What is signed, with its header.
    pub(crate) signed: &'a [u8],
    pub(crate) signature_algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
    pub(crate) serial: &'a [u8],
    pub(crate) issuer: &'a [u8],
    /// Seconds since 1970.
    pub(crate) not_before: Option<i64>,
    /// Seconds since 1970.
    pub(crate) not_after: Option<i64>,
    pub(crate) subject: &'a [u8],
    pub(crate) key_algorithm: &'a [u8],
    pub(crate) key: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(certificate: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(certificate).enter(tag::SEQUENCE)?;
        let signed = outer.expect(tag::SEQUENCE)?;
        let signature_algorithm = outer.expect(tag::SEQUENCE)?.content;
        let signature = bits(outer.expect(tag::BIT_STRING)?.content)?;

        let mut inner = Reader::new(signed.content);
        // The version stands only in certificates of version 2 and 3.
        let _ = inner.expect(tag::context(0));
        let serial = inner.expect(tag::INTEGER)?.content;
        inner.expect(tag::SEQUENCE)?;
        let issuer = inner.expect(tag::SEQUENCE)?.content;
        let mut validity = inner.enter(tag::SEQUENCE)?;
        let not_before = validity.next().and_then(seconds);
        let not_after = validity.next().and_then(seconds);
        let subject = inner.expect(tag::SEQUENCE)?.content;
        let mut key_info = inner.enter(tag::SEQUENCE)?;
        let key_algorithm = key_info.expect(tag::SEQUENCE)?.content;
        let key = bits(key_info.expect(tag::BIT_STRING)?.content)?;
        Some(Self {
            signed: signed.whole,
            signature_algorithm,
            signature,
            serial,
            issuer,
            not_before,
            not_after,
            subject,
            key_algorithm,
            key,
        })
    }

    /// The length of its key, where that is one of RSA.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        let algorithm = Reader::new(self.key_algorithm).expect(tag::OBJECT_IDENTIFIER)?;
        if algorithm.content != RSA_ENCRYPTION {
            return None;
        }
        let modulus = Reader::new(self.key).enter(tag::SEQUENCE)?.expect(tag::INTEGER)?.content;
        let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        let (first, rest) = modulus[zeros..].split_first()?;
        Some(rest.len() * 8 + 8 - first.leading_zeros() as usize)
    }
}

/// 1.2.840.113549.1.1.1, RFC 8017, appendix C.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The bytes of a bit string that fills its last byte.
fn bits(content: &[u8]) -> Option<&[u8]> {
    match content.split_first()? {
        (0, bytes) => Some(bytes),
        _ => None,
    }
}

/// Seconds since 1970 of a `UTCTime` or `GeneralizedTime`, as RFC 5280 restricts them.
pub(crate) fn seconds(time: Element<'_>) -> Option<i64> {
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i64, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })
    };
    let (year, rest) = match time.tag {
        tag::UTC_TIME => {
            let (digits, rest) = time.content.split_at_checked(2)?;
            let year = number(digits)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        tag::GENERALIZED_TIME => {
            let (digits, rest) = time.content.split_at_checked(4)?;
            (number(digits)?, rest)
        }
        _ => return None,
    };
    let rest: &[u8; 11] = rest.try_into().ok()?;
    let [month, day, hour, minute, second] =
        [0, 2, 4, 6, 8].map(|place| number(&rest[place..place + 2]).unwrap_or(-1));
    let sound = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second)
        && rest[10] == b'Z';
    sound.then(|| days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1 January 1970 to a date of the Gregorian calendar, for years from 0 on.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century = year.div_euclid(400);
    let year_of_century = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    century * 146_097 + year_of_century * 365 + year_of_century / 4 - year_of_century / 100 + day_of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tag: u8, text: &str) -> Option<i64> {
        seconds(Element { tag, content: text.as_bytes(), whole: &[] })
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        assert_eq!(time(tag::UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(time(tag::UTC_TIME, "260818120000Z"), Some(1_787_054_400));
        assert_eq!(time(tag::GENERALIZED_TIME, "20260818120000Z"), Some(1_787_054_400));
        assert_eq!(time(tag::GENERALIZED_TIME, "20000229235959Z"), Some(951_868_799));
        assert_eq!(time(tag::GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        assert_eq!(time(tag::UTC_TIME, "261318120000Z"), None);
        assert_eq!(time(tag::UTC_TIME, "2608181200Z"), None);
        assert_eq!(time(tag::UTC_TIME, "26081812000\u{1b}Z"), None);
    }

    #[test]
    fn lengths_beyond_the_end_read_as_the_end() {
        for bytes in
            [&[0x30][..], &[0x30, 0x05, 1], &[0x30, 0x80], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x1f, 1, 1]]
        {
            assert!(Reader::new(bytes).next().is_none());
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Fields::of(&bytes);
        }
    }
}
