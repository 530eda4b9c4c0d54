//! Every example yields its cause, and every twin is told apart.

use reqpath_core::serde_json::{Value, json};
use reqpath_core::{Catalogue, Report, Verdict, Weight};

use super::CAUSES;

fn catalogue() -> Catalogue {
    let earlier = [reqpath_client::CAUSES, reqpath_dns::CAUSES, reqpath_tcp::CAUSES];
    Catalogue::new(earlier.into_iter().flatten().chain(CAUSES).copied()).unwrap()
}

fn judged(json: &Value) -> Report {
    Report::load(json.to_string().as_bytes()).unwrap().judged(&catalogue())
}

/// What is judged when the road's handshake was this, and the request died of it or not.
fn after(handshake: Value, left: &str, more: Vec<Value>) -> Report {
    let at = json!({"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}});
    let stage = if left == "dead" { "tls" } else { "http" };
    let mut observations = vec![json!({"kind": "tls.handshake", "subject": at, "data": handshake})];
    observations.extend(more.into_iter().map(|mut one| {
        one["subject"] = at.clone();
        one
    }));
    observations.push(json!({
        "kind": "request.trial",
        "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
        "data": {"role": "fresh", "left": left, "stage": stage},
    }));
    judged(&json!({"schema": "reqpath.report/1", "observations": observations}))
}

fn died(handshake: Value, more: Vec<Value>) -> Report {
    after(handshake, "dead", more)
}

fn refused(reason: &str, mut rest: Value) -> Value {
    rest["host"] = json!("server.example");
    rest["sni"] = json!("server.example");
    rest["ended"] = json!("refused");
    rest["clock"] = json!("2026-08-21T00:00:00Z");
    rest["verification"] = json!({"verdict": "refused", "reason": reason});
    rest
}

fn code(report: &Report) -> &str {
    match report.verdict.as_ref().unwrap() {
        Verdict::Died { cause, .. } => &cause.code,
        other => other.kind(),
    }
}

fn also(report: &Report) -> &[String] {
    match report.verdict.as_ref().unwrap() {
        Verdict::Died { also, .. } => also,
        _ => &[],
    }
}

#[track_caller]
fn assert_ruled_out(report: &Report, code: &str, because: &str) {
    let ruled = report.ruled_out.iter().find(|ruled| ruled.code == code);
    let ruled = ruled.unwrap_or_else(|| panic!("{code} is not ruled out: {:?}", report.ruled_out));
    assert!(ruled.because.contains(because), "{code} is ruled out because {}", ruled.because);
}

#[test]
fn every_example_yields_its_cause() {
    for cause in CAUSES {
        let example = cause.doc.example().unwrap_or_else(|| panic!("{} has no example", cause.code));
        let report = judged(&serde_json::from_str(&example).unwrap());
        if cause.only_warns {
            assert_eq!(code(&report), "reached", "{}", cause.code);
            assert!(report.findings.iter().any(|finding| finding.code == cause.code), "{}", cause.code);
        } else {
            assert_eq!(code(&report), cause.code);
            assert!(also(&report).is_empty(), "{}: {:?}", cause.code, also(&report));
        }
        let finding = report.findings.iter().find(|finding| finding.code == cause.code).unwrap();
        assert!(!finding.next.is_empty(), "{} says nothing to run next", cause.code);
        assert!(!cause.doc.explanation().is_empty() && !cause.doc.what_to_do().is_empty(), "{}", cause.code);
    }
}

#[test]
fn an_expired_intermediate_is_not_the_leafs_fault() {
    let chain = json!([
        {"subject": "CN=server.example", "not_after": "2026-11-01T00:00:00Z", "signed_by": 1},
        {"subject": "CN=R3", "not_after": "2026-08-18T00:00:00Z"},
    ]);
    let report = died(refused("expired", json!({"chain": chain})), vec![]);
    assert_eq!(code(&report), "tls.cert.chain_expired");
    assert!(report.findings[0].summary.contains("`R3`, number 2 of the chain, expired 3 days ago"));
    assert_ruled_out(&report, "tls.cert.date_invalid", "is within its dates (until 2026-11-01T00:00:00Z)");
}

#[test]
fn an_expired_leaf_is_not_the_chains_fault() {
    let chain = json!([{"subject": "CN=server.example", "not_after": "2026-08-20T00:00:00Z"}]);
    let report = died(refused("expired", json!({"chain": chain})), vec![]);
    assert_eq!(code(&report), "tls.cert.date_invalid");
    assert!(report.findings[0].summary.contains("expired 24 hours ago"), "{}", report.findings[0].summary);
    assert_ruled_out(&report, "tls.cert.chain_expired", "the server's own certificate");
}

#[test]
fn what_hides_behind_a_date_is_said_too() {
    let chain = json!([{"subject": "CN=a", "issuer": "CN=b", "not_after": "2026-08-20T00:00:00Z"}]);
    let hidden = json!({"verdict": "refused", "reason": "unknown_issuer"});
    let report = died(refused("expired", json!({"chain": chain, "apart_from_dates": hidden})), vec![]);
    assert_eq!(code(&report), "tls.cert.date_invalid");
    assert_eq!(also(&report), ["tls.cert.authority_invalid"]);
}

#[test]
fn a_certificate_that_signs_itself_is_that_alone() {
    for reason in ["unknown_issuer", "authority_as_leaf"] {
        let leaf = json!([{"subject": "CN=a", "issuer": "CN=a", "self_signed": true, "is_authority": true}]);
        let report = died(refused(reason, json!({"chain": leaf})), vec![]);
        assert_eq!(code(&report), "tls.cert.self_signed");
        assert!(also(&report).is_empty());
    }
}

#[test]
fn a_missing_certificate_is_named_only_when_it_was_found() {
    let leaf = || json!([{"subject": "CN=a", "issuer": "CN=R3", "issuer_urls": ["http://r3.example/"]}]);
    let completion = |data: Value| json!({"kind": "tls.completion", "data": data});
    let tried = json!([{"from": "given", "subject": "CN=R3"}]);
    let untried = completion(json!({"missing": "CN=R3"}));
    let report = died(refused("unknown_issuer", json!({"chain": leaf()})), vec![untried]);
    assert_eq!(code(&report), "tls.cert.authority_invalid");
    assert!(report.next.iter().any(|next| next.contains("--fetch-aia")), "{:?}", report.next);

    let failed = json!({"verdict": "refused", "reason": "unknown_issuer"});
    let failed = completion(json!({"missing": "CN=R3", "tried": tried, "verification": failed}));
    let report = died(refused("unknown_issuer", json!({"chain": leaf()})), vec![failed]);
    assert_eq!(code(&report), "tls.cert.authority_invalid");
    assert_ruled_out(&report, "tls.cert.incomplete_chain", "still no path");

    // The name is looked at last: it says nothing against the path.
    for verdict in [json!({"verdict": "trusted"}), json!({"verdict": "refused", "reason": "name_mismatch"})] {
        let found = completion(json!({"missing": "CN=R3", "tried": tried, "verification": verdict}));
        let report = died(refused("unknown_issuer", json!({"chain": leaf()})), vec![found]);
        assert_eq!(code(&report), "tls.cert.incomplete_chain");
        assert!(also(&report).is_empty());
        assert_ruled_out(&report, "tls.cert.authority_invalid", "leads to the store");
    }
}

#[test]
fn an_impostor_of_a_known_authority_is_an_unknown_one() {
    let chain = json!([{"subject": "CN=a", "issuer": "CN=Root"}]);
    let report = died(refused("bad_signature", json!({"chain": chain})), vec![]);
    assert_eq!(code(&report), "tls.cert.authority_invalid");
    assert!(report.findings[0].summary.contains("another key signed it"));
}

#[test]
fn a_wrong_name_and_a_default_certificate_are_told_apart() {
    let misfit = || refused("name_mismatch", json!({"chain": [{"names": ["x.example"], "sha256": "aa"}]}));
    let look = |purpose: &str, sha256: &str| json!({"kind": "tls.handshake", "data": {"purpose": purpose, "host": "k", "chain": [{"sha256": sha256}]}});
    let report = died(misfit(), vec![look("without_name", "aa")]);
    assert_eq!(code(&report), "tls.cert.name_invalid");

    let report = died(misfit(), vec![look("without_name", "bb"), look("known_name", "bb")]);
    assert_eq!(code(&report), "tls.cert.name_invalid");
    assert_ruled_out(&report, "tls.cert.default_served", "who names nobody gets another certificate");

    let report = died(misfit(), vec![look("without_name", "aa"), look("known_name", "aa")]);
    assert_eq!(code(&report), "tls.cert.name_invalid");
    assert_ruled_out(&report, "tls.cert.default_served", "the same certificate for `k`");

    let report = died(misfit(), vec![look("without_name", "aa"), look("known_name", "bb")]);
    assert_eq!(code(&report), "tls.cert.default_served");
    let Some(Verdict::Died { chain, .. }) = &report.verdict else { panic!() };
    assert_eq!(chain, &["tls.cert.name_invalid", "tls.cert.default_served"]);
}

#[test]
fn what_is_wrong_with_a_default_certificate_follows_from_its_being_shown() {
    let fake =
        json!([{"subject": "CN=Fake", "names": ["ingress.local"], "self_signed": true, "sha256": "aa"}]);
    let mut handshake = refused("unknown_issuer", json!({"chain": fake}));
    handshake["name_fits"] = json!(false);
    let look = |purpose: &str, sha256: &str| json!({"kind": "tls.handshake", "data": {"purpose": purpose, "host": "k", "chain": [{"sha256": sha256}]}});
    let report = died(handshake.clone(), vec![look("without_name", "aa"), look("known_name", "bb")]);
    assert_eq!(code(&report), "tls.cert.default_served");
    assert!(also(&report).is_empty(), "{:?}", also(&report));
    // Without the comparison both faults stand side by side, the one that refused it first.
    let report = died(handshake, vec![]);
    assert_eq!(
        (code(&report), also(&report)),
        ("tls.cert.self_signed", &["tls.cert.name_invalid".to_owned()][..])
    );
}

#[test]
fn what_nobody_verified_only_warns() {
    let handshake = json!({
        "host": "server.example", "sni": "server.example", "ended": "completed", "name_fits": false,
        "clock": "2026-08-21T00:00:00Z", "verification": {"verdict": "skipped"},
        "chain": [{"subject": "CN=x", "names": ["x"], "not_after": "2026-08-20T00:00:00Z", "self_signed": true}],
    });
    let report = after(handshake, "alive", vec![]);
    assert_eq!(code(&report), "reached");
    let codes: Vec<_> = report.findings.iter().map(|finding| (&*finding.code, finding.weight)).collect();
    assert_eq!(
        codes,
        [("tls.cert.date_invalid", Weight::Warning), ("tls.cert.name_invalid", Weight::Warning)]
    );
}

#[test]
fn a_client_certificate_that_is_wanted_is_no_fault_of_suites() {
    let handshake = json!({
        "host": "server.example", "ended": "alert", "alert": {"number": 40, "name": "handshake_failure"},
        "certificate_request": {"authorities": 1}, "chain": [{"subject": "CN=server.example"}],
    });
    let report = died(handshake, vec![]);
    assert_eq!(code(&report), "unknown", "{:?}", report.findings);
}

#[test]
fn an_alert_that_another_name_avoids_is_about_the_name() {
    let handshake = |number: u8| json!({"host": "server.example", "sni": "server.example", "ended": "alert", "alert": {"number": number}});
    let known = || {
        let data = json!({"purpose": "known_name", "host": "k", "sni": "k", "chain": [{"subject": "CN=k"}]});
        json!({"kind": "tls.handshake", "data": data})
    };
    for alert in [40, 80, 112] {
        let report = died(handshake(alert), vec![known()]);
        assert_eq!(code(&report), "tls.unrecognized_name_alert", "{alert}");
        assert!(also(&report).is_empty(), "{alert}: {:?}", also(&report));
    }
    let report = died(handshake(40), vec![]);
    assert_eq!(code(&report), "tls.version_or_cipher_mismatch");
}

#[test]
fn a_connection_that_dies_unasked_is_not_for_tls_to_explain() {
    let reset = || json!({"host": "server.example", "sni": "server.example", "ended": "reset", "error": "Connection reset"});
    let silence =
        |closed: &str| json!({"kind": "tcp.silence", "data": {"closed": closed, "after_us": 1_000_000}});
    let report = died(reset(), vec![silence("reset")]);
    assert!(report.findings.iter().all(|finding| finding.code != "tls.protocol.error"));

    let report = died(reset(), vec![silence("none")]);
    assert_eq!(code(&report), "tls.protocol.error");
    let Some(Verdict::Died { at, .. }) = &report.verdict else { panic!() };
    assert!(at.leg.is_some());
}

#[test]
fn a_handshake_cut_short_is_a_silent_one() {
    let at = json!({"leg": {"from": "client", "to": "server", "address": "192.0.2.1:443", "sample": 0}});
    let report = judged(&json!({"schema": "reqpath.report/1", "observations": [
        {"kind": "tls.handshake", "subject": at, "complete": false, "data": {"host": "server.example"}},
        {"kind": "request.trial", "subject": {"leg": {"from": "client", "to": "server", "sample": 0}},
         "data": {"role": "fresh", "left": "dead", "stage": "tls", "out_of_time": true}},
    ]}));
    assert_eq!(code(&report), "tls.timed_out");
}

#[test]
fn a_chosen_protocol_that_was_not_offered_is_a_mismatch() {
    let offer = json!({"alpn": ["h2"]});
    let none = json!({"host": "server.example", "ended": "completed", "offer": offer, "verification": {"verdict": "trusted"}});
    assert_eq!(code(&died(none, vec![])), "tls.alpn_mismatch");
    let other = json!({"host": "server.example", "ended": "unoffered_protocol", "offer": offer});
    assert_eq!(code(&died(other, vec![])), "tls.alpn_mismatch");
}

#[test]
fn a_revoked_staple_warns_where_the_client_went_on() {
    let handshake = json!({
        "host": "server.example", "ended": "completed", "verification": {"verdict": "trusted"},
        "stapled": {"length": 500, "status": "revoked", "revoked_at": "2026-08-01T00:00:00Z"},
        "chain": [{"subject": "CN=server.example"}],
    });
    let report = after(handshake, "alive", vec![]);
    assert_eq!(code(&report), "reached");
    assert_eq!(report.findings[0].code, "tls.cert.revoked");
}

#[test]
fn a_certificate_with_plenty_of_time_left_is_not_mentioned() {
    let handshake = |until: &str| {
        json!({
            "host": "server.example", "ended": "completed", "verification": {"verdict": "trusted"},
            "clock": "2026-08-01T00:00:00Z", "warn_within_days": 14, "chain": [{"not_after": until}],
        })
    };
    let far = after(handshake("2026-08-15T00:00:01Z"), "alive", vec![]);
    assert!(far.findings.is_empty(), "{:?}", far.findings);
    let near = after(handshake("2026-08-14T23:59:59Z"), "alive", vec![]);
    assert_eq!(near.findings[0].code, "tls.cert.expiring");
    assert!(near.findings[0].summary.contains("expires in 13 days"), "{}", near.findings[0].summary);
}

fn summary(report: &Report) -> &str {
    match report.verdict.as_ref().unwrap() {
        Verdict::Died { cause, .. } => &cause.summary,
        other => other.kind(),
    }
}

fn blames_a_leg(report: &Report) -> bool {
    matches!(report.verdict.as_ref().unwrap(), Verdict::Died { at, .. } if at.leg.is_some())
}

#[test]
fn an_alert_about_anything_offered_accuses_nobody_of_old_versions() {
    let handshake = |alert: u8| {
        json!({
            "host": "server.example", "sni": "server.example", "ended": "alert", "alert": {"number": alert},
            "offer": {"versions": ["TLSv1.2", "TLSv1.3"], "suites": ["a", "b"], "groups": ["X25519"],
                      "signature_schemes": ["ED25519"]},
        })
    };
    for alert in [40, 71] {
        let report = died(handshake(alert), vec![]);
        assert_eq!(code(&report), "tls.version_or_cipher_mismatch");
        let sets = "(versions TLSv1.2 TLSv1.3, 2 cipher suites, groups X25519, 1 signature schemes)";
        assert!(summary(&report).contains(sets), "{}", summary(&report));
        assert!(blames_a_leg(&report), "{:?}", report.verdict);
        let next = report.next.join("\n");
        assert!(next.contains("-brief") && !next.contains("-tls1_1"), "{next}");
    }
    // What was agreed on is not in question.
    let mut later = handshake(40);
    later["hello_seen"] = json!(true);
    let report = died(later, vec![]);
    assert!(summary(&report).contains("(groups X25519, 1 signature schemes)"), "{}", summary(&report));

    let report = died(handshake(70), vec![]);
    assert!(summary(&report).contains("speaks no version that this client offers"), "{}", summary(&report));
    assert!(!blames_a_leg(&report) && report.next.iter().any(|next| next.contains("-tls1_1")));
}

#[test]
fn what_a_server_chooses_of_a_wider_offer_names_the_set() {
    let road = |alert: u8| {
        json!({
            "host": "server.example", "ended": "alert", "alert": {"number": alert},
            "offer": {"versions": ["TLSv1.2", "TLSv1.3"], "suites": ["A"], "groups": ["X25519", "secp256r1"],
                      "signature_schemes": ["S"]},
        })
    };
    let after =
        |alert: u8, data: Value| died(road(alert), vec![json!({"kind": "tls.wider_offer", "data": data})]);
    let newest = |group: &str| json!({"version": "TLSv1.3", "suite": "A", "group": group});
    let older = |suite: &str, key: &str, scheme: &str| json!({"version": "TLSv1.2", "suite": suite, "key": key, "signature_scheme": scheme});
    for (data, says, leg) in [
        (newest("X448"), "does not have X448", true),
        (newest("X25519"), "what is left is the signature scheme", true),
        (older("B", "EC P-256", "S"), "does not have B", true),
        (older("A", "EC P-521", "S"), "does not have EC P-521", true),
        (older("A", "Ed448", "T"), "does not have T", true),
        (older("A", "EC P-256", "S"), "though it then chooses what this client has too", true),
        (json!({"version": "TLSv1.1", "suite": "A"}), "it speaks TLSv1.1, and this client offers", false),
        (json!({"alert": {"number": 40}}), "refuses a far wider offer as well", false),
        // Without an answer no more is said than before.
        (json!({"error": "unexpected end of file"}), "one of the sets that this client offers", true),
    ] {
        let report = after(40, data);
        assert_eq!(code(&report), "tls.version_or_cipher_mismatch");
        assert!(summary(&report).contains(says), "`{says}` is not in: {}", summary(&report));
        assert_eq!(blames_a_leg(&report), leg, "{}", summary(&report));
    }
    let report = after(70, json!({"version": "TLSv1.0"}));
    assert!(summary(&report).contains("it speaks TLSv1.0") && !blames_a_leg(&report), "{}", summary(&report));
}

#[test]
fn a_version_chosen_before_all_that_are_offered_is_the_servers() {
    let chosen = |why: &str| {
        json!({
            "host": "server.example", "ended": "incompatible", "hello_seen": true,
            "error": format!("peer is incompatible: {why}"), "offer": {"versions": ["TLSv1.2", "TLSv1.3"]},
        })
    };
    let report = died(chosen("ServerDoesNotSupportTls12Or13"), vec![]);
    assert!(summary(&report).contains("speaks no version"), "{}", summary(&report));
    let report = died(chosen("NoCertificateRequestSignatureSchemesInCommon"), vec![]);
    assert!(summary(&report).contains("what this client did not offer"), "{}", summary(&report));
    assert!(!blames_a_leg(&report));
}

#[test]
fn a_reason_of_a_later_version_is_told_in_the_verifiers_words() {
    let mut handshake = refused("too_quantum", json!({"chain": [{"subject": "CN=a"}]}));
    handshake["verification"]["words"] = json!("invalid peer certificate: TooQuantum");
    let report = died(handshake, vec![]);
    assert_eq!(code(&report), "tls.cert.invalid");
    assert!(summary(&report).ends_with("was refused: TooQuantum"), "{}", summary(&report));
}

proptest::proptest! {
    /// Values of an example are exchanged for others of any kind; nothing panics.
    #[test]
    fn any_json_is_survived(which in 0_usize..16, place in 0_usize..40, what in 0_usize..8) {
        let example = CAUSES[which % CAUSES.len()].doc.example().unwrap();
        let mut json: Value = serde_json::from_str(&example).unwrap();
        let values = [
            json!(null), json!(-1), json!(1e300), json!(""), json!("\u{1b}[2J"), json!([]), json!({}),
            json!([{"subject": "CN=x", "signed_by": 7, "not_after": "9999-12-31T23:59:59Z"}]),
        ];
        for observation in json["observations"].as_array_mut().unwrap() {
            if let Some(data) = observation["data"].as_object_mut() {
                let keys: Vec<String> = data.keys().cloned().collect();
                data.insert(keys[place % keys.len()].clone(), values[what].clone());
            }
        }
        let _ = judged(&json);
    }
}
