"""nova's own virt driver for Ironic, driven as nova-compute drives it. Runs with the Python of nova's environment.

What is nova's and speaks with Ironic is real: `nova.virt.ironic.driver.IronicDriver`, its patcher, openstacksdk, keystoneauth, the
config drive with its metadata. What nova would ask its database, conductor and Neutron is made up here. One JSON line a step:
`{"step": …}`, with `"failure"` where it did not end as nova needs it to.

Usage: nova_compute.py SETTINGS, a JSON text with `url`, `ca`, `user`, `password`, `node`, `direct` (a unix socket, for what in a real
cloud other services do) and `folder`.
"""

import http.client
import json
import os
import socket
import stat
import sys
import time
import traceback
from pathlib import Path
from unittest import mock

# Native threads, as nova-compute can run; it must be said before anything else of nova is read.
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
from nova import monkey_patch  # noqa: E402

monkey_patch.patch()

import nova.conf  # noqa: E402
from nova import context, exception, objects  # noqa: E402
from nova.compute import provider_tree, task_states, vm_states  # noqa: E402
from nova.network import model  # noqa: E402
from nova.tests.unit import fake_instance  # noqa: E402
from nova.virt.ironic import driver as ironic_driver  # noqa: E402
from oslo_serialization import jsonutils  # noqa: E402

CONF = nova.conf.CONF
IMAGE = "22222222-0000-4000-8000-000000000003"
INSTANCE = "22222222-0000-4000-8000-000000000011"
VOLUME = "22222222-0000-4000-8000-000000000004"
VIFS = ["22222222-0000-4000-8000-000000000021", "22222222-0000-4000-8000-000000000022"]
# Says what mkisofs was asked to write: a real image maker is not everywhere.
MKISOFS = """#!{python}
import sys, tarfile
out, folder = sys.argv[sys.argv.index("-o") + 1], sys.argv[-1]
with tarfile.open(out, "w") as drive:
    drive.add(folder, "drive")
"""


