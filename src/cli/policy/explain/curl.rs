//! A line as one gives it to `curl`, understood as a request. Nothing is sent.

use std::path::Path;

/// What the line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// The microversion, if a header tells it.
    pub(super) microversion: Option<String>,
    pub(super) body: Option<Vec<u8>>,
}

/// Options without a value that change nothing of the request.
const SWITCHES: [&str; 14] = [
    "-s",
    "-S",
    "-sS",
    "-i",
    "-k",
    "-v",
    "-f",
    "-L",
    "--silent",
    "--show-error",
    "--include",
    "--insecure",
    "--verbose",
    "--fail",
];
/// Options with a value that change nothing of what policies see: who asks is said with `--role` and its like.
const IGNORED: [&str; 10] =
    ["-u", "--user", "--cacert", "--cert", "--key", "--unix-socket", "-o", "--output", "-m", "--max-time"];
/// Options whose value is the body.
const DATA: [&str; 6] = ["-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--json"];

impl Line {
    /// Reads a line. `file` reads what `@FILE` names.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn parse(line: &str, file: impl Fn(&Path) -> Result<Vec<u8>, String>) -> Result<Self, String> {
        let words = words(line)?;
        let mut words = words.into_iter().peekable();
        words.next_if(|word| word == "curl");
        let (mut method, mut url, mut microversion, mut body) = (None, None, None, None);
        while let Some(word) = words.next() {
            let (option, joined) = match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option.to_owned(), Some(value.to_owned())),
                _ => (word.clone(), None),
            };
            let mut value = || joined.clone().or_else(|| words.next()).ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "-X" | "--request" => method = Some(value()?),
                "-H" | "--header" => {
                    let header = value()?;
                    let (name, text) = header.split_once(':').ok_or("a header is NAME: VALUE")?;
                    if name.trim().eq_ignore_ascii_case("x-openstack-ironic-api-version") {
                        microversion = Some(text.trim().to_owned());
                    } else if name.trim().eq_ignore_ascii_case("openstack-api-version") {
                        microversion = Some(text.trim().trim_start_matches("baremetal").trim().to_owned());
                    }
                }
                option if DATA.contains(&option) => {
                    let text = value()?;
                    let bytes = match text.strip_prefix('@') {
                        Some(name) if option != "--data-raw" => file(Path::new(name))?,
                        Some(_) | None => text.into_bytes(),
                    };
                    if body.replace(bytes).is_some() {
                        return Err("the body is given twice".to_owned());
                    }
                }
                "--url" => url = Some(value()?),
                option if IGNORED.contains(&option) => drop(value()?),
                option if SWITCHES.contains(&option) => {}
                option if option.starts_with('-') => {
                    return Err(format!("{option} is not understood here: leave it out"));
                }
                _ if url.is_some() => return Err("there are two URLs".to_owned()),
                _ => url = Some(word),
            }
        }
        let url = url.ok_or("there is no URL")?;
        let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
        Ok(Self { method, target: target(&url).to_owned(), microversion, body })
    }
}

/// Path and query of a URL, or of what is written without scheme and host.
fn target(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path =
        if url.starts_with('/') { Some(url) } else { after_scheme.find('/').and_then(|at| after_scheme.get(at..)) };
    let path = path.unwrap_or("/");
    path.split_once('#').map_or(path, |(path, _)| path)
}

/// Words as a shell splits them: blanks, quotes, backslashes. Nothing is expanded.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => match letters.next() {
                Some('\n') => {}
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("the line ends in a backslash".to_owned()),
            },
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (Some(_) | None, _) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, target, microversion, body.
    type Parts<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>);

    #[track_caller]
    fn check(line: &str, expected: Result<Parts<'_>, &str>) {
        let found = Line::parse(line, |path| Ok(path.display().to_string().into_bytes()));
        let expected = expected.map_err(str::to_owned).map(|(method, target, microversion, body)| Line {
            method: method.to_owned(),
            target: target.to_owned(),
            microversion: microversion.map(str::to_owned),
            body: body.map(|body| body.as_bytes().to_vec()),
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn lines_are_understood() {
        check("curl https://h:6385/v1/nodes?limit=1", Ok(("GET", "/v1/nodes?limit=1", None, None)));
        check("/v1/nodes", Ok(("GET", "/v1/nodes", None, None)));
        check("curl -sS -u a:b http://h", Ok(("GET", "/", None, None)));
        check(
            "curl -X PUT -H 'X-OpenStack-Ironic-API-Version: 1.80' -d '{\"target\": \"power on\"}' h/v1/nodes/n/states/power",
            Ok(("PUT", "/v1/nodes/n/states/power", Some("1.80"), Some("{\"target\": \"power on\"}"))),
        );
        check(
            "curl --request=PATCH --header=\"OpenStack-API-Version: baremetal 1.81\" \\\n --json \"[{\\\"op\\\": \\\"add\\\"}]\" 'h/v1'",
            Ok(("PATCH", "/v1", Some("1.81"), Some("[{\"op\": \"add\"}]"))),
        );
        check("curl h/v1/nodes -d @new.json", Ok(("POST", "/v1/nodes", None, Some("new.json"))));
        check("curl h/v1/nodes --data-raw @x", Ok(("POST", "/v1/nodes", None, Some("@x"))));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        check("curl", Err("there is no URL"));
        check("curl -G h/v1", Err("-G is not understood here: leave it out"));
        check("curl h/v1 h/v2", Err("there are two URLs"));
        check("curl -X", Err("-X needs a value"));
        check("curl 'h/v1", Err("a quote is not closed"));
        check("curl -d a -d b h", Err("the body is given twice"));
        check("curl -H x h", Err("a header is NAME: VALUE"));
    }
}
