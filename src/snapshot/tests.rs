//! The revision: the same for the same files, another for everything that decides.

use std::path::Path;
use std::sync::OnceLock;

use super::Snapshot;
use crate::config;

/// The revision of what is written below.
static UNCHANGED: OnceLock<String> = OnceLock::new();

const HTPASSWD: &str = "admin:$2y$04$a/M85vjXrYo3/m15fm2Zb.MWPZfguqCkZNyVbpHFasbGlLgNwsntO\n\
                        bob:$2y$04$mhMQZniUBkVDaD9ZwJZlsujx0PlejfRxwxYKGmosTgi4GtId8vE3a\n";

const CONFIGURATION: &str = r#"
shadow_until = "2999-12-31"
mode = "shadow"
workers = 1

[[listener]]
name = "public"
address = "127.0.0.1:0"
schemes = ["basic", "keystone", "jwt"]
public_url = "https://ironic.example"
source_networks = ["192.0.2.0/24"]

[authentication.basic]
htpasswd_file = "htpasswd"

[authentication.keystone]
url = "http://127.0.0.1:5000/v3"

[[authentication.jwt]]
issuer = "https://idp.example"
audiences = ["irongate"]
jwks_url = "http://127.0.0.1/keys"
algorithms = ["RS256"]

[[binding]]
role = "admin"
users = ["admin", "bob", "carol", "dave", "eve"]

[[binding]]
role = "auditor"
issuer = "https://idp.example"
claims = { groups = "audit", jwks_file = "one", team = ["a", "b"] }

[upstream]
endpoint = "unix:/run/ironic.sock"
identity = "token"
probe_seconds = 5

[policy]
directories = ["policies"]

[policy.places]
images = ["images.example"]
old_files = ["files.example"]
bmcs = ["10.0.0.0/8"]

[scrub]
words = ["flavour"]
hmac_key_file = "hmac.key"

[[scrub.role]]
role = "auditor"
treatment = "hmac"

[audit]
file = "audit.jsonl"
keep_one_read_in = 10

[admin]
address = "127.0.0.1:0"
"#;

fn write(directory: &Path, text: &str) {
    std::fs::create_dir_all(directory.join("policies")).unwrap();
    for (name, text) in [
        ("htpasswd", HTPASSWD),
        ("hmac.key", "0123456789abcdef0123456789abcdef\n"),
        ("policies/a.cedar", "@id(\"a\") permit(principal in Role::\"admin\", action, resource);\n"),
        ("irongate.toml", text),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
    }
}

#[track_caller]
fn snapshot(directory: &Path) -> Snapshot {
    let file = directory.join("irongate.toml");
    let config = config::load(&file).unwrap_or_else(|errors| panic!("{errors:?}"));
    Snapshot::build(&config, &file).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[track_caller]
fn revision(directory: &Path) -> String {
    snapshot(directory).revision.to_string()
}

#[test]
fn the_same_files_give_the_same_revision_wherever_they_are() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(here.path(), CONFIGURATION);
    write(there.path(), CONFIGURATION);
    let first = snapshot(here.path());
    assert_eq!((first.revision.len(), first.warnings().len()), (32, 3), "{:?}", first.warnings());
    for directory in [&here, &there].into_iter().cycle().take(8) {
        let again = snapshot(directory.path());
        assert_eq!(first.revision, again.revision);
        // Each names the folder.
        let without = |warnings: Vec<String>, directory: &tempfile::TempDir| -> Vec<String> {
            let folder = directory.path().display().to_string();
            warnings.iter().map(|warning| warning.replace(&folder, "")).collect()
        };
        assert_eq!(without(first.warnings(), &here), without(again.warnings(), directory));
    }
}

#[test]
fn bindings_that_match_nobody_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &CONFIGURATION.replace("[\"basic\", \"keystone\", \"jwt\"]", "[\"keystone\"]"));
    let warnings = snapshot(directory.path()).warnings();
    for (binding, scheme) in [("admin-1", "basic"), ("auditor-2", "jwt")] {
        let expected = format!("binding {binding}: no listener has the scheme {scheme:?}: it matches nobody");
        assert_eq!(warnings.iter().filter(|warning| **warning == expected).count(), 1, "{warnings:?}");
    }
}

/// The file, what is replaced in it, by what, and whether that is another revision.
#[track_caller]
fn check(name: &str, from: &str, to: &str, differs: bool) {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), CONFIGURATION);
    let before = UNCHANGED.get_or_init(|| revision(directory.path()));
    let file = directory.path().join(name);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    assert_eq!(*before != revision(directory.path()), differs, "{name}: {from} -> {to}");
}

