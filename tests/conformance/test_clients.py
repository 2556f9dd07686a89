"""The clients that operators have, unchanged: the `openstack baremetal` command and openstacksdk, through irongate."""

import json
import subprocess
from contextlib import closing

import openstack
import pytest
from openstack import exceptions
from world import environment_of

STEPS = '[{"interface": "bios", "step": "factory_reset", "args": {}, "order": 1}]'
CLEAN = '[{"interface": "bios", "step": "factory_reset"}]'
SERVICE = '[{"interface": "vendor", "step": "log_passthrough"}]'
DEPLOY = '[{"interface": "bios", "step": "factory_reset", "args": {}, "priority": 50}]'
RULE = '[{"op": "set-attribute", "args": {"path": "/extra/seen", "value": "yes"}}]'
CONDITIONS = '[{"op": "!is-none", "args": {"value": "{inventory.memory.physical_mb}"}}]'
NODE = "11111111-0000-4000-8000-000000000001"
PORT = "11111111-0000-4000-8000-000000000002"
PORTGROUP = "11111111-0000-4000-8000-000000000003"
CONNECTOR = "11111111-0000-4000-8000-000000000004"
TARGET = "11111111-0000-4000-8000-000000000005"
CHASSIS = "11111111-0000-4000-8000-000000000006"
RULE_ID = "11111111-0000-4000-8000-000000000007"
VIF = "11111111-0000-4000-8000-000000000008"

