//! One host of a lab: what it is, what runs in it, and what can be done to it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    panic,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::task::JoinHandle;

use super::{
    cidr::Cidr,
    error::Error,
    executor::Executor,
    files::{self, HostFiles},
    filter::{Fault, Filter},
    inside,
    keeper::{Keeper, Tracked},
    namespace::Namespaces,
    nft,
    plan::Interface,
    process::HostCommand,
    program, sysctl,
};
use crate::real::RealError;

/// A host of a lab; clones are the same host.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use reqpath_testkit::lab::{self, Lab};
///
/// let lab = Lab::builder().host("client").host("server").link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// let (client, server) = (&lab["client"], lab["server"].clone());
/// let listener = server.run(|| TcpListener::bind((server.ipv4(), 8080))).unwrap().unwrap();
/// client.run(|| TcpStream::connect((server.ipv4(), 8080))).unwrap().unwrap();
/// let (_, peer) = listener.accept().unwrap();
/// assert_eq!(peer.ip(), client.ipv4());
/// ```
///
/// Servers of one's own, on a runtime inside:
///
/// ```
/// use std::io::Read;
/// use std::net::TcpStream;
/// use reqpath_testkit::lab::{self, Lab};
/// use tokio::io::AsyncWriteExt;
///
/// let lab = Lab::builder().host("client").host("server").link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// let address = (lab["server"].ipv4(), 8080);
/// let listener = lab["server"].run_async(tokio::net::TcpListener::bind(address)).unwrap().unwrap();
/// let _serving = lab["server"].spawn(async move {
///     let (mut guest, _) = listener.accept().await?;
///     guest.write_all(b"hello").await
/// });
/// let mut said = String::new();
/// let mut stream = lab["client"].run(|| TcpStream::connect(address)).unwrap().unwrap();
/// stream.read_to_string(&mut said).unwrap();
/// assert_eq!(said, "hello");
/// ```
///
/// Its names, its variables and its kernel's settings are its own:
///
/// ```
/// use std::net::ToSocketAddrs;
/// use reqpath_testkit::lab::{self, Lab};
///
/// let Some(lab) = lab::or_skip(Lab::builder().host("client").build()) else { return };
/// let client = &lab["client"];
/// client.set_hosts("127.0.0.1 localhost\n192.0.2.7 shop.test\n").unwrap();
/// let found: Vec<_> = client.run(|| "shop.test:80".to_socket_addrs()).unwrap().unwrap().collect();
/// assert_eq!(found, ["192.0.2.7:80".parse().unwrap()]);
///
/// client.set_resolv_conf("nameserver 192.0.2.53\noptions ndots:5\n").unwrap();
/// client.set_env("HTTP_PROXY", "http://proxy.test:3128").unwrap();
/// let said = client.command("sh").args(["-c", "echo $HTTP_PROXY; cat /etc/resolv.conf"]).output().unwrap();
/// assert_eq!(said.stdout, b"http://proxy.test:3128\nnameserver 192.0.2.53\noptions ndots:5\n");
/// // They are files of the lab, and nobody else's.
/// for path in [client.hosts_path(), client.resolv_conf_path(), client.environment_path()] {
///     assert!(path.is_file() && !path.starts_with("/etc"));
/// }
///
/// client.set_sysctl("net.ipv4.tcp_syn_retries", "1").unwrap();
/// assert_eq!(client.sysctl("net.ipv4.tcp_syn_retries").unwrap(), "1");
/// ```
///
/// Its network can be changed under those who use it:
///
/// ```
/// use std::net::TcpStream;
/// use reqpath_testkit::lab::{self, Lab};
///
/// let lab = Lab::builder().host("client").host("server").link("client", "server").build();
/// let Some(lab) = lab::or_skip(lab) else { return };
/// let (client, server) = (&lab["client"], &lab["server"]);
/// assert!(server.ipv6().segments()[0] != 0);
/// let cable = &client.interface_on("client-server").unwrap().name;
/// client.set_mtu(cable, 1280).unwrap();
/// client.add_route("203.0.113.0/24", &server.ipv4().to_string()).unwrap();
/// client.remove_routes("203.0.113.0/24").unwrap();
/// let gone = client.run(|| TcpStream::connect(("203.0.113.1", 80))).unwrap().unwrap_err();
/// assert_eq!(gone.kind(), std::io::ErrorKind::NetworkUnreachable);
/// if lab::or_skip(client.load_rules("add table inet mine\n")).is_some() {
///     assert!(client.rules().unwrap().contains("table inet mine"));
/// }
/// client.set_down(cable).unwrap();
/// ```
#[derive(Clone)]
pub struct Host(Arc<Inner>);

