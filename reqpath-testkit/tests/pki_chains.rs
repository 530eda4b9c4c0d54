//! Certificates held to what rustls and openssl say of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed expectation in a test is the message, and a skip says why"
)]

use std::io::Cursor;
use std::process::Command;
use std::sync::Arc;

use reqpath_testkit::pki::{Authority, Leaf, PkiError};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection,
};

/// Shakes hands in memory; the first error of either side, the client's first.
fn handshake(client: ClientConfig, server: ServerConfig, name: &str) -> Result<(), Error> {
    let mut client = ClientConnection::new(Arc::new(client), name.to_owned().try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut failure = None;
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = Cursor::new(wire);
        while let Ok(1..) = server.read_tls(&mut wire) {
            if let Err(error) = server.process_new_packets() {
                failure = failure.or(Some(error));
            }
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = Cursor::new(wire);
        while let Ok(1..) = client.read_tls(&mut wire) {
            client.process_new_packets()?;
        }
    }
    failure.map_or(Ok(()), Err)
}

fn visit(trusted: &Authority, leaf: &Leaf, name: &str) -> Result<(), Error> {
    handshake(trusted.client_config().unwrap(), leaf.server_config().unwrap(), name)
}

fn refused(outcome: Result<(), Error>) -> CertificateError {
    match outcome {
        Err(Error::InvalidCertificate(error)) => error,
        other => panic!("expected a refused certificate, got {other:?}"),
    }
}

#[test]
fn good_chains_are_good() {
    let root = Authority::new().unwrap();
    visit(&root, &root.leaf("a.test").issue().unwrap(), "a.test").unwrap();
    let deep = root.intermediate("R1").issue().unwrap().intermediate("R2").issue().unwrap();
    let leaf = deep.leaf("a.test").also_for("127.0.0.1").with_root().issue().unwrap();
    assert_eq!(leaf.chain_der().len(), 4);
    assert_eq!(leaf.chain_pem().matches("BEGIN CERTIFICATE").count(), 4);
    visit(&root, &leaf, "a.test").unwrap();
    visit(&root, &leaf, "127.0.0.1").unwrap();
    assert_eq!(deep.root().certificate_pem(), root.certificate_pem());
}

#[test]
fn dates_and_names_are_bad_as_asked() {
    let root = Authority::new().unwrap();
    let of = |leaf: Leaf| refused(visit(&root, &leaf, "a.test"));
    assert!(matches!(
        of(root.leaf("a.test").expired(3).issue().unwrap()),
        CertificateError::ExpiredContext { .. }
    ));
    assert!(matches!(
        of(root.leaf("a.test").expired(0).issue().unwrap()),
        CertificateError::ExpiredContext { .. }
    ));
    assert!(matches!(
        of(root.leaf("a.test").not_yet_valid(2).issue().unwrap()),
        CertificateError::NotValidYetContext { .. }
    ));
    assert!(matches!(
        of(root.leaf("b.test").issue().unwrap()),
        CertificateError::NotValidForNameContext { .. }
    ));
    assert!(matches!(
        of(root.leaf("a.test").common_name_only().issue().unwrap()),
        CertificateError::NotValidForNameContext { .. }
    ));
    visit(&root, &root.leaf("a.test").valid_for(1).issue().unwrap(), "a.test").unwrap();
}

#[test]
fn chains_are_bad_as_asked() {
    let root = Authority::new().unwrap();
    let middle = root.intermediate("R1").issue().unwrap();
    let alone = middle.leaf("a.test").without_intermediates().issue().unwrap();
    assert_eq!(alone.chain_der().len(), 1);
    assert_eq!(refused(visit(&root, &alone, "a.test")), CertificateError::UnknownIssuer);

    let expired = root.intermediate("R0").expired(1).issue().unwrap();
    let outcome = refused(visit(&root, &expired.leaf("a.test").issue().unwrap(), "a.test"));
    assert!(matches!(outcome, CertificateError::ExpiredContext { .. }), "{outcome:?}");
    let early = root.intermediate("R2").not_yet_valid(1).issue().unwrap();
    let outcome = refused(visit(&root, &early.leaf("a.test").issue().unwrap(), "a.test"));
    assert!(matches!(outcome, CertificateError::NotValidYetContext { .. }), "{outcome:?}");

    let own = root.leaf("a.test").self_signed().issue().unwrap();
    assert_eq!(refused(visit(&root, &own, "a.test")), CertificateError::UnknownIssuer);
    let other = Authority::named("somebody else").unwrap();
    assert_eq!(
        refused(visit(&root, &other.leaf("a.test").issue().unwrap(), "a.test")),
        CertificateError::UnknownIssuer
    );
    let impostor = root.impostor().unwrap();
    assert_eq!(
        refused(visit(&root, &impostor.leaf("a.test").issue().unwrap(), "a.test")),
        CertificateError::BadSignature
    );
}

#[test]
fn revocation_is_seen_by_those_who_look() {
    let root = Authority::new().unwrap();
    let (good, bad) = (root.leaf("a.test").issue().unwrap(), root.leaf("a.test").issue().unwrap());
    root.revoke(&bad);
    let list = root.crl().unwrap();
    assert!(list.pem().starts_with("-----BEGIN X509 CRL-----"));
    let strict = || root.client_config_with_crls(&[root.crl().unwrap()]).unwrap();
    handshake(strict(), good.server_config().unwrap(), "a.test").unwrap();
    assert_eq!(
        refused(handshake(strict(), bad.server_config().unwrap(), "a.test")),
        CertificateError::Revoked
    );
    visit(&root, &bad, "a.test").unwrap();
}

#[test]
fn clients_need_a_certificate_of_the_right_authority() {
    let root = Authority::new().unwrap();
    let server = || root.leaf("a.test").issue().unwrap().server_config_requiring(&root).unwrap();
    let robot = root.client("robot").issue().unwrap();
    handshake(root.client_config_as(&robot).unwrap(), server(), "a.test").unwrap();
    let absent = handshake(root.client_config().unwrap(), server(), "a.test");
    assert!(matches!(absent, Err(Error::AlertReceived(AlertDescription::CertificateRequired))), "{absent:?}");
    let stranger = Authority::named("stranger").unwrap().client("robot").issue().unwrap();
    let unknown = handshake(root.client_config_as(&stranger).unwrap(), server(), "a.test");
    assert!(matches!(unknown, Err(Error::AlertReceived(AlertDescription::UnknownCA))), "{unknown:?}");
    let expired = root.client("robot").expired(1).issue().unwrap();
    let late = handshake(root.client_config_as(&expired).unwrap(), server(), "a.test");
    assert!(matches!(late, Err(Error::AlertReceived(AlertDescription::CertificateExpired))), "{late:?}");
}

#[test]
fn chains_can_be_enormous() {
    let root = Authority::new().unwrap();
    let of = |bytes| root.leaf("a.test").chain_of_at_least(bytes).issue().unwrap();
    let length = |leaf: &Leaf| leaf.chain_der().iter().map(|one| one.len()).sum::<usize>();
    let (big, enormous) = (of(30_000), of(70_000));
    assert!((30_000..60_000).contains(&length(&big)) && length(&enormous) >= 70_000);
    assert_eq!(big.chain_pem().matches("BEGIN CERTIFICATE").count(), big.chain_der().len());
    visit(&root, &big, "a.test").unwrap();
    let outcome = visit(&root, &enormous, "a.test");
    assert!(
        matches!(outcome, Err(Error::InvalidMessage(_))),
        "rustls reads no message above 64 KiB: {outcome:?}"
    );
}

#[test]
fn unwritable_names_are_refused() {
    assert!(matches!(Authority::new().unwrap().leaf("bücher.test").issue(), Err(PkiError::Name { .. })));
}

#[test]
fn keys_stay_out_of_debug_output() {
    let root = Authority::new().unwrap();
    let leaf = root.leaf("a.test").issue().unwrap();
    let secret = leaf.key_pem().lines().nth(1).unwrap();
    assert!(!format!("{root:?} {leaf:?}").contains(secret));
    assert!(format!("{leaf:?}").contains("a.test"));
}

#[test]
fn openssl_agrees() {
    let Ok(found) = Command::new("openssl").arg("version").output() else {
        assert!(std::env::var_os("REQPATH_REQUIRE_REAL").is_none(), "openssl is required and not installed");
        eprintln!("skipped: openssl is not installed");
        return;
    };
    assert!(found.status.success());
    let directory = tempfile::tempdir().unwrap();
    let root = Authority::new().unwrap();
    let middle = root.intermediate("R1").issuer_url("http://ca.test/root.der").issue().unwrap();
    let root_file = directory.path().join("root.pem");
    std::fs::write(&root_file, root.certificate_pem()).unwrap();
    let verify = |leaf: &Leaf, more: &[&str]| {
        let files = leaf.write_pem(directory.path()).unwrap();
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-CAfile"])
            .arg(&root_file)
            .args(more)
            .arg("-untrusted")
            .args([&files.chain, &files.chain])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let good = middle
        .leaf("a.test")
        .issuer_url("http://ca.test/r1.der")
        .crl_url("http://ca.test/r1.crl")
        .issue()
        .unwrap();
    let said = verify(&good, &[]);
    assert!(said.contains(": OK"), "{said}");
    let said = verify(&middle.leaf("a.test").expired(3).issue().unwrap(), &[]);
    assert!(said.contains("certificate has expired"), "{said}");
    let said = verify(&root.leaf("a.test").self_signed().issue().unwrap(), &[]);
    assert!(said.contains("self-signed certificate") || said.contains("self signed certificate"), "{said}");

    root.revoke(&good);
    let revoked = root.leaf("a.test").issue().unwrap();
    root.revoke(&revoked);
    let list = directory.path().join("list.pem");
    std::fs::write(&list, root.crl().unwrap().pem()).unwrap();
    let said = verify(&revoked, &["-crl_check", "-CRLfile", list.to_str().unwrap()]);
    assert!(said.contains("certificate revoked"), "{said}");

    let files = good.write_pem(directory.path()).unwrap();
    let text =
        Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&files.chain).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("CA Issuers - URI:http://ca.test/r1.der"), "{text}");
    assert!(text.contains("URI:http://ca.test/r1.crl") && text.contains("CA:FALSE"), "{text}");
    let check =
        Command::new("openssl").args(["pkey", "-check", "-noout", "-in"]).arg(&files.key).output().unwrap();
    assert!(check.status.success());
}
