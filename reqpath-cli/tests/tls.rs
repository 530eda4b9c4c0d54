//! Certificates, good and bad, served by real nginx and traced by the built program.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, or says why it skips"
)]

mod common;
mod tls_front;

use common::Run;
use reqpath_testkit::pki::{Authority, Leaf, LeafBuilder};
use reqpath_testkit::real::{Flavour, Nginx, require};
use tls_front::{Front, Plan};

/// Runs a test on every nginx there is.
fn on_each(plan: impl Fn() -> Plan, test: impl Fn(&Front)) {
    for flavour in Flavour::each() {
        if let Some(front) = plan().start(flavour) {
            test(&front);
        }
    }
}

/// A front that shows the leaf that this makes.
fn showing(leaf: impl Fn(&Authority, &str) -> Leaf) -> impl Fn() -> Plan {
    move || {
        let plan = Plan::new();
        let leaf = leaf(&plan.root, &plan.name);
        plan.shows(&leaf, "")
    }
}

/// The request died of this; no other code of a certificate stands in the verdict or the findings.
#[track_caller]
fn assert_only(run: &Run, code: &str) {
    run.assert_died(code);
    let others: Vec<_> = run.found("fatal").into_iter().filter(|found| *found != code).collect();
    assert!(others.is_empty(), "also {others:?}\n{}", run.told());
    assert_eq!(run.report["verdict"]["at"]["hop"], "server");
}

#[test]
fn a_healthy_front_is_reached() {
    let plan =
        showing(|root, name| root.intermediate("Front R1").issue().unwrap().leaf(name).issue().unwrap());
    on_each(plan, |front| {
        let run = front.trace(&[]);
        run.assert_reached();
        assert!(run.found("warning").iter().all(|code| !code.starts_with("tls.")), "{}", run.told());
        let handshake = &run.seen("tls.handshake")[0];
        // Debian's nginx offers TLS 1.3 only where it is told to.
        assert!(matches!(handshake["version"].as_str(), Some("TLSv1.2" | "TLSv1.3")), "{handshake}");
        assert_eq!(handshake["chain"].as_array().unwrap().len(), 2);
        assert_eq!(handshake["verification"]["verdict"], "trusted");
    });
}

#[test]
fn an_expired_leaf_and_one_not_valid_yet() {
    on_each(showing(|root, name| root.leaf(name).expired(3).issue().unwrap()), |front| {
        let run = front.trace(&[]);
        assert_only(&run, "tls.cert.date_invalid");
        run.assert_not_blamed("client.clock_skew");
        assert!(run.ruled_out().contains(&"tls.cert.chain_expired"), "{}", run.told());
        let summary = run.report["verdict"]["cause"]["summary"].as_str().unwrap();
        assert!(summary.contains("expired 3 days ago"), "{summary}");
    });
    on_each(showing(|root, name| root.leaf(name).not_yet_valid(2).issue().unwrap()), |front| {
        assert_only(&front.trace(&[]), "tls.cert.date_invalid");
    });
}

#[test]
fn an_expired_intermediate() {
    let plan = showing(|root, name| {
        let expired = root.intermediate("Front R1").expired(1).issue().unwrap();
        expired.leaf(name).issue().unwrap()
    });
    on_each(plan, |front| {
        let run = front.trace(&[]);
        assert_only(&run, "tls.cert.chain_expired");
        run.assert_not_blamed("tls.cert.date_invalid");
        assert!(run.ruled_out().contains(&"tls.cert.date_invalid"), "{}", run.told());
    });
}

#[test]
fn a_wrong_name() {
    on_each(showing(|root, _| root.leaf("other.example.test").issue().unwrap()), |front| {
        let run = front.trace(&["--known-name", "other.example.test"]);
        assert_only(&run, "tls.cert.name_invalid");
        run.assert_not_blamed("tls.cert.default_served");
        assert!(run.ruled_out().contains(&"tls.cert.default_served"), "{}", run.told());
    });
}

#[test]
fn the_default_certificate() {
    let plan = || {
        let plan = Plan::new();
        let fallback = plan.root.leaf("fallback.example.test").issue().unwrap();
        let known = plan.root.leaf("known.example.test").issue().unwrap();
        plan.server_for("_", "fallback", &fallback, "").server_for("known.example.test", "known", &known, "")
    };
    on_each(plan, |front| {
        let run = front.trace(&["--known-name", "known.example.test"]);
        run.assert_died("tls.cert.default_served");
        let chain = &run.report["verdict"]["chain"];
        assert_eq!(chain, &serde_json::json!(["tls.cert.name_invalid", "tls.cert.default_served"]));
        assert_eq!(run.report["verdict"]["also"], serde_json::json!([]));

        // Without a name to compare with, no more is said than is known.
        let run = front.trace(&[]);
        assert_only(&run, "tls.cert.name_invalid");
        run.assert_not_blamed("tls.cert.default_served");
    });
}

