//! Changing the routes and the interfaces of a host that is up.

use super::{
    cidr::Cidr,
    error::Error,
    host::Host,
    netlink::{DeadRoute, Netlink},
};

impl Host {
    /// Adds or replaces a route, as in `.add_route("203.0.113.0/24", "10.0.1.2")`.
    ///
    /// # Errors
    /// When one is no address, or the kernel refuses.
    pub fn add_route(&self, to: &str, via: &str) -> Result<(), Error> {
        let (to, wanted) = (to.parse::<Cidr>()?.network(), "an address");
        let via = via.parse().map_err(|_| Error::BadAddress { text: via.to_owned(), wanted })?;
        self.netlink(async move |netlink| netlink.add_route(to, via).await)
    }

    /// Adds a route that leads nowhere, as in `.add_dead_route("203.0.113.0/24", DeadRoute::Blackhole)`.
    ///
    /// # Errors
    /// When the network is none, or the kernel refuses.
    pub fn add_dead_route(&self, to: &str, kind: DeadRoute) -> Result<(), Error> {
        let to = to.parse::<Cidr>()?.network();
        self.netlink(async move |netlink| netlink.add_dead_route(to, kind).await)
    }

    /// Removes the routes to exactly this network (`0.0.0.0/0` and `::/0` are the default routes), and says
    /// how many there were.
    ///
    /// # Errors
    /// When the network is none, or the kernel refuses.
    pub fn remove_routes(&self, to: &str) -> Result<usize, Error> {
        let to = to.parse::<Cidr>()?.network();
        self.netlink(async move |netlink| netlink.remove_routes(to).await)
    }

    /// Sets the MTU of one interface, in bytes.
    ///
    /// # Errors
    /// When there is no such interface, or the kernel refuses.
    pub fn set_mtu(&self, interface: &str, bytes: u32) -> Result<(), Error> {
        self.netlink(async move |netlink| netlink.set_mtu(interface, bytes).await)
    }

    /// Switches an interface off, as one would pull its cable. The kernel forgets its routes.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn set_down(&self, interface: &str) -> Result<(), Error> {
        self.netlink(async move |netlink| netlink.set_up(interface, false).await)
    }

    fn netlink<T: Send>(
        &self,
        change: impl AsyncFnOnce(Netlink) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        self.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .map_err(|source| Error::io("start a runtime", source))?
                .block_on(async { change(Netlink::open(self.name())?).await })
        })?
    }
}
