//! What callers learn of microversions, and what is forwarded when one is pinned.

use crate::support::{FakeIronic, Irongate};

const DOCUMENT: &str = r#"{"versions": [{"id": "v1", "min_version": "1.1", "version": "1.115"}], "default_version": {"id": "v1", "min_version": "1.1", "version": "1.115"}}"#;

fn ironic() -> FakeIronic {
    FakeIronic::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                    X-OpenStack-Ironic-API-Minimum-Version: 1.1\r\nX-OpenStack-Ironic-API-Maximum-Version: 1.115\r\n";
        format!("{head}Content-Length: {}\r\n\r\n{DOCUMENT}", DOCUMENT.len()).into_bytes()
    })
}

/// What the version document and the headers say, at a configuration.
fn check(section: &str, lowest: &str, highest: &str) {
    let irongate = Irongate::start_with(&ironic().endpoint(), "", section);
    for target in ["/", "/v1"] {
        let answer = irongate.ask("admin", "GET", target, None);
        assert_eq!(answer.status, 200, "{answer:?}");
        let document = answer.json();
        for place in ["/versions/0", "/default_version"] {
            assert_eq!(document.pointer(place).unwrap()["min_version"], lowest, "{section}");
            assert_eq!(document.pointer(place).unwrap()["version"], highest, "{section}");
        }
        let header = |name| answer.header(name);
        assert_eq!(header("x-openstack-ironic-api-minimum-version").as_deref(), Some(lowest), "{section}");
        assert_eq!(header("x-openstack-ironic-api-maximum-version").as_deref(), Some(highest), "{section}");
        assert_eq!(header("content-length"), Some(answer.body.len().to_string()), "{section}");
    }
}

#[test]
fn version_documents_stay_within_the_ceiling() {
    check("", "1.1", "1.115");
    check("[microversion]\nmax = \"1.90\"", "1.1", "1.90");
    check("[microversion]\npin = \"1.80\"", "1.80", "1.80");
}

#[test]
fn a_pin_admits_one_microversion() {
    let irongate = Irongate::start_with(&ironic().endpoint(), "", "[microversion]\npin = \"1.81\"");
    let answer = irongate.ask("admin", "GET", "/v1/nodes", None);
    assert_eq!((answer.status, answer.code().as_str()), (406, "version_not_acceptable"), "{answer:?}");
    assert_eq!(answer.header("x-openstack-ironic-api-minimum-version").as_deref(), Some("1.81"));
    assert_eq!(answer.header("x-openstack-ironic-api-maximum-version").as_deref(), Some("1.81"));
    let shared = "OpenStack-API-Version: baremetal latest\r\n";
    assert_eq!(irongate.ask_with("admin", "GET", "/v1/nodes", shared, None).status, 200);
    assert_eq!(irongate.records(2)[1]["microversion"], "1.81");
}
