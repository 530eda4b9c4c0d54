//! Placeholders in a configuration: `{listen}`, `{port:inner}`, `{key:edge}`.

/// Replaces every placeholder of `text` by what `meaning` gives for its name.
///
/// A placeholder is a lower-case word in braces, alone or with a second word after a colon. In
/// nginx's own language no such thing occurs: a block's `{` is followed by a directive with its
/// `;`, and a variable's braces follow a `$`, which is why those are left alone. HAProxy wants
/// spaces inside the braces of a condition, and YAML wants one after a colon.
///
/// The name nobody has a meaning for is the error.
pub(super) fn fill(
    text: &str,
    mut meaning: impl FnMut(&str, &str) -> Option<String>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from_brace) = rest.split_at(open);
        filled.push_str(before);
        match placeholder(from_brace) {
            Some(inside) if !before.ends_with('$') => {
                let (name, of) = inside.split_once(':').unwrap_or((inside, ""));
                filled.push_str(&meaning(name, of).ok_or_else(|| inside.to_owned())?);
                rest = from_brace.get(inside.len() + 2..).unwrap_or_default();
            }
            _ => {
                filled.push('{');
                rest = from_brace.get(1..).unwrap_or_default();
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

fn placeholder(from_brace: &str) -> Option<&str> {
    let (inside, _) = from_brace.strip_prefix('{')?.split_once('}')?;
    let (name, of) = inside.split_once(':').unwrap_or((inside, "x"));
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let is_of = !of.is_empty() && of.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    (is_name && is_of).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::fill;

    fn filled(text: &str) -> Result<String, String> {
        fill(text, |name, of| (name != "unknown").then(|| format!("<{name}|{of}>")))
    }

    #[test]
    fn words_in_braces_are_replaced() {
        assert_eq!(
            filled("listen {listen}; x {port:inner}{dir}").unwrap(),
            "listen <listen|>; x <port|inner><dir|>"
        );
    }

    #[test]
    fn what_nginx_itself_writes_in_braces_stays() {
        for text in [
            "return 200 ${name};",
            "~ ^/x{2,3}$ {",
            "server { listen 80; }",
            "if ($a) {break;}",
            "{",
            "{}",
            "{A}",
            "${a",
            "{a:}",
        ] {
            assert_eq!(filled(text).unwrap(), text);
        }
    }

    #[test]
    fn a_name_without_a_meaning_is_told() {
        assert_eq!(filled("{unknown:part}").unwrap_err(), "unknown:part");
    }
}
