//! The policies that come with irongate, embedded in the binary.

use super::rule::PolicySource;

const FILES: [(&str, &str); 5] = [
    ("roles/admin.cedar", include_str!("../../policies/roles/admin.cedar")),
    ("roles/auditor.cedar", include_str!("../../policies/roles/auditor.cedar")),
    ("roles/discover.cedar", include_str!("../../policies/roles/discover.cedar")),
    ("roles/operator.cedar", include_str!("../../policies/roles/operator.cedar")),
    ("roles/ramdisk.cedar", include_str!("../../policies/roles/ramdisk.cedar")),
];

/// The files of `policies/`, named by their path below it. A test proves that none is left out.
pub fn shipped() -> Vec<PolicySource> {
    FILES.iter().map(|(name, text)| PolicySource { name: (*name).to_owned(), text: (*text).to_owned() }).collect()
}
