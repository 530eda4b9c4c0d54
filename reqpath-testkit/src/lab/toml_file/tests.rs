use super::*;

/// Everything that can be said, in the order in which it is not sorted.
const ALL: &str = r#"
switches = ["lan"]

[hosts.zebra]
without_routes = true
nameservers = ["edge", "192.0.2.53"]
resolv_conf = "search shop.test\noptions ndots:2"
knows = { "shop.test" = "alpha", "db.test" = "198.51.100.1" }
environment = { LANG = "C", NUMBER = 7 }
sysctls = { "net.ipv4.tcp_syn_retries" = 2, "net.ipv6.conf.all.hop_limit" = "9" }
routes = { "203.0.113.0/24" = "edge" }
rules = ["table inet one { }", "table inet two { }"]

[hosts.edge]
router = true

[hosts.edge.filters.closed]
packets = "forwarded"
tcp_port = 8080
opening = true
from = "10.0.0.0/8"
to = "192.0.2.0/24"
action = { reject = "admin-prohibited" }

[hosts.edge.filters.lossy]
packets = "incoming"
udp_port = 53
action = { lose_percent = 20 }

[hosts.alpha.filters.silent]
packets = "outgoing"
action = "drop"

[hosts.alpha.programs.web]
command = ["serve", "--port", "80"]
environment = { A = "b" }
ready = { listens = 80 }

[hosts.alpha.programs.init]
command = ["init"]
ready = "ends"

[[links]]
between = ["zebra", "lan"]
lose_percent = 3

[[links]]
between = ["edge", "lan"]
addresses = { edge = ["10.7.0.1/24", "fd00:7::1/64"] }

[[links]]
between = ["edge", "alpha"]
mtu = 1400
delay = "1.5ms"
addresses = { alpha = "172.16.0.9/24" }
"#;

fn all() -> LabBuilder {
    let zebra = HostSpec::new("zebra")
        .without_routes()
        .nameserver("edge")
        .nameserver("192.0.2.53")
        .resolv_conf("search shop.test\noptions ndots:2")
        .knows("shop.test", "alpha")
        .knows("db.test", "198.51.100.1")
        .env("LANG", "C")
        .env("NUMBER", "7")
        .sysctl("net.ipv4.tcp_syn_retries", "2")
        .sysctl("net.ipv6.conf.all.hop_limit", "9")
        .route("203.0.113.0/24", "edge")
        .rules("table inet one { }")
        .rules("table inet two { }");
    let closed = Filter::forwarded().tcp_port(8080).opening().from("10.0.0.0/8").to("192.0.2.0/24");
    let edge = HostSpec::new("edge")
        .router()
        .filter("closed", closed.reject(Rejection::AdminProhibited))
        .filter("lossy", Filter::incoming().udp_port(53).lose_percent(20));
    let alpha = HostSpec::new("alpha")
        .filter("silent", Filter::outgoing().drop())
        .program(Program::new("web", ["serve", "--port", "80"]).env("A", "b").ready(Ready::Listens(80)))
        .program(Program::new("init", ["init"]).ready(Ready::Ends));
    Lab::builder()
        .host(zebra)
        .host(edge)
        .host(alpha)
        .switch("lan")
        .connect(Link::between("zebra", "lan").lose_percent(3))
        .connect(Link::between("edge", "lan").address("edge", "10.7.0.1/24").address("edge", "fd00:7::1/64"))
        .connect(
            Link::between("edge", "alpha")
                .mtu(1400)
                .delay(Duration::from_micros(1500))
                .address("alpha", "172.16.0.9/24"),
        )
}

#[test]
fn a_file_and_the_builder_make_the_same_lab() {
    let read = Lab::from_toml(ALL).unwrap();
    assert_eq!(read, all());
    assert_eq!(Plan::of(&read).unwrap(), Plan::of(&all()).unwrap());
    let without = Lab::from_toml("ipv6 = false\n[hosts.a]\n").unwrap();
    assert_eq!(without, Lab::builder().host("a").without_ipv6());
    assert_eq!(Lab::from_toml("").unwrap(), Lab::builder());
}

#[test]
fn a_file_can_be_part_of_a_larger_one() {
    #[derive(Deserialize)]
    struct Larger {
        lab: LabFile,
    }
    let text = "name = 'x'\n[lab.hosts.a]\n[[lab.links]]\nbetween = ['a', 'b']\n";
    let larger: Larger = toml::from_str(text).unwrap();
    let error = larger.lab.builder(text).unwrap_err();
    assert_eq!((error.line(), error.field()), (Some(4), "[[lab.links]] between"));
}

