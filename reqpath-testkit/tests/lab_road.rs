//! The whole road: through every part and back, quickly up, quickly down, and nothing left.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of a test fails as the test does")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{PoisonError, RwLock, RwLockReadGuard},
    thread,
    time::{Duration, Instant},
};

use reqpath_core::{Report, Target, Trace};
use reqpath_stages::Road;
use reqpath_testkit::lab::{
    self, Error, Filter, Rejection, WholeRoad, road::RoadBuilder, road::TrafficPolicy,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever measures how long something takes has it alone, of the tests of this file.
static PROCESSOR: RwLock<()> = RwLock::new(());

fn beside() -> RwLockReadGuard<'static, ()> {
    PROCESSOR.read().unwrap_or_else(PoisonError::into_inner)
}

fn build(road: RoadBuilder) -> Option<WholeRoad> {
    let road = lab::or_skip(road.build())?;
    let curl = road.client.command("curl").arg("--version").output();
    let missing = |_| Error::Missing { program: "curl".to_owned(), package: "curl".to_owned() };
    lab::or_skip(curl.map_err(missing))?;
    Some(road)
}

/// The status and the body of an answer, as curl in the client host gets them.
fn curl(road: &WholeRoad, options: &[&str], path: &str) -> (u16, Value) {
    let format = ["-sS", "--max-time", "20", "--write-out", "\n%{http_code}"];
    let output = road.client.command("curl").args(format).args(options).arg(road.url(path)).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    let body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
    (status.parse().unwrap(), body)
}

fn ip(text: &Value) -> IpAddr {
    text.as_str().unwrap().parse().unwrap()
}

#[test]
fn a_request_goes_through_every_part_to_the_database_and_back() {
    lab::rootless(|| {
        let _beside = beside();
        let Some(road) = build(WholeRoad::builder()) else { return };
        let gateway = road.gateway.as_ref().unwrap();
        for (number, family) in ["-4", "-6"].into_iter().enumerate() {
            let id = format!("request-{}", fastrand::u32(..));
            let header = format!("X-Request-Id: {id}");
            let (status, body) = curl(&road, &[family, "-H", &header], "/db");
            assert_eq!((status, &body["cents"]), (200, &Value::from(199)), "{body}");

            // Each part tells of it in its own words.
            let of_this = |line: &str| line.contains(&id);
            let at_edge = road.edge.access_log().wait_for(PATIENCE, of_this).unwrap();
            let client: IpAddr =
                if number == 0 { road.client.ipv4().into() } else { road.client.ipv6().into() };
            assert!(at_edge.starts_with(&format!("{client} ")), "{at_edge}");
            assert!(at_edge.contains(":8080\" upstream_status=\"200\""), "{at_edge}");
            let at_gateway = gateway.access_log().wait_for(PATIENCE, of_this).unwrap();
            assert!(at_gateway.contains(":30080\" upstream_status=\"200\""), "{at_gateway}");
            let served: Vec<_> = road.pods.iter().flat_map(|pod| pod.application.served()).collect();
            let served: Vec<_> = served.iter().filter(|one| one.request_id.as_deref() == Some(&id)).collect();
            assert_eq!(served.len(), 1);
            let is_of_a_node = |ip| road.nodes.iter().any(|node| node.host.ips().any(|own| own == ip));
            assert!(is_of_a_node(served[0].peer.ip()), "the source is a node's own: {served:?}");
            assert_eq!(served[0].status, 200);
            assert!(is_of_a_node(ip(&body["seen_by_database"])), "a Pod leaves as its node: {body}");
            assert!(road.database.host.ips().any(|own| own == ip(&body["database"])), "{body}");
        }
        let logged = road.database.postgres.log().text();
        assert!(
            logged.matches("connection authorized: user=application database=postgres").count() == 2,
            "{logged}"
        );
        let connections: u64 = road.nodes.iter().map(|node| node.connections().unwrap()).sum();
        assert_eq!(connections, 2);
        assert!(road.nodes.iter().map(|node| node.masqueraded().unwrap()).sum::<u64>() >= 2);

        // Nobody gets around the proxies.
        let around = format!("http://{}/", road.nodes[0].node_port());
        let curl = road.client.command("curl").args(["-s", "--max-time", "5", &around]).status().unwrap();
        assert!(!curl.success());
    });
}

