"""From dry-run to least privilege: what clients do in shadow mode is learned from the log alone and then enforced. The same
clients go on as before, and what they never did is denied."""

import json
import os
import re
import subprocess
import sys
from contextlib import closing
from types import SimpleNamespace

import guide
import pytest
from raw import Raw
from stack import gate
from test_clients import command, connection
from world import ROOT, binary


def command_line(front, user):
    """An operator at the shell: enrols a node, looks at it, removes it."""
    for words in (
        ["node", "create", "--driver", "fake-hardware", "--name", "rollout-cli", "--driver-info", "fake_address=192.0.2.7", "--extra", "rack=r1"],
        ["node", "list", "--fields", "uuid", "name"],
        ["node", "set", "rollout-cli", "--description", "a node"],
        ["node", "maintenance", "set", "rollout-cli", "--reason", "testing"],
        ["node", "delete", "rollout-cli"],
    ):
        done = command(front, user, words)
        assert done.returncode == 0, f"openstack baremetal {' '.join(words)}\n{done.stdout}\n{done.stderr}"


def sdk(front, user):
    """A service with openstacksdk: a node with a port, through its states."""
    with closing(connection(front, user)) as cloud:
        metal = cloud.baremetal
        node = metal.create_node(
            driver="fake-hardware", name="rollout-sdk", driver_info={"fake_address": "192.0.2.8", "redfish_password": "hunter2-of-the-bmc"},
            provision_state="manageable")
        port = metal.create_port(node_id=node.id, address="52:54:00:00:07:01")
        metal.patch_node(node, [{"op": "add", "path": "/extra/seen", "value": "yes"}, {"op": "add", "path": "/properties/cpus", "value": 8}])
        metal.set_node_power_state(node, "power on", wait=True, timeout=60)
        metal.validate_node(node, required=())
        metal.delete_port(port)
        metal.delete_node(node)


def script(front, user):
    """An inventory that reads, with filters."""
    for target in ("/v1/nodes?fields=uuid,name,provision_state&limit=5", "/v1/nodes?maintenance=false", "/v1/drivers?type=dynamic", "/v1/conductors"):
        answer = front.raw.call("GET", target, user=user)
        assert answer.status == 200, (target, answer.body)


def ramdisk(front, _user):
    """The agent's calls carry no credential. Ironic knows no such agent; that they reach it is the point."""
    lookup = front.raw.call("GET", "/v1/lookup?addresses=52:54:00:00:07:99", user=None)
    beat = front.raw.call(
        "POST", "/v1/heartbeat/11111111-0000-4000-8000-00000000ffff",
        {"callback_url": "https://192.0.2.9:9999", "agent_version": "10.0.0", "agent_token": "t" * 32}, user=None)
    assert (lookup.status, lookup.code(), beat.status, beat.code()) == (404, None, 404, None), (lookup.body, beat.body)


CLIENTS = [("operator", command_line), ("admin", sdk), ("auditor", script), (None, ramdisk)]

# What none of these clients did, and nobody shall do after.
NEVER = [
    ("operator", "PUT", "/v1/nodes/x/states/power", {"target": "power off"}),
    ("operator", "PATCH", "/v1/nodes/x", [{"op": "add", "path": "/driver_info/fake_address", "value": "192.0.2.66"}]),
    ("operator", "GET", "/v1/nodes?fields=uuid,driver_info", None),
    ("operator", "GET", "/v1/ports", None),
    ("admin", "PUT", "/v1/nodes/x/states/power", {"target": "power off"}),
    ("admin", "PUT", "/v1/nodes/x/states/provision", {"target": "deleted"}),
    ("admin", "PATCH", "/v1/nodes/x", [{"op": "remove", "path": "/extra/seen"}]),
    ("admin", "POST", "/v1/chassis", {}),
    ("auditor", "GET", "/v1/nodes/detail", None),
    ("auditor", "GET", "/v1/nodes?limit=5&owner=x", None),
    ("auditor", "DELETE", "/v1/nodes/x", None),
    (None, "POST", "/v1/continue_inspection", {"inventory": {}}),
    (None, "GET", "/v1/nodes", None),
]


