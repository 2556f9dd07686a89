//! Words that may stand in an error because they are Ironic's own, not a caller's.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use crate::catalog::{BodyKind, Catalog, Field};

/// States, verbs and types that Ironic's texts quote.
const WORDS: &str = "enroll verifying manageable available deploying deploy active deploywait cleaning clean \
    deleting deleted error rebuild rebuilding inspecting inspect adopting adopt rescue rescuing unrescue unrescuing \
    servicing service deployhold hold undeploy provide manage abort rebooting \
    add replace remove object string array integer boolean number null dict list str int bool float NoneType tuple \
    system project domain InvalidImage true false True False None uuid mac-address date-time uri minLength maxLength \
    pattern format enum type required additionalProperties minItems maxItems uniqueItems anyOf oneOf allOf minimum \
    maximum const json application/json";
/// States and targets of more than one word.
const PHRASES: &[&str] = &[
    "power on",
    "power off",
    "soft rebooting",
    "soft power off",
    "deploy failed",
    "deploy hold",
    "clean failed",
    "clean wait",
    "clean hold",
    "inspect failed",
    "inspect wait",
    "adopt failed",
    "rescue failed",
    "rescue wait",
    "unrescue failed",
    "service failed",
    "service wait",
    "service hold",
    "deploy complete",
    "wait call-back",
];
/// How names of driver properties and settings begin.
const PREFIXES: &[&str] = &[
    "ipmi_",
    "redfish_",
    "ilo_",
    "irmc_",
    "snmp_",
    "drac_",
    "ibmc_",
    "xclarity_",
    "agent_",
    "deploy_",
    "rescue_",
    "image_",
    "kernel_",
    "ramdisk_",
    "root_",
    "boot_",
    "force_",
    "external_",
    "console_",
    "ephemeral_",
    "swap_",
    "local_",
    "memory_",
    "cpu_",
    "node_",
    "instance_",
    "driver_",
    "port_",
    "portgroup_",
    "volume_",
    "raid_",
    "bios_",
];

/// Where Ironic's inside begins to speak: SQL as SQLAlchemy quotes it, with its parameters, and the errors of database
/// drivers; stack traces, those of other processes too. SQL is in capitals, so that prose is none.
const INSIDE: &[&str] = &[
    r"\[SQL:|\[parameters:|\(Background on this error",
    r"\((?:sqlite3|pymysql|MySQLdb|mysql|asyncmy|psycopg2?|asyncpg|oslo_db|sqlalchemy|builtins)\.",
    r#"\bSELECT\s(?su:.)*?\sFROM\s|\bSELECT\s+(?:DISTINCT\s+)?[\w."`]+\s+AS\s"#,
    r"\b(?:FROM|WHERE|HAVING|ORDER BY|GROUP BY)\s+clause|\bSELECT\s+statement|\bfilter(?:_by)?\(",
    r#"\bINSERT\s+INTO\b|\bDELETE\s+FROM\b|\bUPDATE\s+[\w."`]+\s+SET\b"#,
    r#"\[?["']?Traceback \(most recent call last\)|\bFile\s+\\*"(?u:[^"])*",\s+line\s+\d"#,
];
/// A class of Python with its modules: `sqlalchemy.exc.OperationalError`.
const CLASS: &str = r"^(?:[a-z_][a-z0-9_]*\.)+_?[A-Z][A-Za-z0-9_]*$";

/// What is known to be harmless in an error's text.
pub(in crate::scrub) struct Vocabulary {
    words: BTreeSet<String>,
    uuid: Regex,
    rule: Regex,
    place: Regex,
    name: Regex,
    identifier: Regex,
    address: Regex,
    number: Regex,
    dotted: Regex,
    inside: Regex,
    class: Regex,
}

