"""Records where OpenStack's own tools read them, and files that are rotated under a running irongate."""

import json
import os
import signal
import time
import warnings

import pytest
from pycadf import attachment, cadftype, credential, event, host, reason, resource
from stack import gate as gates
from world import ROOT

N = "55555555-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def events(world, gated, tmp_path_factory):
    """A gate of our own that writes CADF events."""
    port, admin_port = gates.free_ports(2)
    gate = gates.Gate(world.gate.binary, world.ironic.environment, tmp_path_factory.mktemp("cadf"), port, admin_port)
    gate.prepare(world.passwords, f"unix:{world.tap.path}", [ROOT / "policies" / "roles"], cost=4)
    gate.configuration.write_text(gate.configuration.read_text().replace("[audit]\n", '[audit]\ncadf_file = "cadf.jsonl"\n'))
    gate.start()
    yield gate, type(world.raw)(port, authority=gate.authority, passwords=world.passwords)
    gate.stop()


def loaded(document):
    """The event as pycadf's own types; their setters refuse what is not CADF."""
    def of(kind, document, **parts):
        made = dict(document, **parts)
        made.pop("typeURI", None) if kind is event.Event else None
        own = {name: made[name] for name in kind.__init__.__code__.co_varnames if name in made}
        built = kind(**own)
        for name in set(made) - set(own):  # what OpenStack's own middleware adds in the same way
            setattr(built, name, made[name])
        return built

    who = dict(document["initiator"])
    parts = {"credential": of(credential.Credential, who["credential"])}
    if "host" in who:
        parts["host"] = of(host.Host, who["host"])
    return of(
        event.Event, {name: value for name, value in document.items() if name not in ("attachments", "tags", "requestPath")},
        initiator=of(resource.Resource, who, **parts),
        target=of(resource.Resource, document["target"]),
        observer=of(resource.Resource, document["observer"]),
        reason=of(reason.Reason, document["reason"]),
    )


def test_pycadf_takes_the_events(world, events):
    """Every event becomes pycadf's objects, all of them valid, and says what happened to which node."""
    gate, raw = events
    world.direct.call("POST", "/v1/nodes", {"uuid": N, "name": "recorded", "driver": "fake-hardware"})
    calls = [
        ("GET", f"/v1/nodes/{N}", None, "admin", "read", "success"),
        ("GET", "/v1/nodes?limit=3", None, "auditor", "read/list", "success"),
        ("PATCH", f"/v1/nodes/{N}", [{"op": "add", "path": "/driver_info/redfish_password", "value": "hunter2"}], "admin", "update", "success"),
        ("PUT", f"/v1/nodes/{N}/maintenance", {"reason": "hunter2"}, "auditor", "update/set_maintenance", "failure"),
        ("GET", "/v1/nodes/no-such-node", None, "auditor", "read", "failure"),
    ]
    for method, target, body, user, _, _ in calls:
        raw.call(method, target, body, user=user)
    file = gate.state / "cadf.jsonl"
    deadline = time.monotonic() + 5
    while file.read_text().count("\n") < len(calls) and time.monotonic() < deadline:
        time.sleep(0.02)
    text = file.read_text()
    assert "hunter2" not in text
    documents = [json.loads(line) for line in text.splitlines()]
    assert len(documents) == len(calls)
    for document, (_, target, _, user, action, outcome) in zip(documents, calls):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ids that are no UUID: users of htpasswd have names
            made = loaded(document)
            for add, part in [(made.add_tag, tag) for tag in document["tags"]]:
                add(part)
            for part in document["attachments"]:
                made.add_attachment(attachment.Attachment(part["typeURI"], part["content"], part["name"]))
        assert made.is_valid() and made.initiator.is_valid() and made.target.is_valid() and made.reason.is_valid()
        assert made.typeURI == cadftype.CADF_VERSION_1_0_0 + "event"
        assert (made.action, made.outcome, made.initiator.id) == (action, outcome, user), document
        assert N not in target or made.target.id == N
        assert json.loads(json.dumps(made.as_dict()))["reason"]["reasonCode"] == document["reason"]["reasonCode"]


def test_rotation(events):
    """USR1 after a rename: what comes later is in the new file, and no line is lost."""
    gate, raw = events
    pid = gate.running()
    before = raw.call("GET", "/v1").header("x-openstack-request-id")
    moved = gate.audit.with_suffix(".1")
    deadline = time.monotonic() + 5
    while before not in gate.audit.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.rename(gate.audit, moved)
    os.kill(pid, signal.SIGUSR1)
    while not gate.audit.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    after = raw.call("GET", "/v1").header("x-openstack-request-id")
    while after not in gate.audit.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert before in moved.read_text() and after in gate.audit.read_text()
    assert after not in moved.read_text()