pub(super) struct Inner {
    name: String,
    namespaces: Arc<Namespaces>,
    files: HostFiles,
    interfaces: Vec<Interface>,
    described: Described,
    running: Mutex<Running>,
    faults: AtomicU32,
}

/// The names of what the description of the lab has put into the host.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) filters: Vec<String>,
    pub(super) programs: Vec<String>,
}

/// What runs in the host; both start when first needed.
#[derive(Default)]
struct Running {
    over: bool,
    keeper: Option<Keeper>,
    executor: Option<Executor>,
}

impl Host {
    pub(super) fn new(
        name: String,
        namespaces: Arc<Namespaces>,
        files: HostFiles,
        interfaces: Vec<Interface>,
        described: Described,
    ) -> Self {
        let (running, faults) = (Mutex::default(), AtomicU32::new(0));
        Self(Arc::new(Inner { name, namespaces, files, interfaces, described, running, faults }))
    }

    pub(super) fn from_inner(inner: Arc<Inner>) -> Self {
        Self(inner)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its network interfaces, besides the loopback.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.0.interfaces
    }

    /// Its interface on a network, named by the switch or the link (`client-edge`).
    #[must_use]
    pub fn interface_on(&self, network: &str) -> Option<&Interface> {
        self.interfaces().iter().find(|interface| interface.network == network)
    }

