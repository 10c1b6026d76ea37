//! The text of a `.env` file: `NAME=value` a line, as dotenv files are written everywhere, with two rules of our own.
//! A value is taken as it stands: `$NAME` is text, because a password that holds a `$` must not be cut in silence,
//! and `${..}` outside of single quotes is refused. A bad line is named by its number and never quoted.

use super::problem::Problem;

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: String,
    /// Counted from 1.
    pub(super) line: usize,
}

/// Reads the text; bad lines are added to `problems`.
pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> Vec<Assignment> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut assignments = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match assignment(line.trim()) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                assignments.push(Assignment { name: name.to_owned(), value, line: number })
            }
            Err(why) => problems.push(Problem::new(".env", why).in_line(Some(number))),
        }
    }
    assignments
}

fn assignment(line: &str) -> Result<Option<(&str, String)>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) =
        line.split_once('=').ok_or("not a setting; write NAME=value, or # before a comment")?;
    let name = name.trim();
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !fits {
        return Err("the name before '=' must be letters, digits and '_', beginning with a letter");
    }
    let value = value.trim_start();
    let value = match value.chars().next() {
        Some('\'') => single_quoted(&value[1..])?,
        Some('"') => double_quoted(&value[1..])?,
        _ => bare(value)?,
    };
    Ok(Some((name, value)))
}

/// Up to a comment: a `#` at the beginning or after a blank.
fn bare(text: &str) -> Result<String, &'static str> {
    let mut before = ' ';
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        if c == '#' && before.is_whitespace() {
            end = at;
            break;
        }
        before = c;
    }
    let value = text[..end].trim_end();
    literal(value).map(|()| value.to_owned())
}

fn single_quoted(text: &str) -> Result<String, &'static str> {
    let (value, rest) = text.split_once('\'').ok_or(UNCLOSED)?;
    nothing_after(rest).map(|()| value.to_owned())
}

/// With `\n`, `\t`, `\"`, `\\` and `\$`.
fn double_quoted(text: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or(UNCLOSED)? {
            '"' => break,
            '\\' => value.push(match chars.next().ok_or(UNCLOSED)? {
                'n' => '\n',
                't' => '\t',
                c @ ('"' | '\\' | '$') => c,
                _ => return Err("unknown escape; in double quotes write \\\\ for a backslash"),
            }),
            '$' if chars.as_str().starts_with('{') => return Err(EXPANSION),
            c => value.push(c),
        }
    }
    nothing_after(chars.as_str()).map(|()| value)
}

const UNCLOSED: &str = "the quote is not closed in this line";
const EXPANSION: &str =
    "${..} is not replaced here; write the value itself, or put it in single quotes to keep it as text";

fn literal(value: &str) -> Result<(), &'static str> {
    if value.contains("${") {
        return Err(EXPANSION);
    }
    Ok(())
}

fn nothing_after(rest: &str) -> Result<(), &'static str> {
    let comment = rest.trim_start();
    if comment.is_empty() || (comment.starts_with('#') && comment.len() < rest.len()) {
        return Ok(());
    }
    Err("text after the closing quote")
}

/// `value` as a line of `.env` says it.
pub(super) fn quote(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,=+%@*[]".contains(c);
    if value.chars().all(plain) {
        value.to_owned()
    } else if !value.contains(['\'', '\n', '\r']) {
        format!("'{value}'")
    } else {
        let escaped =
            value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('\n', "\\n");
        format!("\"{escaped}\"")
    }
}

#[cfg(test)]
mod tests;
