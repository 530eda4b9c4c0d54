use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::account::Account;
use super::place::Place;
use super::shared::{held, placed};
use super::template::{Snapshot, Templates};
use super::unprivileged::Unprivileged;
use super::{Leash, RealError, Room, client, find, ports};

const PART: &str = "postgres";
const INSTALL: &str = "install it with `apt-get install postgresql`, or run scripts/install-test-parts.sh";
const PATIENCE: Duration = Duration::from_secs(30);

/// Whom to be where root runs the test, the first that exists.
const USERS: [&str; 2] = ["postgres", "nobody"];

static TEMPLATES: Templates = Templates::new();

/// A real `PostgreSQL` of the test's own, empty but for what the test puts into it.
///
/// The first one of a test program takes a moment longer: it prepares the data directory that
/// the others copy. Nothing survives a crash of the machine, as nothing is forced to the disk.
/// A copy is hundreds of files: where many are started, a `TMPDIR` in memory makes them quicker.
///
/// ```
/// use reqpath_testkit::real::{Postgres, require};
///
/// let started = Postgres::builder()
///     .user("app", "secret")
///     .database("shop")
///     .sql("CREATE TABLE prices (cents int); INSERT INTO prices VALUES (199)")
///     .start();
/// let Some(postgres) = require(started) else { return Ok(()) };
/// assert_eq!(postgres.sql("SELECT cents FROM prices")?, "199\n");
/// assert_eq!(postgres.url(), format!("postgres://app:secret@{}/shop", postgres.address()));
/// # Ok::<(), reqpath_testkit::real::RealError>(())
/// ```
#[derive(Debug)]
pub struct Postgres {
    // Fields drop in this order: the server goes before its directory.
    leash: Leash,
    address: SocketAddr,
    account: Account,
    programs: PathBuf,
    room: Room,
}

/// What a [`Postgres`] is to be.
///
/// ```
/// use reqpath_testkit::pki::Authority;
/// use reqpath_testkit::real::{Postgres, require};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Authority::new()?;
/// let leaf = authority.leaf("db.test").issue()?;
/// let started = Postgres::builder()
///     .on([127, 0, 0, 1])
///     .setting("statement_timeout", "250ms")
///     .within(std::time::Duration::from_secs(60))                 // this machine is slow
///     .rule("hostssl all all all cert")                           // no password, a certificate
///     .certificate(leaf.chain_pem(), leaf.key_pem())
///     .client_authority(authority.certificate_pem())
///     .start();
/// let Some(postgres) = require(started) else { return Ok(()) };
/// assert_eq!(postgres.sql("SHOW statement_timeout")?, "250ms\n");
/// assert!(postgres.sql("SELECT pg_sleep(60)").unwrap_err().to_string().contains("statement timeout"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresBuilder {
    place: Place,
    account: Account,
    settings: Vec<(String, String)>,
    rules: Vec<String>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
    clients: Option<Vec<u8>>,
    statements: String,
    patience: Duration,
}

