//! What is a secret, compiled once per snapshot.

pub(in crate::scrub) mod place;
pub(in crate::scrub) mod treatment;

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use crate::catalog::{Answer, Group, Operation, catalog};

use super::ScrubRuleError;
use super::error::Vocabulary;
use super::names::key::Keys;
use super::names::named::NamedPlaces;
use super::shapes::{Shapes, compile_own};
use place::{Action, PlaceError, Places};
use treatment::{HmacKey, SecretTreatment};

/// What the operator adds to the shipped secret map.
#[derive(Debug, Clone, Default)]
pub struct ScrubAdditions {
    /// Words: a key that contains one is masked wherever it occurs (without case; `_`, `-` and `.` in a word match each
    /// other or nothing), and so is what is assigned to such a name inside a text. At least three letters or digits.
    pub words: Vec<String>,
    /// Exact places, `/driver_info/my_field` as JSON Pointers with `*` for any one segment. They begin at the root of a
    /// resource: the same place counts for one node, for each node of a list and for a lookup's node.
    pub fields: Vec<String>,
    /// Linear-time regular expressions: what they match in string values is masked; if one has a capture group, the
    /// first group only. Longer strings than 64 KiB are searched in windows, in which matches up to 16 KiB are found.
    pub shapes: Vec<String>,
}

impl ScrubAdditions {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.fields.is_empty() && self.shapes.is_empty()
    }

    /// These and others.
    pub(in crate::scrub) fn and(&self, more: &Self) -> Self {
        let both = |some: &[String], more: &[String]| some.iter().chain(more).cloned().collect();
        Self {
            words: both(&self.words, &more.words),
            fields: both(&self.fields, &more.fields),
            shapes: both(&self.shapes, &more.shapes),
        }
    }
}

/// The most fields that an operator can add.
pub(in crate::scrub) const OWN_FIELDS_MAX: usize = 48;

/// What is a secret, compiled once per snapshot.
#[derive(Clone)]
pub struct ScrubRules {
    pub(in crate::scrub) keys: Arc<Keys>,
    pub(in crate::scrub) shapes: Arc<Shapes>,
    pub(in crate::scrub) vocabulary: Arc<Vocabulary>,
    own_fields: Vec<String>,
    /// The exact places of all operations, for texts that name them.
    named: NamedPlaces,
    /// Fields with a treatment of their own.
    treated: Vec<(String, SecretTreatment)>,
    /// What becomes of all other secrets.
    pub(in crate::scrub) others: SecretTreatment,
    pub(in crate::scrub) key: Option<HmacKey>,
    /// The same with rules that are tried out.
    pub(in crate::scrub) shadow: Option<Arc<ScrubRules>>,
    plans: BTreeMap<String, Arc<Plan>>,
}

/// What is special about one operation's answers.
pub(in crate::scrub) struct Plan {
    /// Places below the answer's root: the catalogue's and the operator's.
    pub(in crate::scrub) root: Places,
    /// Places below a resource in the answer, which is an item of a list (`/nodes/0`, `/0`) or a lookup's `/node`: the
    /// operator's.
    pub(in crate::scrub) resource: Places,
    /// Whether the answer has links of Ironic's.
    pub(in crate::scrub) links: bool,
    /// Whether the keys at the root name settings or properties.
    pub(in crate::scrub) roots: Roots,
    /// Whether it is made of settings, which have their names beside their values: a value without one is a secret, since
    /// the caller may have left the name out (`fields=value`).
    pub(in crate::scrub) settings: bool,
}

/// What the keys at the root of an answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scrub) enum Roots {
    /// Keys as everywhere.
    Keys,
    /// Names of settings above objects that are looked at on their own; above anything else they are keys.
    Settings,
    /// Names of properties above their descriptions, which are fixed texts.
    Described,
}

/// Operations whose answers have such names at the root.
const NAMED_ROOTS: &[(&str, Roots)] = &[
    ("node:bios:get", Roots::Settings),
    ("driver:properties", Roots::Described),
    ("driver:raid_properties", Roots::Described),
    ("node:vendor_passthru:methods", Roots::Settings),
    ("driver:vendor_passthru:methods", Roots::Settings),
];

