//! The rows of the net, and the allow-list of what is logged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::net::mask;

mod messages;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
const CANARY: &str = "c4n4ry-7e57";

/// The fields that a log line may have, with the types that make them safe. None holds what a caller or Ironic sent.
const ALLOWED_FIELDS: &[&str] = &[
    "address",         // `IpAddr`, or the address of a listener as configured
    "endpoint",        // of the configuration
    "error", // `hyper::Error`, `KeystoneError`, `FetchError`: one of a fixed set of texts; `ConfigError`: of the operator's files
    "count", // a number
    "allowed", // a number
    "needed", // a number
    "connections_max", // a number
    "host",  // of the configuration
    "kind",  // `io::ErrorKind`
    "listener", // a listener's name, of the configuration
    "mode",  // a word of the program
    "operation", // an operation of the catalogue
    "place", // `file:line:column` of the source
    "reason", // `&'static str`
    "request_id", // ours
    "revision", // a digest
    "rule",  // a policy's id, of the operator's
    "schemes", // words of the program
    "setting", // a setting's name
    "socket", // a name that the service manager gives
    "status", // a number
    "tls",   // `bool`
    "until", // a time, of the configuration
    "url",   // of the configuration
    "version", // the program's
    "warning", // of the configuration and the policies, of the operator's files
    "workers", // a number
];

