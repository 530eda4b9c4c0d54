//! Programs that refuse to be run by root, run by root all the same.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{RealError, Room, find};

const INSTALL: &str = "install it with `apt-get install util-linux`";

/// As whom such a program is run.
#[derive(Debug)]
pub(super) enum Unprivileged {
    /// As whoever runs the test, who is not root.
    Oneself,
    /// As another user, to whom the private directory has to be given.
    Another { setpriv: PathBuf, user: u32, group: u32 },
    /// As somebody who is root outside of a user namespace of the program's own. This is for
    /// tests that are root only inside of such a namespace, where there are no other users.
    Renamed { unshare: PathBuf },
}

impl Unprivileged {
    /// Chooses, for the owner of `room`, the first of `names` that is a user here.
    pub(super) fn choose(part: &str, room: &Room, names: &[&str]) -> Result<Self, RealError> {
        if !room.is_roots() {
            return Ok(Self::Oneself);
        }
        let passwords = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut users = names.iter().filter_map(|name| user_and_group(&passwords, name));
        match users.find(|(user, _)| is_mapped(*user)) {
            Some((user, group)) => {
                let setpriv = find::system_program(&format!("setpriv (for {part})"), "setpriv", INSTALL)?;
                Ok(Self::Another { setpriv, user, group })
            }
            None => {
                let unshare = find::system_program(&format!("unshare (for {part})"), "unshare", INSTALL)?;
                Ok(Self::Renamed { unshare })
            }
        }
    }

    /// A command that becomes `program`, with the same process id.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self {
            Self::Oneself => return Command::new(program),
            Self::Another { setpriv, user, group } => {
                let mut command = Command::new(setpriv);
                command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
                command
            }
            Self::Renamed { unshare } => {
                let mut command = Command::new(unshare);
                command.args(["--user", "--map-user=1000", "--map-group=1000"]);
                command
            }
        };
        command.arg("--").arg(program);
        command
    }

    /// Lets the program have `path`.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Another { user, group, .. } => chown(path, Some(*user), Some(*group)),
            Self::Oneself | Self::Renamed { .. } => Ok(()),
        }
    }
}

fn user_and_group(passwords: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwords.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Whether this user exists in the user namespace of this process.
fn is_mapped(user: u32) -> bool {
    // Systems without the file have no such namespaces.
    let Ok(map) = fs::read_to_string("/proc/self/uid_map") else { return true };
    map.lines().any(|line| {
        let mut words = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (words.next(), words.next(), words.next())
        else {
            return false;
        };
        (first..first + count).contains(&u64::from(user))
    })
}

#[cfg(test)]
mod tests {
    use super::user_and_group;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let text = "postgres2:x:7:8::/:/bin/sh\npostgres:x:101:104:admin:/var:/bin/bash\nodd:x:y:\n";
        assert_eq!(user_and_group(text, "postgres"), Some((101, 104)));
        assert_eq!(user_and_group(text, "odd"), None);
        assert_eq!(user_and_group(text, "nobody"), None);
    }
}
