//! PostgreSQL, MariaDB and Redis on a leash, used by their own client programs over TCP.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use reqpath_testkit::pki::Authority;
use reqpath_testkit::real::{MariaDb, Postgres, RealError, Redis, require};

const SOON: Duration = Duration::from_secs(10);

/// What a client program says, on both streams; the client comes with the server.
fn client(program: &str, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let output = Command::new(program).envs(environment.iter().copied()).args(arguments).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn psql(url: &str, query: &str) -> String {
    client("psql", &[("PGCONNECT_TIMEOUT", "10")], &["-XqAt", "-c", query, url])
}

fn mariadb(address: SocketAddr, arguments: &[&str]) -> String {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let connection = ["--no-defaults", "-NB", "--connect-timeout=10", "-h", &host, "-P", &port];
    client("mariadb", &[], &[&connection[..], arguments].concat())
}

fn redis_cli(address: SocketAddr, arguments: &[&str]) -> String {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    client("redis-cli", &[], &[&["-h", &host, "-p", &port], arguments].concat())
}

fn nobody(address: SocketAddr, room: &Path) {
    assert!(TcpStream::connect(address).is_err(), "somebody still listens on {address}");
    assert!(!room.exists(), "{} is left", room.display());
}

#[test]
fn postgres_serves_whom_it_was_given_and_goes() {
    let started = Postgres::builder()
        .user("app", "it's a \"secret\"/@")
        .database("the shop")
        .sql(
            "CREATE TABLE prices (cents int); INSERT INTO prices VALUES (199); GRANT SELECT ON prices TO app",
        )
        .setting("cluster_name", "it's set")
        .start();
    let Some(mut postgres) = require(started) else { return };
    let (address, room) = (postgres.address(), postgres.room().path().to_owned());

    assert_eq!(psql(&postgres.url(), "SELECT cents, current_user FROM prices"), "199|app\n");
    let stranger = postgres.url().replace("secret", "guess");
    assert!(psql(&stranger, "SELECT 1").contains("password authentication failed"), "{stranger}");
    let line = postgres.log().wait_for(SOON, |line| line.contains("password authentication failed"));
    assert!(line.is_some(), "{}", postgres.log().text());

    assert_eq!(postgres.sql("SHOW cluster_name").unwrap(), "it's set\n");
    assert_eq!(postgres.sql("SHOW fsync; SELECT current_database()").unwrap(), "off\nthe shop\n");
    let refused = postgres.sql("SELECT 1;\nSELEKT 2;\nSELECT 3").unwrap_err().to_string();
    assert!(refused.contains("SELEKT"), "{refused}");
    assert!(postgres.leash().is_running());

    // A client that stays does not keep it.
    let mut clinging = Command::new("psql");
    clinging.args(["-XqAt", "-c", "SELECT pg_sleep(600)"]).arg(postgres.url()).env("PGAPPNAME", "clinging");
    let mut clinging = clinging.stderr(std::process::Stdio::null()).spawn().unwrap();
    postgres.log().wait_for(SOON, |line| line.contains("application_name=clinging")).unwrap();
    let began = Instant::now();
    drop(postgres);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    clinging.wait().unwrap();
    nobody(address, &room);
}

#[test]
fn postgres_without_a_user_lets_everybody_in_and_rules_are_followed() {
    let Some(open) = require(Postgres::builder().start()) else { return };
    assert_eq!(psql(&open.url(), "SELECT 1"), "1\n");
    let closed = Postgres::builder().rule("host all all all reject").start().unwrap();
    assert!(psql(&closed.url(), "SELECT 1").contains("pg_hba.conf rejects connection"));
    assert_eq!(closed.sql("SELECT 1").unwrap(), "1\n");
}

#[test]
fn every_postgres_is_a_copy_of_one_that_was_prepared_once() {
    let identity = || {
        let postgres = require(Postgres::builder().start())?;
        Some(postgres.sql("SELECT system_identifier FROM pg_control_system()").unwrap())
    };
    let Some(first) = identity() else { return };
    assert_eq!(identity(), Some(first));
}

#[test]
fn postgres_speaks_tls_and_asks_for_client_certificates() {
    let root = Authority::new().unwrap();
    let leaf = root.leaf("db.shop.test").also_for("127.0.0.1").issue().unwrap();
    let robot = root.client("robot").issue().unwrap();
    let started = Postgres::builder()
        .certificate(leaf.chain_pem(), leaf.key_pem())
        .client_authority(root.certificate_pem())
        .rule("hostssl all all all trust clientcert=verify-ca")
        .start();
    let Some(postgres) = require(started) else { return };
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, content).unwrap();
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, owner_only).unwrap();
        path.display().to_string()
    };
    let trust = file("root.pem", root.certificate_pem());
    let (chain, key) = (file("robot.pem", robot.chain_pem()), file("robot.key", robot.key_pem()));
    let query = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

    let verified = format!("{}?sslmode=verify-full&sslrootcert={trust}", postgres.url());
    let known = psql(&format!("{verified}&sslcert={chain}&sslkey={key}"), query);
    assert_eq!(known, "TLSv1.3\n");
    let unknown = psql(&format!("{verified}&sslcert=none&sslkey=none"), query);
    assert!(unknown.contains("requires a valid client certificate"), "{unknown}");
    let plain = psql(&format!("{}?sslmode=disable", postgres.url()), query);
    assert!(plain.contains("no encryption"), "{plain}");
}

