//! The whole road: through every part and back, quickly up, quickly down, and nothing left.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of a test fails as the test does")]

use std::time::{Duration, Instant};

use reqpath_testkit::lab::{self, WholeRoad};

#[test]
fn first() {
    for _ in 0..3 {
        let start = Instant::now();
        let Some(road) = lab::or_skip(WholeRoad::lab()) else { return };
        println!("up in {:?}", start.elapsed());
        for option in ["-4", "-6"] {
            let curl =
                road.client.command("curl").args(["-sS", option, "--max-time", "20"]).arg(road.url("/db"));
            let output = curl.output().unwrap();
            println!("{output:?}");
        }
        println!("{}", road.edge.access_log().text());
        println!("{}", road.gateway.as_ref().unwrap().access_log().text());
        let start = Instant::now();
        drop(road);
        println!("down in {:?}", start.elapsed());
    }
    let _ = Duration::ZERO;
}
