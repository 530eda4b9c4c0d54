//! The check of a stage.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use reqpath_core::{Catalogue, Cause, Context, Stage, Subject, Target};

use super::causes::causes;
use super::runs::{self, SECRETS};
use super::stand_in::Given;
use super::violations::Violations;
use crate::vantage::FakeVantage;

/// Real time for all of it where nobody says.
const PATIENCE: Duration = Duration::from_secs(120);
/// The request that is followed where nobody says.
const URL: &str = "http://conformance.test/path?page=1";

/// Holds a stage to the rules: see the [module](super) for which, and for an example.
///
/// ```no_run
/// # fn f(stage: impl reqpath_core::Stage + 'static) {
/// use reqpath_testkit::conformance;
/// use reqpath_testkit::vantage::{FakeVantage, Packets};
///
/// conformance::stage(stage)
///     .world("a good server", || {
///         FakeVantage::builder().udp(([192, 0, 2, 123], 123), Packets::reply(vec![0x24; 48])).build()
///     })
///     .check();
/// # }
/// ```
pub fn stage(stage: impl Stage + 'static) -> StageCheck {
    StageCheck {
        stage: Arc::new(stage),
        before: Vec::new(),
        worlds: Vec::new(),
        url: URL.to_owned(),
        beside: Vec::new(),
        also_records: Vec::new(),
        patience: PATIENCE,
    }
}

/// A check of a stage to come; made by [`stage`].
///
/// ```no_run
/// # fn f(stage: impl reqpath_core::Stage + 'static) {
/// use reqpath_testkit::conformance;
/// use reqpath_testkit::vantage::{Dial, FakeVantage};
///
/// let check = conformance::stage(stage)
///     .url("http://shop.test/")
///     .world("nothing listens", || FakeVantage::builder().any_tcp(Dial::refused()).rest_absent().build());
/// if let Err(broken) = check.violations() {
///     println!("{broken}");
/// }
/// # }
/// ```
///
/// Where the stage needs what others hand on, they go before it:
///
/// ```no_run
/// # fn f(stage: impl reqpath_core::Stage + 'static, tcp: impl reqpath_core::Stage + 'static) {
/// use std::time::Duration;
/// use reqpath_testkit::conformance;
/// use reqpath_testkit::vantage::{Dial, FakeVantage};
///
/// conformance::stage(stage)
///     .after(tcp)
///     .also_records("tcp")                                // it may find the connection broken
///     .beside(reqpath_stages::causes())
///     .within(Duration::from_secs(30))
///     .world("a greeting", || FakeVantage::builder().any_tcp(Dial::answers("220 ready\r\n")).build())
///     .check();
/// # }
/// ```
#[must_use = "nothing is checked until `check`"]
pub struct StageCheck {
    pub(super) stage: Arc<dyn Stage>,
    pub(super) before: Vec<Arc<dyn Stage>>,
    pub(super) worlds: Vec<World>,
    pub(super) url: String,
    pub(super) beside: Vec<&'static Cause>,
    pub(super) also_records: Vec<&'static str>,
    patience: Duration,
}

/// A scripted place, made anew for each trace.
pub(super) struct World {
    pub(super) name: String,
    pub(super) make: Box<dyn Fn() -> Arc<FakeVantage> + Send + Sync>,
}

impl StageCheck {
    /// A stage that stands before it, and hands on what it needs.
    pub fn after(mut self, stage: impl Stage + 'static) -> Self {
        self.before.push(Arc::new(stage));
        self
    }

    /// Hands on, without any contact, what an earlier stage would have.
    ///
    /// ```no_run
    /// # fn f(stage: impl reqpath_core::Stage + 'static) {
    /// use reqpath_core::{Addresses, Destination, PeerAddr};
    ///
    /// reqpath_testkit::conformance::stage(stage)
    ///     .given(|at, cx| {
    ///         cx.hand_on(at, Destination::of(cx.target()));
    ///         cx.hand_on(at, Addresses(vec![[192, 0, 2, 7].into()]));
    ///     })
    ///     .check();
    /// # }
    /// ```
    pub fn given(mut self, hand: impl Fn(&Subject, &Context) + Send + Sync + 'static) -> Self {
        self.before.push(Arc::new(Given(Box::new(hand))));
        self
    }

    /// A world in which the stage has what it needs; made anew for each of a dozen traces.
    ///
    /// The script is followed to the letter: an unexpected contact is a violation.
    pub fn world(mut self, name: &str, make: impl Fn() -> Arc<FakeVantage> + Send + Sync + 'static) -> Self {
        self.worlds.push(World { name: name.to_owned(), make: Box::new(make) });
        self
    }

    /// The URL of the request; a plain one at `conformance.test` unless said.
    ///
    /// A password, `Authorization` and `Cookie` are added, to see that they stay secret.
    pub fn url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// Causes of others that stand in the same catalogue, before the stage's own.
    pub fn beside(mut self, others: impl IntoIterator<Item = &'static Cause>) -> Self {
        self.beside.extend(others);
        self
    }

    /// Evidence of another stage that this one may record: `tcp` for `tcp.broken`.
    pub fn also_records(mut self, stage: &'static str) -> Self {
        self.also_records.push(stage);
        self
    }

    /// How much real time the check may take, 120 seconds unless said.
    ///
    /// The clock of the traces does not run, so only a stage that blocks, or leaves the vantage, needs any.
    pub fn within(mut self, real_time: Duration) -> Self {
        self.patience = real_time;
        self
    }

