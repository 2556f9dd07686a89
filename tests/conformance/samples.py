"""Values that mean something to the Ironic of the generated requests, and texts that two readers could read in two ways."""

NEWEST = 115
NODE, HOST, SPARE, GONE, NEW, TENANT = (f"66666666-0000-4000-8000-00000000010{digit}" for digit in range(6))
PORT, GROUP, CHASSIS, CONNECTOR, TARGET, BARE, PAST = (f"66666666-0000-4000-8000-00000000011{digit}" for digit in range(7))
CLAIM, TEMPLATE, BOOK, RULE = (f"66666666-0000-4000-8000-00000000012{digit}" for digit in range(4))
JSON = ("Content-Type", "application/json")
SAMPLES = {"number": 5, "true": True, "null": None, "text": "?text?", "digits": "7", "list": [], "object": {}}
MORE_SAMPLES = {
    "zero": 0, "negative": -1, "fraction": 1.5, "whole-fraction": 2.0, "false": False, "empty": "", "yes": "yes", "blank": " ",
    "list-of-text": ["a"], "list-of-objects": [{}], "object-with-key": {"a": 1}, "big": 2**40, "unicode": "na\u00efve",
}
INTERFACES = ("bios", "boot", "console", "deploy", "firmware", "inspect", "management", "network", "power", "raid", "rescue", "storage", "vendor")
STEP = {"interface": "bios", "step": "factory_reset", "args": {}}

# Path parameters: something that is there.
IDENTIFIERS = {
    "node": NODE, "port": PORT, "portgroup": GROUP, "chassis": CHASSIS, "driver": "fake-hardware", "vif": TENANT,
    "trait": "CUSTOM_FIRST", "setting": "hyperthreading", "event": PAST, "indicator": "led@system", "chassis:delete.chassis": BARE, "conductor": "conductor-1",
    "connector": CONNECTOR, "target": TARGET, "allocation": CLAIM, "template": TEMPLATE, "runbook": BOOK, "rule": RULE,
    "shard": "first", "method": "second_method", "device_types": "cdrom",
}

# Values by operation and field, by patched resource and field, or by field alone.
VALUES = {
    "driver": "fake-hardware", "chassis_uuid": CHASSIS, "node_uuid": HOST, "node_ident": "generated-host", "portgroup_uuid": GROUP,
    "parent_node": HOST, "conductor_group": "", "instance_uuid": TENANT, "uuid": NEW, "boot_mode": "uefi", "secure_boot": True,
    "network_data": {}, "local_link_connection": {"switch_id": "0a:1b:2c:3d:4e:5f", "port_id": "e1"}, "address": "52:54:00:0b:00:99",
    "node:list.driver": "fake-hardware", "provision_state": "manageable", "fault": "power failure", "sort_key": "uuid", "fields": "uuid,extra",
    "conductor": "conductor-1", "conductor_groups": "none", "sort_dir": "asc", "marker": GONE, "deploy_template:list.marker": "CUSTOM_NONE", "runbook:list.marker": "CUSTOM_NONE",
    "conductor:list.fields": "hostname", "driver:list.fields": "name", "driver:get.fields": "name", "conductor:get.fields": "hostname",
    "node:bios:list.fields": "name", "node:firmware:list.fields": "component", "conductor:list.sort_key": "hostname",
    "conductor:list.marker": "conductor-9", "limit": "2", "node": "generated-host", "allocation:create.node": SPARE, "runbook": BOOK,
    "resource_class": "metal", "mode": "active-backup", "runbook:create.name": "CUSTOM_NEW", "runbook:update.name": "CUSTOM_OTHER",
    "deploy_template:create.name": "CUSTOM_NEW", "deploy_template:update.name": "CUSTOM_OTHER", "name": "new-name", "boot_device": "pxe", "state": "ON",
    "type": "iqn", "connector_id": "iqn.2026-01.example:new", "boot_index": 7, "volume_id": "new-volume", "volume_type": "iscsi",
    "callback_url": "http://192.0.2.1:9999", "agent_token": "t0ken", "agent_version": "10.0.0", "image_url": "http://192.0.2.9/i.iso",
    "device_type": "cdrom", "device_types": "cdrom", "event": "network.bind_port", "port_id": TENANT, "mac_address": "52:54:00:0b:00:01", "status": "ACTIVE",
    "method": "second_method", "candidate_nodes": [SPARE], "traits": ["CUSTOM_ONE", "CUSTOM_TWO"], "id": TENANT, "rescue_password": "hidden",
    "configdrive": "Zm9v", "clean_steps": [{"interface": "bios", "step": "factory_reset"}], "service_steps": [{"interface": "bios", "step": "factory_reset"}],
    "deploy_steps": [STEP | {"priority": 10}], "deploy_template:create.steps": [STEP | {"priority": 10}], "deploy_template:update.steps": [STEP | {"priority": 10}],
    "runbook:create.steps": [STEP | {"order": 1}], "runbook:update.steps": [STEP | {"order": 1}],
    "actions": [{"op": "set-attribute", "args": {"path": "/extra/seen", "value": "yes"}}],
    "conditions": [{"op": "is-none", "args": {"value": "{inventory.memory}"}}], "phase": "main",
    "inventory": {"interfaces": [{"mac_address": "52:54:00:0b:00:77"}]}, "logical_disks": [{"size_gb": 100, "raid_level": "1"}],
    "addresses": "52:54:00:0b:00:01", "driver_info": {"fake_address": "192.0.2.7", "port": 623}, "properties": {"cpus": 4},
    "instance_info": {"image_source": "http://192.0.2.9/i"}, "extra": {"a": {"b": [1, 2.5, None, True, "\u00fc"]}}, "volume:target:create.properties": {"target_lun": 1},
    "interface": "bios", "step": "factory_reset", "args": {}, "loop": [1], "op": "fail", "meta_data": {"a": "b"}, "user_data": "text",
    **{f"{name}_interface": {"network": "noop"}.get(name, "fake") for name in INTERFACES},
}

