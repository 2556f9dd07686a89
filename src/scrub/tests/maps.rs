//! The free-form maps of nodes.

use super::*;

#[test]
fn driver_info() {
    for key in [
        "ipmi_password",
        "redfish_password",
        "image_pull_secret",
        "ipmi_hex_kg_key",
        "ilo_password",
        "ilo_change_password",
        "snmp_auth_prot_password",
        "snmp_auth_priv_password",
        "irmc_password",
        "irmc_snmp_auth_password",
        "irmc_snmp_priv_password",
        "irmc_snmp_community",
        "irmc_snmp_security",
        "snmp_auth_key",
        "snmp_priv_key",
        "snmp_community",
        "snmp_community_read",
        "snmp_community_write",
        "drac_password",
        "ibmc_password",
        "xclarity_password",
        "api_key",
        "apiKey",
        "deploy_key",
        "pwd",
        "passwd",
        "bmc_pass",
        "userPass",
        "X-Auth-Key",
        "X-Auth-Token",
        "AdminPassword",
        "redfish_session_key",
        "PASSWORD",
        "client.secret",
        "Authorization",
        "sys_pswd",
        "credentials",
        "bmc_pass1",
        "pass1",
        "PASS2",
        "SysPass1",
        "SysPass1Confirm",
        "AdminPass_2",
        "UserPw10",
        "userPwd1",
        "Bios1Pass",
        "wifi-psk1",
        "adminpw",
        "ADMINPW",
        "adminpw1",
        "bmcpass",
        "BmcPass3",
        "creds",
        "bmc_cred",
        "bmcCreds",
    ] {
        check("node:get", &format!(r#"{{"driver_info": {{"{key}": «"S3cret"», "x": "y"}}}}"#));
        check(
            "node:list_detail",
            &format!(r#"{{"nodes":[{{"driver_info":{{"{key}":«"S3cret"»}}}},{{"extra":{{"{key}":«17»}}}}]}}"#),
        );
        check("node:update", &format!(r#"{{"driver_info": {{"{key}": «{{"x": ["S"]}}»}}}}"#));
    }
    for key in catalog().harmless_names() {
        passes("node:get", &format!(r#"{{"driver_info": {{"{key}": "value"}}}}"#));
    }
    for key in [
        "redfish_address",
        "deploy_iso",
        "deploy_kernel",
        "deploy_ramdisk",
        "rescue_iso",
        "rescue_kernel",
        "rescue_ramdisk",
        "bootloader",
        "external_http_url",
        "image_http_proxy",
        "image_https_proxy",
    ] {
        passes("node:get", &format!(r#"{{"driver_info": {{"{key}": "https://10.0.0.5:8000/x?y=z"}}}}"#));
        check("node:get", &format!(r#"{{"driver_info": {{"{key}": "https://‹user:S3cret›@10.0.0.5/x"}}}}"#));
        check(
            "node:get",
            &format!(r#"{{"driver_info": {{"{key}": "http://h/x?temp_url_sig=‹abc›&temp_url_expires=5"}}}}"#),
        );
    }
    check(
        "node:get",
        r#"{"driver_info": {"kernel_append_params":
            "nofb rootpwd=\"‹$6$x$yz›\" sshkey=\"‹ssh-rsa AAAA›\" ipa-debug=1 password=‹a,b;c› quiet"}}"#,
    );
}

#[test]
fn instance_info() {
    for key in [
        "image_url",
        "configdrive",
        "rescue_password",
        "hashed_rescue_password",
        "image_pull_secret",
        "image_request_authorization_secret",
        "image_request_authorization",
        "user_data",
        "deploy_key",
    ] {
        for id in ["node:get", "node:update", "node:create"] {
            check(id, &format!(r#"{{"instance_info": {{"{key}": «"S3cret"», "root_gb": "10"}}, "name": "n"}}"#));
        }
        check("node:list", &format!(r#"{{"nodes": [{{"instance_info": {{"{key}": «"S3cret"»}}}}]}}"#));
    }
    for key in ["image_source", "original_image_source", "ks_template", "boot_iso", "kernel", "ramdisk", "stage2"] {
        check("node:get", &format!(r#"{{"instance_info": {{"{key}": "http://‹u:S3cret›@h/i"}}}}"#));
        passes("node:get", &format!(r#"{{"instance_info": {{"{key}": "0c5a2a52-1d4f-4b0e-9a35-3ca1d7a7f1a0"}}}}"#));
    }
    // An `image_url` elsewhere is a URL.
    passes("node:get", r#"{"driver_internal_info": {"image_url": "http://h/i"}}"#);
}

#[test]
fn driver_internal_info_and_steps() {
    check(
        "node:get",
        r#"{"driver_internal_info": {"agent_secret_token": «"x"», "novnc_secret_token": «"y"», "vnc_host": "10.0.0.1",
            "vnc_port": 5900, "agent_url": "https://10.0.0.9:9999", "agent_secret_token_pregenerated": true,
            "firmware_updates": [{"url": "http://‹u:p›@h/f"}]}}"#,
    );
    for step in ["clean_step", "deploy_step", "service_step"] {
        check(
            "node:get",
            &format!(
                r#"{{"{step}": {{"interface": "bios", "step": "apply_configuration", "args": {{"settings":
                [{{"name": "AdminPassword", "value": «"S3cret"»}}, {{"name": "BootMode", "value": "Uefi"}}]}}}}}}"#
            ),
        );
    }
    check(
        "deploy_template:get",
        r#"{"steps": [{"args": {"settings": [{"value": «"S3cret"», "name": "SetupPassword"}]}}]}"#,
    );
    check("runbook:list", r#"{"runbooks": [{"steps": [{"args": {"raw_bytes": «"0x06 0x47"»}, "order": 1}]}]}"#);
    check(
        "inspection_rule:get",
        r#"{"actions": [{"op": "api-call", "args": {"url": "http://‹u:p›@h/", "headers": «{"A": "b"}»}},
        {"op": "set-attribute", "args": {"path": "driver_info/redfish_password", "value": «"S3cret"»}},
        {"op": "set-attribute", "args": ["driver_info.ipmi_password", «"S3cret"»]},
        {"op": "set-attribute", "args": ["properties.cpu_arch", "x86_64"]}], "conditions": []}"#,
    );
    passes("node:get", r#"{"extra": {"headers": {"a": "b"}}}"#);
}

#[test]
fn values_under_a_secret_key() {
    for (value, kept) in [
        ("null", true),
        ("true", true),
        ("false", true),
        (r#""""#, true),
        (r#""******""#, true),
        ("0", false),
        ("-1.5e+3", false),
        ("{}", false),
        ("[]", false),
        (r#"[{"a": "b"}, 1]"#, false),
        (r#""\"""#, false),
    ] {
        let value = if kept { value.to_owned() } else { format!("«{value}»") };
        check("node:get", &format!(r#" {{ "extra" : {{ "password" :{value} , "x":[ 1 , {{}} ] }} }} "#));
    }
    check("node:get", r#"{"extra": {"\u0070assword": «"x"», "pass\u0077ord": «"y"», "a\"password": «1»}}"#);
}

#[test]
fn numbers_and_joined_words_name_secrets_everywhere() {
    for name in ["SysPass1", "pass1", "bmc_pass2", "adminpw", "ADMINPW", "bmcpass", "creds", "UserPw1"] {
        check("node:bios:list", &format!(r#"{{"bios": [{{"name": "{name}", "value": «"S3cret"»}}]}}"#));
        check("node:bios:get", &format!(r#"{{"{name}": {{"value": «"S3cret"», "name": "{name}"}}}}"#));
    }
    for name in ["pass1", "bmc_pass2", "adminpw", "ADMINPW1", "bmcpass", "creds", "cred", "bmc_creds", "psk0"] {
        check("node:get", &format!(r#"{{"last_error": "x {name}=‹S3cret› y {name}: ‹S3cret› --{name} ‹S3cret› z"}}"#));
    }
    for plain in ["bypass1=x", "compass: y", "passthru1=z", "sacred=x", "incredible: y", "pass1 of 2 passed"] {
        passes("node:get", &format!(r#"{{"last_error": "{plain}"}}"#));
    }
}
