//! One ClientHello that offers far more than this client could speak, to see what the server would choose.
//!
//! A refusal does not say which set it is about; a choice does. No key is exchanged and no secret made:
//! what is read are the server's first words, which are in the clear.

use std::io;

use reqpath_core::Connection;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::shake::version;
use crate::evidence::{Alert, Certificate, Offer, WiderOffer};

/// Bytes read of the server's first words: a chain is at most some thousands.
const READ_LIMIT: usize = 64 * 1024;

/// The newest first, as clients prefer it.
const VERSIONS: &[u16] = &[0x0304, 0x0303, 0x0302, 0x0301];

/// What this client has comes first, so that a server without a preference chooses of that where it can.
#[rustfmt::skip]
const SUITES: &[u16] = &[
    // TLS 1.3, then ECDHE with AES-GCM and ChaCha20.
    0x1302, 0x1301, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8,
    // AES-CCM.
    0x1304, 0x1305, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af,
    // DHE with AES-GCM, ChaCha20, AES-CCM.
    0x009f, 0x009e, 0xccaa, 0xc09f, 0xc09e,
    // ECDHE and DHE with AES-CBC.
    0xc024, 0xc028, 0xc023, 0xc027, 0xc00a, 0xc014, 0xc009, 0xc013, 0x006b, 0x0067, 0x0039, 0x0033,
    // RSA for the exchange of keys.
    0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f,
    // Camellia and ARIA.
    0xc05d, 0xc061, 0xc05c, 0xc060, 0xc073, 0xc077, 0xc072, 0xc076,
    // 3DES and RC4.
    0xc008, 0xc012, 0x0016, 0x000a, 0xc011, 0x0005,
];

const GROUPS: &[u16] = &[
    // X25519, P-256, P-384; then P-521, X448, Brainpool, finite fields, hybrids.
    0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x001a, 0x001b, 0x001c, 0x001f, 0x0020, 0x0021, 0x0100, 0x0101,
    0x0102, 0x0103, 0x0104, 0x11ec, 0x11eb, 0x11ed,
];

const SCHEMES: &[u16] = &[
    // ECDSA and Ed25519, RSA-PSS and PKCS #1.
    0x0503, 0x0403, 0x0807, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401, //
    // P-521, Ed448, keys for RSASSA-PSS alone, Brainpool, SHA-1.
    0x0603, 0x0808, 0x0809, 0x080a, 0x080b, 0x081a, 0x081b, 0x081c, 0x0203, 0x0201,
];

/// Makes the offer over an open connection, and hears the answer.
pub(crate) async fn ask(
    mut connection: Box<dyn Connection>,
    sni: Option<&str>,
    alpn: &[Vec<u8>],
) -> WiderOffer {
    let mut record = WiderOffer { sni: sni.map(str::to_owned), offer: offer(), ..WiderOffer::default() };
    if let Err(error) = exchange(&mut connection, sni, alpn, &mut record).await {
        record.error = Some(error.to_string());
    }
    record
}

async fn exchange(
    connection: &mut Box<dyn Connection>,
    sni: Option<&str>,
    alpn: &[Vec<u8>],
    record: &mut WiderOffer,
) -> io::Result<()> {
    let mut random = [0; 64];
    let source = rustls::crypto::ring::default_provider().secure_random;
    source.fill(&mut random).map_err(|_| io::Error::other("no random bytes are to be had"))?;
    connection.write_all(&hello(&random, sni, alpn)).await?;
    connection.flush().await?;
    let mut heard = Vec::with_capacity(4096);
    while heard.len() < READ_LIMIT && !hear(&heard, record) {
        let mut piece = [0; 4096];
        match connection.read(&mut piece).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => heard.extend_from_slice(&piece[..length]),
        }
    }
    // A warning, close_notify: a polite end keeps it out of the server's error log.
    connection.write_all(&[21, 3, 3, 0, 2, 1, 0]).await?;
    connection.shutdown().await
}

fn offer() -> Offer {
    let names =
        |numbers: &[u16], name: fn(u16) -> String| numbers.iter().map(|number| name(*number)).collect();
    Offer {
        versions: names(VERSIONS, version_name),
        suites: names(SUITES, suite_name),
        groups: names(GROUPS, group_name),
        signature_schemes: names(SCHEMES, scheme_name),
        ..Offer::default()
    }
}

