//! `[scrub]`: the operator's additions to the secret map, and the treatments of roles; `[validation]`.

use toml::Spanned;

use super::super::raw::{RawScrub, RawScrubShadow, RawTreatment, RawValidation};
use super::Checker;
use crate::scrub::{HmacKey, RoleTreatment, ScrubAdditions, ScrubRuleError, ScrubRules, TreatmentError, Treatments};
use crate::validate::ShadowChecks;

impl Checker<'_> {
    pub(super) fn validation(&mut self, raw: RawValidation) -> ShadowChecks {
        let Some(names) = raw.shadow else { return ShadowChecks::default() };
        ShadowChecks::new(names.get_ref().iter().map(String::as_str)).unwrap_or_else(|error| {
            self.push(Some(names.span().start), format!("[validation] shadow: {error}"));
            ShadowChecks::default()
        })
    }

    pub(super) fn scrub(&mut self, raw: RawScrub) -> Option<Treatments> {
        let additions = ScrubAdditions { words: raw.words, fields: raw.fields, shapes: raw.shapes };
        let key = match &raw.hmac_key_file {
            None => None,
            Some(file) => {
                let key = HmacKey::new(&self.read(file)?);
                Some(key.map_err(|error| self.push(Some(file.span().start), error.to_string())).ok()?)
            }
        };
        let shadow = raw.shadow.map(Spanned::into_inner).unwrap_or_default();
        let RawScrubShadow { words, fields, shapes } = shadow;
        let shadow = ScrubAdditions { words, fields, shapes };
        let (lines, entries): (Vec<usize>, Vec<RoleTreatment>) = raw
            .role
            .into_iter()
            .map(|entry| {
                let line = entry.span().start;
                let RawTreatment { role, treatment, fields } = entry.into_inner();
                (line, RoleTreatment { role: role.into(), treatment, fields })
            })
            .unzip();
        let made = Treatments::with_shadow(additions.clone(), shadow.clone(), entries.clone(), key.clone());
        made.map_err(|error| {
            // Each part by itself, so that the mistake has its line.
            for (section, additions) in [(&["scrub"][..], &additions), (&["scrub", "shadow"], &shadow)] {
                if let Err(error) = ScrubRules::new(additions) {
                    let at = self.source.place(&[section, &[key_of(&error)]].concat());
                    return self.push(at, format!("[{}]: {error}", section.join(".")));
                }
            }
            let wrong = |entry: &RoleTreatment| {
                Treatments::new(ScrubAdditions::default(), vec![entry.clone()], key.clone()).is_err()
            };
            match (lines.iter().zip(&entries).find(|(_, entry)| wrong(entry)), error) {
                (Some((line, _)), error) => self.push(Some(*line), format!("[[scrub.role]]: {error}")),
                // Together they are too many.
                (None, TreatmentError::Rules(error)) => {
                    let at = self.source.place(&["scrub", "shadow", key_of(&error)]);
                    self.push(at, format!("[scrub.shadow] with [scrub]: {error}"));
                }
                (None, error) => self.push(lines.last().copied(), format!("[[scrub.role]]: {error}")),
            }
        })
        .ok()
    }
}

/// The key that holds what is wrong.
const fn key_of(error: &ScrubRuleError) -> &'static str {
    match error {
        ScrubRuleError::ShortWord(_) | ScrubRuleError::Words(_) => "words",
        ScrubRuleError::NotAPointer(_) | ScrubRuleError::TooManyFields { .. } => "fields",
        ScrubRuleError::Shape { .. } | ScrubRuleError::EmptyShape(_) => "shapes",
    }
}