impl Vocabulary {
    /// From the catalogue's names and values.
    pub(in crate::scrub) fn new(catalog: &Catalog) -> Result<Self, regex::Error> {
        let mut words: BTreeSet<String> =
            WORDS.split_whitespace().chain(PHRASES.iter().copied()).map(str::to_owned).collect();
        for operation in catalog.operations() {
            operation.query.iter().for_each(|field| collect(field, &mut words));
            match &operation.body {
                BodyKind::Object { schema, .. } => collect(schema, &mut words),
                BodyKind::None | BodyKind::Patch(_) | BodyKind::Any => {}
            }
            let object = operation.object.as_deref().and_then(|name| catalog.object(name));
            words.extend(object.into_iter().flat_map(|object| &object.fields).map(|field| field.name.clone()));
        }
        catalog.patches().iter().flat_map(|patch| &patch.fields).for_each(|field| collect(field, &mut words));
        words.extend(catalog.secret_names().iter().chain(catalog.harmless_names()).cloned());
        Ok(Self {
            words,
            uuid: Regex::new(r"^(?:req-)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")?,
            rule: Regex::new(r"^baremetal(?::[a-z_]{1,40}){1,5}$")?,
            place: Regex::new(r"^/?[a-z_]{1,40}(?:/[A-Za-z_][A-Za-z0-9_-]{0,63}){0,8}$")?,
            name: Regex::new(r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,254}$")?,
            identifier: Regex::new(r"^[a-z][a-z_]{1,47}$")?,
            address: Regex::new(r"^(?:\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})$")?,
            number: Regex::new(r"^[+-]?\d{1,6}(?:\.\d{1,4})?%?$")?,
            dotted: Regex::new(r"^(?:[A-Za-z]{1,24}|\d{1,3})(?:\.(?:[A-Za-z]{1,24}|\d{1,3}))+$")?,
            inside: RegexBuilder::new(&INSIDE.join("|")).unicode(false).build()?,
            class: Regex::new(CLASS)?,
        })
    }

    /// Whether a text is one of Ironic's own, or an identifier that is no secret: fit to be quoted.
    pub(super) fn quotable(&self, text: &str) -> bool {
        self.words.contains(text)
            || self.uuid.is_match(text)
            || self.rule.is_match(text)
            || self.address.is_match(text)
            || text.starts_with("CUSTOM_")
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            || (self.identifier.is_match(text) && PREFIXES.iter().any(|prefix| text.starts_with(prefix)))
            || self.is_place(text)
    }

    /// A JSON Pointer (or `field/field`) that begins with a known field.
    fn is_place(&self, text: &str) -> bool {
        let first = text.trim_start_matches('/').split('/').next().unwrap_or_default();
        text.contains('/') && self.place.is_match(text) && self.words.contains(first)
    }

    /// Whether a word without quotes is prose, a number, or quotable.
    pub(super) fn speakable(&self, word: &str) -> bool {
        let letters = |part: &str| part.len() <= 32 && part.chars().all(|c| c.is_alphabetic() || c == '\'');
        word.strip_suffix("(s").unwrap_or(word).split(['-', '/']).all(letters)
            || self.number.is_match(word)
            || self.dotted.is_match(word)
            || self.quotable(word)
    }

    /// Where in a text Ironic's inside begins to speak.
    pub(super) fn inside(&self, text: &str) -> Option<usize> {
        self.inside.find(text).map(|found| found.start())
    }

    /// Whether a word is a class of Python with its modules.
    pub(super) fn is_class(&self, word: &str) -> bool {
        self.class.is_match(word)
    }

    /// Whether a word can be a name of a resource.
    pub(super) fn names(&self, word: &str) -> bool {
        self.name.is_match(word)
    }
}

fn collect(field: &Field, words: &mut BTreeSet<String>) {
    if !field.name.is_empty() {
        words.insert(field.name.clone());
    }
    words.extend(field.values.iter().map(|value| value.value.clone()));
    field.fields.iter().chain(field.items.as_deref()).for_each(|inner| collect(inner, words));
}
