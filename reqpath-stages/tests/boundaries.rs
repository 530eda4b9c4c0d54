//! Invariants that a reader of the source can check, checked.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is the message"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The part of a source file that is not its tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("readable source");
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

#[test]
fn only_a_vantage_touches_the_world() {
    let forbidden = [
        "TcpStream",
        "TcpSocket",
        "TcpListener",
        "UdpSocket",
        "std::fs",
        "tokio::fs",
        "fs::read",
        "File::open",
        "process::Command",
        "env::var",
        "lookup_host",
        "to_socket_addrs",
        "socket2",
        "SystemTime::now",
        "getaddrinfo(",
    ];
    let mut files = Vec::new();
    for stage in ["client", "dns", "tcp", "tls", "http", "proxy", "db", "road"] {
        sources(&root().join("reqpath-stages").join(stage).join("src"), &mut files);
    }
    sources(&root().join("reqpath-core/src"), &mut files);
    assert!(files.len() > 50, "the sources are where they are looked for");
    for file in files {
        let code = code(&file);
        for (number, line) in code.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("//") {
                continue;
            }
            for word in forbidden {
                assert!(
                    !line.contains(word),
                    "{}:{}: `{word}` belongs in a vantage: {line}",
                    file.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn core_depends_on_no_protocol_crate() {
    let manifest = fs::read_to_string(root().join("reqpath-core/Cargo.toml")).expect("the manifest");
    for protocol in ["hyper", "h2", "http", "rustls", "hickory", "x509", "kube", "tokio-postgres"] {
        let depends = manifest.lines().any(|line| line.starts_with(protocol));
        assert!(!depends, "{protocol} in reqpath-core/Cargo.toml");
    }
    let mut files = Vec::new();
    sources(&root().join("reqpath-core/src"), &mut files);
    for file in files {
        let public = code(&file).lines().any(|line| line.contains("pub ") && line.contains("url::"));
        assert!(!public, "{}: the url crate stays private", file.display());
    }
}

#[test]
fn every_stage_crate_has_the_same_rooms() {
    for stage in ["client", "dns", "tcp", "tls", "http", "proxy", "db", "road"] {
        let source = root().join("reqpath-stages").join(stage).join("src");
        for room in ["probe", "evidence", "causes"] {
            let there = source.join(room).is_dir() || source.join(format!("{room}.rs")).is_file();
            assert!(there, "{stage} has no room `{room}`");
        }
        // What the path declares is written down as it is: nothing is to be chosen.
        let nothing_to_choose = stage == "road";
        assert!(
            nothing_to_choose || source.join("options.rs").is_file() || source.join("options").is_dir(),
            "{stage} has no options"
        );
    }
}
