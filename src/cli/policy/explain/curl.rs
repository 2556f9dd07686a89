//! A line as one gives it to `curl`, understood as a request. Nothing is sent.

use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Parser};
use url::form_urlencoded;

/// What the line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// Names and values, as given.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
}

/// Those options of `curl` that say what is asked, as its manual page has them.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_version_flag = true, args_override_self = true)]
struct Options {
    #[arg(short = 'X', long)]
    request: Option<String>,
    #[arg(short = 'I', long)]
    head: bool,
    #[arg(short = 'H', long)]
    header: Vec<String>,
    #[arg(short, long, aliases = ["data-binary", "data-ascii"], allow_hyphen_values = true)]
    data: Vec<String>,
    #[arg(long, allow_hyphen_values = true)]
    data_raw: Vec<String>,
    #[arg(long, allow_hyphen_values = true)]
    data_urlencode: Vec<String>,
    #[arg(long, allow_hyphen_values = true)]
    json: Vec<String>,
    #[arg(short = 'G', long)]
    get: bool,
    #[arg(long, aliases = ["url"])]
    target: Vec<String>,
    #[arg()]
    urls: Vec<String>,
    #[command(flatten)]
    _unheeded: Unheeded,
}

/// Options that change nothing of what policies see: who asks is said with `--role` and its like.
#[derive(Debug, clap::Args)]
struct Unheeded {
    #[arg(short = 's', long = "silent", action = ArgAction::Count,
        short_aliases = ['S', 'i', 'k', 'v', 'f', 'L', 'n', 'N', '4', '6', '0', 'g', 'j', 'O', 'J', 'q', '#'],
        aliases = ["show-error", "include", "insecure", "verbose", "fail", "fail-with-body", "location", "netrc",
            "netrc-optional", "no-buffer", "ipv4", "ipv6", "http1.0", "http1.1", "http2", "http2-prior-knowledge",
            "compressed", "tlsv1.2", "tlsv1.3", "globoff", "path-as-is", "no-progress-meter", "progress-bar",
            "remote-name", "no-keepalive", "negotiate", "basic", "anyauth"])]
    _switches: u8,
    #[arg(short = 'u', long = "user",
        short_aliases = ['o', 'm', 'w', 'A', 'e', 'b', 'c', 'D', 'E', 'K'],
        aliases = ["netrc-file", "oauth2-bearer", "cacert", "capath", "cert", "cert-type", "key", "key-type", "pass",
            "unix-socket", "abstract-unix-socket", "resolve", "connect-to", "interface", "output", "output-dir",
            "write-out", "dump-header", "max-time", "connect-timeout", "retry", "retry-delay", "retry-max-time",
            "user-agent", "referer", "cookie", "cookie-jar", "noproxy", "tls-max", "ciphers", "tls13-ciphers", "trace",
            "trace-ascii", "stderr"])]
    _values: Vec<String>,
}

impl Line {
    /// Reads a line. `file` reads what `@FILE` names.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn parse(line: &str, file: impl Fn(&Path) -> Result<Vec<u8>, String>) -> Result<Self, String> {
        // shlex takes a line that goes on below for an empty word. Within quotes, no JSON has a backslash there.
        let line = line.replace("\\\n", "");
        let words = shlex::split(&line).ok_or("a quote is not closed, or the line ends in a backslash")?;
        let words = words.strip_prefix(&["curl".to_owned()]).unwrap_or(&words);
        let mut options = Options::try_parse_from(words).map_err(|error| told(&error))?;
        let headers = options.header.iter().map(|header| {
            let (name, value) = header.split_once(':').ok_or("a header is NAME: VALUE")?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        });
        let headers = headers.collect::<Result<_, String>>()?;

        let mut urls = options.urls.drain(..).chain(options.target.drain(..));
        let url = urls.next().ok_or("there is no URL")?;
        if urls.next().is_some() {
            return Err("there are two URLs".to_owned());
        }
        drop(urls);
        let mut target = target(&url).to_owned();
        let mut body = options.body(file)?;
        if options.get
            && let Some(data) = body.take()
        {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&String::from_utf8(data).map_err(|_| "a query is UTF-8 text")?);
        }
        let method = match options.request {
            Some(method) => method,
            None if options.head => "HEAD".to_owned(),
            None if body.is_some() => "POST".to_owned(),
            None => "GET".to_owned(),
        };
        Ok(Self { method, target, headers, body })
    }
}

impl Options {
    /// The body as curl puts it together: `--json` end to end, all else joined with `&`.
    fn body(&self, file: impl Fn(&Path) -> Result<Vec<u8>, String>) -> Result<Option<Vec<u8>>, String> {
        let named = |text: &String| match text.strip_prefix('@') {
            Some(name) => file(Path::new(name)),
            None => Ok(text.clone().into_bytes()),
        };
        let raw = |text: &String| Ok(text.clone().into_bytes());
        let json = self.json.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        let data = self.data.iter().map(named).chain(self.data_raw.iter().map(raw));
        let data = data.chain(self.data_urlencode.iter().map(|text| encoded(text).map(String::into_bytes)));
        let data = data.collect::<Result<Vec<_>, _>>()?;
        match (json.is_empty(), data.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(json.concat())),
            (true, false) => Ok(Some(data.join(&b'&'))),
            (false, false) => Err("the body is given twice, with --json and with --data".to_owned()),
        }
    }
}

