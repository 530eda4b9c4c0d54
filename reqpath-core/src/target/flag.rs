//! How a command line asks as the caller asked.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Target;

/// The flags that curl has too, with the same meaning: they lead any request, or say whom it trusts.
const LEADING: [&str; 10] =
    ["-4", "-6", "-k", "--http1.1", "--cacert", "--cert", "--key", "--crlfile", "--resolve", "--connect-to"];
/// Those that describe this very request.
const DESCRIBING: [&str; 3] = ["-X", "-H", "-d"];
/// Those that only this project's program has, or has with a meaning of its own.
const OURS: [&str; 7] =
    ["-f", "-L", "--http2", "--dns-server", "--known-name", "--fetch-aia", "--expect-status"];

/// How many flags are repeated, and how long all of them together: a report may hold any number.
const MOST: usize = 32;
const LONGEST: usize = 2048;

/// A flag of this project's program with which the caller led the request or described it.
///
/// Commands to run next [repeat](Flag::repeated) it: without the caller's `--resolve` they would ask
/// somebody else. Limits of time are no such flags, as a command often raises them.
///
/// ```
/// use reqpath_core::{Flag, Target};
///
/// let target = Target::builder("https://shop.example/")?.flag("--cacert", Some("our ca.pem")).build();
/// assert_eq!(Flag::repeated(&target, "curl -sv 'https://shop.example/'"),
///     "curl --cacert 'our ca.pem' -sv 'https://shop.example/'");
/// assert_eq!(Flag::repeated(&target, "dig shop.example"), "dig shop.example");
/// # Ok::<(), reqpath_core::TargetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Flag {
    /// Its name, as typed: `--resolve`, `-4`.
    pub name: String,
    /// Its value, without what a shell needs around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Flag {
    /// A flag, and its value if it has one.
    #[must_use]
    pub fn new(name: impl Into<String>, value: Option<&str>) -> Self {
        Self { name: name.into(), value: value.map(str::to_owned) }
    }

    /// The command, with the flags of this request that it knows and does not have.
    ///
    /// `reqpath trace …` is given all of them, `curl …` those that mean the same there, and those that describe
    /// the request only where it asks for the request's URL. Any other command stays as it is.
    #[must_use]
    pub fn repeated<'a>(target: &Target, command: &'a str) -> Cow<'a, str> {
        const PROGRAM: &str = "reqpath trace";
        let start = ["curl", PROGRAM]
            .into_iter()
            .find(|start| command.strip_prefix(start).is_some_and(|rest| rest.starts_with(' ')));
        let (Some(start), false) = (start, target.flags().is_empty()) else { return Cow::Borrowed(command) };
        let rest = &command[start.len()..];
        let has = |name: &str| rest.split(' ').any(|word| word == name);
        // curl takes no body where it is told to ask for the head alone.
        let head = |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains('I');
        let same = start == PROGRAM || rest.contains(&target.url_to_type()) && !rest.split(' ').any(head);
        let known = |flag: &&Self| {
            let name = &*flag.name;
            let ours = start == PROGRAM && OURS.contains(&name);
            (LEADING.contains(&name) || ours || same && DESCRIBING.contains(&name)) && !has(name)
        };
        let (mut repeated, mut count) = (start.to_owned(), 0);
        for flag in target.flags().iter().filter(known) {
            let Some(word) = flag.word() else { continue };
            if count < MOST && repeated.len() + word.len() < LONGEST {
                count += 1;
                let _ = write!(repeated, " {word}");
            } else if !DESCRIBING.contains(&&*flag.name) {
                // Without it, somebody else would be asked.
                return Cow::Borrowed(command);
            }
        }
        repeated.push_str(rest);
        Cow::Owned(repeated)
    }

    /// How it stands in a command, if it may.
    ///
    /// A report is anybody's, and its commands are typed by somebody else: none sends a file of that person's,
    /// and none follows a path file that lies elsewhere than beneath the folder that person is in.
    fn word(&self) -> Option<String> {
        let elsewhere = |file: &str| file.starts_with(['/', '~']) || file.split('/').any(|part| part == "..");
        let instead = match (&*self.name, self.value.as_deref()) {
            (_, Some(value)) if value.contains(char::is_control) => return None,
            ("-d", Some(value)) if value.starts_with('@') => "@BODY",
            ("-H", Some(value)) if value.starts_with('@') => "@HEADERS",
            ("-f", Some(value)) if elsewhere(value) => "PATH-FILE",
            _ => return Some(self.to_string()),
        };
        Some(format!("{} {instead}", self.name))
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.value {
            Some(value) => write!(f, " {}", quoted(value)),
            None => Ok(()),
        }
    }
}

