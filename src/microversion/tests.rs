use super::*;

type Headers = &'static [(&'static str, &'static str)];

const NOT_ACCEPTABLE: RouteError =
    RouteError::VersionNotAcceptable { lowest: Microversion(1), highest: Microversion(115) };

fn check(headers: &[(&str, &str)], ceiling: Ceiling, expected: Result<u16, RouteError>) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    assert_eq!(Microversion::read(&map, ceiling), expected.map(Microversion), "{headers:?}");
}

#[test]
fn the_own_header() {
    let rows = [
        ("1.1", Ok(1)),
        ("1.50", Ok(50)),
        (" 1.50 ", Ok(50)),
        ("1.115", Ok(115)),
        ("latest", Ok(115)),
        ("LATEST", Ok(115)),
        ("", Ok(1)),
        ("  ", Ok(1)),
        // Ironic gives 406.
        ("1.116", Err(NOT_ACCEPTABLE)),
        ("1.0", Err(NOT_ACCEPTABLE)),
        ("2.0", Err(NOT_ACCEPTABLE)),
        ("0.50", Err(NOT_ACCEPTABLE)),
        ("1", Err(NOT_ACCEPTABLE)),
        ("1.", Err(NOT_ACCEPTABLE)),
        (".50", Err(NOT_ACCEPTABLE)),
        ("1.1.1", Err(NOT_ACCEPTABLE)),
        ("abc", Err(NOT_ACCEPTABLE)),
        ("-1.50", Err(NOT_ACCEPTABLE)),
        ("1.-5", Err(NOT_ACCEPTABLE)),
        ("1.1e1", Err(NOT_ACCEPTABLE)),
        ("1.5__0", Err(NOT_ACCEPTABLE)),
        ("1._50", Err(NOT_ACCEPTABLE)),
        ("1.65537", Err(NOT_ACCEPTABLE)),
        ("1.99999999999999999999999999", Err(NOT_ACCEPTABLE)),
        ("baremetal 1.50", Err(NOT_ACCEPTABLE)),
        ("1.\u{0665}", Err(NOT_ACCEPTABLE)),
        ("latest!", Err(NOT_ACCEPTABLE)),
        // Ironic would read these as 1.50 (or the last of the list).
        ("01.50", Err(RouteError::VersionSpelling)),
        ("1.050", Err(RouteError::VersionSpelling)),
        ("1.5_0", Err(RouteError::VersionSpelling)),
        ("1.+50", Err(RouteError::VersionSpelling)),
        ("+1.50", Err(RouteError::VersionSpelling)),
        ("1. 50", Err(RouteError::VersionSpelling)),
        ("1 .50", Err(RouteError::VersionSpelling)),
        ("1.50,1.60", Err(RouteError::VersionRepeated)),
        ("latest,1.5", Err(RouteError::VersionRepeated)),
        ("1.5,", Err(RouteError::VersionRepeated)),
    ];
    for (value, expected) in rows {
        check(&[("x-openstack-ironic-api-version", value)], Ceiling::default(), expected);
    }
}

#[test]
fn the_shared_header() {
    let rows = [
        ("baremetal 1.50", Ok(50)),
        ("BareMetal 1.50", Ok(50)),
        ("baremetal  1.50", Ok(50)),
        ("baremetal\t1.50", Ok(50)),
        ("baremetal latest", Ok(115)),
        ("compute 2.1, baremetal 1.50", Ok(50)),
        ("baremetal 1.50, compute 2.latest", Ok(50)),
        // No entry of Ironic's: as if it were not there.
        ("compute 2.1", Ok(1)),
        ("ironic 1.50", Ok(1)),
        ("1.50", Ok(1)),
        ("baremetal", Ok(1)),
        ("", Ok(1)),
        ("baremetal abc", Err(NOT_ACCEPTABLE)),
        ("baremetal 1.50 x", Err(NOT_ACCEPTABLE)),
        ("baremetal 1.116", Err(NOT_ACCEPTABLE)),
        ("baremetal 1.050", Err(RouteError::VersionSpelling)),
        ("baremetal 1.40, baremetal 1.50", Err(RouteError::VersionRepeated)),
        ("baremetal 1.40,baremetal 1.40", Err(RouteError::VersionRepeated)),
        ("baremetal 1.\u{0665}", Err(RouteError::VersionSpelling)),
    ];
    for (value, expected) in rows {
        check(&[("openstack-api-version", value)], Ceiling::default(), expected);
    }
}

