//! Linux error numbers with their symbols and words: what the fake imitates on every system.

use std::io;

/// Number, symbol, the C library's words, and the kind `std` gives it.
const ERRORS: &[(i32, &str, &str, io::ErrorKind)] = &[
    (1, "EPERM", "Operation not permitted", io::ErrorKind::PermissionDenied),
    (11, "EAGAIN", "Resource temporarily unavailable", io::ErrorKind::WouldBlock),
    (13, "EACCES", "Permission denied", io::ErrorKind::PermissionDenied),
    (23, "ENFILE", "Too many open files in system", io::ErrorKind::Other),
    (24, "EMFILE", "Too many open files", io::ErrorKind::Other),
    (32, "EPIPE", "Broken pipe", io::ErrorKind::BrokenPipe),
    (99, "EADDRNOTAVAIL", "Cannot assign requested address", io::ErrorKind::AddrNotAvailable),
    (100, "ENETDOWN", "Network is down", io::ErrorKind::NetworkDown),
    (101, "ENETUNREACH", "Network is unreachable", io::ErrorKind::NetworkUnreachable),
    (103, "ECONNABORTED", "Software caused connection abort", io::ErrorKind::ConnectionAborted),
    (104, "ECONNRESET", "Connection reset by peer", io::ErrorKind::ConnectionReset),
    (105, "ENOBUFS", "No buffer space available", io::ErrorKind::Other),
    (110, "ETIMEDOUT", "Connection timed out", io::ErrorKind::TimedOut),
    (111, "ECONNREFUSED", "Connection refused", io::ErrorKind::ConnectionRefused),
    (113, "EHOSTUNREACH", "No route to host", io::ErrorKind::HostUnreachable),
];

/// The number and the words of a symbol, where it is one of those a connection can fail with.
pub(super) fn of(symbol: &str) -> Option<(i32, &'static str)> {
    ERRORS.iter().find(|(_, known, ..)| *known == symbol).map(|(number, _, words, _)| (*number, *words))
}

/// The error a socket call would give: with its number on Linux, by its kind elsewhere.
pub(super) fn error(symbol: &str) -> io::Error {
    match ERRORS.iter().find(|(_, known, ..)| *known == symbol) {
        Some((number, ..)) if cfg!(target_os = "linux") => io::Error::from_raw_os_error(*number),
        Some((.., kind)) => (*kind).into(),
        None => io::Error::other(symbol.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn numbers_words_and_symbols_are_those_of_linux() {
        for (number, symbol, words, _) in ERRORS {
            assert_eq!(format!("{:?}", nix::errno::Errno::from_raw(*number)), *symbol);
            assert_eq!(error(symbol).to_string(), format!("{words} (os error {number})"));
        }
    }
}
