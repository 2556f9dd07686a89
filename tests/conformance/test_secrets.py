"""A decision for every field: what Ironic's own package masks, names or shows is masked here, looked at for shapes, or known to
be plain. A field that a newer Ironic or our catalogue brings fails these tests until somebody has decided about it.
"""

import importlib
import inspect
import pkgutil
import re
import tomllib

import ironic.drivers
import pytest
from ironic import objects
from oslo_utils import strutils
from world import ROOT

SECRETS = tomllib.loads((ROOT / "src" / "catalog" / "secrets.toml").read_text())
ANSWERS = {made["name"]: made for made in tomllib.loads((ROOT / "src" / "catalog" / "answers.toml").read_text())["object"]}

# Fields of answers that were looked at and hold no secret of their own; texts among them are searched for shapes as all texts are.
PLAIN = set("""
    uuid created_at updated_at links name description owner node_uuid traits states ports nodes category vendor type properties
    allocation_uuid automated_clean boot_mode chassis_uuid conductor_group console_enabled disable_power_off driver fault health
    inspection_finished_at inspection_started_at instance_name instance_uuid lessee maintenance parent_node portgroups power_state
    protected protected_reason provision_state provision_updated_at resource_class retired retired_reason secure_boot shard
    target_power_state target_provision_state volume address available_for_dynamic_portgroup is_smartnic physical_network
    portgroup_uuid pxe_enabled dynamic_portgroup mode standalone_ports_supported boot_device persistent supported_boot_devices
    state component readonly id attribute_type allowable_values lower_bound max_length min_length read_only reset_required unique
    upper_bound initial_version current_version last_version_flashed model serial_number severity event_type user project
    duration_seconds children connectors targets boot_index volume_id volume_type alive drivers candidate_nodes disable_ramdisk
    public phase priority sensitive count agent_token_required heartbeat_timeout metrics metrics_statsd agent_containers
    agent_md5_checksum_enable disable_deep_image_inspection permitted_image_formats agent_skip_bmc_detect
    enable_bios_bootloader_install tls_min_version tls_cipher_suites default_version versions media_types version chassis lookup
    heartbeat conductors allocations events deploy_templates shards runbooks inspection_rules continue_inspection
""".split())
INTERFACES = re.compile(r"(default_|enabled_)?(bios|boot|console|deploy|firmware|inspect|management|network|power|raid|rescue|storage|vendor)_interfaces?")

# Ironic's objects, and their fields that no answer shows.
OBJECTS = {
    "node": ("Node", {"id", "allocation_id", "chassis_id", "conductor_affinity"}),
    "port": ("Port", {"id", "node_id", "portgroup_id"}), "portgroup": ("Portgroup", {"id", "node_id"}), "chassis": ("Chassis", {"id"}),
    "volume_connector": ("VolumeConnector", {"id", "node_id"}), "volume_target": ("VolumeTarget", {"id", "node_id"}),
    "allocation": ("Allocation", {"id", "node_id", "conductor_affinity"}), "deploy_template": ("DeployTemplate", {"id"}),
    "runbook": ("Runbook", {"id"}), "inspection_rule": ("InspectionRule", {"id", "scope"}),
    "history_event": ("NodeHistory", {"id", "node_id", "updated_at"}), "bios_setting": ("BIOSSetting", {"node_id"}),
    "firmware_component": ("FirmwareComponent", {"id", "node_id"}), "conductor": ("Conductor", {"id", "online"}),
    "inventory": ("NodeInventory", {"id", "node_id", "created_at", "updated_at", "inventory_data"}),
}

