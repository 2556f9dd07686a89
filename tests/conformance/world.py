"""What a test talks to: a real Ironic, a tap that records what reaches it, and irongate in front.

With IRONGATE_BARE=1 there is no irongate: the same calls reach Ironic through the tap alone. That is how a call in these
tests is checked to be one that Ironic itself answers as expected.
"""

import json
import os
import time
from pathlib import Path

import jsonschema
from raw import Raw
from stack import environment, gate, ironic

NOVA = '\n[[binding]]\nrole = "nova-compute"\nusers = ["nova"]\n'
ROOT = Path(__file__).resolve().parent.parent.parent
BARE = os.environ.get("IRONGATE_BARE") == "1"


def binary():
    """The irongate to test."""
    return Path(os.environ.get("IRONGATE_BINARY") or ROOT / "target" / "debug" / "irongate").absolute()


class World:
    """An Ironic, its tap, and irongate in front of it, all in one folder."""

    def __init__(self, folder, name, tapped=True, gated=True):
        self.folder = Path(folder) / name
        self.gated = gated and not BARE
        self.ironic = ironic.Ironic(environment.ensure(print), self.folder / "ironic")
        self.passwords = {role: f"pass-{role}" for role in gate.ROLES}
        self.gate = self.tap = None
        self.ironic.start()
        self.direct = Raw(path=self.ironic.socket)
        port, admin_port = gate.free_ports(2)
        upstream = f"unix:{self.ironic.socket}"
        if tapped:
            from tap import Tap
            path = self.ironic.socket.parent / "tap.sock"
            self.tap = Tap(self.ironic.socket, path, None if self.gated else port)
            upstream = f"unix:{path}"
        if not self.gated:
            self.url, self.authority = f"http://localhost:{port}", None
            self.raw = Raw(port=port) if tapped else self.direct
            return
        self.gate = gate.Gate(binary(), self.ironic.environment, self.folder / "gate", port, admin_port)
        self.gate.prepare(self.passwords, upstream, [ROOT / "policies" / "roles", ROOT / "policies" / "guard"], cost=4)
        self.gate.start()
        self.url, self.authority = self.gate.url, self.gate.authority
        self.raw = Raw(port=port, authority=self.authority, passwords=self.passwords)

    def close(self):
        """End everything that was started."""
        if self.gate:
            self.gate.stop()
        self.ironic.stop()
        if self.gate:
            check_records(self.gate.audit)

    def records(self, request_id=None, count=1, seconds=5):
        """The audit records (of one request id, if given); waits until there are enough of them."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.gate.audit.read_text() if self.gate.audit.exists() else ""
            lines = text[: text.rfind("\n") + 1].splitlines()  # the last line may still be being written
            found = [json.loads(line) for line in lines if request_id is None or request_id in line]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def reached(self, node, state, seconds=30):
        """Wait until a node is in a provision state, asking Ironic itself."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.direct.call("GET", f"/v1/nodes/{node}?fields=provision_state,last_error,reservation").json()
            if now.get("provision_state") == state and now.get("reservation") is None:
                return
            assert time.monotonic() < deadline, f"{node} is {now} and not {state}"
            time.sleep(0.05)


def check_records(file):
    """Every record is as `docs/audit.schema.json` says."""
    if not file.exists():
        return
    validator = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "audit.schema.json").read_text()))
    for line in file.read_text().splitlines():
        wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(json.loads(line))]
        assert not wrong, (wrong, line)


def environment_of(world, user):
    """What an unchanged OpenStack client reads from its environment to reach a world."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    variables |= {
        "OS_AUTH_TYPE": "http_basic", "OS_ENDPOINT": world.url, "OS_USERNAME": user, "OS_PASSWORD": world.passwords[user],
        "OS_CLIENT_CONFIG_FILE": "/nonexistent", "NO_PROXY": "*",
    }
    if world.authority:
        variables["OS_CACERT"] = str(world.authority)
    return variables


def with_nova(folder):
    """A world with one node that is available as an operator leaves it to nova, and the user `nova` with the role nova-compute."""
    made = World(folder, "nova")
    try:
        made.gate.stop()
        htpasswd = made.gate.state / "htpasswd"
        users = dict(line.split(":", 1) for line in htpasswd.read_text().splitlines())
        htpasswd.write_text(f"{htpasswd.read_text().strip()}\nnova:{users['auditor']}\n")
        made.passwords["nova"] = made.passwords["auditor"]
        made.gate.configuration.write_text(made.gate.configuration.read_text() + NOVA)
        made.gate.start()
        made.node = enrolled(made)
        return made
    except BaseException:
        made.close()
        raise


def enrolled(world):
    """A node as an operator leaves it to nova."""
    call = world.direct.call
    node = call("POST", "/v1/nodes", {
        "name": "metal", "driver": "fake-hardware", "resource_class": "baremetal", "driver_info": {"fake_address": "192.0.2.8"},
        "properties": {"cpus": 4, "memory_mb": 4096, "local_gb": 40, "cpu_arch": "x86_64", "capabilities": "boot_mode:uefi"}}).json()["uuid"]
    assert call("PUT", f"/v1/nodes/{node}/traits", {"traits": ["CUSTOM_FAST"]}).status == 204
    assert call("POST", "/v1/ports", {"node_uuid": node, "address": "52:54:00:00:02:01"}).status == 201
    assert call("POST", "/v1/volume/connectors", {"node_uuid": node, "type": "iqn", "connector_id": "iqn.2026-01.example:metal"}).status == 201
    for target, state in (("manage", "manageable"), ("provide", "available")):
        call("PUT", f"/v1/nodes/{node}/states/provision", {"target": target})
        world.reached(node, state)
    call("PUT", f"/v1/nodes/{node}/states/power", {"target": "power off"})
    world.reached(node, "available")
    return node
