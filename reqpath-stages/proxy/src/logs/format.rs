//! A log's format, compiled once into a matcher.

use reqpath_core::escape;

use super::decode::Escape;

/// The most that a format may be long.
const MOST_FORMAT: usize = 8 << 10;
/// So many attempts at cutting one line into its values, before it counts as another format's.
const MOST_STEPS: u32 = 500;
/// The most variables and literals of a format.
const MOST_PARTS: usize = 256;

/// nginx's own format, which needs no `log_format`.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

/// An nginx `log_format`, compiled into a matcher: literals, and variables between them.
///
/// ```
/// use reqpath_proxy::logs::Format;
///
/// let format: Format = r#"log_format road '$remote_addr "$request" '
///                                         'upstream="$upstream_addr" $status';"#.parse()?;
/// let line = format.cut(r#"192.0.2.9 "GET / HTTP/1.1" upstream="10.0.0.1:80, 10.0.0.2:80" 200"#).unwrap();
/// assert_eq!(line.iter().find(|(name, _)| *name == "status").unwrap().1, "200");
/// assert!(format.cut("something else").is_none());
/// # Ok::<(), reqpath_proxy::logs::FormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Format {
    parts: Vec<Part>,
    escape: Escape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

/// Not a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It holds no variable, so nothing could be read.
    #[error("`{0}` is no log format: write `combined`, `json`, or an nginx `log_format` with its $variables")]
    NoVariable(String),
    /// A quote is not closed.
    #[error("a quote in the log format is not closed: {0}")]
    OpenQuote(String),
    /// It is longer than any.
    #[error("the log format is longer than {MOST_FORMAT} bytes, or has more than {MOST_PARTS} parts")]
    TooLong,
}

impl Format {
    /// nginx's `combined`, which is used where a configuration names none.
    #[must_use]
    pub fn combined() -> Self {
        Self { parts: parts(COMBINED), escape: Escape::Default }
    }

    /// Whether its lines hold this variable.
    #[must_use]
    pub fn has(&self, variable: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Variable(name) if name == variable))
    }

    /// The values of its variables in one line, or `None` where the line is of another format.
    #[must_use]
    pub fn cut<'a>(&'a self, line: &str) -> Option<Vec<(&'a str, String)>> {
        let mut values = Vec::with_capacity(self.parts.len());
        let mut steps = MOST_STEPS;
        cut(&self.parts, line, &mut values, &mut steps).then_some(())?;
        let escape = self.escape;
        Some(values.into_iter().map(|(name, value)| (name, escape.undo(value).into_owned())).collect())
    }
}

impl std::str::FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let text = text.trim();
        if text.len() > MOST_FORMAT {
            return Err(FormatError::TooLong);
        }
        if text == "combined" {
            return Ok(Self::combined());
        }
        let (text, escape) = match directive(text) {
            Some(arguments) => unquoted(arguments)?,
            None => (text.to_owned(), Escape::Default),
        };
        let parts = parts(&text);
        if parts.len() > MOST_PARTS {
            return Err(FormatError::TooLong);
        }
        if !parts.iter().any(|part| matches!(part, Part::Variable(_))) {
            return Err(FormatError::NoVariable(escape_for_message(&text)));
        }
        Ok(Self { parts, escape })
    }
}

fn escape_for_message(text: &str) -> String {
    escape(text, 120)
}

/// The arguments after the name, where it is a whole directive, or quoted strings as they stand in one.
fn directive(text: &str) -> Option<&str> {
    let text = text.strip_suffix(';').unwrap_or(text).trim_end();
    match text.strip_prefix("log_format") {
        Some(rest) if rest.starts_with(char::is_whitespace) => {
            let rest = rest.trim_start();
            Some(rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start()))
        }
        _ => (text.starts_with('\'') || text.starts_with("escape=")).then_some(text),
    }
}