#[test]
fn the_pipeline_reaches_the_database_from_the_client() {
    lab::rootless(|| {
        let _beside = beside();
        let Some(road) = build(WholeRoad::builder()) else { return };
        let pipeline = Road::new().pipeline().unwrap();
        let trace = |path: &str| {
            let target = Target::builder(&road.url(path)).unwrap().max_time(PATIENCE).build();
            road.client.trace(&pipeline, Trace::new(target, road.client.vantage())).unwrap()
        };
        let kind = |report: &Report| report.verdict.as_ref().unwrap().kind();
        let report = trace("/db");
        assert_eq!(kind(&report), "reached", "{report:#?}");
        assert!(report.errors.is_empty(), "{report:#?}");
        assert!(report.findings.is_empty(), "a healthy road has no findings: {report:#?}");
        let id = report.request_id.as_str();
        assert!(road.edge.access_log().wait_for(PATIENCE, |line| line.contains(id)).is_some());
        let mut served = road.pods.iter().flat_map(|pod| pod.application.served());
        assert!(served.any(|one| one.request_id.as_deref() == Some(id)));

        // The database refuses: the application says so, and nobody else is hurt.
        let refusal = Filter::incoming().tcp_port(5432).opening().reject(Rejection::TcpReset);
        let fault = road.database.host.impose(&refusal).unwrap();
        let report = trace("/db");
        assert_eq!(kind(&report), "died", "{report:#?}");
        assert!(fault.packets().unwrap() > 0);
        assert_eq!(curl(&road, &[], "/db").0, 503);
        assert_eq!(kind(&trace("/")), "reached");
        fault.lift().unwrap();
        assert_eq!(kind(&trace("/db")), "reached");
    });
}

/// Which Pods answered how often, of so many requests.
fn spread(road: &WholeRoad, requests: usize) -> Vec<usize> {
    for _ in 0..requests {
        assert_eq!(curl(road, &[], "/").0, 200);
    }
    road.pods.iter().map(|pod| pod.application.served().len()).collect()
}

#[test]
fn cluster_hides_the_source_and_spreads_over_all_pods() {
    lab::rootless(|| {
        let _beside = beside();
        let Some(road) = build(WholeRoad::builder().nodes(3).without_ipv6()) else { return };
        assert_eq!((road.nodes.len(), road.pods.len()), (3, 3));
        // None of three stays out of sixty but once in ten thousand million.
        let spread = spread(&road, 60);
        assert!(spread.iter().all(|served| *served > 0) && spread.iter().sum::<usize>() == 60, "{spread:?}");
        let counted: Vec<u64> = road.nodes.iter().map(|node| node.connections().unwrap()).collect();
        // nginx takes its upstreams by turns.
        assert_eq!(counted, [20, 20, 20]);
        let gateway = &road.gateway.as_ref().unwrap().host;
        for served in road.pods.iter().flat_map(|pod| pod.application.served()) {
            assert!(gateway.ips().all(|ip| ip != served.peer.ip()), "{served:?}");
        }
    });
}

#[test]
fn local_keeps_the_source_and_the_own_pod() {
    lab::rootless(|| {
        let _beside = beside();
        let road = WholeRoad::builder().traffic_policy(TrafficPolicy::Local).without_ipv6();
        let Some(road) = build(road) else { return };
        assert_eq!(
            spread(&road, 10),
            [5, 5],
            "each node hands on to its own Pod, and gets every other request"
        );
        let gateway = road.gateway.as_ref().unwrap().host.ipv4();
        for served in road.pods.iter().flat_map(|pod| pod.application.served()) {
            assert_eq!(served.peer.ip(), gateway);
        }
    });
}

#[test]
fn a_short_road_has_no_gateway_and_one_node() {
    lab::rootless(|| {
        let _beside = beside();
        let road = WholeRoad::builder().nodes(1).without_gateway().without_ipv6();
        let Some(road) = build(road.edge_directives("proxy_connect_timeout 2s;")) else { return };
        assert!(road.gateway.is_none());
        assert_eq!(curl(&road, &[], "/db").0, 200);
        let line = road.edge.access_log().wait_for(PATIENCE, |line| line.contains("/db")).unwrap();
        assert!(line.contains(&format!("upstream=\"{}\"", road.nodes[0].node_port())), "{line}");
        let direct = format!("http://{}/", road.pods[0].address());
        let inside =
            road.edge.host.command("curl").args(["-sS", "--max-time", "10", &direct]).output().unwrap();
        assert!(inside.status.success(), "{inside:?}");

        // A silent NodePort becomes the edge's 504.
        let silence = Filter::incoming().opening().drop();
        let silence = silence.to(format!("{}/32", road.pods[0].host.ipv4()));
        road.pods[0].host.impose(&silence).unwrap();
        assert_eq!(curl(&road, &[], "/").0, 504);
        let refused =
            road.edge.error_log().wait_for(PATIENCE, |line| line.contains("110: Connection timed out"));
        assert!(refused.is_some(), "{}", road.edge.error_log().text());
    });
}

