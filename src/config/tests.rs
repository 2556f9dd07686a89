//! Mistakes, each with its line; what is in force.

use std::path::Path;

use super::{ConfigError, load};

/// A configuration that is good, in a folder of its own.
fn good(directory: &Path) -> String {
    std::fs::write(directory.join("htpasswd"), "admin:$2y$04$a/M85vjXrYo3/m15fm2Zb.MWPZfguqCkZNyVbpHFasbGlLgNwsntO\n")
        .unwrap();
    "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:6385\"\nschemes = [\"basic\"]\n\n\
     [authentication.basic]\nhtpasswd_file = \"htpasswd\"\n\n\
     [upstream]\nendpoint = \"unix:/run/ironic.sock\"\n"
        .to_owned()
}

fn errors(directory: &Path, text: &str) -> Vec<ConfigError> {
    let file = directory.join("irongate.toml");
    std::fs::write(&file, text).unwrap();
    load(&file).err().unwrap_or_default()
}

/// What follows a good configuration, and either nothing or the line (of what follows, from 1) with a word of its error.
#[track_caller]
fn check(more: &str, expected: Option<(usize, &str)>) {
    let directory = tempfile::tempdir().unwrap();
    let good = good(directory.path());
    let errors = errors(directory.path(), &format!("{good}{more}"));
    let found = errors.first().map(|error| (error.line.unwrap_or(0), error.message.as_str()));
    match (found, expected) {
        (None, None) => {}
        (Some((line, message)), Some((at, word))) => {
            assert_eq!((line, errors.len()), (good.lines().count() + at, 1), "{more}: {errors:?}");
            assert!(message.contains(word), "{more}: {message}");
        }
        (found, expected) => panic!("{more}: {found:?} is not {expected:?}"),
    }
}

fn listener(name: &str, address: &str) -> String {
    format!(
        "[[listener]]\nname = \"{name}\"\naddress = \"{address}\"\nschemes = [\"basic\"]\ninsecure_plaintext = true\n"
    )
}

#[test]
fn no_two_listeners_are_at_one_address() {
    let one = |address: &str| listener("b", address);
    let two = |first: &str, second: &str| format!("{}{}", listener("b", first), listener("c", second));
    let taken = |line, name| Some((line, name));
    check(&one("127.0.0.1:6385"), taken(3, "the listener a has this address"));
    check(&one("[::ffff:127.0.0.1]:6385"), taken(3, "the listener a has this address"));
    check(&one("127.0.0.1:6386"), None);
    check(&one("[::1]:6385"), None);
    // The kernel prefers the closer one.
    check(&one("0.0.0.0:6385"), None);
    check(&two("127.0.0.1:0", "127.0.0.1:0"), None);
    check(&two("unix:a.sock", "unix:./a.sock"), taken(8, "the listener b has this address"));
    check(&two("unix:a.sock", "unix:b.sock"), None);
    check(&two("fd:api", "fd:api"), taken(8, "the listener b has this address"));
    check(&two("fd:api", "fd-unix:api"), taken(8, "the listener b has this address"));
    check(&two("fd:api", "fd:tls"), None);
}

#[test]
fn the_admin_listener_shares_with_nobody() {
    let admin =
        |address: &str, listener: &str| format!("[admin]\naddress = \"{address}\"\n{}", self::listener("b", listener));
    let taken = Some((5, "admin.address is in it"));
    // The default.
    check(&listener("b", "127.0.0.1:9385"), Some((3, "admin.address is in it")));
    check(&listener("b", "0.0.0.0:9385"), Some((3, "admin.address is in it")));
    check(&admin("127.0.0.1:7000", "127.0.0.1:7000"), taken);
    check(&admin("127.0.0.1:7000", "[::]:7000"), taken);
    check(&admin("0.0.0.0:7000", "[::]:7000"), taken);
    check(&admin("0.0.0.0:7000", "127.0.0.1:7000"), taken);
    check(&admin("[::1]:7000", "0.0.0.0:7000"), None);
    check(&admin("127.0.0.1:7000", "[::1]:7000"), None);
    check(&admin("127.0.0.1:0", "127.0.0.1:0"), None);
    check(&admin("127.0.0.1:7000", "127.0.0.1:7001"), None);
}