/// The text of quoted strings that follow each other, and how values are escaped.
fn unquoted(arguments: &str) -> Result<(String, Escape), FormatError> {
    let (mut text, mut escape) = (String::new(), Escape::Default);
    let mut rest = arguments.trim_start();
    while let Some(first) = rest.chars().next() {
        if let '\'' | '"' = first {
            let mut characters = rest.char_indices().skip(1);
            let mut end = None;
            while let Some((place, character)) = characters.next() {
                match character {
                    '\\' => match characters.next() {
                        Some((_, 'n')) => text.push('\n'),
                        Some((_, 't')) => text.push('\t'),
                        Some((_, 'r')) => text.push('\r'),
                        Some((_, quoted @ ('"' | '\'' | '\\'))) => text.push(quoted),
                        Some((_, other)) => text.extend(['\\', other]),
                        None => {}
                    },
                    quote if quote == first => {
                        end = Some(place + quote.len_utf8());
                        break;
                    }
                    other => text.push(other),
                }
            }
            let end = end.ok_or_else(|| FormatError::OpenQuote(escape_for_message(rest)))?;
            rest = rest.get(end..).unwrap_or_default().trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            match word {
                "escape=json" => escape = Escape::Json,
                "escape=none" => escape = Escape::None,
                "escape=default" => {}
                word => text.push_str(word),
            }
            rest = after.trim_start();
        }
    }
    Ok((text, escape))
}

/// `$name` and `${name}`, and what stands between them.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(place) = rest.find('$') {
        let (before, after) = rest.split_at(place);
        literal.push_str(before);
        let after = after.get(1..).unwrap_or_default();
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let (name, next) = match braced {
            Some((name, next)) => (name, next),
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                after.split_at(end)
            }
        };
        if name.is_empty() {
            literal.push('$');
        } else {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Variable(name.to_owned()));
        }
        rest = next;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

/// Cuts a line, going back where a value holds what also stands behind it.
fn cut<'f, 'l>(
    parts: &'f [Part],
    line: &'l str,
    values: &mut Vec<(&'f str, &'l str)>,
    steps: &mut u32,
) -> bool {
    let Some((first, after)) = parts.split_first() else { return line.is_empty() };
    let name = match first {
        Part::Literal(text) => {
            return line.strip_prefix(text.as_str()).is_some_and(|rest| cut(after, rest, values, steps));
        }
        Part::Variable(name) => name.as_str(),
    };
    let next = match after.first() {
        None => {
            values.push((name, line));
            let fits = fits(name, line);
            if !fits {
                values.pop();
            }
            return fits;
        }
        Some(Part::Literal(text)) => text.as_str(),
        Some(Part::Variable(_)) => "",
    };
    let mut from = 0;
    loop {
        if *steps == 0 {
            return false;
        }
        *steps -= 1;
        let Some(found) = line.get(from..).and_then(|rest| rest.find(next)) else { return false };
        let (value, rest) = line.split_at(from + found);
        if fits(name, value) {
            values.push((name, value));
            if cut(after, rest, values, steps) {
                return true;
            }
            values.pop();
        }
        // The next place to cut, on a character's boundary.
        match rest.chars().next() {
            Some(character) => from += found + character.len_utf8(),
            None => return false,
        }
    }
}

/// Whether a value can be one of this variable: what makes cutting sure where values hold blanks.
fn fits(name: &str, value: &str) -> bool {
    let only = |allowed: &str| value.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c));
    match name {
        "status" => value.len() == 3 && value.bytes().all(|b| b.is_ascii_digit()),
        "remote_addr" | "realip_remote_addr" => only(".:-_/") && !value.is_empty(),
        "body_bytes_sent"
        | "bytes_sent"
        | "request_length"
        | "request_time"
        | "msec"
        | "connection"
        | "connection_requests"
        | "remote_port"
        | "server_port" => value == "-" || value.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
        "upstream_status"
        | "upstream_response_time"
        | "upstream_connect_time"
        | "upstream_header_time"
        | "upstream_response_length"
        | "upstream_bytes_received"
        | "upstream_bytes_sent" => {
            value.bytes().all(|b| b.is_ascii_digit() || b" ,.:-".contains(&b)) && listed(value)
        }
        "upstream_addr" => only(" ,.:-_/[]") && listed(value),
        "time_iso8601" => only("-+:.") && value.contains('T'),
        "time_local" => only("/:+- ") && value.contains('/'),
        "upstream_cache_status" => only("-"),
        "request_id" => only("-"),
        _ => true,
    }
}

