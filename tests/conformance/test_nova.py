"""nova's own virt driver under the role nova-compute, in front of a real Ironic; and the calls that nova never makes."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from stack import environment
from world import ROOT, with_nova

HERE = Path(__file__).resolve().parent
IDENTIFIER = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The nodes that the cases are written for.
CASE_NODE = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123"

# Every call that nova 29 to 34 makes of an Ironic that it knows; the driver's run below makes them all, and no other.
CALLS = {
    "GET /", "GET /v1", "GET /v1/nodes", "GET /v1/nodes/ID", "PATCH /v1/nodes/ID", "GET /v1/nodes/ID/validate", "PUT /v1/nodes/ID/states/power",
    "PUT /v1/nodes/ID/states/provision", "PUT /v1/nodes/ID/management/inject_nmi", "GET /v1/nodes/ID/states/console",
    "PUT /v1/nodes/ID/states/console", "POST /v1/nodes/ID/vifs", "DELETE /v1/nodes/ID/vifs/ID", "GET /v1/ports/detail",
    "GET /v1/portgroups/detail", "GET /v1/volume/connectors", "GET /v1/volume/targets", "POST /v1/volume/targets",
    "DELETE /v1/volume/targets/ID",
}


@pytest.fixture(scope="module")
def nova(tmp_path_factory, gated):
    """An Ironic with a node that is available, behind irongate, and nova's user."""
    made = with_nova(tmp_path_factory.mktemp("nova"))
    yield made
    made.close()


def test_the_real_driver(nova, tmp_path):
    """Everything that nova-compute has its driver do: from the first look at the nodes to the end of an instance, and failures."""
    python = environment.ensure(print, environment.NOVA) / "bin" / "python"
    settings = {
        "url": nova.url, "ca": str(nova.authority), "user": "nova", "password": nova.passwords["nova"], "node": nova.node,
        "direct": str(nova.ironic.socket), "folder": str(tmp_path)}
    mark = nova.tap.mark()
    done = subprocess.run([python, HERE / "nova_compute.py", json.dumps(settings)], capture_output=True, text=True, timeout=300)
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    failures = [step["step"] + "\n" + step["failure"] for step in steps if "failure" in step]
    assert not failures and done.returncode == 0 and len(steps) > 15, "\n".join(failures) + done.stderr[-3000:]

    calls = set()
    for arrival in nova.tap.since(mark):
        method, target, _ = arrival.line.split(" ")
        calls.add(f"{method} {IDENTIFIER.sub('ID', target.split('?')[0])}")
    assert calls == CALLS, calls ^ CALLS
    records = [record for record in nova.records() if record.get("principal", {}).get("name") == "nova"]
    refused = [record for record in records if record["decision"] != "permit"]
    assert len(records) > 100 and not refused, refused
    told = nova.gate.audit.read_text() + nova.gate.log.read_text()
    for secret in ("chap-secret", "of-the-tenant", "admin-pass"):
        assert secret not in told, secret


def never():
    """The cases of the role's own file, a request each."""
    written = yaml.safe_load((ROOT / "policies" / "tests" / "nova-compute-never.yaml").read_text())
    default = written["defaults"]["microversion"].removeprefix("1.")
    for case in written["cases"]:
        assert case["expect"] == "deny", case
        for request in case.get("requests") or [case["request"]]:
            method, target = request.split(" ", 1)
            yield case["name"], method, target, case.get("body"), case.get("microversion", f"1.{default}")


def test_what_nova_never_asks(nova):
    """Each is refused with 403, of the policy's own word, and nothing of it reaches Ironic."""
    mark = nova.tap.mark()
    wrong, count = [], 0
    for name, method, target, body, version in never():
        count += 1
        answer = nova.raw.call(method, target.replace(CASE_NODE, nova.node), body, user="nova", version=version)
        if answer.status != 403:
            wrong.append(f"{name}: {method} {target[:100]} {json.dumps(body)[:200]}: {answer.status} {answer.code()}")
    assert not wrong, "\n".join(wrong)
    assert count > 170, count
    assert not nova.tap.since(mark)
