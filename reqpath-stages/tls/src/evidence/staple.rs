use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::der::{Element, Fields, Reader, seconds, tag};

/// A stapled OCSP response: what the issuer said of the leaf, as the server passed it on.
///
/// Its signature is not verified: it can warn, and proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Staple {
    /// Its length in bytes.
    pub length: usize,
    /// What it says of the leaf.
    pub status: StapleStatus,
    /// When the leaf was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Moment>,
    /// When this was known to be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub this_update: Option<Moment>,
    /// When a newer answer is to be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_update: Option<Moment>,
}

/// What an OCSP response says of a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StapleStatus {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked,
    /// The responder does not know the certificate.
    Unknown,
    /// The responder gave an error instead of an answer.
    Error,
    /// It is about another certificate.
    AnotherCertificate,
    /// It cannot be read.
    #[default]
    #[serde(other)]
    Unreadable,
}

impl Staple {
    /// Reads a response (RFC 6960, 4.2.1) for this leaf.
    pub(crate) fn read(response: &[u8], leaf: &[u8]) -> Self {
        let staple = Self { length: response.len(), ..Self::default() };
        staple.filled(response, leaf).unwrap_or(staple)
    }

    fn filled(&self, response: &[u8], leaf: &[u8]) -> Option<Self> {
        let serial = Fields::of(leaf)?.serial;
        let mut outer = Reader::new(response).enter(tag::SEQUENCE)?;
        if outer.expect(tag::ENUMERATED)?.content != [0] {
            return Some(Self { status: StapleStatus::Error, ..self.clone() });
        }
        let mut bytes = outer.enter(tag::context(0))?.enter(tag::SEQUENCE)?;
        bytes.next()?;
        let basic = bytes.expect(tag::OCTET_STRING)?.content;
        let mut data = Reader::new(basic).enter(tag::SEQUENCE)?.enter(tag::SEQUENCE)?;
        // Version, responder and time of production come before the answers.
        let answers = std::iter::from_fn(|| data.next()).find(|element| element.tag == tag::SEQUENCE)?;
        let mut answers = Reader::new(answers.content);
        while let Some(answer) = answers.expect(tag::SEQUENCE) {
            let mut answer = Reader::new(answer.content);
            let about = answer.expect(tag::SEQUENCE)?.content;
            if last_of(about)?.content == serial {
                return self.answered(answer);
            }
        }
        Some(Self { status: StapleStatus::AnotherCertificate, ..self.clone() })
    }

    fn answered(&self, mut answer: Reader<'_>) -> Option<Self> {
        let status = answer.next()?;
        let mut staple = self.clone();
        // Choices: good [0] and unknown [2] are empty, revoked [1] holds the moment.
        staple.status = match status.tag & 0x1f {
            0 => StapleStatus::Good,
            1 => StapleStatus::Revoked,
            _ => StapleStatus::Unknown,
        };
        let moment = |element: Option<Element<'_>>| element.and_then(seconds).and_then(Moment::from_seconds);
        if staple.status == StapleStatus::Revoked {
            staple.revoked_at = moment(Reader::new(status.content).next());
        }
        staple.this_update = moment(answer.next());
        staple.next_update = moment(answer.enter(tag::context(0)).and_then(|mut inner| inner.next()));
        Some(staple)
    }
}

fn last_of(sequence: &[u8]) -> Option<Element<'_>> {
    let mut reader = Reader::new(sequence);
    std::iter::from_fn(move || reader.next()).last()
}

#[cfg(test)]
mod tests {
    use reqpath_testkit::pki::Authority;

    use super::*;

    fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut out = vec![tag];
        match u8::try_from(content.len()) {
            Ok(length @ ..0x80) => out.push(length),
            Ok(length) => out.extend([0x81, length]),
            Err(_) => out.extend([0x82, (content.len() >> 8) as u8, content.len() as u8]),
        }
        out.extend(content);
        out
    }

    /// A response with one answer, unsigned.
    fn response(serial: &[u8], status: &[u8]) -> Vec<u8> {
        let time = wrap(tag::GENERALIZED_TIME, &[b"20261120000000Z"]);
        let id = wrap(
            tag::SEQUENCE,
            &[
                &wrap(tag::SEQUENCE, &[]),
                &wrap(tag::OCTET_STRING, &[b"name"]),
                &wrap(tag::OCTET_STRING, &[b"key"]),
                &wrap(tag::INTEGER, &[serial]),
            ],
        );
        let answer = wrap(tag::SEQUENCE, &[&id, status, &time]);
        let data = wrap(
            tag::SEQUENCE,
            &[
                &wrap(tag::context(2), &[&wrap(tag::OCTET_STRING, &[b"by"])]),
                &time,
                &wrap(tag::SEQUENCE, &[&answer]),
            ],
        );
        let basic = wrap(tag::SEQUENCE, &[&data]);
        let bytes = wrap(tag::SEQUENCE, &[&[0x06, 1, 1], &wrap(tag::OCTET_STRING, &[&basic])]);
        wrap(tag::SEQUENCE, &[&[tag::ENUMERATED, 1, 0], &wrap(tag::context(0), &[&bytes])])
    }

    #[test]
    fn the_status_of_the_leaf_is_read() {
        let leaf = Authority::new().unwrap().leaf("www.example.test").issue().unwrap();
        let der = leaf.certificate_der();
        let serial = Fields::of(der).unwrap().serial;
        let good = Staple::read(&response(serial, &[0x80, 0]), der);
        assert_eq!(good.status, StapleStatus::Good);
        assert_eq!(good.this_update.unwrap().to_string(), "2026-11-20T00:00:00Z");
        let revoked = wrap(tag::context(1), &[&wrap(tag::GENERALIZED_TIME, &[b"20261119000000Z"])]);
        let revoked = Staple::read(&response(serial, &revoked), der);
        assert_eq!(revoked.status, StapleStatus::Revoked);
        assert_eq!(revoked.revoked_at.unwrap().to_string(), "2026-11-19T00:00:00Z");
        let other = Staple::read(&response(&[0x7f, 0x7f, 0x7f], &[0x80, 0]), der);
        assert_eq!(other.status, StapleStatus::AnotherCertificate);
        assert_eq!(Staple::read(b"junk", der).status, StapleStatus::Unreadable);
        assert_eq!(Staple::read(&[0x30, 3, tag::ENUMERATED, 1, 6], der).status, StapleStatus::Error);
    }
}
