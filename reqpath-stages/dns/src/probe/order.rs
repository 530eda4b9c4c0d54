//! The order in which a client tries addresses it resolved by itself.

use std::net::IpAddr;

use reqpath_core::{ContactKind, Context};

/// IPv6 first, unless this host has no way there: the two rules of RFC 6724 that most often decide.
pub(super) async fn sorted(cx: &Context, addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let (Some(first_v6), Some(first_v4)) = (v6.first(), v4.first()) else {
        return if v4.is_empty() { v6 } else { v4 };
    };
    if !has_way(cx, *first_v6).await && has_way(cx, *first_v4).await {
        return [v4, v6].concat();
    }
    [v6, v4].concat()
}

/// Whether packets can leave for an address; where nobody can tell, they may.
pub(super) async fn has_way(cx: &Context, to: IpAddr) -> bool {
    let Ok(permit) = cx.permit(ContactKind::Kernel) else { return true };
    match cx.vantage().route(permit, to).await {
        Ok(route) => matches!(&*route.kind, "unicast" | "local" | "multicast" | "broadcast"),
        Err(_) => true,
    }
}
