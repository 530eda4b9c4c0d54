use std::sync::Arc;

use async_trait::async_trait;
use reqpath_core::{
    Again, Cause, Contact, ContactKind, Context, Dialled, Error, Left, Path, Redial, Role, Scheme, Stage,
    Subject, Target,
};
use rustls_pki_types::ServerName;

use crate::causes::CAUSES;
use crate::evidence::{Handshake, Purpose, Tunnelled};
use crate::probe::{FETCHES, HANDSHAKES, How, Setup, Shaken, in_time, look_again, record_broken, shake};
use crate::{SetupError, TlsOptions};

/// Samples whose failure is looked into: what so many do not tell, more will not.
const LOOKED_INTO: u32 = 16;

/// Shakes hands as the client would, and records what the server showed whatever came of it.
///
/// It takes [`Dialled`] and hands it on secured, with a way to do so [again](Again).
/// Requests in the clear pass untouched.
#[derive(Debug)]
pub struct Tls {
    setup: Arc<Setup>,
}

impl Tls {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// When they cannot be used, naming the file the mistake is in.
    pub fn new(options: TlsOptions) -> Result<Self, SetupError> {
        Ok(Self { setup: Arc::new(Setup::new(options)?) })
    }

    /// Shakes hands over what was dialled, whatever the target's scheme: for protocols that begin in the clear
    /// and agree on TLS first, as databases do.
    ///
    /// # Errors
    ///
    /// The probe's own trouble: nothing was handed on, a trust store cannot be used.
    pub async fn secure(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let dialled = cx
            .take::<Dialled>(at)
            .ok_or(Error::NothingHandedOn { stage: "tls", what: "an open connection" })?;
        let beneath = cx.take::<Again>(at);
        let peer = dialled.peer;
        let at_peer = at.at_address(peer);
        let tunnel = Tunnelled::of(cx, at);
        // On the heap of its own, so that requests in the clear do not carry its room.
        match Box::pin(self.setup.shake(cx, &at_peer, dialled, Purpose::Road, tunnel.clone())).await? {
            Shaken::Secured(tls, protocol) => {
                if self.setup.speaks_nothing_else(protocol.as_deref()) {
                    return Ok(Left::Dead);
                }
                cx.hand_on(at, Dialled::secured(tls, peer, protocol));
                if let Some(beneath) = beneath {
                    let setup = Arc::clone(&self.setup);
                    cx.hand_on(at, Again(Arc::new(SecuredAgain { setup, beneath, tunnel })));
                }
                Ok(Left::Alive)
            }
            Shaken::Failed(failed) => {
                record_broken(cx, &at_peer, &failed);
                let early = at.sample().is_none_or(|sample| sample < LOOKED_INTO);
                if self.setup.options.side_looks && cx.role() == Role::Fresh && early {
                    self.look_beside(cx, at, peer, beneath, failed);
                }
                Ok(Left::Dead)
            }
        }
    }
}

#[async_trait]
impl Stage for Tls {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn causes(&self) -> &[&'static Cause] {
        CAUSES
    }

    fn plan(&self, _: &Subject, _: &Path, target: &Target) -> Vec<Contact> {
        let options = &self.setup.options;
        if target.scheme() != Scheme::Https || !options.side_looks {
            return Vec::new();
        }
        let mut plan = vec![Contact::new(
            ContactKind::Connection,
            "the address that was dialled",
            HANDSHAKES,
            "after a failed handshake: whatever the certificate, without a name, with a known name, with a wider offer",
        )];
        if options.fetch_aia {
            let with = "where a certificate says its issuer's is";
            let why = "a certificate that the served chain lacks";
            for kind in [ContactKind::SystemLookup, ContactKind::Connection, ContactKind::Request] {
                plan.push(Contact::new(kind, with, FETCHES, why));
            }
        }
        plan
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        if cx.target().scheme() != Scheme::Https {
            return Ok(Left::Alive);
        }
        self.secure(at, cx).await
    }
}

impl Tls {
    fn look_beside(
        &self,
        cx: &Context,
        at: &Subject,
        peer: reqpath_core::PeerAddr,
        beneath: Option<Again>,
        failed: Box<Handshake>,
    ) {
        let (setup, look_cx, at) = (Arc::clone(&self.setup), cx.clone(), at.clone());
        cx.aside(async move {
            look_again(&setup, &look_cx, &at, peer, beneath.as_ref(), &failed).await;
        });
    }
}

impl Setup {
    /// The client's own handshake.
    async fn shake(
        &self,
        cx: &Context,
        at: &Subject,
        dialled: Dialled,
        purpose: Purpose,
        tunnel: Option<Arc<Tunnelled>>,
    ) -> Result<Shaken, Error> {
        let host = cx.target().host().to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|source| Error::Setup {
            what: format!("`{host}` cannot be asked for in a handshake"),
            source: Some(Box::new(source)),
        })?;
        let limit = in_time(cx.connect_limit(self.options.limit));
        let how = How { purpose, name, host, send_name: true, lenient: false, tunnel, limit };
        Ok(shake(self.ready()?, cx, at, dialled, how).await)
    }

    /// Whether the client would have to speak a protocol that it does not want to.
    fn speaks_nothing_else(&self, agreed: Option<&[u8]>) -> bool {
        let offered = &self.options.alpn;
        // Without an agreement HTTP/1.1 is spoken.
        agreed.is_none()
            && !offered.is_empty()
            && !offered.iter().any(|protocol| protocol.starts_with(b"http/1"))
    }
}

/// The same handshake over another connection.
#[derive(Debug)]
struct SecuredAgain {
    setup: Arc<Setup>,
    beneath: Again,
    tunnel: Option<Arc<Tunnelled>>,
}

#[async_trait]
impl Redial for SecuredAgain {
    async fn redial(&self, at: &Subject, cx: &Context) -> Result<Option<Dialled>, Error> {
        let Some(dialled) = self.beneath.0.redial(at, cx).await? else { return Ok(None) };
        let peer = dialled.peer;
        let at = at.at_address(peer);
        let shaken = self.setup.shake(cx, &at, dialled, Purpose::Again, self.tunnel.clone()).await?;
        Ok(match shaken {
            Shaken::Secured(tls, protocol) => Some(Dialled::secured(tls, peer, protocol)),
            Shaken::Failed(_) => None,
        })
    }
}
