//! A line for each leg while the request walks, on a terminal and nowhere else.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqpath_core::{Left, Micros, Trace, Trial, escape};

/// How many legs are shown: fewer than the lines of any window.
const LEGS: usize = 16;
/// How wide a line may be: no window is narrower, and a line that is folded cannot be taken back.
const WIDTH: usize = 78;
/// The least time between two pictures.
const PAUSE: Duration = Duration::from_millis(80);
/// A trace that is over by then is not worth a picture.
const QUICK: Duration = Duration::from_millis(400);

/// What is shown while a trace runs. It takes its lines back when it ends, before the report is printed.
#[derive(Debug)]
pub(crate) struct Live {
    told: Option<Sender<()>>,
    painter: Option<JoinHandle<()>>,
}

/// What one request on a leg came to.
struct News {
    leg: String,
    inner: bool,
    left: Left,
    stage: String,
    elapsed: Micros,
}

/// The requests of one leg so far.
struct Line {
    leg: String,
    inner: bool,
    alive: u32,
    dead: u32,
    unknown: u32,
    last: String,
}

/// Shows how far a trace has come, where standard error is a terminal that can take a line back.
pub(crate) fn watched(trace: Trace) -> (Trace, Option<Live>) {
    let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if !able || !io::stderr().is_terminal() {
        return (trace, None);
    }
    let (news, heard) = channel();
    let (told, over) = channel();
    let painter = std::thread::Builder::new().name("live".to_owned()).spawn(move || paint(&heard, &over));
    let Ok(painter) = painter else { return (trace, None) };
    let trace = trace.watch(move |observation| {
        let (Some(trial), Some(leg)) = (observation.get::<Trial>(), observation.subject.as_leg()) else {
            return;
        };
        // The trace holds its log meanwhile: what is slow is left to the painter.
        let _ = news.send(News {
            leg: format!("{} → {}", leg.from, leg.to),
            inner: trial.role == reqpath_core::Role::Inner,
            left: trial.left,
            stage: trial.stage.to_string(),
            elapsed: trial.elapsed_us,
        });
    });
    (trace, Some(Live { told: Some(told), painter: Some(painter) }))
}

impl Drop for Live {
    fn drop(&mut self) {
        // The painter ends when nobody can tell it to any more, and takes its lines back.
        self.told = None;
        if let Some(painter) = self.painter.take() {
            let _ = painter.join();
        }
    }
}

/// Draws until the trace is over, then takes everything back.
fn paint(heard: &Receiver<News>, over: &Receiver<()>) {
    let began = Instant::now();
    let (mut lines, mut drawn) = (Vec::new(), 0);
    let mut stderr = io::stderr();
    loop {
        let ended = matches!(over.recv_timeout(PAUSE), Err(RecvTimeoutError::Disconnected));
        if ended {
            let _ = stderr.write_all(back(drawn).as_bytes());
            let _ = stderr.flush();
            return;
        }
        for news in heard.try_iter() {
            note(&mut lines, news);
        }
        if began.elapsed() < QUICK {
            continue;
        }
        let text = picture(&lines, began.elapsed());
        let _ = stderr.write_all((back(drawn) + &text).as_bytes());
        let _ = stderr.flush();
        drawn = text.lines().count();
    }
}

/// Takes so many lines back.
fn back(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\u{1b}[{lines}A\u{1b}[J") }
}

fn note(lines: &mut Vec<Line>, news: News) {
    let place = lines.iter().position(|line| line.leg == news.leg && line.inner == news.inner);
    let place = place.unwrap_or_else(|| {
        let line = Line {
            leg: news.leg.clone(),
            inner: news.inner,
            alive: 0,
            dead: 0,
            unknown: 0,
            last: String::new(),
        };
        lines.push(line);
        lines.len() - 1
    });
    let line = &mut lines[place];
    match news.left {
        Left::Alive => line.alive += 1,
        Left::Dead => line.dead += 1,
        _ => line.unknown += 1,
    }
    line.last = match news.left {
        Left::Alive => format!("{}", news.elapsed),
        Left::Dead => format!("died in {} after {}", news.stage, news.elapsed),
        _ => format!("could not look beyond {}", news.stage),
    };
}

/// One line for each leg, none of them wider than a window.
fn picture(lines: &[Line], elapsed: Duration) -> String {
    let mut out = String::new();
    let mut put = |line: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", fitting(&line));
    };
    put(format!("walking, {:.1} s", elapsed.as_secs_f64()));
    for line in lines.iter().take(LEGS) {
        let entered = if line.inner { " (entered here)" } else { "" };
        let mut counts = Vec::new();
        for (number, what) in [(line.alive, "came back"), (line.dead, "died"), (line.unknown, "not known")] {
            if number > 0 {
                counts.push(format!("{number} {what}"));
            }
        }
        put(format!("  {}{entered}: {}, last {}", line.leg, counts.join(", "), line.last));
    }
    if lines.len() > LEGS {
        put(format!("  and {} more", lines.len() - LEGS));
    }
    out
}

/// As much of a line as stands in a window without being folded, with nothing in it that a terminal obeys.
fn fitting(line: &str) -> String {
    let line = escape(line, usize::MAX);
    let (mut out, mut room) = (String::new(), WIDTH);
    for c in line.chars() {
        // What is neither ASCII nor ours may be two columns wide.
        let columns = if c.is_ascii() || matches!(c, '→' | 'µ') { 1 } else { 2 };
        if columns > room {
            out.push('…');
            break;
        }
        room -= columns;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(leg: &str, inner: bool, left: Left) -> News {
        News { leg: leg.to_owned(), inner, left, stage: "tcp".to_owned(), elapsed: Micros(1500) }
    }

    #[test]
    fn each_leg_has_one_line() {
        let mut lines = Vec::new();
        note(&mut lines, news("client → edge", false, Left::Alive));
        note(&mut lines, news("edge → shop", true, Left::Dead));
        note(&mut lines, news("client → edge", false, Left::Dead));
        let text = picture(&lines, Duration::from_millis(1250));
        let expected = "walking, 1.2 s\n  client → edge: 1 came back, 1 died, last died in tcp after 1.50 ms\n  \
                        edge → shop (entered here): 1 died, last died in tcp after 1.50 ms\n";
        assert_eq!(text, expected);
        assert_eq!(back(text.lines().count()), "\u{1b}[3A\u{1b}[J");
        assert_eq!(back(0), "");
    }

    #[test]
    fn no_name_gets_out_of_its_line() {
        let mut lines = Vec::new();
        for place in 0..40 {
            note(&mut lines, news(&format!("{place}\u{1b}[2J\n{}", "x".repeat(400)), false, Left::Alive));
        }
        let text = picture(&lines, Duration::ZERO);
        assert_eq!(text.lines().count(), 1 + LEGS + 1);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH + 1), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(fitting(&"名".repeat(100)).chars().count() <= WIDTH / 2 + 1);
    }
}
