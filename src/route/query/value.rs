//! The value of a query parameter.

use std::borrow::Cow;

use super::{RouteError, TOO_EARLY_STATUS};
use crate::catalog::{Field, Kind};
use crate::microversion::Microversion;
use crate::route::text;

/// The longest text in characters where the catalogue sets no bound.
const TEXT_LENGTH_MAX: usize = 4096;
/// The longest name of an object's field in bytes.
const FIELD_NAME_BYTES_MAX: usize = 64;
/// The parameter whose list names fields of the object asked for.
pub(super) const FIELDS: &str = "fields";

const TRUE: [&str; 6] = ["true", "t", "yes", "y", "on", "1"];
const FALSE: [&str; 6] = ["false", "f", "no", "n", "off", "0"];

/// The value in its one spelling, if Ironic would take it.
pub(super) fn read<'a>(
    field: &'static Field,
    value: Cow<'a, str>,
    microversion: Microversion,
) -> Result<Cow<'a, str>, RouteError> {
    match field.kind {
        Kind::String => check(field, value, |text| text.chars().count() <= length_max(field), "shorter"),
        Kind::Boolean => boolean(&value).map(Cow::Borrowed).ok_or_else(|| wrong(field, "true or false")),
        Kind::Integer => integer(field, value),
        Kind::Uuid => check(field, value, text::is_uuid, "a UUID"),
        Kind::Name | Kind::Trait => check(field, value, text::is_name, "a name of letters, digits and - . _ ~"),
        Kind::UuidOrName => check(field, value, text::is_name, "a UUID, or a name of letters, digits and - . _ ~"),
        Kind::Mac => {
            let value = check(field, value, text::is_mac, "six octets with colons between")?;
            Ok(Cow::Owned(value.to_ascii_lowercase()))
        }
        Kind::HostPort => check(field, value, text::is_host, "a host name"),
        Kind::Enum => one_of(field, value, microversion),
        Kind::StringList => list(field, value),
        Kind::Any
        | Kind::ArrayOrObject
        | Kind::StrictBoolean
        | Kind::StrictInteger
        | Kind::StringOrObject
        | Kind::StringOrBoolean
        | Kind::Object
        | Kind::Map
        | Kind::Array
        | Kind::Steps => Err(wrong(field, "sent in the body")),
    }
}

fn wrong(field: &'static Field, expected: &'static str) -> RouteError {
    RouteError::QueryValue { parameter: &field.name, expected }
}

fn check<'a>(
    field: &'static Field,
    value: Cow<'a, str>,
    good: impl FnOnce(&str) -> bool,
    expected: &'static str,
) -> Result<Cow<'a, str>, RouteError> {
    if good(&value) { Ok(value) } else { Err(wrong(field, expected)) }
}

fn length_max(field: &Field) -> usize {
    field.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(TEXT_LENGTH_MAX)
}

fn boolean(value: &str) -> Option<&'static str> {
    let is = |word: &&str| word.eq_ignore_ascii_case(value);
    if TRUE.iter().any(is) {
        Some("true")
    } else if FALSE.iter().any(is) {
        Some("false")
    } else {
        None
    }
}

/// Digits only. Ironic takes blanks, signs and underscores too; no client sends them.
fn integer<'a>(field: &'static Field, value: Cow<'a, str>) -> Result<Cow<'a, str>, RouteError> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse::<i64>().ok().filter(|_| digits).ok_or_else(|| wrong(field, "a whole number"))?;
    if field.min.is_some_and(|min| number < min) || field.max.is_some_and(|max| number > max) {
        return Err(wrong(field, "within its bounds"));
    }
    // Without zeros in front it is written as it will be.
    Ok(if value.starts_with('0') { Cow::Owned(number.to_string()) } else { value })
}

fn one_of<'a>(
    field: &'static Field,
    value: Cow<'a, str>,
    microversion: Microversion,
) -> Result<Cow<'a, str>, RouteError> {
    let known = field.values.iter().find(|known| known.value == value);
    let known = known.ok_or_else(|| wrong(field, "one of its documented values"))?;
    if microversion.minor() < known.since {
        let since = known.since;
        return Err(RouteError::QueryTooEarly { parameter: &field.name, since, status: TOO_EARLY_STATUS });
    }
    Ok(value)
}

/// A list as Ironic reads it: items trimmed, in lower case, each once, empty ones left out.
fn list<'a>(field: &'static Field, value: Cow<'a, str>) -> Result<Cow<'a, str>, RouteError> {
    if is_canonical_list(&value) {
        let named = field.name != FIELDS || value.split(',').all(is_field_name);
        return if named { Ok(value) } else { Err(wrong(field, "names of fields with commas between")) };
    }
    let mut items: Vec<String> = Vec::new();
    for item in value.split(',') {
        let item = item.trim().to_lowercase();
        if !item.is_empty() && !items.contains(&item) {
            items.push(item);
        }
    }
    if field.name == FIELDS && !items.iter().all(|item| is_field_name(item)) {
        return Err(wrong(field, "names of fields with commas between"));
    }
    Ok(Cow::Owned(items.join(",")))
}

/// The items of a parameter that is there more than once, joined. Ironic takes each as it is, so what reading them as one
/// list would change stays, and is forwarded as it came ([`is_repeated`]).
pub(super) fn read_repeated<'a>(field: &'static Field, value: Cow<'a, str>) -> Result<Cow<'a, str>, RouteError> {
    if !is_repeated(&value) {
        return list(field, value);
    }
    if field.name == FIELDS && !value.split(',').all(is_field_name) {
        return Err(wrong(field, "names of fields with commas between"));
    }
    Ok(value)
}

/// Whether a list can only have come as a repeated parameter: within one Ironic would read its items otherwise.
pub(in crate::route) fn is_repeated(value: &str) -> bool {
    let is_same = |item: &str| !item.is_empty() && item.trim() == item && item.to_lowercase() == item;
    value.contains(',') && !value.split(',').all(is_same)
}

/// Whether a list is written as it will be: plain lower-case items, none empty, none twice.
fn is_canonical_list(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b',');
    value.bytes().all(plain)
        && value
            .split(',')
            .enumerate()
            .all(|(index, item)| !item.is_empty() && !value.split(',').take(index).any(|before| before == item))
}

fn is_field_name(item: &str) -> bool {
    item.len() <= FIELD_NAME_BYTES_MAX && item.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
