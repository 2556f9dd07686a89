//! The program as an operator meets it.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::configuration;

fn irongate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_irongate")).args(arguments).env_remove("IRONGATE_CONFIG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_and_version() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["policy", "--help"], &["certs", "dev", "--help"]] {
        let output = irongate(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains("Usage:"), "{arguments:?}");
    }
    assert_eq!(irongate(&["--nonsense"]).status.code(), Some(2));
}

#[test]
fn routes_and_schema_come_from_the_catalogue() {
    let routes = text(&irongate(&["routes"]).stdout);
    assert!(routes.contains("node:set_power_state"), "{routes}");
    let table: serde_json::Value = serde_json::from_slice(&irongate(&["routes", "--format", "json"]).stdout).unwrap();
    let operations = table.as_array().or_else(|| table["operations"].as_array()).unwrap();
    assert_eq!(operations.len(), 136);
    let schema = text(&irongate(&["schema", "cedar"]).stdout);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/irongate.cedarschema");
    assert_eq!(schema, std::fs::read_to_string(committed).unwrap());
}

#[test]
fn shipped_policies_are_valid() {
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/roles");
    let output = irongate(&["policy", "validate", roles.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let broken = tempfile::tempdir().unwrap();
    let file = broken.path().join("x.cedar");
    std::fs::write(&file, "permit(principal, action == Action::\"node:gte\", resource);").unwrap();
    let output = irongate(&["policy", "validate", broken.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("x.cedar:1"), "{}", text(&output.stdout));
}

#[test]
fn htpasswd_lines_are_made() {
    use std::io::Write;
    let run = |name: &str, password: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_irongate"))
            .args(["htpasswd", "--cost", "4", name])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // A name that is refused is refused before the password is read.
        drop(child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()));
        child.wait_with_output().unwrap()
    };
    let output = run("alice", "S3cret");
    let line = text(&output.stdout);
    let (name, hash) = line.trim_end().split_once(':').unwrap();
    assert_eq!(name, "alice");
    assert!(bcrypt::verify("S3cret", hash).unwrap() && !line.contains("S3cret"));
    assert_eq!(run("a:b", "x").status.code(), Some(2));
    assert_eq!(run("#alice", "x").status.code(), Some(2), "its line would be a comment");
    assert_eq!(run("alice", &"x".repeat(73)).status.code(), Some(2));
}

#[test]
fn a_good_configuration_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:ironic.sock", "");
    let output = irongate(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("good"));
}

#[test]
fn a_sink_that_cannot_be_written_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:ironic.sock", "");
    let good = std::fs::read_to_string(&file).unwrap();
    let sections = good.split("[audit]").next().unwrap();
    let check = |audit: &str, code: i32, word: &str| {
        std::fs::write(&file, format!("{sections}[audit]\n{audit}\n")).unwrap();
        let output = irongate(&["check", "--config", file.to_str().unwrap()]);
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.code() == Some(code) && told.contains(word), "{audit}: {told}");
        // With the line of the key.
        assert!(code == 0 || told.contains("irongate.toml:") && !told.contains("irongate.toml: "), "{audit}: {told}");
    };
    check("file = \"audit.jsonl\"", 0, "good");
    check("file = \"nowhere/audit.jsonl\"", 2, "nowhere/audit.jsonl cannot be opened");
    check("file = \"-\"\ncadf_file = \"nowhere/cadf.jsonl\"", 2, "nowhere/cadf.jsonl cannot be opened");
    check("file = \"htpasswd/audit.jsonl\"", 2, "cannot be opened");
    assert!(!directory.path().join("audit.jsonl").exists());
    assert!(
        std::fs::read_dir(directory.path())
            .unwrap()
            .flatten()
            .all(|entry| { !entry.file_name().to_string_lossy().starts_with(".irongate-check") })
    );
}

