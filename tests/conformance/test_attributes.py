"""Attributes of nodes: projects that own and lease them, with Keystone's tokens, in front of an Ironic that decides about the same.

What irongate permits to a persona of a project, Ironic permits to it too, and what Ironic denies or hides irongate does not let
through; the difference is that irongate says so first.
"""

import json
import time

import pytest
from cloud import CONFIGURATION, METAL, PASSWORD, Cloud
from raw import Raw
from world import BARE

pytestmark = pytest.mark.skipif(BARE, reason="there is no irongate in front of this Ironic")

OWN = "33333333-0000-4000-8000-000000000001"
OTHER = "33333333-0000-4000-8000-000000000002"
HIDDEN = "33333333-0000-4000-8000-000000000003"
PORT = "33333333-0000-4000-8000-000000000011"
GROUP = "33333333-0000-4000-8000-000000000013"
GROUP_OF_OTHER = "33333333-0000-4000-8000-000000000014"
PORT_OF_OTHER = "33333333-0000-4000-8000-000000000012"
CONNECTOR = "33333333-0000-4000-8000-000000000021"
NOWHERE = "33333333-0000-4000-8000-0000000000ff"
RENT = {"project": {"name": "rent", "domain": {"id": "default"}}}
ELSE = {"project": {"name": "else", "domain": {"id": "default"}}}

BINDINGS = """
[[binding]]
name = "system"
role = "admin"
keystone_scope = "system"

""" + "".join(f"""
[[binding]]
name = "project-{keystone}"
roles = ["owner-{keystone}", "lessee-{keystone}"]
keystone_scope = "project"
keystone_roles = ["{keystone}"]
""" for keystone in ("admin", "member", "reader"))

# In Keystone a member is a reader too.
HIDE = """
@id("hide")
@conceal
forbid (principal in Role::"owner-reader", action in [Action::"read", Action::"console"], resource is Node)
when { resource has name && resource.name == "hidden" }
unless { principal in Role::"owner-member" };
"""


class Estate(Cloud):
    """A node of project metal, leased to project rent, and nodes of project else."""

    def configure(self, **changes):
        """Roles by what Keystone says of the scope, policies that read the node."""
        (self.gate.configuration.parent / "hide.cedar").write_text(HIDE)
        before, rest = CONFIGURATION.split("# Ironic's own roles decide here")
        text = before + BINDINGS + "\n[upstream]" + rest.split("[upstream]")[1]
        text = text.replace("[policy]\ndirectories = [\"{policies}\"]",
                            "[policy]\ndirectories = [\"{policies}\", \"hide.cedar\"]\nresource_cache_seconds = 30")
        self.gate.configuration.write_text(text.format(window=3, more="", **self.settings | changes))

    def populate(self):
        """More projects and users."""
        super().populate()
        ask = self.ask_keystone
        roles = {role["name"]: role["id"] for role in ask("GET", "/v3/roles")["roles"]}
        self.projects = {"metal": self.metal}
        for name in ("rent", "else"):
            self.projects[name] = ask("POST", "/v3/projects", {"project": {"name": name, "domain_id": "default"}})["project"]["id"]
            for role in ("admin", "member", "reader"):
                user = {"name": f"{name}-{role}", "password": PASSWORD, "domain_id": "default"}
                made = ask("POST", "/v3/users", {"user": user})["user"]["id"]
                ask("PUT", f"/v3/projects/{self.projects[name]}/users/{made}/roles/{roles[role]}")

    def furnish(self):
        """Nodes and what belongs to them, made by the system's administrator."""
        for uuid, name, owner, lessee in [
            (OWN, "own", "metal", "rent"), (OTHER, "other", "else", None), (HIDDEN, "hidden", "metal", None),
        ]:
            body = {"uuid": uuid, "name": name, "driver": "fake-hardware", "owner": self.projects[owner]}
            if lessee:
                body["lessee"] = self.projects[lessee]
            assert self.call("POST", "/v1/nodes", self.admin, body).status == 201
        for uuid, node, address in [(PORT, OWN, "52:54:00:00:00:01"), (PORT_OF_OTHER, OTHER, "52:54:00:00:00:02")]:
            made = self.call("POST", "/v1/ports", self.admin, {"uuid": uuid, "node_uuid": node, "address": address})
            assert made.status == 201, made
        for uuid, node in [(GROUP, OWN), (GROUP_OF_OTHER, OTHER)]:
            made = self.call("POST", "/v1/portgroups", self.admin, {"uuid": uuid, "node_uuid": node})
            assert made.status == 201, made
        made = self.call("POST", "/v1/volume/connectors", self.admin, {
            "uuid": CONNECTOR, "node_uuid": OWN, "type": "iqn", "connector_id": "iqn.2026-01.example:1"})
        assert made.status == 201, made
        self.tokens = {
            "boss": self.token("boss", METAL), "smith": self.token("smith", METAL), "eve": self.token("eve", METAL),
            **{f"{name}-{role}": self.token(f"{name}-{role}", scope)
               for name, scope in [("rent", RENT), ("else", ELSE)] for role in ("admin", "member", "reader")}}

    def ironic_raw(self):
        """Straight to Ironic, past irongate."""
        return Raw(path=self.ironic.socket)

    def status(self, user, method, target, body=None):
        """What a user gets from irongate; a node that is just being worked on is asked again."""
        deadline = time.monotonic() + 20
        while True:
            status = self.call(method, target, self.tokens[user], body).status
            if status != 409 or time.monotonic() > deadline:
                return status
            time.sleep(0.2)


