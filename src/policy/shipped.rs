//! The policies that come with irongate, embedded in the binary.

use super::rule::PolicySource;

const FILES: [(&str, &str); 37] = [
    ("guard/agent.cedar", include_str!("../../policies/guard/agent.cedar")),
    ("guard/ansible.cedar", include_str!("../../policies/guard/ansible.cedar")),
    ("guard/belonging.cedar", include_str!("../../policies/guard/belonging.cedar")),
    ("guard/bmc-address.cedar", include_str!("../../policies/guard/bmc-address.cedar")),
    ("guard/config-drive.cedar", include_str!("../../policies/guard/config-drive.cedar")),
    ("guard/fetched-urls.cedar", include_str!("../../policies/guard/fetched-urls.cedar")),
    ("guard/image-checksum.cedar", include_str!("../../policies/guard/image-checksum.cedar")),
    ("guard/inspection-rules.cedar", include_str!("../../policies/guard/inspection-rules.cedar")),
    ("guard/ipmi-fields.cedar", include_str!("../../policies/guard/ipmi-fields.cedar")),
    ("guard/kernel-parameters.cedar", include_str!("../../policies/guard/kernel-parameters.cedar")),
    ("guard/media-and-events.cedar", include_str!("../../policies/guard/media-and-events.cedar")),
    ("guard/steps.cedar", include_str!("../../policies/guard/steps.cedar")),
    ("guard/switched-off.cedar", include_str!("../../policies/guard/switched-off.cedar")),
    ("guard/templates.cedar", include_str!("../../policies/guard/templates.cedar")),
    ("guard/tenant-images.cedar", include_str!("../../policies/guard/tenant-images.cedar")),
    ("roles/admin.cedar", include_str!("../../policies/roles/admin.cedar")),
    ("roles/auditor.cedar", include_str!("../../policies/roles/auditor.cedar")),
    ("roles/discover.cedar", include_str!("../../policies/roles/discover.cedar")),
    ("roles/exporter.cedar", include_str!("../../policies/roles/exporter.cedar")),
    ("roles/inspector.cedar", include_str!("../../policies/roles/inspector.cedar")),
    ("roles/lessee-admin.cedar", include_str!("../../policies/roles/lessee-admin.cedar")),
    ("roles/lessee-member.cedar", include_str!("../../policies/roles/lessee-member.cedar")),
    ("roles/lessee-reader.cedar", include_str!("../../policies/roles/lessee-reader.cedar")),
    ("roles/metal3.cedar", include_str!("../../policies/roles/metal3.cedar")),
    ("roles/metalsmith.cedar", include_str!("../../policies/roles/metalsmith.cedar")),
    ("roles/networking-baremetal.cedar", include_str!("../../policies/roles/networking-baremetal.cedar")),
    ("roles/nova-compute.cedar", include_str!("../../policies/roles/nova-compute.cedar")),
    ("roles/operator.cedar", include_str!("../../policies/roles/operator.cedar")),
    ("roles/owner-admin.cedar", include_str!("../../policies/roles/owner-admin.cedar")),
    ("roles/owner-member.cedar", include_str!("../../policies/roles/owner-member.cedar")),
    ("roles/owner-reader.cedar", include_str!("../../policies/roles/owner-reader.cedar")),
    ("roles/ramdisk.cedar", include_str!("../../policies/roles/ramdisk.cedar")),
    ("roles/service.cedar", include_str!("../../policies/roles/service.cedar")),
    ("roles/system-admin.cedar", include_str!("../../policies/roles/system-admin.cedar")),
    ("roles/system-member.cedar", include_str!("../../policies/roles/system-member.cedar")),
    ("roles/system-reader.cedar", include_str!("../../policies/roles/system-reader.cedar")),
    ("roles/watcher.cedar", include_str!("../../policies/roles/watcher.cedar")),
];

/// The files of `policies/`, named by their path below it. A test proves that none is left out.
pub fn shipped() -> Vec<PolicySource> {
    FILES.iter().map(|(name, text)| PolicySource { name: (*name).to_owned(), text: (*text).to_owned() }).collect()
}
