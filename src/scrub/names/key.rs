//! What a key says about its value.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::named::{is_path, parts};
use super::table::{Ends, Table};
use super::words::{self, Compounds, word_pattern};

/// The longest key that is judged, in bytes as written; the value of a longer one is taken for a secret.
pub(in crate::scrub) const KEY_BYTES_MAX: usize = 1024;

/// What a key says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::scrub) struct KeyClass(u16);

impl KeyClass {
    /// The value is a secret.
    pub(in crate::scrub) const SECRET: Self = Self(1);
    /// The value names its siblings (`name`, `attribute`, `path`, …).
    pub(in crate::scrub) const NAMES: Self = Self(1 << 1);
    /// The value belongs to the sibling that names (`value`, `current_value`, …).
    pub(in crate::scrub) const VALUES: Self = Self(1 << 2);
    /// The value is a link, where Ironic writes links.
    pub(in crate::scrub) const HREF: Self = Self(1 << 3);
    /// The value is the link to the next page, at the top of a list.
    pub(in crate::scrub) const NEXT: Self = Self(1 << 4);
    /// What is below is free-form: no link of Ironic's.
    pub(in crate::scrub) const FREE: Self = Self(1 << 5);
    /// Free-form if it is an object (`properties` is a list of links for drivers).
    pub(in crate::scrub) const FREE_OBJECT: Self = Self(1 << 6);
    /// Arguments of a step or an inspection rule's action.
    pub(in crate::scrub) const ARGS: Self = Self(1 << 7);
    /// A secret below arguments only.
    pub(in crate::scrub) const SECRET_ARGUMENT: Self = Self(1 << 8);
    /// Below are fields that Ironic and its drivers name, not callers.
    pub(in crate::scrub) const FIELDS: Self = Self(1 << 9);
    /// One of the names of secrets that the catalogue has.
    pub(in crate::scrub) const SHIPPED: Self = Self(1 << 10);
    /// In arguments: what a `value` is compared with.
    pub(in crate::scrub) const COMPARED: Self = Self(1 << 11);
    /// What an action or condition is done with in turn.
    pub(in crate::scrub) const LOOP: Self = Self(1 << 12);
    /// What waits for something beside it that says whether it is a secret.
    pub(in crate::scrub) const WAITS: Self = Self::VALUES.and(Self::LOOP);
    /// A text of entries parted by commas.
    pub(in crate::scrub) const LIST: Self = Self(1 << 13);

    #[inline]
    pub(in crate::scrub) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether a string in which nothing is suspect, or an empty container, is just that under the key.
    #[inline]
    pub(in crate::scrub) const fn is_plain(self) -> bool {
        self.0 & !(Self::FREE.0 | Self::FREE_OBJECT.0 | Self::ARGS.0 | Self::FIELDS.0 | Self::LIST.0) == 0
    }

    /// As [`KeyClass::is_plain`], but that the value is a secret.
    #[inline]
    pub(in crate::scrub) const fn is_plain_secret(self) -> bool {
        self.has(Self::SECRET) && Self(self.0 & !(Self::SECRET.0 | Self::SHIPPED.0)).is_plain()
    }

