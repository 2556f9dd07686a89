"""The role nova-compute against a real Ironic: nova's calls with openstacksdk, in nova's order, and calls that nova never makes."""

import base64
import gzip
import os
from contextlib import closing
from urllib.parse import urlencode

import openstack
import pytest
from openstack import exceptions
from world import with_nova

NODE_FIELDS = ["uuid", "power_state", "target_power_state", "provision_state", "target_provision_state", "last_error",
               "maintenance", "properties", "instance_uuid", "traits", "resource_class"]
INSTANCE = "22222222-0000-4000-8000-000000000001"
VIF = "22222222-0000-4000-8000-000000000002"
IMAGE = "22222222-0000-4000-8000-000000000003"
OTHER = "22222222-0000-4000-8000-000000000004"


@pytest.fixture(scope="module")
def nova(tmp_path_factory, gated):
    """An Ironic with a node that is available, behind irongate, and nova's user."""
    made = with_nova(tmp_path_factory.mktemp("nova"))
    yield made
    made.close()


def connection(world):
    """openstacksdk as nova sets it up, with HTTP basic in Keystone's place."""
    return openstack.connection.Connection(
        auth_type="http_basic", username="nova", password=world.passwords["nova"], endpoint=world.url,
        baremetal_endpoint_override=world.url, cacert=str(world.authority), app_name="nova-compute")


def metadata(*keys):
    """The changes of instance_info as nova's patcher writes them."""
    values = {
        "image_source": IMAGE, "root_gb": "10", "swap_mb": "0", "display_name": "vm", "vcpus": "4", "nova_host_id": "compute",
        "memory_mb": "4096", "local_gb": "40", "project_id": "p", "project_name": "demo", "user_id": "u", "user_name": "demo",
        "flavor_name": "bm", "fixed_ips": "[]", "floating_ips": "[]", "capabilities": '{"boot_mode": "uefi"}',
        "traits": ["CUSTOM_A", "CUSTOM_A"], "preserve_ephemeral": "False"}
    return [{"op": "add", "path": f"/instance_info/{key}", "value": values[key]} for key in (keys or values)]


def test_life_of_an_instance(nova):
    """Spawn, power, console, volumes, rescue, rebuild and destroy: every call passes."""
    drive = base64.b64encode(gzip.compress(os.urandom(200_000))).decode()
    with closing(connection(nova)) as cloud:
        metal, uuid = cloud.baremetal, nova.node
        assert [node.id for node in metal.nodes(fields=NODE_FIELDS)] == [uuid]
        assert not list(metal.nodes(fields=NODE_FIELDS, instance_id=INSTANCE))
        assert not list(metal.nodes(fields=NODE_FIELDS, conductor_group="elsewhere"))
        assert not list(metal.nodes(fields=NODE_FIELDS, shard="elsewhere"))
        node = metal.get_node(uuid, fields=NODE_FIELDS)

        # prepare_for_spawn, spawn
        metal.update_node(node, retry_on_conflict=False, instance_id=INSTANCE)
        assert [found.id for found in metal.nodes(fields=NODE_FIELDS, instance_id=INSTANCE)] == [uuid]
        connectors = list(metal.volume_connectors(details=True, node=uuid))
        assert connectors[0].connector_id == "iqn.2026-01.example:metal"
        metal.create_volume_target(
            node_id=uuid, volume_type="iscsi", properties={"target_portal": "192.0.2.3:3260", "auth_password": "chap"}, boot_index=0,
            volume_id=OTHER)
        metal.patch_node(uuid, metadata())
        # the SDK's own way, with an image that this Ironic can deploy without Glance
        nova.direct.call("PATCH", f"/v1/nodes/{uuid}", [
            {"op": "add", "path": "/instance_info/image_source", "value": "http://192.0.2.9/i"},
            {"op": "add", "path": "/instance_info/image_checksum", "value": "0" * 32},
            {"op": "remove", "path": "/instance_info/traits"}])
        metal.validate_node(uuid, required=None)
        list(metal.ports(details=True, node=uuid))
        list(metal.port_groups(details=True, node=uuid))
        metal.attach_vif_to_node(uuid, VIF, retry_on_conflict=False)
        node = metal.set_node_provision_state(uuid, "active", config_drive=drive)
        assert node.id == uuid
        nova.reached(uuid, "active")

        # power, crash dump
        for target in ("power off", "power on", "rebooting", "soft rebooting", "soft power off", "power on"):
            metal.set_node_power_state(uuid, target)
            nova.reached(uuid, "active")
        answered(lambda: metal.inject_nmi_to_node(uuid))

        # console
        answered(lambda: metal.disable_node_console(uuid))
        answered(lambda: metal.enable_node_console(uuid))
        nova.reached(uuid, "active")
        answered(lambda: metal.get_node_console(uuid))
        metal.get_node(uuid, fields=["uuid", "driver_internal_info"])

        # rescue, unrescue, rebuild
        metal.set_node_provision_state(uuid, "rescue", rescue_password="of-the-tenant")
        nova.reached(uuid, "rescue")
        metal.set_node_provision_state(uuid, "unrescue")
        nova.reached(uuid, "active")
        metal.patch_node(uuid, metadata("preserve_ephemeral", "display_name"))
        metal.set_node_provision_state(uuid, "rebuild", config_drive=drive)
        nova.reached(uuid, "active")

        # destroy
        metal.set_node_provision_state(uuid, "deleted")
        nova.reached(uuid, "available")
        for target in metal.volume_targets(details=True, node=uuid):
            answered(lambda found=target: metal.delete_volume_target(found.id))  # not while the power is on
        answered(lambda: metal.detach_vif_from_node(uuid, VIF))
        metal.patch_node(uuid, [{"op": "add", "path": "/instance_info", "value": {}}, {"op": "add", "path": "/instance_uuid", "value": None}])
        assert metal.get_node(uuid, fields=NODE_FIELDS).instance_id is None


