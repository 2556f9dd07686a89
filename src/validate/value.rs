//! One value against one field of the catalogue.

use std::borrow::Cow;

use super::arguments;
use super::error::{At, InvalidRequest};
use super::shadow::Shadow;
use super::spelling;
use crate::catalog::{EnumValue, Field, Kind, LIST_ITEMS_MAX};
use crate::json::Json;

/// What a value's check depends on, beside the field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'s> {
    /// The minor number of the request's microversion.
    pub(super) minor: u16,
    /// What Ironic answers to a field that is too new for it: 406 or 400.
    pub(super) too_new_status: u16,
    /// Whether Ironic converts the arguments itself (`PUT …/states/power`): it then takes 0 and 1 as booleans and
    /// truncates fractions.
    pub(super) converts: bool,
    /// The checks that are only tried out.
    pub(super) shadow: &'s Shadow,
}

/// Checks `value`, and puts it into the spelling that Ironic would give it, so that a policy sees what Ironic goes by:
/// booleans and integers that came as text, texts that it keeps in lower case, lists that came as a text. Nothing else is changed.
pub(super) fn check(
    value: &mut Json<'_>,
    field: &Field,
    at: &At<'_>,
    context: &Context<'_>,
) -> Result<(), InvalidRequest> {
    if matches!(value, Json::Null) {
        let any = field.kind == Kind::Any && takes(field, value);
        return if field.nullable || any { Ok(()) } else { Err(wrong_kind(field, at)) };
    }
    match field.kind {
        Kind::Any => allowed(takes(field, value), field, at),
        Kind::ArrayOrObject => allowed(matches!(value, Json::Array(_) | Json::Object(_)), field, at),
        Kind::StringList => {
            if let Json::String(text) = value {
                *value = spelling::list(text).ok_or_else(|| InvalidRequest::OutOfBounds {
                    field: at.place(),
                    expected: format!("a list of at most {} items", LIST_ITEMS_MAX).into(),
                })?;
            }
            let of_text = |items: &[Json<'_>]| items.iter().all(|item| matches!(item, Json::String(_)));
            allowed(matches!(value, Json::Array(items) if of_text(items)), field, at)
        }
        Kind::String | Kind::HostPort => {
            check_text(text(value, field, at)?, field, at)?;
            if field.folded {
                spelling::fold(value);
            }
            Ok(())
        }
        Kind::StrictBoolean => allowed(matches!(value, Json::Boolean(_)), field, at),
        Kind::Boolean => {
            *value = Json::Boolean(boolean(value, context).ok_or_else(|| wrong_kind(field, at))?);
            Ok(())
        }
        Kind::Integer => {
            let number = integer(value, context).ok_or_else(|| wrong_kind(field, at))?;
            *value = Json::Integer(number);
            within(number, field, at, "a number")
        }
        Kind::StrictInteger => strict_integer(value, field, at),
        Kind::Uuid => spelled(value, field, at, is_uuid),
        Kind::Name | Kind::UuidOrName => {
            let may_be_empty = field.min == Some(0);
            spelled(value, field, at, |text| is_name(text) || (may_be_empty && text.is_empty()))?;
            check_text(text(value, field, at)?, field, at)
        }
        Kind::Mac => {
            spelled(value, field, at, is_mac)?;
            spelling::fold(value);
            Ok(())
        }
        Kind::Trait => spelled(value, field, at, is_trait),
        Kind::Enum => context.shadow.settle(listed(text(value, field, at)?, &field.values, at, context)),
        Kind::StringOrBoolean if matches!(value, Json::Boolean(_)) => Ok(()),
        // Ironic reads no words here: any text but the empty one is true.
        Kind::StringOrBoolean => {
            let text = text(value, field, at)?;
            check_text(text, field, at)?;
            *value = Json::Boolean(!text.is_empty());
            Ok(())
        }
        Kind::StringOrObject if matches!(value, Json::String(_)) => check_text(text(value, field, at)?, field, at),
        Kind::Map => allowed(matches!(value, Json::Object(_)), field, at),
        Kind::StringOrObject if field.fields.is_empty() => allowed(matches!(value, Json::Object(_)), field, at),
        Kind::StringOrObject | Kind::Object => {
            let Json::Object(members) = value else { return Err(wrong_kind(field, at)) };
            check_members(members, &field.fields, field.open, at, context)?;
            arguments::check(members, field, at)
        }
        Kind::Array | Kind::Steps => {
            let Json::Array(values) = value else { return Err(wrong_kind(field, at)) };
            within(i64::try_from(values.len()).unwrap_or(i64::MAX), field, at, "a number of items")?;
            if let Some(item) = &field.items {
                for (index, value) in values.iter_mut().enumerate() {
                    check(value, item, &at.index(index), context)?;
                }
            }
            Ok(())
        }
    }
}

/// Checks an object's members against its fields: unknown keys, each value, microversions, targets, required keys.
pub(super) fn check_members<'j>(
    members: &mut [(Cow<'j, str>, Json<'j>)],
    fields: &[Field],
    open: bool,
    at: &At<'_>,
    context: &Context<'_>,
) -> Result<(), InvalidRequest> {
    let mut needed = false;
    for (key, value) in members.iter_mut() {
        let at = at.key(key);
        match fields.iter().find(|field| field.name == *key) {
            Some(field) => {
                let context = &within_field(field, context);
                // A name Ironic looks at once it knows that there are any.
                if field.kind == Kind::Name && context.minor < field.since && !matches!(value, Json::Null) {
                    return Err(too_new(field.since, &at, context));
                }
                check(value, field, &at, context)?;
                check_microversion(value, field, &at, context)?;
                needed = needed || !field.needs.is_empty();
            }
            None if open => {}
            None => context.shadow.settle(Err(InvalidRequest::UnknownField { field: at.place() }))?,
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        if !members.iter().any(|(key, _)| *key == field.name) {
            return Err(InvalidRequest::MissingField { field: at.key(&field.name).place() });
        }
    }
    if needed {
        check_needs(members, fields, at)?;
    }
    if let Some((_, Json::String(target))) = members.iter().find(|(key, _)| key == "target") {
        for (key, value) in members.iter() {
            if let Some(field) = fields.iter().find(|field| field.name == *key && !field.targets.is_empty()) {
                context.shadow.settle(check_target(
                    value,
                    field,
                    target,
                    &at.key(key),
                    &within_field(field, context),
                ))?;
            }
        }
    }
    Ok(())
}

/// What must stand beside a member is there.
fn check_needs(members: &[(Cow<'_, str>, Json<'_>)], fields: &[Field], at: &At<'_>) -> Result<(), InvalidRequest> {
    let has = |name: &str| members.iter().any(|(key, _)| key == name);
    match fields.iter().filter(|field| has(&field.name)).flat_map(|field| &field.needs).find(|name| !has(name)) {
        Some(name) => Err(InvalidRequest::MissingField { field: at.key(name).place() }),
        None => Ok(()),
    }
}

/// Ironic answers 400 wherever a config drive does not fit, microversion included; other fields say it themselves.
const fn within_field<'s>(field: &Field, context: &Context<'s>) -> Context<'s> {
    match (field.too_early_status, field.kind) {
        (Some(too_new_status), _) => Context { too_new_status, ..*context },
        (None, Kind::StringOrObject) => Context { too_new_status: 400, ..*context },
        (None, _) => *context,
    }
}