#[test]
fn what_is_shaped_as_a_secret_is_masked() {
    for (line, expected) in [
        ("fetching http://u:S@h/x", "fetching http://******@h/x"),
        ("fetching http://S@h/x", "fetching http://******@h/x"),
        (r#"{"a":"http://u:S@h/x"}"#, r#"{"a":"http://******@h/x"}"#),
        (r#"{"password":"S","b":1}"#, r#"{"password":"******","b":1}"#),
        (r#"{"a":"x password=S","b":1}"#, r#"{"a":"x password=******","b":1}"#),
        (r#"{"a":"x password=S\u0001T","b":1}"#, r#"{"a":"x password=******","b":1}"#),
        (r#"{"a":"{\"auth_token\": \"S\"}","b":1}"#, r#"{"a":"{\"auth_token\": \"******\"}","b":1}"#),
        (r#"{"path":"/extra/password=S"}"#, r#"{"path":"/extra/password=******"}"#),
        (r#"{"path":"/extra/token=S/b"}"#, r#"{"path":"/extra/token=******"}"#),
        ("Authorization: Basic Uzpz", "Authorization: Basic ******"),
        ("header basic dXNlcjpwYXNz0w==", "header basic ******"),
        ("the password: S3", "the password: ******"),
        ("x-auth-token: gAAAAABS", "x-auth-token: ******"),
        ("?temp_url_sig=S&temp_url_expires=1", "?temp_url_sig=******&temp_url_expires=1"),
        ("a eyJhbGciOiJI.eyJzdWIi.c2ln b", "a ****** b"),
        (r#"{"a":"\neyJhbGciOiJI.eyJzdWIi.c2ln"}"#, r#"{"a":"\n******"}"#),
        ("gAAAAABkAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "******"),
        ("x $6$rounds=5000$abcdefghijklmnop y", "x ****** y"),
    ] {
        assert_eq!(mask(line).as_deref(), Some(expected), "{line}");
        if line.starts_with('{') {
            serde_json::from_str::<serde_json::Value>(expected).unwrap();
        }
    }
    let (begin, end) = ("-----BEGIN", "-----END");
    let key = format!(r"{begin} PRIVATE KEY-----\n{}\n{end} PRIVATE KEY-----\n", "MIIEvQIBADANBg".repeat(9));
    let line = format!(r#"{{"a":"{key}","b":1}}"#);
    let masked = mask(&line).unwrap();
    assert!(!masked.contains("MIIE"), "{masked}");
    serde_json::from_str::<serde_json::Value>(&masked).unwrap();
}

#[test]
fn what_irongate_writes_passes_unchanged() {
    for line in [
        r#"{"timestamp":"2026-01-01T00:00:00Z","level":"INFO","message":"listening","address":"[::1]:1","schemes":"basic, anonymous"}"#,
        r#"{"principal":{"scheme":"basic","name":"admin","roles":["admin"]},"writes":[{"op":"add","path":"/driver_info/redfish_password"}],"reason":"credential_missing","stage":"authenticate"}"#,
        "error: irongate.toml:3: server.key: holds no private key: it must have a PEM block named PRIVATE KEY",
        "\"basic\" needs [authentication.basic] with htpasswd_file",
        "password=****** token=none",
        "https://ironic.example:6385/v1",
        "error: etc/htpasswd:3: no hash of bcrypt",
        "error: run/token: cannot be read",
    ] {
        assert_eq!(mask(line), None, "{line}");
    }
}

#[test]
fn an_unknown_level_is_none() {
    use tracing::Level;
    for (wanted, expected) in
        [(None, Some(Level::INFO)), (Some("debug"), Some(Level::DEBUG)), (Some("bogus"), None), (Some(""), None)]
    {
        assert_eq!(super::level(wanted.map(AsRef::as_ref)), expected, "{wanted:?}");
    }
}

/// Every `tracing` event of the source has a fixed message and fields of the allow-list; nothing else writes to a log.
#[test]
fn only_what_is_allowed_is_logged() {
    let mut events = 0;
    let mut used = BTreeSet::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let place = file.display();
        if file.ends_with("telemetry/tests.rs") || file.ends_with("policy/tests/tidy.rs") {
            continue;
        }
        for banned in ["instrument", "span!", "event!", "log::", "extern crate"] {
            let found = text.match_indices(banned).any(|(at, _)| !ends_in_word(text.get(..at)));
            assert!(!found, "{place}: {banned} is not in use: log with tracing's five macros");
        }
        // Whatever else the crate is called by would not be seen here: no import, no other name, no other brackets.
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let imports = line.contains("use tracing") && !line.contains("use tracing_subscriber::");
            assert!(!imports && !line.contains("tracing as "), "{place}: log with `tracing::…!(`, whole: {line}");
        }
        for after in text.split("tracing::").skip(1) {
            if let Some(arguments) = LEVELS.iter().find_map(|level| after.strip_prefix(level)?.strip_prefix("!(")) {
                events += 1;
                check(&place.to_string(), arguments, &mut used);
            } else {
                let what = after.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                assert!(
                    ["Level", "RawTracing"].contains(&what),
                    "{place}: tracing::{what} is no event as this test reads it"
                );
            }
        }
    }
    assert!(events >= 45, "only {events} events were found: does this test still read them?");
    let unused: Vec<_> = ALLOWED_FIELDS.iter().filter(|field| !used.contains(**field)).collect();
    assert!(unused.is_empty(), "fields that are allowed and not in use: {unused:?}");
}

fn ends_in_word(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.ends_with(|c: char| c.is_alphanumeric()))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The arguments of one event: fields, then one literal.
fn check(place: &str, arguments: &str, used: &mut BTreeSet<String>) {
    let (mut depth, mut quoted, mut escaped, mut argument) = (0_usize, false, false, String::new());
    let mut all = Vec::new();
    for c in arguments.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                all.push(std::mem::take(&mut argument));
                continue;
            }
            _ => {}
        }
        argument.push(c);
    }
    all.push(argument);
    let all: Vec<&str> = all.iter().map(|argument| argument.trim()).filter(|argument| !argument.is_empty()).collect();
    let (message, fields) = all.split_last().unwrap();
    assert!(message.starts_with('"') && !message.contains('{'), "{place}: {message} is no fixed message");
    for field in fields {
        let name = field.split('=').next().unwrap().trim().trim_start_matches(['%', '?']);
        assert!(ALLOWED_FIELDS.contains(&name), "{place}: the field {name} is not on the list of what may be logged");
        used.insert(name.to_owned());
    }
}

crate::telemetry::unprintable!(
    crate::authenticate::Authenticator,
    crate::authenticate::AuthenticatorConfig,
    crate::authenticate::BasicConfig,
    crate::authenticate::KeystoneConfig,
    crate::authenticate::ServiceCredential,
    crate::config::Config,
    crate::config::Listener,
    crate::scrub::HmacKey,
    crate::snapshot::Snapshot,
    crate::tls::KeyPem,
    crate::tls::ServerTls,
    crate::tls::ClientTls,
);

/// Every type whose documentation says so stands in an `unprintable!`, and the other way round.
#[test]
fn what_cannot_be_printed_is_held_to_it() {
    let (mut said, mut held) = (BTreeSet::new(), BTreeSet::new());
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        if file.ends_with("telemetry/unprintable.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let mut documented = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("///") {
                documented |= line.contains("cannot be printed");
            } else if !line.starts_with("#[") && !line.is_empty() {
                let name = line.split_once("struct ").or(line.split_once("enum ")).map(|(_, name)| name);
                if let (true, Some(name)) = (documented, name) {
                    said.insert(name.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned());
                }
                documented = false;
            }
        }
        for list in text.split(concat!("::unprintable", "!(")).skip(1) {
            for path in list.split(')').next().unwrap().split(',').map(str::trim).filter(|path| !path.is_empty()) {
                held.insert(path.split('<').next().unwrap().rsplit("::").next().unwrap().to_owned());
            }
        }
    }
    assert!(said.len() > 15, "only {said:?} were found: does this test still read them?");
    assert_eq!(said, held, "left: documented as \"cannot be printed\"; right: in an `unprintable!`");
}
#[test]
fn a_masked_line_loses_nothing_else() {
    let line = format!(r#"{{"a":"1","path":"/extra/secret={CANARY}","b":[1,{{"c":"d"}}]}}"#);
    let masked = mask(&line).unwrap();
    assert_eq!(masked, line.replace(CANARY, "******"));
}