/// RFC 8446, 4.1.2, within one record.
fn hello(random: &[u8; 64], sni: Option<&str>, alpn: &[Vec<u8>]) -> Vec<u8> {
    let numbers = |list: &[u16]| list.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let mut extensions = Vec::new();
    let mut extend = |number: u16, content: &[u8]| {
        extensions.extend(number.to_be_bytes());
        extensions.extend(sized::<2>(content));
    };
    if let Some(name) = sni {
        extend(0, &sized::<2>(&[&[0], &*sized::<2>(name.as_bytes())].concat()));
    }
    extend(10, &sized::<2>(&numbers(GROUPS)));
    extend(11, &[1, 0]);
    extend(13, &sized::<2>(&numbers(SCHEMES)));
    if !alpn.is_empty() {
        let protocols: Vec<u8> = alpn.iter().flat_map(|protocol| sized::<1>(protocol)).collect();
        extend(16, &sized::<2>(&protocols));
    }
    extend(23, &[]);
    extend(43, &sized::<1>(&numbers(VERSIONS)));
    // No share of a key: the server names the group that it wants one of.
    extend(51, &sized::<2>(&[]));
    extend(0xff01, &[0]);

    let mut body = vec![3, 3];
    body.extend(&random[..32]);
    body.extend(sized::<1>(&random[32..]));
    body.extend(sized::<2>(&numbers(SUITES)));
    body.extend([1, 0]);
    body.extend(sized::<2>(&extensions));
    let message = [&[1], &*sized::<3>(&body)].concat();
    [&[22, 3, 1], &*sized::<2>(&message)].concat()
}

/// The content with its length before it, in so many bytes.
fn sized<const BYTES: usize>(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    [&length[length.len() - BYTES..], content].concat()
}

/// Notes what the server said so far. Says whether that is all there is to learn.
fn hear(heard: &[u8], record: &mut WiderOffer) -> bool {
    let mut records = Bytes(heard);
    let mut messages = Vec::new();
    while let Some((kind, content)) = records.record() {
        match kind {
            22 => messages.extend_from_slice(content),
            // A warning, which a server may send before it goes on; only a goodbye (0) ends it.
            21 if content.first() == Some(&1) && content.get(1) != Some(&0) => {}
            21 => {
                record.alert = content.get(1).map(|number| Alert::new(*number));
                return true;
            }
            // A change of ciphers: what follows, if anything, is encrypted.
            _ => break,
        }
    }
    let mut messages = Bytes(&messages);
    while let Some((kind, content)) = messages.message() {
        let told = match kind {
            2 => server_hello(content, record),
            11 => certificate(content, record),
            12 => key_exchange(content, record),
            _ => None,
        };
        // With TLS 1.3 all that follows is encrypted; before, the server ends by ServerHelloDone.
        if kind == 14 || told.is_none() || record.version.as_deref() == Some("TLSv1.3") {
            return true;
        }
    }
    false
}

fn server_hello(content: &[u8], record: &mut WiderOffer) -> Option<()> {
    let mut content = Bytes(content);
    let mut chosen = content.number()?;
    content.take(32)?;
    content.sized::<1>()?;
    record.suite = Some(suite_name(content.number()?));
    content.take(1)?;
    let mut extensions = Bytes(content.sized::<2>().unwrap_or_default());
    while let (Some(number), Some(extension)) = (extensions.number(), extensions.sized::<2>()) {
        match number {
            43 => chosen = Bytes(extension).number()?,
            51 => record.group = Bytes(extension).number().map(group_name),
            _ => {}
        }
    }
    record.version = Some(version_name(chosen));
    Some(())
}

/// As it is before TLS 1.3.
fn certificate(content: &[u8], record: &mut WiderOffer) -> Option<()> {
    let leaf = Bytes(Bytes(content).sized::<3>()?).sized::<3>()?;
    record.key = Some(Certificate::read(leaf).key).filter(|key| !key.is_empty());
    Some(())
}

/// RFC 8422, 5.4, and RFC 5246, 7.4.3.
fn key_exchange(content: &[u8], record: &mut WiderOffer) -> Option<()> {
    let mut content = Bytes(content);
    let suite = record.suite.as_deref()?;
    if suite.contains("_ECDHE_") {
        // A group that has a name.
        if content.take(1)? != [3] {
            return Some(());
        }
        record.group = Some(group_name(content.number()?));
        content.sized::<1>()?;
    } else if suite.contains("_DHE_") {
        for _ in 0..3 {
            content.sized::<2>()?;
        }
    } else {
        return Some(());
    }
    if record.version.as_deref() == Some("TLSv1.2") {
        record.signature_scheme = content.number().map(scheme_name);
    }
    Some(())
}

/// What is left to read; whatever is malformed reads as the end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
    }

    /// Content with its length before it.
    fn sized<const BYTES: usize>(&mut self) -> Option<&'a [u8]> {
        let length = self.take(BYTES)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        self.take(length)
    }

    fn record(&mut self) -> Option<(u8, &'a [u8])> {
        let head = self.take(3)?;
        Some((head[0], self.sized::<2>()?))
    }

    fn message(&mut self) -> Option<(u8, &'a [u8])> {
        let kind = self.take(1)?[0];
        Some((kind, self.sized::<3>()?))
    }
}

