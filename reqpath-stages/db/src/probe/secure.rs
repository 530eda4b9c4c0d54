//! The handshake, where a database and its client want one.

use async_trait::async_trait;
use reqpath_core::{Cause, Contact, Context, Error, Left, Path, Stage, Subject, Target};
use reqpath_tls::{SetupError, Tls, Trust};

use super::Agreed;
use crate::{DbOptions, SslMode};

/// Shakes hands with a database that agreed to, after [`Db`](super::Db).
///
/// It is the TLS stage of such a leg, with that stage's evidence and causes: put it where that would stand.
/// Where nothing was agreed on, it does nothing.
#[derive(Debug)]
pub struct Secure {
    tls: Tls,
}

impl Secure {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// When they cannot be used, naming the file the mistake is in.
    pub fn new(options: &DbOptions) -> Result<Self, SetupError> {
        let mut tls = options.tls.clone();
        // Nothing is negotiated inside: the server would have to know the names of HTTP.
        tls.alpn = Vec::new();
        // Each further handshake would need another question before it.
        tls.side_looks = false;
        if options.mode != SslMode::VerifyFull {
            tls.trust = Trust::None;
        }
        Ok(Self { tls: Tls::new(tls)? })
    }
}

#[async_trait]
impl Stage for Secure {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn causes(&self) -> &[&'static Cause] {
        reqpath_tls::CAUSES
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        // It speaks over the connection that was dialled.
        Vec::new()
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let Some(agreed) = cx.take::<Agreed>(at) else { return Ok(Left::Alive) };
        let left = self.tls.secure(at, cx).await?;
        // Such a client begins anew, in the clear.
        Ok(if agreed.can_do_without { Left::Alive } else { left })
    }
}
