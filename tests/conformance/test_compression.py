"""With `compression = true`: do the unchanged clients get from a real Ironic what they get without?"""

import json
import subprocess
from contextlib import closing

import openstack
import pytest
import requests
from world import World, environment_of

NODES = 40
SECRET = "canary-packed-7e57"


@pytest.fixture(scope="module")
def packed(tmp_path_factory, gated):
    """An Ironic with some nodes, behind an irongate that compresses."""
    made = World(tmp_path_factory.mktemp("packed"), "packed", tapped=True)
    text = made.gate.configuration.read_text()
    made.gate.configuration.write_text(text.replace('name = "public"', 'name = "public"\ncompression = true'))
    made.gate.stop()
    made.gate.start()
    try:
        for number in range(NODES):
            node = {"name": f"packed-{number}", "driver": "fake-hardware", "driver_info": {"redfish_password": SECRET},
                    "extra": {"note": f"rack {number}"}}
            assert made.direct.call("POST", "/v1/nodes", node).status == 201
        yield made
    finally:
        made.close()


def ask(world, accept):
    """The list of nodes with details, by requests, with what it accepts."""
    answer = requests.get(
        f"{world.url}/v1/nodes/detail", auth=("admin", world.passwords["admin"]), verify=str(world.authority),
        headers={"Accept-Encoding": accept, "X-OpenStack-Ironic-API-Version": "1.80"}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def test_requests(packed):
    """What requests sends by itself is answered packed; unpacked it is the same list, byte for byte."""
    usual = requests.utils.default_headers()["Accept-Encoding"]
    assert "gzip" in usual
    mark = packed.tap.mark()
    whole, plain = ask(packed, usual), ask(packed, "identity")
    assert whole.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert whole.content == plain.content and len(whole.json()["nodes"]) == NODES
    assert SECRET not in whole.text and whole.text.count("******") >= NODES
    # Ironic is asked for plain answers, whatever the caller takes.
    arrived = packed.tap.since(mark)
    assert len(arrived) == 2
    assert not [request for request in arrived if "accept-encoding" in str(request).lower()]


def test_openstacksdk(packed):
    """openstacksdk reads every node."""
    with closing(openstack.connect(
            load_yaml_config=False, load_envvars=False, auth_type="http_basic", endpoint=packed.url, username="admin",
            password=packed.passwords["admin"], cacert=str(packed.authority), baremetal_endpoint_override=packed.url)) as cloud:
        nodes = list(cloud.baremetal.nodes(details=True))
    assert len(nodes) == NODES and all(node.driver_info["redfish_password"] == "******" for node in nodes)


def test_openstack_baremetal(packed):
    """The `openstack baremetal` command lists and shows them."""
    command = [packed.ironic.environment / "bin" / "openstack", "baremetal", "node"]
    run = lambda *words: subprocess.run(  # noqa: E731
        [*command, *words, "-f", "json"], env=environment_of(packed, "admin"), capture_output=True, text=True, check=True)
    listed = json.loads(run("list", "--long").stdout)
    assert len(listed) == NODES
    shown = run("show", "packed-7").stdout
    assert json.loads(shown)["extra"] == {"note": "rack 7"} and SECRET not in shown
