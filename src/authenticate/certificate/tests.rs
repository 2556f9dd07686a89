use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::*;

fn certificate(uris: &[&str], dns: &[&str]) -> ClientCertificate {
    let mut params = CertificateParams::default();
    let ia5 = |text: &&str| Ia5String::try_from(*text).unwrap();
    params.subject_alt_names.extend(uris.iter().map(ia5).map(SanType::URI));
    params.subject_alt_names.extend(dns.iter().map(ia5).map(SanType::DnsName));
    params.distinguished_name.push(DnType::CommonName, "admin.example");
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    ClientCertificate::new(vec![made.der().clone()], 7).unwrap()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[test]
fn alternative_names_are_names_and_nothing_else_is() {
    use CertificateFault as F;
    let check = |uris: &[&str], dns: &[&str], expected: Result<&str, F>| {
        let certificate = certificate(uris, dns);
        assert_eq!(certificate.name(now()).map(|name| &**name), expected, "{uris:?} {dns:?}");
    };
    check(&["spiffe://td.example/ns/metal3/sa/bmo"], &[], Ok("spiffe://td.example/ns/metal3/sa/bmo"));
    check(&["spiffe://td.example/a"], &["host.example"], Ok("spiffe://td.example/a"));
    check(&["https://host.example/id?x=1"], &[], Ok("https://host.example/id?x=1"));
    check(&["urn:uuid:1234"], &[], Ok("urn:uuid:1234"));
    check(&[], &["Host.Example", "other.example"], Ok("dns:host.example"));
    check(&[], &["*.example", "other.example"], Ok("dns:other.example"));
    check(&[], &[], Err(F::NoName));
    check(&[], &["*.example"], Err(F::NoName));
    // What another reader might end, cut or widen.
    for odd in
        ["admin.example\0.evil", "admin.example\0", "a.*.example", "*", "admin.example.", ".example", "", "a b", "a/b"]
    {
        check(&[], &[odd], Err(F::NoName));
    }
    check(&["spiffe://td.example/a", "spiffe://td.example/b"], &[], Err(F::SeveralUris));
    check(&["spiffe://td.example/a", "https://h"], &["host.example"], Err(F::SeveralUris));
    for odd in [
        "spiffe://TD.example/a",
        "spiffe://td.example/",
        "spiffe://td.example//a",
        "spiffe://td.example/a/",
        "spiffe://td.example/../a",
        "spiffe://td.example/./a",
        "spiffe://td.example/a?b",
        "spiffe://td.example/a#b",
        "spiffe://td.example/a%2Fb",
        "spiffe://user@td.example/a",
        "spiffe://td.example:1/a",
        "spiffe://",
        "spiffe:///a",
        "SPIFFE://td.example/a",
        "spiffe:td",
        "spiffe://td.example/*",
        "dns:host.example",
        "no-scheme",
        ":",
        "a:",
        "https://h/a b",
        "https://h/\"",
        "https://h/*",
        "spiffe://td.example/a\0",
        "spiffe://td.example/a\0/b",
        "spiffe://td.example\0/a",
        "https://h/\0",
        "",
    ] {
        check(&[odd], &["host.example"], Err(F::Uri));
    }
    let valid = certificate(&["spiffe://td.example/a"], &[]);
    assert_eq!(valid.name(i64::MAX), Err(F::Expired));
    assert_eq!(valid.name(0), Err(F::Expired));
    let garbage = ClientCertificate::new(vec![vec![0_u8; 9].into()], 0).unwrap();
    assert_eq!(garbage.name(now()), Err(F::Unreadable));
    assert!(ClientCertificate::new(Vec::new(), 0).is_none());
}

#[test]
fn patterns_match_whole_names() {
    let check = |pattern: &str, uris: &[&str], dns: &[&str], expected: bool| {
        let pattern = NamePattern::parse(pattern).unwrap();
        assert_eq!(
            certificate(uris, dns).is_named(std::slice::from_ref(&pattern)),
            expected,
            "{pattern:?} {uris:?} {dns:?}"
        );
    };
    let id = "spiffe://td.example/ns/metal3/bmo";
    check(id, &[id], &[], true);
    check("spiffe://td.example/ns/metal3", &[id], &[], false);
    check("spiffe://td.example/ns/metal3/*", &[id], &[], true);
    check("spiffe://td.example/ns/*", &[id], &[], false);
    check("spiffe://td.example/ns/metal3/*", &["spiffe://td.example/ns/metal3"], &[], false);
    check("spiffe://td.example/*", &["spiffe://td.example.evil/a"], &[], false);
    check("dns:host.example", &[], &["HOST.example"], true);
    check("dns:Host.Example", &[id], &["host.example"], true);
    check("dns:host.example", &[], &["host.example.evil"], false);
    check("dns:host.example", &["https://host.example"], &[], false);
    // A certificate whose names are in doubt is nobody's.
    check(id, &[id, "spiffe://td.example/b"], &[], false);
    for odd in
        ["", "host.example", "dns:", "dns:*.example", "spiffe://*", "spiffe://td.example/a*", "spiffe://td/*/a", "*"]
    {
        assert_eq!(NamePattern::parse(odd), None, "{odd}");
    }
}
