//! The types of query parameters and body fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

/// The most items of a body's list that comes as a text. Ironic knows three of the one kind that may.
pub const LIST_ITEMS_MAX: usize = 64;

/// One field of a body, one query parameter's type, or the type of an array's items (then without a name).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The key in the JSON object; empty for the items of an array.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What values are taken.
    pub kind: Kind,
    /// Whether JSON `null` is taken too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nullable: bool,
    /// Whether the field must be there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The first microversion (`1.N`) that has the field. Ironic answers 406 to an earlier use of a body field.
    #[serde(default = "one")]
    pub since: u16,
    /// The status that Ironic gives to a use before `since` or after `until`, where it is not the operation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_early_status: Option<u16>,
    /// The last microversion that has the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u16>,
    /// Whether the value is a secret: it never reaches a log or a policy's text, and it is masked in answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// Whether Ironic keeps a string in lower case, whatever it came in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub folded: bool,
    /// Least value (integers), least length (strings, in characters) or least count (arrays).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// Greatest value, length or count, as for `min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// A linear-time regular expression that a string must match as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// What matches `pattern`, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub like: String,
    /// For [`Kind::Any`]: the kinds of JSON that are taken, in [`crate::json::Json::kind`]'s words. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Keys that must stand beside this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The values of [`Kind::Enum`], and the words that [`Kind::StrictInteger`] takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<EnumValue>,
    /// The type of the items of [`Kind::Array`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Field>>,
    /// The keys of [`Kind::Object`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Whether [`Kind::Object`] takes keys that are not listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// For arguments of `states/provision`: the targets that take this field and the microversion from which they do.
    /// Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<EnumValue>,
    /// For an object with `op` and `args`: which table of `arguments.toml` says what the `args` of each `op` are.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments_of: String,
    /// That table, by `op`.
    #[serde(skip_deserializing, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Arguments>,
}

/// What the `args` of an inspection rule's action or condition hold: by name, or in this order as a list.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The names that must be there; a list has at least as many items.
    pub required: Vec<String>,
    /// The names that may be there.
    #[serde(default)]
    pub optional: Vec<String>,
}

impl Arguments {
    /// The names in the order of a list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.required.iter().chain(&self.optional).map(String::as_str)
    }
}

/// A permitted value and the microversion from which it is. In TOML `"value"` or `{ value = "value", since = 27 }`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(from = "RawEnumValue")]
pub struct EnumValue {
    /// The value, compared exactly.
    pub value: String,
    /// The first microversion (`1.N`) that has the value.
    pub since: u16,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawEnumValue {
    Plain(String),
    Since(ValueSince),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueSince {
    value: String,
    since: u16,
}

impl From<RawEnumValue> for EnumValue {
    fn from(raw: RawEnumValue) -> Self {
        match raw {
            RawEnumValue::Plain(value) => Self { value, since: one() },
            RawEnumValue::Since(ValueSince { value, since }) => Self { value, since },
        }
    }
}

impl Field {
    /// A field of this kind that has no name and no bounds.
    pub fn of(kind: Kind) -> Self {
        Self {
            name: String::new(),
            kind,
            nullable: false,
            required: false,
            since: one(),
            too_early_status: None,
            until: None,
            secret: false,
            folded: false,
            min: None,
            max: None,
            pattern: None,
            like: String::new(),
            types: Vec::new(),
            needs: Vec::new(),
            values: Vec::new(),
            items: None,
            fields: Vec::new(),
            open: false,
            targets: Vec::new(),
            arguments_of: String::new(),
            arguments: BTreeMap::new(),
        }
    }
}

/// What Ironic takes as a value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Any JSON, or any of the listed kinds.
    Any,
    /// A string.
    String,
    /// A JSON boolean only.
    StrictBoolean,
    /// A JSON boolean or its spelling as text (`true yes on 1 t y`, `false no off 0 f n`, without case).
    Boolean,
    /// An integer, or digits as text.
    Integer,
    /// A JSON integer; as text only the listed values, or what the pattern matches.
    StrictInteger,
    /// A UUID in its 8-4-4-4-12 form, in either case.
    Uuid,
    /// 1 to 255 characters of `A-Z a-z 0-9 - . _ ~`.
    Name,
    /// A UUID or a name.
    UuidOrName,
    /// A MAC address, or another hardware address such as InfiniBand's.
    Mac,
    /// `CUSTOM_[A-Z0-9_]+` up to 255 characters, or a standard trait name of os-traits.
    Trait,
    /// One of the listed values.
    Enum,
    /// A string, or an object with the listed keys, or free-form where none are listed: a config drive.
    StringOrObject,
    /// A string or a boolean.
    StringOrBoolean,
    /// An object with the listed keys.
    Object,
    /// A free-form array or object.
    ArrayOrObject,
    /// A free-form object: Ironic stores what it gets. Its children are writes of their own.
    Map,
    /// An array of `items`.
    Array,
    /// An array of steps (`interface`, `step`, `args`, …), which are writes with an `interface.step` name.
    Steps,
    /// Comma-separated strings: in a query, and where a body's list may be a text of at most [`LIST_ITEMS_MAX`] items.
    StringList,
    /// A host, `host:port` or `[v6]:port` (query only).
    HostPort,
}

impl Kind {
    /// Whether its values can be written in a query.
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            Self::String
                | Self::Boolean
                | Self::Integer
                | Self::Uuid
                | Self::Name
                | Self::UuidOrName
                | Self::Mac
                | Self::Trait
                | Self::Enum
                | Self::StringList
                | Self::HostPort
        )
    }
}

const fn one() -> u16 {
    1
}
