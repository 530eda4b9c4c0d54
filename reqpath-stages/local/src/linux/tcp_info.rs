//! The kernel's figures about one connection: `TCP_INFO`.

use std::fs;
use std::os::fd::AsFd;
use std::sync::LazyLock;

use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, sockopt_impl};
use reqpath_core::{KernelInfo, Micros};

/// Up to and including `tcpi_min_rtt`, the last figure read here.
const LENGTH: usize = 152;

sockopt_impl!(
    /// `TCP_INFO`, of which only the first bytes are asked for: newer kernels have more.
    RawTcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    [u8; LENGTH]
);

/// The figures; also of a connection that failed, and of one still trying.
pub(crate) fn tcp_info(socket: &impl AsFd) -> Option<KernelInfo> {
    if !*LONG_ENOUGH {
        return None;
    }
    getsockopt(socket, RawTcpInfo).ok().map(|bytes| parse(&bytes))
}

/// Whether this kernel fills all of the bytes asked for, as Linux does from 4.6 on.
///
/// `nix` insists on the exact length, so an older kernel must not be asked.
static LONG_ENOUGH: LazyLock<bool> = LazyLock::new(|| {
    fs::read_to_string("/proc/sys/kernel/osrelease").ok().and_then(|release| version(&release))
        >= Some((4, 6))
});

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Reads the figures by their offsets in `struct tcp_info`, which never move.
fn parse(bytes: &[u8; LENGTH]) -> KernelInfo {
    let u32_at = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let u64_at = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        u64::from_ne_bytes(eight)
    };
    let mut info = KernelInfo::default();
    info.state = bytes[0];
    info.retransmits = bytes[2];
    info.rto_us = Micros(u32_at(8).into());
    info.snd_mss = u32_at(16);
    info.unacked = u32_at(24);
    info.lost = u32_at(32);
    info.pmtu = u32_at(60);
    info.rtt_us = Micros(u32_at(68).into());
    info.total_retrans = u32_at(100);
    info.bytes_acked = u64_at(120);
    info.bytes_received = u64_at(128);
    // Until there is a sample, the kernel holds the largest number.
    info.min_rtt_us = Micros(Some(u32_at(148)).filter(|&us| us != u32::MAX).unwrap_or_default().into());
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_too_old_are_not_asked() {
        assert_eq!(version("6.18.44-fc"), Some((6, 18)));
        assert!(version("3.10.0-1160.el7") < Some((4, 6)));
        assert_eq!(version("gibberish"), None);
    }
}
