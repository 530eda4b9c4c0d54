//! The connection on a leg: every attempt, with what the kernel saw.
//!
//! The [`Tcp`] stage dials the addresses of a name the way a client does: both families in turn,
//! a second address when the first takes too long (RFC 8305).
//! Every attempt is evidence, the ones that lost the race and the addresses nobody needed among them,
//! so that one dead address of two is seen although the request got through.
//! What the error number alone does not tell is looked for where the kernel keeps it:
//! refused, unanswered, unreachable, prohibited, reset and closed are six different things.
//!
//! Later stages use three more looks from here:
//! [`silence`] opens a second connection and says nothing on it, to tell a peer that kills every
//! connection from one that dislikes what was said;
//! [`Broken`] is what they record when the connection dies on them before any answer;
//! [`record_kernel`] keeps the kernel's figures when they are done.
//!
//! Rooms: [`probe`](Tcp) looks, [`evidence`] is what was seen, [`causes`] are those whose evidence is
//! complete here, some of the stations before among them: `dns.dead_address` needs the attempts.
//!
//! ```
//! use reqpath_tcp::{Tcp, TcpOptions};
//!
//! let mut options = TcpOptions::default();
//! options.family = Some(4);
//! let stage = Tcp::new(options);
//! # let _ = stage;
//! ```

pub mod causes;
pub mod evidence;

mod options;
mod probe;

pub use causes::CAUSES;
pub use evidence::{
    Attempt, Broken, Closing, Death, Figures, ListenQueue, NotDialled, OpenDescriptors, Outcome,
    PortsTowards, Progress, Purpose, RouteTaken, Silence,
};
pub use options::TcpOptions;
pub use probe::{SILENCE, Tcp, record_kernel, silence};
