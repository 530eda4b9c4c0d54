//! The servers of a scenario as real ones, where a real one can be like that.

use std::io;
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

use super::super::certificates::Certificates;
use super::super::fault::{Fault, Http, Tcp, Tls, What};
use super::super::mocks;
use super::super::topology::Server;
use super::super::witness::QUIET;
use crate::real::{Nginx, NginxBuilder};

/// More connections than a queue of length zero holds.
const FILLERS_MOST: usize = 64;

/// The nginx that is healthy, or has these faults; none where nginx cannot have them.
pub(super) fn nginx(
    certificates: &Certificates,
    place: usize,
    server: &Server,
    faults: &[&Fault],
) -> Option<NginxBuilder> {
    let (mut tls, mut more) = (certificates.of(place), String::new());
    let mut answer = format!("return 200 '{}';", mocks::HEALTHY);
    for fault in faults {
        match fault.what {
            What::Tcp(Tcp::Close | Tcp::Reset) | What::Tls(Tls::Silent) => return None,
            What::Tls(Tls::Plaintext) => tls = None,
            What::Tls(Tls::ClientCertificate) => {
                more.push_str("ssl_client_certificate {file:root.pem}; ssl_verify_client on;\n");
            }
            What::Tcp(_) | What::Tls(_) | What::Dns(_) => {}
            _ if fault.every.is_some() => return None,
            What::Status(status) => answer = format!("return {status} 'status {status} on purpose\n';"),
            What::Http(Http::Empty) => answer = "return 444;".to_owned(),
            What::Http(Http::Reset) => answer = "reset_timedout_connection on; return 444;".to_owned(),
            What::Http(Http::RedirectLoop) => answer = "return 302 $request_uri;".to_owned(),
            What::Http(_) | What::Slow(_) => return None,
        }
    }
    let (ssl, mut nginx) = (if tls.is_some() { " ssl" } else { "" }, Nginx::builder());
    if let Some(leaf) = tls {
        more.push_str("ssl_certificate {certificate:web}; ssl_certificate_key {key:web};\n");
        nginx = nginx.certificate("web", leaf.chain_pem(), leaf.key_pem());
        nginx = nginx.file("root.pem", certificates.root().certificate_pem());
    }
    let port = server.port;
    let anywhere = SocketAddr::new([0, 0, 0, 0].into(), port);
    Some(nginx.at("", anywhere).server(&format!(
        "listen {{listen}}{ssl};\nlisten [::]:{port}{ssl} ipv6only=on;\ndefault_type text/plain;\n{more}location / {{ {answer} }}"
    )))
}

/// A listener that accepts nothing, and as many connections as its queue takes.
pub(super) fn full_queue(at: SocketAddr) -> io::Result<(Socket, Vec<TcpStream>)> {
    let listener = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    listener.bind(&at.into())?;
    listener.listen(0)?;
    let mut fillers = Vec::new();
    while fillers.len() < FILLERS_MOST {
        match TcpStream::connect_timeout(&at, QUIET) {
            Ok(filler) => fillers.push(filler),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok((listener, fillers)),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("this kernel takes connections into a queue of length zero without end"))
}
