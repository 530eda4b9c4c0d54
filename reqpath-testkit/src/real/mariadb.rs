use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::account::Account;
use super::place::Place;
use super::shared::{held, placed};
use super::template::{Snapshot, Templates};
use super::{Leash, RealError, Room, client, find, ports};

const PART: &str = "mariadb";
const INSTALL: &str =
    "install it with `apt-get install mariadb-server`, or run scripts/install-test-parts.sh";
const PATIENCE: Duration = Duration::from_secs(30);
const SOCKET: &str = "mariadb.sock";

/// What the template and the server must agree on, and what keeps both small.
const SMALL: &str = "skip-name-resolve\ninnodb-log-file-size=4M\ninnodb-buffer-pool-size=16M\n\
                     innodb-flush-method=nosync\ninnodb-use-native-aio=0\n\
                     innodb-flush-log-at-trx-commit=0\ninnodb-fast-shutdown=2\nperformance-schema=off\n";

static TEMPLATES: Templates = Templates::new();

/// A real `MariaDB` of the test's own, empty but for what the test puts into it.
///
/// The first one of a test program takes a moment longer: it prepares the data directory that
/// the others copy. Nothing survives a crash of the machine, as nothing is forced to the disk.
/// A copy is hundreds of files: where many are started, a `TMPDIR` in memory makes them quicker.
///
/// ```
/// use reqpath_testkit::real::{MariaDb, require};
///
/// let started = MariaDb::builder()
///     .user("app", "secret")
///     .database("shop")
///     .sql("CREATE TABLE prices (cents int); INSERT INTO prices VALUES (199)")
///     .start();
/// let Some(mariadb) = require(started) else { return Ok(()) };
/// assert_eq!(mariadb.sql("SELECT cents FROM prices")?, "199\n");
/// assert_eq!(mariadb.url(), format!("mysql://app:secret@{}/shop", mariadb.address()));
/// # Ok::<(), reqpath_testkit::real::RealError>(())
/// ```
#[derive(Debug)]
pub struct MariaDb {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    address: SocketAddr,
    account: Account,
    room: Room,
}

/// What a [`MariaDb`] is to be.
///
/// ```
/// use reqpath_testkit::pki::Authority;
/// use reqpath_testkit::real::{MariaDb, require};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Authority::new()?;
/// let leaf = authority.leaf("db.test").issue()?;
/// let started = MariaDb::builder()
///     .on([127, 0, 0, 1])
///     .option("max-connections=12")                               // a pool of twenty will not fit
///     .option("require-secure-transport=on")
///     .certificate(leaf.chain_pem(), leaf.key_pem())
///     .client_authority(authority.certificate_pem())
///     .start();
/// let Some(mariadb) = require(started) else { return Ok(()) };
/// assert_eq!(mariadb.sql("SELECT @@max_connections")?, "12\n");
/// assert!(mariadb.log().text().contains("ready for connections"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MariaDbBuilder {
    place: Place,
    account: Account,
    lines: Vec<String>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
    clients: Option<Vec<u8>>,
    statements: String,
    patience: Duration,
}

impl MariaDb {
    /// Begins to describe one: everybody who reaches it is let in as `root`, until a user is given.
    #[must_use]
    pub fn builder() -> MariaDbBuilder {
        MariaDbBuilder::default()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL for the user and the database it was given, or for `root` and none.
    #[must_use]
    pub fn url(&self) -> String {
        self.account.url("mysql", ("root", ""), self.address)
    }

    /// Runs statements as `root`, through its private socket, and gives their rows: a line a row,
    /// with tabs between columns.
    ///
    /// # Errors
    ///
    /// At the first statement it refuses, in its own words, and after two minutes without an answer.
    pub fn sql(&self, statements: &str) -> Result<String, RealError> {
        let program = find::system_program("mariadb (client)", "mariadb", INSTALL)?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .args(["--no-defaults", "--batch", "--skip-column-names", "--user=root", "--socket"])
            .arg(self.room.join(SOCKET))
            .args(self.account.database.iter().map(|database| format!("--database={database}")));
        client::ask(PART, &mut command, statements, self.log())
    }

    held!("What it logged.");
}

impl Default for MariaDbBuilder {
    fn default() -> Self {
        Self {
            place: Place::default(),
            account: Account::default(),
            lines: Vec::new(),
            certificate: None,
            clients: None,
            statements: String::new(),
            patience: PATIENCE,
        }
    }
}

impl MariaDbBuilder {
    placed!("Listens on this address and port, such as port 3306 in a namespace of the test's own.");

    /// Has this user, who may do everything with the database; `root` is then the test's alone.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.account.user = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// Has this database.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        self.account.database = Some(name.to_owned());
        self
    }

    /// Runs these statements in that database, as `root`, before [`start`](Self::start) returns.
    #[must_use]
    pub fn sql(mut self, statements: &str) -> Self {
        self.statements.push_str(statements);
        self.statements.push_str(";\n");
        self
    }

    /// Adds a line to its configuration: `max-connections=2`, `require-secure-transport=on`.
    #[must_use]
    pub fn option(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Offers TLS with this certificate chain and its key, both PEM.
    #[must_use]
    pub fn certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificate = Some((chain.into(), key.into()));
        self
    }