/// Ironic looks away from a field that is null or empty, or refuses it itself: both are passed on.
fn check_microversion(
    value: &Json<'_>,
    field: &Field,
    at: &At<'_>,
    context: &Context<'_>,
) -> Result<(), InvalidRequest> {
    if is_empty(value) {
        return Ok(());
    }
    if context.minor < field.since {
        return Err(too_new(field.since, at, context));
    }
    match field.until {
        Some(until) if context.minor > until => {
            Err(InvalidRequest::Withdrawn { field: at.place(), until, status: context.too_new_status })
        }
        _ => Ok(()),
    }
}

fn check_target(
    value: &Json<'_>,
    field: &Field,
    target: &str,
    at: &At<'_>,
    context: &Context<'_>,
) -> Result<(), InvalidRequest> {
    if is_empty(value) {
        return Ok(());
    }
    match field.targets.iter().find(|known| known.value == target) {
        Some(known) if context.minor < known.since => Err(too_new(known.since, at, context)),
        Some(_) => Ok(()),
        None => Err(InvalidRequest::NotForTarget { field: at.place(), expected: joined(&field.targets, context) }),
    }
}

fn is_empty(value: &Json<'_>) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Boolean(_) | Json::Integer(_) | Json::Float(_) => false,
    }
}

pub(super) fn too_new(since: u16, at: &At<'_>, context: &Context<'_>) -> InvalidRequest {
    InvalidRequest::TooNew { field: at.place(), since, status: context.too_new_status }
}

