//! The whole road of reqpath, without looks beside it.

use std::sync::Arc;

use reqpath_core::{Pipeline, Target, Trace, Vantage, Verdict};
use reqpath_stages::Road;
use reqpath_stages::local::LocalVantage;
use reqpath_stages::tls::{Bundle, Trust};

use crate::{Error, Server};

/// Every stage of the road, one connection and one request a target: recorded, judged, reported.
#[derive(Debug)]
pub struct Ours {
    pipeline: Pipeline,
    vantage: Arc<dyn Vantage>,
    /// Parsed once, as a prober that asks again and again has them.
    plain: Vec<Target>,
    secured: Vec<Target>,
}

impl Ours {
    /// A pipeline that trusts the server's issuer.
    ///
    /// # Errors
    ///
    /// When the options do not work on this machine.
    pub fn new(server: &Server) -> Result<Self, Error> {
        let failed = |e: &dyn std::fmt::Display| Error::part("reqpath", e);
        let mut road = Road::new().road_only();
        road.client.environment = false;
        road.tls.alpn = vec![b"http/1.1".to_vec()];
        road.tls.trust = Trust::Bundle(Bundle::new("the server's issuer", vec![server.issuer().clone()]));
        let pipeline = road.pipeline().map_err(|e| failed(&e))?;
        let targets = |tls| {
            let target = |number| Target::get(&server.url(tls, number)).map_err(|e| failed(&e));
            (0..server.ports()).map(target).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            pipeline,
            vantage: Arc::new(LocalVantage::new()),
            plain: targets(false)?,
            secured: targets(true)?,
        })
    }

    /// Traces the target of this number.
    ///
    /// # Errors
    ///
    /// When the verdict is not that the server was reached.
    pub async fn probe(self: Arc<Self>, tls: bool, number: usize) -> Result<(), Error> {
        let targets = if tls { &self.secured } else { &self.plain };
        let target = targets[number % targets.len()].clone();
        let trace = Trace::new(target, Arc::clone(&self.vantage)).without_last_try();
        let report = self.pipeline.trace(trace).await;
        match &report.verdict {
            Some(Verdict::Reached { .. }) => Ok(()),
            other => Err(Error::part("reqpath", format_args!("{other:?}"))),
        }
    }
}
