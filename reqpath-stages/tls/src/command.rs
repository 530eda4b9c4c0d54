//! Commands a person would type, with what a peer said in them made harmless.

use reqpath_core::{PeerAddr, Subject, quoted};

use crate::evidence::{Handshake, Tunnelled};

/// The `openssl s_client` that shakes hands as this handshake did.
pub(crate) fn openssl(handshake: &Handshake, at: &Subject) -> String {
    format!("{} -showcerts -status </dev/null", shaking(handshake, at))
}

/// The one that tells in a few lines what was agreed on: version, suite, signature, group.
pub(crate) fn openssl_brief(handshake: &Handshake, at: &Subject) -> String {
    format!("{} -brief </dev/null", shaking(handshake, at))
}

/// The one that offers a version which is no longer offered otherwise.
pub(crate) fn openssl_older(handshake: &Handshake, at: &Subject) -> String {
    format!("{} -tls1_1", shaking(handshake, at))
}

/// The `openssl s_client` that connects as we did: to the peer, or by way of it where that is a proxy.
pub(crate) fn client(peer: PeerAddr, tunnel: Option<&Tunnelled>) -> String {
    let peer = peer.to_string();
    let Some(tunnel) = tunnel else { return format!("openssl s_client -connect {}", quoted(&peer)) };
    // Whose credentials they are, the one who types knows.
    let user = if tunnel.authorized { " -proxy_user USER -proxy_pass env:PROXY_PASSWORD" } else { "" };
    format!("openssl s_client -proxy {}{user} -connect {}", quoted(&peer), quoted(&tunnel.to))
}

/// The `curl` that shows what the far end of the tunnel says in the clear.
pub(crate) fn curl(peer: PeerAddr, tunnel: &Tunnelled, scheme: &str) -> String {
    let user = if tunnel.authorized { " -U USER" } else { "" };
    let [proxy, url] = [format!("http://{peer}"), format!("{scheme}://{}/", tunnel.to)];
    format!("curl -v -p -x {}{user} {}", quoted(&proxy), quoted(&url))
}

fn shaking(handshake: &Handshake, at: &Subject) -> String {
    let name = match &handshake.sni {
        Some(name) => format!("-servername {}", quoted(name)),
        None => "-noservername".to_owned(),
    };
    let client = match at.address() {
        Some(peer) => client(peer, handshake.tunnel.as_deref()),
        None => format!("openssl s_client -connect {}", quoted(&handshake.host)),
    };
    let mut command = format!("{client} {name}");
    if !handshake.offer.alpn.is_empty() {
        let protocols = handshake.offer.alpn.join(",");
        command.push_str(" -alpn ");
        command.push_str(&quoted(&protocols));
    }
    command
}
