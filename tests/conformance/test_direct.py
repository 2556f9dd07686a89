"""The same calls to Ironic itself and through irongate: the same status, the same JSON.

Two Ironics go through one story step by step. All identifiers are chosen by the story, so that what differs in the answers
is only what must: times, the host in links, and what irongate masks, at the places of `MASKED` and at no others. What a step sets going in a conductor has ended in both
before the next step: allocations, power and consoles change after their call was answered.
"""

import json
import re

import pytest
from store import Store

MASK = "******"
NODE, SPARE, GONE = (f"66666666-0000-4000-8000-00000000000{digit}" for digit in (1, 2, 9))
PORT, GROUP, CHASSIS, CONNECTOR, TARGET = (f"66666666-0000-4000-8000-0000000000{digit}" for digit in range(11, 16))
TEMPLATE, BOOK, RULE, CLAIM = (f"66666666-0000-4000-8000-0000000000{digit}" for digit in range(21, 25))
STEP = {"interface": "bios", "step": "factory_reset", "args": {}}
ACTION = {"op": "set-attribute", "args": {"path": "/extra/seen", "value": "yes"}}

# Where irongate masks what Ironic shows, by step: all of it, and why.
MASKED = {
    ("PATCH /v1/nodes/one", "/driver_info/snmp_community"): "who knows an SNMP community may switch power; Ironic masks only what has `password` in its name",
    ("GET /v1/nodes/one", "/driver_info/snmp_community"): "the same, read",
}

# Where Ironic answers 500 to a caller's mistake and irongate names it: the steps, in order, with irongate's codes.
NAMED = [
    ("PUT /v1/nodes/one/states/provision", "missing_field"),  # a clean step without a name
    ("GET /v1/nodes/one/states/nowhere", "argument_in_path"),
]

