//! A place without a network: variables and files are what the test says.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqpath_client::{Client, ClientOptions};
use reqpath_core::{
    Cause, ConnectFailure, ConnectOptions, Connection, Contact, Context, Datagram, Destination, Error, Left,
    Listener, Path, PeerAddr, Permit, Pipeline, PortUse, Report, Role, Route, Stage, Subject, SystemAnswer,
    SystemLookupError, Target, Trace, Unavailable, Vantage,
};

/// A place with these variables and files and nothing else.
#[derive(Debug, Default, Clone)]
pub struct Place {
    pub variables: BTreeMap<String, String>,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Place {
    pub fn with(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { variables: variables.collect(), files: BTreeMap::new() }
    }

    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.as_bytes().to_vec());
        self
    }
}

#[async_trait]
impl Vantage for Place {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("place")
    }

    async fn connect(
        &self,
        _: Permit,
        to: PeerAddr,
        _: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectFailure> {
        panic!("nothing is to be connected to, and {to} was")
    }

    async fn datagram(&self, _: Permit, to: PeerAddr) -> io::Result<Box<dyn Datagram>> {
        panic!("nothing is to be sent, and {to} was to get something")
    }

    async fn resolve(&self, _: Permit, name: &str) -> Result<SystemAnswer, SystemLookupError> {
        panic!("no name is to be resolved, and {name} was")
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
        Ok((7, 1024))
    }

    async fn read(&self, _: Permit, path: &str, limit: usize) -> Result<Vec<u8>, Unavailable> {
        let mut bytes = self.files.get(path).cloned().ok_or(Unavailable::Missing)?;
        bytes.truncate(limit);
        Ok(bytes)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The stage after the one under test: keeps what it was handed, and lets every fresh request die.
#[derive(Debug, Clone, Default)]
struct Next {
    handed: Arc<Mutex<Vec<(Role, Destination)>>>,
}

#[async_trait]
impl Stage for Next {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn causes(&self) -> &[&'static Cause] {
        &[]
    }

    fn plan(&self, _: &Subject, _: &Path, _: &Target) -> Vec<Contact> {
        Vec::new()
    }

    async fn run(&self, at: &Subject, cx: &Context) -> Result<Left, Error> {
        let destination = cx.take::<Destination>(at).expect("the client hands one on");
        self.handed.lock().unwrap().push((cx.role(), destination));
        Ok(if cx.role() == Role::Direct { Left::Alive } else { Left::Dead })
    }
}

/// Runs the stage in this place, with a control past the proxy, and says what it handed on in each trial.
pub fn run(place: Place, options: ClientOptions, url: &str) -> (Report, Vec<(Role, Destination)>) {
    let next = Next::default();
    let pipeline = Pipeline::builder().stage(Client::new(options)).stage(next.clone()).build().unwrap();
    let trace = Trace::new(Target::get(url).unwrap(), Arc::new(place))
        .control(Role::Direct)
        .deadline(Duration::from_secs(20))
        .without_last_try();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(pipeline.trace(trace));
    let handed = next.handed.lock().unwrap().clone();
    (report, handed)
}