# What an administrator does to one node, in order: the command, and the provision state it leads to.
LIFE = [
    (["driver", "list"], None),
    (["driver", "show", "fake-hardware"], None),
    (["driver", "property", "list", "fake-hardware"], None),
    (["conductor", "list"], None),
    (["conductor", "show", "conductor-1"], None),
    (["chassis", "create", "--uuid", CHASSIS, "--description", "rack 1", "--extra", "row=3"], None),
    (["chassis", "set", CHASSIS, "--description", "rack 2"], None),
    (["chassis", "show", CHASSIS], None),
    (["node", "create", "--driver", "fake-hardware", "--uuid", NODE, "--name", "life", "--resource-class", "baremetal",
      "--driver-info", "fake_address=192.0.2.7", "--driver-info", "redfish_password=hunter2-of-the-bmc",
      "--property", "cpus=8", "--extra", "rack=r1", "--chassis-uuid", CHASSIS], "enroll"),
    (["node", "list", "--fields", "uuid", "name", "driver_info"], None),
    (["node", "list", "--long"], None),
    (["node", "show", "life"], None),
    (["node", "validate", "life"], None),
    (["node", "set", "life", "--description", "a node", "--property", "memory_mb=4096", "--driver-info", "fake_username=root"], None),
    (["node", "unset", "life", "--property", "memory_mb"], None),
    (["node", "manage", "life", "--wait", "30"], "manageable"),
    (["node", "inspect", "life", "--wait", "30"], "manageable"),
    (["port", "create", "52:54:00:00:00:01", "--node", NODE, "--uuid", PORT, "--physical-network", "one"], None),
    (["port", "set", PORT, "--extra", "cable=7"], None),
    (["port", "list", "--node", "life"], None),
    (["port", "show", "--address", "52:54:00:00:00:01"], None),
    (["port", "group", "create", "--node", NODE, "--uuid", PORTGROUP, "--name", "bond", "--address", "52:54:00:00:00:02"], None),
    (["port", "group", "set", "bond", "--mode", "802.3ad"], None),
    (["port", "group", "list", "--node", "life"], None),
    (["node", "add", "trait", "life", "CUSTOM_FAST", "HW_CPU_X86_VMX"], None),
    (["node", "trait", "list", "life"], None),
    (["node", "remove", "trait", "life", "HW_CPU_X86_VMX"], None),
    (["node", "clean", "life", "--clean-steps", CLEAN, "--wait", "30"], "manageable"),
    (["node", "bios", "setting", "list", "life"], None),
    (["node", "firmware", "list", "life"], None),
    (["node", "history", "list", "life"], None),
    (["node", "children", "list", "life"], None),
    (["node", "boot", "device", "set", "life", "pxe", "--persistent"], None),
    (["node", "boot", "device", "show", "life"], None),
    (["node", "boot", "device", "show", "life", "--supported"], None),
    (["node", "console", "enable", "life"], None),
    (["node", "console", "show", "life"], None),
    (["node", "console", "disable", "life"], None),
    (["node", "passthru", "list", "life"], None),
    (["node", "passthru", "call", "life", "second_method", "--http-method", "POST", "--arg", "bar=baz"], None),
    (["node", "provide", "life", "--wait", "60"], "available"),
    (["node", "power", "off", "life"], None),
    (["volume", "connector", "create", "--node", NODE, "--uuid", CONNECTOR, "--type", "iqn",
      "--connector-id", "iqn.2026-01.example:life"], None),
    (["volume", "connector", "list"], None),
    (["volume", "target", "create", "--node", NODE, "--uuid", TARGET, "--type", "iscsi", "--boot-index", "0",
      "--volume-id", "volume-1", "--property", "auth_password=chap-of-the-volume"], None),
    (["volume", "target", "show", TARGET], None),
    (["volume", "target", "delete", TARGET], None),
    (["volume", "connector", "delete", CONNECTOR], None),
    (["deploy", "template", "create", "CUSTOM_GOLD", "--steps", DEPLOY], None),
    (["deploy", "template", "show", "CUSTOM_GOLD"], None),
    (["deploy", "template", "delete", "CUSTOM_GOLD"], None),
    (["runbook", "create", "--name", "CUSTOM_BOOK", "--steps", STEPS], None),
    (["runbook", "show", "CUSTOM_BOOK"], None),
    (["runbook", "delete", "CUSTOM_BOOK"], None),
    (["inspection", "rule", "create", "--uuid", RULE_ID, "--description", "seen", "--actions", RULE, "--conditions", CONDITIONS], None),
    (["inspection", "rule", "show", RULE_ID], None),
    (["inspection", "rule", "delete", RULE_ID], None),
    (["allocation", "create", "--name", "claim", "--resource-class", "baremetal", "--candidate-node", "life", "--wait", "30"], None),
    (["allocation", "show", "claim"], None),
    (["allocation", "set", "claim", "--extra", "for=tests"], None),
    (["node", "set", "life", "--instance-info", "image_source=http://192.0.2.9/image.qcow2",
      "--instance-info", "image_checksum=d41d8cd98f00b204e9800998ecf8427e", "--instance-info", "root_gb=10"], None),
    (["node", "vif", "attach", "life", VIF], None),
    (["node", "vif", "list", "life"], None),
    (["node", "deploy", "life", "--config-drive", '{"meta_data": {"hostname": "life"}, "user_data": "#!/bin/sh"}',
      "--wait", "60"], "active"),
    (["node", "power", "off", "life", "--power-timeout", "30"], None),
    (["node", "power", "on", "life"], None),
    (["node", "reboot", "life"], None),
    (["node", "service", "life", "--service-steps", SERVICE, "--wait", "60"], "active"),
    (["node", "vif", "detach", "life", VIF], None),
    (["node", "maintenance", "set", "life", "--reason", "testing"], None),
    (["node", "maintenance", "unset", "life"], None),
    (["node", "rescue", "life", "--rescue-password", "rescue-of-the-node", "--wait", "60"], "rescue"),
    (["node", "unrescue", "life", "--wait", "60"], "active"),
    (["node", "rebuild", "life", "--wait", "60"], "active"),
    (["node", "undeploy", "life", "--wait", "60"], "available"),
    (["shard", "list"], None),
    (["port", "group", "delete", "bond"], None),
    (["port", "delete", PORT], None),
    (["node", "manage", "life", "--wait", "30"], "manageable"),
    (["node", "delete", "life"], None),
    (["chassis", "delete", CHASSIS], None),
]


def command(world, user, words):
    """Run `openstack baremetal …` as a user."""
    return subprocess.run(
        [world.ironic.environment / "bin" / "openstack", "baremetal", *words], env=environment_of(world, user),
        capture_output=True, text=True, timeout=180)