/// The object that settings are in the catalogue.
const SETTING: &str = "bios_setting";

/// What the ramdisk needs as it is: hardware agents read all of it.
const LOOKUP_PASSES: &[&str] =
    &["/config/agent_token", "/node/properties", "/node/instance_info", "/node/driver_internal_info"];

impl ScrubRules {
    /// The shipped secret map (the catalogue's names, words and places, and the shapes) with the operator's additions.
    pub fn new(additions: &ScrubAdditions) -> Result<Self, ScrubRuleError> {
        Self::keyed(additions, None)
    }

    /// The same with a key for HMACs; without one, what should become an HMAC is masked.
    pub(in crate::scrub) fn keyed(additions: &ScrubAdditions, key: Option<HmacKey>) -> Result<Self, ScrubRuleError> {
        for word in &additions.words {
            if word.chars().filter(char::is_ascii_alphanumeric).count() < 3 {
                return Err(ScrubRuleError::ShortWord(word.clone()));
            }
        }
        if additions.fields.len() > OWN_FIELDS_MAX {
            return Err(ScrubRuleError::TooManyFields { max: OWN_FIELDS_MAX });
        }
        let own = additions.shapes.iter().map(|shape| own_shape(shape)).collect::<Result<_, _>>()?;
        let catalog = catalog();
        let words = || catalog.secret_words().iter().chain(&additions.words).map(String::as_str);
        let names = || catalog.secret_names().iter().map(String::as_str);
        let objects = catalog.operations().iter().filter_map(|operation| catalog.object(operation.object.as_deref()?));
        let known = objects.flat_map(|object| object.fields.iter().map(|field| field.name.as_str()));
        let shipped = |error: regex::Error| ScrubRuleError::Words(error.to_string());
        let keys = Arc::new(Keys::new(names(), words(), known).map_err(shipped)?);
        let mut rules = Self {
            shapes: Arc::new(Shapes::new(names(), words(), Arc::clone(&keys), own).map_err(shipped)?),
            keys,
            vocabulary: Arc::new(Vocabulary::new(catalog).map_err(shipped)?),
            own_fields: additions.fields.clone(),
            named: NamedPlaces::default(),
            treated: Vec::new(),
            others: SecretTreatment::Mask,
            key,
            shadow: None,
            plans: BTreeMap::new(),
        };
        let shipped = catalog.operations().iter().flat_map(|operation| &operation.secret_fields);
        shipped.chain(&additions.fields).for_each(|field| rules.named.add(field));
        rules.check_fields()?;
        rules.make_plans()?;
        Ok(rules)
    }

    /// The same for callers to whom not all secrets are masked: `treated` are places as in [`ScrubAdditions::fields`],
    /// `others` is for all other secrets. Cheap: the plans are left to [`Self::with_plans`], or made when they are needed.
    pub(in crate::scrub) fn treating(&self, treated: &[(String, SecretTreatment)], others: SecretTreatment) -> Self {
        let mut named = self.named.clone();
        let hidden = treated.iter().filter(|(_, treatment)| *treatment != SecretTreatment::Keep);
        hidden.for_each(|(field, _)| named.add(field));
        Self {
            keys: Arc::clone(&self.keys),
            shapes: Arc::clone(&self.shapes),
            vocabulary: Arc::clone(&self.vocabulary),
            own_fields: self.own_fields.clone(),
            named,
            treated: treated.to_vec(),
            others,
            key: self.key.clone(),
            shadow: self.shadow.as_ref().map(|shadow| Arc::new(shadow.treating(treated, others))),
            plans: BTreeMap::new(),
        }
    }

    /// The same, with the plans of all operations.
    pub(in crate::scrub) fn with_plans(mut self) -> Result<Self, ScrubRuleError> {
        self.check_fields()?;
        self.make_plans()?;
        self.shadow = match self.shadow.take().map(Arc::unwrap_or_clone) {
            Some(shadow) => Some(Arc::new(shadow.with_plans()?)),
            None => None,
        };
        Ok(self)
    }

