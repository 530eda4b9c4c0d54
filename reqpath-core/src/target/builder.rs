//! Describing a request, step by step.

use std::fmt;
use std::sync::Arc;

use super::header::is_token;
use super::{Expectation, Flag, Header, Inner, Target};
use crate::{Micros, TargetError};

/// Describes a request, step by step.
#[derive(Clone)]
pub struct TargetBuilder(pub(super) Inner);

impl fmt::Debug for TargetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl TargetBuilder {
    /// The method, as given on the request line.
    ///
    /// # Errors
    ///
    /// When it is not a token of RFC 9110.
    pub fn method(mut self, method: &str) -> Result<Self, TargetError> {
        if !is_token(method) {
            return Err(TargetError::Method { method: method.to_owned() });
        }
        method.clone_into(&mut self.0.method);
        Ok(self)
    }

    /// One more header.
    ///
    /// # Errors
    ///
    /// When the name is not a token, or the value holds a control character other than a tab.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, TargetError> {
        self.0.headers.push(Header::new(name, value)?);
        Ok(self)
    }

    /// One more header, made before: one that is [secret](Header::secret), for one.
    #[must_use]
    pub fn with_header(mut self, header: Header) -> Self {
        self.0.headers.push(header);
        self
    }

    /// Drops the headers for which `keep` says no.
    #[must_use]
    pub fn retain_headers(mut self, mut keep: impl FnMut(&Header) -> bool) -> Self {
        self.0.headers.retain(|header| keep(header));
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Arc<[u8]>>) -> Self {
        self.0.body = body.into();
        self.0.body_length = self.0.body.len();
        self
    }

    /// What the answer should be.
    #[must_use]
    pub fn expect(mut self, expect: Expectation) -> Self {
        self.0.expect = expect;
        self
    }

    /// The time one request may take.
    #[must_use]
    pub fn max_time(mut self, max_time: impl Into<Micros>) -> Self {
        self.0.max_time = Some(max_time.into());
        self
    }

    /// How many redirects to follow; 0 records them only, unless they are to be [followed](Self::follows_redirects).
    #[must_use]
    pub fn max_redirects(mut self, most: u32) -> Self {
        self.0.max_redirects = most;
        self
    }

    /// Whether redirects are followed: then with a [most](Self::max_redirects) of 0 the first is one too many.
    #[must_use]
    pub fn follows_redirects(mut self, follows: bool) -> Self {
        self.0.follows_redirects = follows;
        self
    }

    /// Whether a redirect leaves the method as it is, a POST too, as curl has it for one named by `-X`.
    #[must_use]
    pub fn keeps_method(mut self, keeps: bool) -> Self {
        self.0.keeps_method = keeps;
        self
    }

    /// What a redirect makes of that request: it goes on the list of those that led here.
    #[must_use]
    pub fn redirected_from(mut self, before: &Target) -> Self {
        self.0.trail = before.0.trail.after(&before.0.method, &before.0.url);
        self
    }

    /// One more [flag](Flag) with which the caller asked: commands to run next repeat it.
    ///
    /// It is stored and shown as it is given: no secrets.
    #[must_use]
    pub fn flag(mut self, name: impl Into<String>, value: Option<&str>) -> Self {
        self.0.flags.push(Flag::new(name, value));
        self
    }

    /// The request.
    #[must_use]
    pub fn build(self) -> Target {
        Target(Arc::new(self.0))
    }
}