# (method, target, body, status[, microversion[, provision state to wait for]])
STORY = [
    ("GET", "/", None, 200), ("GET", "/v1", None, 200), ("GET", "/v1/", None, 200), ("GET", "/v1/nowhere", None, 404),
    ("GET", "/v1/drivers", None, 200), ("GET", "/v1/drivers?detail=True", None, 200, "1.30"), ("GET", "/v1/drivers/fake-hardware", None, 200),
    ("GET", "/v1/drivers/fake-hardware/properties", None, 200), ("GET", "/v1/drivers/no-such-driver", None, 404),
    ("GET", "/v1/drivers?type=dynamic", None, 200), ("GET", "/v1/drivers?type=nope", None, 400),
    ("GET", "/v1/drivers/fake-hardware/raid/logical_disk_properties", None, None), ("GET", "/v1/drivers/fake-hardware/vendor_passthru/methods", None, 200),
    ("GET", "/v1/conductors", None, 200), ("GET", "/v1/conductors?detail=True", None, 200), ("GET", "/v1/conductors/conductor-1", None, 200),
    ("GET", "/v1/conductors/nobody", None, 404), ("GET", "/v1/conductors", None, 404, "1.48"),
    ("POST", "/v1/chassis", {"uuid": CHASSIS, "description": "rack", "extra": {"row": 1}}, 201), ("GET", "/v1/chassis", None, 200),
    ("GET", "/v1/chassis/detail", None, 200), ("GET", f"/v1/chassis/{CHASSIS}", None, 200), ("GET", f"/v1/chassis/{GONE}", None, 404),
    ("GET", f"/v1/chassis/{CHASSIS}?fields=description,extra", None, 200),
    ("PATCH", f"/v1/chassis/{CHASSIS}", [{"op": "replace", "path": "/description", "value": "rack 2"}], 200),
    ("PATCH", f"/v1/chassis/{CHASSIS}", [{"op": "replace", "path": "/uuid", "value": GONE}], 400),
    ("POST", "/v1/nodes", {"uuid": NODE, "name": "one", "driver": "fake-hardware", "chassis_uuid": CHASSIS, "resource_class": "metal",
                           "driver_info": {"fake_address": "192.0.2.5", "redfish_password": "hidden", "port": 623},
                           "properties": {"cpus": 4, "capabilities": "boot_mode:uefi"}, "extra": {"a": {"b": [1, 2.5, None, True, "ü"]}}}, 201),
    ("POST", "/v1/nodes", {"uuid": SPARE, "name": "two", "driver": "fake-hardware"}, 201, "1.50"),
    ("POST", "/v1/nodes", {"uuid": GONE, "name": "one", "driver": "fake-hardware"}, 409),
    ("POST", "/v1/nodes", {"driver": "no-such-driver"}, 400), ("POST", "/v1/nodes", {"name": "x"}, 400),
    ("POST", "/v1/nodes", {"driver": "fake-hardware", "nope": 1}, 400), ("POST", "/v1/nodes", {"driver": "fake-hardware", "owner": "me"}, 406, "1.40"),
    ("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "not a name"}, 400), ("POST", "/v1/nodes", {"driver": "fake-hardware", "extra": 1}, 400),
    ("GET", "/v1/nodes", None, 200), ("GET", "/v1/nodes", None, 200, "1.1"), ("GET", "/v1/nodes/detail", None, 200),
    ("GET", "/v1/nodes?fields=uuid,name,driver_info", None, 200), ("GET", "/v1/nodes?driver=fake-hardware&limit=1", None, 200),
    ("GET", "/v1/nodes?detail=True&sort_key=name&sort_dir=desc", None, 200), ("GET", f"/v1/nodes?marker={NODE}", None, 200),
    ("GET", f"/v1/nodes?marker={GONE}", None, 404), ("GET", "/v1/nodes?provision_state=enroll&associated=False&maintenance=False", None, 200),
    ("GET", "/v1/nodes?resource_class=metal", None, 200), ("GET", f"/v1/nodes?chassis_uuid={CHASSIS}", None, 200),
    ("GET", "/v1/nodes?resource_class=metal", None, 406, "1.20"), ("GET", "/v1/nodes?detail=True&fields=uuid", None, 400),
    ("GET", "/v1/nodes/one", None, 200), ("GET", f"/v1/nodes/{NODE}", None, 200, "1.1"), ("GET", f"/v1/nodes/{NODE}", None, 200, "1.61"),
    ("GET", "/v1/nodes/one?fields=uuid,driver_info,extra", None, 200), ("GET", f"/v1/nodes/{GONE}", None, 404), ("GET", "/v1/nodes/nobody", None, 404),
    ("GET", "/v1/nodes/one", None, 404, "1.4"), ("GET", "/v1/nodes/one", None, 406, "1.999"),
    ("PATCH", "/v1/nodes/one", [{"op": "add", "path": "/extra/c", "value": {"d": 1}}, {"op": "remove", "path": "/extra/a"}], 200),
    ("PATCH", "/v1/nodes/one", [], 200), ("PATCH", "/v1/nodes/one", [{"op": "remove", "path": "/extra/nothing"}], 400),
    ("PATCH", "/v1/nodes/one", [{"op": "replace", "path": "/reservation", "value": "x"}], 400),
    ("PATCH", "/v1/nodes/one", [{"op": "replace", "path": "/name", "value": "two"}], 409),
    ("PATCH", "/v1/nodes/one", [{"op": "add", "path": "/shard", "value": "s"}], 406, "1.80"),
    ("PATCH", "/v1/nodes/one", [{"op": "add", "path": "/driver_info/snmp_community", "value": "public"}], 200),
    ("PATCH", "/v1/nodes/nobody", [{"op": "add", "path": "/extra/a", "value": 1}], 404),
    ("GET", "/v1/nodes/one/validate", None, 200), ("GET", "/v1/nodes/nobody/validate", None, 404), ("GET", "/v1/nodes/one/states", None, 200),
    ("PUT", "/v1/nodes/one/maintenance", {"reason": "why"}, 202), ("GET", "/v1/nodes/one?fields=maintenance,maintenance_reason", None, 200),
    ("DELETE", "/v1/nodes/one/maintenance", None, 202), ("PUT", "/v1/nodes/one/maintenance", {"nope": 1}, 400),
    ("POST", "/v1/ports", {"uuid": PORT, "node_uuid": NODE, "address": "52:54:00:00:0a:01", "extra": {"x": 1},
                           "local_link_connection": {"switch_id": "0a:1b:2c:3d:4e:5f", "port_id": "e1"}}, 201),
    ("POST", "/v1/ports", {"node_uuid": NODE, "address": "52:54:00:00:0a:01"}, 409), ("POST", "/v1/ports", {"node_uuid": NODE, "address": "no"}, 400),
    ("POST", "/v1/ports", {"node_uuid": GONE, "address": "52:54:00:00:0a:02"}, None), ("GET", "/v1/ports", None, 200), ("GET", "/v1/ports/detail", None, 200),
    ("GET", f"/v1/ports/{PORT}", None, 200), ("GET", "/v1/ports?address=52:54:00:00:0a:01", None, 200), ("GET", "/v1/ports?node=one&fields=uuid,address", None, 200),
    ("GET", f"/v1/nodes/{NODE}/ports", None, 200), ("GET", f"/v1/ports/{GONE}", None, 404),
    ("PATCH", f"/v1/ports/{PORT}", [{"op": "replace", "path": "/extra", "value": {"y": 2}}], 200), ("PATCH", f"/v1/ports/{PORT}", [{"op": "remove", "path": "/address"}], 400),
    ("POST", "/v1/portgroups", {"uuid": GROUP, "node_uuid": NODE, "name": "bond", "address": "52:54:00:00:0a:03"}, 201), ("GET", "/v1/portgroups", None, 200),
    ("GET", "/v1/portgroups/bond", None, 200), ("GET", f"/v1/portgroups/{GROUP}/ports", None, 200), ("GET", "/v1/portgroups", None, 404, "1.22"),
    ("PATCH", "/v1/portgroups/bond", [{"op": "replace", "path": "/mode", "value": "802.3ad"}], 200),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "manage"}, 202, "1.115", "manageable"),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "nonsense"}, 400), ("PUT", "/v1/nodes/one/states/provision", {"target": "active"}, 400),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "inspect"}, 202, "1.115", "manageable"), ("GET", "/v1/nodes/one/inventory", None, None),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "clean", "clean_steps": [{"interface": "bios", "step": "factory_reset"}]}, 202, "1.115", "manageable"),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "clean", "clean_steps": [{"interface": "bios"}]}, None),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "clean"}, 400),
    ("GET", "/v1/nodes/one/bios", None, 200), ("GET", "/v1/nodes/one/bios/nothing", None, 404), ("GET", "/v1/nodes/one/firmware", None, 200),
    ("GET", "/v1/nodes/one/history", None, 200), ("GET", f"/v1/nodes/one/history/{GONE}", None, 404), ("GET", "/v1/nodes/one/children", None, 200),
    ("PUT", "/v1/nodes/one/traits", {"traits": ["CUSTOM_A", "HW_CPU_X86_VMX"]}, 204), ("GET", "/v1/nodes/one/traits", None, 200),
    ("PUT", "/v1/nodes/one/traits/CUSTOM_B", None, 204), ("PUT", "/v1/nodes/one/traits/nonsense", None, 400), ("DELETE", "/v1/nodes/one/traits/CUSTOM_B", None, 204),
    ("DELETE", "/v1/nodes/one/traits/CUSTOM_B", None, 404), ("PUT", "/v1/nodes/one/traits", {"traits": ["nonsense"]}, 400), ("DELETE", "/v1/nodes/one/traits", None, 204),
    ("PUT", "/v1/nodes/one/management/boot_device", {"boot_device": "pxe", "persistent": True}, 204), ("GET", "/v1/nodes/one/management/boot_device", None, 200),
    ("GET", "/v1/nodes/one/management/boot_device/supported", None, 200), ("PUT", "/v1/nodes/one/management/boot_device", {"boot_device": "floppy"}, 400),
    ("GET", "/v1/nodes/one/management/indicators", None, 200), ("PUT", "/v1/nodes/one/management/inject_nmi", {}, None),
    ("PUT", "/v1/nodes/one/states/boot_mode", {"target": "uefi"}, None), ("PUT", "/v1/nodes/one/states/secure_boot", {"target": True}, None),
    ("PUT", "/v1/nodes/one/states/raid", {"logical_disks": [{"size_gb": 100, "raid_level": "1"}]}, None),
    ("PUT", "/v1/nodes/one/states/console", {"enabled": True}, 202), ("GET", "/v1/nodes/one/states/console", None, 200), ("PUT", "/v1/nodes/one/states/console", {"enabled": False}, 202),
    ("GET", "/v1/nodes/one/vendor_passthru/methods", None, 200), ("POST", "/v1/nodes/one/vendor_passthru?method=second_method", {"bar": "x"}, 202),
    ("POST", "/v1/nodes/one/vendor_passthru?method=third_method_sync", {"bar": "meow"}, 200), ("POST", "/v1/nodes/one/vendor_passthru?method=nothing", {}, 400),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "provide"}, 202, "1.115", "available"),
    ("PUT", "/v1/nodes/one/states/power", {"target": "power off"}, 202), ("PUT", "/v1/nodes/one/states/power", {"target": "nonsense"}, 400),
    ("PUT", "/v1/nodes/one/states/power", {"target": "soft power off", "timeout": 5}, None), ("PUT", "/v1/nodes/nobody/states/power", {"target": "power off"}, 404),
    ("PUT", "/v1/nodes/one/states/power", {"target": "power off", "timeout": -1}, 400),
    ("POST", "/v1/volume/connectors", {"uuid": CONNECTOR, "node_uuid": NODE, "type": "iqn", "connector_id": "iqn.2026-01.example:one"}, 201),
    ("POST", "/v1/volume/targets", {"uuid": TARGET, "node_uuid": NODE, "volume_type": "iscsi", "boot_index": 0, "volume_id": "v",
                                    "properties": {"auth_password": "hidden", "target_lun": 1}}, 201),
    ("GET", "/v1/volume", None, 200), ("GET", "/v1/volume/connectors", None, 200), ("GET", "/v1/volume/targets?detail=True", None, 200),
    ("GET", f"/v1/volume/targets/{TARGET}", None, 200), ("GET", f"/v1/nodes/{NODE}/volume/targets", None, 200), ("GET", f"/v1/nodes/{NODE}/volume", None, 200),
    ("PATCH", f"/v1/volume/targets/{TARGET}", [{"op": "replace", "path": "/boot_index", "value": 1}], 200), ("GET", f"/v1/volume/connectors/{GONE}", None, 404),
    ("DELETE", f"/v1/volume/targets/{TARGET}", None, 204), ("DELETE", f"/v1/volume/connectors/{CONNECTOR}", None, 204),
    ("POST", "/v1/deploy_templates", {"uuid": TEMPLATE, "name": "CUSTOM_T", "steps": [STEP | {"priority": 20}]}, 201), ("GET", "/v1/deploy_templates", None, 200),
    ("POST", "/v1/deploy_templates", {"name": "CUSTOM_U", "steps": [STEP]}, 400), ("POST", "/v1/deploy_templates", {"name": "CUSTOM_U", "steps": []}, 405, "1.54"),
    ("GET", "/v1/deploy_templates/CUSTOM_T", None, 200), ("PATCH", "/v1/deploy_templates/CUSTOM_T", [{"op": "replace", "path": "/steps/0", "value": STEP | {"priority": 30}}], 200),
    ("DELETE", "/v1/deploy_templates/CUSTOM_T", None, 204), ("GET", "/v1/deploy_templates/CUSTOM_T", None, 404),
    ("POST", "/v1/runbooks", {"uuid": BOOK, "name": "CUSTOM_R", "steps": [STEP | {"order": 1}]}, 201), ("GET", "/v1/runbooks?detail=True", None, 200),
    ("GET", "/v1/runbooks/CUSTOM_R", None, 200), ("PATCH", "/v1/runbooks/CUSTOM_R", [{"op": "add", "path": "/extra/a", "value": 1}], 200),
    ("PUT", "/v1/runbooks/CUSTOM_R/traits", {"traits": ["CUSTOM_A"]}, 204), ("GET", "/v1/runbooks/CUSTOM_R/traits", None, 200), ("DELETE", "/v1/runbooks/CUSTOM_R", None, 204),
    ("POST", "/v1/inspection_rules", {"uuid": RULE, "description": "r", "actions": [ACTION], "conditions": [
        {"op": "!is-none", "args": {"value": "{inventory.memory}"}}]}, 201),
    ("GET", "/v1/inspection_rules", None, 200), ("GET", f"/v1/inspection_rules/{RULE}", None, 200),
    ("PATCH", f"/v1/inspection_rules/{RULE}", [{"op": "replace", "path": "/priority", "value": 5}], 200), ("DELETE", f"/v1/inspection_rules/{RULE}", None, 204),
    ("POST", "/v1/allocations", {"uuid": CLAIM, "name": "claim", "resource_class": "metal"}, 201), ("GET", "/v1/allocations", None, 200),
    ("GET", "/v1/allocations/claim", None, 200), ("GET", "/v1/nodes/one/allocation", None, 200), ("PATCH", "/v1/allocations/claim", [{"op": "add", "path": "/extra/a", "value": 1}], 200),
    ("POST", "/v1/allocations", {"name": "claim", "resource_class": "metal"}, 409), ("GET", "/v1/allocations/none", None, 404),
    ("PATCH", "/v1/nodes/one", [{"op": "add", "path": "/instance_info", "value": {"image_source": "http://192.0.2.9/i", "image_checksum": "0" * 32, "root_gb": 9}}], 200),
    ("GET", "/v1/nodes/one/vifs", None, 200), ("POST", "/v1/nodes/one/vifs", {"id": GONE}, 204), ("POST", "/v1/nodes/one/vifs", {}, 400),
    ("DELETE", f"/v1/nodes/one/vifs/{GONE}", None, 204),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "active", "configdrive": {"meta_data": {"a": "b"}}}, 202, "1.115", "active"),
    ("GET", "/v1/nodes/one", None, 200), ("DELETE", "/v1/nodes/one", None, 409), ("GET", "/v1/nodes?instance_uuid=" + CLAIM, None, 200),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "rescue", "rescue_password": "hidden"}, 202, "1.115", "rescue"),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "unrescue"}, 202, "1.115", "active"),
    ("PUT", "/v1/nodes/one/states/provision", {"target": "deleted"}, 202, "1.115", "available"),
    ("GET", "/v1/shards", None, 200), ("GET", "/v1/nodes/one/vmedia", None, None), ("POST", "/v1/events", {"events": []}, None),
    ("GET", f"/v1/lookup?node_uuid={NODE}", None, 404), ("GET", "/v1/lookup", None, 400),
    ("POST", f"/v1/heartbeat/{NODE}", {"callback_url": "http://192.0.2.1:9999", "agent_version": "10.0.0", "agent_token": "x"}, None),
    ("POST", "/v1/continue_inspection", {"inventory": {"interfaces": [{"mac_address": "52:54:00:00:0a:77"}]}}, None),
    ("DELETE", f"/v1/portgroups/{GROUP}", None, 204), ("DELETE", f"/v1/ports/{PORT}", None, 204), ("DELETE", f"/v1/ports/{PORT}", None, 404),
    ("DELETE", "/v1/nodes/one", None, 204), ("DELETE", "/v1/nodes/one", None, 404), ("DELETE", "/v1/nodes/two", None, 204), ("DELETE", f"/v1/chassis/{CHASSIS}", None, 204),
    ("PUT", "/v1/drivers", {}, None),
    ("GET", "/v1/nodes/one/states/nowhere", None, None), ("POST", "/v1/conductors", {}, None),
]