#[test]
fn ten_roads_at_once_do_not_meet() {
    lab::rootless(|| {
        let _beside = beside();
        if build(WholeRoad::builder()).is_none() {
            return;
        }
        let roads: Vec<WholeRoad> = thread::scope(|scope| {
            let building: Vec<_> = (0..10).map(|_| scope.spawn(|| WholeRoad::lab().unwrap())).collect();
            building.into_iter().map(|road| road.join().unwrap()).collect()
        });
        // The same names and addresses in all of them, and another price in each.
        for (number, road) in roads.iter().enumerate() {
            road.database.postgres.sql(&format!("UPDATE prices SET cents = {number}")).unwrap();
        }
        thread::scope(|scope| {
            for (number, road) in roads.iter().enumerate() {
                scope.spawn(move || {
                    for _ in 0..5 {
                        let (status, body) = curl(road, &[], "/db");
                        assert_eq!((status, &body["cents"]), (200, &Value::from(number)), "{body}");
                    }
                });
            }
        });
        for road in &roads {
            assert_eq!(road.pods.iter().map(|pod| pod.application.served().len()).sum::<usize>(), 5);
            assert_eq!(road.nodes.iter().map(|node| node.connections().unwrap()).sum::<u64>(), 5);
        }
    });
}

#[test]
fn a_road_is_quick_to_build_and_to_take_down() {
    lab::rootless(|| {
        let _alone = PROCESSOR.write().unwrap_or_else(PoisonError::into_inner);
        // The best of five: others may be using the processor.
        let mut best = [Duration::MAX; 2];
        for _ in 0..5 {
            let start = Instant::now();
            let Some(road) = build(WholeRoad::builder()) else { return };
            let built = start.elapsed();
            assert_eq!(curl(&road, &[], "/db").0, 200);
            let start = Instant::now();
            drop(road);
            let down = start.elapsed();
            println!("built in {built:?}, taken down in {down:?}");
            best = [best[0].min(built), best[1].min(down)];
        }
        assert!(best[0] < Duration::from_secs(3), "{best:?}");
        assert!(best[1] < Duration::from_secs(1), "{best:?}");
    });
}

const CHILD: &str = "REQPATH_LAB_ROAD_CHILD";

/// Not a test: what the killed copy of this program does.
#[test]
#[ignore = "it is run by the other tests of this file, in a process of its own"]
fn child() {
    let Some(how) = env::var_os(CHILD) else { return };
    let Some(road) = build(WholeRoad::builder()) else { return };
    let pids = [road.edge.nginx.pid(), road.gateway.as_ref().unwrap().nginx.pid(), road.dns.knot.pid()];
    for pid in pids.into_iter().chain([road.database.postgres.pid()]) {
        println!("\nROAD pid {pid}");
    }
    println!("\nROAD ready");
    if how == "drop" {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        drop(road);
        println!("\nROAD over");
    }
    loop {
        thread::park();
    }
}

/// A copy of this program that holds a road.
struct Copy {
    process: Child,
    said: BufReader<std::process::ChildStdout>,
    namespaces: Vec<PathBuf>,
}

impl Copy {
    fn start(how: &str, temporary: &Path) -> Option<Self> {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(CHILD, how)
            .env("TMPDIR", temporary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut namespaces = Vec::new();
        let mut line = String::new();
        while said.read_line(&mut line).unwrap() > 0 {
            if let Some(pid) = line.trim_end().strip_prefix("ROAD pid ") {
                namespaces.push(fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap());
            } else if line.trim_end() == "ROAD ready" {
                return Some(Self { process, said, namespaces });
            }
            line.clear();
        }
        // It skipped, with its reason on standard error, or failed.
        assert!(process.wait().unwrap().success());
        None
    }

    /// Processes that are in a host of the road.
    fn left(&self) -> usize {
        let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        all.filter(|process| {
            fs::read_link(process.join("ns/pid")).is_ok_and(|found| self.namespaces.contains(&found))
        })
        .count()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        thread::yield_now();
    }
}

#[test]
fn nothing_is_left_after_kill_9() {
    lab::rootless(|| {
        let _beside = beside();
        let temporary = tempfile::tempdir().unwrap();
        // Servers that run as another user have to get through.
        open(temporary.path());
        let Some(mut copy) = Copy::start("kill", temporary.path()) else { return };
        assert_eq!(copy.namespaces.len(), 4);
        assert!(copy.left() > 8, "nginx, knot and postgres, each under its shell");
        copy.process.kill().unwrap();
        copy.process.wait().unwrap();
        eventually("every process is gone", || copy.left() == 0);
        eventually("the directories are gone", || fs::read_dir(temporary.path()).unwrap().count() == 0);
    });
}

#[test]
fn nothing_is_left_after_a_drop() {
    lab::rootless(|| {
        let _beside = beside();
        let temporary = tempfile::tempdir().unwrap();
        open(temporary.path());
        let Some(mut copy) = Copy::start("drop", temporary.path()) else { return };
        assert!(copy.left() > 8);
        assert!(fs::read_dir(temporary.path()).unwrap().count() > 0);
        drop(copy.process.stdin.take());
        let over = |line: std::io::Result<String>| line.unwrap() == "ROAD over";
        assert!(copy.said.by_ref().lines().any(over));
        // The drop has waited for the servers; a shell that watched one may still be on its way out.
        eventually("every process is gone", || copy.left() == 0);
        let left: Vec<_> =
            fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

fn open(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o711)).unwrap();
}
