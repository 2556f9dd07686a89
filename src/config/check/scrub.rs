//! `[scrub]`: the operator's additions to the secret map, and the treatments of roles.

use toml::Spanned;

use super::super::raw::RawScrub;
use super::Checker;
use crate::scrub::{HmacKey, RoleTreatment, ScrubAdditions, Treatments};

impl Checker<'_> {
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
        let entries = raw.role.into_iter().map(Spanned::into_inner).map(|entry| RoleTreatment {
            role: entry.role.into(),
            treatment: entry.treatment,
            fields: entry.fields,
        });
        let treatments = Treatments::new(additions, entries.collect(), key);
        treatments.map_err(|error| self.push(line, format!("[scrub]: {error}"))).ok()
    }
}