#[test]
fn an_unknown_issuer() {
    let stranger = |_: &Authority, name: &str| {
        let stranger = Authority::named("Stranger").unwrap();
        stranger.intermediate("Stranger S1").issue().unwrap().leaf(name).with_root().issue().unwrap()
    };
    on_each(showing(stranger), |front| {
        let run = front.trace(&["--fetch-aia"]);
        assert_only(&run, "tls.cert.authority_invalid");
        assert!(run.ruled_out().contains(&"tls.cert.incomplete_chain"), "{}", run.told());
        assert!(run.ruled_out().contains(&"tls.cert.self_signed"), "{}", run.told());
    });
}

#[test]
fn an_authority_with_the_right_name_and_another_key() {
    on_each(showing(|root, name| root.impostor().unwrap().leaf(name).issue().unwrap()), |front| {
        assert_only(&front.trace(&[]), "tls.cert.authority_invalid");
    });
}

#[test]
fn a_missing_intermediate() {
    for flavour in Flavour::each() {
        let plan = Plan::new();
        let middle = plan.root.intermediate("Front R1").issue().unwrap();
        let shelf = Nginx::builder()
            .flavour(flavour.clone())
            .file("r1.der", middle.certificate_der().to_vec())
            .server("listen {listen}; root {dir};")
            .start();
        let Some(shelf) = require(shelf) else { continue };
        let url = format!("http://{}/r1.der", shelf.address());
        let leaf = middle.leaf(&plan.name).without_intermediates().issuer_url(&url).issue().unwrap();
        let Some(front) = plan.shows(&leaf, "").start(flavour) else { continue };

        let run = front.trace(&["--fetch-aia"]);
        assert_only(&run, "tls.cert.incomplete_chain");
        run.assert_not_blamed("tls.cert.authority_invalid");
        assert!(run.ruled_out().contains(&"tls.cert.authority_invalid"), "{}", run.told());

        // Nothing is fetched unasked, and what is not known is not claimed.
        let asked = shelf.access_log().text();
        let run = front.trace(&[]);
        assert_only(&run, "tls.cert.authority_invalid");
        assert!(run.stdout.contains("--fetch-aia"));
        assert_eq!(shelf.access_log().text(), asked);
    }
}

#[test]
fn a_certificate_that_signs_itself() {
    on_each(showing(|root, name| root.leaf(name).self_signed().issue().unwrap()), |front| {
        let run = front.trace(&[]);
        assert_only(&run, "tls.cert.self_signed");
        run.assert_not_blamed("tls.cert.authority_invalid");
        // The same certificate, trusted: nothing is wrong with it.
        let own = front.nginx.room().join("leaf.certificate.pem").display().to_string();
        let url = front.url();
        let resolve = format!("{}:{}:127.0.0.1", front.name, front.port());
        common::trace(["--resolve", &resolve, "--cacert", &own, &url]).assert_reached();
    });
}

#[test]
fn a_certificate_that_signs_itself_and_is_marked_as_an_authority_s() {
    // What `openssl req -x509` makes, and curl takes once it is told to trust it.
    let shown = |leaf: LeafBuilder| leaf.self_signed().marked_as_authority().issue().unwrap();
    let trusted = |front: &Front| {
        let own = front.nginx.room().join("leaf.certificate.pem").display().to_string();
        let resolve = format!("{}:{}:127.0.0.1", front.name, front.port());
        common::trace(["--resolve", &resolve, "--cacert", &own, &front.url()])
    };
    on_each(showing(|root, name| shown(root.leaf(name))), |front| {
        let run = front.trace(&[]);
        assert_only(&run, "tls.cert.self_signed");
        assert!(run.stdout.contains("is an authority's besides"), "{}", run.stdout);
        trusted(front).assert_reached();
    });
    // Trusted or not, it must be in date and for this name.
    on_each(showing(|root, name| shown(root.leaf(name).expired(3))), |front| {
        assert_only(&trusted(front), "tls.cert.date_invalid");
    });
    on_each(showing(|root, _| shown(root.leaf("other.example.test"))), |front| {
        assert_only(&trusted(front), "tls.cert.name_invalid");
    });
}

#[test]
fn a_revoked_certificate() {
    for flavour in Flavour::each() {
        let plan = Plan::new();
        let (bad, other) =
            (plan.root.leaf(&plan.name).issue().unwrap(), plan.root.leaf("x").issue().unwrap());
        plan.root.revoke(&bad);
        let with_it = plan.root.crl().unwrap();
        let stranger = Authority::named("Stranger").unwrap();
        stranger.revoke(&other);
        let Some(front) = plan.shows(&bad, "").start(flavour) else { continue };
        let list = front.file("list.pem", with_it.pem());
        assert_only(&front.trace(&["--crlfile", &list]), "tls.cert.revoked");
        let list = front.file("list.der", with_it.der());
        assert_only(&front.trace(&["--crlfile", &list]), "tls.cert.revoked");
        // A list of somebody else's says nothing of it; without one nobody knows.
        let foreign = front.file("foreign.pem", stranger.crl().unwrap().pem());
        front.trace(&["--crlfile", &foreign]).assert_reached();
        front.trace(&[]).assert_reached();
    }
}

