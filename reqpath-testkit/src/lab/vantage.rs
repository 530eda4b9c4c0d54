//! Looking from inside a host.

use std::{
    borrow::Cow,
    fmt, io,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use reqpath_core::{
    ConnectFailure, ConnectOptions, Connection, Datagram, Listener, PeerAddr, Permit, Pipeline, PortUse,
    Report, Route, SystemAnswer, SystemLookupError, Trace, Unavailable, Vantage,
};
use reqpath_local::LocalVantage;
use tokio::task::JoinHandle;

use super::{error::Error, host::Host};

impl Host {
    /// The place to look from that this host is: its network, its `resolv.conf` and hosts file, its
    /// environment, and nothing of this machine's.
    ///
    /// It can be used anywhere. In a thread that is inside the host (see [`trace`](Self::trace),
    /// [`run`](Self::run), [`spawn`](Self::spawn)) every look is made right there. Elsewhere each look is
    /// made on the thread of the host's own tasks and handed over: what is seen is the same, and every time
    /// is longer by two changes of thread, some tens of microseconds, more on a busy machine. So trace by
    /// [`trace`](Self::trace) where times matter.
    ///
    /// Open descriptors and the clock are this process's: hosts have none of their own.
    #[must_use]
    pub fn vantage(&self) -> Arc<dyn Vantage> {
        let local = Arc::new(LocalVantage::named(self.name().to_owned()));
        Arc::new(HostVantage { host: self.clone(), local })
    }

    /// Traces inside the host, from the first look to the last, and waits for the report.
    ///
    /// It runs on a thread and a runtime of its own, so that all times are the host's, and none is
    /// stretched by the host's tasks. The trace is one made with [`vantage`](Self::vantage). Call it from
    /// blocking code; several may be under way at a time.
    ///
    /// ```
    /// use reqpath_core::{Target, Trace};
    /// use reqpath_stages::Road;
    /// use reqpath_testkit::{MockUpstream, lab::{self, HostSpec, Lab}, mock::Reply};
    ///
    /// let lab = Lab::builder()
    ///     .host(HostSpec::new("client").knows("shop.test", "server"))
    ///     .host("server")
    ///     .link("client", "server")
    ///     .without_ipv6();
    /// let Some(lab) = lab::or_skip(lab.build()) else { return };
    /// let address = (lab["server"].ipv4(), 80).into();
    /// let shop = MockUpstream::builder().bind_exactly(address).reply(Reply::ok("open"));
    /// let shop = lab["server"].run(|| shop.start()).unwrap().unwrap();
    ///
    /// let (client, pipeline) = (&lab["client"], Road::new().pipeline().unwrap());
    /// let target = Target::get("http://shop.test/").unwrap();
    /// let report = client.trace(&pipeline, Trace::new(target, client.vantage())).unwrap();
    /// assert_eq!(report.verdict.unwrap().kind(), "reached");
    /// # drop(shop);
    /// ```
    ///
    /// # Errors
    /// When the host cannot be entered, or the lab is gone.
    pub fn trace(&self, pipeline: &Pipeline, trace: Trace) -> Result<Report, Error> {
        self.run(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|source| Error::io("start a runtime", source))?;
            Ok(runtime.block_on(pipeline.trace(trace)))
        })?
    }
}

/// The vantage of one host.
struct HostVantage {
    host: Host,
    local: Arc<LocalVantage>,
}

impl HostVantage {
    /// Makes a look here if this is the host's, and on the host's own thread otherwise.
    async fn look<T, F>(&self, look: impl FnOnce(Arc<LocalVantage>) -> F + Send) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let look = look(Arc::clone(&self.local));
        if self.host.is_here() {
            return Ok(look.await);
        }
        let mut task = AbortOnDrop(self.host.spawn(look)?);
        // It is not cancelled but by the drop below, and looks do not panic: the lab went.
        (&mut task.0).await.map_err(|_| Error::Gone { host: self.host.name().to_owned() })
    }
}

#[async_trait]
impl Vantage for HostVantage {
    fn name(&self) -> Cow<'static, str> {
        self.local.name()
    }

    async fn connect(
        &self,
        permit: Permit,
        to: PeerAddr,
        how: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        let looked = self.look(|local| async move { local.connect(permit, to, how).await }).await;
        looked.map_err(|gone| ConnectFailure::new(gone.to_string()))?
    }

    async fn datagram(&self, permit: Permit, to: PeerAddr) -> io::Result<Box<dyn Datagram>> {
        let looked = self.look(|local| async move { local.datagram(permit, to).await }).await;
        looked.map_err(io::Error::other)?
    }

    async fn resolve(&self, permit: Permit, name: &str) -> Result<SystemAnswer, SystemLookupError> {
        let name = name.to_owned();
        let looked = self.look(|local| async move { local.resolve(permit, &name).await }).await;
        looked.map_err(|gone| SystemLookupError::new("EAI_SYSTEM", gone.to_string()))?
    }

    async fn route(&self, permit: Permit, to: IpAddr) -> Result<Route, Unavailable> {
        let looked = self.look(|local| async move { local.route(permit, to).await }).await;
        looked.map_err(unavailable)?
    }

    async fn listener(&self, permit: Permit, at: PeerAddr) -> Result<Option<Listener>, Unavailable> {
        let looked = self.look(|local| async move { local.listener(permit, at).await }).await;
        looked.map_err(unavailable)?
    }

    async fn ports(&self, permit: Permit, to: PeerAddr) -> Result<PortUse, Unavailable> {
        let looked = self.look(|local| async move { local.ports(permit, to).await }).await;
        looked.map_err(unavailable)?
    }

    async fn descriptors(&self, permit: Permit) -> Result<(u64, u64), Unavailable> {
        let looked = self.look(|local| async move { local.descriptors(permit).await }).await;
        looked.map_err(unavailable)?
    }

    async fn read(&self, permit: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        let path = path.to_owned();
        let looked = self.look(|local| async move { local.read(permit, &path, limit).await }).await;
        looked.map_err(unavailable)?
    }

    async fn tail(&self, permit: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        let path = path.to_owned();
        let looked = self.look(|local| async move { local.tail(permit, &path, limit).await }).await;
        looked.map_err(unavailable)?
    }

    async fn command(
        &self,
        permit: Permit,
        command: &[String],
        limit: usize,
        time: Duration,
    ) -> Result<Vec<u8>, Unavailable> {
        let command = command.to_vec();
        let looked =
            self.look(|local| async move { local.command(permit, &command, limit, time).await }).await;
        looked.map_err(unavailable)?
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.host.variable(name)
    }

    fn now(&self) -> SystemTime {
        self.local.now()
    }
}

impl fmt::Debug for HostVantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostVantage").field(&self.host.name()).finish()
    }
}

fn unavailable(gone: Error) -> Unavailable {
    Unavailable::System(gone.to_string())
}

/// A look that is under way elsewhere, and is given up with this.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
