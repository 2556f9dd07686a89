//! The query: which parameters, each once, in one spelling.

pub(super) mod value;

use std::borrow::Cow;

use super::{Parameters, RouteError};
use crate::catalog::{BodyKind, Field, Kind, Operation};
use crate::microversion::Microversion;

/// The longest query in bytes. Percent-encoded to the utmost it still fits into a target.
const QUERY_BYTES_MAX: usize = 16 * 1024;
/// The longest name of a query parameter in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The status of a query parameter before its microversion, unless the catalogue has another.
const TOO_EARLY_STATUS: u16 = 406;

/// The parameter that names a column to sort by.
const SORT_KEY: &str = "sort_key";

/// Names under which Ironic would take identifiers and arguments from the query; no operation documents them there.
const ARGUMENTS: [&str; 29] = [
    "self",
    "data",
    "patch",
    "body",
    "node",
    "node_ident",
    "node_id",
    "node_uuid",
    "port_ident",
    "port_uuid",
    "portgroup_ident",
    "portgroup_uuid",
    "chassis_uuid",
    "driver_name",
    "http_method",
    "vif_id",
    "vif",
    "vmedia",
    "trait",
    "setting_name",
    "event",
    "indicator",
    "hostname",
    "connector_uuid",
    "target_uuid",
    "allocation_ident",
    "template_ident",
    "runbook_ident",
    "inspection_rule_uuid",
];

type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads the query of a request for an operation. `folded` are the arguments that an alias has in its path.
pub(super) fn read<'a>(
    operation: &'static Operation,
    microversion: Microversion,
    raw: Option<&'a str>,
    folded: Parameters<'a>,
) -> Result<Pairs<'a>, RouteError> {
    let mut found: Vec<(&'static Field, Cow<'a, str>, bool)> = Vec::with_capacity(if raw.is_some() { 4 } else { 0 });
    for (name, text) in folded {
        found.push((field(operation, name)?, text, false));
    }
    for pair in pairs(raw.unwrap_or_default())? {
        let (name, raw_value) = pair?;
        let field = field(operation, name)?;
        let text = decode(raw_value)?;
        match found.iter_mut().find(|(known, ..)| known.name == field.name) {
            None => found.push((field, text, false)),
            Some((_, items, repeated)) if field.kind == Kind::StringList => {
                // Ironic does not split the items of a repeated list: a comma would be part of a name.
                if (!*repeated && items.contains(',')) || text.contains(',') {
                    return Err(RouteError::RepeatedQuery(&field.name));
                }
                *repeated = true;
                let items = items.to_mut();
                items.push(',');
                items.push_str(&text);
            }
            Some(_) => return Err(RouteError::RepeatedQuery(&field.name)),
        }
    }
    let missing = |field: &&Field| field.required && !found.iter().any(|(known, ..)| known.name == field.name);
    if let Some(field) = operation.query.iter().find(missing) {
        return Err(RouteError::MissingQuery(&field.name));
    }
    found
        .into_iter()
        .map(|(field, text, repeated)| {
            available(operation, field, microversion)?;
            let canonical =
                if repeated { value::read_repeated(field, text)? } else { value::read(field, text, microversion)? };
            columns(operation, field, &canonical)?;
            Ok((Cow::Borrowed(field.name.as_str()), canonical))
        })
        .collect()
}

/// Whether the columns that `fields` and `sort_key` name are ones that answers show. Sorting by a hidden column would
/// tell its values by their order; `id`, the order of creation, is what Ironic's own `next` links sort by.
fn columns(operation: &Operation, field: &'static Field, value: &str) -> Result<(), RouteError> {
    let by_order = field.name == SORT_KEY;
    if !by_order && field.name != value::FIELDS {
        return Ok(());
    }
    let Some(columns) = &operation.columns else { return Ok(()) };
    let shown = |column: &str| {
        columns.binary_search_by(|known| known.as_str().cmp(column)).is_ok() || (by_order && column == "id")
    };
    // One column to sort by, or Ironic's own choice.
    let good = if by_order {
        value.is_empty() || shown(value)
    } else {
        value.split(',').filter(|column| !column.is_empty()).all(shown)
    };
    if good {
        Ok(())
    } else {
        Err(RouteError::QueryValue { parameter: &field.name, expected: "the name of a field that answers show" })
    }
}

/// The raw names and values, if the query is written in plain characters.
fn pairs(raw: &str) -> Result<impl Iterator<Item = Result<(&str, &str), RouteError>>, RouteError> {
    if raw.len() > QUERY_BYTES_MAX {
        return Err(RouteError::TargetLength);
    }
    if !raw.bytes().all(|byte| PLAIN.get(usize::from(byte)) == Some(&true)) {
        return Err(if raw.contains(';') { RouteError::QuerySemicolon } else { RouteError::QueryCharacter });
    }
    let pairs = raw.split('&').take(if raw.is_empty() { 0 } else { usize::MAX });
    Ok(pairs.map(|pair| pair.split_once('=').ok_or(RouteError::QueryPair)))
}

/// [`is_plain`] as a table.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "a byte is within 256")]
        {
            table[byte as usize] = is_plain(byte);
        }
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// A byte that may stand in a query as it is (RFC 3986; brackets because clients leave them).
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'')
        || matches!(byte, b'(' | b')' | b'*' | b'+' | b',' | b'/' | b':' | b'=' | b'?' | b'@' | b'[' | b']')
}

/// The operation's parameter of this name; else why it has none.
fn field(operation: &'static Operation, name: &str) -> Result<&'static Field, RouteError> {
    if let Some(field) = operation.query.iter().find(|field| field.name == name) {
        return Ok(field);
    }
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !plain || !(1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Err(RouteError::QueryName);
    }
    if name.eq_ignore_ascii_case("_method") {
        return Err(RouteError::MethodOverride);
    }
    let of_body = match &operation.body {
        BodyKind::Object { schema, .. } => schema.fields.iter().any(|field| field.name == name),
        BodyKind::None | BodyKind::Patch(_) | BodyKind::Any => false,
    };
    Err(if of_body || ARGUMENTS.contains(&name) {
        RouteError::ArgumentInQuery(name.to_owned())
    } else {
        RouteError::UnknownQuery(name.to_owned())
    })
}

fn available(operation: &Operation, field: &'static Field, microversion: Microversion) -> Result<(), RouteError> {
    let minor = microversion.minor();
    if minor >= field.since && field.until.is_none_or(|until| minor <= until) {
        return Ok(());
    }
    let own = operation.query_too_early_status.iter().find(|(name, _)| *name == field.name);
    let status = own.map_or(TOO_EARLY_STATUS, |(_, status)| *status);
    Err(RouteError::QueryTooEarly { parameter: &field.name, since: field.since, status })
}

/// Undoes form encoding: `+` is a space, `%41` a byte of UTF-8. Control characters are refused.
fn decode(raw: &str) -> Result<Cow<'_, str>, RouteError> {
    if !raw.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                bytes.push(hexadecimal(*high)? << 4 | hexadecimal(*low)?);
                after
            }
            (b'%', _) => return Err(RouteError::QueryEncoding),
            (b'+', after) => {
                bytes.push(b' ');
                after
            }
            (other, after) => {
                bytes.push(*other);
                after
            }
        };
    }
    let text = String::from_utf8(bytes).map_err(|_| RouteError::QueryEncoding)?;
    if text.chars().any(char::is_control) {
        return Err(RouteError::QueryCharacter);
    }
    Ok(Cow::Owned(text))
}

fn hexadecimal(digit: u8) -> Result<u8, RouteError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(RouteError::QueryEncoding),
    }
}
