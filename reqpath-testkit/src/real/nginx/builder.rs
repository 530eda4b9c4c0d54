use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::text::fill;
use super::super::{RealError, Room, ports};
use super::{Flavour, Nginx};

/// What an [`Nginx`] is to be: its configuration, its addresses and its files.
///
/// Texts are nginx's own language with placeholders in it:
///
/// | placeholder | becomes |
/// |---|---|
/// | `{listen}`, `{listen:NAME}` | an address and port of this nginx, free unless [`at`](Self::at) gives one |
/// | `{port}`, `{port:NAME}` | its port alone |
/// | `{file:NAME}` | the path of a file given with [`file`](Self::file) |
/// | `{certificate:NAME}`, `{key:NAME}` | the paths of a pair given with [`certificate`](Self::certificate) |
/// | `{dir}` | the private directory |
/// | `{anything}` | what [`value`](Self::value) was given for it |
///
/// The rest of the file is written here: one worker, no user switching, every path in the private
/// directory, errors logged from `info`. An access log in the format `combined` is kept, unless
/// the texts have an `access_log` of their own; [`Nginx::access_log`] reads `{dir}/access.log`.
///
/// ```
/// use reqpath_testkit::real::{Nginx, require};
///
/// let started = Nginx::builder()
///     .http("upstream shop { server {listen:shop}; }")
///     .server("listen {listen:edge}; location / { proxy_pass http://shop; }")
///     .server("listen {listen:shop}; return 200 '{greeting}';")
///     .value("greeting", "hello")
///     .start();
/// let Some(nginx) = require(started) else { return };
/// assert_ne!(nginx.address_of("edge"), nginx.address_of("shop"));
/// ```
///
/// TLS in front of something that is no HTTP, with the text of the whole file in view:
///
/// ```
/// use reqpath_testkit::pki::Authority;
/// use reqpath_testkit::real::{Flavour, Nginx, require};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let leaf = Authority::new()?.leaf("mail.test").issue()?;
/// let started = Nginx::builder()
///     .flavour(Flavour::Wheel)                                    // Debian's loads `stream` from a package of its own
///     .on([127, 0, 0, 1])
///     .error_level("warn")
///     .certificate("mail", leaf.chain_pem(), leaf.key_pem())
///     .file("motd.txt", "mind the gap")
///     .main("stream { server { listen {listen:mail} ssl; ssl_certificate {certificate:mail};
///            ssl_certificate_key {key:mail}; return 'hello'; } }")
///     .server("listen {listen:web}; location = /motd { alias {file:motd.txt}; }")
///     .start();
/// let Some(nginx) = require(started) else { return Ok(()) };
/// assert_ne!(nginx.address_of("mail"), nginx.address_of("web"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NginxBuilder {
    pub(super) flavour: Flavour,
    main: String,
    http: String,
    ip: IpAddr,
    fixed: BTreeMap<String, SocketAddr>,
    values: BTreeMap<String, String>,
    files: BTreeMap<String, Vec<u8>>,
    error_level: String,
}

impl Default for NginxBuilder {
    fn default() -> Self {
        Self {
            flavour: Flavour::default(),
            main: String::new(),
            http: String::new(),
            ip: Ipv4Addr::LOCALHOST.into(),
            fixed: BTreeMap::new(),
            values: BTreeMap::new(),
            files: BTreeMap::new(),
            error_level: "info".to_owned(),
        }
    }
}

impl NginxBuilder {
    /// Chooses the binary; Debian's unless told.
    #[must_use]
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// Adds text outside of every block: `stream {…}`, `load_module`, `env`.
    #[must_use]
    pub fn main(mut self, text: &str) -> Self {
        self.main.push_str(text);
        self.main.push('\n');
        self
    }

    /// Adds text inside `http {…}`: whole servers, upstreams, maps.
    #[must_use]
    pub fn http(mut self, text: &str) -> Self {
        self.http.push_str(text);
        self.http.push('\n');
        self
    }

    /// Adds a `server {…}` with this text inside.
    #[must_use]
    pub fn server(self, text: &str) -> Self {
        self.http(&format!("server {{\n{text}\n}}"))
    }

    /// Listens on this address instead of `127.0.0.1`; ports are still chosen free.
    #[must_use]
    pub fn on(mut self, ip: impl Into<IpAddr>) -> Self {
        self.ip = ip.into();
        self
    }

    /// Gives `{listen:NAME}` this address and port, with `""` for the nameless `{listen}`.
    ///
    /// For namespaces of one's own, where the test knows what is free.
    #[must_use]
    pub fn at(mut self, name: &str, address: SocketAddr) -> Self {
        self.fixed.insert(name.to_owned(), address);
        self
    }