impl Postgres {
    /// Begins to describe one: everybody who reaches it is let in, until a user or a rule is given.
    #[must_use]
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL for the user and the database it was given, or for `postgres` and `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.account.url("postgres", ("postgres", "postgres"), self.address)
    }

    /// Runs statements as the superuser, through its private socket, and gives their rows: a line
    /// a row, with `|` between columns.
    ///
    /// # Errors
    ///
    /// At the first statement it refuses, in its own words, and after two minutes without an answer.
    pub fn sql(&self, statements: &str) -> Result<String, RealError> {
        self.sql_in(self.account.database.as_deref().unwrap_or("postgres"), statements)
    }

    held!("What it logged: connections and their ends, errors, and itself.");

    fn sql_in(&self, database: &str, statements: &str) -> Result<String, RealError> {
        // Debian's own psql is a script that chooses one of several.
        let beside = self.programs.join("psql");
        let program = match beside.is_file() {
            true => beside,
            false => find::system_program("psql", "psql", INSTALL)?,
        };
        let mut command = Command::new(program);
        command
            .env_clear()
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"])
            .arg("--host")
            .arg(self.room.path())
            .args(["--port", &self.address.port().to_string(), "--username=postgres"])
            .args(["--dbname", database]);
        client::ask(PART, &mut command, statements, self.log())
    }

    fn open_accounts(&self) -> Result<(), RealError> {
        let Account { user, database } = &self.account;
        let mut statements = String::new();
        // Writing to a String cannot fail.
        if let Some((user, password)) = user {
            let _ = writeln!(statements, "CREATE ROLE {} LOGIN PASSWORD {};", name(user), text(password));
        }
        if let Some(database) = database {
            let owner = user.as_ref().map_or("postgres", |(user, _)| user);
            let _ = writeln!(statements, "CREATE DATABASE {} OWNER {};", name(database), name(owner));
        }
        match statements.as_str() {
            "" => Ok(()),
            some => self.sql_in("postgres", some).map(drop),
        }
    }
}

impl Default for PostgresBuilder {
    fn default() -> Self {
        Self {
            place: Place::default(),
            account: Account::default(),
            settings: Vec::new(),
            rules: Vec::new(),
            certificate: None,
            clients: None,
            statements: String::new(),
            patience: PATIENCE,
        }
    }
}

impl PostgresBuilder {
    placed!("Listens on this address and port, such as port 5432 in a namespace of the test's own.");

    /// Has this user, who is no superuser; without rules, passwords are then asked for.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.account.user = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// Has this database, which belongs to the user if there is one.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        self.account.database = Some(name.to_owned());
        self
    }

    /// Runs these statements in that database, as the superuser, before [`start`](Self::start) returns.
    #[must_use]
    pub fn sql(mut self, statements: &str) -> Self {
        self.statements.push_str(statements);
        self.statements.push_str(";\n");
        self
    }

    /// Sets a parameter of `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a line to `pg_hba.conf`, instead of the one that lets in whom it serves by default:
    /// `hostssl all all all scram-sha-256`. The private socket stays open to the test.
    #[must_use]
    pub fn rule(mut self, line: &str) -> Self {
        self.rules.push(line.to_owned());
        self
    }

