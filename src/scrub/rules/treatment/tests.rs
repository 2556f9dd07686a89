//! What becomes of secrets, row by row.

use std::sync::Arc;

use super::{HmacKey, RoleTreatment, SecretTreatment, TreatmentError, Treatments, is_hmac};
use crate::catalog::catalog;
use crate::scrub::{ScrubAdditions, ScrubRuleError, Scrubber};

type Entry<'t> = (&'t str, SecretTreatment, &'t [&'t str]);

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef\n";

fn treatments(entries: &[(&str, SecretTreatment, &[&str])]) -> Result<Treatments, TreatmentError> {
    let entries = entries.iter().map(|(role, treatment, fields)| RoleTreatment {
        role: (*role).into(),
        treatment: *treatment,
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    });
    Treatments::new(ScrubAdditions::default(), entries.collect(), Some(HmacKey::new(KEY).unwrap()))
}

/// What a caller with these roles sees, in chunks of every size; the policy permits all fields that `permitted` has.
#[track_caller]
fn check(
    entries: &[(&str, SecretTreatment, &[&str])],
    roles: &[&str],
    permitted: &[&str],
    given: &str,
    expected: &str,
) {
    let treatments = treatments(entries).unwrap();
    let roles: Vec<Arc<str>> = roles.iter().map(|role| (*role).into()).collect();
    let rules = treatments.rules(&roles, |field| permitted.contains(&field));
    let operation = catalog().operations().iter().find(|operation| operation.id == "node:get").unwrap();
    for size in [1, 2, 5, 64, given.len()] {
        let mut scrubber = Scrubber::new(Arc::clone(&rules), operation, "https://irongate.test".into());
        let mut out = Vec::new();
        for chunk in given.as_bytes().chunks(size) {
            scrubber.push(chunk, &mut out).unwrap();
        }
        scrubber.finish(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{entries:?} {roles:?} in pieces of {size}");
    }
}

const NODE: &str = r#"{"name": "n", "driver_info": {"redfish_password": "S", "snmp_community": "", "b": 1}, "extra": {"token": {"a": ["S"]}, "api_key": 12, "c": null, "text": "see http://u:S@h"}}"#;
const MASKED: &str = r#"{"name": "n", "driver_info": {"redfish_password": "******", "snmp_community": "", "b": 1}, "extra": {"token": "******", "api_key": "******", "c": null, "text": "see http://******@h"}}"#;
const DROPPED: &str =
    r#"{"name": "n", "driver_info": { "b": 1}, "extra": { "c": null, "text": "see http://******@h"}}"#;
const BMC: &str = "/driver_info/redfish_password";

#[test]
fn everyone_gets_the_mask() {
    check(&[], &["admin"], &[BMC], NODE, MASKED);
    check(&[("other", SecretTreatment::Drop, &[])], &["admin"], &[BMC], NODE, MASKED);
}

#[test]
fn members_are_dropped() {
    check(&[("a", SecretTreatment::Drop, &[])], &["a"], &[], NODE, DROPPED);
    let one = MASKED.replace(r#""redfish_password": "******","#, "");
    check(&[("a", SecretTreatment::Drop, &[BMC])], &["a"], &[], NODE, &one);
    // What is no secret by the map is dropped all the same where a field says so.
    let plain = MASKED.replace(r#", "b": 1"#, "");
    check(&[("a", SecretTreatment::Drop, &["/driver_info/b"])], &["a"], &[], NODE, &plain);
    let long = format!(r#"{{"a": 1, "configdrive": "{}", "b": 2}}"#, "x".repeat(200_000));
    check(&[("a", SecretTreatment::Drop, &[])], &["a"], &[], &long, r#"{"a": 1, "b": 2}"#);
}

#[test]
fn equal_secrets_have_equal_hmacs() {
    let hash = HmacKey::new(KEY).unwrap().text(b"S");
    let hashed = MASKED.replacen(r#""******""#, &format!("\"{hash}\""), 1);
    check(&[("a", SecretTreatment::Hmac, &[])], &["a"], &[], NODE, &hashed);
    check(&[("a", SecretTreatment::Hmac, &[BMC])], &["a"], &[], NODE, &hashed);
    let quoted = HmacKey::new(KEY).unwrap().text("a\"ü".as_bytes());
    check(
        &[("a", SecretTreatment::Hmac, &[])],
        &["a"],
        &[],
        r#"{"driver_info": {"ipmi_password": "a\"\u00fc"}}"#,
        &format!(r#"{{"driver_info": {{"ipmi_password": "{quoted}"}}}}"#),
    );
    check(&[("a", SecretTreatment::Hmac, &[])], &["a"], &[], MASKED, MASKED);
    let long = format!(r#"{{"instance_info": {{"configdrive": "{}"}}}}"#, "x".repeat(200_000));
    let masked = r#"{"instance_info": {"configdrive": "******"}}"#;
    check(&[("a", SecretTreatment::Hmac, &[])], &["a"], &[], &long, masked);
}

#[test]
fn a_field_is_kept_only_with_the_policys_permit() {
    let kept = MASKED.replacen("******", "S", 1);
    check(&[("a", SecretTreatment::Keep, &[BMC])], &["a"], &[BMC], NODE, &kept);
    check(&[("a", SecretTreatment::Keep, &[BMC])], &["a"], &[], NODE, MASKED);
    check(&[("a", SecretTreatment::Keep, &[BMC])], &["b"], &[BMC], NODE, MASKED);
}

#[test]
fn the_first_entry_that_fits_counts() {
    let entries: &[(&str, SecretTreatment, &[&str])] = &[
        ("a", SecretTreatment::Mask, &[BMC]),
        ("b", SecretTreatment::Keep, &[BMC]),
        ("a", SecretTreatment::Drop, &[]),
    ];
    let expected = DROPPED.replacen(r#"{ "b": 1}"#, r#"{"redfish_password": "******", "b": 1}"#, 1);
    check(entries, &["a", "b"], &[BMC], NODE, &expected);
    check(entries, &["b"], &[BMC], NODE, &MASKED.replacen("******", "S", 1));
}

#[test]
fn an_earlier_entry_counts_below_a_later_one() {
    use SecretTreatment::{Drop, Hmac, Keep, Mask};
    let all = "/driver_info/*";
    let permitted = [BMC, all, "/driver_info", "/driver_info/b", "/*/*"];
    let given = r#"{"driver_info": {"redfish_password": "S", "a_password": "T", "b": {"c": [{"token": "U"}]}}}"#;
    let hash = HmacKey::new(KEY).unwrap().text(b"S");
    let hashed = format!(
        r#"{{"driver_info": {{"redfish_password": "{hash}", "a_password": "{}", "b": "******"}}}}"#,
        HmacKey::new(KEY).unwrap().text(b"T")
    );
    let masked = r#"{"driver_info": {"redfish_password": "******", "a_password": "T", "b": {"c": [{"token": "U"}]}}}"#;
    let plain =
        r#"{"driver_info": {"redfish_password": "******", "a_password": "******", "b": {"c": [{"token": "******"}]}}}"#;
    let dropped = r#"{"driver_info": { "a_password": "T", "b": {"c": [{"token": "U"}]}}}"#;
    let inner = r#"{"driver_info": {"redfish_password": "S", "a_password": "T", "b": {"c": [{"token": "******"}]}}}"#;
    let rows: &[(&[Entry<'_>], &str)] = &[
        (&[("a", Mask, &[BMC]), ("a", Keep, &[all])], masked),
        (&[("a", Mask, &[BMC]), ("a", Keep, &["/driver_info"])], masked),
        (&[("a", Mask, &[BMC]), ("a", Keep, &["/*/*"])], masked),
        (&[("a", Drop, &[BMC]), ("a", Keep, &["/driver_info"])], dropped),
        (&[("a", Drop, &[BMC]), ("a", Keep, &[all])], dropped),
        (&[("a", Mask, &["/driver_info/b/c/0/token"]), ("a", Keep, &[all])], inner),
        (&[("a", Mask, &["/driver_info/b/c/0/token"]), ("a", Keep, &["/driver_info"])], inner),
        // The keep comes first.
        (&[("a", Keep, &[all]), ("a", Mask, &[BMC])], given),
        (&[("a", Keep, &["/driver_info"]), ("a", Mask, &[BMC])], given),
        (&[("a", Keep, &["/driver_info"]), ("a", Drop, &[all]), ("a", Keep, &["/*/*"])], given),
        (
            &[("a", Mask, &[all]), ("a", Keep, &[BMC])],
            r#"{"driver_info": {"redfish_password": "******", "a_password": "******", "b": "******"}}"#,
        ),
        // Among those that hide, too.
        (
            &[("a", Drop, &[BMC]), ("a", Hmac, &[all])],
            &hashed.replace(&format!(r#""redfish_password": "{hash}","#), ""),
        ),
        (&[("a", Hmac, &[all]), ("a", Drop, &[BMC])], &hashed),
        (&[("b", Keep, &[all])], plain),
    ];
    for (entries, expected) in rows {
        check(entries, &["a"], &permitted, given, expected);
        // However the key is written.
        if !expected.contains(r#""redfish_password""#) {
            continue;
        }
        let escaped = |text: &str| text.replace("redfish_password", r"redfish_p\u0061ssword");
        check(entries, &["a"], &permitted, &escaped(given), &escaped(expected));
    }
}

#[test]
fn every_combination_of_roles_has_its_own_rules() {
    let roles: Vec<String> = (0..7).map(|role| format!("r{role}")).collect();
    let fields: Vec<String> = (0..7).map(|role| format!("/extra/f{role}")).collect();
    let entries = roles.iter().zip(&fields).map(|(role, field)| RoleTreatment {
        role: role.as_str().into(),
        treatment: SecretTreatment::Drop,
        fields: vec![field.clone()],
    });
    let treatments = Treatments::new(ScrubAdditions::default(), entries.collect(), None).unwrap();
    for chosen in 0_usize..128 {
        let has = |role: usize| chosen & (1 << role) != 0;
        let held: Vec<Arc<str>> = (0..7).filter(|role| has(*role)).map(|role| roles[role].as_str().into()).collect();
        let members = |shown: &dyn Fn(usize) -> bool| {
            let members: Vec<String> =
                (0..7).filter(|role| shown(*role)).map(|role| format!(r#""f{role}":1"#)).collect();
            format!(r#"{{"extra":{{{}}}}}"#, members.join(","))
        };
        let mut scrubber = Scrubber::new(
            treatments.rules(&held, |_| false),
            catalog().operation("node:get").unwrap(),
            "https://irongate.test".into(),
        );
        let mut out = Vec::new();
        scrubber.push(members(&|_| true).as_bytes(), &mut out).unwrap();
        scrubber.finish(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), members(&|role| !has(role)), "{chosen:b}");
    }
}

/// Where callers write keys of their own, one who reads an HMAC could try values.
#[test]
fn what_callers_name_themselves_has_no_hmac() {
    let hash = |text: &str| HmacKey::new(KEY).unwrap().text(text.as_bytes());
    let given = r#"{"driver_info": {"redfish_password": "S", "guess_password": "G", "x": {"redfish_password": "G"}},
        "instance_info": {"configdrive": "C", "image_url": "I", "token": {"a": 1}}, "driver_internal_info": {"agent_secret_token": "T"},
        "extra": {"token": "G", "driver_info": {"redfish_password": "G"}}, "properties": {"password": "G"},
        "clean_step": {"args": {"password": "G", "settings": [{"name": "AdminPassword", "value": "G"}]}}, "password": "G"}"#;
    let mut expected = given.replace(r#""G""#, r#""******""#).replace(r#"{"a": 1}"#, r#""******""#);
    for secret in ["S", "C", "I", "T"] {
        expected = expected.replace(&format!(r#": "{secret}""#), &format!(r#": "{}""#, hash(secret)));
    }
    check(&[("a", SecretTreatment::Hmac, &[])], &["a"], &[], given, &expected);
    let fields = &["/extra/token", "/properties/*"];
    let named = expected
        .replace(r#""extra": {"token": "******""#, &format!(r#""extra": {{"token": "{}""#, hash("G")))
        .replace(r#""properties": {"password": "******""#, &format!(r#""properties": {{"password": "{}""#, hash("G")));
    let entries: &[(&str, SecretTreatment, &[&str])] =
        &[("a", SecretTreatment::Hmac, fields), ("a", SecretTreatment::Hmac, &[])];
    check(entries, &["a"], &[], given, &named);
}

/// Halves of surrogate pairs differ, and no text tells them apart.
#[test]
fn what_is_no_text_has_no_hash() {
    let entries: &[(&str, SecretTreatment, &[&str])] = &[("a", SecretTreatment::Hmac, &[])];
    let given = r#"{"driver_info": {"redfish_password": "a\udce9"}}"#;
    check(entries, &["a"], &[], given, r#"{"driver_info": {"redfish_password": "******"}}"#);
}

#[test]
fn mistakes_are_told() {
    let refused = |entries: &[(&str, SecretTreatment, &[&str])]| treatments(entries).map(|_| ()).unwrap_err();
    assert_eq!(refused(&[("a", SecretTreatment::Keep, &[])]), TreatmentError::KeepsAll("a".into()));
    assert_eq!(
        refused(&[("a", SecretTreatment::Drop, &["b"])]),
        TreatmentError::Rules(ScrubRuleError::NotAPointer("b".to_owned()))
    );
    assert_eq!(refused(&vec![("a", SecretTreatment::Drop, &[] as &[&str]); 49]), TreatmentError::TooMany);
    let entry = RoleTreatment { role: "a".into(), treatment: SecretTreatment::Hmac, fields: Vec::new() };
    let keyless = Treatments::new(ScrubAdditions::default(), vec![entry], None);
    assert_eq!(keyless.map(|_| ()).unwrap_err(), TreatmentError::NoKey("a".into()));
    assert!(HmacKey::new(&KEY[..31]).is_err());
}

#[test]
fn hmacs_are_recognised() {
    let text = HmacKey::new(KEY).unwrap().text(b"x");
    assert!(is_hmac(&text));
    assert_eq!(text.len(), 76);
    for other in
        ["", "hmac-sha256:", "hmac-sha256:00", text.split_at(75).0, &format!("{text}0"), &text.replace("hmac", "HMAC")]
    {
        assert!(!is_hmac(other), "{other}");
    }
}