def connection(world, user):
    """openstacksdk as its documentation tells to use it with HTTP basic."""
    return openstack.connection.Connection(
        auth_type="http_basic", username=user, password=world.passwords[user], endpoint=world.url,
        baremetal_endpoint_override=world.url, cacert=str(world.authority) if world.authority else None,
        app_name="conformance")


def test_command_line_whole_life(world):
    """One node's whole life with the command line client."""
    for words, state in LIFE:
        done = command(world, "admin", words)
        assert done.returncode == 0, f"openstack baremetal {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        assert "hunter2-of-the-bmc" not in done.stdout and "chap-of-the-volume" not in done.stdout
        if state:
            world.reached("life", state)


@pytest.mark.parametrize("user, words, permitted", [
    ("operator", ["node", "list"], True),
    ("operator", ["node", "show", "roles"], True),
    ("operator", ["node", "power", "on", "roles"], True),
    ("operator", ["node", "maintenance", "set", "roles"], True),
    ("operator", ["node", "delete", "roles"], False),
    ("operator", ["chassis", "delete", CHASSIS], False),
    ("auditor", ["node", "list", "--long"], True),
    ("auditor", ["node", "show", "roles"], True),
    ("auditor", ["driver", "list"], True),
    ("auditor", ["node", "power", "off", "roles"], False),
    ("auditor", ["node", "set", "roles", "--description", "x"], False),
    ("auditor", ["node", "create", "--driver", "fake-hardware"], False),
    ("auditor", ["node", "maintenance", "unset", "roles"], False),
    ("auditor", ["node", "delete", "roles"], False),
    ("auditor", ["node", "manage", "roles"], False),
], ids=lambda value: "-".join(value) if isinstance(value, list) else str(value))
def test_command_line_roles(world, gated, user, words, permitted):
    """What each shipped role may do, as its user sees it."""
    world.direct.call("POST", "/v1/nodes", {"name": "roles", "driver": "fake-hardware"})
    mark = world.tap.mark()
    done = command(world, user, words)
    if permitted:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode != 0 and "403" in done.stderr, done.stderr
        writes = [arrival.line for arrival in world.tap.since(mark) if not arrival.line.startswith("GET ")]
        assert not writes, "a refused write arrived"