/// The text that is replaced, its replacement, the line of the error, and a word of the remedy.
fn broken(from: &str, to: &str, line: Option<usize>, remedy: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:ironic.sock", "");
    let good = std::fs::read_to_string(&file).unwrap();
    assert!(good.contains(from), "{from} is not in {good}");
    std::fs::write(&file, good.replacen(from, to, 1)).unwrap();
    for command in ["check", "serve"] {
        let output = irongate(&[command, "--config", file.to_str().unwrap()]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {errors}");
        let place = line.map_or_else(|| "irongate.toml".to_owned(), |line| format!("irongate.toml:{line}:"));
        assert!(errors.contains(&place), "{command}: no {place} in {errors}");
        assert!(errors.contains(remedy), "{command}: no {remedy} in {errors}");
    }
}

#[test]
fn configuration_errors_name_file_line_and_remedy() {
    broken("workers = 1", "workerz = 1", Some(1), "workerz");
    broken("workers = 1", "workers = 0", Some(1), "between 1 and");
    broken("address = \"127.0.0.1:0\"", "address = \"localhost\"", Some(5), "IP address with a port");
    broken("address = \"127.0.0.1:0\"", "address = \"0.0.0.0:0\"", Some(5), "listener.tls");
    broken("schemes = [\"basic\", \"anonymous\"]", "schemes = [\"digest\"]", Some(6), "expected one of `anonymous`");
    broken("htpasswd_file = \"htpasswd\"", "htpasswd_file = \"missing\"", Some(9), "missing");
    broken("role = \"admin\"\nusers = [\"admin\"]", "role = \"admin\"", Some(10), "binding");
    broken("endpoint = \"unix:ironic.sock\"", "endpoint = \"ftp://h\"", None, "https://HOST:PORT");
    broken("endpoint = \"unix:ironic.sock\"", "endpoint = \"https://h:1\"", None, "ca_file");
    let places = "[policy.places]\ncandidates = [\"next\"]\n[audit]";
    broken("[audit]", places, None, "candidates is a key of [policy] and no place");
}

#[test]
fn a_wrong_value_names_its_key() {
    let limits = |key: &str| format!("workers = 1\n[limits]\n{key}");
    broken("workers = 1", &limits("requests_max = -1"), Some(3), "(limits.requests_max)");
    broken("workers = 1", &limits("class.read.burst = \"many\""), Some(3), "(limits.class.read.burst)");
    broken("name = \"public\"", "name = \"public\"\ncompression = \"no\"", Some(5), "(listener.0.compression)");
    broken("[upstream]", "[upstream]\nprobe_seconds = 0.5", None, "expected u64 (upstream.probe_seconds)");
    broken("[audit]", "[audit]\non_full = \"wait\"", None, "(audit.on_full)");
    broken(
        "\"htpasswd\"",
        "\"/dev/zero\"",
        Some(9),
        "/dev/zero cannot be read: it is no regular file (authentication.basic.htpasswd_file)",
    );
}

#[test]
fn what_would_overflow_is_refused_with_its_bound() {
    const HUGE: u64 = i64::MAX.cast_unsigned();
    for (section, key, most) in [
        ("limits", "header_timeout_seconds", 86_400),
        ("limits", "drain_delay_seconds", 86_400),
        ("limits", "headers_max", 1_000),
        ("limits", "requests_max", 100_000),
        ("limits", "class.write.requests_max", 100_000),
        ("upstream", "idle_timeout_seconds", 86_400),
        ("upstream", "transfer_timeout_seconds", 86_400),
        ("authentication.basic", "cache_seconds", 86_400),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = configuration(directory.path(), "unix:ironic.sock", "");
        let good = std::fs::read_to_string(&file).unwrap();
        let good = good.replace("idle_timeout_seconds = 1\n", "");
        let header = format!("[{section}]\n");
        let check = |value: u64| {
            let text = match good.contains(&header) {
                true => good.replace(&header, &format!("{header}{key} = {value}\n")),
                false => format!("{good}{header}{key} = {value}\n"),
            };
            std::fs::write(&file, text).unwrap();
            irongate(&["check", "--config", file.to_str().unwrap()])
        };
        for (value, code) in [(most, 0), (most + 1, 2), (HUGE, 2)] {
            let output = check(value);
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{key} = {value}: {told}");
            let error = format!("{section}.{key} = {value} is too much: at most {most}");
            assert!(code == 0 || told.contains(&error), "{told}");
        }
    }
}

#[test]
fn a_broken_policy_file_is_a_configuration_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:ironic.sock", "");
    let policies = directory.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("mine.cedar"), "\n\npermit(principal, action, resource").unwrap();
    let good = std::fs::read_to_string(&file).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/roles");
    std::fs::write(&file, good.replace(shipped.to_str().unwrap(), "policies")).unwrap();
    let output = irongate(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("mine.cedar:3"), "{}", text(&output.stderr));
}

#[test]
fn what_is_in_force_is_shown_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:ironic.sock", "");
    let output = Command::new(env!("CARGO_BIN_EXE_irongate"))
        .args(["check", "--show", "--config", file.to_str().unwrap()])
        .env("IRONGATE_AUTHENTICATION__BASIC__REALM", "overridden")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let table: toml::Table = shown.parse().unwrap();
    assert_eq!(table["authentication"]["basic"]["realm"].as_str(), Some("overridden"));
    assert_eq!(table["authentication"]["basic"]["htpasswd_file"].as_str(), Some("htpasswd"));
    assert_eq!(table["limits"]["headers_max"].as_integer(), Some(100));
    assert_eq!(table["listener"][0]["compression"].as_bool(), Some(false));
    let hash = std::fs::read_to_string(directory.path().join("htpasswd")).unwrap();
    let hash = hash.lines().next().unwrap().split_once(':').unwrap().1;
    assert!(!shown.contains(hash) && shown.contains("# "), "{shown}");
    // It can be read as a configuration again.
    std::fs::write(&file, &shown).unwrap();
    assert_eq!(irongate(&["check", "--config", file.to_str().unwrap()]).status.code(), Some(0));
}

