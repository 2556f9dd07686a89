"""One record for each request, on every way out, and no secret in any of them."""

import json
import subprocess
import time
from base64 import b64encode
from contextlib import closing

import pytest
from stack import gate as gates
from stack import service
from world import ROOT, World

SECRET = "hunter3-of-the-records"
N = "44444444-0000-4000-8000-000000000001"


@pytest.fixture(scope="module", autouse=True)
def node(world, gated):
    """The node that all of them are about."""
    world.direct.call("POST", "/v1/nodes", {"uuid": N, "name": "audited", "driver": "fake-hardware"})


def record_of(world, answer):
    """The one record of an answer."""
    records = world.records(answer.header("x-openstack-request-id"))
    assert len(records) == 1, records
    return records[0]


@pytest.mark.parametrize("user, method, target, body, status, facts", [
    ("admin", "GET", f"/v1/nodes/{N}", None, 200, {"operation": "node:get", "decision": "permit", "id": N}),
    ("admin", "PATCH", f"/v1/nodes/{N}", [{"op": "add", "path": "/driver_info/redfish_password", "value": SECRET}], 200,
     {"decision": "permit", "id": N, "writes": ["/driver_info/redfish_password"]}),
    ("auditor", "PUT", f"/v1/nodes/{N}/states/power", {"target": "power off"}, 403,
     {"operation": "node:set_power_state", "decision": "deny", "stage": "authorize", "id": N}),
    ("auditor", "GET", "/v1/nodes/no-such-node", None, 404, {"decision": "permit", "id": "no-such-node", "upstream_status": 404}),
    (None, "GET", "/v1/nodes", None, 401, {"decision": "deny", "stage": "authorize"}),
    ("admin", "GET", "/v1/nodes?nope=1", None, 400, {"decision": "none", "stage": "route", "reason": "unknown_query"}),
    ("admin", "GET", "/v1/nowhere", None, 404, {"decision": "none", "stage": "route", "operation": None}),
    ("admin", "POST", "/v1/nodes", {"driver": "fake-hardware", "driver_info": {"redfish_password": SECRET, "x": {"y": 1}}, "nope": 1}, 400,
     {"operation": "node:create", "stage": "validate"}),
], ids=lambda value: str(value)[:30])
def test_recorded(world, user, method, target, body, status, facts):
    """Who, what and how it ended; field names, never values."""
    answer = world.raw.call(method, target, body, user=user)
    assert answer.status == status, answer.body
    record = record_of(world, answer)
    found = record | {"id": record.get("resource", {}).get("id"), "writes": [write["path"] for write in record.get("writes", [])]}
    assert {name: found.get(name) for name in facts} == facts, record
    assert (record["status"], record["outcome"]) == (status, "complete"), record
    assert record["principal"]["name"] == (user or "anonymous"), record
    assert SECRET not in json.dumps(record) and "pass-admin" not in json.dumps(record)


def test_no_secret_anywhere(world):
    """Neither in the records nor in the log: passwords, what was stored, what a query and a path held, credentials as they were sent."""
    stored, asked, named, sent = (f"{SECRET}-{place}" for place in ("stored", "asked", "named", "sent"))
    wrong = b64encode(f"admin:{sent}".encode()).decode()
    patch = [{"op": "add", "path": "/driver_info/snmp_community", "value": stored}, {"op": "add", "path": "/description", "value": stored}]
    answers = [
        (world.raw.call("PATCH", f"/v1/nodes/{N}", patch), 200, None),
        (world.raw.call("GET", f"/v1/nodes?owner={asked}"), 200, None),
        (world.raw.call("GET", f"/v1/nodes?fields={asked}"), 400, "query_value"),
        (world.raw.call("GET", f"/v1/nodes?nope={asked}"), 400, "unknown_query"),
        # A name in the path stands in the record; what is shaped as a secret there does not.
        (world.raw.call("GET", f"/v1/nodes/gAAAAAB{named}{named}"), 404, None),
        (world.raw.call("GET", "/v1/nodes", headers=[("X-Auth-Token", sent)]), 400, "credentials_contradict"),
        (world.raw.call("GET", "/v1/nodes", user=None, headers=[("X-Auth-Token", sent)]), 401, "credential_not_served"),
        (world.raw.call("GET", "/v1/nodes", user=None, headers=[("Authorization", f"Basic {sent}")]), 401, "credential_malformed"),
        (world.raw.call("GET", "/v1/nodes", user=None, headers=[("Authorization", f"Bearer {sent}")]), 401, "credential_not_served"),
        (world.raw.call("GET", "/v1/nodes", user=None, headers=[("Authorization", f"Basic {wrong}")]), 401, "credential_wrong"),
    ]
    records = [record_of(world, answer) for answer, _, _ in answers]
    assert [(answer.status, answer.code()) for answer, _, _ in answers] == [(status, code) for _, status, code in answers]
    assert records[0]["writes"][0]["path"] == "/driver_info/snmp_community" and records[1]["query"] == ["owner"], records
    logs = world.gate.log.read_text() + world.gate.audit.read_text()
    for secret in (stored, asked, named, sent, wrong, SECRET):
        assert secret not in logs, [line for line in logs.splitlines() if secret in line]
    for user in world.passwords:
        assert world.raw.authorization(user).removeprefix("Basic ") not in logs
        assert world.passwords[user] not in logs


