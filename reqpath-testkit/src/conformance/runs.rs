//! The scenes a stage is played in, and what each must show.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use reqpath_core::{Catalogue, Left, Path, Stage, Target};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::recognised;
use super::recorded;
use super::scene::{DEADLINE, Place, Played, Scene};
use super::stage::{StageCheck, World};
use super::stand_in::Taker;
use super::violations::Violations;
use crate::vantage::{Dial, Exchange, FakeVantage, Lookup, Packets};

/// Secrets of the request, which no report may hold.
pub(super) const SECRETS: [&str; 3] = ["Qz7-authorization-Qz7", "Qz7-cookie-Qz7", "Qz7-password-Qz7"];
/// How many spoilt copies of each live report the recognisers must survive.
const COPIES: u32 = 24;
/// Times at which a trace is cut short.
const SHORT: [Duration; 3] = [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(700)];

/// Everything that is checked by running the stage.
pub(super) async fn all(
    check: &StageCheck,
    target: &Target,
    catalogue: &Catalogue,
    violations: &mut Violations,
) {
    let bench = Bench { check, target, catalogue };
    for world in &check.worlds {
        bench.given_world(world, violations).await;
    }
    for world in &worlds() {
        bench.hostile_world(world, violations).await;
    }
}

struct Bench<'a> {
    check: &'a StageCheck,
    target: &'a Target,
    catalogue: &'a Catalogue,
}

impl Bench<'_> {
    /// A world of the caller's: it is followed to the letter, and the plan with it.
    async fn given_world(&self, world: &World, violations: &mut Violations) {
        let stage = &self.check.stage;
        let name = format!("in the world \"{}\"", world.name);

        let vantage = (world.make)();
        let whole = self.play(&name, vantage.clone(), self.road(vec![self.tested()]), true, violations).await;
        if let Err(unmet) = vantage.verify() {
            violations.add(format!("{name}: {unmet}"));
        }
        self.look_at(&name, &whole, violations);
        if whole.report.is_some() && whole.left(stage.name()).is_none() {
            violations.add(format!("{name}: the request does not come as far as this stage"));
        }

        // How much the stages before leave of the budget, and how many contacts they make.
        let (taker, taken) = Taker::of_all();
        let counting = self.road(vec![Place::Before(Arc::new(taker))]);
        let before = self.play_quiet(&name, world, counting, violations).await;
        let spare = *taken.lock().unwrap_or_else(PoisonError::into_inner);

        let exactly = self.road(vec![Place::Before(Arc::new(Taker::of(spare))), self.tested()]);
        let exact = self.play_quiet(&name, world, exactly, violations).await;
        if let Some(refused) = exact.refused_to(stage.name()) {
            violations.add(format!("{name}: it wants more than its plan announces: {refused}"));
        }

        let (taker, _) = Taker::of_all();
        let nothing = self.road(vec![Place::Before(Arc::new(taker)), Place::Unannounced(stage.clone())]);
        let empty = self.play_quiet(&format!("{name}, without a permit"), world, nothing, violations).await;
        violations.unless(empty.contacts <= before.contacts, || {
            format!(
                "{name}: it makes contact without a permit of the trace ({} more)",
                empty.contacts - before.contacts
            )
        });
        let (with, without) = (whole.left(stage.name()), empty.left(stage.name()));
        violations.unless(without != Some(Left::Dead) || with == Some(Left::Dead), || {
            format!("{name}: refused every permit, it says that the request died; that is the probe's trouble: an `Error`")
        });

        if !self.check.before.is_empty() {
            let name = format!("{name}, with nothing handed on");
            let alone = self.play_quiet(&name, world, vec![self.tested()], violations).await;
            violations.unless(alone.contacts > 0 || alone.left(stage.name()) != Some(Left::Dead), || {
                format!("{name}, it says that the request died; that is the probe's trouble: an `Error`")
            });
        }
        for deadline in SHORT {
            let vantage = (world.make)();
            let name = format!("{name}, given {deadline:?}");
            let scene = Scene {
                name: name.clone(),
                stages: self.road(vec![self.tested()]),
                target: self.target,
                vantage: vantage.clone(),
                once: true,
                deadline,
            };
            let played = scene.play(violations).await;
            let _ = vantage.verify();
            self.look_at(&name, &played, violations);
        }
    }

    /// A world that nobody scripted for this stage: all that counts is what it does not do.
    async fn hostile_world(&self, world: &World, violations: &mut Violations) {
        for once in [true, false] {
            let name = format!("where {}", world.name);
            let vantage = (world.make)();
            let played = self.play(&name, vantage, self.road(vec![self.tested()]), once, violations).await;
            self.look_at(&name, &played, violations);
            if let Some(refused) = played.refused_to(self.check.stage.name()) {
                violations.add(format!("{name}: it wants more than its plan announces: {refused}"));
            }
        }
    }

    fn tested(&self) -> Place {
        Place::Tested(self.check.stage.clone())
    }

    /// The stages before, and these.
    fn road(&self, then: Vec<Place>) -> Vec<Place> {
        self.check.before.iter().cloned().map(Place::Before).chain(then).collect()
    }

    async fn play(
        &self,
        name: &str,
        vantage: Arc<FakeVantage>,
        stages: Vec<Place>,
        once: bool,
        violations: &mut Violations,
    ) -> Played {
        Scene { name: name.to_owned(), stages, target: self.target, vantage, once, deadline: DEADLINE }
            .play(violations)
            .await
    }

    /// Plays it in a world whose expectations do not count this time.
    async fn play_quiet(
        &self,
        name: &str,
        world: &World,
        stages: Vec<Place>,
        violations: &mut Violations,
    ) -> Played {
        let vantage = (world.make)();
        let played = self.play(name, vantage.clone(), stages, true, violations).await;
        let _ = vantage.verify();
        played
    }

    fn look_at(&self, name: &str, played: &Played, violations: &mut Violations) {
        let Some(report) = &played.report else { return };
        let stage = &self.check.stage;
        let mut prefixes = vec![stage.name()];
        prefixes.extend(self.check.also_records.iter().copied());
        prefixes.extend(self.check.before.iter().map(|stage| stage.name()));
        recorded::check(name, report, &prefixes, violations);
        let json = serde_json::to_value(report).unwrap_or(Value::Null);
        let text = json.to_string();
        for secret in SECRETS.into_iter().filter(|secret| text.contains(secret)) {
            let place = place(&json, secret).unwrap_or_default();
            violations.add(format!("{name}: a secret of the request is in the report, at {place}: {secret}"));
        }
        recognised::survive(&json, stage.causes(), self.catalogue, COPIES, violations);
    }
}