def answered(call):
    """Whatever Ironic's driver says to it, irongate let it through."""
    try:
        call()
    except exceptions.ForbiddenException:
        raise
    except exceptions.HttpException as error:
        assert error.status_code in (400, 404, 409), error


NEVER = [
    ("GET", "/v1/nodes", None), ("GET", "/v1/nodes/detail", None), ("GET", "/v1/nodes?fields=uuid%2Cdriver_info", None),
    ("GET", "/v1/nodes/{node}?fields=driver_info", None), ("DELETE", "/v1/nodes/{node}", None), ("POST", "/v1/nodes", {"driver": "fake-hardware"}),
    ("PATCH", "/v1/nodes/{node}", [{"op": "add", "path": "/driver_info/fake_address", "value": "192.0.2.66"}]),
    ("PATCH", "/v1/nodes/{node}", [{"op": "add", "path": "/owner", "value": "p"}]),
    ("PATCH", "/v1/nodes/{node}", [{"op": "add", "path": "/instance_info/image_source", "value": "file:///etc/shadow"}]),
    ("PATCH", "/v1/nodes/{node}", [{"op": "add", "path": "/instance_info", "value": {"ks_template": "x"}}]),
    ("PUT", "/v1/nodes/{node}/maintenance", {}), ("PUT", "/v1/nodes/{node}/states/provision", {"target": "manage"}),
    ("PUT", "/v1/nodes/{node}/states/provision", {"target": "clean", "clean_steps": [{"interface": "bios", "step": "factory_reset"}]}),
    ("PUT", "/v1/nodes/{node}/states/power", {"target": "power off", "timeout": 5}), ("GET", "/v1/ports", None), ("GET", "/v1/ports/detail", None),
    ("POST", "/v1/nodes/{node}/vifs", {"id": VIF, "port_uuid": OTHER}), ("GET", "/v1/nodes/{node}/vifs", None), ("GET", "/v1/drivers", None),
    ("GET", "/v1/conductors", None), ("POST", "/v1/nodes/{node}/vendor_passthru?method=first_method", {}), ("GET", "/v1/volume/targets", None),
    ("GET", "/v1/allocations", None), ("POST", "/v1/runbooks", {}), ("GET", "/v1/lookup?" + urlencode({"node_uuid": OTHER}), None),
]


@pytest.mark.parametrize("method, path, body", NEVER, ids=lambda value: value if isinstance(value, str) else "")
def test_never(nova, method, path, body):
    """Refused, and nothing reaches Ironic."""
    mark = nova.tap.mark()
    answer = nova.raw.call(method, path.format(node=nova.node), body, user="nova", version="1.109")
    assert answer.status == 403, answer
    assert not nova.tap.since(mark)
