//! Reading.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Json;

mod zero;

/// Bounds of one body.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nested containers; Ironic's own bound is 25. A number or string is at depth 0, `{"a": []}` at 2. More than 100 is
    /// taken as 100, which the stack always holds.
    pub depth_max: usize,
    /// Keys and array items in all.
    pub values_max: usize,
    /// Bytes of one key.
    pub key_bytes_max: usize,
    /// Bytes of one string (the body's own bound for config drives).
    pub string_bytes_max: usize,
}

/// Why a text is not taken. Never holds text of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Nothing but white space.
    #[error("the body is empty where JSON is expected")]
    Empty,
    /// A byte-order mark before the value.
    #[error("the body starts with a byte-order mark; send UTF-8 without one")]
    ByteOrderMark,
    /// Not JSON.
    #[error("the body is not JSON ({0})")]
    Syntax(Position),
    /// The text ends inside a value.
    #[error("the body ends before its JSON value does ({0})")]
    Truncated(Position),
    /// Something behind the value.
    #[error("there is text after the JSON value ({0})")]
    TrailingText(Position),
    /// A string that is not UTF-8.
    #[error("the body is not UTF-8 ({0})")]
    NotUtf8(Position),
    /// `\ud800` without its other half.
    #[error("a string holds half of a surrogate pair ({0})")]
    LoneSurrogate(Position),
    /// A raw control character in a string.
    #[error("a string holds a control character that is not escaped ({0})")]
    RawControlCharacter(Position),
    /// `\u0000`, which databases do not store.
    #[error("a string holds the character U+0000 ({0})")]
    NulCharacter(Position),
    /// An integer beyond 64 bits, or a number that a double does not hold.
    #[error("a number is outside of the range from -2^63 to 2^63 - 1 ({0})")]
    NumberRange(Position),
    /// The same key twice in one object.
    #[error("an object holds the same key twice ({0})")]
    DuplicateKey(Position),
    /// More nested containers than [`Limits::depth_max`].
    #[error("the JSON is nested more than {max} levels deep ({position})")]
    TooDeep {
        /// The bound.
        max: usize,
        /// Where it was passed.
        position: Position,
    },
    /// More keys and items than [`Limits::values_max`].
    #[error("the JSON holds more than {max} values ({position})")]
    TooManyValues {
        /// The bound.
        max: usize,
        /// Where it was passed.
        position: Position,
    },
    /// A key beyond [`Limits::key_bytes_max`].
    #[error("a key is longer than {max} bytes ({position})")]
    KeyTooLong {
        /// The bound, in bytes.
        max: usize,
        /// Where it was passed.
        position: Position,
    },
    /// A string beyond [`Limits::string_bytes_max`].
    #[error("a string is longer than {max} bytes ({position})")]
    StringTooLong {
        /// The bound, in bytes.
        max: usize,
        /// Where it was passed.
        position: Position,
    },
}

/// Where the reader stood when it refused; at the misdeed or shortly behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// 1-based.
    pub line: usize,
    /// 1-based, in bytes.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

impl JsonError {
    /// The stable word for records and answers.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "json_empty",
            Self::ByteOrderMark => "json_byte_order_mark",
            Self::Syntax(_) => "json_syntax",
            Self::Truncated(_) => "json_truncated",
            Self::TrailingText(_) => "json_trailing_text",
            Self::NotUtf8(_) => "json_not_utf8",
            Self::LoneSurrogate(_) => "json_lone_surrogate",
            Self::RawControlCharacter(_) => "json_raw_control_character",
            Self::NulCharacter(_) => "json_nul_character",
            Self::NumberRange(_) => "json_number_range",
            Self::DuplicateKey(_) => "json_duplicate_key",
            Self::TooDeep { .. } => "json_too_deep",
            Self::TooManyValues { .. } => "json_too_many_values",
            Self::KeyTooLong { .. } => "json_key_too_long",
            Self::StringTooLong { .. } => "json_string_too_long",
        }
    }
}

/// Reads one JSON text.
///
/// `serde_json` tokenises; this module adds what it leaves open: the bounds, unique keys and the range of numbers.
pub fn parse<'a>(text: &'a [u8], limits: &Limits) -> Result<Json<'a>, JsonError> {
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::ByteOrderMark);
    }
    if text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
        return Err(JsonError::Empty);
    }
    let mut reader = Reader { limits, depth: 0, values: 0, refusal: None, negative_zeros: false };
    // Known to be UTF-8, strings need not be looked at again; else the reader of bytes says where it is not.
    let read = match std::str::from_utf8(text) {
        Ok(text) => read(&mut reader, serde_json::Deserializer::from_str(text)),
        Err(_) => read(&mut reader, serde_json::Deserializer::from_slice(text)),
    };
    let (refusal, negative_zeros) = (reader.refusal, reader.negative_zeros);
    let mut value = read.map_err(|error| describe(&error, refusal, limits))?;
    if negative_zeros {
        zero::settle(&mut value, text);
    }
    Ok(value)
}

fn read<'a, R: serde_json::de::Read<'a>>(
    reader: &mut Reader<'_>,
    mut deserializer: serde_json::Deserializer<R>,
) -> serde_json::Result<Json<'a>> {
    let value = ValueSeed(reader).deserialize(&mut deserializer)?;
    deserializer.end().map(|()| value)
}

/// `serde_json` stops at 128 containers; with this bound ours is always met first.
const DEPTH_MAX: usize = 100;