#[test]
fn what_postgres_refuses_is_told_in_its_own_words() {
    match Postgres::builder().setting("shared_bufers", "1").start() {
        Err(RealError::Refused { output, .. }) => assert!(output.contains("shared_bufers"), "{output}"),
        other => drop(require(other)),
    }
    match Postgres::builder().sql("SELEKT 1").start() {
        Err(RealError::Refused { output, .. }) => assert!(output.contains("SELEKT"), "{output}"),
        other => drop(require(other)),
    }
}

#[test]
fn mariadb_serves_whom_it_was_given_and_goes() {
    let password = r#"it's a \"secret"#;
    let started = MariaDb::builder()
        .user("app", password)
        .database("the shop")
        .sql("CREATE TABLE prices (cents int); INSERT INTO prices VALUES (199)")
        .option("max-connections=17")
        .start();
    let Some(mut server) = require(started) else { return };
    let (address, room) = (server.address(), server.room().path().to_owned());

    let query = ["-u", "app", "the shop", "-e", "SELECT cents, current_user() FROM prices"];
    let right = format!("-p{password}");
    assert_eq!(mariadb(address, &[&[right.as_str()], &query[..]].concat()), "199\tapp@%\n");
    let denied = mariadb(address, &[&["-pguess"], &query[..]].concat());
    assert!(denied.contains("ERROR 1045 (28000): Access denied for user 'app'"), "{denied}");
    let denied = mariadb(address, &["-u", "root", "-e", "SELECT 1"]);
    assert!(denied.contains("Access denied for user 'root'"), "{denied}");

    assert_eq!(server.sql("SELECT @@max_connections, database()").unwrap(), "17\tthe shop\n");
    let refused = server.sql("SELECT 1;\nSELEKT 2").unwrap_err().to_string();
    assert!(refused.contains("SELEKT"), "{refused}");
    assert!(server.log().text().contains("ready for connections"));
    assert!(server.leash().is_running());

    drop(server);
    nobody(address, &room);
}

#[test]
fn mariadb_without_a_user_lets_everybody_in() {
    let Some(server) = require(MariaDb::builder().start()) else { return };
    assert_eq!(mariadb(server.address(), &["-u", "root", "-e", "SELECT 1"]), "1\n");
    assert_eq!(server.url(), format!("mysql://root@{}/", server.address()));
}

#[test]
fn every_mariadb_is_a_copy_of_one_that_was_prepared_once() {
    // After four bytes that are always the same comes a UUID, drawn when the directory is prepared.
    let identity = || {
        let server = require(MariaDb::builder().start())?;
        let log = std::fs::read(server.room().join("data/aria_log_control")).unwrap();
        Some(log[4..20].to_vec())
    };
    let Some(first) = identity() else { return };
    assert_eq!(identity(), Some(first));
}

#[test]
fn mariadb_speaks_tls_with_the_certificate_it_was_given() {
    let root = Authority::new().unwrap();
    let leaf = root.leaf("db.shop.test").also_for("127.0.0.1").issue().unwrap();
    let started = MariaDb::builder()
        .certificate(leaf.chain_pem(), leaf.key_pem())
        .option("require-secure-transport=on")
        .start();
    let Some(server) = require(started) else { return };
    let mut trust = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut trust, root.certificate_pem().as_bytes()).unwrap();
    let trust = format!("--ssl-ca={}", trust.path().display());
    let query = ["-u", "root", "-e", "SHOW STATUS LIKE 'Ssl_version'"];
    let told =
        mariadb(server.address(), &[&[trust.as_str(), "--ssl-verify-server-cert"], &query[..]].concat());
    assert_eq!(told, "Ssl_version\tTLSv1.3\n");
    let plain = mariadb(server.address(), &[&["--skip-ssl"], &query[..]].concat());
    // The very user that TLS let in.
    assert!(plain.contains("Access denied"), "{plain}");
}

#[test]
fn what_mariadb_refuses_is_told_in_its_own_words() {
    match MariaDb::builder().option("no-such-option=1").start() {
        Err(RealError::Refused { output, .. }) => assert!(output.contains("no-such-option"), "{output}"),
        other => drop(require(other)),
    }
}