# What drivers call their properties, and the decision: these hold no secret, or one that is known by its shape (a URL's).
DRIVER_PROPERTIES = set("""
    A1 A2 B1 B2 agent_verify_ca ansible_clean_playbook ansible_clean_steps_config ansible_deploy_playbook ansible_key_file
    ansible_playbooks_path ansible_python_interpreter ansible_shutdown_playbook ansible_username bootloader config_via_removable
    deploy_forces_oob_reboot deploy_iso deploy_kernel deploy_ramdisk external_http_url firmware_update_unresponsive_bmc_wait
    force_persistent_boot_device image_download_source image_http_proxy image_https_proxy image_no_proxy ipmi_address ipmi_bridging
    ipmi_cipher_suite ipmi_disable_boot_timeout ipmi_force_boot_device ipmi_local_address ipmi_port ipmi_priv_level
    ipmi_protocol_version ipmi_target_address ipmi_target_channel ipmi_terminal_port ipmi_transit_address ipmi_transit_channel
    ipmi_username kernel_append_params redfish_address redfish_auth_type redfish_system_id redfish_tls_ciphers
    redfish_tls_minimum_version redfish_username redfish_verify_ca rescue_iso rescue_kernel rescue_ramdisk vmedia_transport_protocol
""".split())


def masked(name):
    """Whether the catalogue's names or words make a key a secret's; separators match each other or nothing."""
    bare = re.sub("[-_. ]", "", name.lower())
    return name.lower() in SECRETS["names"] or any(re.sub("[-_. ]", "", word) in bare for word in SECRETS["words"])


def driver_properties():
    """What every interface of the installed Ironic says that it takes in driver_info."""
    found = set()
    for module in pkgutil.walk_packages(ironic.drivers.__path__, "ironic.drivers."):
        try:
            loaded = importlib.import_module(module.name)
        except ImportError:
            continue  # a library of a vendor that is not installed
        for name, value in vars(loaded).items():
            if name.endswith("PROPERTIES") and isinstance(value, dict):
                found |= {key for key in value if isinstance(key, str)}
            elif inspect.isclass(value) and hasattr(value, "get_properties"):
                try:
                    found |= set(value().get_properties())
                except Exception:  # an abstract base, or one that needs what is not configured here
                    continue
    return found


def decided_places(made):
    """The fields at or below which the catalogue knows secrets, or texts and objects to be looked at."""
    return {pointer.split("/")[1] for pointer in made.get("secret", []) + made.get("sensitive", [])}


def undecided_fields(answers, name):
    """Fields of an object of the catalogue that nobody has decided about."""
    made = answers[name]
    places = decided_places(made)
    fields = {field["name"] for field in made["fields"] if not field["name"].startswith("<")}
    return {field for field in fields - places - PLAIN if not INTERFACES.fullmatch(field) and not masked(field)}


def test_what_ironic_masks():
    """Every word by which Ironic masks is one of ours."""
    assert not [word for word in strutils._SANITIZE_KEYS if not masked(word)]
    assert all(masked(name) for name in ("snmp_auth_key", "snmp_priv_key", "configdrive"))
    assert "/instance_info/image_url" in ANSWERS["node"]["secret"]


def test_what_drivers_take():
    """Every property of every driver: masked by name, or decided to be shown."""
    found = driver_properties()
    assert {"redfish_password", "ipmi_password", "deploy_kernel"} <= found, "the drivers were not found"
    undecided = sorted(name for name in found - DRIVER_PROPERTIES if not masked(name))
    assert not undecided, f"decide about {undecided}: a name or word in src/catalog/secrets.toml, or plain here"
    assert not [name for name in DRIVER_PROPERTIES if masked(name)]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_what_answers_hold(name):
    """Every field of the catalogue's answers has a decision."""
    undecided = undecided_fields(ANSWERS, name)
    assert not undecided, f"decide about {sorted(undecided)}: `secret` or `sensitive` in src/catalog/answers.toml, or plain here"


def test_a_new_field_fails():
    """What this file is for."""
    changed = {"node": ANSWERS["node"] | {"fields": [*ANSWERS["node"]["fields"], {"name": "console_key"}]}}
    assert undecided_fields(changed, "node") == {"console_key"}


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_what_ironic_stores(name):
    """Every field of Ironic's own objects is in the catalogue, where it has a decision, or shown by no answer."""
    objects.register_all()
    own, hidden = OBJECTS[name]
    fields = set(getattr(objects, own).fields)
    unknown = fields - hidden - decided_places(ANSWERS[name]) - {field["name"] for field in ANSWERS[name]["fields"]}
    assert not unknown, f"Ironic's {own} has {sorted(unknown)}, which the catalogue's {name} does not know"