/// The line, and what else the message has to have in it.
#[track_caller]
fn wrong(text: &str, line: usize, says: &[&str]) {
    let error = Lab::from_toml(text).unwrap_err();
    let told = error.to_string();
    assert_eq!(error.line(), Some(line), "{told}");
    for word in says {
        assert!(told.contains(word), "`{word}` is not in: {told}");
    }
}

#[test]
fn mistakes_have_a_line_a_field_and_a_suggestion() {
    wrong("switch = ['lan']\n", 1, &["unknown field `switch`", "did you mean `switches`?"]);
    wrong(
        "[hosts.client]\n\nnameserver = ['a']\n",
        3,
        &["[hosts.client] nameserver", "did you mean `nameservers`?"],
    );
    wrong("[[links]]\nbetween = ['a', 'b']\nmtv = 9\n", 3, &["[[links]] mtv", "did you mean `mtu`?"]);
    wrong("[[links]]\nmtu = 9\n", 1, &["missing field `between`", "[[links]]"]);
    wrong("[[links]]\nbetween = ['a']\n", 2, &["between"]);
    wrong("[hosts.a]\nrouter = 'yes'\n", 2, &["expected a boolean", "router"]);
    wrong("[hosts.a]\n[hosts.a]\n", 2, &["duplicate key"]);
    wrong("[hosts.a\n", 1, &[]);
    let filter = "[hosts.a.filters.f]\npackets = 'incoming'\n";
    wrong(
        &format!("{filter}action = {{ reject = 'tcp-rst' }}\n"),
        3,
        &["unknown variant `tcp-rst`", "did you mean `tcp-reset`?"],
    );
    wrong("[hosts.a.filters.f]\npackets = 'incomming'\naction = 'drop'\n", 2, &["did you mean `incoming`?"]);
    wrong(&format!("{filter}tcp_port = 70000\naction = 'drop'\n"), 3, &["tcp_port"]);
    wrong("[hosts.a]\nsysctls = { net.ipv4.ip_forward = 1 }\n", 2, &["in quotes"]);
    wrong("[hosts.a.programs.p]\ncommand = ['x']\nready = 'end'\n", 3, &["did you mean `ends`?"]);
}

#[test]
fn labs_that_cannot_be_are_told_by_their_line_too() {
    let two = "[hosts.client]\n[hosts.server]\n[[links]]\n";
    wrong(
        &format!("{two}between = ['client', 'sever']\n"),
        4,
        &["there is no `sever`", "did you mean `server`?"],
    );
    wrong(&format!("{two}between = ['client', 'client']\n"), 4, &["linked to itself"]);
    wrong(
        &format!("{two}between = ['client', 'server']\naddresses = {{ server = '10.0.0.1' }}\n"),
        5,
        &["[[links]] addresses", "prefix length"],
    );
    wrong(
        &format!("{two}between = ['client', 'server']\ndelay = '20'\n"),
        5,
        &["[[links]] delay", "\"20ms\""],
    );
    wrong(&format!("{two}between = ['client', 'server']\nlose_percent = 0\n"), 4, &["1 to 100 percent"]);
    wrong("[hosts.'A b']\n", 1, &["no host name"]);
    wrong("switches = ['a']\n[hosts.a]\n", 1, &["described twice"]);
    wrong("[hosts.a]\nnameservers = ['b']\n[hosts.b]\n", 3, &["no address to reach `b`"]);
    wrong("[hosts.a]\nsysctls = { 'kernel.panic' = 1 }\n", 2, &["kernel.panic"]);
    wrong("[hosts.a]\nroutes = { '10.0.0.0/40' = '10.0.0.1' }\n", 2, &["10.0.0.0/40"]);
    wrong(
        "[hosts.a.filters.f]\npackets = 'incoming'\nudp_port = 1\ntcp_port = 1\naction = 'drop'\n",
        1,
        &["both TCP and UDP"],
    );
    wrong("[hosts.a.programs.p]\ncommand = []\n", 1, &["no command"]);
}

#[test]
fn durations_have_a_unit() {
    assert_eq!(duration("20ms"), Some(Duration::from_millis(20)));
    assert_eq!(duration("1.5 s"), Some(Duration::from_millis(1500)));
    for no in ["", "20", "ms", "-1s", "1h", "1e400s", "NaNs", "infs", "ü"] {
        assert_eq!(duration(no), None, "{no}");
    }
}
