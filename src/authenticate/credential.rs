//! Which credentials a request holds, and the text of a basic one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;

use super::error::{AuthnError, Malformed};

const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");

/// keystoneauth's plugin for services without authentication (`--os-auth-type none`) sends this instead of a token. It
/// says that there is none, and counts as none.
const NO_TOKEN: &[u8] = b"notused";

/// The longest user name, in bytes.
pub(super) const USER_BYTES_MAX: usize = 1024;
/// The longest password, in bytes: bcrypt ignores what comes after.
pub(super) const PASSWORD_BYTES_MAX: usize = 72;
/// `user:password` and its base64.
const DECODED_BYTES_MAX: usize = USER_BYTES_MAX + 1 + PASSWORD_BYTES_MAX;
const ENCODED_BYTES_MAX: usize = DECODED_BYTES_MAX.div_ceil(3) * 4;

/// The credentials of one request's headers, each there at most once. It cannot be printed.
#[derive(Default)]
pub(super) struct Presented<'a> {
    pub(super) authorization: Option<Authorization<'a>>,
    /// `X-Auth-Token`: for Keystone.
    pub(super) token: Option<&'a HeaderValue>,
    /// `X-Service-Token`: a service's own, beside its user's.
    pub(super) service_token: Option<&'a HeaderValue>,
}

/// An `Authorization` header by its first word. It cannot be printed.
pub(super) enum Authorization<'a> {
    /// `Basic`, with what follows.
    Basic(&'a [u8]),
    /// `Bearer`, with the token.
    Bearer(&'a [u8]),
    /// Everything that irongate has no scheme for.
    Other,
}

/// A basic credential, decoded and within its bounds. Wiped on drop; it cannot be printed.
pub(super) struct BasicCredential {
    decoded: Zeroizing<[u8; DECODED_CAPACITY]>,
    colon: usize,
    length: usize,
}

/// base64's decoder wants room for whole groups of three.
const DECODED_CAPACITY: usize = ENCODED_BYTES_MAX / 4 * 3;

impl<'a> Presented<'a> {
    pub(super) fn read(headers: &'a HeaderMap) -> Result<Self, AuthnError> {
        let authorization = once(headers, &AUTHORIZATION)?.map(|value| Authorization::read(value.as_bytes()));
        let token = once(headers, &AUTH_TOKEN)?.filter(|value| value.as_bytes() != NO_TOKEN);
        let service_token = once(headers, &SERVICE_TOKEN)?;
        if authorization.is_some() && (token.is_some() || service_token.is_some()) {
            return Err(AuthnError::Contradicting);
        }
        Ok(Self { authorization, token, service_token })
    }

    /// Whether the caller tried anything.
    pub(super) const fn is_some(&self) -> bool {
        self.authorization.is_some() || self.token.is_some() || self.service_token.is_some()
    }
}

impl<'a> Authorization<'a> {
    fn read(value: &'a [u8]) -> Self {
        let mut words = value.splitn(2, |byte| *byte == b' ');
        let (scheme, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if scheme.eq_ignore_ascii_case(b"basic") {
            Self::Basic(rest)
        } else if scheme.eq_ignore_ascii_case(b"bearer") {
            let start = rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len());
            Self::Bearer(rest.get(start..).unwrap_or_default())
        } else {
            Self::Other
        }
    }
}

impl BasicCredential {
    /// Reads what follows the word `Basic`.
    pub(super) fn decode(encoded: &[u8]) -> Result<Self, Malformed> {
        let start = encoded.iter().position(|byte| *byte != b' ').unwrap_or(encoded.len());
        let encoded = encoded.get(start..).unwrap_or_default();
        if encoded.len() > ENCODED_BYTES_MAX {
            return Err(Malformed::Long);
        }
        let mut decoded = Zeroizing::new([0; DECODED_CAPACITY]);
        let length = STANDARD.decode_slice(encoded, decoded.as_mut_slice()).map_err(|_error| Malformed::Base64)?;
        if length == 0 {
            return Err(Malformed::Base64);
        }
        let text = decoded.get(..length).unwrap_or_default();
        let text = str::from_utf8(text).map_err(|_error| Malformed::Utf8)?;
        if text.chars().any(char::is_control) {
            return Err(Malformed::ControlCharacter);
        }
        let (user, password) = text.split_once(':').ok_or(Malformed::Colon)?;
        if user.is_empty() || password.is_empty() {
            return Err(Malformed::Empty);
        }
        if user.len() > USER_BYTES_MAX {
            return Err(Malformed::LongUser);
        }
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(Malformed::LongPassword);
        }
        let colon = user.len();
        Ok(Self { decoded, colon, length })
    }

    pub(super) fn user(&self) -> &str {
        self.part(0, self.colon)
    }

    pub(super) fn password(&self) -> &str {
        self.part(self.colon.saturating_add(1), self.length)
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.decoded.get(from..to).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, AuthnError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(AuthnError::Repeated) } else { Ok(first) }
}
