//! irongate's own texts pass the net: one that is masked says nothing to its reader, and raises the alarm about secrets.

use std::path::Path;

use super::{mask, sources};

/// Texts in the source for people: of configuration errors, warnings, refusals, log lines. What they quote stands in braces.
#[test]
fn no_message_of_irongate_is_masked() {
    let mut read = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&root) {
        if file.strip_prefix(&root).unwrap().to_string_lossy().contains("tests") {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        let program = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for text in literals(program) {
            // Not words or keys, not whole documents, not the value of a header.
            if text.matches(' ').count() < 2 || text.contains('\n') || text.starts_with("Basic realm=") {
                continue;
            }
            read += 1;
            let message = filled(&text);
            for line in [message.clone(), format!("error: etc/irongate.toml:7: {message}")] {
                assert_eq!(mask(&line), None, "{}: reword it: {line}", file.display());
            }
        }
    }
    assert!(read > 500, "only {read} texts were found: does this test still read them?");
}

#[test]
fn a_message_that_would_be_masked_is_found() {
    let program = r#"push("the URL where callers get tokens: https://keystone:5000"); // "a comment"
        let quote = '"'; let of = 'a'; format!("the password: {word} is wrong");"#;
    let found: Vec<String> = literals(program).iter().map(|text| filled(text)).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|text| mask(text).is_some()), "{found:?}");
}

/// With something in the place of what is quoted.
fn filled(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, behind)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str("x1");
        rest = behind;
    }
    filled + rest
}

/// The string literals of a source, as the program has them.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, from) = rest.split_at(at);
        let marks = before.len() - before.trim_end_matches('#').len();
        let is_raw = before.trim_end_matches('#').ends_with('r');
        let (first, after) = from.split_at(1);
        rest = match first {
            "/" if after.starts_with('/') => after.split_once('\n').map_or("", |(_, after)| after),
            "/" => after,
            // A character; else a lifetime.
            "'" if after.starts_with('\\') => after.split_at(2).1.split_once('\'').map_or("", |(_, after)| after),
            "'" => {
                let mut characters = after.chars();
                characters.next();
                characters.as_str().strip_prefix('\'').unwrap_or(after)
            }
            _ if is_raw => {
                let (text, after) = after.split_once(&format!("\"{}", "#".repeat(marks))).unwrap();
                found.push(text.to_owned());
                after
            }
            _ => {
                let (text, after) = literal(after);
                found.push(text);
                after
            }
        };
    }
    found
}

/// A literal without its first quote, and what follows it.
fn literal(mut rest: &str) -> (String, &str) {
    let mut text = String::new();
    loop {
        let (before, from) = rest.split_at(rest.find(['"', '\\']).unwrap());
        text.push_str(before);
        let (first, after) = from.split_at(1);
        if first == "\"" {
            return (text, after);
        }
        // An escape; a line that goes on begins with the next word.
        rest = if after.starts_with('\n') { after.trim_start() } else { after.split_at(1).1 };
        text.push(match after.chars().next() {
            Some('n') => '\n',
            Some(quote @ ('"' | '\\' | '\'')) => quote,
            _ => continue,
        });
    }
}
