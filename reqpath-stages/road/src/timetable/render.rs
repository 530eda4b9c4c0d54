//! A timetable in words and cells; who prints it draws the lines.

use reqpath_core::{HopId, Micros, escape};

use super::{Patience, Row, Timetable};

/// From so many tries of one request on they are worth a word.
pub(crate) const MANY_TRIES: u64 = 4;
/// What stands where nothing is declared.
const UNKNOWN: &str = "?";
/// What stands where there is nothing to declare.
const NONE: &str = "–";

impl Timetable {
    /// What stands above the columns.
    pub const HEADER: [&'static str; 10] =
        ["hop", "connect", "send", "read", "total", "tries", "own time", "holds up to", "waited for", "left"];

    /// The cells of each row, below [`HEADER`](Self::HEADER): `?` where something is not declared,
    /// `–` where there is nothing to declare.
    #[must_use]
    pub fn cells(&self) -> Vec<[String; 10]> {
        self.rows.iter().enumerate().map(|(place, row)| self.row_cells(row, place == 0)).collect()
    }

    /// What the table shows, in sentences: inversions first, then retries that multiply, and a missing deadline.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.inversions.iter().map(ToString::to_string).collect();
        if self.attempts.product > MANY_TRIES {
            notes.push(self.attempts.to_string());
        }
        if self.rows.first().is_some_and(|row| row.patience == Some(Patience::Endless)) {
            notes.push("the caller waits for ever".to_owned());
        }
        notes
    }

    /// The table and its notes as Markdown, every name escaped.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut out = line(&Self::HEADER.map(str::to_owned));
        out.push_str(&line(&Self::HEADER.map(|_| "---".to_owned())));
        for cells in self.cells() {
            out.push_str(&line(&cells.map(|cell| markdown_cell(&cell))));
        }
        if !self.notes().is_empty() {
            out.push('\n');
        }
        for note in self.notes() {
            out.push_str(&format!("- {}\n", markdown_cell(&note)));
        }
        out
    }

    fn row_cells(&self, row: &Row, first: bool) -> [String; 10] {
        let waits = !row.kind.passes_packets();
        let last =
            self.rows.iter().rfind(|row| row.branch_of.is_none()).map(|row| &row.hop) == Some(&row.hop);
        let asks = |hop: &HopId| self.rows.iter().any(|row| row.branch_of.as_ref() == Some(hop));
        // The last place, and what is asked beside the road, need not wait for anybody.
        let unknown = match waits && (asks(&row.hop) || !last && row.branch_of.is_none()) {
            true => UNKNOWN,
            false => NONE,
        };
        let time = |time: Option<Micros>| time.map_or_else(|| unknown.to_owned(), plain);
        let timeouts = &row.timeouts;
        let total = match row.patience {
            Some(Patience::Endless) => "none".to_owned(),
            _ if row.branch_of.is_some() && timeouts.total_us.is_none() => {
                timeouts.statement_us.map_or_else(|| unknown.to_owned(), plain)
            }
            _ => time(timeouts.total_us),
        };
        // Beyond its deadline a caller is not asked how its client library waits.
        let of_hop = |timeout: Option<Micros>| match timeout {
            None if first => NONE.to_owned(),
            timeout => time(timeout),
        };
        let told = if first || !waits { NONE } else { UNKNOWN };
        let said = |said: Option<String>| said.unwrap_or_else(|| told.to_owned());
        let indent = if row.branch_of.is_some() { "└ " } else { "" };
        [
            format!("{indent}{}", escape(row.hop.as_str(), 40)),
            of_hop(timeouts.connect_us),
            of_hop(timeouts.send_us),
            of_hop(timeouts.read_us),
            total,
            timeouts.tries.map_or_else(|| unknown.to_owned(), |tries| tries.to_string()),
            row.budget.map_or_else(|| told.to_owned(), plain),
            said(row.holds.map(|holds| holds.to_string())),
            said(self.patience_for(row).map(|patience| patience.to_string())),
            said(row.remaining.map(|remaining| remaining.to_string())),
        ]
    }

    /// How long whoever waits for this place waits.
    fn patience_for(&self, row: &Row) -> Option<Patience> {
        self.row(row.waited_for_by.as_ref()?)?.patience
    }
}

/// A declared time as it would be written by hand: `60 s`, `1.5 s`, `500 ms`.
pub(crate) fn plain(time: Micros) -> String {
    let (unit, of) = match time.0 {
        0..1_000 => return format!("{} µs", time.0),
        1_000..1_000_000 => ("ms", 1_000),
        _ => ("s", 1_000_000),
    };
    let (whole, part) = (time.0 / of, time.0 % of * 1000 / of);
    let number = format!("{whole}.{part:03}");
    format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// A text that cannot end the cell it stands in, nor mean anything in Markdown or HTML.
fn markdown_cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A zero-width space: `@all` and `#12` call nobody.
            '@' | '#' => out.extend([c].into_iter().chain("&#8203;".chars())),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}
