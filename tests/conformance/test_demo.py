"""The demo from end to end: up, up again, the lines that it prints, down, and nothing left behind."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from stack import gate, service
from world import ROOT, binary


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo on ports of its own, with the irongate that is being tested."""
    if os.environ.get("IRONGATE_BARE") == "1":
        pytest.skip("there is no irongate to demonstrate")
    state = tmp_path_factory.mktemp("demo")
    port, admin_port = gate.free_ports(2)
    variables = os.environ | {
        "IRONGATE_DEMO_DIR": str(state), "IRONGATE_DEMO_PORT": str(port), "IRONGATE_DEMO_ADMIN_PORT": str(admin_port),
        "IRONGATE_BINARY": str(binary())}

    def run(name):
        return subprocess.run([ROOT / "demo" / name], env=variables, capture_output=True, text=True, timeout=300)

    yield run, Path(state), port
    run("down")


def curl(output):
    """The curl lines of an output, run as they are."""
    answers = []
    for line in re.findall(r"^  (curl .*)$", output, re.MULTILINE):
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        answers.append(done.stdout)
    return answers


def test_demo(demo):
    """The whole demo."""
    run, state, port = demo
    up = run("up")
    assert up.returncode == 0, up.stdout + up.stderr
    permitted, denied, masked = curl(up.stdout)
    assert {node["name"] for node in json.loads(permitted)["nodes"]} == {"demo-1", "demo-2"}
    refusal = json.loads(denied)
    assert refusal["irongate"]["code"] and json.loads(refusal["error_message"])["faultstring"], denied
    driver_info = json.loads(masked)["driver_info"]
    assert driver_info["redfish_password"] == driver_info["snmp_community"] == "******"
    assert driver_info["fake_username"] == "root" and "images:" not in driver_info["deploy_kernel"].replace("images:******", "")

    for password in json.loads((state / "passwords.json").read_text()).values():
        assert password not in up.stdout
    for path in ("passwords.json", "irongate/htpasswd", "irongate/admin.netrc", "irongate/server.key", "irongate/audit.jsonl"):
        assert (state / path).stat().st_mode & 0o077 == 0, path

    again = run("up")
    assert again.returncode == 0 and again.stdout.count("is running already") == 2, again.stdout + again.stderr
    assert "enrolled" not in again.stdout

    pids = [service.read(state / name)["pid"] for name in ("ironic/ironic.pid", "irongate/irongate.pid")]
    socket_folder = Path((state / "ironic" / "socket-path").read_text()).parent
    down = run("down")
    assert down.returncode == 0 and "irongate is ended" in down.stdout and "Ironic is ended" in down.stdout, down.stdout + down.stderr
    assert not any(service.members(pid) for pid in pids)
    assert not socket_folder.exists() and gate.port_free(port)
    assert "was not running" in run("down").stdout

    third = run("up")  # nodes, users and certificates are still there
    assert third.returncode == 0 and "enrolled" not in third.stdout, third.stdout + third.stderr
    assert json.loads(curl(third.stdout)[0])["nodes"]


def test_a_stranger_is_not_ended(demo, tmp_path):
    """A pid file that names another program's pid ends nothing."""
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        pid_file = tmp_path / "some.pid"
        pid_file.write_text(json.dumps({"pid": stranger.pid, "started": 1, "boot": service.boot()}))
        assert service.running(pid_file) is None and not service.stop(pid_file)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_in_use_is_named(demo):
    """The message says which port, and what is to be done."""
    run, _, _ = demo
    import socket
    run("down")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", demo[2]))
        taken.listen()
        up = run("up")
    assert up.returncode == 2 and f"port {demo[2]}" in up.stderr and "IRONGATE_DEMO_PORT" in up.stderr, up.stderr