pub(super) fn listed(
    text: &str,
    values: &[EnumValue],
    at: &At<'_>,
    context: &Context<'_>,
) -> Result<(), InvalidRequest> {
    match values.iter().find(|known| known.value == text) {
        Some(known) if context.minor < known.since => Err(too_new(known.since, at, context)),
        Some(_) => Ok(()),
        None => Err(InvalidRequest::NotListed { field: at.place(), expected: joined(values, context) }),
    }
}

fn joined(values: &[EnumValue], context: &Context<'_>) -> String {
    let known: Vec<&str> =
        values.iter().filter(|known| known.since <= context.minor).map(|known| known.value.as_str()).collect();
    known.join(", ")
}

fn text<'v>(value: &'v Json<'_>, field: &Field, at: &At<'_>) -> Result<&'v str, InvalidRequest> {
    value.as_str().ok_or_else(|| wrong_kind(field, at))
}

fn spelled(
    value: &Json<'_>,
    field: &Field,
    at: &At<'_>,
    is_plain: impl Fn(&str) -> bool,
) -> Result<(), InvalidRequest> {
    if is_plain(text(value, field, at)?) {
        Ok(())
    } else {
        Err(InvalidRequest::WrongFormat { field: at.place(), expected: expected(field).into_owned().into() })
    }
}

fn check_text(text: &str, field: &Field, at: &At<'_>) -> Result<(), InvalidRequest> {
    if field.min.is_some() || field.max.is_some() {
        within(i64::try_from(text.chars().count()).unwrap_or(i64::MAX), field, at, "a length")?;
    }
    match &field.pattern {
        Some(pattern) if !pattern.matches(text) => {
            Err(InvalidRequest::WrongFormat { field: at.place(), expected: field.like.clone().into() })
        }
        _ => Ok(()),
    }
}

fn within(number: i64, field: &Field, at: &At<'_>, what: &str) -> Result<(), InvalidRequest> {
    if field.min.is_none_or(|min| number >= min) && field.max.is_none_or(|max| number <= max) {
        return Ok(());
    }
    let expected = match (field.min, field.max) {
        (Some(min), Some(max)) => format!("{what} from {min} to {max}"),
        (Some(min), None) => format!("{what} of at least {min}"),
        (None, Some(max)) => format!("{what} of at most {max}"),
        (None, None) => what.to_owned(),
    };
    Err(InvalidRequest::OutOfBounds { field: at.place(), expected: expected.into() })
}

fn allowed(is_allowed: bool, field: &Field, at: &At<'_>) -> Result<(), InvalidRequest> {
    if is_allowed { Ok(()) } else { Err(wrong_kind(field, at)) }
}

fn wrong_kind(field: &Field, at: &At<'_>) -> InvalidRequest {
    let kind = expected(field).into_owned();
    let expected = if field.nullable { format!("{kind}, or null").into() } else { kind.into() };
    InvalidRequest::WrongKind { field: at.place(), expected }
}

fn expected(field: &Field) -> Cow<'_, str> {
    if !field.types.is_empty() {
        return field.types.join(" or ").into();
    }
    if field.kind == Kind::StrictInteger && !field.like.is_empty() {
        return format!("an integer, or {}", field.like).into();
    }
    if field.kind == Kind::StrictInteger && !field.values.is_empty() {
        let words: Vec<&str> = field.values.iter().map(|known| known.value.as_str()).collect();
        return format!("an integer, or {}", words.join(", ")).into();
    }
    plainly_expected(field).into()
}

