//! What becomes of a secret, by role: masked unless the configuration says otherwise, administrators included.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::scrub::{ScrubAdditions, ScrubRuleError, ScrubRules};

/// What HMACs of secrets begin with.
pub(in crate::scrub) const HMAC_PREFIX: &str = "hmac-sha256:";
/// Hexadecimal digits of an HMAC.
const HMAC_DIGITS: usize = 64;
/// Bytes of an HMAC's text.
pub(in crate::scrub) const HMAC_BYTES: usize = HMAC_PREFIX.len() + HMAC_DIGITS;
/// The shortest key, in bytes.
const KEY_BYTES_MIN: usize = 32;
/// The most fields and entries without fields, in all.
const CHOICES_MAX: usize = 48;
/// Rules are kept for so many combinations of choices; for those beyond they are made for each request.
const COMBINATIONS_MAX: usize = 64;

/// What becomes of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretTreatment {
    /// The mask takes its place.
    #[default]
    Mask,
    /// Its member of the object (its item of the array) is left out.
    Drop,
    /// A keyed hash takes its place: equal secrets have equal hashes, and only who has the key can try values.
    Hmac,
    /// It is shown, if the policy permits `secrets:read` too.
    Keep,
}

/// One `[[scrub.role]]`.
#[derive(Debug, Clone)]
pub struct RoleTreatment {
    /// The role it is for.
    pub role: Arc<str>,
    /// What becomes of the fields.
    pub treatment: SecretTreatment,
    /// Places as in [`ScrubAdditions::fields`]; none: every secret.
    pub fields: Vec<String>,
}

/// The key of the HMACs. It cannot be printed.
#[derive(Clone)]
pub struct HmacKey(hmac::Key);

/// A key that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key for HMACs is too short: give at least {KEY_BYTES_MIN} random bytes")]
pub struct ShortKey;