fn version_name(number: u16) -> String {
    match ProtocolVersion::from(number) {
        ProtocolVersion::TLSv1_1 => "TLSv1.1".to_owned(),
        ProtocolVersion::TLSv1_0 => "TLSv1.0".to_owned(),
        ProtocolVersion::SSLv3 => "SSLv3".to_owned(),
        other => version(other).into_owned(),
    }
}

fn suite_name(number: u16) -> String {
    named(CipherSuite::from(number).as_str(), number)
}

fn group_name(number: u16) -> String {
    named(NamedGroup::from(number).as_str(), number)
}

fn scheme_name(number: u16) -> String {
    let known = match number {
        0x0809 => Some("RSASSA_PSS_SHA256"),
        0x080a => Some("RSASSA_PSS_SHA384"),
        0x080b => Some("RSASSA_PSS_SHA512"),
        _ => SignatureScheme::from(number).as_str(),
    };
    named(known, number)
}

fn named(name: Option<&str>, number: u16) -> String {
    name.map_or_else(|| format!("0x{number:04x}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_client_has_is_offered_first() {
        let provider = rustls::crypto::ring::default_provider();
        let offer = offer();
        let suites: Vec<_> =
            provider.cipher_suites.iter().filter_map(|suite| suite.suite().as_str()).collect();
        assert_eq!(offer.suites[..suites.len()], suites);
        let groups: Vec<_> = provider.kx_groups.iter().filter_map(|group| group.name().as_str()).collect();
        assert_eq!(offer.groups[..groups.len()], groups);
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let schemes: Vec<_> = schemes.iter().filter_map(SignatureScheme::as_str).collect();
        assert_eq!(offer.signature_schemes[..schemes.len()], schemes);
        let unknown = |names: &[String]| {
            names.iter().filter(|name| name.starts_with("0x")).cloned().collect::<Vec<_>>()
        };
        assert_eq!(unknown(&offer.suites), Vec::<String>::new());
        assert_eq!(offer.versions, ["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0"]);
    }

    #[test]
    fn a_retry_request_tells_the_group_whatever_follows() {
        let mut body = vec![3, 3];
        body.extend([9; 32]);
        body.extend([0, 0x13, 0x02, 0]);
        // The version TLS 1.3, and the group P-521.
        body.extend(sized::<2>(&[0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 0x19]));
        let hello = [&[22, 3, 3], &*sized::<2>(&[&[2], &*sized::<3>(&body)].concat())].concat();
        for after in [&[][..], &[20, 3, 3, 0, 1, 1], &[23, 3, 3, 0, 9, 1], &[22, 3]] {
            let mut record = WiderOffer::default();
            assert!(hear(&[&*hello, after].concat(), &mut record));
            assert_eq!(record.chosen(), ["TLSv1.3", "TLS13_AES_256_GCM_SHA384", "secp521r1"]);
        }
        assert!(!hear(&hello[..20], &mut WiderOffer::default()));
    }

    #[test]
    fn a_warning_before_the_choice_is_no_refusal() {
        let mut body = vec![3, 3];
        body.extend([9; 32]);
        // TLS 1.2 with ECDHE-RSA-AES256-CBC-SHA.
        body.extend([0, 0xc0, 0x14, 0]);
        let hello = [&[22, 3, 3], &*sized::<2>(&[&[2], &*sized::<3>(&body)].concat())].concat();
        let heard = |before: &[u8]| {
            let mut record = WiderOffer::default();
            hear(&[before, &hello].concat(), &mut record);
            (record.alert.is_some(), record.chosen().is_empty())
        };
        assert_eq!(heard(&[21, 3, 3, 0, 2, 1, 112]), (false, false));
        // The twins: the same, meant to end it, and a goodbye.
        assert_eq!(heard(&[21, 3, 3, 0, 2, 2, 112]), (true, true));
        assert_eq!(heard(&[21, 3, 3, 0, 2, 1, 0]), (true, true));
    }

    #[test]
    fn a_server_reads_the_hello() {
        let bytes = hello(&[7; 64], Some("www.example.test"), &[b"h2".to_vec()]);
        let mut acceptor = rustls::server::Acceptor::default();
        acceptor.read_tls(&mut &*bytes).unwrap();
        let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().unwrap();
        let hello = accepted.client_hello();
        assert_eq!(hello.server_name(), Some("www.example.test"));
        assert_eq!(hello.cipher_suites().len(), SUITES.len());
        assert_eq!(hello.signature_schemes().len(), SCHEMES.len());
        assert_eq!(hello.named_groups().map(<[NamedGroup]>::len), Some(GROUPS.len()));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_words_are_survived(kind in 20_u8..24, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut record = WiderOffer::default();
            hear(&bytes, &mut record);
            hear(&[&[kind, 3, 3], &*sized::<2>(&bytes)].concat(), &mut record);
            for message in [2, 11, 12, 14] {
                let message = [&[message], &*sized::<3>(&bytes)].concat();
                hear(&[&[22, 3, 3], &*sized::<2>(&message)].concat(), &mut record);
            }
        }
    }
}