    /// Knows this authority of client certificates, PEM; a user made with `REQUIRE X509` needs one.
    #[must_use]
    pub fn client_authority(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.clients = Some(certificate.into());
        self
    }

    /// Gives it this long to accept connections, instead of 30 s.
    #[must_use]
    pub const fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it; it accepts connections, and has what it was given, when this returns.
    ///
    /// # Errors
    ///
    /// When it is not installed, does not come up in time, or refuses a setting or a statement, in its own words.
    pub fn start(self) -> Result<MariaDb, RealError> {
        let binary = find::system_program(PART, "mariadbd", INSTALL)?;
        let template = TEMPLATES.of(&binary, prepared)?;
        let mut tries = ports::TRIES;
        loop {
            tries -= 1;
            let room = Room::new(PART)?;
            let reserved = self.place.reserve()?;
            let address = reserved.address;
            template
                .lay_out(&room.join("data"), |_| Ok(()))
                .map_err(RealError::machine(format!("lay out the data of {PART}")))?;
            let mut command = Command::new(&binary);
            command.arg(option("--defaults-file=", &self.furnish(&room, address)?));
            let mut leash = Leash::hold(PART, &command, "TERM", &room)?;
            let output = leash.output().clone();
            match leash.wait_ready(self.patience, || {
                Ok(output.text().contains("ready for connections.").then_some(()))
            }) {
                Ok(()) => {
                    drop(reserved);
                    return self.settled(leash, address, room);
                }
                Err(RealError::EndedEarly { output, .. })
                    if output.contains("Address already in use") && self.place.may_move() && tries > 0 => {}
                Err(RealError::EndedEarly { part, output, .. }) if output.contains("[ERROR]") => {
                    return Err(RealError::Refused { part, output });
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn settled(self, leash: Leash, address: SocketAddr, room: Room) -> Result<MariaDb, RealError> {
        let accounts = accounts(&self.account);
        let Account { user, database } = self.account;
        // Not before it exists may it be the database that a client begins in.
        let mut mariadb = MariaDb { leash, address, account: Account { user, database: None }, room };
        mariadb.sql(&accounts)?;
        mariadb.account.database = database;
        if !self.statements.is_empty() {
            mariadb.sql(&self.statements)?;
        }
        Ok(mariadb)
    }

    fn furnish(&self, room: &Room, address: SocketAddr) -> Result<PathBuf, RealError> {
        let (ip, port, dir) = (address.ip(), address.port(), room.path().display());
        let mut text = format!(
            "[mysqld]\ndatadir={dir}/data\nsocket={dir}/{SOCKET}\npid-file={dir}/mariadb.pid\ntmpdir={dir}\n\
             bind-address={ip}\nport={port}\nmax-connections=50\n{SMALL}"
        );
        // Writing to a String cannot fail.
        if room.is_roots() {
            // Otherwise it refuses to be run by root.
            text.push_str("user=root\n");
        }
        if let Some((chain, key)) = &self.certificate {
            let (chain, key) = (room.write("server.pem", chain)?, room.write("server.key", key)?);
            let _ = writeln!(text, "ssl-cert={}\nssl-key={}", chain.display(), key.display());
        }
        if let Some(authority) = &self.clients {
            let _ = writeln!(text, "ssl-ca={}", room.write("clients.pem", authority)?.display());
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        room.write("mariadb.cnf", text)
    }
}

fn accounts(account: &Account) -> String {
    // By a password-less root of 127.0.0.1 a test would get in that means to be refused.
    let mut statements =
        "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';\nFLUSH PRIVILEGES;\n"
            .to_owned();
    let database = account.database.as_deref();
    // Writing to a String cannot fail.
    if let Some(database) = database {
        let _ = writeln!(statements, "CREATE DATABASE {};", name(database));
    }
    let _ = match &account.user {
        None => writeln!(
            statements,
            "CREATE USER root@'%';\nGRANT ALL PRIVILEGES ON *.* TO root@'%' WITH GRANT OPTION;"
        ),
        Some((user, password)) => {
            let (user, password) = (text(user), text(password));
            let what = database.map_or_else(|| "*".to_owned(), name);
            writeln!(
                statements,
                "CREATE USER {user}@'%' IDENTIFIED BY {password};\nGRANT ALL PRIVILEGES ON {what}.* TO {user}@'%';"
            )
        }
    };
    statements
}

fn prepared() -> Result<Snapshot, RealError> {
    let program = find::system_program("mariadb-install-db", "mariadb-install-db", INSTALL)?;
    let room = Room::new(PART)?;
    let user = if room.is_roots() { "user=root\n" } else { "" };
    let defaults = room.write("mariadb.cnf", format!("[mysqld]\n{SMALL}{user}"))?;
    let data = room.join("data");
    let mut command = Command::new(program);
    command
        .arg(option("--defaults-file=", &defaults))
        .arg(option("--datadir=", &data))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    client::complete("mariadb-install-db", &command, &room)?;
    Snapshot::of(&data).map_err(RealError::machine("read what mariadb-install-db made"))
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(path);
    option
}

fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
