//! The text that is checked, and whose mistake a place in it is: a line of the file, or a variable.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, TableLike};

use super::{ConfigError, overrides};

/// A configuration file's text with its overrides.
pub(super) struct Source {
    text: String,
    /// The file's own text, if variables changed it.
    written: Option<String>,
    /// What variables wrote, as whole lines of `text`.
    variables: Vec<(String, Range<usize>)>,
}

impl Source {
    /// The file's text with the variables that override it. An error names the variable.
    pub(super) fn new(written: String, variables: impl Iterator<Item = (String, String)>) -> Result<Self, String> {
        let Some((text, overrides)) = overrides::apply(&written, variables)? else {
            return Ok(Self { text: written, written: None, variables: Vec::new() });
        };
        let mut variables = Vec::new();
        for (name, path) in overrides {
            variables.extend(lines(&text, &written, &path).into_iter().map(|lines| (name.clone(), lines)));
        }
        Ok(Self { text, written: Some(written), variables })
    }

    /// What is checked.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A mistake at this place of the text, by its line in the file or by its variable.
    pub(super) fn error(&self, file: &Path, offset: Option<usize>, message: String) -> ConfigError {
        let Some(offset) = offset else { return ConfigError::new(file, None, message) };
        match self.variables.iter().find(|(_, lines)| lines.contains(&offset)) {
            Some((name, _)) => ConfigError::new(file, None, format!("the variable {name}: {message}")),
            None => ConfigError::new(file, Some(self.line(offset)), message),
        }
    }

    /// The key whose value stands at this place, as a path with dots. Items of lists are counted as in the names of variables.
    pub(super) fn key(&self, offset: usize) -> Option<String> {
        let document = Document::parse(self.text.as_str()).ok()?;
        let mut path = Vec::new();
        key_at(document.as_table(), offset, &mut path).then(|| path.join("."))
    }

    /// Where this key stands, if it is written.
    pub(super) fn place(&self, path: &[&str]) -> Option<usize> {
        let document = Document::parse(self.text.as_str()).ok()?;
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        span(document.as_table(), &path).map(|span| span.start)
    }

    /// The 1-based line in the file: what variables wrote may have moved it.
    fn line(&self, offset: usize) -> usize {
        let number = number(&self.text, offset);
        let Some(written) = &self.written else { return number };
        let Some(line) = self.text.lines().nth(number - 1) else { return number };
        let before = self.text.lines().take(number - 1).filter(|other| *other == line).count();
        let mut alike = written.lines().zip(1..).filter(|(other, _)| *other == line).map(|(_, number)| number);
        alike.nth(before).unwrap_or(number)
    }
}

fn number(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The lines that an override of this path has in the text: its own, and the headers of tables that the file does not have.
fn lines(text: &str, written: &str, path: &[String]) -> Vec<Range<usize>> {
    let (Ok(document), Ok(before)) = (Document::parse(text), Document::parse(written)) else { return Vec::new() };
    (1..=path.len())
        .filter_map(|length| path.get(..length))
        .filter(|part| part.len() == path.len() || span(before.as_table(), part).is_none())
        .filter_map(|part| span(document.as_table(), part))
        .map(|span| {
            let start = text.get(..span.start).and_then(|text| text.rfind('\n')).map_or(0, |end| end + 1);
            let end = text.get(span.end..).and_then(|text| text.find('\n')).map_or(text.len(), |end| span.end + end);
            start..end
        })
        .collect()
}

/// Whether a value at this place is in the table; its keys are then added to `path`.
fn key_at(table: &dyn TableLike, offset: usize, path: &mut Vec<String>) -> bool {
    for (key, item) in table.iter() {
        path.push(key.to_owned());
        let within = item.as_value().and_then(toml_edit::Value::span).is_some_and(|span| span.contains(&offset));
        let deeper = match (item.as_array_of_tables(), item.as_table_like()) {
            (Some(tables), _) => tables.iter().enumerate().any(|(place, table)| {
                path.push(place.to_string());
                let found = key_at(table, offset, path);
                if !found {
                    path.pop();
                }
                found
            }),
            (None, Some(table)) => key_at(table, offset, path),
            (None, None) => false,
        };
        if deeper || within {
            return true;
        }
        path.pop();
    }
    false
}

/// Where the key of this path stands, and its value if it is no table.
fn span(table: &dyn TableLike, path: &[String]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let (key, item) = table.get_key_value(first)?;
    let Some((second, deeper)) = rest.split_first() else {
        let key = key.span()?;
        let end = item.as_value().and_then(toml_edit::Value::span).map_or(key.end, |value| value.end);
        return Some(key.start..end);
    };
    match item.as_array_of_tables() {
        Some(tables) => span(tables.get(second.parse().ok()?)?, deeper),
        None => span(item.as_table_like()?, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "workers = 1\n[limits]\nheaders_max = 7\n\n[policy]\ndirectories = [\"a\"]\n";

    /// Where the mistake at this text is said to be.
    #[track_caller]
    fn check(variables: &[(&str, &str)], at: &str, expected: &str) {
        let given = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let source = Source::new(FILE.to_owned(), given).unwrap();
        let offset = source.text().find(at).unwrap();
        let error = source.error(Path::new("i.toml"), Some(offset), "m".to_owned());
        assert_eq!(error.to_string(), expected, "{}", source.text());
    }

    #[test]
    fn the_key_of_a_value_is_found() {
        let text = "workers = 1\n[limits]\nheaders_max = 7\nclass = { read = { burst = 8 } }\n[[listener]]\nname = \"a\"\n\
                    [[listener]]\ntls.key_file = \"b\"\nschemes = [\"c\"]\n";
        let source = Source::new(text.to_owned(), std::iter::empty()).unwrap();
        for (at, expected) in [
            ("1\n", Some("workers")),
            ("7", Some("limits.headers_max")),
            ("8", Some("limits.class.read.burst")),
            ("{ burst", Some("limits.class.read")),
            ("\"a\"", Some("listener.0.name")),
            ("\"b\"", Some("listener.1.tls.key_file")),
            ("\"c\"", Some("listener.1.schemes")),
            ("[limits]", None),
            ("headers_max", None),
        ] {
            assert_eq!(source.key(text.find(at).unwrap()).as_deref(), expected, "{at}");
        }
        assert_eq!(source.place(&["limits", "headers_max"]), text.find("headers_max"));
        assert_eq!(source.place(&["limits", "streams_max"]), None);
    }

    #[test]
    fn a_mistake_is_where_it_was_made() {
        check(&[], "headers_max", "i.toml:3: m");
        let mode = ("IRONGATE_MODE", "nope");
        check(&[mode], "\"nope\"", "i.toml: the variable IRONGATE_MODE: m");
        check(&[mode], "[limits]", "i.toml:2: m");
        check(&[mode], "directories", "i.toml:6: m");
        check(&[("IRONGATE_FOO__BAR", "1")], "foo", "i.toml: the variable IRONGATE_FOO__BAR: m");
        check(&[("IRONGATE_FOO__BAR", "1")], "bar", "i.toml: the variable IRONGATE_FOO__BAR: m");
        check(
            &[("IRONGATE_LIMITS__HEADERS_MAX", "x")],
            "\"x\"",
            "i.toml: the variable IRONGATE_LIMITS__HEADERS_MAX: m",
        );
        check(&[("IRONGATE_LIMITS__BODY_MAX", "x")], "headers_max", "i.toml:3: m");
        check(&[("IRONGATE_LIMITS__BODY_MAX", "x")], "[policy]", "i.toml:5: m");
    }
}
