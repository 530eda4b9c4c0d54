//! Looking from another network namespace, from a thread that is in none of them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{chroot, symlink};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;
use reqpath_core::{Budget, ConnectOptions, Contact, ContactKind, PeerAddr, Permit, Unavailable, Vantage};
use reqpath_local::{LocalVantage, NetnsError, NetnsVantage};
use reqpath_testkit::lab::{self, HostChild, HostSpec, Lab};

const SOON: Duration = Duration::from_secs(10);

fn permit() -> Permit {
    let kind = ContactKind::Connection;
    Budget::of(&[Contact::new(kind, "the lab", 1, "a test")]).permit(kind).unwrap()
}

fn now<T>(look: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(look)
}

/// Client and server, and a process of the client's that does nothing.
fn road() -> Option<(Lab, HostChild)> {
    let client = HostSpec::new("client").knows("shop.test", "server");
    let lab = lab::or_skip(Lab::builder().host(client).host("server").link("client", "server").build())?;
    let cat = lab["client"].command("cat").env("PLACE", "client");
    let mut process = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // One that is only just started has no environment to show yet; one that answers does.
    let mut said = [0];
    process.stdin.as_mut().unwrap().write_all(b"?").unwrap();
    process.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    Some((lab, process))
}

#[test]
fn a_connection_leaves_by_the_other_network() {
    let Some((lab, process)) = road() else { return };
    let (client, server) = (&lab["client"], &lab["server"]);
    let to = std::net::SocketAddr::from((server.ipv4(), 0));
    let listener = server.run(|| TcpListener::bind(to)).unwrap().unwrap();
    let to = PeerAddr(listener.local_addr().unwrap());
    let path = format!("/proc/{}/ns/net", process.id());
    let vantage = NetnsVantage::open(&path).unwrap();
    assert_eq!(vantage.name(), path);
    now(async {
        let how = ConnectOptions::within(SOON);
        let connection = vantage.connect(permit(), to, how).await.unwrap();
        assert_eq!(connection.local().unwrap().ip(), client.ipv4());
        assert_eq!(listener.accept().unwrap().1.ip(), client.ipv4());
        // What is refused at once has lost its address, and is told it by that network.
        drop(listener);
        let refused = vantage.connect(permit(), to, how).await.err().unwrap();
        assert_eq!(refused.symbol.as_deref(), Some("ECONNREFUSED"));
        assert_eq!(refused.local.unwrap().ip(), client.ipv4());
        let route = vantage.route(permit(), server.ipv4().into()).await.unwrap();
        assert_eq!(route.source, Some(client.ipv4().into()));
        assert!(vantage.listener(permit(), to).await.unwrap().is_none());
        assert!(vantage.ports(permit(), to).await.is_ok());
        let said = vantage.command(permit(), &["ip".into(), "-br".into(), "addr".into()], 10_000, SOON).await;
        match said {
            Ok(said) => assert!(String::from_utf8(said).unwrap().contains(&client.ipv4().to_string())),
            Err(error) => assert!(error.to_string().contains("not there"), "{error}"),
        }
        // Files and names are this machine's: only the network was named.
        let hosts = vantage.read(permit(), "/etc/hosts", 10_000).await;
        assert_eq!(hosts, LocalVantage::new().read(permit(), "/etc/hosts", 10_000).await);
    });
}

#[test]
fn a_process_shows_its_names_files_and_variables() {
    let Some((lab, process)) = road() else { return };
    lab["client"].set_resolv_conf("nameserver 192.0.2.53\n").unwrap();
    let vantage = NetnsVantage::of_process(process.id()).unwrap().named("shop");
    assert_eq!(vantage.name(), "shop");
    assert_eq!(vantage.environment("PLACE").as_deref(), Some("client"));
    assert_eq!(vantage.environment("CARGO_PKG_NAME"), None, "that is ours");
    now(async {
        let found = vantage.resolve(permit(), "shop.test").await.unwrap();
        assert!(found.addresses.contains(&lab["server"].ipv4().into()), "{found:?}");
        let settings = vantage.tail(permit(), "/etc/resolv.conf", 1000).await.unwrap();
        assert_eq!(settings, b"nameserver 192.0.2.53\n");
        let last = vantage.tail(permit(), "/etc/resolv.conf", 3).await.unwrap();
        assert_eq!(last, b"53\n");
        // What is started there is told the same.
        let command = ["cat", "/etc/resolv.conf"].map(str::to_owned);
        assert_eq!(vantage.command(permit(), &command, 1000, SOON).await.unwrap(), settings);
        assert_eq!(vantage.read(permit(), "/no/such", 10).await.unwrap_err(), Unavailable::Missing);
        let device = vantage.read(permit(), "/dev/null", 10).await.unwrap_err();
        assert_eq!(device, Unavailable::System("not a regular file".to_owned()));
    });
    // And nothing of this machine has changed.
    assert_ne!(fs::read("/etc/resolv.conf").unwrap_or_default(), b"nameserver 192.0.2.53\n");
    assert!(!fs::read_to_string("/proc/self/mounts").unwrap().contains("reqpath /"));
}