def test_the_same_through_irongate(twins):
    """All differences at once: a story that stops at its first surprise tells little."""
    direct, through = twins
    stores = [Store(world.ironic.state / "ironic.db") for world in twins]
    differences, masked, named = [], set(), []
    for number, step in enumerate(STORY):
        method, target, body, status, version, state = (*step, *("1.115", None)[len(step) - 4:])
        ours = through.raw.call(method, target, body, version=version)
        theirs = direct.raw.call(method, target, body, version=version)
        where = f"{number}: {method} {target} {json.dumps(body)[:160]} at {version}"
        if status is not None and theirs.status != status:
            differences.append(f"{where}\n  the story says {status}, Ironic itself {theirs.status} {theirs.body[:200]}")
        if theirs.status == 500 and 400 <= ours.status < 500:
            named.append((f"{method} {target}", ours.code()))
            continue
        if ours.status != theirs.status:
            differences.append(f"{where}\n  Ironic {theirs.status} {theirs.body[:300]}\n  irongate {ours.status} {ours.body[:300]}")
        elif theirs.status < 400:
            places = set()
            different = list(compare(plain(theirs, direct.url), plain(ours, through.url), masked=places))
            masked |= {(f"{method} {target}", place) for place in places}
            if different:
                differences.append(f"{where}\n  " + "\n  ".join(different[:8]))
        elif not (ours.fault() or {}).get("faultstring"):
            differences.append(f"{where}\n  nothing said in Ironic's shape: {ours.body[:300]}")
        for name in ("allow", "x-openstack-ironic-api-version"):
            if theirs.header(name) != ours.header(name) and theirs.header(name) and theirs.status < 400:
                differences.append(f"{where}\n  {name}: Ironic {theirs.header(name)}, irongate {ours.header(name)}")
        if method != "GET":
            assert all(store.settle() for store in stores), f"{where}: a conductor is at it still"
        if state:
            for world in twins:
                world.reached("one", state)
    assert not differences, f"{len(differences)} differences\n" + "\n".join(differences)
    assert masked == set(MASKED), "left: what irongate masked; right: MASKED"
    assert named == NAMED, "left: where Ironic said 500 and irongate 4xx; right: NAMED"


