//! A vantage that sees nothing, and stages that do as told.
#![allow(dead_code, reason = "each test file uses its part")]

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqpath_core::*;

/// A place with nothing in it.
#[derive(Debug)]
pub(crate) struct Nowhere;

#[async_trait]
impl Vantage for Nowhere {
    fn name(&self) -> Cow<'static, str> {
        "nowhere".into()
    }
    async fn connect(
        &self,
        _: Permit,
        _: PeerAddr,
        _: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        Err(ConnectFailure::new("nothing here"))
    }
    async fn datagram(&self, _: Permit, _: PeerAddr) -> io::Result<Box<dyn Datagram>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    async fn resolve(&self, _: Permit, _: &str) -> Result<SystemAnswer, SystemLookupError> {
        Err(SystemLookupError::new("EAI_AGAIN", "nothing here"))
    }
    async fn route(&self, _: Permit, _: IpAddr) -> Result<Route, Unavailable> {
        Err(Unavailable::NotHere)
    }
    async fn listener(&self, _: Permit, _: PeerAddr) -> Result<Option<Listener>, Unavailable> {
        Err(Unavailable::NotHere)
    }
    async fn ports(&self, _: Permit, _: PeerAddr) -> Result<PortUse, Unavailable> {
        Err(Unavailable::NotHere)
    }
    async fn descriptors(&self, _: Permit) -> Result<(u64, u64), Unavailable> {
        Err(Unavailable::NotHere)
    }
    async fn read(&self, _: Permit, _: &str, _: usize) -> Result<Vec<u8>, Unavailable> {
        Err(Unavailable::Missing)
    }
    fn environment(&self, _: &str) -> Option<String> {
        None
    }
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// What a toy stage does on its k-th run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Pass,
    Die,
    Fail,
    Hang,
}

/// Evidence of a toy stage.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Toy {
    pub(crate) ok: bool,
}

impl Evidence for Toy {
    const KIND: &'static str = "toy.look";
}

/// A stage that does as told, once for each run; the last act repeats.
#[derive(Debug)]
pub(crate) struct ToyStage {
    pub(crate) acts: Vec<Act>,
    pub(crate) runs: Arc<AtomicU32>,
    pub(crate) requests: u32,
}

impl ToyStage {
    pub(crate) fn new(acts: &[Act]) -> Self {
        Self { acts: acts.to_vec(), runs: Arc::default(), requests: 1 }
    }
}

#[async_trait]
impl Stage for ToyStage {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn causes(&self) -> &[&'static Cause] {
        TOY_CAUSES
    }
    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        vec![Contact::new(ContactKind::Request, "toy", self.requests, "the request")]
    }
    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) as usize;
        let act = *self.acts.get(run).or(self.acts.last()).expect("at least one act");
        let _spent = cx.permit(ContactKind::Request)?;
        match act {
            Act::Pass => {
                cx.record(at, Toy { ok: true });
                cx.arrived("toy 200");
                Ok(Left::Alive)
            }
            Act::Die => {
                cx.record(at, Toy { ok: false });
                Ok(Left::Dead)
            }
            Act::Fail => Err(Error::OutOfTime { what: "look" }),
            Act::Hang => {
                let _kept = cx.begin(at, Toy { ok: false });
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(Left::Alive)
            }
        }
    }
}

static TOY_CAUSES: &[&Cause] = &[&TOY_BROKEN, &TOY_WARNS];

cause! {
    /// The toy broke.
    pub(crate) static TOY_BROKEN: "toy.broken" = broken { scope(Scope::Sample), blames(End::Far) }
}

fn broken(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.first::<Toy>(at)?;
    if seen.ok {
        return Err(Decline::not("the toy is whole", &seen));
    }
    Ok(Finding::new(at, &seen, "the toy broke").next("mend it"))
}

cause! {
    /// The toy was looked at.
    pub(crate) static TOY_WARNS: "toy.looked_at" = looked_at { only_warns() }
}

fn looked_at(case: &Case, at: &Subject) -> Result<Finding, Decline> {
    let seen = case.first::<Toy>(at)?;
    Ok(Finding::new(at, &seen, "somebody looked"))
}

pub(crate) fn trace() -> Trace {
    let target = Target::get("http://192.0.2.1/").expect("a URL");
    Trace::new(target, Arc::new(Nowhere)).deadline(Duration::from_secs(5))
}

pub(crate) async fn run(acts: &[Act], trace: Trace) -> Report {
    Pipeline::builder().stage(ToyStage::new(acts)).build().expect("two codes").trace(trace).await
}
