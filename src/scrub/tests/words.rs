//! Names of secrets, as keys and in texts, and what only looks like one.

use super::*;

/// `‹part›` is the secret part of a text, wherever a text stands.
fn text(marked: &str) {
    let written = serde_json::to_string(marked).unwrap();
    for place in ["last_error", "description"] {
        check("node:get", &format!(r#"{{"{place}": {written}}}"#));
    }
    check("node:history:get", &format!(r#"{{"event": {written}}}"#));
    check("node:inventory:get", &format!(r#"{{"extra": {{"note": {written}, "x": "y"}}}}"#));
}

/// The arguments of steps, as errors and the history quote them.
#[test]
fn arguments_in_texts() {
    for marked in [
        "Starting manual cleaning with steps=[{'interface': 'bios', 'step': 'apply_configuration', 'args': \
         ‹{'settings': [{'name': 'AdminPassword', 'value': 'S'}]}›, 'priority': 0}] x",
        "failed step {'step': 'send_raw', 'args': ‹{'raw_bytes': 'S', 'headers': {'X': 'S'}}›, 'interface': 'vendor'}: no",
        r#"failed step {"step": "x", "args": ‹{"raw_bytes": "S"}›, "interface": "vendor"}"#,
        r#"failed: "{\"step\": \"x\", \"args\": ‹{\"a\": \"} S\"}›, \"order\": 1}""#,
        "call x(args=‹{'a': 'S'}›, y=1)",
        "with args: ‹['S', 'T']›",
        "'args': ‹['driver_info.x', 'S']›, 'op': 'eq'",
        "'args': ‹{'a': 'S'›",
        "{'headers': ‹{'X-Any': 'S'}›, 'x': 1}",
        "headers=‹{'X-Any': 'S'}› x",
        "'args': {}, 'headers': None, 'args': []",
        "unexpected args: a, b; kernel.args=1 rd.headers=2; args and headers",
    ] {
        text(marked);
    }
}

/// Names and values that stand apart, outside of arguments.
#[test]
fn settings_in_texts() {
    for marked in [
        "cannot apply [{'name': 'AdminPassword', 'value': '‹S›'}, {'name': 'BootMode', 'value': 'Uefi'}]",
        "cannot apply [{'value': '‹S }›', 'x': 1, 'name': 'AdminPassword'}] x",
        r#"{"attribute": "SetupPassword", "current_value": "‹S›", "default": ‹12›, "x": 1}"#,
        r#"{\"name\": \"AdminPassword\", \"value\": \"‹S›\"}"#,
        "{'name': u'AdminPassword', 'value': b'‹S›'}",
        "{'name': 'a', 'b': {'name': 'AdminPassword', 'val': ‹{'x': ['S']}›, 'y': 1}, 'value': 2}",
        "{'value': ‹['S', {'name': 'x', 'value': 'T'}]›, 'path': '/driver_info/redfish_password'}",
        "don't {'name': 'AdminPassword', 'value': '‹S›'}; isn't {'name': 'AdminPassword', 'value': '‹S›'}",
        "{'name': 'AdminPassword', 'value': '‹S›",
        "{node: it's broken, settings [{'name': 'AdminPassword', 'value': '‹S›'}]}",
        "Failed (error {it's bad) to apply [{'name': 'AdminPassword', 'value': '‹S›'}]",
        r"{the nodes' state isn\'t known: [{'name': 'AdminPassword',\n'value': br'‹S›'}]}",
        "{'name': 'AdminPassword', 'value': None, 'read_only': False}",
        "{'name': 'BootMode', 'value': 'S'} AdminPassword {'value': 'T'}",
        "{name: 'AdminPassword'} {'id': 5, 'value': 'x'}",
    ] {
        text(marked);
    }
}

/// What names a secret as a key does in a text.
#[test]
fn keys_are_names_in_texts_too() {
    for key in [
        "http_headers",
        "httpheaders",
        "HttpHeaders",
        "irmc_snmp_security",
        "raw_bytes",
        "user_data",
        "key_data",
        "pre_shared_key",
        "client_key",
        "ClientKey",
        "master_key",
        "host_key",
        "otp_seed",
        "SysPass1",
        "SysPass1Confirm",
        "userPw",
        "bmcCreds",
        "bmc_pass_2",
        "pass_of_bmc",
        "deploy_key",
        "community",
        "read_community",
        "TrapCommunity",
        "ssl_key",
        "fernet_key",
        "ceph_admin_key",
        "auth",
        "psk",
    ] {
        for marked in ["x {'K': '‹S x›'} y", "{\"K\": \"‹S›\"}", "a K=‹S› b", "K = ‹S›", "x {'K': ‹{'X': 'S'}›}"]
        {
            text(&marked.replace('K', key));
        }
        check("node:get", &format!(r#"{{"extra": {{"{key}": «"S"»}}}}"#));
    }
    text("{'image_url': '‹S›', 'x': 1} image_url=‹S› image_url: see there");
}

#[test]
fn keys() {
    for key in [
        "ssl_key",
        "sslKey",
        "fernet_key",
        "ceph_admin_key",
        "ceph_client_key",
        "ceph-mon-key",
        "rabbit_cookie",
        "heat_auth_encryption_key",
        "swift_hash_suffix",
        "keystone_credential",
        "barbican_simple_crypto_kek",
        "CommunityString",
        "CommunityStrings",
        "community_string",
        "TrapCommunity",
        "AuthenticationKey",
        "authentication_key",
        "community",
        "read_community",
        "rw_community",
        "pwdNew",
        "pwdnew",
        "PwdNew",
        "PwdnPassword",
        "pwdn_pass",
        "keyboard_password",
        "AccessKey2",
        "passThroughPassword",
        "PassThruPass",
        "passthrough_pass",
    ] {
        check("node:get", &format!(r#"{{"extra": {{"{key}": «"S"», "x": "y"}}}}"#));
        check("node:bios:list", &format!(r#"{{"bios": [{{"name": "{key}", "value": «"S"»}}]}}"#));
    }
    check(
        "node:vendor_passthru:get",
        r#"{"SNMP": {"CommunityStrings": «[{"CommunityString": "S", "AccessMode": "Full"}]», "TrapCommunity": «"S"»,
            "AuthenticationKey": «"S"», "HideCommunityStrings": true, "AuthenticationProtocol": "HMAC_MD5"}}"#,
    );
    for key in [
        "VgaPassThru",
        "OsBmcPassThrough",
        "vendorPassThru",
        "pass-through",
        "pass_through",
        "PassThroughMode",
        "pass_count",
        "PassCount",
        "testPassCount",
        "PwdnEnable",
        "DramPwdnEn",
        "PWDNEN",
        "CkePwdnMode",
        "pwdn",
        "pwdn_enable",
        "accessKeyboard",
        "client_keyboard",
        "hostKeyboard",
        "key_count",
        "keyboard_layout",
        "communities",
        "monkey",
        "content",
        "current",
    ] {
        passes("node:get", &format!(r#"{{"extra": {{"{key}": "value"}}}}"#));
        passes("node:bios:list", &format!(r#"{{"bios": [{{"name": "{key}", "value": "Enabled"}}]}}"#));
        passes("node:get", &format!(r#"{{"last_error": "x {key}=1 {{'{key}': 'Auto'}} y"}}"#));
    }
}

#[test]
fn other_siblings() {
    for key in ["val", "current", "content", "CurrentValue", "value"] {
        for answer in [
            r#"{"bios": [{"name": "AdminPassword", "K": «"S"»}, {"K": «"S"», "x": 1, "name": "AdminPassword"}]}"#,
            r#"{"bios": [{"name": "BootMode", "K": "x"}, {"K": "x", "x": 1, "name": "BootMode"}]}"#,
        ] {
            check("node:bios:list", &answer.replace('K', key));
        }
    }
    for id in ["runbook:get", "deploy_template:get"] {
        check(
            id,
            r#"{"steps": [{"interface": "deploy", "step": "inject_files", "args": {"files": [
                {"path": "/etc/site/credential", "content": «"S"», "mode": 384}, {"content": «"S"», "path": "/x"}]}}]}"#,
        );
    }
    passes("node:get", r#"{"extra": {"content": "text/plain", "data": [["disk", "logical", "count", "1"]]}}"#);
}

/// Sentences that have the value in front of its name, or without a sign.
#[test]
fn sentences() {
    for marked in [
        "Failed to set attribute /driver_info/redfish_password with value ‹S x: y›\nnext",
        "Failed to extend attribute /extra/password: ‹Cannot› extend non-list attribute /extra/password with value ‹S›",
        "Cannot extend non-list attribute /extra/password with value ‹S›",
        "attribute 'AdminPassword' with value '‹S x›': no",
        "Failed to set attribute /driver_info/auth with value ‹{'a': 'S'}›: no",
        "The property AdminPassword with the requested value of ‹S could not be written›",
        "The value '‹S x›' for the property AdminPassword is of a different format than the property can accept.",
        "The value ‹S x› for the property 'AdminPassword' is not in the list",
        "The value \"‹S›\" of setting SetupPassword; value ‹T› for the attribute BmcPass",
        "Failed to check condition: 'eq' on values: ‹['{node.driver_info.redfish_password}', 'S']›: no",
        "on values: ‹['S', \"{node.extra[auth]}\"]›",
        "values=‹['{node.driver_info.redfish_password}','S']›",
        "IPMI call failed: raw ‹0x06 0x47 0x02 0x53›.",
        "ipmitool -U x raw ‹0x6 0x47 0x2› y",
        "raw ‹0x06 0x47 2 0x41 83› 2nd",
        // What stays.
        "Failed to set attribute /driver_info/redfish_address with value S: no",
        "The value 'x' for the property BootMode is not in the list; AdminPassword",
        "The value for the property AdminPassword is missing",
        "The value provided for the property AdminPassword is not valid",
        "a value x\nfor the property AdminPassword",
        "on values: ['{inventory[bmc_address]}', 'S'] of node",
        "raw 0x06 is short; 0x06 0x47",
    ] {
        text(marked);
    }
}

#[test]
fn tokens_and_targets() {
    let fernet = format!("gAAAAABk{}", "x-_9".repeat(12));
    text(&format!("‹{fernet}› y"));
    text(&format!("‹{}› y", fernet.replace("AB", "AC")));
    text(&format!("{} y", fernet.replace("AB", "AA")));
    for marked in [
        "netroot=iscsi:‹user:S›@192.0.2.1::3260::iqn.2009-06.example:x root=/dev/sda",
        "netroot=iscsi:‹user:S:back:T›@192.0.2.1::3260::iqn.2009-06.example:x",
        "netroot=iscsi:192.0.2.1::3260:1:iqn.2009-06.example:a@b",
        "netroot=iscsi:@192.0.2.1::3260::iqn.x",
        "iscsi:x@y",
    ] {
        text(marked);
    }
}

/// What clients read, or compare with what they wrote.
#[test]
fn honest_texts_stay() {
    for plain in [
        "boot_mode:uefi,secure_boot:true,pass_through:1,iscsi_boot:True,boot_option:local",
        "nofb nomodeset vga=normal console=ttyS0,115200 ipa-debug=1 ip=dhcp BOOTIF=52:54:00:ab:cd:ef",
        "iommu=pt intel_iommu=on vfio-pci.ids=10de:1b06 pci=nommconf pci.pass_through=1 key_count=3",
        "{'PwdnEnable': 'Auto', 'VgaPassThru': 'Disabled', 'key_count': 3, 'current': 5, 'content': 'text/plain'}",
        "Self test: pass-through mode: on, PassCount: 3, keyboardLayout: us",
        "Node failed to deploy. Error: argument 'x' has the value 5 for option y",
        "community edition; the visibility is 'community'",
        "Agent returned: step erase_devices, interface deploy, priority 10",
        "Timeout reached while waiting for callback for node; headers are missing, args too",
    ] {
        text(plain);
    }
}

/// Quadratic, these would take minutes.
#[test]
fn are_looked_for_in_linear_time() {
    for piece in [
        "{'name': 'password', 'value': ",
        "{'value': ['value': [",
        "'value': [",
        "{",
        "{'",
        "{\\'\\\\'\\\\\\'",
        "}{'value': '",
        "'args': {",
        "args: [",
        "headers={'",
        "attribute password with value ",
        "attribute x ",
        "attribute\n",
        "value for the property password ",
        "value ",
        " for the property ",
        "values: [{node.",
        "values: [",
        "values: ['{node.extra[auth]}'",
        "raw 0x1 ",
        "raw 0x06 0x47",
        "iscsi:a:b",
        "iscsi:a:b@",
        "aPass",
        "aPassThru=",
        "pwdn=",
        "pass_",
    ] {
        let text = format!("{{'x': {}", piece.repeat((1 << 20) / piece.len()));
        let answer = format!(r#"{{"a": {}}}"#, serde_json::to_string(&text).unwrap());
        let (out, _) = scrub_with(&RULES, "node:inventory:get", answer.as_bytes(), 16384).unwrap();
        serde_json::from_str::<serde_json::Value>(&out).unwrap();
    }
}