    /// Gives the placeholder `{name}` a meaning.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl ToString) -> Self {
        self.values.insert(name.to_owned(), value.to_string());
        self
    }

    /// Puts a file into the private directory; `{file:NAME}` is its path.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.to_owned(), content.into());
        self
    }

    /// Puts a certificate chain and its key, both PEM, into the private directory.
    #[must_use]
    pub fn certificate(self, name: &str, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.file(&format!("{name}.certificate.pem"), chain).file(&format!("{name}.key.pem"), key)
    }

    /// Logs errors from this level on: `debug`, `info` (unless told), `warn`.
    #[must_use]
    pub fn error_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.error_level);
        self
    }

    /// Starts it; it accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// When the binary is missing, or nginx refuses the configuration, in its own words.
    pub fn start(self) -> Result<Nginx, RealError> {
        Nginx::start(self)
    }

    /// Writes configuration and files into `room`, finding addresses for the names that have none.
    pub(super) fn furnish(
        &self,
        room: &Room,
        listening: &mut BTreeMap<String, SocketAddr>,
    ) -> Result<(), RealError> {
        for (name, content) in &self.files {
            room.write(name, content)?;
        }
        for folder in ["body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            std::fs::create_dir_all(room.join(folder))
                .map_err(RealError::machine(format!("make the directory {folder} of nginx")))?;
        }
        listening.extend(self.fixed.clone());
        let text = self.text(room, listening)?;
        room.write("nginx.conf", text)?;
        Ok(())
    }

    /// Whether a port that somebody took could be exchanged for another.
    pub(super) fn may_move(&self, listening: &BTreeMap<String, SocketAddr>) -> bool {
        listening.keys().any(|name| !self.fixed.contains_key(name))
    }

    fn text(&self, room: &Room, listening: &mut BTreeMap<String, SocketAddr>) -> Result<String, RealError> {
        let dir = room.path().display().to_string();
        let mut trouble = None;
        let mut listen = |name: &str| match listening.get(name) {
            Some(address) => Some(*address),
            None => match ports::free(self.ip) {
                Ok(address) => {
                    listening.insert(name.to_owned(), address);
                    Some(address)
                }
                Err(error) => {
                    trouble = Some(error);
                    None
                }
            },
        };
        let file = |name: String| self.files.contains_key(&name).then(|| format!("{dir}/{name}"));
        let filled = fill(&self.skeleton(room), |name, of| match (name, of) {
            ("dir", "") => Some(dir.clone()),
            ("listen", of) => listen(of).map(|address| address.to_string()),
            ("port", of) => listen(of).map(|address| address.port().to_string()),
            ("file", of) => file(of.to_owned()),
            ("certificate", of) => file(format!("{of}.certificate.pem")),
            ("key", of) => file(format!("{of}.key.pem")),
            (name, "") => self.values.get(name).cloned(),
            _ => None,
        });
        match (filled, trouble) {
            (_, Some(error)) => Err(error),
            (Ok(text), None) => Ok(text),
            (Err(placeholder), None) => Err(RealError::Placeholder {
                part: self.flavour.to_string(),
                placeholder,
                known: self.known(),
            }),
        }
    }

    fn skeleton(&self, room: &Room) -> String {
        let Self { main, http, error_level, .. } = self;
        let mut text = String::new();
        if room.is_roots() {
            // Workers of a root nginx turn into another user, who cannot enter the private directory.
            text.push_str("user root;\n");
        }
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "daemon off;\nworker_processes 1;\npid {{dir}}/nginx.pid;\nerror_log {{dir}}/error.log {error_level};\n\
             {main}events {{\n    worker_connections 512;\n}}\nhttp {{\n"
        );
        for (directive, folder) in [
            ("client_body", "body"),
            ("proxy", "proxy"),
            ("fastcgi", "fastcgi"),
            ("uwsgi", "uwsgi"),
            ("scgi", "scgi"),
        ] {
            let _ = writeln!(text, "{directive}_temp_path {{dir}}/{folder};");
        }
        if !http.contains("access_log") {
            text.push_str("access_log {dir}/access.log combined;\n");
        }
        text.push_str(http);
        text.push_str("}\n");
        text
    }

    fn known(&self) -> Vec<String> {
        let always = ["dir", "listen", "listen:NAME", "port", "port:NAME"].map(str::to_owned);
        let files = self.files.keys().map(|name| format!("file:{name}"));
        let pairs = self
            .files
            .keys()
            .filter_map(|file| file.strip_suffix(".key.pem"))
            .flat_map(|name| [format!("certificate:{name}"), format!("key:{name}")]);
        always.into_iter().chain(self.values.keys().cloned()).chain(files).chain(pairs).collect()
    }
}
