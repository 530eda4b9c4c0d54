//! What is wrong with a file is said with its place, its field, and the way out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use reqpath_path::{Nothing, PathFile};

/// The first two hops, for files in which something else is wrong.
const TWO: &str = "hops:\n- {name: client, kind: client}\n- {name: edge, kind: nginx}\n";

#[track_caller]
fn said(text: &str) -> String {
    match PathFile::parse("road.yaml", text, &Nothing) {
        Err(error) => error.to_string(),
        Ok(file) => panic!("nothing was wrong: {file:?}"),
    }
}

/// Two hops, and a third in which something is wrong.
#[track_caller]
fn third(hop: &str) -> String {
    said(&format!("{TWO}{hop}"))
}

#[test]
fn unknown_fields_are_refused_with_what_was_meant() {
    for (hop, expected) in [
        (
            "- {name: a, adresses: []}",
            "4:13: hops[2].adresses: there is no such field: did you mean `addresses`?",
        ),
        (
            "- name: a\n  timeouts:\n    conect: 5s",
            "6:5: hops[2].timeouts.conect: there is no such field: did you mean `connect`?",
        ),
        (
            "- name: a\n  sends: {hots: b}",
            "5:11: hops[2].sends.hots: there is no such field: did you mean `host`?",
        ),
        (
            "- name: a\n  sources: [{kind: error_log, flie: /x}]",
            "5:31: hops[2].sources[0].flie: there is no such field: did you mean `file`?",
        ),
    ] {
        assert_eq!(third(hop), format!("road.yaml:{expected}"));
    }
    assert_eq!(
        said(&format!("{TWO}vantags: {{}}\n")),
        "road.yaml:4:1: vantags: there is no such field: did you mean `vantages`?"
    );
    assert_eq!(
        said(&format!("{TWO}caller: {{x: 1}}\n")),
        "road.yaml:4:10: caller.x: there is no such field; there are deadline, tries, pool, keep_idle, change_window"
    );
    assert_eq!(
        said(&format!("{TWO}request: {{headers: {{X: {{envv: A}}}}}}\n")),
        "road.yaml:4:25: request.headers.X.envv: there is no such field: did you mean `env`?"
    );
}

#[test]
fn values_of_another_kind_are_refused() {
    for (hop, expected) in [
        (
            "- {name: a, kind: ngnix}",
            "4:19: hops[2].kind: `ngnix` is none of those there are: did you mean `nginx`?",
        ),
        (
            "- name: a\n  timeouts: {read: 5 parsecs}",
            "5:20: hops[2].timeouts.read: `5 parsecs` is not a time: write 5, 0.5, 500ms or 1m 30s",
        ),
        (
            "- {name: a, budget: -1}",
            "4:21: hops[2].budget: `-1` is not a time: write 5, 0.5, 500ms or 1m 30s",
        ),
        ("- {name: a, budget: 9000h}", "4:21: hops[2].budget: a time of more than a year"),
        (
            "- {name: a, addresses: 10.0.0.7:80}",
            "4:24: hops[2].addresses: a list belongs here, not `10.0.0.7:80`",
        ),
        (
            "- {name: a, addresses: [10.0.0.7]}",
            "4:25: hops[2].addresses[0]: `10.0.0.7` is not a host and a port: write gateway.example:8080, \
             192.0.2.7:80 or [2001:db8::7]:443",
        ),
        (
            "- {name: a, credentials: yes}",
            "4:26: hops[2].credentials: `true` or `false` belongs here, not `yes`",
        ),
        (
            "- {name: a, timeouts: {tries: many}}",
            "4:31: hops[2].timeouts.tries: a whole number belongs here, not `many`",
        ),
        (
            "- {name: a, expect: {status: [200, 2x]}}",
            "4:36: hops[2].expect.status[1]: `2x` is not a status: write 200, 2xx or 200-299",
        ),
        (
            "- {name: a, sends: {scheme: htps}}",
            "4:29: hops[2].sends.scheme: `htps` is none of those there are: did you mean `https`?",
        ),
        ("- {kind: pod}", "4:3: hops[2]: `name` is missing"),
        (
            "- {name: a, sources: [{kind: error_log, command: tail x}]}",
            "4:50: hops[2].sources[0].command: a list of words, for there is no shell: \
             [tail, -n, 1000, /var/log/app.log] belongs here, not `tail x`",
        ),
    ] {
        assert_eq!(third(hop), format!("road.yaml:{expected}"));
    }
    assert_eq!(said("request: {}\n"), "road.yaml:1:1: `hops` is missing");
    assert_eq!(said("just text\n"), "road.yaml:1:1: a mapping belongs here, not `just text`");
    assert_eq!(said("\n"), "road.yaml: the file is empty: begin with `hops:`");
}