/// Up to this many members, keys are compared pairwise as they come; beyond it they are sorted once at the end, so that
/// an object with very many keys costs `n log n`.
const PAIRWISE_MAX: usize = 16;

/// What this module refuses itself. `serde`'s error type carries text only, so it is kept beside it.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Nul,
    Range,
    Duplicate,
    Depth,
    Values,
    Key,
    Text,
}

struct Reader<'l> {
    limits: &'l Limits,
    depth: usize,
    values: usize,
    refusal: Option<Refusal>,
    /// Whether a number was zero with a sign: see [`zero`].
    negative_zeros: bool,
}

impl Reader<'_> {
    fn refuse<T, E: de::Error>(&mut self, refusal: Refusal) -> Result<T, E> {
        self.refusal = Some(refusal);
        Err(E::custom(""))
    }

    fn enter<E: de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > self.limits.depth_max.min(DEPTH_MAX) {
            return self.refuse(Refusal::Depth);
        }
        Ok(())
    }

    fn count<E: de::Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        if self.values > self.limits.values_max {
            return self.refuse(Refusal::Values);
        }
        Ok(())
    }

    /// NUL can only come from an escape, so texts without escapes need not be searched for it.
    fn unescaped<E: de::Error>(&mut self, text: &str) -> Result<(), E> {
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return self.refuse(Refusal::Nul);
        }
        Ok(())
    }

    fn length<E: de::Error>(&mut self, text: &str, bytes_max: usize, refusal: Refusal) -> Result<(), E> {
        if text.len() > bytes_max {
            return self.refuse(refusal);
        }
        Ok(())
    }
}

/// A value, in the order of the text.
struct ValueSeed<'r, 'l>(&'r mut Reader<'l>);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_> {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Json<'de>, E> {
        match i64::try_from(number) {
            Ok(number) => Ok(Json::Integer(number)),
            Err(_) => self.0.refuse(Refusal::Range),
        }
    }

    /// Integers beyond 64 bits come here too, so that the bound on the magnitude refuses them.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Json<'de>, E> {
        if number == 0.0 && number.is_sign_negative() {
            self.0.negative_zeros = true;
        }
        if number.abs() < 9_223_372_036_854_775_808.0 { Ok(Json::Float(number)) } else { self.0.refuse(Refusal::Range) }
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        self.0.length(text, self.0.limits.string_bytes_max, Refusal::Text)?;
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json<'de>, E> {
        self.0.length(text, self.0.limits.string_bytes_max, Refusal::Text)?;
        self.0.unescaped(text)?;
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        self.0.enter()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(ValueSeed(&mut *self.0))? {
            self.0.count()?;
            items.push(item);
        }
        self.0.depth -= 1;
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        self.0.enter()?;
        let mut members: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        while let Some(key) = access.next_key_seed(KeySeed(&mut *self.0))? {
            self.0.count()?;
            if members.len() < PAIRWISE_MAX && members.iter().any(|(known, _)| *known == key) {
                return self.0.refuse(Refusal::Duplicate);
            }
            members.push((key, access.next_value_seed(ValueSeed(&mut *self.0))?));
        }
        if members.len() > PAIRWISE_MAX && repeats_a_key(&members) {
            return self.0.refuse(Refusal::Duplicate);
        }
        self.0.depth -= 1;
        Ok(Json::Object(members))
    }
}

fn repeats_a_key(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    keys.array_windows().any(|[left, right]| left == right)
}

/// An object's key.
struct KeySeed<'r, 'l>(&'r mut Reader<'l>);

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_, '_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        self.0.length(key, self.0.limits.key_bytes_max, Refusal::Key)?;
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Cow<'de, str>, E> {
        self.0.length(key, self.0.limits.key_bytes_max, Refusal::Key)?;
        self.0.unescaped(key)?;
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Which misdeed an error is about. `serde_json` tells its own kinds apart by text only; where a text should change,
/// the refusal stays and is called a syntax error.
fn describe(error: &serde_json::Error, refusal: Option<Refusal>, limits: &Limits) -> JsonError {
    let position = Position { line: error.line().max(1), column: error.column().max(1) };
    match refusal {
        Some(Refusal::Nul) => return JsonError::NulCharacter(position),
        Some(Refusal::Range) => return JsonError::NumberRange(position),
        Some(Refusal::Duplicate) => return JsonError::DuplicateKey(position),
        Some(Refusal::Depth) => return JsonError::TooDeep { max: limits.depth_max.min(DEPTH_MAX), position },
        Some(Refusal::Values) => return JsonError::TooManyValues { max: limits.values_max, position },
        Some(Refusal::Key) => return JsonError::KeyTooLong { max: limits.key_bytes_max, position },
        Some(Refusal::Text) => return JsonError::StringTooLong { max: limits.string_bytes_max, position },
        None => {}
    }
    if error.is_eof() {
        return JsonError::Truncated(position);
    }
    let text = error.to_string();
    if text.starts_with("trailing characters") {
        JsonError::TrailingText(position)
    } else if text.starts_with("number out of range") {
        JsonError::NumberRange(position)
    } else if text.starts_with("invalid unicode code point") {
        JsonError::NotUtf8(position)
    } else if text.contains("surrogate") || text.starts_with("unexpected end of hex escape") {
        JsonError::LoneSurrogate(position)
    } else if text.starts_with("control character") {
        JsonError::RawControlCharacter(position)
    } else {
        JsonError::Syntax(position)
    }
}

#[cfg(test)]
mod tests;
