use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::super::{RealError, require};
use super::{Flavour, Nginx};

const SOON: Duration = Duration::from_secs(10);

fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: shop.test\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn every_flavour_serves_logs_and_goes() {
    for flavour in Flavour::each() {
        let started = Nginx::builder()
            .flavour(flavour.clone())
            .value("word", "open")
            .server("listen {listen}; location /shop { return 200 '{word}'; }")
            .start();
        let Some(mut nginx) = require(started) else { continue };
        let (address, room) = (nginx.address(), nginx.room().path().to_owned());

        assert!(ask(address, "/shop").ends_with("open"), "{flavour}");
        let line = nginx.access_log().wait_for(SOON, |line| line.contains("GET /shop"));
        assert!(line.is_some(), "{flavour}: {}", nginx.access_log().text());
        assert!(ask(address, "/other").starts_with("HTTP/1.1 404"), "{flavour}");
        let line = nginx.error_log().wait_for(SOON, |line| line.contains("/other\" failed (2: No such file"));
        assert!(line.is_some(), "{flavour}: {}", nginx.error_log().text());
        assert!(nginx.version().unwrap().starts_with("1."), "{flavour}");
        assert!(nginx.leash().is_running());

        drop(nginx);
        assert!(TcpStream::connect(address).is_err(), "{flavour} still listens");
        assert!(!room.exists(), "{flavour} left {}", room.display());
    }
}

#[test]
fn two_servers_in_one_nginx_have_their_own_addresses() {
    let started = Nginx::builder()
        .server("listen {listen:front}; location / { proxy_pass http://{listen:back}; }")
        .server("listen {listen:back}; location / { return 200 'from the back'; }")
        .start();
    let Some(nginx) = require(started) else { return };
    assert_ne!(nginx.address_of("front"), nginx.address_of("back"));
    assert!(ask(nginx.address_of("front"), "/").ends_with("from the back"));
}

#[test]
fn a_wrong_configuration_is_told_in_nginx_own_words() {
    let Some(binary) = require(Flavour::Debian.binary()) else { return };
    let refused =
        Nginx::builder().flavour(Flavour::Named(binary)).server("listen {listen}; lokation / {}").start();
    let Err(RealError::Refused { output, .. }) = refused else { panic!("{refused:?}") };
    assert!(output.contains("unknown directive \"lokation\""), "{output}");
}

#[test]
fn an_unknown_placeholder_is_told_with_the_known_ones() {
    let Some(_) = require(Flavour::Debian.binary()) else { return };
    let refused = Nginx::builder().value("upstream", "x").server("listen {lisen};").start();
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("{lisen}") && error.contains("upstream") && error.contains("listen"), "{error}");
}

#[test]
fn a_reload_takes_the_new_configuration_and_keeps_the_address() {
    let with = |word: &str| {
        Nginx::builder().server(&format!("listen {{listen}}; location / {{ return 200 {word}; }}"))
    };
    let Some(mut nginx) = require(with("old").start()) else { return };
    let address = nginx.address();
    assert!(ask(address, "/").ends_with("old"));

    nginx.reconfigure(&with("new")).unwrap();
    assert_eq!(nginx.address(), address);
    assert!(ask(address, "/").ends_with("new"));

    let refused = nginx.reconfigure(&with("new; nonsense"));
    assert!(matches!(refused, Err(RealError::Refused { .. })), "{refused:?}");
    assert!(ask(address, "/").ends_with("new"));
}

#[test]
fn a_taken_address_that_was_asked_for_is_an_error() {
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Nginx::builder().at("", squatter.local_addr().unwrap()).server("listen {listen};").start();
    match started {
        Err(missing) if missing.is_missing() => drop(require(Err::<(), _>(missing))),
        Err(RealError::Refused { output, .. }) => {
            assert!(output.contains("Address already in use"), "{output}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_binary_says_what_to_do() {
    let error = Nginx::builder().flavour(Flavour::Named("/nowhere/nginx".into())).start().unwrap_err();
    assert!(error.is_missing());
    assert!(error.to_string().contains("/nowhere/nginx"), "{error}");
}