    fn make_plans(&mut self) -> Result<(), ScrubRuleError> {
        for operation in catalog().operations() {
            let plan = self.compile(operation)?;
            self.plans.insert(operation.id.clone(), Arc::new(plan));
        }
        Ok(())
    }

    /// The same, with `shadow` beside it.
    pub(in crate::scrub) fn with_shadow(mut self, shadow: Option<Self>) -> Self {
        self.shadow = shadow.map(Arc::new);
        self
    }

    fn check_fields(&self) -> Result<(), ScrubRuleError> {
        self.own_fields.iter().chain(self.treated.iter().map(|(field, _)| field)).try_for_each(|field| {
            Places::default().add(field, Action::SECRET).map_err(|_| ScrubRuleError::NotAPointer(field.clone()))
        })
    }

    /// Whether a secret may be shown as it is, but for the ramdisk's own.
    pub fn keeps(&self) -> bool {
        self.treated.iter().any(|(_, treatment)| *treatment == SecretTreatment::Keep)
    }

    /// Whether a text names a secret or its place.
    pub(in crate::scrub) fn names_a_secret(&self, text: &str) -> bool {
        self.keys.names_a_secret(text) || self.named.named_by(text)
    }

    /// Whether anything is left out of answers.
    pub(in crate::scrub) fn omits(&self) -> bool {
        self.others == SecretTreatment::Drop || self.treated.iter().any(|(_, what)| *what == SecretTreatment::Drop)
    }

    /// The plan of an operation of the catalogue, or a new one.
    pub(in crate::scrub) fn plan(&self, operation: &Operation) -> Option<Arc<Plan>> {
        match self.plans.get(&operation.id) {
            Some(plan) => Some(Arc::clone(plan)),
            None => self.compile(operation).ok().map(Arc::new),
        }
    }

    fn compile(&self, operation: &Operation) -> Result<Plan, ScrubRuleError> {
        let (mut root, mut resource) = (Places::default(), Places::default());
        let wrong = |error| match error {
            PlaceError::NotAPointer => ScrubRuleError::NotAPointer(operation.id.clone()),
            PlaceError::TooMany => ScrubRuleError::TooManyFields { max: OWN_FIELDS_MAX },
        };
        if operation.answer == Answer::Lookup {
            LOOKUP_PASSES.iter().try_for_each(|pointer| root.add(pointer, Action::PASS)).map_err(wrong)?;
        }
        operation.secret_fields.iter().try_for_each(|pointer| root.add(pointer, Action::SECRET)).map_err(wrong)?;
        for pointer in &self.own_fields {
            root.add(pointer, Action::SECRET).map_err(wrong)?;
            resource.add(pointer, Action::SECRET).map_err(wrong)?;
        }
        for (number, (pointer, treatment)) in self.treated.iter().enumerate() {
            let action = Action::of_role(number, *treatment);
            root.add(pointer, action).map_err(wrong)?;
            resource.add(pointer, action).map_err(wrong)?;
        }
        Ok(Plan {
            root,
            resource,
            links: !operation.groups.contains(&Group::Passthru),
            roots: NAMED_ROOTS.iter().find(|(id, _)| *id == operation.id).map_or(Roots::Keys, |(_, roots)| *roots),
            settings: operation.object.as_deref() == Some(SETTING),
        })
    }
}

fn own_shape(shape: &str) -> Result<Regex, ScrubRuleError> {
    let regex = compile_own(shape)
        .map_err(|error| ScrubRuleError::Shape { shape: shape.to_owned(), reason: error.to_string() })?;
    if regex.is_match("") { Err(ScrubRuleError::EmptyShape(shape.to_owned())) } else { Ok(regex) }
}

impl std::fmt::Debug for ScrubRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScrubRules").field("own_fields", &self.own_fields.len()).finish_non_exhaustive()
    }
}