@pytest.fixture(scope="module")
def estate(tmp_path_factory):
    """Started once for this file."""
    made = Estate(tmp_path_factory.mktemp("attributes"))
    try:
        made.furnish()
        yield made
    finally:
        made.close()


def patch(path, value, op="add"):
    """A patch of one place."""
    return [{"op": op, "path": path, "value": value}]


def test_owners_and_lessees(estate):
    """Each persona on its own node, by name and by UUID, and on another's."""
    for own in ("own", OWN):
        for user, reads, powers, patches in [
            ("eve", 200, 403, 403), ("smith", 200, 202, 200), ("boss", 200, 202, 200),
            ("rent-reader", 200, 403, 403), ("rent-member", 200, 202, 200), ("rent-admin", 200, 202, 200),
            ("else-reader", 404, 403, 403), ("else-admin", 404, 403, 403),
        ]:
            assert estate.status(user, "GET", f"/v1/nodes/{own}") == reads, user
            target = {"target": "power on"}
            assert estate.status(user, "PUT", f"/v1/nodes/{own}/states/power", target) == powers, user
            assert estate.status(user, "PATCH", f"/v1/nodes/{own}", patch("/extra/note", user)) == patches, user
    for other in ("other", OTHER, "nowhere", NOWHERE):
        for user in ("eve", "smith", "boss", "rent-admin"):
            # To whom a policy hides nodes, one that is not there is as a hidden one. Ironic shows no other's node to their tokens.
            assert estate.status(user, "GET", f"/v1/nodes/{other}") == 404, user
            assert estate.status(user, "DELETE", f"/v1/nodes/{other}") == 403, user


def test_fields_by_persona(estate):
    """What a lessee may not write, nor an owner's member, never reaches Ironic."""
    for user, path, value, expected in [
        ("rent-member", "/description", "x", 200), ("rent-member", "/driver_info/a", "x", 403),
        ("rent-member", "/instance_info/a", "x", 403), ("rent-admin", "/instance_info/a", "x", 200),
        ("rent-admin", "/lessee", "x", 403), ("smith", "/driver_info/a", "x", 200), ("smith", "/owner", "x", 403),
        ("smith", "/bios_interface", "no-bios", 403), ("boss", "/bios_interface", "no-bios", 200), ("boss", "/owner", "x", 403),
    ]:
        mark = estate.tap.mark()
        assert estate.status(user, "PATCH", f"/v1/nodes/{OWN}", patch(path, value)) == expected, (user, path)
        if expected == 403:
            assert all(arrival.line.startswith("GET") for arrival in estate.tap.since(mark))


def test_what_belongs_to_a_node(estate):
    """Ports and volumes through their node; moved only between nodes of the project."""
    for user, expected in [("eve", 200), ("rent-reader", 200), ("else-reader", 403)]:
        assert estate.status(user, "GET", f"/v1/ports/{PORT}") == expected, user
        assert estate.status(user, "GET", f"/v1/volume/connectors/{CONNECTOR}") == expected, user
        assert estate.status(user, "GET", "/v1/ports?node=own") == expected, user
        assert estate.status(user, "GET", f"/v1/nodes/{OWN}/ports") == (200 if expected == 200 else 404), user
    assert estate.status("boss", "PATCH", f"/v1/ports/{PORT}", patch("/extra/a", "b")) == 200
    assert estate.status("boss", "PATCH", f"/v1/ports/{PORT}", patch("/node_uuid", OTHER, "replace")) == 403
    assert estate.status("else-admin", "PATCH", f"/v1/ports/{PORT_OF_OTHER}", patch("/node_uuid", OWN, "replace")) == 403
    assert estate.status("boss", "PATCH", f"/v1/ports/{PORT}", patch("/portgroup_uuid", GROUP_OF_OTHER)) == 403
    assert estate.status("boss", "PATCH", f"/v1/ports/{PORT}", patch("/portgroup_uuid", GROUP)) == 200
    new = {"address": "52:54:00:00:00:99", "node_uuid": OTHER}
    assert estate.status("boss", "POST", "/v1/ports", new) == 403
    assert estate.status("boss", "POST", "/v1/ports", new | {"node_uuid": OWN}) == 201


