"""Look-ups: what policies read of objects is read whatever an object is called, and tells nothing of those that are not there."""

import pytest
from world import BARE, ROOT, World

pytestmark = pytest.mark.skipif(BARE, reason="there is no irongate in front of this Ironic")

POLICIES = """
@id("site.frozen") forbid (principal, action, resource == Node::"frozen");
@id("site.racks") forbid (principal in Role::"operator", action in Action::"power", resource is Node)
unless { resource.hasTag("rack") };
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """An Ironic behind policies that read no more than names and properties."""
    made = World(tmp_path_factory.mktemp("lookups"), "site")
    try:
        own = made.gate.state / "site.cedar"
        own.write_text(POLICIES)
        made.gate.stop()
        upstream = f"unix:{made.ironic.socket.parent / 'tap.sock'}"
        made.gate.prepare(made.passwords, upstream, [ROOT / "policies" / "roles", own], cost=4)
        made.gate.start()
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("name", ["my_node", "metal3~host-0", "Web-2"])
def test_every_name(site, name):
    """Names that Ironic takes since 1.10 only, and those with capitals."""
    made = site.direct.call("POST", "/v1/nodes", {"name": name, "driver": "fake-hardware", "properties": {"rack": "r17"}})
    assert made.status == 201, made.body
    for user in ("admin", "operator", "auditor"):
        answer = site.raw.call("GET", f"/v1/nodes/{name}", user=user)
        assert answer.status == 200 and answer.json()["uuid"] == made.json()["uuid"], (user, answer.body)
    for user, expected in [("admin", 202), ("operator", 202), ("auditor", 403)]:
        answer = site.raw.call("PUT", f"/v1/nodes/{name}/states/power", {"target": "power on"}, user=user)
        assert answer.status == expected, (user, answer.body)
        site.reached(name, "enroll")


@pytest.mark.parametrize("name", ["no_node", "No~Node", "no.node"])
def test_no_such_name(site, name):
    """Ironic's own 404."""
    answer = site.raw.call("GET", f"/v1/nodes/{name}", user="admin")
    assert answer.status == 404 and name in answer.fault()["faultstring"], answer.body
