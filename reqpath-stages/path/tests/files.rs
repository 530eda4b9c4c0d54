//! Whole files: what comes out of them, the published schema, and any bytes at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use reqpath_core::{Header, HopKind, Micros, Scheme};
use reqpath_path::{NoUrl, Nothing, PathFile, Place, References, json_schema};

fn examples() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/paths");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect()
}

fn read(text: &str) -> PathFile {
    PathFile::parse("road.yaml", text, &Nothing).unwrap_or_else(|error| panic!("{error}"))
}

struct Kept;

impl References for Kept {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("Bearer s3cr3t-of-mine".to_owned()),
            "SIGNED" => Some("/?sig=s1gn4ture".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &str, _: u64) -> std::io::Result<Vec<u8>> {
        match path {
            "/run/key" => Ok(b"k3y-of-mine\r\nsecond line\n".to_vec()),
            "ca.pem" => Ok(b"PEM".to_vec()),
            "/empty" => Ok(b"\n".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

#[test]
fn the_whole_road_comes_out_as_it_is_written() {
    let (_, text) = examples().into_iter().find(|(file, _)| file.ends_with("whole-road.yaml")).unwrap();
    let file = read(&text);
    let request = file.request.as_ref().unwrap().builder(None).unwrap().build();
    assert_eq!((request.method(), request.url()), ("GET", "https://shop.example/cart"));
    assert_eq!(request.header("accept-language"), Some("de"));
    assert_eq!(request.max_time(), Some(Micros(10_000_000)));
    assert!(request.expect().status.iter().any(|range| range.holds(304)));
    assert_eq!(file.path.caller.change_window_us, Some(Micros(300_000_000)));
    assert_eq!(file.vantages[1].1, Place::Namespace("/run/netns/edge".into()));
    assert_eq!(file.vantages[2].1.namespace().unwrap(), Path::new("/proc/4711/ns/net"));
    let names: Vec<&str> = file.path.road().map(|hop| hop.id.as_str()).collect();
    assert_eq!(names, ["client", "edge", "gateway", "balancer", "shop"]);
    let edge = &file.path.hops[1];
    assert_eq!(
        (edge.kind, edge.timeouts.tries, edge.budget_us),
        (HopKind::Nginx, Some(2), Some(Micros(50_000)))
    );
    assert_eq!(edge.sources[0].format.as_deref(), Some("combined"));
    assert_eq!(edge.sources[1].command, ["kubectl", "logs", "deploy/edge"]);
    assert_eq!(edge.sources[1].vantage.as_deref(), Some("here"));
    let sends = file.path.hops[2].sends.as_ref().unwrap();
    assert_eq!((sends.scheme, sends.verifies), (Some(Scheme::Https), true));
    assert_eq!(sends.headers, [Header::new("X-From", "edge").unwrap()]);
    assert_eq!(sends.drops, ["Accept-Language"]);
    let database = file.path.hops.last().unwrap();
    assert_eq!(database.branch_of.as_ref().unwrap().as_str(), "shop");
    assert_eq!(database.addresses[0].to_string(), "10.0.0.9:5432");
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = jsonschema::validator_for(&json_schema()).unwrap();
    assert!(examples().len() >= 3);
    for (file, text) in examples() {
        read(&text);
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let errors: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", file.display());
    }
    let two = serde_json::json!([{"name": "client", "kind": "client"}, {"name": "edge"}]);
    assert!(schema.is_valid(&serde_json::json!({"hops": two})));
    for wrong in [
        serde_json::json!({}),
        serde_json::json!({"hops": two, "vantags": {}}),
        serde_json::json!({"hops": [{"name": "client"}, {"name": "a", "adresses": []}]}),
        serde_json::json!({"hops": [{"name": "client"}, {"name": "a", "timeouts": {"reed": 5}}]}),
        serde_json::json!({"hops": [{"name": "client"}, {"name": "a", "kind": "ngnix"}]}),
        serde_json::json!({"hops": [{"name": "client"}, {"name": "a", "sources": [{"file": "/x"}]}]}),
        serde_json::json!({"hops": two, "request": {"headers": {"A": {"envv": "X"}}}}),
        serde_json::json!({"hops": two, "vantages": {"a": {"netns": {"pid": 0}}}}),
    ] {
        assert!(!schema.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn secrets_come_by_reference_and_show_nowhere() {
    let text = "
request:
  url: https://shop.example/
  headers: {Authorization: {env: TOKEN}, X-Tenant: {file: /run/key}, Accept: '*/*'}
hops:
- {name: client}
- {name: edge}
- name: shop
  credentials: true
  sends: {scheme: https, verifies: true, ca: ca.pem, uri: {env: SIGNED}, headers: {X-Api-Key: {file: /run/key}}}
";
    let file = PathFile::parse("road.yaml", text, &Kept).unwrap();
    let request = file.request.as_ref().unwrap().builder(None).unwrap().build();
    assert_eq!(request.header("authorization"), Some("Bearer s3cr3t-of-mine"));
    assert_eq!(request.header("x-tenant"), Some("k3y-of-mine"));
    assert_eq!((file.authorities[0].hop.as_str(), file.authorities[0].pem.as_slice()), ("shop", &b"PEM"[..]));
    assert_eq!(file.path.hops[2].sends.as_ref().unwrap().uri.as_deref(), Some("/?sig=s1gn4ture"));
    let stored = serde_json::to_string(&(&request, &file.path)).unwrap();
    for shown in [stored, format!("{request:?} {file:?}")] {
        assert!(
            !shown.contains("s3cr3t") && !shown.contains("k3y-of") && !shown.contains("s1gn4ture"),
            "{shown}"
        );
    }
    assert_eq!(request.scrubber().scrub("you are k3y-of-mine"), "you are [redacted]");
}

#[test]
fn credentials_stay_with_the_origin_they_were_written_for() {
    let text = "request: {url: 'https://shop.example/', headers: {Authorization: {env: TOKEN}, Accept: a}}\n\
                hops: [{name: client}, {name: edge}]\n";
    let file = PathFile::parse("road.yaml", text, &Kept).unwrap();
    let request = file.request.unwrap();
    for (url, sent) in [
        ("https://shop.example/other", true),
        ("http://shop.example/", false),
        ("https://shop.example:8443/", false),
        ("https://elsewhere.example/", false),
    ] {
        let target = request.builder(Some(url)).unwrap().build();
        assert_eq!(target.header("authorization").is_some(), sent, "{url}");
        assert_eq!(request.leaves_credentials_out(Some(url)), !sent, "{url}");
        assert_eq!(target.header("accept"), Some("a"));
    }
    let nameless = read("request: {method: HEAD}\nhops: [{name: client}, {name: edge}]\n").request.unwrap();
    assert!(matches!(nameless.builder(None), Err(NoUrl::Missing)));
    assert_eq!(nameless.builder(Some("a.example")).unwrap().build().method(), "HEAD");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let two = "hops: [{name: client}, {name: edge}]\n";
    for (text, place) in [
        ("request: {headers: {Authorization: Bearer hunter22}}\n", "1:21: request.headers.Authorization: "),
        ("request: {headers: {X-Up: Basic hunter22}}\n", "1:21: request.headers.X-Up: "),
        ("request: {headers: {Cookie: sid=hunter22}}\n", "1:21: request.headers.Cookie: "),
        ("request: {url: 'https://me:hunter22@a.example/'}\n", "1:11: request.url: "),
        ("request: {url: 'https://a.example/?token=hunter22'}\n", "1:11: request.url: "),
    ] {
        let said = PathFile::parse("r", &format!("{text}{two}"), &Nothing).unwrap_err().to_string();
        assert!(said.starts_with(&format!("r:{place}a credential does not belong in the file")), "{said}");
        assert!(said.contains("{env: NAME}") && !said.contains("hunter22"), "{said}");
    }
    for (hop, place) in [
        ("sends: {headers: {X-Api-Key: hunter22}}, credentials: true", "hops[1].sends.headers.X-Api-Key: "),
        ("sends: {uri: '/?api_key=hunter22'}, credentials: true", "hops[1].sends.uri: "),
        ("vantage: a, sources: [{kind: x, api: 'http://u:hunter22@a/'}]", "hops[1].sources[0].api: "),
        (
            "vantage: a, sources: [{kind: x, command: [curl, -H, 'Authorization: hunter22']}]",
            "hops[1].sources[0].command[2]: ",
        ),
        (
            "vantage: a, sources: [{kind: x, command: [psql, 'postgres://u:hunter22@db/x']}]",
            "hops[1].sources[0].command[1]: ",
        ),
        ("vantage: a, sources: [{kind: x, command: [logs, --token=hunter22]}]", "sources[0].command[1]: "),
        ("vantage: a, sources: [{kind: x, command: [logs, --api-key, hunter22]}]", "sources[0].command[2]: "),
        ("vantage: a, sources: [{kind: x, command: [env, PGPASSWORD=hunter22, psql]}]", "command[1]: "),
    ] {
        let text = format!("hops: [{{name: client}}, {{name: edge, {hop}}}]\nvantages: {{a: local}}\n");
        let said = PathFile::parse("r", &text, &Nothing).unwrap_err().to_string();
        assert!(said.contains(&format!("{place}a credential does not belong in the file")), "{said}");
        assert!(!said.contains("hunter22"), "{said}");
    }
    for words in [
        "kubectl, logs, deploy/edge, --since=5m, -c, nginx",
        "logs, --token-file, /run/token, --password=/run/pw, --auth-type, basic, --sort-key=time",
        "journalctl, -u, nginx, --output, cat, --key, $KEY",
        "grep, 'token=', /var/log/x",
    ] {
        let text = format!(
            "hops: [{{name: client}}, {{name: edge, vantage: a, sources: [{{kind: x, command: [{words}]}}]}}]\n\
             vantages: {{a: local}}\n"
        );
        PathFile::parse("r", &text, &Nothing).unwrap();
    }
}

#[test]
fn references_that_lead_nowhere_are_named() {
    for (header, expected) in [
        ("{env: NOPE}", "1:26: request.headers.A.env: the environment has no variable `NOPE`: set it"),
        ("{file: /nope}", "1:26: request.headers.A.file: `/nope` cannot be read: entity not found"),
        ("{file: /empty}", "1:26: request.headers.A.file: `/empty` has an empty first line"),
        ("{env: A, file: B}", "1:25: request.headers.A: a reference is one of {env: NAME} and {file: /path}"),
        ("[a]", "1:25: request.headers.A: text, {env: NAME} or {file: /path} belongs here, not a list"),
    ] {
        let text =
            format!("request: {{headers: {{ A: {header} }}}}\nhops: [{{name: client}}, {{name: edge}}]\n");
        assert_eq!(PathFile::parse("r", &text, &Kept).unwrap_err().to_string(), format!("r:{expected}"));
    }
    let text = "hops:\n- {name: client}\n- name: b\n  sends: {headers: {X-Key: {env: TOKEN}}}\n";
    assert_eq!(
        PathFile::parse("r", text, &Kept).unwrap_err().to_string(),
        "r:4:21: hops[1].sends.headers.X-Key: this is a credential, and the hop gets none: \
         add `credentials: true` to the hop"
    );
}

#[test]
fn files_are_opened_with_what_stands_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("road.yaml");
    fs::write(folder.path().join("key"), "of-the-key\n").unwrap();
    let text =
        "request: {url: a.example, headers: {X-Key: {file: key}}}\nhops: [{name: client}, {name: edge}]\n";
    fs::write(&file, text).unwrap();
    let request = PathFile::open(&file).unwrap().request.unwrap();
    assert_eq!(request.headers[0].value, "of-the-key");
    let absent = PathFile::open(folder.path().join("absent.yaml")).unwrap_err().to_string();
    assert!(absent.contains("absent.yaml: cannot be read"), "{absent}");
    assert!(PathFile::open(folder.path()).unwrap_err().to_string().contains("cannot be read"));
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(PathFile::open(&file).unwrap_err().to_string().contains("at most 1 MiB"));
    fs::write(&file, [0xff, 0xfe, 0xfd]).unwrap();
    assert!(PathFile::open(&file).unwrap_err().to_string().contains("not text in UTF-8"));
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}") {
        let _ = PathFile::parse("r", &text, &Nothing).map_err(|error| error.to_string());
    }

    #[test]
    fn a_spoilt_file_is_survived(which in 0..3_usize, at in any::<prop::sample::Index>(), with in "[-\\[\\]{}:,&*!|>'\"%@ \n\t#?<~a-z0-9]{0,6}") {
        let examples = examples();
        let mut text: Vec<char> = examples[which].1.chars().collect();
        let place = at.index(text.len());
        text.splice(place..(place + 1).min(text.len()), with.chars());
        let text: String = text.into_iter().collect();
        if let Err(error) = PathFile::parse("r", &text, &Nothing) {
            prop_assert!(error.to_string().starts_with("r:"));
        }
    }
}