#[test]
fn what_decides_changes_the_revision() {
    let configured = |from: &str, to: &str| check("irongate.toml", from, to, true);
    check("htpasswd", HTPASSWD, HTPASSWD.lines().next().unwrap(), true);
    check("htpasswd", "bob:$2y$04$mhM", "bob:$2y$04$.hM", true);
    check("policies/a.cedar", "admin", "auditor", true);
    configured("identity = \"token\"", "identity = \"none\"");
    configured("[\"RS256\"]", "[\"ES256\"]");
    configured("algorithms = [\"RS256\"]\n", "");
    configured("\"eve\"", "\"mallory\"");
    configured("\"carol\"", "\"carol, dave\"");
    configured("keep_one_read_in = 10", "keep_one_read_in = 11");
    configured("ironic.example", "baremetal.example");
    configured("192.0.2.0/24", "192.0.2.0/25");
    configured("2999-12-31", "2999-12-30");
    configured("shadow_until = \"2999-12-31\"\nmode = \"shadow\"", "mode = \"enforce\"");
    configured("schemes = [\"basic\", \"keystone\", \"jwt\"]", "schemes = [\"basic\", \"keystone\"]");
    configured("\"audit\"", "\"audits\"");
    configured("jwks_file = \"one\"", "jwks_file = \"two\"");
    configured("[\"files.example\"]", "[\"files.test\"]");
    configured("[\"flavour\"]", "[\"flavor\"]");
    configured("treatment = \"hmac\"", "treatment = \"drop\"");
    configured("5000/v3\"", "5000/v3\"\nrevocation_seconds = 299");
    configured("[authentication.keystone]", "cache_seconds = 299\n[authentication.keystone]");
    configured("[policy.places]", "resource_cache_seconds = 2\n[policy.places]");
    configured("[policy.places]", "explain_denials = \"none\"\n[policy.places]");
    configured("[admin]", "on_full = \"drop\"\n[admin]");
    configured("[admin]", "[limits]\nheaders_max = 99\n[admin]");
    configured("[admin]", "[microversion]\nmax = \"1.80\"\n[admin]");
    configured("[admin]", "[validation]\nshadow = [\"same_path\"]\n[admin]");
}

#[test]
fn keys_in_files_decide() {
    let directory = tempfile::tempdir().unwrap();
    let keys = "public_key_file = \"issuer.pem\"\nalgorithms = [\"ES256\"]";
    let configuration = CONFIGURATION
        .replace("jwks_url = \"http://127.0.0.1/keys\"\nalgorithms = [\"RS256\"]", keys)
        .replace("5000/v3\"", "5000/v3\"\njws_public_key_files = [\"jws.pem\"]");
    write(directory.path(), &configuration);
    let rotate = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap().public_key_pem();
        std::fs::write(directory.path().join(name), key).unwrap();
    };
    rotate("issuer.pem");
    rotate("jws.pem");
    let mut seen = vec![revision(directory.path())];
    for name in ["issuer.pem", "jws.pem"] {
        rotate(name);
        let found = revision(directory.path());
        assert!(!seen.contains(&found), "{name}");
        seen.push(found);
    }
}

#[test]
fn what_decides_nothing_does_not() {
    let configured = |from: &str, to: &str| check("irongate.toml", from, to, false);
    configured("workers = 1", "workers = 2");
    configured("workers = 1\n", "");
    configured("127.0.0.1:0", "127.0.0.1:1");
    configured("/run/ironic.sock", "/run/other.sock");
    configured("probe_seconds = 5", "probe_seconds = 6");
    configured("\"audit.jsonl\"", "\"records.jsonl\"");
    configured("[admin]", "[reload]\nwatch = false\n[admin]");
    configured("workers = 1", "# a remark");
    // A default is the same, written or not.
    configured("[admin]", "on_full = \"block\"\n[admin]");
    configured("[admin]", "[limits]\nheaders_max = 100\n[admin]");
}

#[test]
fn what_is_shown_has_the_same_revision() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), CONFIGURATION);
    let before = revision(directory.path());
    let file = directory.path().join("irongate.toml");
    let shown = config::effective(&file).unwrap();
    std::fs::write(&file, &shown).unwrap();
    assert_eq!(before, revision(directory.path()), "{shown}");
}

/// Of a secret that two sides share there is nothing in the revision: who knows all else could try words until it fits.
#[test]
fn no_secret_can_be_tried_out_on_the_revision() {
    check("hmac.key", "0123456789", "abcdefghij", false);
}
