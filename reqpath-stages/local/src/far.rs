//! A place where another reqpath can be run.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use reqpath_core::{Endpoint, Far, FarRequest, Header, Micros, Permit, Unavailable, quoted, redact_url};

use crate::place::Here;
use crate::system;

/// The largest report that is taken, in bytes.
const LARGEST: usize = 8 << 20;
/// What of the time is left for the way there and back.
const WAY: u32 = 10;

/// A place where another reqpath can be run by a command: on another machine by `ssh`, in a Pod by
/// `kubectl exec`.
///
/// Each request is made and looked at there, and what comes back is evidence.
/// That program has its own settings: whom it trusts, whom it asks for names, its environment.
/// [`argument`](Self::argument) gives it others.
///
/// A command can be seen in the list of processes, so requests with credentials or a body are not made there;
/// nor are requests that are to end before HTTP. Both are said, and nothing is claimed of that leg.
///
/// Linux only, as [commands](reqpath_core::Vantage::command) are.
///
/// ```
/// use std::sync::Arc;
///
/// use reqpath_core::{Entry, Target};
/// use reqpath_local::FarCommand;
///
/// let shop = FarCommand::new("shop", ["kubectl", "exec", "deploy/shop", "--", "reqpath"]).argument("-4");
/// let target = Target::get("http://cart.internal/")?;
/// let entry = Entry::from_far("shop", "cart", target, Arc::new(shop)).at("10.0.0.7:8080".parse()?);
/// # let _ = entry;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FarCommand {
    name: Cow<'static, str>,
    command: Vec<String>,
    arguments: Vec<String>,
    /// Whether a shell at the far end takes the command apart once more.
    shell: bool,
}

impl FarCommand {
    /// A place of this name, where this command runs reqpath with what is put behind it.
    #[must_use]
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        command: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let command: Vec<String> = command.into_iter().map(Into::into).collect();
        let program = command.first().and_then(|program| program.rsplit('/').next());
        let shell = program == Some("ssh");
        Self { name: name.into(), command, arguments: Vec::new(), shell }
    }

    /// What is put behind the command goes through a shell there, and is quoted for it; with `ssh` it always is.
    #[must_use]
    pub fn through_shell(mut self) -> Self {
        self.shell = true;
        self
    }

    /// One more argument of `reqpath trace` there: `--cacert`, `-4`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The command in full.
    fn words(&self, request: &FarRequest<'_>) -> Result<Vec<String>, Unavailable> {
        let target = request.target;
        if let Some(stage) = request.until {
            return Err(cannot(format!("end a request after `{stage}`")));
        }
        if target.headers().iter().any(Header::is_secret) || redact_url(target.url()) != target.url() {
            return Err(cannot("be given credentials, which its list of processes would show".to_owned()));
        }
        if target.body_length() > 0 {
            return Err(cannot("be given a body".to_owned()));
        }
        let mut words = self.command.clone();
        words.extend(["trace", "--json", "--road-only"].map(str::to_owned));
        words.extend(self.arguments.iter().cloned());
        let time = within(request.time);
        words.extend([format!("--max-time={}us", time.0), format!("--deadline={}us", time.0)]);
        if target.method() != "GET" {
            words.push(format!("--request={}", target.method()));
        }
        if let Some(Endpoint { host, port, .. }) = request.endpoint {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            words.push(format!("--connect-to=::{host}:{port}"));
        }
        let id = ("X-Request-Id", request.request_id);
        let headers = target.headers().iter().map(|header| (header.name.as_str(), header.value.as_str()));
        let own_id = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case(id.0);
        let id = (!headers.clone().any(|header| own_id(&header))).then_some(id);
        words.extend(headers.chain(id).map(|(name, value)| format!("--header={name}: {value}")));
        words.extend(["--".to_owned(), target.url().to_owned()]);
        if self.shell {
            let arguments = words.split_off(self.command.len());
            words.extend(arguments.iter().map(|word| quoted(word).into_owned()));
        }
        Ok(words)
    }
}

#[async_trait]
impl Far for FarCommand {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    async fn trace_here(&self, _: Permit, request: FarRequest<'_>) -> Result<Vec<u8>, Unavailable> {
        let words = self.words(&request)?;
        let printed = system::output(&Here, &words, LARGEST, request.time).await?;
        if printed.trim_ascii().is_empty() {
            let by_hand = self.command.join(" ");
            return Err(Unavailable::System(format!("no report came; try `{by_hand} --version`")));
        }
        Ok(printed)
    }
}

/// The time of the request itself.
fn within(time: Duration) -> Micros {
    Micros::from(time - time / WAY)
}

fn cannot(what: String) -> Unavailable {
    Unavailable::System(format!("this place cannot {what}"))
}