/// Whether blanks stand only where a list has them: after a comma, and around a colon.
fn listed(value: &str) -> bool {
    !value.starts_with([' ', ','])
        && !value.ends_with([' ', ',', ':'])
        && value.match_indices(' ').all(|(place, _)| {
            let before = value.get(..place).and_then(|before| before.chars().next_back());
            let after = value.get(place + 1..).and_then(|after| after.chars().next());
            before == Some(',') || before == Some(':') || after == Some(':')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &[(&str, String)], name: &str) -> String {
        line.iter().find(|(known, _)| *known == name).unwrap().1.clone()
    }

    #[test]
    fn combined_is_cut_whatever_the_quoted_values_hold() {
        let format = Format::combined();
        let line = format
            .cut("192.0.2.9 - - [22/Nov/2026:07:04:01 +0000] \"GET /a\\x22b HTTP/1.1\" 502 157 \"-\" \"x \\x22 200 1 y (id)\"")
            .unwrap();
        assert_eq!(value(&line, "request"), "GET /a\"b HTTP/1.1");
        assert_eq!(value(&line, "status"), "502");
        assert_eq!(value(&line, "http_user_agent"), "x \" 200 1 y (id)");
    }

    #[test]
    fn lists_without_quotes_are_told_from_their_neighbours() {
        let format: Format =
            "$remote_addr $upstream_addr $upstream_status $request_time $status".parse().unwrap();
        let line =
            format.cut("::1 10.0.0.1:80, [2001:db8::1]:80 : unix:/run/x 502, 504 : 200 0.010 200").unwrap();
        assert_eq!(value(&line, "upstream_addr"), "10.0.0.1:80, [2001:db8::1]:80 : unix:/run/x");
        assert_eq!(value(&line, "upstream_status"), "502, 504 : 200");
        let tries: Format = "$upstream_addr $upstream_status $status $http_x_request_id".parse().unwrap();
        let line = tries.cut("10.0.0.1:80, 10.0.0.2:80 502, 200 200 abcd").unwrap();
        assert_eq!(
            (value(&line, "upstream_status"), value(&line, "status")),
            ("502, 200".into(), "200".into())
        );
        let line = format.cut("::1 - - 0.010 404").unwrap();
        assert_eq!(value(&line, "upstream_addr"), "-");
    }

    #[test]
    fn directives_are_read_as_nginx_reads_them() {
        let text = "log_format x escape=json '{\"a\":\"$request\",'\n   '\"s\":$status}';";
        let format: Format = text.parse().unwrap();
        let line = format.cut("{\"a\":\"GET /\\\"x HTTP/1.1\",\"s\":200}").unwrap();
        assert_eq!(value(&line, "request"), "GET /\"x HTTP/1.1");
        assert!("log_format x 'no variable';".parse::<Format>().is_err());
        assert!("log_format x '$status".parse::<Format>().is_err());
        assert!("${status}s".parse::<Format>().unwrap().cut("200s").is_some());
    }

    #[test]
    fn a_line_made_to_be_slow_is_given_up() {
        let format: Format = "$a $b $c $d $e $f $g $h$status".parse().unwrap();
        let began = std::time::Instant::now();
        assert!(format.cut(&"x ".repeat(30_000)).is_none());
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
    }
}