/// What is shown is what is in force: a shape or a name that looks like a secret is none.
#[test]
fn what_is_shown_can_be_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:ironic.sock", "");
    let more = "\n[scrub]\nwords = [\"token: x9\"]\nshapes = [\"serial-token: ([A-Z0-9]+)\", \"://([^@]+)@\"]\n";
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}{more}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_irongate"))
        .args(["check", "--show", "--config", file.to_str().unwrap()])
        .env("IRONGATE_AUTHENTICATION__BASIC__REALM", "system:serviceaccount:external-secrets:eso-controller")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown: toml::Table = text(&output.stdout).parse().unwrap();
    assert_eq!(shown["scrub"]["shapes"][0].as_str(), Some("serial-token: ([A-Z0-9]+)"));
    assert_eq!(shown["scrub"]["shapes"][1].as_str(), Some("://([^@]+)@"));
    assert_eq!(shown["scrub"]["words"][0].as_str(), Some("token: x9"));
    let realm = shown["authentication"]["basic"]["realm"].as_str();
    assert_eq!(realm, Some("system:serviceaccount:external-secrets:eso-controller"));
    std::fs::write(&file, text(&output.stdout)).unwrap();
    assert_eq!(irongate(&["check", "--config", file.to_str().unwrap()]).status.code(), Some(0));
    // Who logs in is not shown, wherever somebody wrote it.
    std::fs::write(&file, good.replace("unix:ironic.sock", "http://u:S3cret@127.0.0.1:1")).unwrap();
    let output = irongate(&["check", "--show", "--config", file.to_str().unwrap()]);
    assert!(!text(&output.stdout).contains("S3cret") && !text(&output.stderr).contains("S3cret"), "{output:?}");
}

/// A secret may stand where none belongs, in a file or a variable: an error says what belongs there.
#[test]
fn errors_do_not_repeat_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:ironic.sock", "");
    for (name, value, expected) in [
        ("IRONGATE_AUTHENTICATION__BASIC", "S3cret", "invalid type: string, expected struct RawBasic"),
        (
            "IRONGATE_AUTHENTICATION__BASIC",
            "'S3cret, expected `S3cret` \"'",
            "invalid type: string, expected struct RawBasic",
        ),
        ("IRONGATE_AUTHENTICATION__BASIC", "53437", "invalid type: integer, expected struct RawBasic"),
        ("IRONGATE_MODE", "S3cret", "unknown variant, expected "),
        ("IRONGATE_MODE", "['S3cret']", "wanted string"),
        ("IRONGATE_LISTENER__0__SCHEMES", "['S3cret']", "unknown variant, expected one of "),
        ("IRONGATE_WORKERS", "S3cret", "invalid type: string, expected usize"),
        ("IRONGATE_WORKERS", "-53437", "invalid value: integer, expected usize"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_irongate"))
            .args(["check", "--config", file.to_str().unwrap()])
            .env(name, value)
            .output()
            .unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(expected), "{name}={value}: {told}");
        assert!(!told.contains("S3cret") && !told.contains("53437"), "{name}: {told}");
    }
}

#[test]
fn variables_override_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:ironic.sock", "");
    let output = Command::new(env!("CARGO_BIN_EXE_irongate"))
        .args(["check", "--config", file.to_str().unwrap()])
        .env("IRONGATE_MODE", "shadow")
        .env("IRONGATE_LISTENER__0__ADDRESS", "not an address")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let variable = "irongate.toml: the variable IRONGATE_LISTENER__0__ADDRESS: address is an IP address with a port";
    assert!(text(&output.stderr).contains(variable), "{}", text(&output.stderr));
}

#[test]
fn the_version_tells_the_revision() {
    let version = text(&irongate(&["--version"]).stdout);
    let expected = format!("irongate {} ({})\n", env!("CARGO_PKG_VERSION"), irongate::version::REVISION);
    assert_eq!(version, expected);
    assert!(!irongate::version::REVISION.is_empty());
}

#[test]
fn completions_and_man_pages_know_every_command() {
    let help = text(&irongate(&["--help"]).stdout);
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let commands: Vec<&str> = listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.contains(&"serve") && commands.contains(&"man"), "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&irongate(&["completions", shell]).stdout);
        for command in &commands {
            assert!(script.contains(command), "{shell} knows no {command}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    assert_eq!(irongate(&["man", pages.to_str().unwrap()]).status.code(), Some(0));
    for command in &commands {
        let page = std::fs::read_to_string(pages.join(format!("irongate-{command}.1"))).unwrap();
        assert!(page.contains(".TH"), "{command}");
    }
    assert!(std::fs::read_to_string(pages.join("irongate.1")).unwrap().contains("policy\\-enforcing"));
}
