//! The request a scenario traces, as target, road and trace.

use std::sync::Arc;
use std::time::Duration;

use reqpath_core::{Expectation, Role, StatusRange, Target, Trace, Vantage};
use reqpath_stages::Road;
use reqpath_stages::tls::{Bundle, Trust};

use super::certificates::Certificates;

/// The request and the flags it is traced with.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) target: Target,
    pub(super) samples: u32,
    pub(super) max_time: Duration,
    pub(super) deadline: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) expect_status: Vec<StatusRange>,
    pub(super) max_redirects: u32,
    pub(super) road_only: bool,
    pub(super) knows_intermediate: bool,
}

impl Request {
    /// The stages' options. The client believes the scenario's root and nobody else.
    pub(super) fn road(&self, certificates: &Certificates) -> Road {
        let mut road = Road::new();
        if let Some(limit) = self.connect_timeout {
            road.tcp.connect_timeout = limit;
        }
        let root = certificates.root().certificate_der().clone();
        road.tls.trust = Trust::Bundle(Bundle::new("the scenario's root", vec![root]));
        if self.knows_intermediate {
            road.tls.spare_intermediates.push(certificates.intermediate().certificate_der().clone());
        }
        if self.road_only { road.road_only() } else { road }
    }

    /// The trace, with the controls that the program makes.
    pub(super) fn trace(&self, vantage: Arc<dyn Vantage>) -> Trace {
        let mut expect = Expectation::default();
        expect.status.clone_from(&self.expect_status);
        let target = self.target.to_builder().max_time(self.max_time).max_redirects(self.max_redirects);
        let mut trace = Trace::new(target.expect(expect).build(), vantage).samples(self.samples);
        if let Some(deadline) = self.deadline {
            trace = trace.deadline(deadline);
        }
        if self.road_only {
            return trace.without_last_try();
        }
        trace = trace.control(Role::Direct);
        match self.deadline {
            Some(deadline) if deadline > self.max_time => trace.control(Role::Patient),
            _ => trace,
        }
    }
}
