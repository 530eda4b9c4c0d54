//! What a scenario refuses: mistakes in a file, faults that are not there, verdicts that are not as expected.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use async_trait::async_trait;
use reqpath_core::{Cause, Contact, Context, Error, Left, Path, Pipeline, Stage, Subject, Target};
use reqpath_stages::{client, dns, http, tcp, tls};
use reqpath_testkit::scenario::{Needed, RunError, Scenario};

const HEALTHY: &str = r#"summary = "x"
[topology]
zone = [{ origin = "shop.test", names = { www = ["web"] } }]
server = [{ name = "web" }]
[trace]
url = "http://www.shop.test/"
[expected]
kind = "reached"
"#;

/// The healthy scenario with another end, and something before it.
fn text(before: &str, fault: &str, expected: &str) -> String {
    let (head, _) = HEALTHY.split_once("[trace]").unwrap();
    format!("{before}{head}{fault}\n[trace]\nurl = \"http://www.shop.test/\"\n[expected]\n{expected}\n")
}

fn scenario(text: &str) -> Scenario {
    Scenario::parse("x.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(text: &str, at: &str, says: &str) {
    let error = match Scenario::parse("x.toml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    };
    assert!(error.starts_with(&format!("x.toml:{at}: ")), "expected {at} in `{error}`");
    assert!(error.contains(says), "expected `{says}` in `{error}`");
}

#[test]
fn mistakes_are_told_by_line_field_and_suggestion() {
    scenario(HEALTHY);
    refused(&HEALTHY.replace("summary", "sumary"), "1: sumary", "did you mean `summary`?");
    refused(
        &text("", "[[fault]]\ntcp = \"refues\"", "kind = 'reached'"),
        "6: fault.tcp",
        "did you mean `refuse`?",
    );
    refused(&HEALTHY.replace("[\"web\"]", "[\"wbe\"]"), "3: topology.zone", "did you mean `web`?");
    refused(&HEALTHY.replace("reached", "dead"), "8: expected.kind", "`reached`, `died`");
    refused(&HEALTHY.replace("http://www", "gopher://www"), "6: trace.url", "");
    refused(&format!("fakes = false\n{HEALTHY}"), "1: fakes", "add `reason");
    refused(&format!("fakes = false\nlab = false\nreason = 'x'\n{HEALTHY}"), "1: fakes", "nowhere");
    refused(&format!("reason = 'x'\n{HEALTHY}"), "1: reason", "for nothing");
    refused(&format!("{HEALTHY}code = 'tcp.refused'\n"), "8: expected.kind", "a code belongs");
    refused(&format!("{HEALTHY}without = 'tcp.refused'\n"), "9: expected.without", "requires =");
    let fault = |fault: &str| text("", &format!("[[fault]]\n{fault}"), "kind = 'reached'");
    refused(&fault("tcp = 'drop'\ndns = 'drop'"), "5: fault", "one `[[fault]]` for each");
    refused(&fault("server = 'web'"), "5: fault", "is one of");
    refused(&fault("tls = 'expired'"), "5: fault", "certificate");
    refused(&fault("http = 'status'"), "5: fault", "`status`");
    refused(&fault("http = 'empty'\nstatus = 500"), "7: fault.status", "only");
    refused(&fault("tcp = 'drop'\nserver = 'web2'"), "7: fault.server", "did you mean `web`?");
    refused(&fault("tcp = 'unreachable'\nevery = 3"), "7: fault.every", "nth");
    refused(&fault("slow = '3 days'"), "6: fault.slow", "`1.5s`");
    refused(&fault("dns = 'nxdomain'\nname = 'www.other.test'"), "5: fault", "in no zone");
    let elsewhere = HEALTHY.replace("name = \"web\"", "name = \"web\", addresses = [\"10.0.0.1\"]");
    refused(&elsewhere, "4: topology.server", "192.0.2.0/24");
    let twice = HEALTHY.replace("{ name = \"web\" }", "{ name = \"web\" }, { name = \"web\" }");
    refused(&twice, "4: topology.server", "taken");
    refused(
        &HEALTHY.replace("{ name = \"web\" }", "{ name = \"edge\" }").replace("[\"web\"]", "[\"edge\"]"),
        "4: topology.server",
        "taken",
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Scenario::load("no/such.toml").unwrap_err();
    assert_eq!(error.to_string(), "no/such.toml cannot be read");
}

#[tokio::test]
async fn a_fault_that_is_not_there_is_no_fault_whatever_the_verdict() {
    // The verdict would be as expected: the port is closed. But nobody is silent.
    let faults = "[[fault]]\ntcp = 'refuse'\n[[fault]]\nhttp = 'silent'\n";
    let expected = "kind = 'died'\ncode = 'tcp.refused'";
    let error = scenario(&text("", faults, expected)).run_on_fakes().await.unwrap_err();
    assert!(matches!(error, RunError::FaultNotThere { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("the fault was not there: http Silent, but 192.0.2.10:80: connection refused"),
        "{error}"
    );
}

#[tokio::test]
async fn a_fault_that_the_trace_never_comes_to_is_told() {
    let faults = "[[fault]]\ndns = 'nxdomain'\n[[fault]]\ntcp = 'refuse'\nserver = 'web'\n";
    let expected = "kind = 'died'\ncode = 'dns.name_not_resolved'";
    let error = scenario(&text("", faults, expected)).run_on_fakes().await.unwrap_err();
    assert!(error.to_string().contains("tcp Refuse: the trace never came to it"), "{error}");
    // And the other way round.
    let faults = "[[fault]]\ntcp = 'refuse'\nmet = false\n";
    let expected = "kind = 'died'\ncode = 'tcp.refused'";
    let error = scenario(&text("", faults, expected)).run_on_fakes().await.unwrap_err();
    assert!(matches!(error, RunError::FaultNotMet { .. }), "{error}");
}

#[tokio::test]
async fn every_difference_is_listed_with_the_report() {
    let expected = "kind = 'degraded'\ncode = 'tcp.timed_out'\nat = 'client'\nchain = ['tcp.timed_out']\n\
                    also = ['http.error']\nwarnings = ['dns.dead_address']\nnot_blamed = ['tcp.refused']";
    let wrong = scenario(&text("", "[[fault]]\ntcp = 'refuse'", expected));
    let error = wrong.run_on_fakes().await.unwrap_err();
    let RunError::NotAsExpected { differences, .. } = &error else { panic!("{error}") };
    let of: Vec<&str> = differences.iter().map(|difference| difference.of).collect();
    assert_eq!(of, ["kind", "code", "at", "chain", "also", "warnings", "not_blamed"]);
    assert!(error.to_string().contains("code: expected tcp.timed_out, found tcp.refused"), "{error}");
    assert!(error.to_string().contains("tcp.attempt"), "{error}");
}

#[tokio::test]
async fn a_code_that_is_misspelt_is_a_mistake_in_the_file() {
    let expected = "kind = 'died'\ncode = 'tcp.refused'\nnot_blamed = ['tcp.timedout']";
    let error = scenario(&text("", "[[fault]]\ntcp = 'refuse'", expected)).run_on_fakes().await.unwrap_err();
    assert!(error.to_string().starts_with("x.toml:12: expected.not_blamed: "), "{error}");
    assert!(error.to_string().ends_with("did you mean `tcp.timed_out`?"), "{error}");
}

#[tokio::test]
async fn where_it_is_not_played_it_says_why() {
    let text = format!("fakes = false\nreason = 'it takes a kernel'\n{HEALTHY}");
    let error = scenario(&text).run_on_fakes().await.unwrap_err();
    assert_eq!(error.to_string(), "`x` is not played on fakes: it takes a kernel");
    assert!(!error.is_missing());
}

#[tokio::test]
async fn two_verdicts_are_compared_word_by_word() {
    let refused = scenario(&text("", "[[fault]]\ntcp = 'refuse'", "kind = 'died'\ncode = 'tcp.refused'"));
    let (healthy, dead) =
        (scenario(HEALTHY).run_on_fakes().await.unwrap(), refused.run_on_fakes().await.unwrap());
    refused.agree(&dead, &dead).unwrap();
    let error = refused.agree(&healthy, &dead).unwrap_err();
    assert!(error.to_string().contains("kind: expected reached, found died"), "{error}");
    assert_eq!(
        dead.observed[0].to_string(),
        format!("tcp Refuse: 192.0.2.10:80: connection refused; met {} times", dead.observed[0].met.unwrap())
    );
}

/// The same on the lab, where rules of the router count and plain sockets look.
#[cfg(target_os = "linux")]
#[test]
fn the_lab_is_as_strict() {
    reqpath_testkit::lab::rootless(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let play = |faults: &str, code: &str| {
            let expected = format!("kind = 'died'\ncode = '{code}'");
            match runtime.block_on(scenario(&text("", faults, &expected)).run_on_lab()) {
                Err(RunError::Lab(error)) => {
                    reqpath_testkit::lab::or_skip::<()>(Err(error));
                    None
                }
                other => Some(other.unwrap_err()),
            }
        };
        let not_there = "[[fault]]\ntcp = 'refuse'\n[[fault]]\nhttp = 'silent'\n";
        let Some(error) = play(not_there, "tcp.refused") else { return };
        assert!(matches!(error, RunError::FaultNotThere { .. }), "{error}");
        let not_met = "[[fault]]\ndns = 'nxdomain'\n[[fault]]\ntcp = 'refuse'\nserver = 'web'\n";
        let Some(error) = play(not_met, "dns.name_not_resolved") else { return };
        assert!(error.to_string().contains("tcp Refuse: the trace never came to it"), "{error}");
        let Some(error) = play("[[fault]]\ntcp = 'refuse'\nmet = false\n", "tcp.refused") else { return };
        assert!(matches!(error, RunError::FaultNotMet { .. }), "{error}");
        let Some(error) = play("[[fault]]\ntcp = 'refuse'\n", "tcp.timed_out") else { return };
        assert!(error.to_string().contains("on the lab: not as expected"), "{error}");
    });
}

/// A stage that would look at the node, and sees nothing.
#[derive(Debug)]
struct Node;

#[async_trait]
impl Stage for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn causes(&self) -> &[&'static Cause] {
        &[]
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }

    async fn run(&self, _: &Subject, _: &Context) -> Result<Left, Error> {
        Ok(Left::Alive)
    }
}

#[tokio::test]
async fn a_stage_that_is_required_makes_all_the_difference() {
    let expected = "kind = 'died'\ncode = 'node.on_fire'\nat = 'server'\nwithout = 'tcp.refused'";
    let needy = scenario(&text("requires = ['node']\n", "[[fault]]\ntcp = 'refuse'", expected));
    // Without it: the leg's own code.
    let ran = needy.run_on_fakes().await.unwrap();
    assert_eq!(ran.missing, [Needed::Node]);
    // Without it, and another code of the leg.
    let expected = expected.replace("'tcp.refused'", "'tcp.timed_out'");
    let other = scenario(&text("requires = ['node']\n", "[[fault]]\ntcp = 'refuse'", &expected));
    let error = other.run_on_fakes().await.unwrap_err();
    assert!(
        error.to_string().contains("code (without): expected tcp.timed_out, found tcp.refused"),
        "{error}"
    );
    // Without it, and no code of the leg: only `unknown` would do.
    let expected = "kind = 'died'\ncode = 'node.on_fire'";
    let unknown = scenario(&text("requires = ['node']\n", "[[fault]]\ntcp = 'refuse'", expected));
    let error = unknown.run_on_fakes().await.unwrap_err();
    assert!(error.to_string().contains("kind: expected unknown, found died"), "{error}");
    // With it, the cause itself is expected: here one that nobody has.
    let with = needy.pipeline(|road| {
        let pipeline =
            Pipeline::builder().stage(client::Client::new(road.client)).stage(dns::Dns::new(road.dns));
        let pipeline = pipeline.stage(tcp::Tcp::new(road.tcp)).stage(Node).stage(tls::Tls::new(road.tls)?);
        Ok(pipeline.stage(http::Http::new(road.http)).build()?)
    });
    let error = with.run_on_fakes().await.unwrap_err();
    assert!(error.to_string().contains("no stage of this pipeline has a cause `node.on_fire`"), "{error}");
}
