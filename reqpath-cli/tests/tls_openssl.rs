//! Keys, groups and chains that only `openssl` makes: its own server, and the built program.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, or says why it skips"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::{Run, trace};

const NAME: &str = "good.test";
const EC: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// A directory with an authority's certificate, and what it signs.
struct Room(tempfile::TempDir);

/// Where `openssl` is missing the test skips, unless it is to fail then.
fn room() -> Option<Room> {
    match Command::new("openssl").arg("version").output() {
        Ok(_) => {}
        Err(error) if std::env::var_os("REQPATH_REQUIRE_REAL").is_none_or(|value| value != "1") => {
            eprintln!("SKIPPED: openssl is missing: {error}");
            return None;
        }
        Err(error) => panic!("openssl is missing: {error}"),
    }
    let room = Room(tempfile::tempdir().unwrap());
    room.key("root", EC);
    room.openssl(&[
        "req", "-x509", "-key", "root.key", "-out", "root.pem", "-days", "30", "-subj", "/CN=Root",
    ]);
    Some(room)
}

impl Room {
    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(self.0.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, file: &str) -> String {
        self.0.path().join(file).display().to_string()
    }

    fn key(&self, file: &str, kind: &[&str]) {
        let out = format!("{file}.key");
        self.openssl(&[&["genpkey", "-out", &out], kind].concat());
    }

    /// A certificate for a new key of this kind, signed by another's, with these extensions.
    fn issue(&self, file: &str, by: &str, kind: &[&str], extensions: &str, more: &[&str]) {
        self.key(file, kind);
        let subject = format!("/CN={}", if extensions.contains("DNS:") { NAME } else { file });
        let [key, request, out, list] = ["key", "csr", "pem", "ext"].map(|end| format!("{file}.{end}"));
        self.openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", &request]);
        std::fs::write(self.0.path().join(&list), extensions).unwrap();
        let (issuer, issuer_key) = (format!("{by}.pem"), format!("{by}.key"));
        let mut arguments = vec!["x509", "-req", "-in", &request, "-CA", &issuer, "-CAkey", &issuer_key];
        arguments.extend(["-CAcreateserial", "-extfile", &list, "-out", &out, "-days", "20"]);
        arguments.extend(more);
        self.openssl(&arguments);
    }

    /// A certificate for our name by the root, for a key of this kind.
    fn leaf(&self, kind: &[&str]) {
        self.issue("leaf", "root", kind, "subjectAltName=DNS:good.test", &[]);
    }

    /// The revocation list of an authority, that names this certificate or none.
    fn list(&self, authority: &str, revoked: Option<&str>) -> String {
        let path = |file: &str| self.0.path().join(file);
        let settings = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=9";
        std::fs::write(path("ca.cnf"), settings).unwrap();
        std::fs::write(path("index"), "").unwrap();
        std::fs::write(path("number"), "01").unwrap();
        let [certificate, key] = ["pem", "key"].map(|end| format!("{authority}.{end}"));
        let ca = ["ca", "-config", "ca.cnf", "-cert", &certificate, "-keyfile", &key];
        let file = format!("{authority}.{}.crl", revoked.unwrap_or("none"));
        if let Some(revoked) = revoked {
            self.openssl(&[&ca[..], &["-revoke", &format!("{revoked}.pem")]].concat());
        }
        self.openssl(&[&ca[..], &["-gencrl", "-out", &file]].concat());
        self.path(&file)
    }

