//! What broke between a proxy and the one it asked, in the words of RFC 9209 where it has one.

use super::LoggedError;

/// What broke between a proxy and the one it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing listens where it dialled.
    ConnectionRefused,
    /// No connection came about in its time.
    ConnectionTimeout,
    /// The connection ended before an answer began.
    ConnectionTerminated,
    /// It has no way to the address.
    ConnectRoute,
    /// Its look-up of the name failed.
    DnsError,
    /// Nobody answered its look-up.
    DnsTimeout,
    /// It has nobody to ask for names.
    NoResolver,
    /// No answer began in its time.
    HttpResponseTimeout,
    /// The head of the answer is larger than it reads.
    HttpResponseHeaderSectionSize,
    /// The answer began and did not end.
    HttpResponseIncomplete,
    /// All it could ask are marked down.
    DestinationUnavailable,
    /// The TLS handshake failed.
    TlsProtocolError,
    /// It does not accept the certificate.
    TlsCertificateError,
    /// It refuses so many requests.
    RateLimited,
    /// It refuses the address that asks.
    Forbidden,
    /// It refuses the credentials, or their absence.
    Unauthenticated,
    /// The request came back to it.
    LoopDetected,
    /// It refuses the request by a rule of its own.
    RequestDenied,
}

/// Numbers of system errors, on Linux and on BSD.
const REFUSED: [i32; 2] = [111, 61];
const TIMED_OUT: [i32; 2] = [110, 60];
/// `ECONNRESET`, `EPIPE`, `ECONNABORTED`.
const ENDED: [i32; 5] = [104, 54, 32, 103, 53];
/// No route to the host or the network, either of them down, or sending there prohibited.
const NO_WAY: [i32; 10] = [113, 65, 101, 51, 100, 50, 112, 64, 13, 1];

impl Fault {
    /// What an error line of nginx and its relatives tells, where it is about a request and one of these.
    #[must_use]
    pub fn of_line(line: &LoggedError) -> Option<Self> {
        let (message, action) = (line.message.as_str(), line.action.as_deref().unwrap_or_default());
        let says = |text: &str| message.contains(text);
        let number = |of: &[i32]| line.number.is_some_and(|number| of.contains(&number));
        let reading = action.starts_with("reading upstream") || action.starts_with("sending to client");
        let in_tls = action.starts_with("SSL handshaking");
        if action.starts_with("resolving") {
            return None;
        }
        Some(if says("no resolver defined") {
            Self::NoResolver
        } else if says("could not be resolved") {
            if number(&TIMED_OUT) { Self::DnsTimeout } else { Self::DnsError }
        } else if says("no live upstreams") {
            Self::DestinationUnavailable
        } else if says("upstream SSL certificate") {
            Self::TlsCertificateError
        } else if says("upstream timed out") && !reading {
            if action.starts_with("connecting") || in_tls {
                Self::ConnectionTimeout
            } else {
                Self::HttpResponseTimeout
            }
        } else if in_tls && (says("SSL") || number(&ENDED)) {
            Self::TlsProtocolError
        } else if says("connect() ") && says("failed") {
            match () {
                () if number(&REFUSED) => Self::ConnectionRefused,
                () if number(&TIMED_OUT) => Self::ConnectionTimeout,
                () if number(&ENDED) => Self::ConnectionTerminated,
                // The socket's file is not there, or not for this proxy to open: nobody to be reached by it.
                () if says("unix:") => Self::ConnectionRefused,
                () if number(&NO_WAY) => Self::ConnectRoute,
                () => return None,
            }
        } else if says("too big header") {
            Self::HttpResponseHeaderSectionSize
        } else if says("upstream prematurely closed") || says("upstream timed out") {
            if reading { Self::HttpResponseIncomplete } else { Self::ConnectionTerminated }
        } else if [
            "recv() failed",
            "readv() failed",
            "send() failed",
            "writev() failed",
            "SSL_read() failed",
            "SSL_write() failed",
        ]
        .iter()
        .any(|call| says(call))
            && action.contains("upstream")
        {
            match () {
                () if reading => Self::HttpResponseIncomplete,
                () if number(&TIMED_OUT) => Self::HttpResponseTimeout,
                () if number(&NO_WAY) => Self::ConnectRoute,
                () if number(&REFUSED) => Self::ConnectionRefused,
                () => Self::ConnectionTerminated,
            }
        } else if message.starts_with("limiting requests") || message.starts_with("limiting connections") {
            Self::RateLimited
        } else if says("access forbidden by rule") {
            Self::Forbidden
        } else if message.starts_with("user \"") && (says("was not found") || says("password mismatch"))
            || says("no user/password was provided")
        {
            Self::Unauthenticated
        } else {
            return None;
        })
    }

