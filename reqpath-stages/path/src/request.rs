//! The request that a path file describes.

use std::fmt;
use std::sync::Arc;

use reqpath_core::{Expectation, Header, Micros, Target, TargetBuilder, TargetError, redact_url};

/// The request that a path file describes; a URL may still be missing.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Request {
    /// The URL.
    pub url: Option<String>,
    /// The method; GET unless said, or POST with a body.
    pub method: Option<String>,
    /// The headers, their references followed.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Option<Arc<[u8]>>,
    /// What the answer should be.
    pub expect: Expectation,
    /// The time one request may take.
    pub max_time: Option<Micros>,
    /// How many redirects are followed.
    pub max_redirects: u32,
}

/// Neither the file nor its user named a URL, or one that cannot be requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoUrl {
    /// There is none at all.
    #[error("no URL: give one, or write `request: {{url: https://shop.example/}}` in the path file")]
    Missing,
    /// It cannot be requested, or something else of the request cannot be sent.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secret query values and the body stay out of every log.
        f.debug_struct("Request")
            .field("url", &self.url.as_deref().map(redact_url))
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body_length", &self.body.as_ref().map(|body| body.len()))
            .finish_non_exhaustive()
    }
}

impl Request {
    /// The request, with another URL where one is given.
    ///
    /// A URL of another origin gets none of the file's credentials: they belong to the one the file names.
    ///
    /// # Errors
    ///
    /// When there is no URL, or the request cannot be sent.
    pub fn builder(&self, url: Option<&str>) -> Result<TargetBuilder, NoUrl> {
        let mut builder = Target::builder(url.or(self.url.as_deref()).ok_or(NoUrl::Missing)?)?;
        let strange = self.leaves_credentials_out(url);
        let default_method = if self.body.is_some() { "POST" } else { "GET" };
        builder = builder.method(self.method.as_deref().unwrap_or(default_method))?;
        for header in self.headers.iter().filter(|header| !(strange && header.is_secret())) {
            builder = builder.with_header(header.clone());
        }
        if let Some(body) = &self.body {
            builder = builder.body(Arc::clone(body));
        }
        if let Some(max_time) = self.max_time {
            builder = builder.max_time(max_time);
        }
        Ok(builder.expect(self.expect.clone()).max_redirects(self.max_redirects))
    }

    /// Whether a request for this URL goes without the file's credentials.
    #[must_use]
    pub fn leaves_credentials_out(&self, url: Option<&str>) -> bool {
        let given = url.and_then(|url| Target::get(url).ok());
        let own = self.url.as_deref().and_then(|url| Target::get(url).ok());
        let strange = given.is_some_and(|given| own.is_some_and(|own| !own.same_origin(&given)));
        strange && self.headers.iter().any(Header::is_secret)
    }
}
