use std::fmt;

use reqpath_core::{escape, escape_bytes};
use serde::{Deserialize, Serialize};

/// How much of a message is kept, in characters.
const WORDS: usize = 300;

/// The error a PostgreSQL sends in place of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServerError {
    /// `FATAL`, `ERROR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The SQLSTATE: `53300`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The server's own words.
    pub message: String,
}

impl ServerError {
    /// Reads what follows the letter `E`: a length and fields, or, where the server could not even start
    /// a process for us, nothing but words.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self::of_fields(bytes).unwrap_or_else(|| {
            let words = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            Self { message: escape_bytes(words.trim_ascii(), WORDS), ..Self::default() }
        })
    }

    fn of_fields(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_sub(4)?;
        // What did not come any more is missing, and what came is worth having.
        let mut rest = &rest[..length.min(rest.len())];
        let mut error = Self::default();
        while let Some((&kind, value)) = rest.split_first().filter(|(kind, _)| **kind != 0) {
            let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
            let text = escape_bytes(&value[..end], WORDS);
            match kind {
                // `V` is never translated, and comes after `S`.
                b'S' | b'V' => error.severity = Some(text),
                b'C' => error.code = Some(text),
                b'M' => error.message = text,
                _ => {}
            }
            rest = value.get(end + 1..).unwrap_or_default();
        }
        (!error.message.is_empty()).then_some(error)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(severity) = &self.severity {
            write!(f, "{}: ", escape(severity, 40))?;
        }
        f.write_str(&self.message)?;
        match &self.code {
            Some(code) => write!(f, " (SQLSTATE {})", escape(code, 10)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_an_error_are_read() {
        let fields = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";
        let mut bytes = u32::try_from(fields.len() + 4).unwrap().to_be_bytes().to_vec();
        bytes.extend(fields);
        let error = ServerError::read(&bytes);
        assert_eq!(error.to_string(), "FATAL: sorry, too many clients already (SQLSTATE 53300)");
        let bare = ServerError::read(b"could not fork new process for connection: Resource\n\0");
        assert_eq!(bare.to_string(), "could not fork new process for connection: Resource");
        assert_eq!(ServerError::read(b"\x1b[31m\0").message, "\\u{1b}[31m");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            assert!(ServerError::read(&bytes).message.len() <= 10 * WORDS + 8);
        }
    }
}