    /// What an `error` of `Proxy-Status` (RFC 9209) tells, where it is one of these.
    #[must_use]
    pub fn of_token(token: &str) -> Option<Self> {
        Some(match token {
            "connection_refused" => Self::ConnectionRefused,
            "connection_timeout" => Self::ConnectionTimeout,
            "connection_terminated" => Self::ConnectionTerminated,
            "destination_ip_unroutable" => Self::ConnectRoute,
            "dns_error" => Self::DnsError,
            "dns_timeout" => Self::DnsTimeout,
            "http_response_timeout" | "connection_read_timeout" | "connection_write_timeout" => {
                Self::HttpResponseTimeout
            }
            "http_response_header_section_size" | "http_response_header_size" => {
                Self::HttpResponseHeaderSectionSize
            }
            "http_response_incomplete" => Self::HttpResponseIncomplete,
            "destination_unavailable" => Self::DestinationUnavailable,
            "tls_protocol_error" | "tls_alert_received" => Self::TlsProtocolError,
            "tls_certificate_error" => Self::TlsCertificateError,
            "proxy_loop_detected" => Self::LoopDetected,
            "http_request_denied" => Self::RequestDenied,
            _ => return None,
        })
    }

    /// Whether it lies between the proxy and the one it asks, rather than in what the proxy refuses.
    #[must_use]
    pub fn is_upstream(self) -> bool {
        !matches!(
            self,
            Self::RateLimited
                | Self::Forbidden
                | Self::Unauthenticated
                | Self::LoopDetected
                | Self::RequestDenied
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::parse_error_line;

    fn of(line: &str) -> Option<Fault> {
        let line = format!(
            "2026/11/22 07:04:01 [error] 7#7: *3 {line}, client: 192.0.2.9, server: s, request: \"GET / HTTP/1.1\""
        );
        Fault::of_line(&LoggedError::of(&parse_error_line(&line).unwrap(), "edge", "/log", str::to_owned))
    }

    #[test]
    fn the_number_decides_and_not_the_words() {
        for (line, fault) in [
            (
                "connect() failed (111: Connection refused) while connecting to upstream",
                Fault::ConnectionRefused,
            ),
            (
                "connect() failed (61: whatever it says) while connecting to upstream",
                Fault::ConnectionRefused,
            ),
            ("connect() failed (113: No route to host) while connecting to upstream", Fault::ConnectRoute),
            ("connect() failed (101: Network unreachable) while connecting to upstream", Fault::ConnectRoute),
            (
                "connect() failed (110: Operation timed out) while connecting to upstream",
                Fault::ConnectionTimeout,
            ),
            (
                "connect() to unix:/run/x.sock failed (2: No such file or directory) while connecting to upstream",
                Fault::ConnectionRefused,
            ),
            (
                "connect() to unix:/run/x.sock failed (13: Permission denied) while connecting to upstream",
                Fault::ConnectionRefused,
            ),
            (
                "upstream timed out (110: Connection timed out) while connecting to upstream",
                Fault::ConnectionTimeout,
            ),
            (
                "upstream timed out (110: Operation timed out) while SSL handshaking to upstream",
                Fault::ConnectionTimeout,
            ),
            (
                "upstream timed out (110: x) while reading response header from upstream",
                Fault::HttpResponseTimeout,
            ),
            ("upstream timed out (110: x) while sending request to upstream", Fault::HttpResponseTimeout),
            ("upstream timed out (110: x) while reading upstream", Fault::HttpResponseIncomplete),
            (
                "upstream prematurely closed connection while reading response header from upstream",
                Fault::ConnectionTerminated,
            ),
            ("upstream prematurely closed connection while reading upstream", Fault::HttpResponseIncomplete),
            (
                "recv() failed (104: Connection reset by peer) while reading response header from upstream",
                Fault::ConnectionTerminated,
            ),
            (
                "readv() failed (104: Connection reset by peer) while reading upstream",
                Fault::HttpResponseIncomplete,
            ),
            ("no live upstreams while connecting to upstream", Fault::DestinationUnavailable),
            ("shop.test could not be resolved (3: Host not found)", Fault::DnsError),
            ("shop.test could not be resolved (110: Operation timed out)", Fault::DnsTimeout),
            ("no resolver defined to resolve shop.test", Fault::NoResolver),
            (
                "upstream sent too big header while reading response header from upstream",
                Fault::HttpResponseHeaderSectionSize,
            ),
            (
                "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number) while SSL handshaking to upstream",
                Fault::TlsProtocolError,
            ),
            (
                "peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking to upstream",
                Fault::TlsProtocolError,
            ),
            (
                "upstream SSL certificate verify error: (18:self-signed certificate) while SSL handshaking to upstream",
                Fault::TlsCertificateError,
            ),
            (
                "upstream SSL certificate does not match \"x\" while SSL handshaking to upstream",
                Fault::TlsCertificateError,
            ),
            ("limiting requests, excess: 1.000 by zone \"z\"", Fault::RateLimited),
            ("limiting connections by zone \"z\"", Fault::RateLimited),
            ("access forbidden by rule", Fault::Forbidden),
            ("user \"u\": password mismatch", Fault::Unauthenticated),
        ] {
            assert_eq!(of(line), Some(fault), "{line}");
        }
    }

    #[test]
    fn other_lines_are_of_no_fault() {
        for line in [
            "upstream server temporarily disabled while connecting to upstream",
            "send() failed (111: Connection refused) while resolving, resolver: 127.0.0.1:53",
            "open() \"/x\" failed (2: No such file or directory)",
            "connect() failed (99: Cannot assign requested address) while connecting to upstream",
            "client prematurely closed connection while sending request to upstream",
            "recv() failed (104: Connection reset by peer) while waiting for request",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