#[test]
fn redis_serves_whom_it_was_given_and_goes() {
    let password = r#"it's a \"secret"#;
    let Some(mut redis) = require(Redis::builder().password(password).start()) else { return };
    let (address, room) = (redis.address(), redis.room().path().to_owned());

    assert!(redis_cli(address, &["PING"]).contains("NOAUTH"));
    let authenticated = ["--no-auth-warning", "-a", password];
    let told = redis_cli(address, &[&authenticated[..], &["SET", "shop", "open"]].concat());
    assert_eq!(told, "OK\n");
    assert_eq!(redis.command(&["GET", "shop"]).unwrap(), "open\n");
    let refused = redis.command(&["NOPE"]).unwrap_err().to_string();
    assert!(refused.contains("unknown command"), "{refused}");
    assert!(redis.leash().is_running());

    drop(redis);
    nobody(address, &room);
}

#[test]
fn redis_speaks_tls_and_asks_for_client_certificates() {
    let root = Authority::new().unwrap();
    let leaf = root.leaf("cache.shop.test").also_for("127.0.0.1").issue().unwrap();
    let robot = root.client("robot").issue().unwrap();
    let started = Redis::builder()
        .certificate(leaf.chain_pem(), leaf.key_pem())
        .client_authority(root.certificate_pem())
        .start();
    let Some(redis) = require(started) else { return };
    assert_eq!(redis.url(), format!("rediss://{}", redis.address()));
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let trust = file("root.pem", root.certificate_pem());
    let (chain, key) = (file("robot.pem", robot.chain_pem()), file("robot.key", robot.key_pem()));
    let tls = ["--tls", "--cacert", &trust];
    let told = redis_cli(redis.address(), &[&tls[..], &["--cert", &chain, "--key", &key, "PING"]].concat());
    assert_eq!(told, "PONG\n");
    let told = redis_cli(redis.address(), &[&tls[..], &["PING"]].concat());
    assert!(!told.contains("PONG"), "{told}");
    let told = redis_cli(redis.address(), &["PING"]);
    assert!(!told.contains("PONG"), "{told}");
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG\n");
}

#[test]
fn what_redis_refuses_is_told_in_its_own_words() {
    match Redis::builder().option("no-such-option 1").start() {
        Err(RealError::Refused { output, .. }) => assert!(output.contains("no-such-option"), "{output}"),
        other => drop(require(other)),
    }
}

#[test]
fn a_taken_address_that_was_asked_for_is_an_error() {
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap();
    for refused in [
        Postgres::builder().at(taken).start().map(|_| ()),
        MariaDb::builder().at(taken).start().map(|_| ()),
        Redis::builder().at(taken).start().map(|_| ()),
    ] {
        match refused {
            Err(RealError::Refused { output, .. }) => {
                assert!(output.contains("Address already in use"), "{output}");
            }
            other => assert!(require(other).is_none(), "it started on {taken}"),
        }
    }
}

#[test]
fn five_at_once_do_not_meet() {
    let Some(_) = require(Postgres::builder().start()) else { return };
    let Some(_) = require(MariaDb::builder().start()) else { return };
    let Some(_) = require(Redis::builder().start()) else { return };
    let threads: Vec<_> = (0..5)
        .map(|number| {
            thread::spawn(move || {
                let table = format!("CREATE TABLE numbers AS SELECT {number} AS number");
                let postgres = Postgres::builder().sql(&table).start().unwrap();
                let server = MariaDb::builder().database("shop").sql(&table).start().unwrap();
                let redis = Redis::builder().start().unwrap();
                redis.command(&["SET", "number", &number.to_string()]).unwrap();

                let expected = format!("{number}\n");
                assert_eq!(psql(&postgres.url(), "SELECT number FROM numbers"), expected);
                let query = ["-u", "root", "shop", "-e", "SELECT number FROM numbers"];
                assert_eq!(mariadb(server.address(), &query), expected);
                assert_eq!(redis_cli(redis.address(), &["GET", "number"]), expected);
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_server_that_does_not_come_up_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    // Whoever opens it for reading waits until somebody writes, and nobody does.
    let never = directory.path().join("never");
    assert!(Command::new("mkfifo").arg(&never).status().unwrap().success());
    let (never, little) = (never.display(), Duration::from_secs(2));
    // It reads the one before it does anything, and the other when it is nearly ready.
    let postgres = Postgres::builder().setting("include", &never).within(little).start().map(drop);
    let mariadb = MariaDb::builder().option(&format!("init-file={never}")).within(little).start().map(drop);
    for (refused, wrote) in [(postgres, "it wrote nothing"), (mariadb, "[Note]")] {
        match refused {
            Err(error @ RealError::NotReady { .. }) => {
                let said = error.to_string();
                assert!(said.contains("was not ready after 2s") && said.contains(wrote), "{said}");
            }
            other => assert!(require(other).is_none(), "it started"),
        }
    }
}
