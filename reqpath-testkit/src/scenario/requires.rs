//! Stages whose look an expected cause needs.

use std::fmt;

use serde::Deserialize;

/// A stage whose look an expected cause needs.
///
/// While the pipeline has no stage of that name, the verdict is to be the leg's own code
/// (`expected.without`), or `unknown` with the look that is missing.
///
/// ```
/// use reqpath_testkit::scenario::{Needed, Scenario};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/tcp_accept_queue_full.toml");
/// // Its cause needs a look at the node, which the usual road has no stage for.
/// let ran = Scenario::load(file)?.run_on_fakes().await?;
/// assert_eq!(ran.missing, [Needed::Node]);
/// assert_eq!(Needed::Node.stage(), "node");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Needed {
    /// nginx: its configuration and logs.
    Nginx,
    /// APISIX: its configuration, routes and logs.
    Apisix,
    /// Kubernetes: the objects.
    K8s,
    /// The node: sockets, routes, rules.
    Node,
    /// The database.
    Db,
}

impl Needed {
    /// The name of the stage.
    #[must_use]
    pub const fn stage(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apisix => "apisix",
            Self::K8s => "k8s",
            Self::Node => "node",
            Self::Db => "db",
        }
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stage())
    }
}