/// Where in a document a text stands, as a JSON pointer; for an observation, its kind as well.
fn place(value: &Value, text: &str) -> Option<String> {
    match value {
        Value::String(string) => string.contains(text).then(String::new),
        Value::Array(list) => list.iter().zip(0..).find_map(|(child, index)| {
            let kind = child
                .get("kind")
                .and_then(Value::as_str)
                .map(|kind| format!(" ({kind})"))
                .unwrap_or_default();
            Some(format!("/{index}{kind}{}", place(child, text)?))
        }),
        Value::Object(map) => map.iter().find_map(|(name, child)| {
            let here = name.contains(text).then(String::new);
            Some(format!("/{name}{}", here.or_else(|| place(child, text))?))
        }),
        _ => None,
    }
}

/// What a stage announces, for one run on the way to this target.
pub(super) fn plan(stage: &Arc<dyn Stage>, target: &Target) -> Vec<reqpath_core::Contact> {
    let path = Path::of_url();
    let at = path.front().map(|front| front.at_sample(0));
    at.map(|at| stage.plan(&at, &path, target)).unwrap_or_default()
}

/// The worlds every stage is put into.
fn worlds() -> Vec<World> {
    let world =
        |name: &str, make: fn() -> Arc<FakeVantage>| World { name: name.to_owned(), make: Box::new(make) };
    vec![
        world("nothing is there", || FakeVantage::builder().rest_absent().build()),
        world("nothing ever answers", || {
            let silent = FakeVantage::builder().any_tcp(Dial::silent()).any_udp(Packets::none());
            silent.any_name(Lookup::never()).rest_absent().build()
        }),
        world("every peer accepts and says nothing", || {
            let held =
                FakeVantage::builder().any_tcp(|exchange: Exchange| exchange.hold()).any_udp(Packets::none());
            held.any_name(Lookup::addresses([[192, 0, 2, 1]])).rest_absent().build()
        }),
        world("every peer closes at once", || {
            let closing = FakeVantage::builder().any_tcp(|exchange: Exchange| async move {
                drop(exchange);
                Ok(())
            });
            closing
                .any_udp(Packets::refused())
                .any_name(Lookup::addresses([[192, 0, 2, 1]]))
                .rest_absent()
                .build()
        }),
        world("every peer resets", || {
            let resetting = FakeVantage::builder().any_tcp(|mut exchange: Exchange| async move {
                exchange.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await?;
                exchange.reset();
                Ok(())
            });
            resetting
                .any_udp(Packets::unreachable())
                .any_name(Lookup::addresses([[192, 0, 2, 1]]))
                .rest_absent()
                .build()
        }),
        world("every peer repeats what it hears", || {
            let parrot = FakeVantage::builder().any_tcp(|mut exchange: Exchange| async move {
                let heard = String::from_utf8_lossy(&exchange.read_head().await?).replace("\r\n", " ");
                let said =
                    format!("HTTP/1.1 400 {heard}\r\nx-heard: {heard}\r\nlocation: /{heard}\r\n\r\n{heard}");
                exchange.write_all(said.as_bytes()).await
            });
            let parrot = parrot.any_udp(|heard: &[u8]| heard.to_vec());
            parrot.any_name(Lookup::addresses([[192, 0, 2, 1]])).rest_absent().build()
        }),
        world("every peer talks nonsense", || {
            let nonsense = FakeVantage::builder().any_tcp(|mut exchange: Exchange| async move {
                for _ in 0..2000 {
                    exchange.write_all(NONSENSE).await?;
                }
                Ok(())
            });
            let nonsense = nonsense.any_udp(Packets::reply(NONSENSE).and(Packets::reply(&b""[..])));
            nonsense.any_name(Lookup::addresses([[192, 0, 2, 1]; 40])).rest_absent().build()
        }),
    ]
}

/// Bytes no protocol begins with, and a terminal would obey.
const NONSENSE: &[u8] =
    b"\x00\xff\x1b]0;owned\x07\x1b[31m\r\n\xc3\x28 Set-Cookie: a=b\r\n\x16\x03\x01\x80\x00\xfe\r\n\r\n";