def test_client_gone(world):
    """A caller who leaves before the answer leaves a record that says so."""
    before, mark = len(world.records()), world.tap.mark()
    connection = world.raw.open()
    world.tap.delay_seconds = 2
    try:
        connection.sendall(world.raw.bytes("GET", f"/v1/nodes/{N}"))
        deadline = time.monotonic() + 10
        while not world.tap.since(mark):
            assert time.monotonic() < deadline, "the request did not arrive"
            time.sleep(0.01)
        connection.close()
        gone = world.records(count=before + 1, seconds=10)[before:]
        assert [(record["operation"], record["outcome"], record.get("status")) for record in gone] == [("node:get", "aborted", None)], gone
    finally:
        world.tap.delay_seconds = 0


def test_body_never_comes(world):
    """A body that stops half-way leaves a record, and nothing arrives."""
    before, mark = len(world.records()), world.tap.mark()
    connection = world.raw.open()
    connection.sendall(world.raw.bytes(
        "POST", "/v1/nodes", [("Content-Type", "application/json"), ("Content-Length", "100")], b'{"driver"', length=False))
    time.sleep(0.1)
    connection.close()
    left = world.records(count=before + 1, seconds=10)[before:]
    assert [(record["operation"], record["stage"], record["reason"]) for record in left] == [("node:create", "validate", "body_aborted")], left
    assert not world.tap.since(mark)


def test_ironic_gone(tmp_path_factory, gated):
    """502 or 503 in Ironic's shape, with a record, while Ironic is away; and all well again when it is back."""
    with closing(World(tmp_path_factory.mktemp("gone"), "gone", tapped=False)) as own:
        assert own.raw.call("GET", "/v1/nodes").status == 200
        service.stop(own.ironic.pid_file)
        answer = own.raw.call("GET", "/v1/nodes")
        assert answer.status in (502, 503) and answer.fault()["faultstring"], answer
        record = record_of(own, answer)
        assert (record["status"], record["stage"]) == (answer.status, "forward"), record
        assert str(own.ironic.state) not in answer.body.decode()
        deadline = time.monotonic() + 15
        while own.gate.ready():
            assert time.monotonic() < deadline, "ready without an Ironic"
            time.sleep(0.1)
        own.ironic.start()
        assert own.raw.call("GET", "/v1/nodes").status == 200


def test_dry_run(tmp_path_factory, gated, world):
    """`mode = "shadow"`: what would be refused is forwarded, and the record says so; authentication is never in shadow."""
    port, admin_port = gates.free_ports(2)
    gate = gates.Gate(world.gate.binary, world.ironic.environment, tmp_path_factory.mktemp("shadow"), port, admin_port)
    gate.prepare(world.passwords, f"unix:{world.tap.path}", [ROOT / "policies" / "roles", ROOT / "policies" / "guard"], mode="shadow", cost=4)
    gate.start()
    try:
        raw = type(world.raw)(port, authority=gate.authority, passwords=world.passwords)
        answer = raw.call("PUT", f"/v1/nodes/{N}/maintenance", {"reason": "shadow"}, user="auditor")
        assert answer.status == 202, answer
        lines, deadline = [], time.monotonic() + 5
        while not lines and time.monotonic() < deadline:
            lines = [line for line in gate.audit.read_text().splitlines() if answer.header("x-openstack-request-id") in line]
            time.sleep(0.02)
        (record,) = map(json.loads, lines)
        assert (record["mode"], record["decision"], record["would_be"]["decision"]) == ("shadow", "permit", "deny"), record
        assert type(world.raw)(port, authority=gate.authority).call("GET", "/v1/nodes", user="auditor").status == 401
        assert raw.call("GET", "//v1/nodes").status == 400
    finally:
        gate.stop()


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_refusal_is_heard(world, tmp_path, version):
    """A refusal before the body was read reaches the caller whole, every time; with h2 the stream must not be reset under it."""
    if "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("this curl speaks no h2")
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine localhost login auditor password {world.passwords['auditor']}\n")
    for _ in range(40):
        done = subprocess.run(
            ["curl", "-sS", version, "--noproxy", "*", "--cacert", world.authority, "--netrc-file", netrc, "-X", "PUT", "-H",
             "Content-Type: application/json", "-d", '{"target": "power off"}', f"{world.url}/v1/nodes/{N}/states/power"],
            capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and "irongate" in done.stdout, done.stderr
