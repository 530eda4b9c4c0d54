//! Commands a person would type, with what a peer said in them made harmless.

use std::borrow::Cow;

use reqpath_core::Subject;

use crate::evidence::Handshake;

/// One word for a shell, quoted where it must be.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/@%+=,[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// The `openssl s_client` that shakes hands as this handshake did.
pub(crate) fn openssl(handshake: &Handshake, at: &Subject) -> String {
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
    command.push_str(" -showcerts -status </dev/null");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_peer_says_becomes_a_command() {
        assert_eq!(quoted("http://a.test/x.der"), "http://a.test/x.der");
        assert_eq!(quoted("http://a.test/'; rm -rf ~; '"), r"'http://a.test/'\''; rm -rf ~; '\'''");
        assert_eq!(quoted("$(id)"), "'$(id)'");
    }
}