impl HmacKey {
    /// From a file's bytes; a line end after them does not count.
    pub fn new(bytes: &[u8]) -> Result<Self, ShortKey> {
        let bytes = line(bytes);
        if bytes.len() < KEY_BYTES_MIN {
            return Err(ShortKey);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// The text that takes the place of a secret text: `hmac-sha256:` and 64 hexadecimal digits.
    pub fn text(&self, secret: &[u8]) -> String {
        let digest = hmac::sign(&self.0, secret);
        let halves = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let mut text = String::with_capacity(HMAC_BYTES);
        text.push_str(HMAC_PREFIX);
        text.extend(halves.filter_map(|half| char::from_digit(half.into(), 16)));
        text
    }
}

/// Bytes without the one line end that editors and `echo` write.
pub fn line(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Whether a text is an HMAC of ours, of whatever key.
pub fn is_hmac(text: &str) -> bool {
    let digits = text.strip_prefix(HMAC_PREFIX).map(str::as_bytes);
    digits.is_some_and(|digits| digits.len() == HMAC_DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// The secret map for every role.
pub struct Treatments {
    entries: Vec<RoleTreatment>,
    everyone: Arc<ScrubRules>,
    compiled: Mutex<BTreeMap<u64, Arc<ScrubRules>>>,
}

/// A mistake in `[[scrub.role]]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreatmentError {
    /// A mistake in the additions or a field.
    #[error(transparent)]
    Rules(#[from] ScrubRuleError),
    /// `hmac` without a key.
    #[error("role {0}: treatment \"hmac\" needs hmac_key_file in [scrub]")]
    NoKey(Arc<str>),
    /// `keep` without fields.
    #[error("role {0}: treatment \"keep\" needs fields: name each one that the role may see")]
    KeepsAll(Arc<str>),
    /// More than are kept.
    #[error("there are too many fields in [[scrub.role]]: give at most {CHOICES_MAX} in all")]
    TooMany,
}

impl Treatments {
    /// The secret map with the operator's additions, and what becomes of secrets for some roles.
    pub fn new(
        additions: ScrubAdditions,
        entries: Vec<RoleTreatment>,
        key: Option<HmacKey>,
    ) -> Result<Self, TreatmentError> {
        Self::with_shadow(additions, ScrubAdditions::default(), entries, key)
    }

    /// The same with additions that are tried out: what they would mask passes, and is counted.
    pub fn with_shadow(
        additions: ScrubAdditions,
        shadow: ScrubAdditions,
        entries: Vec<RoleTreatment>,
        key: Option<HmacKey>,
    ) -> Result<Self, TreatmentError> {
        ScrubRules::new(&shadow)?;
        let everyone = ScrubRules::keyed(&additions, key.clone())?;
        let tried =
            (!shadow.is_empty()).then(|| ScrubRules::keyed(&additions.and(&shadow), key.clone())).transpose()?;
        if entries.iter().map(|entry| entry.fields.len().max(1)).sum::<usize>() > CHOICES_MAX {
            return Err(TreatmentError::TooMany);
        }
        for entry in &entries {
            match entry.treatment {
                SecretTreatment::Hmac if key.is_none() => return Err(TreatmentError::NoKey(Arc::clone(&entry.role))),
                SecretTreatment::Keep if entry.fields.is_empty() => {
                    return Err(TreatmentError::KeepsAll(Arc::clone(&entry.role)));
                }
                SecretTreatment::Mask | SecretTreatment::Drop | SecretTreatment::Hmac | SecretTreatment::Keep => {}
            }
        }
        let everyone = Arc::new(everyone.with_shadow(tried));
        let treatments = Self { entries, everyone, compiled: Mutex::default() };
        // All at once: a field that is no place is an error of the configuration, not of a request.
        treatments.choose(u64::MAX).with_plans()?;
        Ok(treatments)
    }

    /// The map for a caller with these roles. `may_read` is asked about each field that one of them would keep.
    pub fn rules(&self, roles: &[Arc<str>], mut may_read: impl FnMut(&str) -> bool) -> Arc<ScrubRules> {
        let mut chosen = 0_u64;
        for (number, (entry, field)) in self.choices().enumerate() {
            let applies = roles.contains(&entry.role)
                && (entry.treatment != SecretTreatment::Keep || field.is_some_and(&mut may_read));
            chosen |= u64::from(applies) << number;
        }
        if chosen == 0 {
            return Arc::clone(&self.everyone);
        }
        let compiled = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = compiled().get(&chosen) {
            return Arc::clone(known);
        }
        let rules = self.choose(chosen);
        if compiled().len() >= COMBINATIONS_MAX {
            return Arc::new(rules);
        }
        // It compiled with all choices, so it compiles with some; if not, no answer is passed on.
        let rules = Arc::new(rules.clone().with_plans().unwrap_or(rules));
        Arc::clone(compiled().entry(chosen).or_insert(rules))
    }

    /// Each entry with each of its fields, or with none; the first that fits a secret counts.
    fn choices(&self) -> impl Iterator<Item = (&RoleTreatment, Option<&str>)> {
        self.entries.iter().flat_map(|entry| {
            let all = entry.fields.is_empty().then_some((entry, None));
            all.into_iter().chain(entry.fields.iter().map(move |field| (entry, Some(field.as_str()))))
        })
    }

    fn choose(&self, chosen: u64) -> ScrubRules {
        let mut fields: Vec<(String, SecretTreatment)> = Vec::new();
        let mut others = None;
        for (number, (entry, field)) in self.choices().enumerate() {
            if chosen & (1 << number) == 0 {
                continue;
            }
            match field {
                Some(field) if fields.iter().all(|(known, _)| known != field) => {
                    fields.push((field.to_owned(), entry.treatment));
                }
                Some(_) => {}
                None => _ = others.get_or_insert(entry.treatment),
            }
        }
        self.everyone.treating(&fields, others.unwrap_or_default())
    }
}

impl std::fmt::Debug for Treatments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Treatments").field("entries", &self.entries).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
