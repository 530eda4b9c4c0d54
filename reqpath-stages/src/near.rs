//! The stages in the order in which a request meets them.

use reqpath_core::{CatalogueError, Pipeline};

use crate::client::{Client, ClientOptions};
#[cfg(feature = "db")]
use crate::db::{Db, DbOptions, Secure};
use crate::dns::{Dns, DnsOptions};
use crate::http::{Clock, Http, HttpOptions, Tunnel};
#[cfg(feature = "proxy")]
use crate::proxy::{Proxy, ProxyOptions};
use crate::tcp::{Tcp, TcpOptions};
use crate::tls::{Tls, TlsOptions};

/// The whole near side of a leg: client, DNS, TCP, tunnel, TLS, HTTP.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Road {
    /// The client's own surroundings.
    pub client: ClientOptions,
    /// The names.
    pub dns: DnsOptions,
    /// The connection.
    pub tcp: TcpOptions,
    /// The handshake.
    pub tls: TlsOptions,
    /// The request.
    pub http: HttpOptions,
    /// How the logs of hops are read, where the road is [whole](Road::whole).
    #[cfg(feature = "proxy")]
    pub proxy: ProxyOptions,
    /// What is demanded of a database, where the road leads [to one](Road::to_database).
    /// How it shakes hands is said by `tls`, as for everything else.
    #[cfg(feature = "db")]
    pub db: DbOptions,
    /// Whether the request takes a road of several hops, of which a path tells more than a URL does.
    /// It adds what only such a road can have: what is declared of its hops, and the causes that rest on it.
    /// A plain URL has none of that, and should not pay for it.
    pub whole: bool,
}

/// Options that do not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The TLS options: a key that does not fit its certificate, for one.
    #[error("TLS cannot be set up")]
    Tls(#[source] crate::tls::SetupError),
    /// Two causes with one code.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl Road {
    /// The road with everything looked at.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out every look beside the road: one connection, one request, as the client itself would.
    #[must_use]
    pub fn road_only(mut self) -> Self {
        self.client.side_looks = false;
        self.dns.side_looks = false;
        self.tcp.side_looks = false;
        self.tls.side_looks = false;
        self.http.side_looks = false;
        #[cfg(feature = "proxy")]
        {
            self.proxy.side_looks = false;
        }
        self
    }

    /// The pipeline over these stages.
    ///
    /// # Errors
    ///
    /// When options do not work together.
    pub fn pipeline(self) -> Result<Pipeline, SetupError> {
        let tls = Tls::new(self.tls).map_err(SetupError::Tls)?;
        let mut pipeline = Pipeline::builder();
        #[cfg(feature = "road")]
        if self.whole {
            pipeline = pipeline.stage(crate::road::Declarations::new());
        }
        pipeline = pipeline.stage(Client::new(self.client)).stage(Dns::new(self.dns));
        if !self.http.clock_from.is_empty() {
            // After the names, to ask whom the caller asks; before TLS, whose failure a wrong clock may explain.
            pipeline = pipeline.stage(Clock::new(self.http.clock()));
        }
        pipeline =
            pipeline.stage(Tcp::new(self.tcp)).stage(Tunnel::new()).stage(tls).stage(Http::new(self.http));
        // What a proxy tells in its answer alone needs no look; its logs are read where a path names some.
        #[cfg(feature = "proxy")]
        {
            pipeline = match self.whole {
                true => pipeline.visitor(Proxy::new(self.proxy)),
                false => pipeline.causes(crate::proxy::CAUSES.iter().copied()),
            };
        }
        #[cfg(feature = "db")]
        if self.whole {
            pipeline = pipeline.causes(crate::db::CAUSES.iter().copied());
        }
        #[cfg(feature = "road")]
        if self.whole {
            pipeline = pipeline.causes(crate::road::CAUSES.iter().copied());
        }
        Ok(pipeline.build()?)
    }

    /// The pipeline of a leg to a database, which speaks another language over the same kind of connection.
    ///
    /// # Errors
    ///
    /// When options do not work together.
    #[cfg(feature = "db")]
    pub fn to_database(self) -> Result<Pipeline, SetupError> {
        let mut options = self.db;
        options.tls = self.tls;
        let secure = Secure::new(&options).map_err(SetupError::Tls)?;
        let pipeline = Pipeline::builder()
            .stage(Client::new(self.client))
            .stage(Dns::new(self.dns))
            .stage(Tcp::new(self.tcp))
            .stage(Db::new(&options))
            .stage(secure);
        Ok(pipeline.build()?)
    }
}