#[test]
fn records_and_events_go_to_two_files() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::create_dir(root.join("real")).unwrap();
    for (to, at) in [("real", "linked"), ("real/new.jsonl", "dangling"), ("real/old.jsonl", "link")] {
        std::os::unix::fs::symlink(to, root.join(at)).unwrap();
    }
    std::fs::write(root.join("real/old.jsonl"), "").unwrap();
    std::fs::hard_link(root.join("real/old.jsonl"), root.join("hard.jsonl")).unwrap();
    for (file, cadf, good) in [
        ("l.jsonl", "l.jsonl", false),
        ("l.jsonl", "./l.jsonl", false),
        ("l.jsonl", "real/../l.jsonl", false),
        ("real/l.jsonl", "linked/l.jsonl", false),
        ("dangling", "real/new.jsonl", false),
        ("real/old.jsonl", "link", false),
        ("real/old.jsonl", "hard.jsonl", false),
        ("-", "-", false),
        ("l.jsonl", "l2.jsonl", true),
        ("l.jsonl", "real/l.jsonl", true),
        ("-", "l.jsonl", true),
        ("nowhere/l.jsonl", "./nowhere/l.jsonl", false),
    ] {
        let text = format!("{}[audit]\nfile = \"{file}\"\ncadf_file = \"{cadf}\"\n", super::tests::good(root));
        let errors = errors(root, &text);
        assert_eq!(errors.is_empty(), good, "{file} {cadf}: {errors:?}");
        assert!(good || errors[0].message.contains("must differ") && errors[0].line == Some(13), "{errors:?}");
    }
}

#[test]
fn mistakes_have_their_own_line() {
    let at = |line, word| Some((line, word));
    let role = "[[scrub.role]]\nrole = \"a\"\ntreatment = \"drop\"\n";
    check("[scrub]\nfields = []\nwords = [\"a\"]\n", at(3, "[scrub]: the word \"a\" is too short"));
    check(&format!("[scrub]\nwords = [\"a\"]\n{role}"), at(2, "too short"));
    check(&format!("[scrub]\nfields = [\"a\"]\n{role}"), at(2, "is no place"));
    check(&format!("[scrub]\nwords = []\nshapes = [\"a*\"]\n{role}"), at(3, "matches the empty text"));
    check("[scrub.shadow]\nwords = []\nshapes = [\"a(\"]\n", at(3, "[scrub.shadow]: the shape"));
    check(&format!("{role}[[scrub.role]]\nrole = \"b\"\ntreatment = \"hmac\"\n"), at(4, "[[scrub.role]]: role b"));
    check(
        &format!("{role}[[scrub.role]]\nrole = \"b\"\ntreatment = \"drop\"\nfields = [\"b\"]\n"),
        at(4, "is no place"),
    );
    check("[limits]\nheaders_max = 7\nclass.read.requests_max = 0\n", at(3, "limits.class.read.requests_max"));
    check("[limits.class.write]\nburst = 1\n", at(2, "goes with limits.class.write.rate_per_minute"));
    check("[[limits.role]]\nrole = \"a\"\nrequests_max = 0\n", at(3, "limits.role.0.requests_max"));
    let twice = "[[limits.role]]\nrole = \"a\"\nrequests_max = 1\n";
    check(&format!("{twice}{twice}"), at(5, "two entries"));
    check(
        "[admin]\naddress = \"unix:/x\"\n",
        at(2, "admin.address is an IP address with a port (127.0.0.1:9385, [::1]:9385)"),
    );
    check(&listener("b", "tcp:1"), at(3, "unix:PATH, fd:NAME or fd-unix:NAME"));
    check(&listener("b", "unix:"), at(3, "the path of the socket is missing"));
}

/// A line of the good configuration, what it is replaced by, and the line of the error with a word of it.
#[track_caller]
fn replaced(from: &str, to: &str, line: usize, word: &str) {
    let directory = tempfile::tempdir().unwrap();
    let good = good(directory.path());
    assert!(good.contains(from), "{from}");
    let errors = errors(directory.path(), &good.replacen(from, to, 1));
    let found: Vec<_> = errors.iter().map(|error| (error.line, error.message.contains(word))).collect();
    assert_eq!(found, [(Some(line), true)], "{to}: {errors:?}");
}