    /// Every rule that is broken.
    ///
    /// # Errors
    ///
    /// When any is.
    pub fn violations(self) -> Result<(), Violations> {
        let mut violations = Violations::new(format!("the stage `{}`", self.stage.name()));
        named(self.stage.name(), &mut violations);
        let beside = self.before.iter().flat_map(|stage| stage.causes()).chain(&self.beside).copied();
        let mut beside: Vec<&'static Cause> = beside.collect();
        beside.dedup_by_key(|cause| cause.code);
        let own = causes(self.stage.causes()).beside(beside.iter().copied());
        if let Err(broken) = own.violations() {
            violations.extend(broken);
        }
        let target = match target(&self.url) {
            Ok(target) => target,
            Err(error) => {
                violations.add(format!("the URL of the check: {error}"));
                return violations.into_result();
            }
        };
        announced(&self.stage, &target, &mut violations);
        let Ok(catalogue) = Catalogue::new(beside.into_iter().chain(self.stage.causes().iter().copied()))
        else {
            return violations.into_result();
        };
        violations.extend(aside(self, target, catalogue));
        violations.into_result()
    }

    /// Checks everything.
    ///
    /// # Panics
    ///
    /// When a rule is broken, with a list of all that are.
    #[track_caller]
    #[allow(clippy::panic, reason = "a check fails its test by a panic")]
    pub fn check(self) {
        if let Err(violations) = self.violations() {
            panic!("{violations}");
        }
    }
}

impl fmt::Debug for StageCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worlds: Vec<&str> = self.worlds.iter().map(|world| world.name.as_str()).collect();
        f.debug_struct("StageCheck")
            .field("stage", &self.stage)
            .field("before", &self.before)
            .field("worlds", &worlds)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn named(name: &str, violations: &mut Violations) {
    let word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    violations.unless(word, || format!("its name is one lower-case word, and is `{name}`"));
}

/// The plan is words, and the same each time.
fn announced(stage: &Arc<dyn Stage>, target: &Target, violations: &mut Violations) {
    let plan = runs::plan(stage, target);
    violations.unless(plan == runs::plan(stage, target), || "its plan is another each time".to_owned());
    for contact in &plan {
        let said = !contact.with.trim().is_empty() && !contact.why.trim().is_empty();
        violations.unless(said, || format!("its plan is to say with whom and why: {contact:?}"));
    }
}

/// A request with secrets in all the places where requests have them.
fn target(url: &str) -> Result<Target, reqpath_core::TargetError> {
    let [authorization, cookie, password] = SECRETS;
    let secret = match url.split_once("://") {
        Some((scheme, rest)) if !rest.contains('@') => format!("{scheme}://user:{password}@{rest}"),
        _ => url.to_owned(),
    };
    let builder = Target::builder(&secret)?;
    let builder = builder.header("Authorization", &format!("Bearer {authorization}"))?;
    Ok(builder.header("Cookie", &format!("session={cookie}"))?.build())
}

/// Plays every scene in a thread of its own, in an empty network where one can be had.
fn aside(check: StageCheck, target: Target, catalogue: Catalogue) -> Violations {
    let (name, patience) = (check.stage.name(), check.patience);
    let (tell, told) = mpsc::channel();
    let play = move || {
        let mut violations = Violations::new(String::new());
        isolated(&mut violations, |violations| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
            match runtime {
                Ok(runtime) => runtime.block_on(runs::all(&check, &target, &catalogue, violations)),
                Err(error) => violations.add(format!("no runtime could be made: {error}")),
            }
        });
        // Nobody listens any longer when the time was up.
        drop(tell.send(violations));
    };
    let mut violations = Violations::new(String::new());
    if let Err(error) = thread::Builder::new().name(format!("conformance-{name}")).spawn(play) {
        violations.add(format!("no thread could be made: {error}"));
        return violations;
    }
    match told.recv_timeout(patience) {
        Ok(told) => violations.extend(told),
        Err(mpsc::RecvTimeoutError::Timeout) => violations.add(format!(
            "it did not come to an end within {patience:?}, though the clock does not run: \
             it blocks, spins, or waits for something outside the vantage"
        )),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            violations.add("the thread of the check panicked".to_owned());
        }
    }
    violations
}

#[cfg(target_os = "linux")]
fn isolated(violations: &mut Violations, play: impl FnOnce(&mut Violations)) {
    use super::empty_net::EmptyNet;
    match EmptyNet::enter() {
        Ok(net) => {
            play(violations);
            match net.attempts() {
                Ok(attempts) if attempts.is_empty() => {}
                Ok(attempts) => violations.add(format!(
                    "it makes contact outside the vantage: in a network of its own the kernel counted {}",
                    attempts.join(", ")
                )),
                Err(error) => {
                    not_covered(&format!("the kernel's counters cannot be read: {error}"), violations);
                }
            }
        }
        Err(error) => {
            play(violations);
            not_covered(&format!("no network namespace can be made: {error}"), violations);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn isolated(violations: &mut Violations, play: impl FnOnce(&mut Violations)) {
    play(violations);
    not_covered("only Linux has network namespaces", violations);
}

/// Says that contact outside the vantage was not looked for; where everything is required, that is a failure.
#[allow(clippy::print_stderr, reason = "what was not checked is said aloud")]
fn not_covered(because: &str, violations: &mut Violations) {
    let text = format!("whether it makes contact outside the vantage was not looked at: {because}");
    if std::env::var_os("REQPATH_REQUIRE_REAL").is_some_and(|value| value == "1") {
        violations.add(text);
    } else {
        eprintln!("NOT COVERED: {text}");
    }
}
