//! Rows through [`check`]: an answer, and what the caller sees of it, whatever the chunks.

mod arguments;
mod lists;
mod malformed;
mod maps;
mod property;
mod shapes;
mod spoken;
mod words;

use std::sync::{Arc, LazyLock};

use super::*;
use crate::catalog::{Operation, catalog};

static RULES: LazyLock<Arc<ScrubRules>> =
    LazyLock::new(|| Arc::new(ScrubRules::new(&ScrubAdditions::default()).unwrap()));

const ORIGIN: &str = "https://gate.example";

fn operation(id: &str) -> &'static Operation {
    catalog().operation(id).unwrap_or_else(|| panic!("no operation {id}"))
}

fn scrub_with(
    rules: &Arc<ScrubRules>,
    id: &str,
    answer: &[u8],
    chunk: usize,
) -> Result<(String, ScrubReport), ScrubError> {
    let mut scrubber = Scrubber::new(Arc::clone(rules), operation(id), ORIGIN.into());
    let mut out = Vec::new();
    for part in answer.chunks(chunk.max(1)) {
        scrubber.push(part, &mut out)?;
    }
    let report = scrubber.finish(&mut out)?;
    Ok((String::from_utf8(out).unwrap(), report))
}

fn scrub(id: &str, answer: &str) -> String {
    let whole = scrub_with(&RULES, id, answer.as_bytes(), usize::MAX).map(|(out, _)| out);
    for chunk in [1, 2, 3, 7, 64, 100] {
        let cut = scrub_with(&RULES, id, answer.as_bytes(), chunk).map(|(out, _)| out);
        assert_eq!(cut, whole, "in chunks of {chunk}: {answer}");
    }
    whole.unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// The answer without its marks.
fn unmarked(marked: &str) -> String {
    marked.chars().filter(|c| !"«»‹›".contains(*c)).collect()
}

/// The answer's text with marks: `«value»` becomes the mask as a whole, `‹part›` is the secret part of a string.
fn check(id: &str, marked: &str) {
    let (mut wanted, mut inside) = (String::new(), false);
    for c in marked.chars() {
        match c {
            '«' | '‹' => {
                wanted.push_str(if c == '«' { "\"******\"" } else { "******" });
                inside = true;
            }
            '»' | '›' => inside = false,
            c if !inside => wanted.push(c),
            _ => {}
        }
    }
    assert_eq!(scrub(id, &unmarked(marked)), wanted, "{id}");
    // What is masked stays masked, and nothing else comes of it.
    assert_eq!(scrub(id, &wanted), wanted, "{id}, once more");
}

/// An answer that passes as it is.
fn passes(id: &str, answer: &str) {
    check(id, answer);
}

#[test]
fn names_and_values() {
    let id = "node:bios:list";
    for answer in [
        r#"{"bios": [{"name": "AdminPassword", "value": «"S3cret"», "links": []}, {"name": "x", "value": "y"}]}"#,
        r#"{"bios": [{"value": «"S3cret"», "x": 1, "name": "AdminPassword"}, {"value": "y", "name": "x"}]}"#,
        r#"{"bios": [{"value": «"y"»}, {"value": ""}, {"value": null, "name": "AdminPassword"}]}"#,
        r#"{"bios": [{"value": "", "name": "AdminPassword"}, {"name": "AdminPassword", "value": ""}]}"#,
        r#"{"bios": [{"value": «12», "current_value": «{"a": [1]}», "attribute": "secret"}]}"#,
        r#"{"bios": [{"value": {"value": «1», "name": "token"}, "name": "x"}]}"#,
        r#"{"bios": [{"value": «{"value": "1", "name": "x"}», "name": "token"}]}"#,
        r#"{"bios": [{"value": «{"value": "1", "name": "secret"}», "name": "token"}]}"#,
        r#"{"bios": [{"value": "1", "z": {"value": «"2"», "key": "a_token"}, "id": "x"}]}"#,
        r#"{"bios": [{"id": "5", "value": «"S3cret"», "name": "AdminPassword"}, {"id": "5", "value": 1, "name": "x"}]}"#,
        r#"{"bios": [{"value": «1», "z": {"value": «"2"», "key": "a_token"}, "id": "secret"}]}"#,
    ] {
        check(id, answer);
    }
    check("node:bios:get", r#"{"AdminPassword": {"name": "AdminPassword", "value": «"x"», "read_only": false}}"#);
    check("node:bios:get", r#"{"AdminPassword": «"x"»}"#);
    check("node:get", r#"{"extra": [{"key": "a", "value": "b"}, {"key": "password", "value": «"b"»}]}"#);
}

/// `fields=value` leaves out the name by which a setting's value is known.
#[test]
fn settings_without_their_names() {
    for id in ["node:bios:list", "node:bios:get"] {
        for answer in [
            r#"{"bios": [{"value": «"S3cret"»}, {"value": «"y"», "read_only": false}, {"name": "x", "value": "y"}]}"#,
            r#"{"bios": [{"read_only": false, "value": «"S3cret"»}, {"value": «1», "links": [{"rel": "self"}]}]}"#,
            r#"{"bios": [{"value": null}, {"value": true}, {"value": ""}, {"attribute_type": "String"}]}"#,
            r#"{"bios": [{"value": «{"a": 1}»}, {"name": "x", "value": {"default_value": «["b"]»}}, {"name": null, "value": «"z"»}]}"#,
            r#"{"bios": {"value": «"S3cret"», "x": {"value": «"S3cret"»}}}"#,
        ] {
            check(id, answer);
        }
    }
    passes("node:get", r#"{"extra": {"value": "y"}}"#);
    // No other answer is made of such settings.
    for operation in catalog().operations() {
        let settings = operation.object.as_deref() == Some("bios_setting");
        assert_eq!(settings, ["node:bios:list", "node:bios:get"].contains(&operation.id.as_str()), "{}", operation.id);
    }
}

#[test]
fn what_waits_for_a_name_is_bounded() {
    let id = "node:bios:list";
    let long = "x".repeat(HELD_BYTES_MAX);
    for answer in [
        format!(r#"{{"bios": [{{"value": «"{long}"», "name": "x"}}, {{"name": "x", "value": "{long}"}}]}}"#),
        format!(r#"{{"bios": [{{"name": "x", "value": ["{long}", {{"value": «"{long}"»}}]}}, {{"name": "y"}}]}}"#),
        format!(r#"{{"bios": [{{"value": «["{long}", 1]», "name": "x"}}, {{"name": "y"}}]}}"#),
        format!(r#"{{"bios": [{{"value": «[1, [["{long}"]], {{"a": [2]}}]», "name": "x"}}, {{"name": "y"}}]}}"#),
        format!(r#"{{"bios": [{{"value": «1{}», "name": "x"}}, {{"name": "y"}}]}}"#, "0".repeat(HELD_BYTES_MAX)),
        format!(r#"{{"bios": [{{"value": «"v"», "other": "{long}", "name": "x"}}, {{"name": "y"}}]}}"#),
        format!(r#"{{"bios": [{{"value": «{{"value": 1, "a": "{long}"}}», "z": [0]}}], "y": 1}}"#),
        format!(r#"{{"bios": [{{"value": «"v"», {} "name": "x"}}, {{"name": "y"}}]}}"#, " ".repeat(HELD_BYTES_MAX)),
        format!(r#"{{"bios": [{{"value": «"{}"», "name": "x"}}, {{"name": "y"}}]}}"#, "x".repeat(200_000)),
        format!(r#"{{"bios": [{{"value": «["{}"]», "name": "x"}}, {{"name": "y"}}]}}"#, "x".repeat(200_000)),
    ] {
        check(id, &answer);
    }
    // The bound is the same whatever the chunks.
    for length in HELD_BYTES_MAX - 40..HELD_BYTES_MAX + 4 {
        scrub(id, &format!(r#"{{"bios": [{{"value": "{}", "name": "x", "y": 1}}]}}"#, "x".repeat(length)));
    }
}

#[test]
fn what_clients_read() {
    passes(
        "node:list",
        r#"{"nodes": [{"uuid": "0c5a2a52-1d4f-4b0e-9a35-3ca1d7a7f1a0", "power_state": "power on",
        "target_power_state": null, "provision_state": "active", "last_error": null, "maintenance": false,
        "instance_uuid": null, "traits": ["CUSTOM_A"], "resource_class": "baremetal", "properties": {"cpus": "8",
        "memory_mb": 1024, "local_gb": 10, "cpu_arch": "x86_64", "capabilities": "boot_mode:uefi,secure_boot:true",
        "system_id": "1"}}]}"#,
    );
    passes(
        "node:get_console",
        r#"{"console_enabled": true, "console_info": {"type": "socat", "url": "tcp://10.0.0.1:8023"}}"#,
    );
    check(
        "node:get_console",
        r#"{"console_info": {"url": "http://h:6090/vnc_lite.html?path=websockify%3Fnode%3D1%26token%3D‹x›"}}"#,
    );
    passes(
        "volume:connector:list",
        r#"{"connectors": [{"type": "iqn", "connector_id": "iqn.2017-05.org.openstack:node", "extra": {}}]}"#,
    );
    check(
        "volume:target:list",
        r#"{"targets": [{"volume_id": "1", "properties": {"auth_method": "CHAP", "auth_username": "u",
        "auth_password": «"S3cret"», "discovery_auth_password": «"S3cret"», "target_iqn": "iqn.x", "encrypted": false}}]}"#,
    );
    passes(
        "port:list_detail",
        r#"{"ports": [{"address": "52:54:00:ab:cd:ef", "internal_info": {"tenant_vif_port_id": "x"},
        "extra": {"vif_port_id": "y"}, "local_link_connection": {"switch_id": "aa:bb:cc:dd:ee:ff", "port_id": "Eth1/1"}}]}"#,
    );
    passes(
        "portgroup:list_detail",
        r#"{"portgroups": [{"mode": "802.3ad", "properties": {"xmit_hash_policy": "layer3+4"}}]}"#,
    );
    passes("node:validate", r#"{"deploy": {"result": true}, "power": {"result": true}, "storage": {"result": true}}"#);
    passes(
        "driver:properties",
        r#"{"redfish_password": "User account password. Optional.", "ipmi_address": "IP address. Required."}"#,
    );
    passes("driver:list", r#"{"drivers": [{"name": "redfish", "hosts": ["c1"]}]}"#);
}

#[test]
fn lookup_passes_to_the_ramdisk() {
    for id in ["ramdisk:lookup", "ramdisk:continue_inspection"] {
        let answer = r#"{"node": {"uuid": "u", "properties": {"password": "a", "x": [{"token": "http://u:p@h"}]},
            "instance_info": {"configdrive": "c", "image_url": "d"}, "driver_internal_info": {"agent_secret_token": "t"},
            "driver_info": {"redfish_password": «"x"»}}, "config": {"agent_token": "T", "agent_token_required": true,
            "heartbeat_timeout": 300, "other_token": «"x"»}}"#;
        check(id, answer);
    }
    check("node:get", r#"{"config": {"agent_token": «"T"»}, "node": {"instance_info": {"configdrive": «"x"»}}}"#);
    check("ramdisk:lookup", r#"{"Config": {"agent_token": «"T"»}, "config": {"Agent_Token": «"x"»}}"#);
}

#[test]
fn links_lead_to_irongate() {
    let rows = [
        ("node:get", r#"{"links": [{"href": "URL", "rel": "self"}], "ports": [{"href": "URL"}]}"#, true),
        ("node:list", r#"{"nodes": [{"links": [{"href": "URL"}]}], "next": "URL"}"#, true),
        ("node:children:list", r#"{"children": [], "links": {"href": "URL"}}"#, true),
        ("chassis:get", r#"{"nodes": [[{"href": "URL"}]]}"#, true),
        ("driver:list", r#"{"drivers": [{"properties": [{"href": "URL"}]}]}"#, true),
        (
            "api:root",
            r#"{"default_version": {"links": [{"href": "URL"}]}, "versions": [{"links": [{"href": "URL"}]}]}"#,
            true,
        ),
        ("node:get", r#"{"extra": {"links": [{"href": "URL"}]}, "properties": {"href": "URL"}, "name": "URL"}"#, false),
        ("node:get", r#"{"driver_info": {"next": "URL"}, "href": "x"}"#, false),
        ("node:vendor_passthru:get", r#"{"next": "URL", "links": [{"href": "URL"}]}"#, false),
    ];
    let urls = [
        ("http://127.0.0.1:6385/v1/nodes/1?marker=2&limit=3", "https://gate.example/v1/nodes/1?marker=2&limit=3"),
        ("http://h", "https://gate.example"),
        ("HTTPS://h/", "https://gate.example/"),
        (r"http:\/\/h\/v1\/nodes", r"https://gate.example\/v1\/nodes"),
        ("http://h/nodes/1", "https://gate.example/nodes/1"),
        ("https://h/prefix/v1/nodes", "https://gate.example/v1/nodes"),
        ("https://h/prefix/v1", "https://gate.example/v1"),
        ("http://u:p@h/v1?token=t", "https://gate.example/v1?token=******"),
    ];
    for (id, answer, rewritten) in rows {
        for (url, wanted) in urls {
            if rewritten {
                assert_eq!(scrub(id, &answer.replace("URL", url)), answer.replace("URL", wanted));
            } else if !url.contains('@') {
                passes(id, &answer.replace("URL", url));
            }
        }
        for url in ["https://docs.openstack.org/ironic/latest/", "ftp://h/v1", "/v1/nodes", "x", ""] {
            passes(id, &answer.replace("URL", url));
        }
    }
    assert_eq!(
        rewrite_location("http://h:6385/v1/nodes/a", ORIGIN).as_deref(),
        Some("https://gate.example/v1/nodes/a")
    );
    assert_eq!(
        rewrite_location("http://u:S@h:1/S/v1/nodes?password=S#S", ORIGIN).as_deref(),
        Some("https://gate.example/v1/nodes")
    );
    assert_eq!(rewrite_location("http://h/elsewhere", ORIGIN), None);
    assert_eq!(rewrite_location("//h/v1", ORIGIN), None);
}

#[test]
fn vendor_passthru() {
    for id in ["node:vendor_passthru:get", "node:vendor_passthru:post", "driver:vendor_passthru:get"] {
        check(id, r#"[{"Id": "1", "Destination": "https://‹u:p›@h/", "HttpHeaders": «[{"A": "b"}]», "Context": "c"}]"#);
        check(id, r#"{"a": "password=‹x›"}"#);
        passes(id, r#""text""#);
        passes(id, "17");
        passes(id, " null ");
        check(id, r#""token=‹x›""#);
    }
}

#[test]
fn additions() {
    let rules = |words: &[&str], fields: &[&str], shapes: &[&str]| {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        ScrubRules::new(&ScrubAdditions { words: own(words), fields: own(fields), shapes: own(shapes) })
    };
    let own = Arc::new(
        rules(&["asset_tag"], &["/driver_info/my_field", "/extra/*/0/pin"], &["ACME-[0-9]+", "k(é+)k"]).unwrap(),
    );
    for (id, answer, wanted) in [
        (
            "node:get",
            r#"{"extra": {"AssetTag": "x", "a": "b asset-tag=9"}}"#,
            r#"{"extra": {"AssetTag": "******", "a": "b asset-tag=******"}}"#,
        ),
        (
            "node:get",
            r#"{"driver_info": {"my_field": {"a": 1}}, "my_field": 1}"#,
            r#"{"driver_info": {"my_field": "******"}, "my_field": 1}"#,
        ),
        (
            "node:list",
            r#"{"nodes": [{"driver_info": {"MY_field": 1}}, 1, {"driver_info": {"my_field": 2}}]}"#,
            r#"{"nodes": [{"driver_info": {"MY_field": "******"}}, 1, {"driver_info": {"my_field": "******"}}]}"#,
        ),
        (
            "node:get",
            r#"{"extra": {"a": [{"pin": 1}, {"pin": 2}], "pin": 3}}"#,
            r#"{"extra": {"a": [{"pin": "******"}, {"pin": 2}], "pin": 3}}"#,
        ),
        ("node:get", r#"{"name": "xACME-12y", "b": "kééké"}"#, r#"{"name": "x******y", "b": "k******ké"}"#),
    ] {
        for chunk in [1, 5, usize::MAX] {
            assert_eq!(scrub_with(&own, id, answer.as_bytes(), chunk).unwrap().0, wanted);
        }
    }
    let error = |words: &[&str], fields: &[&str], shapes: &[&str]| rules(words, fields, shapes).unwrap_err();
    assert_eq!(error(&["-a."], &[], &[]), ScrubRuleError::ShortWord("-a.".to_owned()));
    for field in ["", "/", "a/b", "/a//b", "/a/"] {
        assert_eq!(error(&[], &[field], &[]), ScrubRuleError::NotAPointer(field.to_owned()));
    }
    assert_eq!(error(&[], &["/a"; 49], &[]), ScrubRuleError::TooManyFields { max: 48 });
    assert!(rules(&[], &["/a/b"; 48], &[]).is_ok());
    assert!(matches!(error(&[], &[], &["a("]), ScrubRuleError::Shape { shape, .. } if shape == "a("));
    assert_eq!(error(&[], &[], &["a*"]), ScrubRuleError::EmptyShape("a*".to_owned()));
}

#[test]
fn every_place_of_the_catalogue_is_masked() {
    let mut checked = 0;
    for operation in catalog().operations() {
        for pointer in &operation.secret_fields {
            if operation.answer == crate::catalog::Answer::Lookup {
                continue;
            }
            let mut answer = "«\"S3cret\"»".to_owned();
            for segment in pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
                answer = if segment == "*" { format!("[{answer}]") } else { format!(r#"{{"{segment}": {answer}}}"#) };
            }
            check(&operation.id, &answer);
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} places were found");
}

#[test]
fn nothing_shows_what_is_held() {
    let mut scrubber = Scrubber::new(Arc::clone(&RULES), operation("node:get"), ORIGIN.into());
    let mut out = Vec::new();
    scrubber.push(br#"{"extra": {"value": "S3cret", "x": "S3c"#, &mut out).unwrap();
    assert!(!format!("{scrubber:?}{:?}", *RULES).contains("S3c"));
    assert!(!String::from_utf8(out).unwrap().contains("S3c"));
}

#[test]
fn memory_is_bounded_whatever_the_answer() {
    let long = "x".repeat(1_000_000);
    let escapes = r"\u00e9".repeat(100_000);
    let secrets = "pw=x ".repeat(100_000);
    let members: Vec<String> = (0..3000).map(|index| format!(r#""k{index}": "{}""#, "v".repeat(index % 70))).collect();
    let item = format!("{{{}}}", members.join(", "));
    for answer in [
        format!(r#"{{"a": "{long}"}}"#),
        format!(r#"{{"{long}": 1}}"#),
        format!(r#"{{"a": "{escapes}"}}"#),
        format!(r#"{{"a": "{secrets}"}}"#),
        format!(r#"{{"password": "{long}", "value": ["{long}", "{escapes}"]}}"#),
        format!(r#"{{"value": [{}1]}}"#, "[1], ".repeat(100_000)),
        format!(r#"{{"value": 1, "x": [{}1]}}"#, r#"{"value": 1}, "#.repeat(200_000)),
        format!(r#"{{"nodes": [{item}, {item}, {item}, {{"uuid": "{escapes}", "password": "{long}"}}, {item}]}}"#),
    ] {
        for chunk in [5000, usize::MAX] {
            let mut scrubber = Scrubber::new(Arc::clone(&RULES), operation("node:get"), ORIGIN.into());
            let mut out = Vec::new();
            let mut most = 0;
            for part in answer.as_bytes().chunks(chunk) {
                out.clear();
                scrubber.push(part, &mut out).unwrap();
                most = most.max(scrubber.bytes_kept());
            }
            scrubber.finish(&mut out).unwrap();
            assert!(most <= 256 * 1024, "{most} bytes for {}…", answer.get(..20).unwrap());
        }
    }
}
