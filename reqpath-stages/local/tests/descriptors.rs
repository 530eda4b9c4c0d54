//! Looking when no descriptor is left. Alone in its process, whose limit it lowers.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::net::TcpListener;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqpath_core::{Budget, ConnectOptions, Contact, ContactKind, PeerAddr, Vantage};
use reqpath_local::LocalVantage;

#[test]
fn a_process_without_descriptors_can_still_be_looked_at() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = PeerAddr(listener.local_addr().unwrap());
    let vantage = LocalVantage::new();
    let budget = Budget::of(&[Contact::new(ContactKind::Kernel, "this process", 9, "a test")]);
    let permit = || budget.permit(ContactKind::Kernel).unwrap();

    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    runtime.block_on(async {
        let failure = vantage
            .connect(permit(), peer, ConnectOptions::within(Duration::from_secs(1)))
            .await
            .unwrap_err();
        assert_eq!(failure.symbol.as_deref(), Some("EMFILE"));
        // More than the limit where whoever started this test left others open.
        let (open, limit) = vantage.descriptors(permit()).await.unwrap();
        assert!(open >= 64 && limit == 64, "{open} of {limit}");
        // The reserve is there again after each look.
        assert_eq!(vantage.route(permit(), peer.ip()).await.unwrap().kind, "local");
        assert!(vantage.listener(permit(), peer).await.unwrap().is_some());
        assert!(vantage.read(permit(), "/proc/self/stat", 100).await.is_ok());
        let freed = taken.len() as u64;
        drop(taken);
        assert_eq!(vantage.descriptors(permit()).await.unwrap().0, open - freed);
    });
}
