//! Checks that are tried out: what they would refuse is taken, and told.

use std::cell::Cell;

use super::error::InvalidRequest;

/// The checks that may be in shadow, by their codes: those without which a request still has one meaning, so that it is
/// decided about as it is forwarded.
const NAMES: [&str; 5] = ["mask_as_value", "same_path", "unknown_field", "not_listed", "not_for_target"];

/// A set of checks in shadow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShadowChecks(u8);

/// A word that names no check that may be in shadow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no check that may be in shadow is called \"{0}\": give some of mask_as_value, same_path, unknown_field, not_listed, not_for_target"
)]
pub struct UnknownCheck(pub String);

impl ShadowChecks {
    /// The checks with these codes.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, UnknownCheck> {
        names.into_iter().try_fold(Self::default(), |Self(set), name| {
            let place = NAMES.iter().position(|known| *known == name);
            place.map(|place| Self(set | 1 << place)).ok_or_else(|| UnknownCheck(name.to_owned()))
        })
    }

    fn has(self, code: &str) -> bool {
        NAMES.iter().position(|known| *known == code).is_some_and(|place| self.0 & 1 << place != 0)
    }
}

/// The checks in shadow while one body is checked, and the first of them that would have refused it.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    checks: ShadowChecks,
    first: Cell<Option<&'static str>>,
}

impl Shadow {
    pub(super) fn new(checks: ShadowChecks) -> Self {
        Self { checks, first: Cell::new(None) }
    }

    /// A refusal, unless its check is in shadow: then it is only noted.
    pub(super) fn settle(&self, checked: Result<(), InvalidRequest>) -> Result<(), InvalidRequest> {
        match checked {
            Err(error) if self.checks.has(error.code()) => {
                self.first.set(self.first.get().or(Some(error.code())));
                Ok(())
            }
            checked => checked,
        }
    }

    /// The code of the first check that would have refused.
    pub(super) fn first(&self) -> Option<&'static str> {
        self.first.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checks_that_leave_one_meaning_may_be_in_shadow() {
        assert!(ShadowChecks::new(NAMES).is_ok());
        for name in
            ["wrong_kind", "argument_twice", "reserved_name", "not_patchable_below", "body_too_large", "json", ""]
        {
            assert_eq!(ShadowChecks::new([name]), Err(UnknownCheck(name.to_owned())));
        }
        let one = ShadowChecks::new(["same_path"]).unwrap();
        assert!(one.has("same_path") && !one.has("mask_as_value") && !ShadowChecks::default().has("same_path"));
    }
}
