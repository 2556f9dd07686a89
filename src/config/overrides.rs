//! `IRONGATE_…__…` variables override keys of the file.
//!
//! They are written into the parsed document, whose text is then read again, so that the same checks and line numbers
//! hold for both.

use toml_edit::{DocumentMut, Item, Table, Value};

const PREFIX: &str = "IRONGATE_";

/// Top-level keys that may be overridden; all others have a section and so `__` in the variable's name.
const TOP_LEVEL: [&str; 2] = ["IRONGATE_MODE", "IRONGATE_WORKERS"];

/// A text with its overrides: for each variable the path of the key that it wrote.
type Applied = (String, Vec<(String, Vec<String>)>);

/// Writes the overrides into `text`. An error names the variable, never its value.
pub(super) fn apply(text: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Option<Applied>, String> {
    let mut overrides: Vec<(String, String)> = variables
        .filter(|(name, _)| name.starts_with(PREFIX) && (name.contains("__") || TOP_LEVEL.contains(&name.as_str())))
        .collect();
    overrides.sort();
    if overrides.is_empty() {
        return Ok(None);
    }
    let mut document: DocumentMut = text.parse().map_err(|_| "the file is not TOML".to_owned())?;
    let mut applied = Vec::with_capacity(overrides.len());
    for (name, value) in overrides {
        let path: Vec<String> = name.trim_start_matches(PREFIX).split("__").map(str::to_lowercase).collect();
        set(document.as_table_mut(), &path, scalar(&value)).ok_or_else(|| {
            format!(
                "the variable {name} does not name a key: write IRONGATE_<section>__<key>, a list's item by its number"
            )
        })?;
        applied.push((name, path));
    }
    Ok(Some((document.to_string(), applied)))
}

/// Numbers, booleans, quoted strings and arrays are TOML; anything else is a string as it stands.
fn scalar(text: &str) -> Value {
    text.parse::<Value>().unwrap_or_else(|_| Value::from(text))
}

fn set(table: &mut Table, path: &[String], value: Value) -> Option<()> {
    let (first, rest) = path.split_first()?;
    if first.is_empty() {
        return None;
    }
    let Some((second, deeper)) = rest.split_first() else {
        table.insert(first, Item::Value(value));
        return Some(());
    };
    let item = table.entry(first).or_insert_with(|| Item::Table(Table::new()));
    if let Some(array) = item.as_array_of_tables_mut() {
        let index: usize = second.parse().ok()?;
        return set(array.get_mut(index)?, deeper, value);
    }
    if let Some(inline) = item.as_inline_table() {
        *item = Item::Table(inline.clone().into_table());
    }
    set(item.as_table_mut()?, rest, value)
}

#[cfg(test)]
mod tests {
    use super::apply;

    fn check(text: &str, variables: &[(&str, &str)], expected: Result<&str, &str>) {
        let given = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        match (apply(text, given), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.map_or(text.to_owned(), |(text, _)| text), expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn overrides_are_written_where_they_belong() {
        check("", &[], Ok(""));
        check(
            "[upstream]\nendpoint = \"a\"\n",
            &[("IRONGATE_UPSTREAM__ENDPOINT", "unix:/x")],
            Ok("[upstream]\nendpoint = \"unix:/x\"\n"),
        );
        check("[limits]\n", &[("IRONGATE_LIMITS__HEADERS_MAX", "7")], Ok("[limits]\nheaders_max = 7\n"));
        check(
            "[[listener]]\nname = \"a\"\n",
            &[("IRONGATE_LISTENER__0__NAME", "b")],
            Ok("[[listener]]\nname = \"b\"\n"),
        );
        check(
            "[[listener]]\nname = \"a\"\n",
            &[("IRONGATE_LISTENER__1__NAME", "b")],
            Err("IRONGATE_LISTENER__1__NAME"),
        );
        check("", &[("IRONGATE_LOG", "debug"), ("HOME", "x")], Ok(""));
    }
}