def test_allocations(estate):
    """An allocation is its owner's."""
    claim = {"name": "mine", "resource_class": "none", "owner": estate.metal}
    for user, body in [("smith", claim | {"candidate_nodes": [OTHER]}), ("else-member", claim),
                       ("smith", {"name": "mine", "resource_class": "none"})]:
        assert estate.status(user, "POST", "/v1/allocations", body) == 403, body
    made = estate.call("POST", "/v1/allocations", estate.tokens["smith"], claim)
    assert made.status == 201, made
    uuid = made.json()["uuid"]
    for name in ("mine", uuid):
        assert estate.status("eve", "GET", f"/v1/allocations/{name}") == 200
        assert estate.status("else-reader", "GET", f"/v1/allocations/{name}") == 403
    assert estate.status("else-member", "DELETE", f"/v1/allocations/{uuid}") == 403
    listed = estate.call("GET", "/v1/allocations", estate.tokens["smith"]).json()["allocations"]
    assert [one["uuid"] for one in listed] == [uuid]
    assert estate.call("GET", "/v1/allocations", estate.tokens["else-member"]).json()["allocations"] == []
    assert estate.status("smith", "DELETE", f"/v1/allocations/{uuid}") == 204


def test_lists(estate):
    """A list shows what the project owns or leases, and nothing else can be asked for."""
    def names(user, target):
        answer = estate.call("GET", target, estate.tokens[user])
        assert answer.status == 200, (user, target, answer)
        return sorted(node["name"] for node in answer.json()["nodes"])

    for target in ("/v1/nodes", "/v1/nodes/detail", "/v1/nodes?fields=name", "/v1/nodes/detail?limit=100"):
        assert names("rent-reader", target) == ["own"]
        assert names("else-reader", target) == ["other"]
        assert {"own", "hidden"} <= set(names("boss", target)) and "other" not in names("boss", target)
    for target in (
        f"/v1/nodes?project={estate.projects['else']}", f"/v1/nodes/detail?instance_uuid={NOWHERE}", "/v1/ports",
        "/v1/ports?node=other", "/v1/ports?shard=a", "/v1/volume/connectors", "/v1/portgroups?node=other",
    ):
        assert estate.status("boss", "GET", target) == 403, target


def test_renamed_behind_its_back(estate):
    """A name that was given to another node past irongate: the request goes to the node that was decided about, or to none."""
    direct = estate.ironic_raw()
    smith = estate.tokens["smith"]
    assert estate.status("smith", "GET", "/v1/nodes/own") == 200
    for uuid, name in [(OWN, "formerly"), (OTHER, "own")]:
        answer = direct.call("PATCH", f"/v1/nodes/{uuid}", patch("/name", name, "replace"), [("X-Auth-Token", estate.admin)], user=None)
        assert answer.status == 200, answer
    answer = estate.call("GET", "/v1/nodes/own", smith)
    assert answer.status == 403 or answer.json()["uuid"] == OWN, answer
    for uuid, name in [(OTHER, "other"), (OWN, "own")]:
        body = patch("/name", name, "replace")
        assert estate.call("PATCH", f"/v1/nodes/{uuid}", estate.admin, body).status == 200
    assert estate.status("smith", "GET", "/v1/nodes/own") == 200


def test_missing_node(estate):
    """Who may do it to any node hears Ironic's own 404."""
    direct = estate.ironic_raw()
    for target in (f"/v1/nodes/{NOWHERE}", "/v1/nodes/nowhere"):
        through = estate.call("GET", target, estate.admin)
        plain = direct.call("GET", target, None, [("X-Auth-Token", estate.admin)], user=None)
        assert (through.status, plain.status) == (404, 404)
        assert through.fault() == plain.fault()


def test_concealed(estate):
    """A concealed denial is Ironic's own answer for an object that is missing, to the last byte."""
    def comparable(answer, name):
        # What differs between any two answers, and the name that was asked for.
        varying = {"date", "x-openstack-request-id", "openstack-request-id", "content-length"}
        headers = sorted((header, value) for header, value in answer.headers if header not in varying)
        return answer.status, headers, answer.body.replace(name.encode(), b"NAME")

    for suffix in (
        "", "/states", "/ports", "/ports/detail", "/portgroups", "/volume/connectors", "/bios", "/history", "/inventory", "/traits",
        "/vifs", "/children", "/allocation", "/validate", "/management/indicators", "/states/console", "/vmedia",
    ):
        hidden = estate.call("GET", f"/v1/nodes/hidden{suffix}", estate.tokens["eve"])
        missing = estate.call("GET", f"/v1/nodes/absent{suffix}", estate.admin)
        assert hidden.status == (400 if suffix == "/allocation" else 404), (suffix, hidden)
        assert comparable(hidden, "hidden") == comparable(missing, "absent"), suffix
    by_uuid = estate.call("GET", f"/v1/nodes/{HIDDEN}", estate.tokens["eve"])
    missing = estate.call("GET", f"/v1/nodes/{NOWHERE}", estate.admin)
    assert comparable(by_uuid, HIDDEN) == comparable(missing, NOWHERE)
    assert estate.status("smith", "GET", "/v1/nodes/hidden") == 200
    records = [json.loads(line) for line in (estate.gate.configuration.parent / "audit.jsonl").read_text().splitlines()]
    concealed = [record for record in records if "hide" in record.get("policies", [])]
    assert concealed and all(record["decision"] == "deny" and record["status"] in (400, 404) for record in concealed)
