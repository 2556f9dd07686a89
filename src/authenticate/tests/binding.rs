use super::*;

#[test]
fn bindings_are_checked() {
    use BindingError as E;
    let check = |binding: &str, expected: E| {
        let found = bindings(&format!("binding = [{{ role = \"first\", anonymous = true }}, {{ {binding} }}]"));
        assert_eq!(found.map(|_bindings| ()), Err(expected), "{binding}");
    };
    let second = || "2".to_owned();
    check("", E::Roles(second()));
    check("roles = []", E::Roles(second()));
    check(r#"role = "a", roles = ["b"]"#, E::Roles(second()));
    check(r#"role = "a b", anonymous = true"#, E::Name(second(), "a b".to_owned()));
    check(r#"role = "", anonymous = true"#, E::Name(second(), String::new()));
    check(r#"role = "a", name = "n\n", anonymous = true"#, E::Name("n\n".to_owned(), "n\n".to_owned()));
    check(r#"role = "a", name = "first-1", anonymous = true"#, E::Duplicate("first-1".to_owned()));
    check(r#"role = "a""#, E::NoCaller(second()));
    check(r#"role = "a", source_networks = ["::/0"]"#, E::NoCaller(second()));
    check(r#"role = "a", users = ["a"], anonymous = true"#, E::Contradiction(second()));
    check(r#"role = "a", authenticated = true, anonymous = true"#, E::Contradiction(second()));
    check(r#"role = "a", anonymous = false"#, E::False(second(), "anonymous"));
    check(r#"role = "a", users = ["a"], authenticated = false"#, E::False(second(), "authenticated"));
    check(r#"role = "a", users = []"#, E::Empty(second(), "users"));
    check(r#"role = "a", anonymous = true, source_networks = []"#, E::Empty(second(), "source_networks"));
    check(r#"role = "a", anonymous = true, source_networks = ["10.0.0"]"#, E::Network(second(), "10.0.0".to_owned()));
    check(
        r#"role = "a", anonymous = true, source_networks = ["10.0.0.1/8"]"#,
        E::HostBits(second(), "10.0.0.1/8".to_owned(), "10.0.0.0/8".parse().unwrap()),
    );
    check(r#"role = "a", users = [""]"#, E::Empty(second(), "users"));
    check(r#"role = "a", certificates = []"#, E::Empty(second(), "certificates"));
    check(r#"role = "a", certificates = ["CN=a"]"#, E::Certificate(second(), "CN=a".to_owned()));
    check(r#"role = "a", certificates = ["spiffe://a/*"], anonymous = true"#, E::Contradiction(second()));
    check(r#"role = "a", users = ["a"], certificates = ["dns:a"]"#, E::Schemes(second(), "users", "certificates"));
    check(r#"role = "a", issuer = "i", keystone_roles = ["r"]"#, E::Schemes(second(), "issuer", "keystone_roles"));
    check(r#"role = "a", issuer = """#, E::Empty(second(), "issuer"));
    check(r#"role = "a", claims = { groups = "x" }"#, E::ClaimsWithoutIssuer(second()));
    check(r#"role = "a", issuer = "i", claims = { groups = [] }"#, E::Empty(second(), "claims"));
    check(r#"role = "a", issuer = "i", claims = { "/a~2" = "x" }"#, E::Claim(second(), "/a~2".to_owned()));
    check(r#"role = "a", issuer = "i", claims = { "" = "x" }"#, E::Claim(second(), String::new()));
    check(r#"role = "a", keystone_users = []"#, E::Empty(second(), "keystone_users"));
    check(r#"role = "a", keystone_projects = [""]"#, E::Empty(second(), "keystone_projects"));
    check(r#"role = "a", keystone_scope = "system", anonymous = true"#, E::Contradiction(second()));
    assert!(toml::from_str::<RawBinding>("role = \"a\"\nkeystone_scope = \"all\"").is_err(), "a scope is one of three");
    assert!(toml::from_str::<RawBinding>(r#"role = "a", user = ["a"]"#).is_err(), "unknown keys are errors");
}

/// Whether a binding with these conditions is about somebody.
fn is_about(conditions: &str, identity: &Identity) -> bool {
    let bindings = bindings(&format!("binding = [{{ role = \"a\", {conditions} }}]")).unwrap();
    bindings[0].matches(identity, &peer("192.0.2.1"))
}

#[test]
fn claims_of_an_issuer_are_matched() {
    let facts = JwtFacts::for_test(
        "https://i",
        serde_json::json!({
            "sub": "alice", "groups": ["admins", "ops", 7], "email_verified": true, "a/b": "slash", "https://x/y": "url",
            "kubernetes.io": {"namespace": "metal3", "serviceaccount": {"name": "ironic"}}, "number": 1, "nothing": null,
        }),
    );
    let identity = Identity { jwt: Some(Arc::new(facts)), ..Identity::named(SchemeName::Jwt, "alice".into()) };
    let check = |claims: &str, expected: bool| {
        assert_eq!(
            is_about(&format!("issuer = \"https://i\", claims = {{ {claims} }}"), &identity),
            expected,
            "{claims}"
        );
    };
    check("", true);
    check(r#"groups = "admins""#, true);
    check(r#"groups = "admin""#, false);
    check(r#"groups = ["x", "ops"]"#, true);
    check(r#"groups = "admins", sub = "alice""#, true);
    check(r#"groups = "admins", sub = "bob""#, false);
    check(r#""/kubernetes.io/namespace" = "metal3""#, true);
    check(r#""/kubernetes.io/namespace" = "metal""#, false);
    check(r#""/kubernetes.io/serviceaccount/name" = "ironic""#, true);
    check(r#""kubernetes.io" = "metal3""#, false);
    check(r#""/a~1b" = "slash""#, true);
    check(r#""a/b" = "slash""#, true);
    check(r#""https://x/y" = "url""#, true);
    check("email_verified = true", true);
    check("email_verified = false", false);
    check(r#"email_verified = "true""#, false);
    check(r#"number = "1""#, false);
    check(r#"nothing = "null""#, false);
    check(r#"missing = "x""#, false);
    check("missing = false", false);
    assert!(!is_about(r#"issuer = "https://j""#, &identity));
    assert!(!is_about(r#"users = ["alice"]"#, &identity));
    assert!(!is_about(r#"keystone_users = ["alice"]"#, &identity));
    assert!(!is_about("anonymous = true", &identity));
    assert!(is_about("authenticated = true", &identity));
    let basic = Identity::named(SchemeName::Basic, "alice".into());
    assert!(!is_about(r#"issuer = "https://i", claims = { sub = "alice" }"#, &basic));
}

#[test]
fn what_keystone_says_is_matched() {
    let facts = KeystoneFacts {
        user_id: "u1".into(),
        user_name: "alice@corp".into(),
        user_domain_id: "d1".into(),
        user_domain_name: "Users".into(),
        project: Some(identity::ProjectFacts {
            id: "p1".into(),
            name: "metal".into(),
            domain_id: "d2".into(),
            domain_name: "Projects".into(),
        }),
        roles: vec!["Member".into(), "reader".into()],
        ..KeystoneFacts::default()
    };
    let system = KeystoneFacts { project: None, system: true, ..facts.clone() };
    let unscoped = KeystoneFacts { project: None, ..facts.clone() };
    let of = |facts: &KeystoneFacts| Identity {
        keystone: Some(Arc::new(facts.clone())),
        ..Identity::named(SchemeName::Keystone, "u1".into())
    };
    let check = |conditions: &str, project: bool, in_system: bool, without: bool| {
        let found = [&facts, &system, &unscoped].map(|facts| is_about(conditions, &of(facts)));
        assert_eq!(found, [project, in_system, without], "{conditions}");
    };
    check(r#"keystone_users = ["u1"]"#, true, true, true);
    check(r#"keystone_users = ["u2", "alice@corp@Users"]"#, true, true, true);
    check(r#"keystone_users = ["alice@corp@d1"]"#, true, true, true);
    for nobody in ["alice@corp", "alice@corp@Projects", "alice@corp@", "@Users", "U1", "alice"] {
        check(&format!("keystone_users = [\"{nobody}\"]"), false, false, false);
    }
    check(r#"keystone_domains = ["Users"]"#, true, true, true);
    check(r#"keystone_domains = ["d2"]"#, false, false, false);
    check(r#"keystone_projects = ["p1"]"#, true, false, false);
    check(r#"keystone_projects = ["metal@Projects"]"#, true, false, false);
    check(r#"keystone_projects = ["metal@Users", "metal"]"#, false, false, false);
    check(r#"keystone_scope = "project""#, true, false, false);
    check(r#"keystone_scope = "system""#, false, true, false);
    check(r#"keystone_scope = "domain""#, false, false, false);
    check(r#"keystone_roles = ["admin", "member"]"#, true, true, true);
    check(r#"keystone_roles = ["admin"]"#, false, false, false);
    check(r#"keystone_roles = ["reader"], keystone_scope = "system""#, false, true, false);
    check(r#"keystone_roles = ["reader"], keystone_projects = ["p1"], keystone_users = ["u1"]"#, true, false, false);
    check(r#"users = ["u1"]"#, false, false, false);
    let basic = Identity::named(SchemeName::Basic, "u1".into());
    assert!(!is_about(r#"keystone_users = ["u1"]"#, &basic));
}
