"""What Ironic makes of a value before it goes by it, policies see: effects at a real Ironic, and denials of forbids about them."""

import pytest
from store import Store, differences
from world import BARE, World

NODE = "44444444-0000-4000-8000-000000000001"
UPPER = "77777777-ABCD-4000-8000-00000000000A"
PORT = "44444444-0000-4000-8000-000000000011"
RULE = "44444444-0000-4000-8000-000000000021"
SUFFIXED = "44444444-0000-4000-8000-000000000031"

# Each names what Ironic stores, and none of the spellings in which it may come.
FORBIDS = """
@id("here.group")
forbid (principal, action in Action::"write", resource)
when { context.write.path == "/conductor_group" && context.write has value.string && context.write.value.string == "secure" };

@id("here.address")
forbid (principal, action in Action::"write", resource)
when { context.write.path == "/address" && context.write has value.string && context.write.value.string like "52:54:00:0b:*" };

@id("here.switch")
forbid (principal, action in Action::"write", resource)
when { context.write.key == "switch_id" && context.write has value.string && context.write.value.string like "0a:1b:*" };

@id("here.media")
forbid (principal, action in Action::"node:vmedia:detach:write", resource)
when { context.write has value.string && context.write.value.string like "*cdrom*" };

@id("here.timeout")
forbid (principal, action in Action::"node:set_power_state:write", resource)
when { context.write.path == "/timeout" && context.write has value.integer && context.write.value.integer > 100 };

@id("here.boot")
forbid (principal, action in Action::"write", resource)
when { context.write.path == "/boot_index" && context.write has value.integer && context.write.value.integer == 5 };

@id("here.argument")
forbid (principal, action in Action::"write", resource)
when { context.write has step.argument && context.write.step.id == "inspection_rule.fail" && context.write.step.argument == "msg" };

@id("here.resource")
forbid (principal, action, resource is Node)
when { resource has conductor_group && resource.conductor_group == "closed" };
"""


class Strict(World):
    """irongate with forbids about what Ironic stores."""

    def __init__(self, folder, name):
        super().__init__(folder, name)
        self.gate.stop()
        (self.gate.configuration.parent / "here.cedar").write_text(FORBIDS)
        text = self.gate.configuration.read_text()
        before, after = text.split("directories = [", 1)
        self.gate.configuration.write_text(f'{before}directories = ["{self.gate.configuration.parent}/here.cedar", {after}')
        self.gate.start()


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """One Ironic with a node and a port, behind the forbids."""
    if BARE:
        pytest.skip("there is no irongate in front of this Ironic")
    made = Strict(tmp_path_factory.mktemp("reading"), "strict")
    assert made.direct.call("POST", "/v1/nodes", {"uuid": NODE, "name": "plain", "driver": "fake-hardware"}).status == 201
    assert made.direct.call("POST", "/v1/nodes", {"uuid": UPPER, "name": "Upper-Node", "driver": "fake-hardware"}).status == 201
    assert made.direct.call("POST", "/v1/ports", {"uuid": PORT, "node_uuid": NODE, "address": "52:54:00:0c:00:01"}).status == 201
    yield made
    made.close()


def action(op, args, **more):
    """An inspection rule with one action."""
    return {"conditions": [], "actions": [{"op": op, "args": args, **more}]}


LINK = {"port_id": "Eth1/1", "switch_id": "0A:1B:2C:3D:4E:5F"}

DENIED = [
    ("PATCH", "/v1/nodes/plain", [{"op": "add", "path": "/conductor_group", "value": "SECURE"}]),
    ("POST", "/v1/nodes", {"driver": "fake-hardware", "conductor_group": "Secure"}),
    ("POST", "/v1/ports", {"node_uuid": NODE, "address": "52:54:00:0B:00:A1"}),
    ("PATCH", f"/v1/ports/{PORT}", [{"op": "replace", "path": "/address", "value": "52:54:00:0B:00:A1"}]),
    ("POST", "/v1/portgroups", {"node_uuid": NODE, "address": "52:54:00:0B:00:A1"}),
    ("POST", "/v1/ports", {"node_uuid": NODE, "address": "52:54:00:0c:00:a1", "local_link_connection": LINK}),
    ("PATCH", f"/v1/ports/{PORT}", [{"op": "add", "path": "/local_link_connection", "value": LINK}]),
    ("PATCH", f"/v1/ports/{PORT}", [{"op": "add", "path": "/local_link_connection/switch_id", "value": "0A:1B:2C:3D:4E:5F"}]),
    ("DELETE", "/v1/nodes/plain/vmedia", {"device_types": "CDROM"}),
    ("DELETE", "/v1/nodes/plain/vmedia", {"device_types": "floppy, CDRom"}),
    ("DELETE", "/v1/nodes/plain/vmedia", {"device_types": ["cdrom"]}),
    ("PUT", "/v1/nodes/plain/states/power", {"target": "power on", "timeout": 101.5}),
    ("PUT", "/v1/nodes/plain/states/power", {"target": "power on", "timeout": " 101 "}),
    ("POST", "/v1/inspection_rules", action("fail", {"msg": "x"})),
    ("POST", "/v1/inspection_rules", action("fail", ["x"])),
    ("POST", "/v1/inspection_rules", action("fail", ["x"], interface="bios", step="y")),
    ("POST", "/v1/volume/targets", {"node_uuid": NODE, "volume_type": "iscsi", "boot_index": 5.0, "volume_id": "v"}),
    # The shipped guards.
    ("POST", "/v1/inspection_rules", action("api-call", {"url": "{inventory[url]}"}, interface="bios", step="x")),
    ("POST", "/v1/inspection_rules", action("api-call", {"url": "http://192.0.2.1/", "proxies": {"http": "127.0.0.1:3128"}}, step="x", interface="bios")),
    ("POST", "/v1/inspection_rules", action("api-call", ["http://192.0.2.1/", {}, {"http": "127.0.0.1:3128"}], interface="bios", step="x")),
]