/// What the authority's responder says of a certificate, by the real `openssl ocsp`.
fn ocsp(root: &Authority, leaf: &Leaf, revoked: bool) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        std::fs::write(folder.path().join(name), content).unwrap();
        folder.path().join(name)
    };
    let serial = format!("{:02X}", leaf.serial());
    let serial = if serial.len() % 2 == 1 { format!("0{serial}") } else { serial };
    let (state, when) = if revoked { ("R", "251101000000Z") } else { ("V", "") };
    let index = file("index.txt", &format!("{state}\t991231235959Z\t{when}\t{serial}\tunknown\t/CN=leaf\n"));
    let ca = file("ca.pem", root.certificate_pem());
    let key = file("ca.key", &root.key_pem());
    let mut openssl = std::process::Command::new("openssl");
    openssl.arg("ocsp").arg("-index").arg(index).arg("-CA").arg(&ca).arg("-issuer").arg(&ca);
    openssl.arg("-rsigner").arg(&ca).arg("-rkey").arg(key).args(["-ndays", "7", "-noverify"]);
    openssl.args(["-serial", &format!("0x{serial}")]).arg("-respout").arg(folder.path().join("response.der"));
    match openssl.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            Some(std::fs::read(folder.path().join("response.der")).unwrap())
        }
        Err(error) if std::env::var_os("REQPATH_REQUIRE_REAL").is_none_or(|value| value != "1") => {
            eprintln!("SKIPPED: openssl is missing: {error}");
            None
        }
        Err(error) => panic!("openssl is missing: {error}"),
    }
}

#[test]
fn what_a_stapled_response_says() {
    for (flavour, revoked) in Flavour::each().into_iter().flat_map(|one| [(one.clone(), true), (one, false)])
    {
        let plan = Plan::new();
        let leaf = plan.root.leaf(&plan.name).issue().unwrap();
        let Some(response) = ocsp(&plan.root, &leaf, revoked) else { return };
        let front = plan
            .with(|nginx| nginx.file("ocsp.der", response))
            .shows(&leaf, "ssl_stapling on; ssl_stapling_file {file:ocsp.der};")
            .start(flavour);
        let Some(front) = front else { continue };
        // The client does not act on it, so it can only warn.
        let run = front.trace(&[]);
        run.assert_reached();
        let stapled = &run.seen("tls.handshake")[0]["stapled"];
        if revoked {
            run.assert_warned("tls.cert.revoked");
            assert_eq!(stapled["revoked_at"], "2025-11-01T00:00:00Z");
        } else {
            run.assert_not_blamed("tls.cert.revoked");
            assert_eq!(stapled["status"], "good");
            assert!(stapled["next_update"].is_string(), "{stapled}");
        }
    }
}

#[test]
fn a_certificate_about_to_expire() {
    on_each(showing(|root, name| root.leaf(name).valid_for(5).issue().unwrap()), |front| {
        front.trace(&[]).assert_reached().assert_warned("tls.cert.expiring");
        assert_eq!(front.trace(&["--fail-on", "warning"]).status, 1);
    });
}

#[test]
fn with_k_anything_goes_and_is_said() {
    let plan = showing(|root, _| root.leaf("other.example.test").expired(3).self_signed().issue().unwrap());
    on_each(plan, |front| {
        let run = front.trace(&["-k"]);
        run.assert_reached().assert_warned("tls.cert.date_invalid").assert_warned("tls.cert.name_invalid");
        let run = front.trace(&[]);
        assert_eq!(run.kind(), "died");
    });
}

#[test]
fn a_certificate_for_clients() {
    let plan = showing(|root, name| root.client("robot").also_for(name).issue().unwrap());
    on_each(plan, |front| assert_only(&front.trace(&[]), "tls.cert.invalid"));
}

#[test]
fn a_stored_report_is_judged_alike() {
    on_each(showing(|root, name| root.leaf(name).expired(3).issue().unwrap()), |front| {
        let run = front.trace(&[]);
        let file = front.file("report.json", &run.stdout);
        let mut judge = common::reqpath();
        judge.args(["judge", "--json", &file]);
        let again = common::run(judge);
        assert_eq!(again.report["verdict"], run.report["verdict"]);
        assert_eq!(again.report["findings"], run.report["findings"]);
        assert_eq!(again.status, 1);
    });
}