class Direct(http.client.HTTPConnection):
    """Ironic's own socket: the operator's hand, never nova's."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def direct(settings, method, target, body=None):
    """One request of the operator's."""
    connection = Direct(settings["direct"])
    headers = {"X-OpenStack-Ironic-API-Version": "1.115", "Content-Type": "application/json"}
    connection.request(method, target, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 300, (method, target, answer.status, text)
    return json.loads(text) if text else None


def configure(settings):
    """nova.conf, as far as the driver reads it."""
    folder = Path(settings["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    mkisofs = folder / "mkisofs"
    mkisofs.write_text(MKISOFS.format(python=sys.executable))
    mkisofs.chmod(mkisofs.stat().st_mode | stat.S_IXUSR)
    file = folder / "nova.conf"
    file.write_text(f"""\
[DEFAULT]
host = compute-1
compute_driver = ironic.IronicDriver
state_path = {folder}
mkisofs_cmd = {mkisofs}
force_config_drive = true
default_ephemeral_format = ext4
[ironic]
auth_type = http_basic
username = {settings["user"]}
password = {settings["password"]}
endpoint = {settings["url"]}
endpoint_override = {settings["url"]}
cafile = {settings["ca"]}
api_retry_interval = 0
serial_console_state_timeout = 3
vnc_console_state_timeout = 3
[oslo_concurrency]
lock_path = {folder}
""")
    # The interval between two looks is a second at least in nova's own configuration.
    CONF(["--config-file", str(file)], project="nova")
    objects.register_all()


def instance_of(settings, admin, **changes):
    """An instance as the compute manager hands it over."""
    flavor = objects.Flavor(
        id=1, name="metal", flavorid="1", memory_mb=4096, vcpus=4, root_gb=10, ephemeral_gb=5, swap=0, rxtx_factor=1.0, vcpu_weight=0,
        disabled=False, is_public=True, projects=[],
        extra_specs={"resources:CUSTOM_BAREMETAL": "1", "capabilities:boot_mode": "uefi", "trait:CUSTOM_FAST": "required"})
    made = fake_instance.fake_instance_obj(
        admin, uuid=INSTANCE, node=settings["node"], host="compute-1", hostname="vm", display_name="vm", flavor=flavor, config_drive="True",
        user_id="user-1", project_id="project-1", vm_state=vm_states.BUILDING, task_state=task_states.SPAWNING,
        user_data=None, key_data="ssh-ed25519 AAAA key", key_name="key", image_ref=IMAGE,
        system_metadata={"owner_user_name": "demo", "owner_project_name": "demo"},
        expected_attrs=["system_metadata", "metadata"], **changes)
    made.device_metadata = None
    made.numa_topology = None
    made.ec2_ids = objects.EC2Ids(instance_id="i-1", ami_id="ami-1", kernel_id=None, ramdisk_id=None)
    made.info_cache = objects.InstanceInfoCache(network_info=network(VIFS[:1]), instance_uuid=INSTANCE)
    made.security_groups = objects.SecurityGroupList(objects=[])
    made.trusted_certs = None
    made.pci_requests = None
    made.pci_devices = None
    made.vcpu_model = None
    return made


def network(ids):
    """What Neutron would tell of these ports."""
    subnet = model.Subnet(cidr="192.0.2.0/24", gateway=model.IP("192.0.2.1"), dns=[], routes=[], version=4,
                          ips=[model.FixedIP(address="192.0.2.7", version=4, floating_ips=[])])
    return model.NetworkInfo([
        model.VIF(id=vif, address=f"52:54:00:00:02:0{number}", type="other", devname="tap", active=True,
                  network=model.Network(id="net-1", bridge=None, label="tenant", subnets=[subnet], mtu=1500))
        for number, vif in enumerate(ids, 1)])


def volume():
    """A volume to boot from, as Cinder connects it."""
    data = {"target_portal": "192.0.2.3:3260", "target_iqn": "iqn.2026-01.example:volume", "target_lun": 1, "auth_method": "CHAP",
            "auth_username": "u", "auth_password": "chap-secret", "encrypted": False}
    entry = mock.Mock(is_volume=True)
    entry._bdm_obj = mock.Mock(
        connection_info=jsonutils.dumps({"driver_volume_type": "iscsi", "data": data}), boot_index=1, volume_id=VOLUME)
    entry.get = lambda key, default=None: {"boot_index": 1}.get(key, default)
    return {"block_device_mapping": [entry]}


class Drive:
    """The driver, and each step of an instance's life."""

    def __init__(self, settings):
        self.settings = settings
        self.admin = context.get_admin_context()
        self.driver = ironic_driver.IronicDriver(mock.Mock())
        self.instance = instance_of(settings, self.admin)
        self.network = network(VIFS[:1])
        self.image = objects.ImageMeta(id=IMAGE, name="image", properties=objects.ImageMetaProps(traits_required=["CUSTOM_FAST"]))
        self.node = settings["node"]

    def state(self):
        """What Ironic itself says."""
        return direct(self.settings, "GET", f"/v1/nodes/{self.node}")

    def settled(self):
        """Wait until no conductor works on the node."""
        deadline = time.monotonic() + 20
        while self.state()["reservation"] is not None:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def image_for_ironic(self):
        """There is no Glance here to tell Ironic of the image: say what it would have said."""
        direct(self.settings, "PATCH", f"/v1/nodes/{self.node}", [
            {"op": "add", "path": "/instance_info/image_source", "value": "http://192.0.2.9/image"},
            {"op": "add", "path": "/instance_info/image_checksum", "value": "0" * 32},
            {"op": "add", "path": "/instance_info/image_type", "value": "whole-disk"}])

    def start(self):
        """init_host; the node is found and offered."""
        self.driver.init_host("compute-1")
        assert self.driver.get_available_nodes() == [self.node]
        assert self.driver.get_nodenames_by_uuid() == {self.node: self.node}
        assert self.driver.node_is_available(self.node) and not self.driver.is_node_deleted(self.node)
        assert self.driver.is_node_deleted("33333333-0000-4000-8000-000000000001")
        assert self.driver.list_instance_uuids() == [] and self.driver.get_num_instances() == 0

    def resources(self):
        """get_available_resource, update_provider_tree."""
        found = self.driver.get_available_resource(self.node)
        assert found["resource_class"] == "baremetal" and found["hypervisor_type"] == "ironic", found
        tree = provider_tree.ProviderTree()
        tree.new_root(self.node, self.node, generation=0)
        self.driver.update_provider_tree(tree, self.node)
        inventory = tree.data(self.node).inventory
        assert inventory["CUSTOM_BAREMETAL"]["reserved"] == 0, inventory
        assert tree.data(self.node).traits == {"CUSTOM_FAST"}

    def groups(self):
        """The same with a conductor group, and with a shard."""
        for group, value in (("conductor_group", "rack-1"), ("shard", "shard-1")):
            CONF.set_override(group, value, "ironic")
            CONF.set_override("peer_list", ["compute-1"], "ironic")
            assert self.driver.get_available_nodes() == []
            CONF.clear_override(group, "ironic")
        CONF.clear_override("peer_list", "ironic")
        assert self.driver.get_available_nodes() == [self.node]

    def nobody(self):
        """An instance that Ironic does not know."""
        assert not self.driver.instance_exists(self.instance)
        self.driver.get_info(self.instance, use_cache=False)
        self.driver.destroy(self.admin, self.instance, self.network)

    def prepare(self):
        """prepare_for_spawn, networks, and the connector for volumes."""
        self.driver.prepare_for_spawn(self.instance)
        self.driver.prepare_networks_before_block_device_mapping(self.instance, self.network)
        connector = self.driver.get_volume_connector(self.instance)
        assert connector["initiator"] == "iqn.2026-01.example:metal" and connector["ip"] == "192.0.2.7", connector
        assert self.state()["instance_uuid"] == INSTANCE

    def failed_spawn(self):
        """A spawn that fails is cleaned up: nothing of the tenant's stays on the node, and nobody has it."""
        self.driver.prepare_for_spawn(self.instance)
        self.driver.prepare_networks_before_block_device_mapping(self.instance, self.network)
        refuse = mock.patch.object(ironic_driver.IronicDriver, "_generate_configdrive", side_effect=exception.NovaException("made up"))
        with refuse:
            try:
                self.driver.spawn(self.admin, self.instance, self.image, [], "admin-pass", {}, self.network, volume())
                raise AssertionError("it must fail")
            except exception.NovaException as error:
                assert "made up" in str(error), error
        self.driver.failed_spawn_cleanup(self.instance)
        self.settled()
        node = self.state()
        assert node["instance_uuid"] is None and node["instance_info"] == {}, node
        assert direct(self.settings, "GET", f"/v1/volume/targets?node={self.node}")["targets"] == []

    def spawn(self):
        """A deployment with a config drive and a volume."""
        told = ironic_driver.IronicDriver._add_instance_info_to_node

        def add(*arguments, **named):
            told(*arguments, **named)
            node = self.state()["instance_info"]
            assert node["image_source"] == IMAGE and node["traits"] == ["CUSTOM_FAST", "CUSTOM_FAST"], node
            assert node["display_name"] == "vm" and node["project_name"] == "demo", node
            self.image_for_ironic()

        with mock.patch.object(ironic_driver.IronicDriver, "_add_instance_info_to_node", add):
            self.driver.spawn(self.admin, self.instance, self.image, [("/etc/motd", b"hello")], "admin-pass", {}, self.network, volume())
        node = self.state()
        assert node["provision_state"] == "active" and node["instance_info"]["configdrive"], node
        self.instance.vm_state, self.instance.task_state = vm_states.ACTIVE, None
        self.driver._refresh_cache()
        assert self.driver.list_instance_uuids() == [INSTANCE]
        assert self.driver.instance_exists(self.instance)
        self.driver.get_info(self.instance)

    def power(self):
        """Off and on, softly and hard; reboots."""
        self.driver.power_off(self.instance)
        assert self.state()["power_state"] == "power off"
        self.driver.power_on(self.admin, self.instance, self.network)
        assert self.state()["power_state"] == "power on"
        self.driver.power_off(self.instance, timeout=3)
        self.settled()
        self.driver.power_on(self.admin, self.instance, self.network)
        self.settled()
        self.driver.reboot(self.admin, self.instance, self.network, "HARD")
        self.settled()
        self.driver.reboot(self.admin, self.instance, self.network, "SOFT")
        self.settled()

    def crash_dump(self):
        """trigger_crash_dump: the fake hardware has no NMI, and Ironic says so."""
        self.asked(lambda: self.driver.trigger_crash_dump(self.instance))

    def asked(self, call):
        """What Ironic's fake hardware cannot do; irongate let it pass."""
        from openstack import exceptions
        try:
            call()
        except exceptions.ForbiddenException:
            raise
        except exceptions.HttpException as error:
            assert error.status_code in (400, 404), error

    def interface(self):
        """attach_interface, detach_interface. This Ironic has no network to remember them in: the tap shows that they came."""
        [extra] = network(VIFS[1:])
        self.driver.attach_interface(self.admin, self.instance, self.image, extra)
        self.driver.detach_interface(self.admin, self.instance, extra)
        self.driver.plug_vifs(self.instance, self.network)

    def consoles(self):
        """Serial, with the reset that it gets, and VNC as far as the place of its server, which the fake hardware has none of."""
        direct(self.settings, "PUT", f"/v1/nodes/{self.node}/states/console", {"enabled": True})
        self.settled()
        asked = self.driver.ironic_connection.get_node_console

        def with_type(kind):
            """What Ironic answers; the fake console says neither type nor URL."""
            def get(*arguments):
                return asked(*arguments) | {"console_info": {"type": kind, "url": "tcp://192.0.2.8:8000"}}
            return mock.patch.object(self.driver.ironic_connection, "get_node_console", get)

        with with_type("socat"):
            console = self.driver.get_serial_console(self.admin, self.instance)
            assert (console.host, console.port) == ("192.0.2.8", 8000)
        for enabled in (True, False):
            direct(self.settings, "PUT", f"/v1/nodes/{self.node}/states/console", {"enabled": enabled})
            self.settled()
            with with_type("vnc"):
                try:
                    self.driver.get_vnc_console(self.admin, self.instance)
                    raise AssertionError("fake hardware has no VNC server")
                except exception.ConsoleTypeUnavailable:
                    pass
            self.settled()
        assert direct(self.settings, "GET", f"/v1/nodes/{self.node}/states/console")["console_enabled"]

    def rescue(self):
        """Into the rescue ramdisk and out of it."""
        self.driver.rescue(self.admin, self.instance, self.network, self.image, "of-the-tenant", {}, None)
        assert self.state()["provision_state"] == "rescue"
        self.settled()
        self.driver.unrescue(self.admin, self.instance)
        assert self.state()["provision_state"] == "active"
        self.settled()

    def rebuild(self):
        """The same instance anew."""
        self.instance.task_state = task_states.REBUILDING
        told = ironic_driver.IronicDriver._add_instance_info_to_node

        def add(*arguments, **named):
            told(*arguments, **named)
            assert self.state()["instance_info"]["preserve_ephemeral"] == "True"
            self.image_for_ironic()

        with mock.patch.object(ironic_driver.IronicDriver, "_add_instance_info_to_node", add):
            self.driver.rebuild(self.admin, self.instance, self.image, [], "admin-pass", {}, [], None, None, self.network,
                                preserve_ephemeral=True)
        assert self.state()["provision_state"] == "active"
        self.instance.task_state = None
        self.settled()

    def destroy(self):
        """Back to the pool."""
        self.driver.destroy(self.admin, self.instance, self.network)
        deadline = time.monotonic() + 20
        while self.state()["provision_state"] != "available":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.settled()
        node = self.state()
        assert node["instance_uuid"] is None and node["instance_info"] == {}, node
        assert not self.driver.instance_exists(self.instance)

    def cleanup(self):
        """What the compute manager calls at the end of a failed build before anything was deployed."""
        self.driver.prepare_for_spawn(self.instance)
        self.driver.prepare_networks_before_block_device_mapping(self.instance, self.network)
        self.driver.clean_networks_preparation(self.instance, self.network)
        self.driver.destroy(self.admin, self.instance, self.network)
        node = self.state()
        assert node["instance_uuid"] is None, node


STEPS = ["start", "resources", "groups", "nobody", "prepare", "cleanup_of_prepare", "failed_spawn", "prepare", "spawn", "power", "crash_dump",
         "interface", "consoles", "rescue", "rebuild", "destroy", "cleanup", "resources"]


def main():
    """All steps, in the order of an instance's life; the first failure ends it."""
    settings = json.loads(sys.argv[1])
    configure(settings)
    no_database = [
        mock.patch.object(objects.Instance, "save", lambda self, *_, **__: None),
        mock.patch.object(objects.Instance, "refresh", lambda self, *_, **__: None),
        mock.patch.object(objects.ServiceList, "get_all_computes_by_hv_type", lambda *_: []),
        mock.patch.object(objects.InstanceList, "get_uuids_by_host", lambda *_: [INSTANCE]),
        mock.patch.object(objects.BlockDeviceMappingList, "get_by_instance_uuid", lambda *_, **__: objects.BlockDeviceMappingList(objects=[])),
        mock.patch("nova.network.security_group_api.get_instance_security_groups", lambda *_, **__: []),
    ]
    for patch in no_database:
        patch.start()
    drive = Drive(settings)
    Drive.cleanup_of_prepare = lambda self: self.driver.destroy(self.admin, self.instance, self.network)
    for step in STEPS:
        told = {"step": step}
        since = time.monotonic()
        try:
            getattr(drive, step)()
        except BaseException:
            told["failure"] = traceback.format_exc()
        told["seconds"] = round(time.monotonic() - since, 2)
        print(json.dumps(told), flush=True)
        if "failure" in told:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