#[test]
fn both_headers() {
    const OWN: &str = "X-OpenStack-Ironic-API-Version";
    const SHARED: &str = "OpenStack-API-Version";
    let rows: [(Headers, Result<u16, RouteError>); 11] = [
        (&[], Ok(1)),
        (&[(OWN, "1.40"), (SHARED, "baremetal 1.50")], Ok(50)),
        (&[(OWN, "abc"), (SHARED, "baremetal 1.50")], Ok(50)),
        (&[(OWN, "1.40"), (SHARED, "compute 2.1")], Ok(40)),
        (&[(OWN, "1.40"), (SHARED, "")], Ok(40)),
        (&[(OWN, "1.40"), (OWN, "1.40")], Err(RouteError::VersionRepeated)),
        // Ironic goes by the last line alone.
        (&[(SHARED, "compute 2.1"), (SHARED, "baremetal 1.40")], Err(RouteError::VersionRepeated)),
        (&[(SHARED, "baremetal 1.40"), (SHARED, "compute 2.1")], Err(RouteError::VersionRepeated)),
        (&[(SHARED, "baremetal 1.40"), (SHARED, "baremetal 1.40")], Err(RouteError::VersionRepeated)),
        (&[("X_OpenStack-Ironic_API_Version", "1.40")], Err(RouteError::VersionHeaderName)),
        (&[(OWN, "1.40"), ("openstack_api_version", "baremetal 1.40")], Err(RouteError::VersionHeaderName)),
    ];
    for (headers, expected) in rows {
        check(headers, Ceiling::default(), expected);
    }
}

#[test]
fn the_ceiling_is_the_lower_of_both_sides() {
    let own = |value| [("x-openstack-ironic-api-version", value)];
    let low = RouteError::VersionNotAcceptable { lowest: Microversion(1), highest: Microversion(90) };
    check(&own("latest"), Ceiling::new(None, Some(90)), Ok(90));
    check(&own("latest"), Ceiling::new(Some(90), Some(100)), Ok(90));
    check(&own("latest"), Ceiling::new(Some(200), Some(300)), Ok(115));
    check(&own("1.90"), Ceiling::new(Some(100), Some(90)), Ok(90));
    check(&own("1.91"), Ceiling::new(Some(100), Some(90)), Err(low.clone()));
    check(&own("01.91"), Ceiling::new(Some(100), Some(90)), Err(low));
    check(&own("latest"), Ceiling::new(Some(0), None), Ok(1));
}

#[test]
fn one_canonical_spelling() {
    assert_eq!(Microversion(7).header_value(), "1.7");
    assert_eq!(Microversion(115).to_string(), "1.115");
}

#[test]
fn a_pin_admits_one() {
    let wrong = RouteError::VersionNotAcceptable { lowest: Microversion(80), highest: Microversion(80) };
    let own = |value| [("x-openstack-ironic-api-version", value)];
    check(&[], Ceiling::pinned(80), Ok(80));
    check(&own("latest"), Ceiling::pinned(80), Ok(80));
    check(&own("1.80"), Ceiling::pinned(80), Ok(80));
    check(&[("openstack-api-version", "baremetal 1.80")], Ceiling::pinned(80), Ok(80));
    check(&own("1.79"), Ceiling::pinned(80), Err(wrong.clone()));
    check(&own("1.81"), Ceiling::pinned(80), Err(wrong.clone()));
    check(&own("1.1"), Ceiling::pinned(80), Err(wrong));
    check(&[], Ceiling::pinned(300), Ok(115));
}
