//! Colours, where a terminal shows them.

use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};

use crate::error::Mistake;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default().bold();

/// The text in a style. What a peer said must have been escaped before.
pub(super) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints, with colours only where standard output is a terminal that wants them.
pub(super) fn print(text: &str) -> Result<(), Mistake> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Mistake::Write(error)),
        _ => Ok(()),
    }
}