#[test]
fn what_is_not_yaml_is_said_with_its_place() {
    let unclosed = said("hops: [\n- {name: a}\n");
    assert!(unclosed.starts_with("road.yaml:") && unclosed.contains(": this is not YAML: "), "{unclosed}");
    let twice = said("hops: []\nhops: []\n");
    assert!(twice.starts_with("road.yaml:2:1: this is not YAML: ") && twice.contains("hops"), "{twice}");
    let tab = said("hops:\n\t- {name: a}\n");
    assert!(tab.starts_with("road.yaml:2:"), "{tab}");
    let two = said(&format!("{TWO}---\n{TWO}"));
    assert!(two.starts_with("road.yaml:"), "{two}");
    let unknown = said("hops: *nowhere\n");
    assert!(unknown.starts_with("road.yaml:1:"), "{unknown}");
    let hostile = said("\"\\e[31m\": 1\n");
    assert!(!hostile.contains('\u{1b}'), "{hostile}");
}

#[test]
fn hops_must_make_a_road() {
    for (text, expected) in [
        ("hops: []\n", "1:1: hops: a path has at least two hops: the client, and the hop that it asks"),
        (
            "hops: [{name: a}, {name: b}]\n",
            "1:8: hops[0].kind: the first hop is the client: let `kind: client` come first",
        ),
        (
            "hops: [{name: client}, {name: b, kind: client}]\n",
            "1:34: hops[1].kind: only the first hop is a client",
        ),
        (
            "hops: [{name: client}, {name: b}, {name: b}]\n",
            "1:36: hops[2].name: another hop has this name: give each its own",
        ),
        ("hops: [{name: client}, {name: ''}]\n", "1:25: hops[1].name: a hop needs a name"),
        (
            "hops: [{name: client}, {name: redirect-2}]\n",
            "1:25: hops[1].name: names that begin with `redirect-` are kept for where redirects lead: choose another",
        ),
        (
            "hops: [{name: client}, {name: shop}]\ndependencies: [{name: db, of: shpo}]\n",
            "2:27: dependencies[0].of: it is asked by `shpo`, which is no other hop: did you mean `shop`?",
        ),
        (
            "hops: [{name: client}, {name: shop}]\ndependencies: [{name: db}]\n",
            "2:16: dependencies[0]: `of` is missing: name the hop that asks this one, or move it to `hops`",
        ),
        (
            "hops: [{name: client}, {name: shop}, {name: db, of: shop}]\n",
            "1:49: hops[2].of: what a hop asks beside the road stands under `dependencies`: move this hop there",
        ),
        (
            "hops: [{name: client, sends: {}}, {name: b}]\n",
            "1:23: hops[0].sends: nobody sends to the client: what the client sends is the `request`",
        ),
    ] {
        assert_eq!(said(text), format!("road.yaml:{expected}"));
    }
    let many: String = (0..100).map(|n| format!("- {{name: h{n}}}\n")).collect();
    let text = format!("hops:\n- {{name: client}}\n{many}");
    assert_eq!(said(&text), "road.yaml:1:1: hops: a path has at most 100 hops");
}

#[test]
fn places_to_look_from_must_be_there() {
    assert_eq!(
        third("- {name: a, vantage: gw}"),
        "road.yaml:4:13: hops[2].vantage: there is no vantage `gw`: say where it is under `vantages:`, as `gw: local`"
    );
    assert_eq!(
        third("- {name: a, vantage: egde}\nvantages: {edge: local}\n"),
        "road.yaml:4:13: hops[2].vantage: there is no vantage `egde`: did you mean `edge`?"
    );
    assert_eq!(
        third("- {name: a, sources: [{kind: error_log, file: /x}]}"),
        "road.yaml:4:23: hops[2].sources[0]: from where is it read? Give the hop a `vantage`, or this source one"
    );
    for (vantages, expected) in [
        ("a: lokal", "4:15: vantages.a: `lokal` is none of those there are: did you mean `local`?"),
        ("a: {nets: b}", "4:16: vantages.a.nets: `nets` is none of those there are: did you mean `netns`?"),
        (
            "a: {netns: ../b}",
            "4:16: vantages.a.netns: write the file from `/` on, a name that `ip netns` lists, or {pid: N}",
        ),
        (
            "a: {command: []}",
            "4:16: vantages.a.command: a command is a program and its arguments, at most 64 words",
        ),
        (
            "a: {command: [ssh, --token=hunter22]}",
            "4:31: vantages.a.command[1]: a credential does not belong in the file: let the program find it by itself",
        ),
        ("a: {netns: {pid: x}}", "4:29: vantages.a.netns.pid: a whole number belongs here, not `x`"),
        ("a: {netns: {pid: 0}}", "4:24: vantages.a.netns.pid: no process has the number 0"),
    ] {
        assert_eq!(said(&format!("{TWO}vantages: {{{vantages}}}\n")), format!("road.yaml:{expected}"));
    }
}

