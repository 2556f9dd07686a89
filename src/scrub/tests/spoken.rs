//! Secrets that follow their name in other ways than `name=value`: all that oslo.utils masks in logs, and more.

use super::*;

/// `‹part›` is the secret part of a text, wherever a text stands.
fn text(marked: &str) {
    let written = serde_json::to_string(marked).unwrap();
    for place in ["last_error", "description", "maintenance_reason"] {
        check("node:get", &format!(r#"{{"{place}": {written}}}"#));
    }
    check("node:inventory:get", &format!(r#"{{"extra": {{"note": {written}, "x": "y"}}}}"#));
}

/// The examples and tests of `oslo_utils.strutils.mask_password`.
#[test]
fn what_oslo_masks() {
    for key in ["adminPass", "admin_pass", "password", "auth_token", "new_pass", "secret_uuid", "secret", "sys_pswd"]
        .into_iter()
        .chain([
            "token",
            "token1",
            "configdrive",
            "CHAPPASSWORD",
            "encrypted_key",
            "private_key",
            "fernetkey",
            "sslkey",
        ])
        .chain(["passphrase", "cephClusterFSID", "cephMonKey", "keystoneCredential", "swifthashsuffix", "chapsecret"])
    {
        for marked in [
            // As JSON and Python write members.
            "'K' : '‹aaaaa›'",
            "'K' : u'‹aaaaa›'",
            "\"K\" : \"‹aaaaa›\"",
            "{'x': 'y', 'original_K' : '‹aa a›', 'z': 'v'}",
            "'original_K'    :   '‹aaaaa›'",
            "{\"x_K\":\"‹aa a›\"}",
            "'K': b'‹my aaaaa›' x",
            "'K': u'‹my aaaaa›' x",
            "'K'\n:\n\"‹my aaaaa›\"",
            // Elements.
            "<K>‹aaaaa›</K>",
            "<K>‹\naaaaa›</K>",
            "<K>‹a a b›</K><x>y</x>",
            // Assignments.
            "K=‹aaaaa›",
            "K = ‹aaaaa› x",
            "K = \"‹aa a›\" x",
            "K = '‹aa a›' x",
            "K\n=\n‹aaaaa›",
            // Behind blanks, in quotes.
            "K '‹aaa aa›' x",
            "K   \"‹aaa aa›\" x",
            "test = \"K\" : \"‹aa a›\"",
            // Options.
            "run --K ‹aaaaa› --x",
            "run --K   ‹aaaaa›",
            "K --v ‹aaaaa› x",
            "K -v ‹aaaaa›",
            "K -v=‹aaaaa›",
            "['node', 'K', '--value', '‹aa a›', 'x']",
            "['--K', '‹aa a›', 'x']",
            "[\"--K\", \"‹aa a›\", \"x\"]",
            // Several.
            "a.K='‹abc›',<K>‹abc›</K>K='‹abc›'",
        ] {
            text(&marked.replace('K', key));
        }
    }
}

#[test]
fn signs_and_quotes() {
    for marked in [
        "password == ‹X› y",
        "password := ‹X› y",
        "password += ‹X›",
        "password === '‹X Y›'",
        "password =~ ‹X›",
        "password=\"\"\"‹X \"X\" X›\"\"\" y",
        "password='''‹X\nX›''' y",
        r#"{\"password\": \"\"\"‹X X›\"\"\"}"#,
        "password=\"\"\"‹X X›",
        "password=\"\" x",
        "password=rb'‹X Y›' z",
        "?token%253D‹X›",
        "u=h%253Fx%253D1%2526token%253D‹X›%2526y%253D2",
        "u=h%25253Ftoken%25253D‹X›",
        r"http:\/\/‹u:X›@h\/x",
        r"http:\\/\\/‹u:X›@h",
    ] {
        text(marked);
    }
    // The sign's blanks may be written as escapes in a text that is quoted once more.
    text(r"b'password=‹\nX'› y");
    text(r#"b'password:\n \"‹X Y›\"' y"#);
}

#[test]
fn lines_below_a_name() {
    for marked in [
        "user: a\npassword:\n  ‹X›\nnext: b",
        "password:\n  ‹X Y›\nnext: b",
        "password: |\n  ‹X\n  Y›\nnext: b",
        "a:\n  password: >-\n    ‹X\n\n    Y›\n  next: b",
        "passwords:\n‹- X\n- Y›\nnext: b",
        "passwords:\n  ‹- X\n  - Y›\nnext: b",
        "\"password\":\n  \"‹X›\",\n\"b\": 1",
        "{\"secret\":\n  ‹{\"a\": \"X\"}›, \"b\": 1}",
        "secret:\r\n  ‹x: X\r\n  y: Y›\r\nz: b",
        "password:\nNode x is off",
        "password:\n",
        "password:",
    ] {
        text(marked);
    }
}

#[test]
fn options_and_elements() {
    for marked in [
        "ipmitool --password ‹-hunter X› y",
        "x --os-password ‹X›",
        "x --bmc-pass ‹X› --pw ‹Y›",
        "--secret-access-key ‹X› y",
        "--password \"‹X Y›\" z",
        "--password u'‹X Y›' z",
        "--password '‹X Y›",
        "--password\n‹X›",
        "--token ‹X› --password ‹Y› z",
        r#"[\"--password\", \"‹X Y›\", 1]"#,
        "<ns:Password Type=\"text\">‹X Y›</ns:Password>",
        "<password><![CDATA[‹X <Y›]]></password>",
        r"<password>‹X Y›<\/password>",
        "<Pwd>‹X›</Pwd><User>a</User>",
        "<password>‹X›",
        "<credentials><user>a</user><pass>‹X›</pass></credentials>",
    ] {
        text(marked);
    }
}

#[test]
fn prose_stays() {
    for plain in [
        "password is wrong",
        "the password was not accepted",
        "the password - and the token - are wrong",
        "Password incorrect. Retry with the password of the BMC",
        "no password, no token",
        "enter <password> and go",
        "enter <password>",
        "a password-protected node, a pass-through device",
        "did not pass 'validate'; don't use key 'x'",
        "['redfish_address', 'redfish_username', 'redfish_password', 'x']",
        "Missing 'redfish_password', 'ipmi_password' in driver_info",
        "use --password",
        "the node's password isn't set",
        "bypass -v x, compass --v x, surpass 'x'",
        "<secrets/> <token></token> <x token=''>",
        "nofb nomodeset console=ttyS0,115200 -- systemd.unit=x --y z",
        "nofb vga=normal ipa-insecure=1 ipa-debug=1 sshd-generate -v 2",
        "a -- b --c d",
        "keys <-> values, tokens -> ids",
        "1 <2 && 3> 2 it's",
        "token 'None' and password ''",
        "Node 0c5a2a52-1d4f-4b0e-9a35-3ca1d7a7f1a0 is locked by host 'c1'",
    ] {
        text(plain);
    }
}

/// A name and its secret, wherever the text is cut, and in whichever window.
#[test]
fn no_cut_parts_a_name_from_its_secret() {
    let cut = WINDOW_BYTES - OVERLAP_BYTES;
    for (secret, shown) in [
        ("--password S3cret", "--password ******"),
        ("<password>S3cret</password>", "<password>******</password>"),
        (r#"password \"S3cret x\""#, r#"password \"******\""#),
        ("password -v S3cret", "password -v ******"),
        ("'password', '-v', 'S3cret x'", "'password', '-v', '******'"),
        (r"password\n=\nS3cret", r"password\n=\n******"),
        (r"password:\n  S3cret\n", r"password:\n  ******\n"),
        (r#"password=\"\"\"S3cret S3 \"\"\""#, r#"password=\"\"\"******\"\"\""#),
        ("?token%253DS3cret", "?token%253D******"),
    ] {
        let answer = format!(r#"{{"a": "before {secret} after", "{secret}": 1}}"#);
        let wanted = format!(r#"{{"a": "before {shown} after", "{shown}": "******"}}"#);
        assert_eq!(scrub("node:get", &answer), wanted);
        for first in 0..answer.len() {
            let (head, tail) = answer.as_bytes().split_at(first);
            let mut scrubber = Scrubber::new(Arc::clone(&RULES), operation("node:get"), ORIGIN.into());
            let mut out = Vec::new();
            scrubber.push(head, &mut out).unwrap();
            scrubber.push(tail, &mut out).unwrap();
            scrubber.finish(&mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), wanted, "cut at {first}");
        }
        for from in cut - secret.len() - 2..cut + 4 {
            let (before, after) = (".".repeat(from - 1), ".".repeat(WINDOW_BYTES));
            let given = format!(r#"{{"a": "{before} {secret} {after}"}}"#);
            let (out, _) = scrub_with(&RULES, "node:get", given.as_bytes(), usize::MAX).unwrap();
            assert!(out == format!(r#"{{"a": "{before} {shown} {after}"}}"#), "{secret} at {from}");
        }
    }
}

/// Quadratic, these would take minutes.
#[test]
fn are_looked_for_in_linear_time() {
    for piece in [
        "--token ",
        "--token",
        "<token>",
        "<token ",
        "<token x",
        "token '",
        "token -v ",
        "token \\",
        "'token', '-",
        "token:\n  ",
        "token: |\n",
        "token=\"\"\"",
        "token = ",
        "token%2525",
        "--token - ",
        "<token><![CDATA[",
        "token:\n",
        "<token>x<",
    ] {
        let text = piece.repeat(1 << 20 >> 4);
        let answer = format!(r#"{{"a": {}}}"#, serde_json::to_string(&text).unwrap());
        let (out, _) = scrub_with(&RULES, "node:inventory:get", answer.as_bytes(), 16384).unwrap();
        serde_json::from_str::<serde_json::Value>(&out).unwrap();
    }
}