    pub(in crate::scrub) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Keys with a meaning of their own, without separators and in lower case.
const NAMES: &str = "\
    name attribute attributename key path field setting settingname option property header parameter variable id";
const VALUES: &str = "\
    value values val currentvalue current newvalue oldvalue defaultvalue desiredvalue pendingvalue resetvalue default \
    content regex";
const FREE: &str = "\
    driver_info instance_info driver_internal_info extra inventory plugin_data network_data raid_config \
    target_raid_config clean_step deploy_step service_step steps args actions conditions internal_info \
    local_link_connection console_info health";
const COMPARED: &str = "values regex";
const FIELDS: &str = "driver_info instance_info driver_internal_info";
/// What parts the words of a key.
const SEPARATOR: &str = r"[-_. /\[\]{}]";

/// Keys that Ironic's answers repeat, which are classed beforehand.
const COMMON: &str = "\
    nodes ports portgroups node config rel links href next bookmark self uuid name value args steps interface step \
    priority order url type result reason cpus memory_mb local_gb cpu_arch capabilities vendor model serial_number \
    root_device deploy_kernel deploy_ramdisk rescue_kernel rescue_ramdisk bootloader kernel_append_params \
    redfish_address redfish_system_id redfish_username redfish_password redfish_verify_ca ipmi_address \
    ipmi_username ipmi_password ipmi_port image_source image_checksum image_url image_type image_disk_format \
    image_os_hash_algo image_os_hash_value root_gb swap_mb ephemeral_gb ephemeral_format display_name nova_host_id \
    vcpus project_id project_name user_id user_name flavor_name fixed_ips floating_ips traits configdrive \
    clean_steps deploy_steps agent_url agent_version agent_last_heartbeat agent_secret_token agent_verify_ca \
    agent_secret_token_pregenerated is_whole_disk_image last_power_state_change dnsmasq_tag vnc_host vnc_port \
    hardware_manager_version agent_cached_clean_steps agent_cached_clean_steps_refreshed tenant_vif_port_id \
    vif_port_id switch_id port_id switch_info address physical_network pxe_enabled is_smartnic internal_info \
    local_link_connection attribute_type allowable_values lower_bound max_length min_length read_only \
    reset_required unique upper_bound";

/// The class of every key.
pub(in crate::scrub) struct Keys {
    /// Keys that are known beforehand, as written.
    known: Table,
    /// Keys with a meaning of their own, without separators and in lower case.
    normal: Table,
    words: Regex,
    compounds: Compounds,
    links_usual: bool,
}

impl Keys {
    /// From whole names and from words (parts of names). `known` are further keys worth a place in the table.
    pub(in crate::scrub) fn new<'a>(
        names: impl Iterator<Item = &'a str>,
        words: impl Iterator<Item = &'a str>,
        known: impl Iterator<Item = &'a str>,
    ) -> Result<Self, regex::Error> {
        let words = words.chain(words::WORDS.split(' ')).chain([words::PROSE_WORD]);
        let patterns: Vec<String> = words.map(word_pattern).collect();
        let parts = format!(
            r"(?:^|{SEPARATOR})(?i:{})[0-9]*(?:$|{SEPARATOR})|[a-z0-9](?:{})[0-9]*(?:$|{SEPARATOR}|[A-Z])",
            words::PARTS,
            words::CAPITAL_PARTS
        );
        let words = Regex::new(&format!("(?i:{})|{parts}", patterns.join("|")))?;
        let mut exact: BTreeMap<String, KeyClass> = BTreeMap::new();
        let mut add = |key: &str, class: KeyClass| {
            let entry = exact.entry(normal(key)).or_default();
            *entry = entry.and(class);
        };
        for (keys, class) in [
            (NAMES, KeyClass::NAMES),
            (VALUES, KeyClass::VALUES),
            (FREE, KeyClass::FREE),
            (FIELDS, KeyClass::FIELDS),
            (COMPARED, KeyClass::COMPARED),
            (words::NAMES, KeyClass::SECRET),
            ("href", KeyClass::HREF),
            ("next", KeyClass::NEXT),
            ("properties", KeyClass::FREE_OBJECT),
            ("args", KeyClass::ARGS),
            ("loop", KeyClass::LOOP),
            ("capabilities", KeyClass::LIST),
            ("headers content", KeyClass::SECRET_ARGUMENT),
        ] {
            keys.split(' ').for_each(|key| add(key, class));
        }
        names.for_each(|name| add(name, KeyClass::SECRET.and(KeyClass::SHIPPED)));
        let mut keys = Self {
            known: Table::default(),
            normal: Table::new(exact.into_iter()),
            words,
            compounds: Compounds::new()?,
            links_usual: false,
        };
        let known: BTreeSet<&str> = COMMON.split(' ').chain(FREE.split(' ')).chain(known).collect();
        keys.known = Table::new(known.into_iter().map(|key| (key, keys.judge(key))));
        keys.links_usual = keys.judge("href") == KeyClass::HREF && keys.judge("rel") == KeyClass::default();
        Ok(keys)
    }

    /// Whether the keys of a link say no more than what they say in Ironic.
    #[inline]
    pub(in crate::scrub) const fn links_usual(&self) -> bool {
        self.links_usual
    }

    /// Keys that are known in advance, as they are written without escapes.
    #[inline]
    pub(in crate::scrub) const fn known(&self) -> &Table {
        &self.known
    }

    /// The class of any key.
    pub(in crate::scrub) fn judge(&self, key: &str) -> KeyClass {
        if key.len() > KEY_BYTES_MAX {
            return KeyClass::SECRET;
        }
        let class = self.normal(key);
        let secret = || self.words.is_match(key) && !self.compounds.explain(key, &self.words);
        if !class.has(KeyClass::SECRET) && secret() { class.and(KeyClass::SECRET) } else { class }
    }

    /// Whether a text names a secret, as a key would: with all of it, or with a part of it if it is a path.
    pub(in crate::scrub) fn names_a_secret(&self, text: &str) -> bool {
        self.judge(text).has(KeyClass::SECRET)
            || (is_path(text) && parts(text).any(|part| self.normal(part).has(KeyClass::SECRET)))
    }

    /// The class of a key by its whole name.
    pub(in crate::scrub) fn normal(&self, key: &str) -> KeyClass {
        let mut short = [0; NORMAL_BYTES_MAX];
        let class = if key.len() <= NORMAL_BYTES_MAX && key.is_ascii() {
            let mut length = 0;
            for (to, from) in short.iter_mut().zip(key.bytes().filter(|byte| !separates(char::from(*byte)))) {
                *to = from.to_ascii_lowercase();
                length += 1;
            }
            let short = short.get(..length).unwrap_or_default();
            self.normal.find(short, Ends::of(short))
        } else {
            let normal = normal(key);
            self.normal.find(normal.as_bytes(), Ends::of(normal.as_bytes()))
        };
        class.unwrap_or_default()
    }
}

/// Keys up to this length are brought to their normal form without memory of its own.
const NORMAL_BYTES_MAX: usize = 64;

const fn separates(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | ' ')
}

/// Lower case, without separators: `X-Auth-Key`, `x_auth_key` and `xAuthKey` are one key.
fn normal(key: &str) -> String {
    key.chars().filter(|c| !separates(*c)).flat_map(char::to_lowercase).collect()
}