# Where two readers could read in two ways, in places that every operation has: asked of these in the reduced form too.
ATTACKED = ("node:get", "node:list", "node:create", "node:update", "port:list", "allocation:update", "node:set_power_state")
# Values of the two version headers: X-OpenStack-Ironic-API-Version, OpenStack-API-Version.
VERSIONS = {
    "shared-only": ("", "baremetal 1.50"), "shared-upper": ("", "BareMetal 1.50"), "shared-latest": ("", "baremetal latest"), "shared-two-blanks": ("", "baremetal  1.50"), "shared-tab": ("", "baremetal\t1.50"),
    "shared-list": ("", "compute 2.1,baremetal 1.50,identity 3"), "shared-other": ("1.50", "compute 2.1"), "shared-none": ("1.50", ""), "shared-bare": ("1.50", "1.60"), "shared-name-only": ("1.50", "baremetal"),
    "shared-twice": ("1.50", "baremetal 1.60, baremetal 1.70"), "shared-ironic": ("1.50", "ironic 1.60"), "disagree": ("1.50", "baremetal 1.60"), "disagree-bad": ("one", "baremetal 1.60"), "disagree-shared-bad": ("1.50", "baremetal one"),
    "agree": ("1.60", "baremetal 1.60"), "list": ("1.50, 1.60", ""), "upper-latest": ("LATEST", ""), "around": (" 1.50 ", ""), "major-only": ("1", ""), "three": ("1.50.0", ""), "padded": ("01.50", ""), "underscore": ("1.1_0", ""),
    "negative": ("1.-1", ""), "exponent": ("1.5e1", ""), "hexadecimal": ("1.0x32", ""), "wide": ("1.5\u00b2", ""), "dot": (".", ""), "huge": ("1." + "9" * 40, ""), "zero-minor": ("1.0", ""), "next": ("1.116", ""), "next-major": ("2.0", ""),
}
# What stands behind a path or in it.
PATHS = {
    "semicolon": "{};x=1", "semicolon-empty": "{};", "slash-encoded": "{}%2F", "slash-inside": "{}%2f..", "dot": "{}/.", "dot-dot": "{}/../x", "double-slash": "/{}", "slashes": "{}//", "nul": "{}%00", "newline": "{}%0a", "space": "{}%20",
    "plus": "{}+", "xml": "{}.xml", "json-upper": "{}.JSON", "fragment": "{}%23a", "question": "{}%3fa=b", "backslash": "{}%5c", "utf8": "{}%c3%a9", "not-utf8": "{}%ff", "short": "{}%2",
}
# Queries around the required ones, `{}`.
QUERIES = {
    "empty": "{}&", "empty-pair": "&{}", "empty-name": "{}&=1", "empty-both": "{}&=", "semicolon": "{};a=1", "percent": "{}&%=1", "plus-name": "{}&a+b=1", "bracket": "{}&fields[]=uuid", "method": "{}&_method=DELETE", "method-upper": "{}&_METHOD=DELETE",
    "nul-name": "{}&a%00=1", "not-utf8": "{}&owner=%ff", "utf16": "{}&owner=%u0041", "second": "{}&?limit=1", "self": "{}&self=1", "node": "{}&node_ident=" + GONE, "node-id": "{}&node_id=" + GONE, "body": "{}&body=1", "data": "{}&data={{}}",
}
# JSON texts in place of the value of a field; `{}` is the rest of the body.
TEXTS = {
    "lone-surrogate": b'"\\ud800"', "lone-low": b'"\\udc00a"', "pair": b'"\\ud83d\\ude00"', "surrogate-utf8": b'"\xed\xa0\x80"', "overlong": b'"\xc0\xaf"', "nul": b'"a\\u0000"', "raw-control": b'"a\nb"', "raw-tab": b'"a\tb"', "bad-escape": b'"\\x41"',
    "short-escape": b'"\\u12"', "huge": b"9" * 30, "above-i64": b"9223372036854775808", "i64": b"9223372036854775807", "minus-zero": b"-0", "minus-zero-fraction": b"-0.0", "beyond-double": b"1e400", "tiny": b"1e-400", "exponent": b"1E2", "zeros": b"007",
    "plus": b"+1", "point": b".5", "point-last": b"1.", "infinity": b"Infinity", "minus-infinity": b"-Infinity", "hexadecimal": b"0x10", "upper-true": b"True", "undefined": b"undefined", "trailing-comma": b"[1,]", "double-comma": b"[1,,2]", "no-colon": b'{"a" 1}',
    "number-key": b"{1: 2}", "same-keys": b'{"a": 1, "a": 2}', "same-keys-escaped": b'{"a": 1, "\\u0061": 2}', "same-keys-deep": b'[[{"a": 1, "a": 1}]]', "empty-key": b'{"": 1}', "nul-key": b'{"a\\u0000": 1}', "proto": b'{"__proto__": 1}', "at-depth": b"[" * 20 + b"]" * 20,
    "deeper": b"[" * 30 + b"]" * 30, "very-deep": b"[" * 3000 + b"]" * 3000, "many": b"[" + b"0," * 19000 + b"0]", "too-many": b"[" + b"0," * 21000 + b"0]", "long-key": b'{"' + b"k" * 1000 + b'": 1}', "too-long-key": b'{"' + b"k" * 1025 + b'": 1}', "form-feed": b"\x0c1", "nbsp": b"\xc2\xa01",
}

