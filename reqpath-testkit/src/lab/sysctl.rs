//! Kernel settings of the network namespace that the calling thread is in.

use std::{fs, path::PathBuf};

use super::error::Error;

/// What every host starts from, whatever the machine has set for itself.
///
/// No source address check, no redirects and no limit on ICMP errors: a test of a refusal must see every
/// refusal. No duplicate address detection: an address is usable at once.
const BASE: &[(&str, &str)] = &[
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
    ("net.ipv4.conf.all.accept_redirects", "0"),
    ("net.ipv4.conf.default.accept_redirects", "0"),
    ("net.ipv4.icmp_ratelimit", "0"),
];

const BASE_IPV6: &[(&str, &str)] = &[
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    ("net.ipv6.conf.all.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.dad_transmits", "0"),
    ("net.ipv6.conf.all.accept_ra", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    ("net.ipv6.conf.default.router_solicitations", "0"),
    ("net.ipv6.icmp.ratelimit", "0"),
];

/// Sets what every host starts from.
pub(super) fn base(forwards: bool, ipv6: bool) -> Result<(), Error> {
    let forwarding = if forwards { "1" } else { "0" };
    // First, because the kernel resets other settings when forwarding changes.
    write("net.ipv4.ip_forward", forwarding)?;
    for (key, value) in BASE {
        write(key, value)?;
    }
    if ipv6 {
        if !path("net.ipv6.conf")?.exists() {
            return Err(Error::NoKernelSupport { feature: "IPv6".to_owned() });
        }
        write("net.ipv6.conf.all.forwarding", forwarding)?;
        for (key, value) in BASE_IPV6 {
            write(key, value)?;
        }
    } else {
        silence_ipv6()?;
    }
    Ok(())
}

/// Turns IPv6 off where there is any.
pub(super) fn silence_ipv6() -> Result<(), Error> {
    if path("net.ipv6.conf")?.exists() {
        write("net.ipv6.conf.all.disable_ipv6", "1")?;
        write("net.ipv6.conf.default.disable_ipv6", "1")?;
    }
    Ok(())
}

pub(super) fn write(key: &str, value: &str) -> Result<(), Error> {
    fs::write(path(key)?, value).map_err(|source| Error::io(format!("set {key} to `{value}`"), source))
}

pub(super) fn read(key: &str) -> Result<String, Error> {
    let text = fs::read_to_string(path(key)?).map_err(|source| Error::io(format!("read {key}"), source))?;
    Ok(text.trim_end().to_owned())
}

/// Whether a key names a setting that a host can have.
pub(super) fn check(key: &str) -> Result<(), Error> {
    path(key).map(drop)
}

// Only `net.` belongs to a network namespace; anything else would change the machine.
fn path(key: &str) -> Result<PathBuf, Error> {
    let parts: Vec<&str> = key.split(['.', '/']).collect();
    let plain = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    if parts.len() < 2 || parts[0] != "net" || !parts.iter().all(plain) {
        return Err(Error::NotASysctl { key: key.to_owned() });
    }
    Ok(PathBuf::from("/proc/sys").join(parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_of_the_network_can_be_named() {
        assert_eq!(path("net.ipv4.ip_forward").unwrap(), PathBuf::from("/proc/sys/net/ipv4/ip_forward"));
        for key in ["kernel.panic", "net", "net..x", "net.ipv4/../../kernel/panic", "", "net.a b"] {
            assert!(matches!(path(key), Err(Error::NotASysctl { .. })), "{key}");
        }
    }
}
