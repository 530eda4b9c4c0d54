use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::{RealError, Room, find};

const INSTALL: &str = "install it with `apt-get install ldnsutils`, or run scripts/install-test-parts.sh";
const DAY: u64 = 86_400;

/// How a zone is signed, well or badly.
///
/// ```
/// use reqpath_testkit::real::{Signing, Zone, require};
///
/// let zone = Zone::new("shop.test", "www A 192.0.2.1").signed(Signing::Stripped);
/// let Some(zone) = require(zone) else { return };
/// assert!(zone.trust_anchor().is_some() && !zone.text().contains("RRSIG"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signing {
    /// Every signature is right, and valid now.
    Valid,
    /// Every signature ended ten days ago, which is more than the clock skew that resolvers allow:
    /// nobody signed the zone again.
    Expired,
    /// Every signature begins in thirty days: the signer's clock was wrong, or the resolver's is.
    NotYetValid,
    /// The keys are right; every other signature has been altered.
    Broken,
    /// There is a trust anchor, and no signature at all: what an attacker would send, or a
    /// hosting move that forgot the keys.
    Stripped,
}

/// The records of one zone, for a [`Knot`](super::Knot) or an [`Unbound`](super::Unbound).
///
/// ```
/// use reqpath_testkit::real::Zone;
///
/// let zone = Zone::new("shop.test", "www A 192.0.2.1\nlost CNAME nowhere");
/// assert_eq!(zone.origin(), "shop.test.");
/// assert!(zone.text().contains("SOA"));
/// assert_eq!(zone.trust_anchor(), None);
/// ```
#[derive(Clone, Debug)]
pub struct Zone {
    origin: String,
    text: String,
    trust_anchor: Option<String>,
}

impl Zone {
    /// Takes records in the format of zone files (RFC 1035).
    ///
    /// Names without a final dot are below `origin`, and the TTL is a minute unless a record says
    /// otherwise. A text without an SOA record gets one, with a name server of its own.
    #[must_use]
    pub fn new(origin: &str, records: &str) -> Self {
        let origin = format!("{}.", origin.trim_end_matches('.').to_ascii_lowercase());
        let mut text = format!("$ORIGIN {origin}\n$TTL 60\n");
        if !has_soa(records) {
            let below = if origin == "." { "" } else { origin.as_str() };
            text.push_str(&format!(
                "@ SOA ns.{below} hostmaster.{below} 1 3600 600 86400 60\n@ NS ns.{below}\nns.{below} A 127.0.0.1\n"
            ));
        }
        text.push_str(records);
        text.push('\n');
        Self { origin, text, trust_anchor: None }
    }

    /// Its name, with the final dot.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// It as a zone file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The DS record that a validating resolver is to trust, once the zone is signed.
    #[must_use]
    pub fn trust_anchor(&self) -> Option<&str> {
        self.trust_anchor.as_deref()
    }

    /// Signs it with a key of its own, made for the purpose and forgotten.
    ///
    /// ```
    /// use reqpath_testkit::real::{Signing, Zone, require};
    ///
    /// let zone = Zone::new("shop.test", "www A 192.0.2.1").signed(Signing::Expired);
    /// let Some(zone) = require(zone) else { return };
    /// assert!(zone.trust_anchor().is_some_and(|ds| ds.starts_with("shop.test.")));
    /// ```
    ///
    /// # Errors
    ///
    /// When the signer is not installed, or finds the records wrong.
    pub fn signed(mut self, signing: Signing) -> Result<Self, RealError> {
        let keygen = find::system_program("ldns-keygen", "ldns-keygen", INSTALL)?;
        let signzone = find::system_program("ldns-signzone", "ldns-signzone", INSTALL)?;
        let room = Room::new("signing")?;
        room.write("zone", &self.text)?;

        let key = run(&room, &keygen, &["-a", "ECDSAP256SHA256", "-k", &self.origin])?;
        let key = key.trim();
        self.trust_anchor = Some(read(&room, &format!("{key}.ds"))?.trim().to_owned());
        if signing == Signing::Stripped {
            return Ok(self);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (begin, end) = match signing {
            Signing::Expired => (now - 40 * DAY, now - 10 * DAY),
            Signing::NotYetValid => (now + 30 * DAY, now + 60 * DAY),
            Signing::Valid | Signing::Broken | Signing::Stripped => (now - DAY, now + 30 * DAY),
        };
        let (begin, end) = (begin.to_string(), end.to_string());
        run(&room, &signzone, &["-i", &begin, "-e", &end, "-o", &self.origin, "-f", "signed", "zone", key])?;
        self.text = read(&room, "signed")?;
        if signing == Signing::Broken {
            self.text = self.text.lines().map(|line| broken(line) + "\n").collect();
        }
        Ok(self)
    }
}

fn has_soa(records: &str) -> bool {
    let without_comments = records.lines().filter_map(|line| line.split(';').next());
    without_comments.flat_map(str::split_whitespace).any(|word| word.eq_ignore_ascii_case("SOA"))
}

fn read(room: &Room, name: &str) -> Result<String, RealError> {
    std::fs::read_to_string(room.join(name))
        .map_err(RealError::machine(format!("read {name} of the zone signer")))
}

fn run(room: &Room, program: &Path, arguments: &[&str]) -> Result<String, RealError> {
    let part = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(room.path())
        .output()
        .map_err(RealError::machine(format!("run {part}")))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(RealError::Refused { part, output: String::from_utf8_lossy(&said).trim().to_owned() });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A signature record with the first letter of its signature changed; other lines as they are.
///
/// The signature of the keys stays: a resolver then trusts the keys, and finds the data wrong.
fn broken(line: &str) -> String {
    let mut words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let is_signature = words.get(3).is_some_and(|kind| kind == "RRSIG");
    let is_of_keys = words.get(4).is_some_and(|covered| covered == "DNSKEY");
    if let Some(signature) = words.last_mut()
        && is_signature
        && !is_of_keys
    {
        let other = if signature.starts_with('A') { "B" } else { "A" };
        signature.replace_range(..1, other);
        return words.join(" ");
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Zone, broken};

    #[test]
    fn a_zone_without_soa_gets_one() {
        let zone = Zone::new("Shop.Test", "www A 192.0.2.1 ; the SOA is not here");
        assert_eq!(zone.origin(), "shop.test.");
        assert!(zone.text().contains("@ SOA ns.shop.test. "), "{}", zone.text());
        let own = Zone::new("shop.test.", "@ SOA a. b. 7 1 1 1 1\n@ NS a.");
        assert_eq!(own.text().matches("SOA").count(), 1);
    }

    #[test]
    fn only_signatures_of_data_are_broken() {
        let data = "w.test. 60 IN RRSIG A 13 2 60 2 1 7 test. Abc==";
        assert_eq!(broken(data), data.replace("Abc==", "Bbc=="));
        for same in ["w.test. 60 IN RRSIG DNSKEY 13 2 60 2 1 7 test. Abc==", "w.test. 60 IN A 192.0.2.1", ""]
        {
            assert_eq!(broken(same), same);
        }
    }
}