def plain(answer, url):
    """An answer's JSON without what must differ: times, the host in links, identifiers that Ironic chose."""
    text = answer.body.decode()
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?", "TIME", text)
    text = re.sub(r"https?://localhost(:\d+)?", "HOST", text.replace(url, "HOST"))
    text = re.sub(r"\b(?!66666666)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID", text)
    value = json.loads(text) if text else None
    for driver in value.get("drivers", [value]) if isinstance(value, dict) else ():
        for key in driver:
            if key.startswith("enabled_"):
                driver[key].sort()  # Ironic keeps a set
    return value


def compare(theirs, ours, path="", masked=None):
    """Where two values differ. The places of what only irongate masks go to `masked`, if it is there; else they differ too."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            if key not in ours:
                yield f"{path}/{key}: missing"
            elif key not in theirs:
                yield f"{path}/{key}: invented"
            else:
                yield from compare(theirs[key], ours[key], f"{path}/{key}", masked)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from compare(*pair, f"{path}/*", masked)
    elif ours == MASK != theirs and masked is not None and isinstance(theirs, (str, int)):
        masked.add(path)
    elif theirs != ours or type(theirs) is not type(ours):
        yield f"{path}: Ironic {theirs!r}, irongate {ours!r}"


@pytest.mark.parametrize("theirs, ours, count, places", [
    ({"a": 1}, {"a": 1}, 0, []), ({"a": 1}, {"a": 1.0}, 1, []), ({"a": True}, {"a": 1}, 1, []), ({"a": [1]}, {"a": []}, 1, []), ({"a": 1}, {"b": 1}, 2, []),
    ({"a": MASK}, {"a": MASK}, 0, []), ({"a": "s"}, {"a": MASK}, 0, ["/a"]), ({"a": "s"}, {"a": f"x {MASK}"}, 1, []), ({"a": [1]}, {"a": MASK}, 1, []),
    ({"a": [{"b": "s"}, {"b": "t"}]}, {"a": [{"b": MASK}, {"b": "t"}]}, 0, ["/a/*/b"]),
])
def test_comparison(theirs, ours, count, places):
    """The judge is judged: what is masked is a difference, unless its places are collected."""
    masked = set()
    assert len(list(compare(theirs, ours, masked=masked))) == count
    assert sorted(masked) == places
    assert len(list(compare(theirs, ours))) == count + len(places)
