//! The text of a path parameter.

use std::borrow::Cow;

use super::{RouteError, text};
use crate::catalog::Parameter;

/// Words that Ironic keeps for itself where a node's name could stand.
const RESERVED: [&str; 6] = ["maintenance", "management", "states", "vendor_passthru", "detail", "validate"];

/// The parameter named, decoded, if it is spelled as its kind is.
pub(super) fn read<'a>(name: &'static str, kind: Parameter, raw: &'a str) -> Result<Cow<'a, str>, RouteError> {
    let wrong = |expected| RouteError::Identifier { parameter: name, expected };
    match kind {
        Parameter::Host | Parameter::Indicator => {
            let decoded = decode(raw);
            let (good, expected) = if kind == Parameter::Host {
                (text::is_host(&decoded), "a host name")
            } else {
                (text::is_indicator(&decoded), "name@component")
            };
            if good { Ok(decoded) } else { Err(wrong(expected)) }
        }
        _ if raw.contains('%') => Err(RouteError::PathEncoding),
        Parameter::Uuid if !text::is_uuid(raw) => Err(wrong("a UUID")),
        Parameter::UuidOrName if !text::is_name(raw) => Err(wrong("a UUID, or a name of letters, digits and - . _ ~")),
        Parameter::Trait | Parameter::Text if !text::is_name(raw) => {
            Err(wrong("a name of letters, digits and - . _ ~"))
        }
        Parameter::DeviceTypes if !raw.split(',').all(text::is_name) => Err(wrong("device types with commas between")),
        Parameter::UuidOrName if name == "node" && RESERVED.contains(&raw) => Err(RouteError::ReservedName),
        Parameter::Uuid | Parameter::UuidOrName | Parameter::Trait | Parameter::Text | Parameter::DeviceTypes => {
            Ok(Cow::Borrowed(raw))
        }
    }
}

/// Undoes the four encodings that [`super::path`] lets pass.
fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    let mut parts = raw.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        decoded.push(match code {
            "40" => '@',
            "3a" | "3A" => ':',
            "5b" | "5B" => '[',
            _ => ']',
        });
        decoded.push_str(rest);
    }
    Cow::Owned(decoded)
}