@pytest.fixture(scope="module")
def front(world, gated, tmp_path_factory):
    """A second irongate in front of the same Ironic, first in dry-run, with policies that permit very little."""
    folder = tmp_path_factory.mktemp("rollout")
    (folder / "nothing").mkdir()
    (folder / "nothing" / "nothing.cedar").write_text('permit (principal in Role::"nobody", action == Action::"api:root", resource);\n')
    port, admin_port = gate.free_ports(2)
    stands = gate.Gate(binary(), world.ironic.environment, folder / "gate", port, admin_port)
    made = SimpleNamespace(
        gate=stands, folder=folder, url=stands.url, authority=stands.authority, passwords=world.passwords, ironic=world.ironic)
    made.prepare = lambda policies, mode: stands.prepare(
        world.passwords, f"unix:{world.ironic.socket}", policies, mode=mode, cost=4)
    made.prepare([folder / "nothing"], "shadow")
    stands.start()
    made.raw = Raw(port=port, authority=stands.authority, passwords=world.passwords)
    yield made
    stands.stop()


def irongate(*arguments):
    """Run a command of irongate's."""
    done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_from_dry_run_to_least_privilege(front):
    """The whole way, from the log alone."""
    for user, client in CLIENTS:
        client(front, user)
    front.gate.stop()  # its last records are written
    log = front.folder / "shadow.jsonl"
    front.gate.audit.rename(log)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    let_through = [record for record in records if record["decision"] == "permit"]
    assert len(let_through) > 15, records
    assert all(record["mode"] == "shadow" and record["would_be"]["decision"] == "deny" for record in let_through)
    assert "hunter2" not in log.read_text()

    learned = front.folder / "learned"
    code, told = irongate("policy", "learn", log, "-o", learned)
    assert code == 0, told
    assert sorted(path.name for path in learned.glob("*.cedar")) == [
        "anonymous.cedar", "basic-admin.cedar", "basic-auditor.cedar", "basic-operator.cedar"]
    code, told = irongate("policy", "validate", learned)
    assert code == 0, told
    code, told = irongate("policy", "test", learned)
    assert code == 0, told
    code, told = irongate("policy", "replay", log, "--policies", learned)
    assert code == 0 and " 0 new denials, 0 new permits, 0 incomplete" in told, told

    front.prepare([learned], "enforce")
    front.gate.start()
    for user, client in CLIENTS:
        client(front, user)
    refused = []
    for user, method, target, body in NEVER:
        answer = front.raw.call(method, target, body, user=user, version="1.95")
        refused.append((user, method, target, answer.status))
    assert refused == [(user, method, target, 403 if user else 401) for user, method, target, _ in NEVER]
    front.gate.stop()
    enforced = [json.loads(line) for line in front.gate.audit.read_text().splitlines()]
    denied = [record for record in enforced if record["decision"] == "deny"]
    assert len(denied) == len(NEVER), denied
    assert all(record["mode"] == "enforce" and "would_be" not in record for record in enforced)
    # And the report of the dry-run says what was learned.
    page = front.folder / "report.html"
    code, told = irongate("policy", "report", log, "--policies", learned, "-o", page)
    assert code == 0, told
    text = page.read_text()
    assert "Nothing would break" in text and re.search(r"learned\.basic-admin\.node:set_power_state", text)


@pytest.mark.parametrize("theirs, ours, alike", [
    ("200", "403", False), ("exit code 0", "exit code 1", False), ("30 policy file(s)", "37 policy file(s)", False),
    ("19 records: 16 decided as before, 3 new denials", "19 records: 16 decided as before, 0 new denials", False),
    ("19 records: 16 decided as before, 3 new denials", "20 records: 17 decided as before, 3 new denials", True),
    ("basic:admin: 14 calls of 3 operations", "basic:admin: 15 calls of 3 operations", True),
    ("basic:auditor: 2 calls of 2 operations", "basic:auditor: 3 calls of 2 operations", False),
    ("at 2026-11-22T23:21:11Z", "at 2026-11-23T08:52:50Z", True), ("revision " + "a" * 32, "revision " + "b" * 32, True),
])
def test_what_a_guide_is_compared_by(theirs, ours, alike):
    """The judge is judged."""
    assert (guide.likeness(theirs) == guide.likeness(ours)) == alike


def test_the_guide(gated, tmp_path):
    """Every command of docs/rollout.md, against a demo of its own, prints what the guide says."""
    port, admin_port = gate.free_ports(2)
    variables = os.environ | {
        "IRONGATE_DEMO_DIR": str(tmp_path), "IRONGATE_DEMO_PORT": str(port), "IRONGATE_DEMO_ADMIN_PORT": str(admin_port),
        "IRONGATE_BINARY": str(binary())}

    def run(*words):
        return subprocess.run(words, env=variables, capture_output=True, text=True, timeout=300)

    up = run(ROOT / "demo" / "up")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        done = run(sys.executable, ROOT / "tests" / "guide.py", ROOT / "docs" / "rollout.md")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        run(ROOT / "demo" / "down")
