//! Running the `nft` program inside a host.

use std::{
    env,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{error::Error, host::Host};

/// More than any ruleset of a lab needs, little enough to hold.
const OUTPUT_AT_MOST: u64 = 4 << 20;

/// Feeds a script to nft in the network of a host and returns what it lists.
pub(super) fn run(host: &Host, script: &str) -> Result<String, Error> {
    let nft = find("nft").ok_or_else(|| missing("nft", "nftables"))?;
    host.run(|| feed(&nft, script, host.name()))?
}

/// How many packets a named counter has counted.
pub(super) fn packets(host: &Host, table: &str, counter: &str) -> Result<u64, Error> {
    let listed = run(host, &format!("list counter inet {table} {counter}\n"))?;
    let mut words = listed.split_whitespace().skip_while(|word| *word != "packets").skip(1);
    words.next().and_then(|count| count.parse().ok()).ok_or_else(|| Error::RulesRefused {
        host: host.name().to_owned(),
        said: format!("no counter in `{}`", listed.trim()),
    })
}

/// Where a program is, on the path or where only root's path leads.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let further = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(further).map(|folder| folder.join(program)).find(|path| is_program(path))
}

pub(super) fn missing(program: &str, package: &str) -> Error {
    Error::Missing { program: program.to_owned(), package: package.to_owned() }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|known| known.is_file() && known.permissions().mode() & 0o111 != 0)
}

fn feed(nft: &Path, script: &str, host: &str) -> Result<String, Error> {
    let failed = |source| Error::io("run nft", source);
    let mut child = Command::new(nft)
        .args(["-f", "-"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // nft reads the whole script before it says anything: no pipe can fill while the other waits.
    if let Some(mut stdin) = child.stdin.take() {
        // An early end of nft shows in its status.
        let _ = stdin.write_all(script.as_bytes());
    }
    let mut listed = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(OUTPUT_AT_MOST).read_to_string(&mut listed).map_err(failed)?;
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        stderr.take(OUTPUT_AT_MOST).read_to_string(&mut said).map_err(failed)?;
    }
    if child.wait().map_err(failed)?.success() {
        Ok(listed)
    } else {
        Err(Error::RulesRefused { host: host.to_owned(), said: said.trim().to_owned() })
    }
}