/// `--data-urlencode`: `CONTENT`, `=CONTENT` or `NAME=CONTENT`.
fn encoded(text: &str) -> Result<String, String> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    match text.split_once('=') {
        Some(("", content)) => Ok(encode(content)),
        Some((name, content)) => Ok(format!("{name}={}", encode(content))),
        None if text.contains('@') => Err("--data-urlencode with a file is not understood here".to_owned()),
        None => Ok(encode(text)),
    }
}

/// What clap found, in words about `curl`.
fn told(error: &clap::Error) -> String {
    let option = error.context().find_map(|(kind, value)| match (kind, value) {
        (ContextKind::InvalidArg, ContextValue::String(text)) => text.split(' ').next(),
        _ => None,
    });
    match (error.kind(), option) {
        (ErrorKind::UnknownArgument, Some(option)) => {
            format!("{option} is not understood here: leave it out if it does not say what is asked")
        }
        (_, Some(option)) => format!("{option} needs a value"),
        (_, None) => "the line is not understood".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, target, headers as `name=value`, body.
    type Parts<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

    #[track_caller]
    fn check(line: &str, expected: Result<Parts<'_>, &str>) {
        let found = Line::parse(line, |path| Ok(path.display().to_string().into_bytes())).map(|line| {
            let headers: Vec<_> = line.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let body = line.body.map(|body| String::from_utf8(body).unwrap());
            (line.method, line.target, headers.join(" "), body)
        });
        let expected = expected.map_err(str::to_owned).map(|(method, target, headers, body)| {
            (method.to_owned(), target.to_owned(), headers.to_owned(), body.map(str::to_owned))
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn lines_are_understood() {
        check("curl https://h:6385/v1/nodes?limit=1", Ok(("GET", "/v1/nodes?limit=1", "", None)));
        check("/v1/nodes", Ok(("GET", "/v1/nodes", "", None)));
        check("curl -sS -u a:b http://h", Ok(("GET", "/", "", None)));
        check(
            "curl -sSk --netrc-file n --cacert=ca.pem -w '%{http_code}' -o/dev/null h/v1",
            Ok(("GET", "/v1", "", None)),
        );
        check("curl -XDELETE h/v1/nodes/n", Ok(("DELETE", "/v1/nodes/n", "", None)));
        check("curl -X GET -XPUT h", Ok(("PUT", "/", "", None)));
        check("curl -I --url h/v1/nodes/n", Ok(("HEAD", "/v1/nodes/n", "", None)));
        check("curl -HA:b -H 'C: d' h", Ok(("GET", "/", "A=b C=d", None)));
        let put = r#"curl -X PUT -H 'X-OpenStack-Ironic-API-Version: 1.80' -d '{"target": "power on"}' h/v1/nodes/n/states/power"#;
        let body = r#"{"target": "power on"}"#;
        check(put, Ok(("PUT", "/v1/nodes/n/states/power", "X-OpenStack-Ironic-API-Version=1.80", Some(body))));
        check(
            "curl --request=PATCH --header=\"OpenStack-API-Version: baremetal 1.81\" \\\n --json \"[{\\\"op\\\": \\\"add\\\"}]\" 'h/v1'",
            Ok(("PATCH", "/v1", "OpenStack-API-Version=baremetal 1.81", Some("[{\"op\": \"add\"}]"))),
        );
        check("curl h/v1/nodes -d @new.json", Ok(("POST", "/v1/nodes", "", Some("new.json"))));
        check("curl h/v1/nodes --data-raw @x", Ok(("POST", "/v1/nodes", "", Some("@x"))));
        check("curl h/v1/nodes -d-1", Ok(("POST", "/v1/nodes", "", Some("-1"))));
        check(
            "curl -G h/v1/nodes -d limit=1 --data-urlencode 'driver=a b'",
            Ok(("GET", "/v1/nodes?limit=1&driver=a+b", "", None)),
        );
        check("curl -G h/v1/nodes?a=1 -d b=2", Ok(("GET", "/v1/nodes?a=1&b=2", "", None)));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        check("curl", Err("there is no URL"));
        check(
            "curl --proxy x h/v1",
            Err("--proxy is not understood here: leave it out if it does not say what is asked"),
        );
        check("curl h/v1 h/v2", Err("there are two URLs"));
        check("curl -X", Err("--request needs a value"));
        check("curl 'h/v1", Err("a quote is not closed, or the line ends in a backslash"));
        check("curl -d a --json b h", Err("the body is given twice, with --json and with --data"));
        check("curl -H x h", Err("a header is NAME: VALUE"));
        check("curl -G --data-urlencode a@b h", Err("--data-urlencode with a file is not understood here"));
    }
}
