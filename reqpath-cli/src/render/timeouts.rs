//! The timeouts along the path, as a table.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use reqpath_core::{Path, escape};
use reqpath_stages::road::Timetable;

use super::paint::{BOLD, WARN, paint};

/// How wide the table may grow before its cells are folded.
const WIDTH: u16 = 110;

/// The table and what it shows, where the path declares anything.
pub(super) fn timeouts(out: &mut String, path: &Path) {
    let timetable = Timetable::of(path);
    if timetable.is_empty() {
        return;
    }
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "{}", paint(BOLD, "timeouts, as declared"));
    for line in table(&timetable).lines() {
        let _ = writeln!(out, "  {}", line.trim_end());
    }
    for note in timetable.notes() {
        let _ = writeln!(out, "  {} {}", paint(WARN, "!"), escape(&note, 240));
    }
    out.push('\n');
}

fn table(timetable: &Timetable) -> String {
    let cells = timetable.cells();
    // A column in which nothing is declared tells nothing.
    let told =
        |column: &usize| *column == 0 || cells.iter().any(|row| !matches!(row[*column].as_str(), "?" | "–"));
    let columns: Vec<usize> = (0..Timetable::HEADER.len()).filter(told).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_width(WIDTH);
    table.set_header(columns.iter().map(|column| Timetable::HEADER[*column]));
    for row in &cells {
        table.add_row(columns.iter().map(|column| row[*column].clone()));
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use reqpath_core::{Hop, HopKind, Micros};

    use super::*;

    #[test]
    fn only_what_is_declared_takes_room() {
        let mut edge = Hop::new("edge", HopKind::Nginx);
        (edge.timeouts.connect_us, edge.timeouts.read_us) =
            (Some(Micros(5_000_000)), Some(Micros(60_000_000)));
        let mut path =
            Path::new(vec![Hop::new("client", HopKind::Client), edge, Hop::new("shop", HopKind::Pod)]);
        path.caller.deadline_us = Some(Micros(10_000_000));
        let mut out = String::new();
        timeouts(&mut out, &path);
        let lines: Vec<&str> = out.lines().map(str::trim).collect();
        assert!(
            lines[1].starts_with("hop") && !lines[1].contains("send") && lines[1].contains("read"),
            "{out}"
        );
        assert!(lines[3].starts_with("edge") && lines[3].contains("≥ 65 s"), "{out}");
        assert!(lines[5].ends_with("client gives up after 10 s, and edge may take at least 65 s"), "{out}");
        let mut out = String::new();
        timeouts(&mut out, &Path::of_url());
        assert_eq!(out, "");
    }
}
