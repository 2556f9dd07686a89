//! `[policy]`: the files with policies, and the places that they name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::Checker;
use crate::policy::{Places, PolicySource};

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