/// One word for a shell, quoted where it must be. A URL always is: of all words it is the one people change.
///
/// ```
/// use reqpath_core::quoted;
///
/// assert_eq!(quoted("ca.pem"), "ca.pem");
/// assert_eq!(quoted("http://a.test/"), "'http://a.test/'");
/// assert_eq!(quoted("$(id)"), "'$(id)'");
/// ```
#[must_use]
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.contains("://") {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(flags: &[(&str, Option<&str>)]) -> Target {
        let builder = Target::builder("https://a.test/").unwrap();
        flags.iter().fold(builder, |builder, (name, value)| builder.flag(*name, *value)).build()
    }

    fn target() -> Target {
        asked(&[
            ("-k", None),
            ("--connect-to", Some("a.test:443:b.test:8443")),
            ("--dns-server", Some("192.0.2.53")),
            ("-H", Some("Accept-Language: de")),
        ])
    }

    #[test]
    fn each_program_is_given_the_flags_it_knows() {
        assert_eq!(
            Flag::repeated(&target(), "reqpath trace 'https://a.test/' --max-time 60"),
            "reqpath trace -k --connect-to a.test:443:b.test:8443 --dns-server 192.0.2.53 \
             -H 'Accept-Language: de' 'https://a.test/' --max-time 60"
        );
        let led = "curl -k --connect-to a.test:443:b.test:8443";
        for (command, given) in [
            ("curl -sv 'https://a.test/' | head", " -H 'Accept-Language: de' -sv 'https://a.test/' | head"),
            // The head alone, and another thing.
            ("curl -sI 'https://a.test/'", " -sI 'https://a.test/'"),
            ("curl -s 'http://c.test/r1.der'", " -s 'http://c.test/r1.der'"),
        ] {
            assert_eq!(Flag::repeated(&target(), command), format!("{led}{given}"));
        }
        for other in ["curlew -k", "reqpath tracer", "date -u; curl -sI x", "nc -vz 192.0.2.7 443", ""] {
            assert_eq!(Flag::repeated(&target(), other), other);
        }
        assert_eq!(Flag::repeated(&asked(&[]), "curl x"), "curl x");
    }

    #[test]
    fn what_the_command_says_itself_counts() {
        assert_eq!(
            Flag::repeated(&target(), "curl --connect-to ::192.0.2.7:80 'http://a.test/'"),
            "curl -k --connect-to ::192.0.2.7:80 'http://a.test/'"
        );
    }

    #[test]
    fn nothing_a_report_says_becomes_a_command() {
        let hostile = asked(&[
            ("-k; id", None),
            ("--unknown", None),
            ("--resolve", Some("'; id; '")),
            ("--cacert", Some("a\nid")),
            ("-o", Some("/etc/passwd")),
            ("$(id)", None),
            ("", None),
            ("--", None),
        ]);
        assert_eq!(Flag::repeated(&hostile, "curl x"), r"curl --resolve ''\''; id; '\''' x");
        assert_eq!(
            Flag::repeated(&hostile, "reqpath trace x"),
            r"reqpath trace --resolve ''\''; id; '\''' x"
        );
        // Files of whoever reads a report are not sent or believed.
        for file in ["/tmp/a.yaml", "~/a.yaml", "roads/../../a.yaml"] {
            let files = asked(&[("-f", Some(file)), ("-d", Some("@/etc/a")), ("-H", Some("@/etc/b"))]);
            assert_eq!(
                Flag::repeated(&files, "reqpath trace 'https://a.test/'"),
                "reqpath trace -f PATH-FILE -d @BODY -H @HEADERS 'https://a.test/'"
            );
        }
        let beneath = asked(&[("-f", Some("roads/a.yaml"))]);
        assert_eq!(Flag::repeated(&beneath, "reqpath trace x"), "reqpath trace -f roads/a.yaml x");
    }

    #[test]
    fn of_too_many_flags_those_are_kept_that_lead() {
        let long = "x".repeat(3000);
        assert_eq!(Flag::repeated(&asked(&[("--resolve", Some(&long))]), "curl x"), "curl x");
        let cookie = asked(&[("-H", Some(&long)), ("-k", None), ("-X", Some("PUT"))]);
        assert_eq!(Flag::repeated(&cookie, "curl 'https://a.test/'"), "curl -k -X PUT 'https://a.test/'");
        let many = asked(&[("-4", None); 10_000]);
        assert!(Flag::repeated(&many, "curl x").len() < 200);
    }

    #[test]
    fn nothing_a_peer_says_becomes_a_word() {
        assert_eq!(quoted("a.test:443"), "a.test:443");
        assert_eq!(quoted("http://a.test/'; rm -rf ~; '"), r"'http://a.test/'\''; rm -rf ~; '\'''");
        assert_eq!(quoted("$(id)"), "'$(id)'");
        assert_eq!(quoted("[2001:db8::7]:443"), "'[2001:db8::7]:443'");
        assert_eq!(quoted(""), "''");
    }
}
