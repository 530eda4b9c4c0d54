//! Commands a person would type, with what a peer said in them made harmless.

use reqpath_core::{Subject, quoted};

use crate::evidence::Handshake;

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

fn shaking(handshake: &Handshake, at: &Subject) -> String {
    let place = at.address().map_or_else(|| handshake.host.clone(), |peer| peer.to_string());
    let name = match &handshake.sni {
        Some(name) => format!("-servername {}", quoted(name)),
        None => "-noservername".to_owned(),
    };
    let mut command = format!("openssl s_client -connect {} {name}", quoted(&place));
    if !handshake.offer.alpn.is_empty() {
        let protocols = handshake.offer.alpn.join(",");
        command.push_str(" -alpn ");
        command.push_str(&quoted(&protocols));
    }
    command
}
