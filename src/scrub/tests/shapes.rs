//! Secrets that are known by their look.

use super::*;

#[test]
fn texts() {
    for place in ["last_error", "maintenance_reason", "description", "retired_reason", "protected_reason"] {
        check(
            "node:get",
            &format!(r#"{{"{place}": "failed at https://‹admin:pw›@bmc/redfish/v1, password=‹S3cret› ok"}}"#),
        );
        check("node:get", &format!(r#"{{"{place}": "{{'redfish_password': '‹S3 cret›', 'x': 1}}"}}"#));
        check("node:get", &format!(r#"{{"{place}": "{{\"password\": \"‹a b›\", \"x\": 1}}"}}"#));
        check("node:get", &format!(r#"{{"{place}": "Authorization: Basic ‹dXNlcjpw› sent"}}"#));
        passes("node:get", &format!(r#"{{"{place}": "Node is locked by host c1, please retry: (power on)"}}"#));
    }
    check("node:get_states", r#"{"last_error": "token: ‹abc›"}"#);
    check("node:history:get", r#"{"event": "x http://‹u:p›@h"}"#);
    check("node:history:list", r#"{"history": [{"event": "x http://‹u:p›@h"}]}"#);
    check("allocation:get", r#"{"last_error": "x http://‹u:p›@h"}"#);
    check("node:validate", r#"{"boot": {"result": false, "reason": "bad http://‹u:p›@h"}, "power": {"result": true}}"#);
    check(
        "node:get",
        r#"{"properties": {"x": "http://‹u:p›@h"}, "network_data": {"psk": «"x"»}, "extra": {"a": {"token": «"x"»}}}"#,
    );
    check("node:vmedia:get", r#"[{"media_types": ["CD"], "image": "http://‹u:p›@h/x.iso?token=‹x›"}]"#);
}

#[test]
fn shapes() {
    let fernet = format!("‹gAAAAA{}==›", "Bk3_-".repeat(20));
    let hash = format!("‹$6$salt${}›", "a.B/9".repeat(10));
    let (begin, end) = ("-----BEGIN", "-----END");
    let key = format!(r"‹{begin} RSA PRIVATE KEY-----\nMIIE\n{end} RSA PRIVATE KEY-----›");
    let open_key = format!(r"‹{begin} PRIVATE KEY-----\nMIIE\nno end›");
    for text in [
        "‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl›",
        "a ‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl› b",
        "‹eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d›",
        &fernet,
        &hash,
        &key,
        &open_key,
        "https://h/o?X-Amz-Algorithm=a&X-Amz-Credential=‹c›&X-Amz-Signature=‹5f›",
        "https://h/o?sv=1&sig=‹a%2Bb›&se=2",
        "http://h/o?temp_url_sig=‹5f›&temp_url_expires=1&temp_url_prefix=x",
        "http://h/vnc.html?path=websockify%3Fnode%3Dabc%26token%3D‹5f›",
        "wss://h/?token=‹5f›",
        "redis://‹:p›@h",
        "https://‹ghp_x›@h/r.git",
        "http://‹u:a/b›@h/x",
        "http://‹u:a@b›@h/x",
        r"http:\/\/‹u:p›@h\/x",
        r"http:\u002f\u002F‹u:p›\u0040h",
        "token:‹abc›",
        "pw=‹abc› x",
        r"password=‹\u0061bc› x",
        "a=1;secret_key=‹x›;b=2",
        "é password=‹é› é",
        // Names of every kind, and what follows them.
        "passwd:‹x›",
        "pwd: ‹x›",
        "password1:‹x›",
        "PASSWORD=‹x›",
        "user password = ‹x›",
        "token:‹/a/b›",
        "h?TEMP_URL_SIG=‹5f›&temp_url_expires=1",
        "h?Temp_Url_Sig=‹5f›;Temp_Url_Expires=1",
        "h?u=x%3Ftemp_url_sig%3d‹5f›%26temp_url_expires%3D1",
        "root=/dev/sda rootpwd=‹x› sshkey='‹ssh-rsa Zg== a›' console=ttyS0",
        r#"ipa-api=http://h password=\"‹a b›\" root_password=‹c› inst.rootpw=‹d› quiet"#,
        "nofb ipa-x-password=‹x› db_pass=‹y› pass=‹z›",
        // Tokens behind whatever.
        "a%3D‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl› b",
        "x‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl›",
        // Containers, as Python and JSON write them.
        "'secret': ‹{'value': 'S'}› x",
        "{'secret': ‹{'value': 'S'}›, 'x': 1}",
        "{'passwords': ‹['a', 'S']›}",
        "{'auth': ‹('user', 'S ) T')›, 'y': 1}",
        "{'token': ‹{'a': [1, {'b': 'it\\\\'s } S'}], 'c': \\\"' }\\\"}›}",
        r#"{\"password\": ‹{\"new\": \"a } b\"}›}"#,
        r#"{\\\"password\\\": ‹{\\\"new\\\": \\\"a } b\\\"}›}"#,
        r#"{\"password\":‹{\"new\":\"S\"},\"y\":\"z\"}› t"#,
        "password=‹{S}3cret› x",
        "password=‹[S T›",
        "secret: ‹{'value': 'S›",
        "secret: ‹(don't, S) T›",
        // Headers of several parts go to the end of their line.
        "Cookie: ‹a=b; session=S›",
        r"Set-Cookie: ‹a=b; Path=/ S›\nX-Other: y",
        r#"Authorization: Digest ‹username=\"a\", nonce=\"n\", response=\"S\"›\r\nHost: h"#,
        "authorization: ‹AWS4-HMAC-SHA256 Credential=a, Signature=S›",
        "Proxy-Authorization: Basic  ‹S›",
        "Authorization:  Bearer   ‹S›",
        "{'Authorization': '‹Basic  S›', 'Accept': '*/*'}",
        "{'Cookie': '‹a=b; session=S›', 'Accept': '*/*'}",
        // User information however it is spelled.
        "http://‹us%65r:p%40ss›@h/x",
        "http://‹u:p›%40h/x",
        "http://h/x?url=http%3A%2F%2F‹us%2565r%3Ap›%40h%2Fx&y=1",
        "http://h/x?url=https:%2F%2F‹u:p›@h%2Fx&y=a@b",
        "x%253A%252F%252F‹u%253Ap›%2540h",
    ] {
        check("node:get", &format!(r#"{{"extra": {{"x": "{text}"}}}}"#));
        check("node:inventory:get", &format!(r#"{{"plugin_data": ["{text}"]}}"#));
    }
    for text in [
        "https://10.0.0.5:8443/redfish/v1",
        "http://[::1]:80/a@b",
        "mail me@example.org",
        "2026-01-01T00:00:00+00:00",
        "52:54:00:ab:cd:ef",
        "CUSTOM_TRAIT",
        "a=b",
        "eyJx",
        "boot_mode:uefi,secure_boot:true",
        "power on",
        "Missing: token",
        "agent_token=None",
        "{'secret': {}, 'passwords': [], 'tokens': ()}",
        "tokens are good",
        "qcow2 sig",
        "signal=9",
        "passwd://host/x",
        "http://h/x?url=http%3A%2F%2Fh%3A80%2Fx%40y",
        "http://h:80/x%40y",
        "52:54:00:ab:cd:ef at 10:00:00",
    ] {
        passes("node:get", &format!(r#"{{"extra": {{"x": "{text}"}}}}"#));
    }
    let certificate = format!(r"{begin} CERTIFICATE-----\nMIIE\n{end} CERTIFICATE-----");
    passes("node:get", &format!(r#"{{"driver_internal_info": {{"agent_verify_ca": "{certificate}"}}}}"#));
}

/// What stands for a secret stands alone: only so it is known again when it is written back.
#[test]
fn masks_have_no_stars_beside_them() {
    let fernet = format!("gAAAAA{}", "Bk3_-".repeat(20));
    let hash = format!("$6$salt${}", "a.B/9".repeat(10));
    let key = ["BEGIN", "END"].map(|edge| format!("-----{edge} PRIVATE KEY-----")).join("MIIE");
    for secret in ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", &fernet, &hash, &key] {
        for text in [
            "‹**SECRET**›",
            "‹*SECRET›",
            "a ‹SECRET******› b",
            "‹******SECRET›",
            "*** ‹*SECRET**SECRET**› ***",
            r"‹\u002a*SECRET*\u002A› é*",
            "password=‹x*SECRET**› *",
        ] {
            let text = text.replace("SECRET", secret);
            check("node:get", &format!(r#"{{"extra": {{"x": "{text}", "{text}": null}}}}"#));
        }
    }
    for text in [
        "http://‹*u:p**›@h http:**//x",
        "token: '‹**x**›' *",
        "<password>‹*x*›</password>",
        "**password=‹**x› **",
        "password=** token=******* secret='******'",
    ] {
        check("node:get", &format!(r#"{{"extra": {{"x": "{text}"}}}}"#));
    }
    for before in [WINDOW_BYTES - OVERLAP_BYTES - 8, WINDOW_BYTES - 300, WINDOW_BYTES - 8] {
        for stars in [1, 7, 20] {
            let (text, stars) = ("x".repeat(before), "*".repeat(stars));
            check("node:get", &format!(r#"{{"extra": {{"x": "{text}‹{stars}{fernet}{stars}›{text}"}}}}"#));
        }
    }
}

/// Metal3 sets such parameters, and compares what it reads with what it set.
#[test]
fn public_keys_are_no_secrets() {
    let (long, wide) =
        ("AAAAC3NzaC1lZDI1NTE5AAAAIJ".to_owned() + &"k9/+".repeat(12), "AAAA".to_owned() + &"B3Nz".repeat(90));
    for key in [
        format!("ssh-ed25519 {long}"),
        format!("ssh-ed25519 {long} core@host-1.example"),
        format!("ssh-rsa {wide}== root@h"),
        format!("ecdsa-sha2-nistp256 {wide}="),
        format!("sk-ssh-ed25519@openssh.com {long} me"),
        format!("ssh-rsa-cert-v01@openssh.com {wide}"),
    ] {
        passes("node:get", &format!(r#"{{"driver_info": {{"kernel_append_params": "nofb sshkey=\"{key}\" x=y"}}}}"#));
        passes("node:get", &format!(r#"{{"driver_info": {{"kernel_append_params": "sshkey={key} x=y"}}}}"#));
        check("node:get", &format!(r#"{{"last_error": "{{'sshkey': '{key}', 'token': '‹x›'}}"}}"#));
    }
    for secret in [
        "ssh-S3cret".to_owned(),
        "ssh-ed25519 S3cret".to_owned(),
        format!("ssh-ed25519 {long} password=S3cret"),
        format!("ssh-ed25519 {long} a b"),
        format!("ssh-ed25519 {long}:S3cret"),
        format!("x ssh-ed25519 {long}"),
        format!("ssh-ed25519x {long}"),
        format!(" ssh-ed25519 {}", long.replace("AAAA", "BAAA")),
    ] {
        check(
            "node:get",
            &format!(r#"{{"driver_info": {{"kernel_append_params": "nofb sshkey=\"‹{secret}›\" x=y"}}}}"#),
        );
    }
    check("node:get", r#"{"driver_info": {"kernel_append_params": "sshkey=‹ssh-S3cret› x=y"}}"#);
}

/// `name:value,name:value`: one name does not hide what the next ones say, which nova schedules by.
#[test]
fn capabilities_are_hidden_one_by_one() {
    for (key, text) in [
        ("capabilities", "token_ring:‹1›,boot_mode:uefi"),
        ("capabilities", "boot_mode:uefi,secret_level:‹2›, boot_option:local,key:‹1,2›,auth:‹kerberos›"),
        ("Capabilities", "boot_mode:uefi,password:‹a,b›,x:http://‹u:p,y:z›@h,secure_boot:true"),
        ("capabilities", "password:‹a›,token:‹b›,token:‹\\u0063›,a:b é"),
        ("capabilities", r#"{\"boot_mode\": \"uefi\", \"token\": \"‹a,b:c›\", \"x\": \"y\"}"#),
        ("capabilities", "password=‹a›,boot_mode:uefi"),
        ("capability", "token_ring:‹1,boot_mode:uefi›"),
        ("x", "token_ring:‹1,boot_mode:uefi›"),
    ] {
        check("node:get", &format!(r#"{{"properties": {{"{key}": "{text}", "cpus": 1}}}}"#));
        check(
            "node:list_detail",
            &format!(r#"{{"nodes": [{{"capabilities": "a:b", "properties": {{"{key}": "{text}"}}}}]}}"#),
        );
        check("node:inventory:get", &format!(r#"{{"capabilities": "{text}"}}"#).replace("capabilities", key));
    }
    // Only the text itself, not the keys and texts below it.
    check("node:get", r#"{"capabilities": ["token:‹1,b:c›"], "a": "token:‹1,b:c›"}"#);
    check("node:get", r#"{"capabilities": {"token:‹1,b:c›": null}, "token:‹1,b:c›": true}"#);
    let long = "x".repeat(WINDOW_BYTES);
    check("node:get", &format!(r#"{{"capabilities": "{long},token:‹1›,boot_mode:uefi"}}"#));
}

#[test]
fn long_strings() {
    let id = "node:inventory:get";
    for length in [WINDOW_BYTES - 20, WINDOW_BYTES, WINDOW_BYTES + 1, 3 * WINDOW_BYTES, 300_001] {
        let log = "QUJDZGVm".repeat(length / 8);
        let plain = format!(r#"{{"plugin_data": {{"logs": "{log}"}}}}"#);
        assert_eq!(scrub_with(&RULES, id, plain.as_bytes(), 4096).unwrap().0, plain);
        for (secret, shown) in [
            (r"\nhttp://user:S3cret@host/", r"\nhttp://******@host/"),
            (r#" password=\"a b\" "#, r#" password=\"******\" "#),
            (" token=é1é ", " token=****** "),
            (r" token=\u00e9\ud83d\ude00 ", " token=****** "),
        ] {
            let given = format!(r#"{{"plugin_data": {{"logs": "{log}{secret}{log}", "token": 1}}}}"#);
            let wanted = format!(r#"{{"plugin_data": {{"logs": "{log}{shown}{log}", "token": "******"}}}}"#);
            for chunk in [1000, 4096, 16384, 70_000, usize::MAX] {
                let (out, report) = scrub_with(&RULES, id, given.as_bytes(), chunk).unwrap();
                assert!(out == wanted, "{length} {secret} {chunk}");
                assert_eq!(report.masked, 2);
            }
        }
    }
    // A secret that is longer than what two windows share: the rest of the string goes with it.
    let answer = format!(r#"{{"a": "x password={} y", "b": 1}}"#, "s".repeat(200_000));
    let (out, _) = scrub_with(&RULES, id, answer.as_bytes(), 5000).unwrap();
    assert_eq!(out, r#"{"a": "x password=******", "b": 1}"#);
    assert_eq!(scrub_with(&RULES, id, answer.as_bytes(), usize::MAX).unwrap().0, out);
    // Long keys, names and masked values.
    let long = "k".repeat(200_000);
    let medium = "k".repeat(1025);
    check("node:get", &format!(r#"{{"{long}": «"x"», "{medium}": «[1]», "password": «"{long}"», "a": "{long}"}}"#));
    check("node:get", &format!(r#"{{"extra": {{"name": "{long}", "value": «"x"»}}}}"#));
}

/// A name before a window's cut, its secret behind it: wherever the cut is.
#[test]
fn no_cut_of_a_window_parts_a_name_from_its_secret() {
    let additions = ScrubAdditions { shapes: vec!["<asset of (S3[a-z]+)>".to_owned()], ..ScrubAdditions::default() };
    let own = Arc::new(ScrubRules::new(&additions).unwrap());
    let cut = WINDOW_BYTES - OVERLAP_BYTES;
    let fernet = format!("gAAAAAB{}", "S3cret_-".repeat(8));
    for (rules, secret, shown) in [
        (&*RULES, "password=S3cret", "password=******"),
        (&*RULES, r#"\"password\": \"S3cret\","#, r#"\"password\": \"******\","#),
        (&*RULES, r"'redfish_password' : 'S3cret'", "'redfish_password' : '******'"),
        (&*RULES, "Authorization: Basic S3cret", "Authorization: Basic ******"),
        (&*RULES, "http://user:S3cret@host/", "http://******@host/"),
        (&*RULES, "http%253A%252F%252Fuser%253AS3cret%2540host/", "http%253A%252F%252F******%2540host/"),
        (&*RULES, "x?temp_url_sig=S3cret&y=1", "x?temp_url_sig=******&y=1"),
        (&*RULES, "token=a&secret=S3cret&pw=b", "token=******&secret=******&pw=******"),
        (&*RULES, "http://user:password=S3cret@host", "http://******"),
        (&*RULES, "pass=http://user:S3cret@host", "pass=******"),
        (&*RULES, &fernet, "******"),
        (&own, "<asset of S3cret>", "<asset of ******>"),
    ] {
        for from in cut - secret.len() - 2..cut + 4 {
            let (before, after) = ("-".repeat(from - 1), "-".repeat(WINDOW_BYTES));
            let given = format!(r#"{{"a": "{before} {secret} {after}"}}"#);
            let (out, _) = scrub_with(rules, "node:get", given.as_bytes(), usize::MAX).unwrap();
            assert!(!out.contains("S3"), "{secret} at {from}");
            assert!(out == format!(r#"{{"a": "{before} {shown} {after}"}}"#), "{secret} at {from}");
        }
    }
}

#[test]
fn many_secrets_in_one_text() {
    let answer = format!(r#"{{"a": "{}", "b": 1}}"#, "pw=x ".repeat(10_000));
    let (out, report) = scrub_with(&RULES, "node:get", answer.as_bytes(), usize::MAX).unwrap();
    assert!(!out.contains("=x"));
    assert!(report.masked <= 256);
}

/// Every way to cut an answer in two, and in three with one byte in the middle: no cut hides a secret of any shape.
#[test]
fn no_cut_hides_a_shape() {
    let fernet = format!("gAAAAA{}==", "Bk3_".repeat(12));
    let (begin, end) = ("-----BEGIN", "-----END");
    let key = format!("{begin} EC PRIVATE KEY-----S3cret{end} EC PRIVATE KEY-----");
    for secret in [
        "https://user:S3cret@host/x",
        "http%3A%2F%2Fuser%3AS3cret%40host",
        "password=S3cret",
        "'admin_pass': 'S3cret'",
        "h?temp_url_sig=S3cret&x=1",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        fernet.as_str(),
        key.as_str(),
        r"$6$salt$abcdefghijklmnopqrstuvwxyz012345",
        r"p\u0061ssword=S3cr\u0065t",
    ] {
        let answer = format!(r#"{{"a": "before {secret} after", "{secret}": 1, "password": "{secret}"}}"#);
        let whole = scrub("node:get", &answer);
        for hidden in ["S3cret", "c2lnbmF0dXJl", "Bk3_Bk3_", "klmnopqrst", "S3cr"] {
            assert!(!whole.contains(hidden), "{whole}");
        }
        for first in 0..answer.len() {
            for second in [first, first + 1, answer.len()] {
                let mut scrubber = Scrubber::new(Arc::clone(&RULES), operation("node:get"), ORIGIN.into());
                let mut out = Vec::new();
                let second = second.min(answer.len());
                for part in
                    [&answer.as_bytes()[..first], &answer.as_bytes()[first..second], &answer.as_bytes()[second..]]
                {
                    scrubber.push(part, &mut out).unwrap();
                }
                scrubber.finish(&mut out).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), whole, "cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn the_shipped_words_are_noticed_by_their_letters() {
    assert!(!RULES.shapes.always());
    let own = |word: &str| {
        let additions = ScrubAdditions { words: vec![word.to_owned()], ..ScrubAdditions::default() };
        Arc::new(ScrubRules::new(&additions).unwrap())
    };
    for (word, text, shown) in [
        ("face", "face:x", "face:******"),
        ("beta-1", "my beta 1: x", "my beta 1: ******"),
        ("geheim/1", "geheim/1:x", "geheim/1:******"),
        ("ключ123", "ключ123:x", "ключ123:******"),
        ("geheim", "geheim1:x", "geheim1:******"),
    ] {
        for chunk in [1, usize::MAX] {
            let answer = format!(r#"{{"a": "{text}"}}"#);
            let wanted = format!(r#"{{"a": "{shown}"}}"#);
            assert_eq!(scrub_with(&own(word), "node:get", answer.as_bytes(), chunk).unwrap().0, wanted);
        }
    }
}

#[test]
fn an_operators_shape_is_found_in_known_keys_too() {
    let own = ScrubAdditions { shapes: vec!["redf[a-z]*".to_owned()], ..ScrubAdditions::default() };
    let rules = Arc::new(ScrubRules::new(&own).unwrap());
    let answer = br#"{"driver_info": {"redfish_address": "a redfish", "deploy_kernel": "x"}, "uuid": "y"}"#;
    for chunk in [1, 7, usize::MAX] {
        let shown = scrub_with(&rules, "node:get", answer, chunk).unwrap().0;
        let wanted = r#"{"driver_info": {"******_address": "a ******", "deploy_kernel": "x"}, "uuid": "y"}"#;
        assert_eq!(shown, wanted, "in chunks of {chunk}");
    }
}
