//! What a stage saw, typed while live and plain JSON when stored.

use std::any::Any;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Subject;

/// What a stage saw: a plain record that can be stored and read back.
///
/// Anyone may add a kind; nothing is registered.
/// The kind starts with the name of the stage that records it, and a dot.
/// A record stays typed while the trace lives and is turned into JSON only when a report is written.
///
/// ```
/// use reqpath_core::{Evidence, Subject};
///
/// #[derive(Debug, serde::Serialize, serde::Deserialize)]
/// struct Quota {
///     /// Requests left in this window, from the `X-Quota-Left` header.
///     left: u64,
/// }
///
/// impl Evidence for Quota {
///     const KIND: &'static str = "acme.quota";
///
///     fn source(&self, _: &Subject) -> String {
///         "curl -sI https://api.acme.example/ | grep -i x-quota-left".to_owned()
///     }
/// }
/// ```
pub trait Evidence: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// The name under which this is stored: `stage.thing`.
    const KIND: &'static str;

    /// The command a person would have typed to see the same, or empty where there is none.
    ///
    /// Asked only when a report is written, so it costs a trace nothing.
    fn source(&self, at: &Subject) -> String {
        let _ = at;
        String::new()
    }

    /// Whether this shows nothing but success.
    ///
    /// A trace in which everything went well is not asked about causes that
    /// [cannot be found in such](crate::Cause::only_in_trouble). Say `true` only where no such cause can be.
    fn went_well(&self) -> bool {
        false
    }

    /// What was seen, in a few words for one line of a report, or empty.
    ///
    /// Asked only when a report is written. Whatever a peer said in it must be [escaped](crate::escape).
    fn brief(&self) -> String {
        String::new()
    }
}

/// Evidence with its type forgotten, as a case holds it.
///
/// Implemented for every [`Evidence`]; not for implementing by hand.
pub trait AnyEvidence: Debug + Send + Sync {
    /// The kind's name.
    fn kind(&self) -> &'static str;
    /// The record, to be cast back to its type.
    fn as_any(&self) -> &dyn Any;
    /// The record as JSON; `null` if its own `Serialize` fails.
    fn to_value(&self) -> Value;
    /// The command a person would have typed.
    fn source(&self, at: &Subject) -> String;
    /// Whether this shows nothing but success.
    fn went_well(&self) -> bool;
    /// What was seen, in a few words.
    fn brief(&self) -> String;
    /// Reads a record of the same kind from JSON and writes it again, to see that storing loses nothing.
    ///
    /// # Errors
    ///
    /// As the type's own `Deserialize` and `Serialize` give them.
    fn round_trip(&self, stored: &Value) -> Result<Value, serde_json::Error>;
}

impl<E: Evidence> AnyEvidence for E {
    fn kind(&self) -> &'static str {
        E::KIND
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    fn source(&self, at: &Subject) -> String {
        Evidence::source(self, at)
    }

    fn went_well(&self) -> bool {
        Evidence::went_well(self)
    }

    fn brief(&self) -> String {
        Evidence::brief(self)
    }

    fn round_trip(&self, stored: &Value) -> Result<Value, serde_json::Error> {
        serde_json::to_value(E::deserialize(stored)?)
    }
}