    /// Offers TLS with this certificate chain and its key, both PEM.
    #[must_use]
    pub fn certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificate = Some((chain.into(), key.into()));
        self
    }

    /// Knows this authority of client certificates, PEM; a rule with `clientcert=verify-ca` or
    /// `cert` asks for one.
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
    /// When it is not installed, does not come up in time, or refuses a setting, a rule or a statement, in its own words.
    pub fn start(self) -> Result<Postgres, RealError> {
        let binary = binary()?;
        let programs = binary.parent().map(Path::to_owned).unwrap_or_default();
        let template = TEMPLATES.of(&binary, || prepared(&programs))?;
        let mut tries = ports::TRIES;
        loop {
            tries -= 1;
            let room = Room::new(PART)?;
            let reserved = self.place.reserve()?;
            let address = reserved.address;
            let user = Unprivileged::choose(PART, &room, &USERS)?;
            self.furnish(&room, &user, address, &template)?;
            let data = room.join("data");
            let mut command = user.command(&binary);
            command.env("LC_ALL", "C").arg("-D").arg(&data);
            // This signal ends sessions at once, where TERM would wait for their clients.
            let mut leash = Leash::hold(PART, &command, "INT", &room)?;
            match leash.wait_ready(self.patience, || Ok(is_ready(&data))) {
                Ok(()) => {
                    drop(reserved);
                    let postgres = Postgres { leash, address, account: self.account, programs, room };
                    postgres.open_accounts()?;
                    if !self.statements.is_empty() {
                        postgres.sql(&self.statements)?;
                    }
                    return Ok(postgres);
                }
                Err(RealError::EndedEarly { output, .. })
                    if output.contains("Address already in use") && self.place.may_move() && tries > 0 => {}
                Err(RealError::EndedEarly { part, output, .. }) if output.contains("FATAL:") => {
                    return Err(RealError::Refused { part, output });
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn furnish(
        &self,
        room: &Room,
        user: &Unprivileged,
        address: SocketAddr,
        template: &Snapshot,
    ) -> Result<(), RealError> {
        let give = |path: &Path| {
            user.give(path).map_err(RealError::machine(format!("give {} to {PART}", path.display())))
        };
        give(room.path())?;
        template
            .lay_out(&room.join("data"), |path| user.give(path))
            .map_err(RealError::machine(format!("lay out the data of {PART}")))?;
        give(&room.write("data/postgresql.conf", self.configuration(room, address))?)?;
        give(&room.write("data/pg_hba.conf", self.admission())?)?;
        if let Some((chain, key)) = &self.certificate {
            give(&room.write("data/server.crt", chain)?)?;
            give(&room.write("data/server.key", key)?)?;
        }
        if let Some(authority) = &self.clients {
            give(&room.write("data/clients.crt", authority)?)?;
        }
        Ok(())
    }

    fn configuration(&self, room: &Room, address: SocketAddr) -> String {
        let (ip, port) = (address.ip(), address.port());
        let dir = text(&room.path().display().to_string());
        let mut configuration = format!(
            "listen_addresses = '{ip}'\nport = {port}\nunix_socket_directories = {dir}\n\
             max_connections = 50\nshared_buffers = '16MB'\nhuge_pages = off\n\
             dynamic_shared_memory_type = mmap\n\
             fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n\
             log_connections = on\nlog_disconnections = on\nlc_messages = 'C'\n"
        );
        if self.certificate.is_some() {
            configuration.push_str("ssl = on\n");
        }
        if self.clients.is_some() {
            configuration.push_str("ssl_ca_file = 'clients.crt'\n");
        }
        for (name, value) in &self.settings {
            // Writing to a String cannot fail.
            let _ = writeln!(configuration, "{name} = {}", text(value));
        }
        configuration
    }

    fn admission(&self) -> String {
        let method = if self.account.user.is_some() { "scram-sha-256" } else { "trust" };
        let rules = match self.rules.as_slice() {
            [] => format!("host all all all {method}"),
            rules => rules.join("\n"),
        };
        format!("local all postgres trust\n{rules}\n")
    }
}

/// The newest server; Debian keeps each version in a directory of its own.
fn binary() -> Result<PathBuf, RealError> {
    let mut versions = find::below(Path::new("/usr/lib/postgresql"), "bin/postgres");
    versions.sort_by_key(|path| {
        let version = path.iter().nth(4).and_then(|version| version.to_str());
        std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()))
    });
    find::first_present(PART, versions, INSTALL)
        .or_else(|missing| find::system_program(PART, "postgres", INSTALL).map_err(|_| missing))
}

fn prepared(programs: &Path) -> Result<Snapshot, RealError> {
    let room = Room::new(PART)?;
    let user = Unprivileged::choose(PART, &room, &USERS)?;
    user.give(room.path()).map_err(RealError::machine(format!("give a directory to {PART}")))?;
    let data = room.join("data");
    let mut command = user.command(programs.join("initdb"));
    command
        .env("LC_ALL", "C")
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"])
        // The smallest log: it is most of what every copy has to write.
        .args(["--no-sync", "--no-instructions", "--wal-segsize=1"])
        .arg("--pgdata")
        .arg(&data);
    client::complete("initdb", &command, &room)?;
    Snapshot::of(&data).map_err(RealError::machine("read what initdb made"))
}

/// Reads what the server's own `pg_ctl` waits for.
fn is_ready(data: &Path) -> Option<()> {
    let told = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    (told.lines().nth(7)?.trim() == "ready").then_some(())
}

fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
