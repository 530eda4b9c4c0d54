//! A header of the request.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::TargetError;
use crate::secret::{REDACTED, shown};

/// A header of the request. Stored without its value where the value is secret.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Header {
    /// The name as given.
    pub name: String,
    /// The value as given.
    pub value: String,
    /// Whether the caller said that the value is secret, whatever the name.
    #[serde(skip)]
    marked: bool,
}

impl Header {
    /// A header.
    ///
    /// # Errors
    ///
    /// When the name is not a token, or the value holds a control character other than a tab.
    pub fn new(name: &str, value: &str) -> Result<Self, TargetError> {
        let printable = |b: u8| b == b'\t' || !b.is_ascii_control();
        if !is_token(name) || !value.bytes().all(printable) {
            return Err(TargetError::Header { header: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned(), marked: false })
    }

    /// The same header, secret whatever it is called: it is neither stored nor shown.
    ///
    /// ```
    /// use reqpath_core::Header;
    ///
    /// let header = Header::new("X-Tenant", "acme")?.secret();
    /// assert!(header.is_secret() && !format!("{header:?}").contains("acme"));
    /// # Ok::<(), reqpath_core::TargetError>(())
    /// ```
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.marked = true;
        self
    }

    /// Whether the value is a credential, or was said to be secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.shown() == REDACTED
    }

    /// The value as it may be stored and shown.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        if self.marked { Cow::Borrowed(REDACTED) } else { shown(&self.name, &self.value) }
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Stored<'a> {
            name: &'a str,
            value: &'a str,
        }
        Stored { name: &self.name, value: &self.shown() }.serialize(serializer)
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.shown())
    }
}

/// A token of RFC 9110: a method, or a header's name.
pub(super) fn is_token(text: &str) -> bool {
    let of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(of_token)
}