#[test]
fn a_link_of_another_root_does_not_lead_out_of_it() {
    if road().is_none() {
        return;
    }
    let room = tempfile::tempdir().unwrap();
    let at = |name: &str| room.path().join(name);
    fs::create_dir_all(at("root/etc")).unwrap();
    fs::write(at("root/etc/resolv.conf"), "nameserver 192.0.2.9\n").unwrap();
    fs::write(at("root/inside"), "inside").unwrap();
    fs::write(at("outside"), "outside").unwrap();
    symlink("/inside", at("root/good")).unwrap();
    symlink("../../../../../../inside", at("root/upwards")).unwrap();
    symlink(at("outside"), at("root/bad")).unwrap();
    symlink("/proc/self/root", at("root/magic")).unwrap();
    // A thread with a root of its own is, to whoever looks, a process with one.
    let (root, (say, heard)) = (at("root"), mpsc::channel());
    let (leave, left) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_FS).unwrap();
        chroot(root).unwrap();
        say.send(gettid().as_raw().unsigned_abs()).unwrap();
        let _ = left.recv();
    });
    let vantage = NetnsVantage::of_process(heard.recv().unwrap()).unwrap();
    now(async {
        for path in ["/inside", "/good", "/upwards", "inside"] {
            assert_eq!(vantage.read(permit(), path, 100).await.unwrap(), b"inside", "{path}");
        }
        for path in ["/bad", "/magic/etc/passwd"] {
            assert_eq!(vantage.read(permit(), path, 100).await.unwrap_err(), Unavailable::Missing, "{path}");
        }
    });
    // Whatever else this machine renames meanwhile, which makes the kernel unsure of a `..`.
    fs::create_dir(at("here")).unwrap();
    let (here, there) = (at("here"), at("there"));
    let (stop, stopped) = mpsc::channel::<()>();
    let renaming = thread::spawn(move || {
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            fs::rename(&here, &there).unwrap();
            fs::rename(&there, &here).unwrap();
        }
    });
    now(async {
        for _ in 0..500 {
            assert_eq!(vantage.read(permit(), "/upwards", 100).await.unwrap(), b"inside");
        }
    });
    drop(stop);
    renaming.join().unwrap();
    drop(leave);
    thread.join().unwrap();
}

#[test]
fn a_place_that_cannot_be_entered_says_what_to_do() {
    let missing = NetnsVantage::open("/run/netns/no-such-place").unwrap_err();
    assert!(matches!(missing, NetnsError::Missing { .. }), "{missing:?}");
    assert!(
        missing.to_string().contains("/run/netns/no-such-place") && missing.to_string().contains("ip netns")
    );
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("a-file");
    fs::write(&file, "").unwrap();
    for wrong in [file.as_path(), Path::new("/dev/null"), Path::new("/proc/self/ns/uts")] {
        match NetnsVantage::open(wrong).unwrap_err() {
            NetnsError::NotNetns { path } | NetnsError::Permission { path } => assert_eq!(path, wrong),
            other => panic!("{other:?}"),
        }
    }
    // No process has this number: it is past the largest.
    let gone = NetnsVantage::of_process(u32::MAX).unwrap_err();
    assert!(matches!(gone, NetnsError::Missing { .. }), "{gone:?}");
    assert!(matches!(Unavailable::from(gone), Unavailable::System(_)));
}