@pytest.mark.parametrize("method, target, body", DENIED, ids=range(len(DENIED)))
def test_no_spelling_escapes_a_forbid(strict, method, target, body):
    """403, and nothing arrives but what was looked up."""
    mark = strict.tap.mark()
    answer = strict.raw.call(method, target, body)
    assert answer.status == 403, answer
    assert all(arrival.line.startswith("GET ") for arrival in strict.tap.since(mark))


def test_letters_that_become_others(strict):
    """The Kelvin sign is a k in lower case, to Ironic: refused, and nothing arrives."""
    group = [{"op": "add", "path": "/conductor_group", "value": "Roc\u212a"}]
    theirs = strict.direct.call("PATCH", "/v1/nodes/plain", group)
    assert theirs.status == 400 and "group" in theirs.body.decode() and "rock" in theirs.body.decode(), theirs
    mark = strict.tap.mark()
    ours = strict.raw.call("PATCH", "/v1/nodes/plain", group)
    assert (ours.status, ours.code()) == (400, "wrong_format"), ours
    assert all(arrival.line.startswith("GET ") for arrival in strict.tap.since(mark))


def test_what_ironic_stores(strict):
    """The values that the forbids name are those that Ironic itself makes of such requests."""
    call = strict.direct.call
    made = call("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "stored", "secure_boot": "false"})
    assert made.json()["secure_boot"] is True, made
    # No conductor serves this group: the refusal names it as Ironic looked for it.
    group = call("PATCH", "/v1/nodes/stored", [{"op": "add", "path": "/conductor_group", "value": "SECURE"}])
    assert group.status == 400 and "secure" in group.body.decode() and "SECURE" not in group.body.decode(), group
    port = call("POST", "/v1/ports", {"node_uuid": NODE, "address": "52:54:00:0B:00:B1", "local_link_connection": LINK}).json()
    assert port["address"] == "52:54:00:0b:00:b1" and port["local_link_connection"]["switch_id"] == "0a:1b:2c:3d:4e:5f"
    rule = call("POST", "/v1/inspection_rules", {"uuid": RULE, **action("log", ["x"], interface="bios", step="y")})
    assert rule.status == 201 and rule.json()["actions"][0]["op"] == "log", rule
    for target in (f"/v1/nodes/{made.json()['uuid']}", f"/v1/ports/{port['uuid']}", f"/v1/inspection_rules/{RULE}"):
        assert call("DELETE", target).status == 204


def test_a_node_with_capitals_in_its_uuid(strict):
    """It is found by its name too where a policy reads what it is like."""
    for target in ("/v1/nodes/Upper-Node", f"/v1/nodes/{UPPER}"):
        answer = strict.raw.call("PATCH", target, [{"op": "add", "path": "/extra/a", "value": 1}])
        assert answer.status == 200, answer
    assert strict.raw.call("PUT", "/v1/nodes/Upper-Node/maintenance", {"reason": "x"}).status == 202
    assert strict.raw.call("DELETE", "/v1/nodes/Upper-Node/maintenance").status == 202
    # What it would become is asked about as Ironic would store it; no conductor serves either group.
    group = [{"op": "add", "path": "/conductor_group", "value": "Shut"}]
    assert strict.raw.call("PATCH", "/v1/nodes/Upper-Node", group).status == 400
    group[0]["value"] = "CLOSED"
    assert strict.raw.call("PATCH", "/v1/nodes/Upper-Node", group).status == 403


SAME = [
    ("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "same", "conductor_group": "", "secure_boot": "false", "boot_mode": "uefi", "uuid": UPPER}),
    ("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "same2", "secure_boot": ""}),
    ("POST", "/v1/ports", {"node_uuid": UPPER, "uuid": PORT, "address": "52:54:00:0B:00:C1", "local_link_connection": LINK}),
    ("PATCH", f"/v1/ports/{PORT}", [{"op": "replace", "path": "/local_link_connection", "value": {"port_id": "a", "switch_id": "0000AABBCCDDEEFF"}}]),
    ("PATCH", f"/v1/ports/{PORT}", [{"op": "replace", "path": "/address", "value": "52:54:00:0B:00:C2"}]),
    ("POST", "/v1/volume/targets", {"node_uuid": UPPER, "volume_type": "iscsi", "boot_index": 2.0, "volume_id": "v"}),
    ("POST", "/v1/inspection_rules", {"uuid": RULE, **action("log", ["x"], interface="bios", step="y"), "priority": 7}),
    ("PUT", f"/v1/nodes/{UPPER}/states/provision", {"target": "manage", "runbook": ""}),
    ("POST", "/v1/nodes", {"uuid": SUFFIXED, "driver": "fake-hardware", "name": "rack.json"}),
    ("GET", "/v1/nodes/rack.json", None),
    ("PATCH", "/v1/nodes/rack.json", [{"op": "add", "path": "/extra/a", "value": 1}]),
    ("GET", "/v1/nodes/rack.xml", None),
    ("GET", "/v1/volume/", None),
    ("GET", "/v1/shards/", None),
    ("GET", f"/v1/nodes/{UPPER}/volume/", None),
    ("DELETE", "/v1/nodes/rack.json", None),
]


def test_the_same_is_stored(twins, gated):
    """Through irongate and straight to Ironic: the same answers, and the same rows."""
    direct, through = twins
    stores = [Store(world.ironic.state / "ironic.db") for world in twins]
    for method, target, body in SAME:
        theirs, ours = direct.raw.call(method, target, body), through.raw.call(method, target, body)
        assert ours.status == theirs.status and (theirs.status < 300 or theirs.status == 404), (method, target, body, theirs, ours)
        assert all(store.settle() for store in stores)
        different = differences(*(store.rows() for store in stores))
        assert not different, (method, target, body, different)
    for target in (f"/v1/inspection_rules/{RULE}", f"/v1/nodes/{UPPER}", "/v1/nodes/same2"):
        assert {world.direct.call("DELETE", target).status for world in twins} == {204}


HEADS = [
    *[("Accept", value) for value in ("text/html", "application/xml", "*/*;q=0", "image/png", "application/json;q=0", "application/json;version=1",
      "text/html, */*;q=0.1", "", "garbage", "text/html, application/json;q=0", "application/*", "*/*, application/json;q=0", "text/html,",
      "application/vnd.openstack.ironic.v1+json", "text/html;q=2", "*/json", "text/plain, application/*;q=0.0, */*",
      "*/*;charset=utf-8", "application/*;version=1;q=0.1", "*/*;q=0.1;extension=1", "text/html;q=0.5;", ",text/html", "text/html;q=0.5;x=1")],
]


@pytest.mark.parametrize("name, value", HEADS)
def test_what_a_caller_accepts(twins, gated, name, value):
    """Carried out by both or by neither."""
    direct, through = twins
    for method, target, body in (("GET", "/", None), ("GET", "/v1", None), ("GET", "/v1/nodes", None), ("POST", "/v1/chassis", {"description": "accept"})):
        theirs, ours = (world.raw.call(method, target, body, headers=[(name, value)]) for world in twins)
        assert ours.status == theirs.status, (method, target, theirs, ours)
        if (method, ours.status) == ("POST", 201):
            made = (theirs.json()["uuid"], ours.json()["uuid"])
            assert {world.direct.call("DELETE", f"/v1/chassis/{uuid}").status for world, uuid in zip(twins, made)} == {204}


def test_a_list_of_versions_on_two_lines(twins, gated):
    """On one line the order does not matter; of two lines Ironic takes the last, whatever the first says: refused."""
    direct, through = twins
    for first, second, last in (("compute 2.1", "baremetal 1.80", "1.80"), ("baremetal 1.80", "compute 2.1", "1.1")):
        both = [("OpenStack-API-Version", f"{first}, {second}")]
        theirs, ours = (world.raw.call("GET", "/v1/nodes", headers=both, version=None) for world in twins)
        assert theirs.status == ours.status == 200
        assert ours.header("x-openstack-ironic-api-version") == theirs.header("x-openstack-ironic-api-version") == "1.80"
        lines = [("OpenStack-API-Version", first), ("OpenStack-API-Version", second)]
        assert direct.raw.call("GET", "/v1/nodes", headers=lines, version=None).header("x-openstack-ironic-api-version") == last
        refused = through.raw.call("GET", "/v1/nodes", headers=lines, version=None)
        assert (refused.status, refused.code()) == (400, "version_repeated"), refused
