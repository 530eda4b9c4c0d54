//! Which queries a fault applies to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RecordType};

use super::record::Transport;
use super::zone::{ZoneError, absolute};

/// A condition on queries: name, type, transport, and when.
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::dns::{On, RecordType};
///
/// let aaaa_over_udp = On::name("www.example.test").record_type(RecordType::AAAA).udp();
/// let from_the_third_on = On::any().after(2);
/// let in_the_first_second = On::below("example.test").until(Duration::from_secs(1));
/// # let _ = (aaaa_over_udp, from_the_third_on, in_the_first_second);
/// ```
///
/// When a fault is met can be narrowed by count and by time:
///
/// ```
/// use std::time::Duration;
/// use reqpath_testkit::dns::On;
///
/// let second_and_third = On::any().after(1).times(2);
/// let one_of_four = On::any().every(4).tcp();
/// let an_outage = On::any().from(Duration::from_secs(2)).until(Duration::from_secs(5));
/// # let _ = (second_and_third, one_of_four, an_outage);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a condition does nothing until it is given to a server"]
pub struct On {
    name: Option<(String, Reach)>,
    record_type: Option<RecordType>,
    transport: Option<Transport>,
    after: u64,
    most: Option<u64>,
    every: u64,
    from: Duration,
    until: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Reach {
    Itself,
    Below,
}

impl On {
    /// Every query.
    pub fn any() -> Self {
        Self {
            name: None,
            record_type: None,
            transport: None,
            after: 0,
            most: None,
            every: 1,
            from: Duration::ZERO,
            until: None,
        }
    }

    /// Queries for this name; always absolute, with or without the last dot.
    pub fn name(name: &str) -> Self {
        Self { name: Some((name.to_owned(), Reach::Itself)), ..Self::any() }
    }

    /// Queries for this name and all below it.
    pub fn below(name: &str) -> Self {
        Self { name: Some((name.to_owned(), Reach::Below)), ..Self::any() }
    }

    /// Queries for this type.
    pub fn record_type(mut self, record_type: RecordType) -> Self {
        self.record_type = Some(record_type);
        self
    }

    /// Queries over UDP.
    pub fn udp(mut self) -> Self {
        self.transport = Some(Transport::Udp);
        self
    }

    /// Queries over TCP.
    pub fn tcp(mut self) -> Self {
        self.transport = Some(Transport::Tcp);
        self
    }

    /// Not the first `k` of the queries that match otherwise.
    pub fn after(mut self, k: u64) -> Self {
        self.after = k;
        self
    }

    /// At most `k` of the queries that match otherwise.
    pub fn times(mut self, k: u64) -> Self {
        self.most = Some(k);
        self
    }

    /// Every k-th of the queries that match otherwise: the k-th, the 2k-th, …
    pub fn every(mut self, k: u64) -> Self {
        self.every = k.max(1);
        self
    }

    /// Not before this long after the start of the server.
    pub fn from(mut self, since_start: Duration) -> Self {
        self.from = since_start;
        self
    }

    /// Only until this long after the start of the server.
    pub fn until(mut self, since_start: Duration) -> Self {
        self.until = Some(since_start);
        self
    }

    pub(super) fn load(self) -> Result<Condition, ZoneError> {
        let name = self.name.as_ref().map(|(name, reach)| Ok((absolute(name, None)?, *reach))).transpose()?;
        Ok(Condition { name, on: self, matched: AtomicU64::new(0), applied: AtomicU64::new(0) })
    }
}

/// A condition with its counters.
#[derive(Debug)]
pub(super) struct Condition {
    name: Option<(Name, Reach)>,
    on: On,
    matched: AtomicU64,
    applied: AtomicU64,
}

impl Condition {
    /// Whether this query meets the condition; counts those that do.
    pub(super) fn meets(
        &self,
        name: &Name,
        record_type: RecordType,
        transport: Transport,
        at: Duration,
    ) -> bool {
        let named = self.name.as_ref().is_none_or(|(wanted, reach)| match reach {
            Reach::Itself => wanted == name,
            Reach::Below => wanted.zone_of(name),
        });
        let same = named
            && self.on.record_type.is_none_or(|wanted| wanted == record_type)
            && self.on.transport.is_none_or(|wanted| wanted == transport)
            && at >= self.on.from
            && self.on.until.is_none_or(|until| at < until);
        if !same {
            return false;
        }
        let count = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
        if count <= self.on.after || !(count - self.on.after).is_multiple_of(self.on.every) {
            return false;
        }
        let applied = self.applied.fetch_add(1, Ordering::Relaxed);
        self.on.most.is_none_or(|most| applied < most)
    }
}
