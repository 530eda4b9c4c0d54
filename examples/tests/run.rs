//! Every example is run as a newcomer runs it, and does what it says.
#![allow(clippy::expect_used, reason = "a failed expectation is the message")]

use std::process::Command;

fn says(program: &str) -> String {
    let output = Command::new(program).output().expect("the example starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn embed_names_the_broken_promise() {
    let said = says(env!("CARGO_BIN_EXE_embed"));
    assert!(said.contains("page whoever owns server") && said.contains("response.truncated"), "{said}");
}

#[test]
fn a_stage_of_ones_own_names_its_cause() {
    let said = says(env!("CARGO_BIN_EXE_custom_stage"));
    assert!(said.contains("acme.not_deployed"), "{said}");
}

#[test]
fn the_health_checker_tells_three_targets_apart() {
    let said = says(env!("CARGO_BIN_EXE_health_checker"));
    let kinds: Vec<&str> = said.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(kinds, ["reached", "died", "died"], "{said}");
    assert!(said.contains("[http.error]") && said.contains("[tcp.refused]"), "{said}");
}