    /// `openssl s_server` with a certificate, what stands above it, and more flags.
    fn serve(&self, leaf: &str, above: &[&str], more: &[&str]) -> Server {
        let chain: String = above
            .iter()
            .map(|file| std::fs::read_to_string(self.0.path().join(format!("{file}.pem"))).unwrap())
            .collect();
        std::fs::write(self.0.path().join("above.pem"), chain).unwrap();
        let (certificate, key) = (format!("{leaf}.pem"), format!("{leaf}.key"));
        let mut arguments =
            vec!["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", &certificate, "-key", &key];
        if !above.is_empty() {
            arguments.extend(["-cert_chain", "above.pem"]);
        }
        arguments.extend(more);
        // It ends when our end of the pipe does, however the test ends.
        let script = r#"openssl "$@" </dev/null & server=$!; cat; kill $server"#;
        let mut child = Command::new("sh")
            .args(["-c", script, "sh"])
            .args(&arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok())
            .unwrap_or_else(|| panic!("{arguments:?} does not listen"));
        Server { child, port, authority: self.0.path().join("root.pem") }
    }
}

struct Server {
    child: Child,
    port: u16,
    authority: PathBuf,
}

impl Server {
    fn trace(&self, more: &[&str]) -> Run {
        let resolve = format!("{NAME}:{}:127.0.0.1", self.port);
        let mut arguments = vec!["--max-time", "8", "--resolve", &resolve];
        let authority = self.authority.display().to_string();
        if !more.contains(&"--cacert") {
            arguments.extend(["--cacert", &authority]);
        }
        arguments.extend(more);
        let url = format!("https://{NAME}:{}/", self.port);
        arguments.push(&url);
        trace(arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[track_caller]
fn assert_died(run: &Run, code: &str, says: &[&str]) {
    run.assert_died(code);
    let others: Vec<_> = run.found("fatal").into_iter().filter(|found| *found != code).collect();
    assert!(others.is_empty(), "also {others:?}\n{}", run.told());
    let summary = summary(run);
    for part in says {
        assert!(summary.contains(part), "`{part}` is not in: {summary}");
    }
}

fn summary(run: &Run) -> &str {
    run.report["verdict"]["cause"]["summary"].as_str().unwrap()
}

fn next(run: &Run) -> String {
    run.report["next"].to_string()
}

#[test]
fn a_version_that_is_not_in_common_is_said_to_be_one() {
    let Some(room) = room() else { return };
    room.leaf(EC);
    let old = room.serve("leaf", &[], &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    let run = old.trace(&[]);
    assert_died(&run, "tls.version_or_cipher_mismatch", &["alert 70", "it speaks TLSv1.1, and this client"]);
    assert!(next(&run).contains("-tls1_1"), "{}", next(&run));
    assert!(run.report["verdict"]["at"]["leg"].is_null(), "{}", run.told());
}

/// Alert 40 names no set: what the server chooses of a wider offer does.
#[test]
fn the_set_that_has_nothing_in_common_is_named() {
    let Some(room) = room() else { return };
    let p521 = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"][..];
    let brainpool = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"][..];
    let pss = &["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"][..];
    let rsa = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..];
    let by_its_key = "what is left is the signature scheme, and with it the kind of the server's key";
    for (key, flags, says) in [
        (EC, &["-groups", "P-521"][..], "this client does not have secp521r1"),
        (EC, &["-groups", "X448"], "this client does not have X448"),
        (EC, &["-groups", "P-521", "-tls1_2"], "this client does not have secp521r1"),
        (
            EC,
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
            "this client does not have TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        ),
        (
            rsa,
            &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
            "this client does not have TLS_RSA_WITH_AES_128_GCM_SHA256",
        ),
        (p521, &[], by_its_key),
        (&["-algorithm", "ED448"], &[], by_its_key),
        (pss, &[], by_its_key),
        (p521, &["-tls1_2"], "this client does not have EC P-521"),
        (pss, &["-tls1_2"], "this client does not have RSASSA_PSS_SHA"),
        (brainpool, &[], "this client does not have EC 1.3.36.3.3.2.8.1.1.7"),
    ] {
        room.leaf(key);
        let run = room.serve("leaf", &[], flags).trace(&[]);
        let code = "tls.version_or_cipher_mismatch";
        assert_died(&run, code, &["alert 40", "a wider offer it takes", says]);
        // The server is not accused of what this client lacks, nor of an old version.
        assert!(run.report["verdict"]["at"]["leg"].is_object(), "{}", run.told());
        assert!(!next(&run).contains("-tls1_1") && next(&run).contains("-brief"), "{}", next(&run));
    }
    // The same server with something in common.
    room.leaf(EC);
    room.serve("leaf", &[], &["-groups", "P-521:X25519"]).trace(&[]).assert_reached();
}

#[test]
fn a_server_that_takes_nothing_from_anybody_is_not_excused_by_our_offer() {
    let Some(room) = room() else { return };
    room.leaf(EC);
    // Its only scheme is none for its key.
    let server = room.serve("leaf", &[], &["-tls1_2", "-sigalgs", "RSA+SHA256"]);
    let run = server.trace(&[]);
    let says = "refuses a far wider offer as well, by alert 40";
    assert_died(&run, "tls.version_or_cipher_mismatch", &[says]);
    assert!(run.report["verdict"]["at"]["leg"].is_null(), "{}", run.told());
}

#[test]
fn keys_too_short_are_the_certificates_fault_and_pass_with_k() {
    let Some(room) = room() else { return };
    room.leaf(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    for version in ["-tls1_2", "-tls1_3"] {
        let server = room.serve("leaf", &[], &[version, "-cipher", "DEFAULT:@SECLEVEL=0"]);
        let run = server.trace(&[]);
        assert_died(&run, "tls.cert.invalid", &["has a key that is not accepted (RSA 1024)"]);
        assert_eq!(run.seen("tls.handshake")[0]["ended"], "refused");
        let run = server.trace(&["-k"]);
        run.assert_reached().assert_warned("tls.cert.invalid");
        let unproven = run.seen("tls.handshake")[0]["key_unproven"].as_str().unwrap();
        assert!(unproven.contains("1024 bits"), "{unproven}");
    }
    room.leaf(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let server = room.serve("leaf", &[], &[]);
    server.trace(&[]).assert_reached();
    let run = server.trace(&["-k"]);
    run.assert_reached().assert_not_blamed("tls.cert.invalid");
    assert!(run.seen("tls.handshake")[0].get("key_unproven").is_none());
}

#[test]
fn an_issuers_key_too_short_is_no_forgery() {
    let Some(room) = room() else { return };
    let authority = "basicConstraints=critical,CA:TRUE";
    room.issue("short", "root", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], authority, &[]);
    room.issue("leaf", "short", EC, "subjectAltName=DNS:good.test", &[]);
    let server = room.serve("leaf", &["short"], &["-cipher", "DEFAULT:@SECLEVEL=0"]);
    assert_died(&server.trace(&[]), "tls.cert.invalid", &["`short`, whose key is not accepted (RSA 1024)"]);
}

#[test]
fn a_signature_that_this_client_cannot_verify_may_be_a_good_one() {
    let Some(room) = room() else { return };
    let (authority, name) = ("basicConstraints=critical,CA:TRUE", "subjectAltName=DNS:good.test");
    let p521 = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"][..];
    room.issue("large", "root", p521, authority, &["-sha256"]);
    room.issue("leaf", "large", EC, name, &["-sha512"]);
    let run = room.serve("leaf", &["large"], &[]).trace(&[]);
    let says = "this client cannot verify, though others may (ecdsa-with-SHA512, by `large`)";
    assert_died(&run, "tls.cert.invalid", &[says]);
    let leaf = &run.seen("tls.handshake")[0]["chain"][0];
    assert!(leaf.get("not_signed_by").is_none(), "{leaf}");
    room.issue("middle", "root", EC, authority, &["-sha1"]);
    room.issue("leaf", "middle", EC, name, &["-sha256"]);
    let run = room.serve("leaf", &["middle"], &["-cipher", "DEFAULT:@SECLEVEL=0"]).trace(&[]);
    let says =
        "by way of `middle`, which is signed in a way that is not accepted (ecdsa-with-SHA1, by `Root`)";
    assert_died(&run, "tls.cert.invalid", &[says]);
}

#[test]
fn an_extension_that_nobody_knows_passes_with_k() {
    let Some(room) = room() else { return };
    let extensions = "subjectAltName=DNS:good.test\n1.2.3.4.5=critical,ASN1:NULL";
    room.issue("leaf", "root", EC, extensions, &[]);
    for version in ["-tls1_2", "-tls1_3"] {
        let server = room.serve("leaf", &[], &[version]);
        assert_died(&server.trace(&[]), "tls.cert.invalid", &["holds a critical extension"]);
        let run = server.trace(&["-k"]);
        run.assert_reached();
        // The key was proven, whatever else is in the certificate.
        assert!(run.seen("tls.handshake")[0].get("key_unproven").is_none());
    }
}

#[test]
fn issuers_that_may_not_issue_are_named() {
    let Some(room) = room() else { return };
    let authority = "basicConstraints=critical,CA:TRUE";
    let name = "subjectAltName=DNS:good.test";
    let constrained = format!("{authority}\nnameConstraints=critical,permitted;DNS:allowed.test");
    room.issue("narrow", "root", EC, &constrained, &[]);
    room.issue("leaf", "narrow", EC, name, &[]);
    let run = room.serve("leaf", &["narrow"], &[]).trace(&[]);
    assert_died(&run, "tls.cert.invalid", &["may not vouch for (name constraints)"]);
    assert!(next(&run).contains("print_certs"), "{}", next(&run));

    room.issue("last", "root", EC, &format!("{authority},pathlen:0"), &[]);
    room.issue("beyond", "last", EC, authority, &[]);
    room.issue("leaf", "beyond", EC, name, &[]);
    let run = room.serve("leaf", &["beyond", "last"], &[]).trace(&[]);
    assert_died(&run, "tls.cert.invalid", &["path length constraint): `beyond`, signed by `last`"]);

    room.issue("neighbour", "root", EC, "basicConstraints=CA:FALSE", &[]);
    room.issue("leaf", "neighbour", EC, name, &[]);
    let run = room.serve("leaf", &["neighbour"], &[]).trace(&[]);
    assert_died(&run, "tls.cert.invalid", &["by way of `neighbour`, which is no authority"]);

    // The same chain with an issuer that is one.
    room.issue("fine", "root", EC, authority, &[]);
    room.issue("leaf", "fine", EC, name, &[]);
    room.serve("leaf", &["fine"], &[]).trace(&[]).assert_reached();
}

#[test]
fn a_certificate_that_is_in_the_store_needs_no_issuer_there() {
    let Some(room) = room() else { return };
    room.issue("middle", "root", EC, "basicConstraints=critical,CA:TRUE", &[]);
    let own = room.path("leaf.pem");
    for (extensions, more, code) in [
        ("subjectAltName=DNS:good.test", &[][..], ""),
        ("subjectAltName=DNS:good.test\nbasicConstraints=CA:TRUE", &[], ""),
        ("subjectAltName=DNS:other.test", &[], "tls.cert.name_invalid"),
        (
            "subjectAltName=DNS:good.test\nbasicConstraints=CA:TRUE\nextendedKeyUsage=clientAuth",
            &[],
            "tls.cert.invalid",
        ),
        ("subjectAltName=DNS:good.test", &["-days", "-1"], "tls.cert.date_invalid"),
    ] {
        room.issue("leaf", "middle", EC, extensions, more);
        let server = room.serve("leaf", &[], &[]);
        let run = server.trace(&["--cacert", &own]);
        match code {
            "" => _ = run.assert_reached(),
            code => assert_died(&run, code, &[]),
        }
    }
    // What a list of the caller's names is revoked, in the store or not.
    room.issue("leaf", "middle", EC, "subjectAltName=DNS:good.test", &[]);
    let server = room.serve("leaf", &[], &[]);
    let (list, none) = (room.list("middle", Some("leaf")), room.list("middle", None));
    server.trace(&["--cacert", &own, "--crlfile", &none]).assert_reached();
    assert_died(&server.trace(&["--cacert", &own, "--crlfile", &list]), "tls.cert.revoked", &[]);
    // Another certificate of the same issuer is not this one.
    std::fs::copy(&own, room.path("store.pem")).unwrap();
    room.issue("leaf", "middle", EC, "subjectAltName=DNS:good.test", &[]);
    let server = room.serve("leaf", &[], &[]);
    assert_died(&server.trace(&["--cacert", &room.path("store.pem")]), "tls.cert.authority_invalid", &[]);
}

#[test]
fn whose_certificate_it_is_that_expired() {
    let Some(room) = room() else { return };
    let days = &["-days", "-1"][..];
    room.issue("leaf", "root", EC, "subjectAltName=DNS:other.test", days);
    let run = room.serve("leaf", &[], &[]).trace(&[]);
    run.assert_died("tls.cert.date_invalid");
    let said = summary(&run);
    assert!(
        said.starts_with("the certificate shown for `good.test`, which is for `other.test`, expired"),
        "{said}"
    );
    assert_eq!(run.report["verdict"]["also"], serde_json::json!(["tls.cert.name_invalid"]));
    room.issue("leaf", "root", EC, "subjectAltName=DNS:good.test", days);
    let run = room.serve("leaf", &[], &[]).trace(&[]);
    assert_died(&run, "tls.cert.date_invalid", &["the certificate for `good.test` expired"]);
}

#[test]
fn what_other_clients_take_is_said() {
    let Some(room) = room() else { return };
    let of = |extensions: &str, subject: &str| {
        room.key("leaf", EC);
        room.openssl(&["req", "-new", "-key", "leaf.key", "-subj", subject, "-out", "leaf.csr"]);
        std::fs::write(room.path("leaf.ext"), extensions).unwrap();
        let sign =
            ["x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial"];
        room.openssl(&[&sign[..], &["-extfile", "leaf.ext", "-out", "leaf.pem", "-days", "20"]].concat());
        let server = room.serve("leaf", &[], &[]);
        let url = format!("https://{NAME}:{}/", server.port);
        let resolve = format!("{NAME}:{}:127.0.0.1", server.port);
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "-o",
            "/dev/null",
            "--cacert",
            &room.path("root.pem"),
            "--resolve",
            &resolve,
            &url,
        ]);
        // Real curl decides what is true of it, where it is one on OpenSSL.
        let version = Command::new("curl").arg("--version").output();
        let on_openssl = version.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("OpenSSL"));
        let curl_takes_it = on_openssl.then(|| curl.status().unwrap().success());
        (server.trace(&[]), curl_takes_it)
    };
    for (extensions, subject, code, says) in [
        ("basicConstraints=CA:FALSE", "/CN=good.test", "tls.cert.name_invalid", "still take the common name"),
        ("basicConstraints=CA:FALSE", "/CN=*.test", "tls.cert.name_invalid", ""),
        ("basicConstraints=CA:FALSE", "/CN=other.test", "tls.cert.name_invalid", ""),
        ("subjectAltName=DNS:good.test.", "/CN=x", "tls.cert.name_invalid", "curl overlooks the final dot"),
        ("subjectAltName=DNS:other.test.", "/CN=good.test", "tls.cert.name_invalid", ""),
        (
            "subjectAltName=DNS:good.test\nbasicConstraints=CA:TRUE",
            "/CN=x",
            "tls.cert.invalid",
            "do not mind",
        ),
    ] {
        let (run, curl_takes_it) = of(extensions, subject);
        assert_died(&run, code, &[says]);
        assert_eq!(summary(&run).contains("curl"), !says.is_empty(), "{}", summary(&run));
        if let Some(taken) = curl_takes_it {
            assert_eq!(taken, !says.is_empty(), "curl and {extensions}, {subject}");
        }
    }
}