    /// Its first IPv4 address; the loopback address where it has no other.
    #[must_use]
    pub fn ipv4(&self) -> Ipv4Addr {
        let v4 = |ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None };
        self.ips().find_map(v4).unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// Its first IPv6 address; the loopback address where it has no other.
    #[must_use]
    pub fn ipv6(&self) -> Ipv6Addr {
        let v6 = |ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None };
        self.ips().find_map(v6).unwrap_or(Ipv6Addr::LOCALHOST)
    }

    /// All its addresses, in the order of its interfaces, without the loopback's.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.interfaces().iter().flat_map(|interface| &interface.addresses).map(Cidr::ip)
    }

    /// Runs a function in a thread inside the host, and waits for it.
    ///
    /// Sockets it opens are the host's; `/etc/resolv.conf` and `/etc/hosts` are the host's own.
    /// Note that `/proc/net` shows the network of this process: read `/proc/thread-self/net`.
    /// A program started by it is in the host's network but not on the lab's leash: use
    /// [`command`](Self::command), or [`start`](Self::start) for a real part.
    ///
    /// # Errors
    /// When the host cannot be entered, or the lab is gone.
    ///
    /// # Panics
    /// When the function does.
    pub fn run<T: Send>(&self, function: impl FnOnce() -> T + Send) -> Result<T, Error> {
        drop(self.running()?);
        let inner = Arc::downgrade(&self.0);
        self.0.namespaces.within(self.name(), move || {
            inside::settle(&inner);
            function()
        })
    }

    /// Starts a real part inside the host, as in `host.start(|| Nginx::builder().server("…").start())`.
    ///
    /// It sees the host's network, `resolv.conf`, hosts file and environment, its private directory is in
    /// the lab's, and it ends with the lab at the latest, whoever holds it. So a part that should end in
    /// good order, writing what it has to write, is dropped before the lab.
    ///
    /// ```
    /// use reqpath_testkit::{lab::{self, Lab}, real::Nginx};
    ///
    /// let Some(lab) = lab::or_skip(Lab::builder().host("web").build()) else { return };
    /// let address = (std::net::Ipv4Addr::UNSPECIFIED, 80).into();
    /// let started = lab["web"].start(|| {
    ///     Nginx::builder().at("", address).server("listen {listen}; return 200 'here';").start()
    /// });
    /// let Some(nginx) = lab::or_skip(started) else { return };
    /// assert_eq!(nginx.address(), address);
    /// ```
    ///
    /// # Errors
    /// [`Error::Part`] when it is not installed or does not start; and when the host cannot be entered.
    ///
    /// # Panics
    /// When the function does.
    pub fn start<T: Send>(&self, start: impl FnOnce() -> Result<T, RealError> + Send) -> Result<T, Error> {
        self.run(start)?
            .map_err(|source| Error::Part { host: self.name().to_owned(), source: Box::new(source) })
    }

    /// Runs a future inside the host, and waits for it.
    ///
    /// It runs on a runtime of the host's own with a single thread, which lives as long as the lab: tasks
    /// that it leaves behind, such as a server, go on. Do not call it from such a task.
    ///
    /// # Errors
    /// When the host cannot be entered, or the lab is gone, or went while this waited.
    ///
    /// # Panics
    /// When the future does.
    pub fn run_async<F>(&self, future: F) -> Result<F::Output, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (say, heard) = std::sync::mpsc::channel();
        let task = self.spawn(future)?;
        // A second task hands over the outcome of the first, a panic too.
        drop(self.spawn(async move { say.send(task.await) })?);
        let gone = || Error::Gone { host: self.name().to_owned() };
        match heard.recv().map_err(|_| gone())? {
            Ok(output) => Ok(output),
            Err(error) => match error.try_into_panic() {
                Ok(panicked) => panic::resume_unwind(panicked),
                Err(_) => Err(gone()),
            },
        }
    }

    /// Starts a future inside the host; the handle can be awaited anywhere.
    ///
    /// # Errors
    /// When the host cannot be entered, or the lab is gone.
    pub fn spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut running = self.running()?;
        if running.executor.is_none() {
            let inner = Arc::downgrade(&self.0);
            let settle = move || inside::settle(&inner);
            running.executor = Some(Executor::start(self.name(), Arc::clone(&self.0.namespaces), settle)?);
        }
        let gone = || Error::Gone { host: self.name().to_owned() };
        running.executor.as_ref().map(|executor| executor.spawn(future)).ok_or_else(gone)
    }

    /// A program to be run inside the host.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> HostCommand {
        // A name without a slash is looked up here: the child's path is ours, with root's folders added.
        let program = program.as_ref();
        let bare = !program.as_encoded_bytes().contains(&b'/');
        let found = program.to_str().filter(|_| bare).and_then(nft::find);
        let mut command = Command::new(found.as_deref().map_or(program, Path::as_os_str));
        command.env_clear().envs(self.surroundings()).stdin(Stdio::null());
        HostCommand::new(self.clone(), command)
    }

    /// The file that the host sees as `/etc/resolv.conf`. Write to it in place, never replace it.
    #[must_use]
    pub fn resolv_conf_path(&self) -> PathBuf {
        self.0.files.resolv_conf()
    }

    /// The file that the host sees as `/etc/hosts`. Write to it in place, never replace it.
    #[must_use]
    pub fn hosts_path(&self) -> PathBuf {
        self.0.files.hosts()
    }

    /// The variables that programs of the host start with, one `NAME=value` a line.
    #[must_use]
    pub fn environment_path(&self) -> PathBuf {
        self.0.files.environment()
    }

    /// Replaces what the host sees as `/etc/resolv.conf`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_resolv_conf(&self, text: &str) -> Result<(), Error> {
        files::write(&self.resolv_conf_path(), text)
    }

    /// Replaces what the host sees as `/etc/hosts`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_hosts(&self, text: &str) -> Result<(), Error> {
        files::write(&self.hosts_path(), text)
    }

    /// Sets a variable for programs started from now on.
    ///
    /// # Errors
    /// When the name or the value cannot be one, or the file cannot be written.
    pub fn set_env(&self, name: &str, value: &str) -> Result<(), Error> {
        self.0.files.set_variable(name, value)
    }

    /// Reads a kernel setting of the host's network.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn sysctl(&self, key: &str) -> Result<String, Error> {
        self.run(|| sysctl::read(key))?
    }

    /// Changes a kernel setting of the host's network.
    ///
    /// # Errors
    /// When there is none of that name, or the kernel refuses the value.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<(), Error> {
        self.run(|| sysctl::write(key, value))?
    }

    /// Puts a filter in force.
    ///
    /// # Errors
    /// When the filter means nothing, nft is not installed, or it refuses.
    pub fn impose(&self, filter: &Filter) -> Result<Fault, Error> {
        Fault::impose(self, filter, self.0.faults.fetch_add(1, Ordering::Relaxed))
    }

    /// The filter that the description of the lab gave this name.
    ///
    /// # Errors
    /// When it gave the host none of that name.
    pub fn fault(&self, name: &str) -> Result<Fault, Error> {
        self.known(&self.0.described.filters, name)?;
        Ok(Fault::described(self, name))
    }

    /// What the program that the description of the lab gave this name has written so far, up to 16 MiB.
    ///
    /// # Errors
    /// When it gave the host none of that name.
    pub fn output_of(&self, program: &str) -> Result<String, Error> {
        self.known(&self.0.described.programs, program)?;
        program::output(&self.log_path(program))
    }

    /// Loads nftables rules, as `nft -f` reads them.
    ///
    /// # Errors
    /// When nft is not installed, or refuses them.
    pub fn load_rules(&self, script: &str) -> Result<(), Error> {
        nft::run(self, script).map(drop)
    }

    /// All nftables rules of the host, with their counters, as nft lists them.
    ///
    /// # Errors
    /// When nft is not installed.
    pub fn rules(&self) -> Result<String, Error> {
        nft::run(self, "list ruleset\n")
    }

    pub(super) fn log_path(&self, program: &str) -> PathBuf {
        self.0.files.directory().join(format!("{program}.log"))
    }

    fn known(&self, known: &[String], name: &str) -> Result<(), Error> {
        if known.iter().any(|one| one == name) {
            return Ok(());
        }
        Err(Error::NoSuchPart {
            host: self.name().to_owned(),
            name: name.to_owned(),
            known: known.join(", "),
        })
    }

    pub(super) fn is_here(&self) -> bool {
        inside::is_inside(&self.0)
    }

    pub(super) fn rooms(&self) -> PathBuf {
        self.0.files.rooms().to_owned()
    }

    /// A variable that programs of the host start with; `PATH` and `HOME` too.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let known = self.surroundings().into_iter().rev().find(|(known, _)| known == name);
        known.and_then(|(_, value)| value.into_string().ok())
    }

    /// All of the environment of the host's programs; what comes later counts.
    pub(super) fn surroundings(&self) -> Vec<(OsString, OsString)> {
        let mut path = env::var_os("PATH").unwrap_or_default();
        path.push(":/usr/local/sbin:/usr/sbin:/sbin");
        // An environment file that cannot be read is an empty one; starting a program is what may fail.
        let own = self.0.files.variables().unwrap_or_default();
        let base = [("PATH".into(), path), ("HOME".into(), self.0.files.directory().into())];
        base.into_iter().chain(own.into_iter().map(|(name, value)| (name.into(), value.into()))).collect()
    }

    pub(super) fn start_process(&self, command: &mut Command) -> Result<Arc<Tracked>, Error> {
        let mut running = self.running()?;
        let namespaces = &self.0.namespaces;
        let keeper = match &mut running.keeper {
            Some(keeper) => keeper,
            none => none.insert(Keeper::start(self.name(), namespaces)?),
        };
        keeper.spawn(self.name(), namespaces, command)
    }

    pub(super) fn kill(&self) {
        let mut running = self.lock();
        running.over = true;
        if let Some(keeper) = &mut running.keeper {
            keeper.kill();
        }
    }

    pub(super) fn end(&self) {
        let (keeper, executor) = {
            let mut running = self.lock();
            running.over = true;
            (running.keeper.take(), running.executor.take())
        };
        drop(keeper);
        drop(executor);
    }

    fn running(&self) -> Result<MutexGuard<'_, Running>, Error> {
        let running = self.lock();
        if running.over { Err(Error::Gone { host: self.name().to_owned() }) } else { Ok(running) }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.name())
            .field("interfaces", &self.interfaces())
            .finish_non_exhaustive()
    }
}
