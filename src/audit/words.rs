//! Words that a record may repeat although the catalogue takes any text in their place: Ironic's own vocabulary.
//!
//! A record never holds a caller's text. Where a policy looks at a text, the record names the word of this list, or of
//! the catalogue's enumerations, that the text is; any other text is withheld.

/// The word of `list` that `text` is.
pub(super) fn word(list: &[&'static str], text: &str) -> Option<&'static str> {
    list.iter().copied().find(|known| *known == text)
}

/// The words for the value of a written field, by the last segment of its path.
pub(super) fn of_field(key: &str) -> &'static [&'static str] {
    match key {
        "boot_device" => BOOT_DEVICES,
        "driver" => HARDWARE_TYPES,
        "boot_mode" => &["bios", "uefi"],
        _ if key.ends_with("_interface") => INTERFACES,
        _ => &[],
    }
}

/// The words for the value of a query parameter.
pub(super) fn of_query(name: &str) -> &'static [&'static str] {
    match name {
        "provision_state" => PROVISION_STATES,
        "driver" => HARDWARE_TYPES,
        "method" => VENDOR_METHODS,
        _ => &[],
    }
}

const BOOT_DEVICES: &[&str] = &["pxe", "disk", "cdrom", "bios", "safe", "wanboot", "iscsiboot", "floppy", "uefihttp"];

const HARDWARE_TYPES: &[&str] = &[
    "fake-hardware",
    "ibmc",
    "idrac",
    "ilo",
    "ilo5",
    "intel-ipmi",
    "ipmi",
    "irmc",
    "manual-management",
    "redfish",
    "snmp",
    "xclarity",
];

const INTERFACES: &[&str] = &[
    "agent",
    "anaconda",
    "ansible",
    "autodetect",
    "bootc",
    "cinder",
    "custom-agent",
    "direct",
    "external",
    "fake",
    "fake-graphical",
    "flat",
    "generic-switch",
    "http",
    "http-ipxe",
    "ibmc",
    "idrac",
    "idrac-redfish",
    "idrac-redfish-virtual-media",
    "idrac-wsman",
    "ilo",
    "ilo-ipxe",
    "ilo-pxe",
    "ilo-uefi-https",
    "ilo-virtual-media",
    "ilo5",
    "inspector",
    "intel-ipmitool",
    "ipmitool",
    "ipmitool-shellinabox",
    "ipmitool-socat",
    "ipxe",
    "irmc",
    "irmc-pxe",
    "irmc-virtual-media",
    "ironic-networking",
    "neutron",
    "no-bios",
    "no-console",
    "no-firmware",
    "no-inspect",
    "no-raid",
    "no-rescue",
    "no-vendor",
    "noop",
    "pxe",
    "ramdisk",
    "redfish",
    "redfish-graphical",
    "redfish-https",
    "redfish-virtual-media",
    "snmp",
    "xclarity",
];

const PROVISION_STATES: &[&str] = &[
    "active",
    "adopt failed",
    "adopting",
    "available",
    "clean failed",
    "clean hold",
    "clean wait",
    "cleaning",
    "deleted",
    "deleting",
    "deploy",
    "deploy complete",
    "deploy failed",
    "deploy hold",
    "deploying",
    "enroll",
    "error",
    "inspect failed",
    "inspect wait",
    "inspecting",
    "manageable",
    "rebuild",
    "rescue",
    "rescue failed",
    "rescue wait",
    "rescuing",
    "service",
    "service failed",
    "service hold",
    "service wait",
    "servicing",
    "undeploy",
    "unrescue failed",
    "unrescuing",
    "verifying",
    "wait call-back",
];

const VENDOR_METHODS: &[&str] = &[
    "bmc_reset",
    "create_subscription",
    "delete_subscription",
    "eject_vmedia",
    "get_all_subscriptions",
    "get_subscription",
    "log_passthrough",
    "send_raw",
];