# Bodies that a request needs beyond what the catalogue marks as required.
MINIMAL = {
    "port:create": {"node_uuid": HOST}, "allocation:create": {"resource_class": "metal"},
    "node:set_raid_state": {"logical_disks": [{"size_gb": 100, "raid_level": "1"}]}, "inspection_rule:create": {"actions": VALUES["actions"], "conditions": VALUES["conditions"]},
}
# `states/provision` by target: a state that has the verb, and arguments that it needs.
VERBS = {
    "manage": ("enroll", {}), "provide": ("manageable", {}), "inspect": ("manageable", {}), "clean": ("manageable", {"clean_steps": VALUES["clean_steps"]}),
    "adopt": ("manageable", {}), "active": ("available", {}), "rebuild": ("active", {}), "deleted": ("active", {}), "undeploy": ("active", {}),
    "deploy": ("available", {}), "rescue": ("active", {"rescue_password": "hidden"}), "unrescue": ("rescue", {}), "abort": ("clean wait", {}),
    "unhold": ("clean hold", {}), "service": ("active", {"service_steps": VALUES["service_steps"]}),
}
# States in which the ramdisk is listened to.
STATES = {"ramdisk:lookup": "wait call-back", "ramdisk:heartbeat": "wait call-back"}
ARGUMENT_TARGETS = {"configdrive": "active", "clean_steps": "clean", "deploy_steps": "active", "rescue_password": "rescue", "disable_ramdisk": "clean", "service_steps": "service", "runbook": "clean"}