#[test]
fn what_is_sent_must_fit_together() {
    for (sends, expected) in [
        (
            "verifies: true",
            "5:11: hops[2].sends.verifies: without TLS this says nothing: add `scheme: https`",
        ),
        (
            "scheme: https, ca: x.pem",
            "5:26: hops[2].sends.ca: nobody looks at these unless `verifies: true` stands beside them",
        ),
        (
            "host: a b",
            "5:11: hops[2].sends.host: `a b` is not a host: write shop.internal or shop.internal:8080",
        ),
        (
            "scheme: https, server_name: 'a:8443'",
            "5:26: hops[2].sends.server_name: `a:8443` is not a server name: write it without a port",
        ),
        (
            "uri: cart",
            "5:11: hops[2].sends.uri: a path begins with `/` and is written as it is sent: \
             percent-encoded, without a `#`",
        ),
        ("drops: ['a b']", "5:19: hops[2].sends.drops[0]: `a b` is not the name of a header"),
        (
            "headers: {Host: b}",
            "5:21: hops[2].sends.headers.Host: the Host has a field of its own: write `host:` beside `headers:`",
        ),
        ("headers: {X-A: b, x-a: c}", "5:29: hops[2].sends.headers.x-a: this header stands here twice"),
    ] {
        assert_eq!(third(&format!("- name: a\n  sends: {{{sends}}}")), format!("road.yaml:{expected}"));
    }
}

#[test]
fn sources_are_one_thing_each() {
    for (source, expected) in [
        ("kind: error_log", "6:13: hops[2].sources[0]: a source has one of `file`, `command` and `api`"),
        ("kind: errorlog, file: /x", "6:14: hops[2].sources[0].kind: did you mean `error_log`?"),
        (
            "kind: error_log, file: x.log",
            "6:31: hops[2].sources[0].file: it is read at the vantage, so write it from `/` on",
        ),
        (
            "kind: error_log, command: []",
            "6:31: hops[2].sources[0].command: a command is a program and its arguments, at most 64 words",
        ),
        (
            "kind: error_log, api: 'ftp://x/'",
            "6:31: hops[2].sources[0].api: `ftp` in `ftp://x/` is neither http nor https",
        ),
    ] {
        let text =
            format!("- name: a\n  vantage: here\n  sources: [{{{source}}}]\nvantages: {{here: local}}\n");
        assert_eq!(third(&text), format!("road.yaml:{expected}"));
    }
}

#[test]
fn the_request_must_be_one_that_can_be_sent() {
    for (request, expected) in [
        ("url: 'ftp://a/'", "4:11: request.url: `ftp` in `ftp://a/` is neither http nor https"),
        (
            "method: 'G T'",
            "4:11: request.method: `G T` is not a method: letters, digits and !#$%&'*+-.^_`|~ only",
        ),
        ("max_time: 0", "4:11: request.max_time: a request needs some time: write 10s"),
        ("max_redirects: 51", "4:11: request.max_redirects: at most 50 redirects are followed"),
        (
            "expect: {status: 999999}",
            "4:28: request.expect.status: `999999` is not a status: write 200, 2xx or 200-299",
        ),
    ] {
        assert_eq!(said(&format!("{TWO}request: {{{request}}}\n")), format!("road.yaml:{expected}"));
    }
}

#[test]
fn a_place_far_away_reads_nothing_and_is_no_client() {
    let far = "vantages: {far: {command: [ssh, edge, reqpath]}, here: local}\n";
    let source = "kind: error_log, file: /e";
    assert_eq!(
        third(&format!("- {{name: a, vantage: far, sources: [{{{source}}}]}}\n{far}")),
        "road.yaml:4:37: hops[2].sources[0]: nothing is read at a place far away: give the source another vantage, \
         as with `vantage: here` and a `command` that reads it from here"
    );
    assert!(
        said(&format!("hops: [{{name: client, vantage: far}}, {{name: edge}}]\n{far}"))
            .contains("hops[0].vantage: it is far away")
    );
    let text = format!("{TWO}- {{name: a, vantage: far, sources: [{{{source}, vantage: here}}]}}\n{far}");
    assert!(PathFile::parse("road.yaml", &text, &Nothing).is_ok());
}
