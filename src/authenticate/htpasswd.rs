//! The htpasswd file: one `user:hash` a line, bcrypt only.
//!
//! Lines are as Apache's `htpasswd -B` writes them, and as Ironic's own `http_basic` mode reads them. Blank lines and
//! lines that begin with `#` are skipped. No error shows a line's text: what stands in the wrong column can be a password.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bcrypt::{HashParts, Version};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::credential::{PASSWORD_BYTES_MAX, USER_BYTES_MAX};

/// bcrypt's own lower bound.
pub(super) const COST_MIN: u32 = 4;
/// About a second a check; each step doubles it. Above, a login would be a denial of service on oneself.
pub(super) const COST_MAX: u32 = 14;
/// Users in one file.
const USERS_MAX: usize = 10_000;

/// One user's password hash, `$2y$…`. It cannot be printed.
pub(super) struct PasswordHash {
    text: SecretString,
    cost: u32,
}

/// A file's users. The names are shared with the principals that they become.
pub(super) type Users = HashMap<Arc<str>, Arc<PasswordHash>>;

/// A line of an htpasswd file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtpasswdError {
    /// The file's name as configured.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: HtpasswdFault,
}

/// What is wrong with a line of an htpasswd file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HtpasswdFault {
    /// No colon.
    #[error("the line has no colon: write it with `htpasswd -nB USER`")]
    Colon,
    /// A user name that no request can hold.
    #[error("the user name is empty, longer than 1024 bytes, or has control characters or blanks around it")]
    User,
    /// Not bcrypt.
    #[error("the hash is not bcrypt ($2a$, $2b$ or $2y$): write the line with `htpasswd -nB USER`")]
    Kind,
    /// bcrypt, but cut short or altered.
    #[error("the bcrypt hash is damaged: write the line again with `htpasswd -nB USER`")]
    Damaged,
    /// A cost outside 4..=14.
    #[error("the bcrypt cost {0} is not in 4..=14: write the line with `htpasswd -nB -C 12 USER`")]
    Cost(u32),
    /// The same user again.
    #[error("the user stands already in line {0}: remove one of the two")]
    Duplicate(usize),
    /// Too many users.
    #[error("the file has more than 10000 users")]
    TooMany,
}

/// Why a password cannot be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HashError {
    /// Empty, longer than 72 bytes, or with control characters: no request could present it.
    #[error("the password is empty, longer than 72 bytes, or has control characters")]
    Password,
    /// A cost outside 4..=14.
    #[error("the bcrypt cost {0} is not in 4..=14")]
    Cost(u32),
    /// No random bytes for the salt.
    #[error("the system gives no random bytes")]
    Random,
}

/// Hashes a password for an htpasswd file: `$2y$…`, what comes after `user:`. Takes as long as a login.
///
/// # Errors
/// A password that no request could present, or a cost outside 4..=14.
pub fn hash(password: &SecretString, cost: u32) -> Result<String, HashError> {
    let password = password.expose_secret();
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX || password.chars().any(char::is_control) {
        return Err(HashError::Password);
    }
    if !(COST_MIN..=COST_MAX).contains(&cost) {
        return Err(HashError::Cost(cost));
    }
    let parts = bcrypt::hash_with_result(password, cost).map_err(|_error| HashError::Random)?;
    Ok(parts.format_for_version(Version::TwoY))
}

/// Reads a file's text; `file` is its name for errors.
pub(super) fn parse(text: &str, file: &str) -> Result<Users, HtpasswdError> {
    let mut users = Users::new();
    let mut lines: HashMap<Arc<str>, usize> = HashMap::new();
    for (line, text) in (1..).zip(text.lines()) {
        let refuse = |fault| HtpasswdError { file: file.to_owned(), line, fault };
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let (user, hash) = text.split_once(':').ok_or_else(|| refuse(HtpasswdFault::Colon))?;
        if !plain(user) {
            return Err(refuse(HtpasswdFault::User));
        }
        let hash = PasswordHash::read(hash.trim_end()).map_err(refuse)?;
        let user: Arc<str> = user.into();
        if let Some(earlier) = lines.insert(Arc::clone(&user), line) {
            return Err(refuse(HtpasswdFault::Duplicate(earlier)));
        }
        if users.len() >= USERS_MAX {
            return Err(refuse(HtpasswdFault::TooMany));
        }
        users.insert(user, Arc::new(hash));
    }
    Ok(users)
}

/// Whether a request could name this user.
fn plain(user: &str) -> bool {
    !user.is_empty() && user.len() <= USER_BYTES_MAX && user.trim() == user && !user.chars().any(char::is_control)
}

impl PasswordHash {
    fn read(text: &str) -> Result<Self, HtpasswdFault> {
        // `$2x$` marks hashes of a faulty implementation: what they match is not what was typed.
        if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return Err(HtpasswdFault::Kind);
        }
        let parts: HashParts = text.parse().map_err(|_error| HtpasswdFault::Damaged)?;
        let cost = parts.get_cost();
        if !(COST_MIN..=COST_MAX).contains(&cost) {
            return Err(HtpasswdFault::Cost(cost));
        }
        Ok(Self { text: text.into(), cost })
    }

    /// A hash of this cost that no password is known for.
    pub(super) fn decoy(cost: u32, random: &[u8; 39]) -> Self {
        use base64::Engine as _;
        let (salt, digest) = random.split_at(16);
        let (salt, digest) = (bcrypt::BASE_64.encode(salt), bcrypt::BASE_64.encode(digest));
        Self { text: format!("$2b${cost:02}${salt}{digest}").into(), cost }
    }

    /// 2 to this power is the work of one check.
    pub(super) const fn cost(&self) -> u32 {
        self.cost
    }

    /// Hashes the password with this hash's salt and compares in constant time. Takes 2^cost steps: never on a worker.
    pub(super) fn matches(&self, password: &Zeroizing<String>) -> bool {
        // INVARIANT: `read` parsed the text, `decoy` built it, and a credential is never longer than 72 bytes.
        bcrypt::verify(password.as_bytes(), self.text.expose_secret()).unwrap_or(false)
    }
}

impl fmt::Display for HtpasswdError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.fault)
    }
}

impl std::error::Error for HtpasswdError {}
