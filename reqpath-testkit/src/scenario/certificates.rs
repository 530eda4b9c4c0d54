//! The certificates of a scenario, made anew for each time it is played.

use super::Script;
use super::fault::{Tls, What};
use super::file::Certificate;
use super::topology::Server;
use crate::pki::{Authority, Leaf, PkiError};

/// A root, an intermediate, and a certificate for each server that has one.
#[derive(Debug)]
pub(super) struct Certificates {
    root: Authority,
    intermediate: Authority,
    leaves: Vec<Option<Leaf>>,
}

impl Certificates {
    pub(super) fn issue(script: &Script) -> Result<Self, PkiError> {
        let root = Authority::named("Scenario Root")?;
        let intermediate = root.intermediate("Scenario Intermediate").issue()?;
        let mut certificates = Self { root, intermediate, leaves: Vec::new() };
        for (place, server) in script.topology.servers.iter().enumerate() {
            let leaf = match server.certificate {
                Some(by) => Some(certificates.leaf(script, place, server, by)?),
                None => None,
            };
            certificates.leaves.push(leaf);
        }
        Ok(certificates)
    }

    /// The root that the client trusts.
    pub(super) fn root(&self) -> &Authority {
        &self.root
    }

    /// The intermediate, which no client knows unless told.
    pub(super) fn intermediate(&self) -> &Authority {
        &self.intermediate
    }

    /// The certificate that a server shows, wrong as it may be.
    pub(super) fn of(&self, server: usize) -> Option<&Leaf> {
        self.leaves.get(server)?.as_ref()
    }

    fn leaf(
        &self,
        script: &Script,
        place: usize,
        server: &Server,
        by: Certificate,
    ) -> Result<Leaf, PkiError> {
        let fault =
            script.faults.iter().filter(|fault| fault.server == place).find_map(|fault| match fault.what {
                What::Tls(tls) if tls.is_certificate() => Some(tls),
                _ => None,
            });
        let issuer = match (fault, by) {
            (Some(Tls::UnknownAuthority), _) => Authority::named("Nobody You Know")?,
            (Some(Tls::ExpiredIntermediate), _) => {
                self.root.intermediate("Scenario Intermediate, Old").expired(3).issue()?
            }
            (Some(Tls::MissingIntermediate), _) | (_, Certificate::ByIntermediate) => {
                self.intermediate.clone()
            }
            (_, Certificate::ByRoot) => self.root.clone(),
        };
        let mut names = script.topology.names_of(server);
        names.extend(server.addresses.iter().map(ToString::to_string));
        if fault == Some(Tls::WrongName) {
            names = vec!["somebody-else.test".to_owned()];
        }
        let first = names.first().map_or("nobody.test", String::as_str);
        let mut leaf = names.iter().skip(1).fold(issuer.leaf(first), |leaf, name| leaf.also_for(name));
        leaf = match fault {
            Some(Tls::Expired) => leaf.expired(3),
            Some(Tls::NotYetValid) => leaf.not_yet_valid(3),
            Some(Tls::SelfSigned) => leaf.self_signed(),
            Some(Tls::MissingIntermediate) => leaf.without_intermediates(),
            _ => leaf,
        };
        leaf.issue()
    }
}
