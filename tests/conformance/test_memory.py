"""A 64 MiB config drive: what irongate needs for it, by the kernel's own count."""

import base64
import os
import re
from pathlib import Path

import pytest

N = "55555555-0000-4000-8000-000000000001"
MEBIBYTE = 1 << 20
DRIVE_BYTES = 48 * MEBIBYTE - 2 * 1024 * 3  # 64 MiB as base64, less room for the rest of the body


def peak(pid):
    """The largest resident size so far, in bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


@pytest.fixture
def node(world, gated):
    """A node that can be deployed."""
    world.direct.call("POST", "/v1/nodes", {"uuid": N, "name": "heavy", "driver": "fake-hardware"})
    for target, state in (("manage", "manageable"), ("provide", "available")):
        if world.direct.call("PUT", f"/v1/nodes/{N}/states/provision", {"target": target}).status == 202:
            world.reached("heavy", state)
    world.direct.call("PATCH", f"/v1/nodes/{N}", [
        {"op": "add", "path": "/instance_info", "value": {"image_source": "http://192.0.2.9/i", "image_checksum": "0" * 32, "root_gb": 5}}])


def test_large_config_drive(world, node):
    """Below three times the size of the body."""
    pid = world.gate.running()
    assert world.raw.call("GET", f"/v1/nodes/{N}").status == 200
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # begin counting the peak anew
    before = peak(pid)
    drive = base64.b64encode(os.urandom(DRIVE_BYTES)).decode()
    answer = world.raw.call("PUT", f"/v1/nodes/{N}/states/provision", {"target": "active", "configdrive": drive})
    grown = peak(pid) - before
    assert answer.status == 202, answer
    world.reached("heavy", "active", seconds=60)
    print(f"a body of {len(drive) / MEBIBYTE:.0f} MiB took {grown / MEBIBYTE:.0f} MiB")
    assert grown < 3 * 64 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB"
    assert drive[:200] not in world.gate.log.read_text() + world.gate.audit.read_text()


def test_too_large_is_refused(world, node):
    """Past the limit: 413, and nothing arrives."""
    mark = world.tap.mark()
    body = b'{"target": "active", "configdrive": "' + b"a" * (90 * MEBIBYTE) + b'"}'
    answer = world.raw.send(world.raw.bytes(
        "PUT", f"/v1/nodes/{N}/states/provision", [("Content-Type", "application/json")], body), timeout=60)
    assert answer.status == 413 and not world.tap.since(mark)
