//! What the caller says about the client's side.

use crate::{ConnectTo, Resolve};

/// What the caller says about the client's side: curl's flags, and whether to look beside the road.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Whether `http_proxy` and its like are obeyed, as curl obeys them.
    pub environment: bool,
    /// Other places to connect to, as curl's `--connect-to` has them; the first that applies counts.
    pub connect_to: Vec<ConnectTo>,
    /// Addresses given for names, as curl's `--resolve` has them; a later one replaces an earlier one.
    pub resolve: Vec<Resolve>,
    /// Whether to look at variables, hosts file and limits even where nothing rests on them.
    pub side_looks: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { environment: true, connect_to: Vec::new(), resolve: Vec::new(), side_looks: true }
    }
}
