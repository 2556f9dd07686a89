//! What becomes of secrets, row by row.

use std::sync::Arc;

use super::{HmacKey, RoleTreatment, SecretTreatment, TreatmentError, Treatments, is_hmac};
use crate::catalog::catalog;
use crate::scrub::{ScrubAdditions, ScrubRuleError, Scrubber};

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
        r#"{"password": "a\"\u00fc"}"#,
        &format!(r#"{{"password": "{quoted}"}}"#),
    );
    check(&[("a", SecretTreatment::Hmac, &[])], &["a"], &[], r#"{"password": "******"}"#, r#"{"password": "******"}"#);
    let long = format!(r#"{{"configdrive": "{}"}}"#, "x".repeat(200_000));
    check(&[("a", SecretTreatment::Hmac, &[])], &["a"], &[], &long, r#"{"configdrive": "******"}"#);
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
