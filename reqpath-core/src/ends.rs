//! The two ends of a connection, never to be mixed up.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

macro_rules! end {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub SocketAddr);

        impl $name {
            /// The address without its port.
            #[must_use]
            pub fn ip(&self) -> IpAddr {
                self.0.ip()
            }

            /// The port.
            #[must_use]
            pub fn port(&self) -> u16 {
                self.0.port()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<SocketAddr> for $name {
            fn from(address: SocketAddr) -> Self {
                Self(address)
            }
        }
    };
}

end! {
    /// An address that is theirs: what was dialled, asked or answered from.
    PeerAddr
}

end! {
    /// An address that is ours: the near end of a socket, as the kernel named it.
    LocalAddr
}