const fn plainly_expected(field: &Field) -> &'static str {
    match field.kind {
        Kind::Any => "any JSON",
        Kind::ArrayOrObject => "an array or an object",
        Kind::String | Kind::Enum => "a string",
        Kind::StringList => "a string, or an array of strings",
        Kind::StrictBoolean => "true or false",
        Kind::Boolean => "true or false",
        Kind::Integer | Kind::StrictInteger => "an integer",
        Kind::Uuid => "a UUID of 36 characters",
        Kind::Name => "a name of 1 to 255 letters, digits, \"-\", \".\", \"_\" or \"~\"",
        Kind::UuidOrName => "a UUID, or a name of 1 to 255 letters, digits, \"-\", \".\", \"_\" or \"~\"",
        Kind::Mac => "a MAC address of six octets separated by colons",
        Kind::Trait => "a trait: CUSTOM_ with A-Z, 0-9 and \"_\", or a standard one",
        Kind::StringOrObject => "a string or an object",
        Kind::StringOrBoolean => "a string or a boolean",
        Kind::Object | Kind::Map => "an object",
        Kind::Array => "an array",
        Kind::Steps => "an array of objects",
        Kind::HostPort => "a host, or a host and port",
    }
}

/// `oslo_utils.strutils.bool_from_string`, strict, for ASCII.
fn boolean(value: &Json<'_>, context: &Context<'_>) -> Option<bool> {
    const TRUE: [&str; 6] = ["1", "t", "true", "on", "y", "yes"];
    const FALSE: [&str; 6] = ["0", "f", "false", "off", "n", "no"];
    match value {
        Json::Boolean(known) => Some(*known),
        Json::String(text) => {
            let word = text.trim_ascii();
            if TRUE.iter().any(|known| word.eq_ignore_ascii_case(known)) {
                Some(true)
            } else if FALSE.iter().any(|known| word.eq_ignore_ascii_case(known)) {
                Some(false)
            } else {
                None
            }
        }
        Json::Integer(1) if context.converts => Some(true),
        Json::Integer(0) if context.converts => Some(false),
        Json::Null | Json::Integer(_) | Json::Float(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Whether a free-form value is of a kind that is taken.
fn takes(field: &Field, value: &Json<'_>) -> bool {
    field.types.is_empty() || field.types.iter().any(|known| known == value.kind())
}

/// A JSON integer, which 2.0 is too, or one of the few texts that stand for one.
/// An integer, or a whole number that is written as a fraction, which becomes one; no text but those that the catalogue has.
fn strict_integer(value: &mut Json<'_>, field: &Field, at: &At<'_>) -> Result<(), InvalidRequest> {
    let known = |text: &str| {
        field.values.iter().any(|known| known.value == text)
            || field.pattern.as_ref().is_some_and(|pattern| pattern.matches(text))
    };
    match value {
        Json::String(text) => allowed(known(text), field, at),
        Json::Integer(_) | Json::Float(_) => {
            let number =
                integer(value, &Context { converts: false, minor: 0, too_new_status: 400, shadow: &Shadow::default() });
            let number = number.ok_or_else(|| wrong_kind(field, at))?;
            *value = Json::Integer(number);
            within(number, field, at, "a number")
        }
        Json::Null | Json::Boolean(_) | Json::Array(_) | Json::Object(_) => Err(wrong_kind(field, at)),
    }
}

/// The integer that Ironic makes of a value.
fn integer(value: &Json<'_>, context: &Context<'_>) -> Option<i64> {
    match value {
        Json::Integer(number) => Some(*number),
        Json::Float(number) if context.converts || number.fract() == 0.0 =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "Ironic truncates, and the reader bounds it to 64 bits"
            )]
            Some(*number as i64)
        }
        // Rust's reader takes what Python's does, less underscores and digits of other scripts.
        Json::String(text) => text.trim_ascii().parse().ok(),
        Json::Null | Json::Boolean(_) | Json::Float(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The form 8-4-4-4-12 in either case: the one under which things are stored and found.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

fn is_mac(text: &str) -> bool {
    text.len() == 17
        && text.bytes().enumerate().all(
            |(index, byte)| {
                if index % 3 == 2 { byte == b':' } else { byte.is_ascii_hexdigit() }
            },
        )
}

/// The shape only: which standard traits there are depends on Ironic's release, and Ironic says so.
fn is_trait(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
