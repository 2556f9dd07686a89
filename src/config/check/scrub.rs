//! `[scrub]`: the operator's additions to the secret map, and the treatments of roles; `[validation]`.

use toml::Spanned;

use super::super::raw::{RawScrub, RawScrubShadow, RawValidation};
use super::Checker;
use crate::scrub::{HmacKey, RoleTreatment, ScrubAdditions, ScrubRules, Treatments};
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
        let line = raw.role.first().map(|entry| entry.span().start);
        let shadow = raw.shadow.map(|shadow| {
            let line = shadow.span().start;
            let RawScrubShadow { words, fields, shapes } = shadow.into_inner();
            (line, ScrubAdditions { words, fields, shapes })
        });
        let shadow = match shadow {
            None => ScrubAdditions::default(),
            Some((line, shadow)) => {
                // By themselves, so that a mistake has their line.
                if let Err(error) = ScrubRules::new(&shadow) {
                    self.push(Some(line), format!("[scrub.shadow]: {error}"));
                    return None;
                }
                shadow
            }
        };
        let entries = raw.role.into_iter().map(Spanned::into_inner).map(|entry| RoleTreatment {
            role: entry.role.into(),
            treatment: entry.treatment,
            fields: entry.fields,
        });
        let treatments = Treatments::with_shadow(additions, shadow, entries.collect(), key);
        treatments.map_err(|error| self.push(line, format!("[scrub]: {error}"))).ok()
    }
}