#[test]
fn mistakes_in_what_is_there_have_their_line() {
    replaced("[upstream]\nendpoint", "[upstream]\n# endpoint", 9, "upstream has no endpoint");
    replaced("unix:/run/ironic.sock", "unix:", 10, "the path of the socket is missing");
    replaced("\"htpasswd\"", "\"htpasswd\"\nrealm = \"a\\\"b\"", 8, "realm");
    let endpoint = "endpoint = \"unix:/run/ironic.sock\"";
    replaced(endpoint, &format!("{endpoint}\nclient_key_file = \"key\""), 11, "go with an https:// endpoint");
}

/// Each default of `docs/configuration.md` that hangs on nothing else is shown, and what is shown is taken again and means
/// the same.
#[test]
fn what_is_shown_is_what_is_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let text = format!(
        "{}[authentication.keystone]\nurl = \"http://127.0.0.1:5000/v3\"\n\
         [[authentication.jwt]]\nissuer = \"i\"\naudiences = [\"a\"]\njwks_url = \"http://127.0.0.1/keys\"\n",
        good(root)
    );
    let file = root.join("irongate.toml");
    std::fs::write(&file, &text).unwrap();
    let shown: toml::Table = super::effective(&file).unwrap().parse().unwrap();
    let number = |value: u64| toml::Value::Integer(value.try_into().unwrap());
    for (path, expected) in [
        ("authentication.basic.cache_seconds", number(300)),
        ("authentication.basic.realm", "Baremetal API".into()),
        ("authentication.keystone.www_authenticate_uri", "http://127.0.0.1:5000".into()),
        ("authentication.keystone.revocation_seconds", number(300)),
        ("authentication.keystone.rejected_seconds", number(5)),
        ("authentication.keystone.tokens_max", number(10_000)),
        ("authentication.keystone.service_roles", vec!["service"].into()),
        ("authentication.keystone.service_token_roles_required", true.into()),
        ("authentication.keystone.allow_expired_seconds", number(172_800)),
        ("authentication.keystone.connect_timeout_seconds", number(2)),
        ("authentication.keystone.timeout_seconds", number(5)),
        ("authentication.keystone.connections_max", number(8)),
        ("authentication.keystone.validations_max", number(256)),
        ("authentication.jwt.0.algorithms", vec!["RS256", "ES256", "ES384", "EdDSA"].into()),
        ("authentication.jwt.0.leeway_seconds", number(30)),
        ("authentication.jwt.0.name_claim", "sub".into()),
        ("authentication.jwt.0.refresh_seconds", number(300)),
        ("authentication.jwt.0.refetch_seconds", number(10)),
        ("authentication.jwt.0.stale_seconds", number(86_400)),
        ("upstream.identity", "none".into()),
        ("policy.resource_cache_seconds", number(1)),
        ("policy.explain_denials", "full".into()),
        ("audit.file", "-".into()),
        ("audit.on_full", "block".into()),
        ("audit.queue_bytes_max", number(33_554_432)),
        ("audit.keep_one_read_in", number(1)),
        ("microversion.max", format!("1.{}", crate::catalog::MICROVERSION_MAX).into()),
        ("limits.headers_max", number(100)),
        ("reload.watch", true.into()),
        ("admin.address", "127.0.0.1:9385".into()),
        ("mode", "enforce".into()),
    ] {
        let whole = toml::Value::Table(shown.clone());
        let found = path.split('.').try_fold(&whole, |value, key| match key.parse::<usize>() {
            Ok(place) => value.get(place),
            Err(_) => value.get(key),
        });
        assert_eq!(found, Some(&expected), "{path}");
    }
    let shown = super::effective(&file).unwrap();
    assert_eq!(errors(root, &shown), []);
    assert_eq!(super::effective(&file).unwrap(), shown);
    // Without a URL there is nothing to refresh; with a pin there is no maximum.
    let pinned = format!("{}[microversion]\npin = \"1.80\"\n", good(root));
    std::fs::write(&file, pinned).unwrap();
    let shown = super::effective(&file).unwrap();
    assert!(shown.contains("pin = \"1.80\"") && !shown.contains("max = \"1."), "{shown}");
    assert_eq!(errors(root, &shown), []);
}
