//! The microversion that a request asks for, from the two headers that carry one.
//!
//! `OpenStack-API-Version: baremetal 1.N` wins over `X-OpenStack-Ironic-API-Version: 1.N`, as at Ironic. Only plain
//! spellings are taken: what two readers could read differently is refused. One canonical header goes to Ironic.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::catalog::{MICROVERSION_MAX, MICROVERSION_MIN};
use crate::route::RouteError;

/// The header that goes to Ironic, with [`Microversion::header_value`]; also the older of the two that clients send.
pub const HEADER: HeaderName = HeaderName::from_static("x-openstack-ironic-api-version");
/// The header that several OpenStack services share: a list of `service version`.
pub const SHARED_HEADER: HeaderName = HeaderName::from_static("openstack-api-version");

/// The name under which Ironic goes in [`SHARED_HEADER`].
const SERVICE: &str = "baremetal";

/// A microversion `1.N` of Ironic's API, always within the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion(u16);

/// The microversions that a request may ask for: all up to the highest that both sides know, or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    /// The only one, as the minor number, if the configuration pins it.
    pin: Option<u16>,
    /// What the configuration permits, as the minor number; never above the catalogue's.
    configured: u16,
    /// What Ironic said that it knows, as the minor number.
    upstream: Option<u16>,
}

impl Ceiling {
    /// The ceiling for a configured maximum (the catalogue's own if none is given) and Ironic's, if it is known yet.
    pub fn new(configured: Option<u16>, upstream: Option<u16>) -> Self {
        Self { pin: None, configured: configured.unwrap_or(MICROVERSION_MAX).min(MICROVERSION_MAX), upstream }
    }

    /// This microversion and no other, as the minor number, whatever Ironic says that it knows: an Ironic that does not
    /// know it refuses it itself.
    pub fn pinned(minor: u16) -> Self {
        Self { pin: Some(minor.clamp(MICROVERSION_MIN, MICROVERSION_MAX)), ..Self::default() }
    }

    /// Whether there is only one.
    pub const fn is_pinned(self) -> bool {
        self.pin.is_some()
    }

    /// What is read where a request asks for none.
    pub fn lowest(self) -> Microversion {
        Microversion(self.pin.unwrap_or(MICROVERSION_MIN))
    }

    /// The pinned one; else the lower of configuration and Ironic, and at least the lowest that there is.
    pub fn highest(self) -> Microversion {
        if let Some(pin) = self.pin {
            return Microversion(pin);
        }
        let highest = self.upstream.map_or(self.configured, |upstream| upstream.min(self.configured));
        Microversion(highest.max(MICROVERSION_MIN))
    }
}

impl Default for Ceiling {
    /// The catalogue's.
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Microversion {
    /// `1.minor`, if the catalogue knows it.
    pub fn new(minor: u16) -> Option<Self> {
        (MICROVERSION_MIN..=MICROVERSION_MAX).contains(&minor).then_some(Self(minor))
    }

    /// Its minor number.
    pub const fn minor(self) -> u16 {
        self.0
    }

    /// The value of [`HEADER`] for Ironic: `1.N`.
    #[expect(clippy::expect_used, reason = "digits and a dot are a valid header value")]
    pub fn header_value(self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("digits and a dot")
    }

    /// What a request's headers ask for; 1.1, or the pinned one, if they say nothing.
    ///
    /// # Errors
    /// [`RouteError::VersionNotAcceptable`] where Ironic would answer 406 too; the other `Version…` variants for what
    /// irongate finds doubtful.
    pub fn read(headers: &HeaderMap, ceiling: Ceiling) -> Result<Self, RouteError> {
        for name in headers.keys() {
            if name.as_str().contains('_') && is_version_header(&name.as_str().replace('_', "-")) {
                return Err(RouteError::VersionHeaderName);
            }
        }
        let own = only(headers, &HEADER)?;
        let text = match entry(headers)? {
            Some(text) => text,
            None => match own {
                Some(value) => text_of(value, ceiling)?,
                None => "",
            },
        };
        parse(text, ceiling)
    }
}

#[cfg(test)]
impl Microversion {
    /// For unit tests of other modules, which need a microversion without a header.
    pub(crate) const fn for_test(minor: u16) -> Self {
        Self(minor)
    }
}

/// The minor number of `1.N` in its plain spelling, within the catalogue or beyond: what Ironic says that it knows.
pub fn minor(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("1.")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

impl std::fmt::Display for Microversion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "1.{}", self.0)
    }
}

fn is_version_header(name: &str) -> bool {
    name == HEADER.as_str() || name == SHARED_HEADER.as_str()
}

/// The one line of this header; two are refused, because Ironic would take the last of them.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, RouteError> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(RouteError::VersionRepeated),
    }
}

fn text_of(value: &HeaderValue, ceiling: Ceiling) -> Result<&str, RouteError> {
    value.to_str().map_err(|_| not_acceptable(ceiling))
}

/// Ironic's version in the list of [`SHARED_HEADER`], if it is there. An entry without a version says nothing.
fn entry(headers: &HeaderMap) -> Result<Option<&str>, RouteError> {
    let Some(line) = only(headers, &SHARED_HEADER)? else { return Ok(None) };
    let Ok(text) = line.to_str() else { return Err(RouteError::VersionSpelling) };
    let mut found = None;
    for entry in text.split(',') {
        let Some((service, version)) = entry.trim().split_once([' ', '\t']) else { continue };
        if service.eq_ignore_ascii_case(SERVICE) && found.replace(version.trim()).is_some() {
            return Err(RouteError::VersionRepeated);
        }
    }
    Ok(found)
}

/// `1.N`, `latest` or nothing.
fn parse(text: &str, ceiling: Ceiling) -> Result<Microversion, RouteError> {
    let text = text.trim();
    let highest = ceiling.highest();
    if text.is_empty() {
        return Ok(ceiling.lowest());
    }
    if text.eq_ignore_ascii_case("latest") {
        return Ok(highest);
    }
    if text.contains(',') {
        return Err(RouteError::VersionRepeated);
    }
    let Some((major, minor)) = text.split_once('.') else { return Err(not_acceptable(ceiling)) };
    let (Some(major_number), Some(minor_number)) = (python_integer(major), python_integer(minor)) else {
        return Err(not_acceptable(ceiling));
    };
    let known = ceiling.lowest().minor()..=highest.minor();
    match u16::try_from(minor_number) {
        Ok(number) if major_number == 1 && known.contains(&number) => {
            let plain = major == "1" && minor == number.to_string();
            if plain { Ok(Microversion(number)) } else { Err(RouteError::VersionSpelling) }
        }
        Ok(_) | Err(_) => Err(not_acceptable(ceiling)),
    }
}

fn not_acceptable(ceiling: Ceiling) -> RouteError {
    RouteError::VersionNotAcceptable { lowest: ceiling.lowest(), highest: ceiling.highest() }
}

/// The number that Python's `int()` makes of a text, as Ironic does: blanks around, one sign, single underscores
/// between digits. What is too large for any version becomes the largest number.
fn python_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let groups = digits.split('_');
    if groups.clone().any(|group| group.is_empty() || !group.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let number = groups
        .flat_map(str::bytes)
        .fold(0_i64, |number, byte| number.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests;
