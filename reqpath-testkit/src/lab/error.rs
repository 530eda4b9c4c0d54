//! What can go wrong with a lab, told by who is to blame.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use crate::real::RealError;

/// Why a lab, or a piece of one, could not be had.
///
/// ```
/// use reqpath_testkit::lab::{Error, Lab};
///
/// // A mistake in the description is found before anything is made, on every machine.
/// let error = Lab::builder().host("client").link("client", "sever").build().unwrap_err();
/// assert!(matches!(&error, Error::Unknown { name, .. } if name == "sever"));
/// assert!(!error.is_missing());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel does not let this process make or enter namespaces.
    #[error(
        "may not {doing}: a lab needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN), \
         or a user namespace of its own (see `lab::rootless`)"
    )]
    NotPermitted {
        /// What was tried.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program that this feature of the lab is made of is not installed.
    #[error("`{program}` is not installed; install it (Debian: `apt-get install {package}`)")]
    Missing {
        /// The program looked for.
        program: String,
        /// The Debian package that has it.
        package: String,
    },
    /// A device that this feature of the lab is made of may not be used.
    #[error("may not open {}: slow cables need it readable and writable", path.display())]
    NoDevice {
        /// The device.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The machine has no such part of the kernel.
    #[error("this kernel has no {feature}")]
    NoKernelSupport {
        /// The part that is absent.
        feature: String,
    },

    /// A host, router or switch name that cannot be used.
    #[error("`{name}` is no host name: use 1 to 40 of a-z, 0-9 and `-`, not starting with `-`")]
    BadName {
        /// The name given.
        name: String,
    },
    /// Two parts of the lab have one name.
    #[error("`{name}` is described twice")]
    Duplicate {
        /// The name given twice.
        name: String,
    },
    /// A name that the lab does not have.
    #[error("there is no `{name}` in the lab; it has: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A link from a part to itself.
    #[error("`{name}` is linked to itself")]
    SelfLink {
        /// The part.
        name: String,
    },
    /// A link gives an address to something that cannot hold one.
    #[error("the link {link} cannot give `{name}` the address {address}: {why}")]
    MisplacedAddress {
        /// The link.
        link: String,
        /// The end named.
        name: String,
        /// The address.
        address: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// Text that is neither an address nor an address with a prefix length.
    #[error("`{text}` is not {wanted}")]
    BadAddress {
        /// The text given.
        text: String,
        /// What was wanted there.
        wanted: &'static str,
    },
    /// A network has no free address left.
    #[error("the network {network} is full")]
    NetworkFull {
        /// The network.
        network: String,
    },
    /// Nothing on the way to where a route or an entry points.
    #[error("`{host}` has no address to reach `{target}` by")]
    NoWay {
        /// The host that was to have the route.
        host: String,
        /// Where it was to lead.
        target: String,
    },
    /// A setting that would change the machine, not the host.
    #[error("`{key}` is not a setting of a network namespace (those begin with `net.`)")]
    NotASysctl {
        /// The key given.
        key: String,
    },
    /// A filter description that means nothing.
    #[error("this filter cannot be made: {why}")]
    BadFilter {
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A filter or a program of a host is described wrongly.
    #[error("`{name}` of `{host}` cannot be: {why}")]
    BadPart {
        /// The host.
        host: String,
        /// The name of the filter or program.
        name: String,
        /// The rule that it breaks.
        why: String,
    },
    /// A host has no filter or program of that name.
    #[error("`{host}` has no `{name}`; it has: {known}")]
    NoSuchPart {
        /// The host.
        host: String,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A program that is started with the lab ended badly, or before it was ready.
    #[error("`{program}` of `{host}` ended ({status}): {said}")]
    ProgramEnded {
        /// The host.
        host: String,
        /// The program's name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last that it wrote.
        said: String,
    },
    /// `nft` refused a ruleset.
    #[error("nft refused the rules of `{host}`: {said}")]
    RulesRefused {
        /// The host.
        host: String,
        /// What nft wrote to its standard error.
        said: String,
    },

    /// The kernel refused a change of links, addresses or routes.
    #[error("could not {doing} in `{host}`")]
    Netlink {
        /// What was tried.
        doing: String,
        /// The host.
        host: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A call of the operating system failed.
    #[error("could not {doing}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the machine that a host covers with its own does not exist.
    #[error("{} does not exist here, so a host cannot have its own in its place", path.display())]
    NothingToCover {
        /// The file looked for.
        path: PathBuf,
    },
    /// A part of the lab did not come up.
    #[error("`{host}` was not ready after {waited:?}: {missing}")]
    NotReady {
        /// The host.
        host: String,
        /// How long it was waited for.
        waited: Duration,
        /// What was still missing.
        missing: String,
    },
    /// A program run in a host took longer than it was given.
    #[error("`{program}` in `{host}` was still running after {waited:?} and was killed")]
    Overrun {
        /// The host.
        host: String,
        /// The program.
        program: String,
        /// How long it was given.
        waited: Duration,
    },
    /// A real part did not start in a host.
    #[error("could not start a real part in `{host}`")]
    Part {
        /// The host.
        host: String,
        /// What is missing, or what it said.
        source: Box<RealError>,
    },
    /// The lab of this host has been taken down.
    #[error("the lab of `{host}` has been taken down")]
    Gone {
        /// The host.
        host: String,
    },
}

impl Error {
    /// Whether the machine lacks something, so that a test may be skipped.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::NotPermitted { .. }
            | Self::Missing { .. }
            | Self::NoDevice { .. }
            | Self::NoKernelSupport { .. } => true,
            Self::Part { source, .. } => source.is_missing(),
            _ => false,
        }
    }

    pub(super) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    /// Sorts "not permitted" from everything else that the kernel may say.
    pub(super) fn kernel(doing: impl Into<String>, errno: nix::errno::Errno) -> Self {
        use nix::errno::Errno;
        let (doing, source) = (doing.into(), io::Error::from(errno));
        match errno {
            Errno::EPERM | Errno::EACCES | Errno::ENOSPC | Errno::EUSERS => {
                Self::NotPermitted { doing, source }
            }
            Errno::EINVAL | Errno::ENOSYS => Self::NoKernelSupport { feature: format!("way to {doing}") },
            _ => Self::Io { doing, source },
        }
    }
}
