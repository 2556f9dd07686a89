//! `[policy]`: the files with policies, and the places that they name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::Checker;
use crate::policy::{Places, PolicySource};

/// How long a looked-up object is remembered unless the configuration says otherwise, and at most.
const RESOURCE_CACHE_SECONDS: u64 = 1;
const RESOURCE_CACHE_SECONDS_MAX: u64 = 60;

impl Checker<'_> {
    pub(super) fn policies(&mut self, directories: &[Spanned<PathBuf>]) -> Vec<PolicySource> {
        let mut sources = Vec::new();
        for directory in directories {
            match policy_sources(&self.noted(directory.get_ref())) {
                Ok(found) => sources.extend(found),
                Err(message) => self.push(Some(directory.span().start), message),
            }
        }
        sources
    }

    pub(super) fn candidates(&mut self, directories: &[Spanned<PathBuf>]) -> Vec<(String, Vec<PolicySource>)> {
        let mut candidates = Vec::new();
        for directory in directories {
            match policy_sources(&self.noted(directory.get_ref())) {
                Ok(found) => candidates.push((directory.get_ref().display().to_string(), found)),
                Err(message) => self.push(Some(directory.span().start), message),
            }
        }
        candidates
    }

    pub(super) fn resource_cache(&mut self, seconds: Option<&Spanned<u64>>) -> Duration {
        let Some(seconds) = seconds else { return Duration::from_secs(RESOURCE_CACHE_SECONDS) };
        if *seconds.get_ref() > RESOURCE_CACHE_SECONDS_MAX {
            let message = format!(
                "resource_cache_seconds is 0 (never) to {RESOURCE_CACHE_SECONDS_MAX}: decisions would be about old attributes"
            );
            self.push(Some(seconds.span().start), message);
        }
        Duration::from_secs(*seconds.get_ref())
    }

    pub(super) fn places(&mut self, places: Option<&Spanned<BTreeMap<String, Vec<String>>>>) -> Places {
        let Some(places) = places else { return Places::default() };
        Places::new(places.get_ref()).unwrap_or_else(|error| {
            self.push(Some(places.span().start), format!("[policy.places]: {error}"));
            Places::default()
        })
    }
}

/// The `*.cedar` files of a directory, by name; or of one file.
pub fn policy_sources(path: &Path) -> Result<Vec<PolicySource>, String> {
    let failed = |path: &Path, error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|error| failed(path, error))? {
            let file = entry.map_err(|error| failed(path, error))?.path();
            if file.extension().is_some_and(|extension| extension == "cedar") {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(format!("{} holds no *.cedar file", path.display()));
        }
    } else {
        files.push(path.to_owned());
    }
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).map_err(|error| failed(&file, error))?;
        Ok(PolicySource { name: file.display().to_string(), text })
    };
    files.into_iter().map(read).collect()
}