def test_sdk_whole_life(world):
    """One node's life with openstacksdk."""
    with closing(connection(world, "admin")) as cloud:
        metal = cloud.baremetal
        chassis = metal.create_chassis(description="sdk")
        node = metal.create_node(
            driver="fake-hardware", name="sdk", resource_class="sdk", chassis_id=chassis.id,
            driver_info={"fake_address": "192.0.2.8", "redfish_password": "hunter2-of-the-bmc"}, provision_state="manageable")
        assert node.provision_state == "manageable" and node.driver_info["redfish_password"] == "******"
        node = metal.update_node(node, description="changed", properties={"cpus": 4})
        assert metal.get_node("sdk").properties == {"cpus": 4}
        node = metal.patch_node(node, [{"op": "add", "path": "/extra/patched", "value": [1, {"deep": None}]}])
        assert node.extra == {"patched": [1, {"deep": None}]}
        port = metal.create_port(node_id=node.id, address="52:54:00:00:01:01")
        group = metal.create_port_group(node_id=node.id, address="52:54:00:00:01:02", name="sdk-bond")
        metal.update_port(port, port_group_id=group.id)
        node = metal.set_node_provision_state(node, "provide", wait=True, timeout=60)
        assert [known.id for known in metal.ports(details=True, node_id=node.id)] == [port.id]
        assert [known.id for known in metal.port_groups(node="sdk")] == [group.id]
        metal.set_node_power_state("sdk", "power off", wait=True, timeout=30)
        connector = metal.create_volume_connector(node_id=node.id, type="wwpn", connector_id="50:01:43:80:06:38:02:2a")
        target = metal.create_volume_target(node_id=node.id, volume_type="iscsi", boot_index=0, volume_id="v", properties={"a": 1})
        assert metal.get_volume_target(target.id).properties == {"a": 1}
        metal.delete_volume_target(target)
        metal.delete_volume_connector(connector)
        template = metal.create_deploy_template(name="CUSTOM_SDK", steps=json.loads(DEPLOY))
        metal.patch_deploy_template(template, [{"op": "replace", "path": "/steps/0", "value": json.loads(DEPLOY)[0] | {"priority": 40}}])
        metal.delete_deploy_template(template)
        runbook = metal.create_runbook(name="CUSTOM_SDKBOOK", steps=json.loads(STEPS))
        metal.delete_runbook(runbook)
        rule = metal.create_inspection_rule(
            description="sdk", actions=json.loads(RULE), conditions=json.loads(CONDITIONS), phase="main")
        metal.delete_inspection_rule(rule)
        metal.set_node_traits("sdk", ["CUSTOM_ONE", "CUSTOM_TWO"])
        metal.remove_node_trait("sdk", "CUSTOM_TWO")
        assert metal.get_node("sdk").traits == ["CUSTOM_ONE"]
        metal.set_node_boot_device("sdk", "pxe", persistent=True)
        assert metal.get_node_boot_device("sdk")["boot_device"] == "pxe"
        metal.set_node_maintenance("sdk", reason="by the sdk")
        assert metal.get_node("sdk").maintenance_reason == "by the sdk"
        metal.unset_node_maintenance("sdk")
        allocation = metal.create_allocation(resource_class="sdk", name="sdk-claim", traits=["CUSTOM_ONE"])
        allocation = metal.wait_for_allocation(allocation, timeout=30)
        assert allocation.node_id == node.id
        metal.attach_vif_to_node("sdk", VIF)
        metal.list_node_vifs("sdk")  # the noop network interface keeps none
        metal.update_node("sdk", instance_info={"image_source": "http://192.0.2.9/i", "image_checksum": "0" * 32, "root_gb": 5})
        drive = {"meta_data": {"name": "sdk"}, "network_data": {"links": []}, "user_data": {"a": ["b"]}, "vendor_data": {}}
        node = metal.set_node_provision_state("sdk", "active", config_drive=drive, wait=True, timeout=60)
        assert node.provision_state == "active"
        metal.set_node_power_state("sdk", "power off", wait=True, timeout=30)
        metal.set_node_power_state("sdk", "power on", wait=True, timeout=30)
        assert metal.validate_node("sdk", required=("power", "deploy"))["power"].result
        assert metal.list_node_vendor_passthru("sdk")
        metal.detach_vif_from_node("sdk", VIF)
        metal.set_node_provision_state("sdk", "deleted", wait=True, timeout=60)
        assert [known.name for known in metal.nodes(fields=["name", "uuid"], resource_class="sdk")] == ["sdk"]
        assert metal.find_node("no-such-node") is None
        with pytest.raises(exceptions.NotFoundException):
            metal.get_node("no-such-node")
        with pytest.raises(exceptions.ConflictException):
            metal.create_port(node_id=node.id, address="52:54:00:00:01:01")
        metal.delete_port(port)
        metal.delete_port_group(group)
        metal.delete_node(node)
        metal.delete_chassis(chassis)


def test_sdk_refused_is_forbidden(world, gated):
    """A refused call is the SDK's own ForbiddenException, with a reason that a person can read."""
    world.direct.call("POST", "/v1/nodes", {"name": "roles", "driver": "fake-hardware"})
    with closing(connection(world, "auditor")) as cloud:
        assert cloud.baremetal.get_node("roles").name == "roles"
        with pytest.raises(exceptions.ForbiddenException) as refused:
            cloud.baremetal.set_node_power_state("roles", "power off")
        assert str(refused.value)


def test_wrong_password_is_refused(world, gated):
    """401 with a challenge, for a wrong password and for an unknown user."""
    for user in ("admin", "nobody"):
        credential = world.raw.passwords | {user: "wrong"}
        raw = type(world.raw)(world.raw.port, authority=world.authority, passwords=credential)
        mark = world.tap.mark()
        answer = raw.call("GET", "/v1/nodes", user=user)
        assert answer.status == 401 and answer.header("www-authenticate").lower().startswith("basic realm=")
        assert not world.tap.since(mark)
