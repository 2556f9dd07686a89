//! `[policy]`: the files with policies, and the places that they name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::Checker;
use crate::config::files;
use crate::policy::{Places, PolicySource};

/// How long a looked-up object may be remembered.
const RESOURCE_CACHE_SECONDS_MAX: u64 = 60;

/// Directories within directories that commands search.
const DEPTH_MAX: usize = 8;
const NONE: &str = "holds no *.cedar file";

/// The keys of `[policy]` itself, which mean nothing below `[policy.places]`.
const KEYS: [&str; 5] = ["directories", "candidates", "resource_cache_seconds", "explain_denials", "places"];

impl Checker<'_> {
    pub(super) fn policies(&mut self, directories: &[Spanned<PathBuf>]) -> Vec<PolicySource> {
        let mut sources = Vec::new();
        for directory in directories {
            match policy_sources(&self.noted(directory.get_ref())) {
                Ok(found) => sources.extend(found),
                Err(message) => self.push(Some(directory.span().start), format!("policy.directories: {message}")),
            }
        }
        sources
    }

    pub(super) fn candidates(&mut self, directories: &[Spanned<PathBuf>]) -> Vec<(String, Vec<PolicySource>)> {
        let mut candidates = Vec::new();
        for directory in directories {
            match policy_sources(&self.noted(directory.get_ref())) {
                Ok(found) => candidates.push((directory.get_ref().display().to_string(), found)),
                Err(message) => self.push(Some(directory.span().start), format!("policy.candidates: {message}")),
            }
        }
        candidates
    }

    pub(super) fn resource_cache(&mut self, seconds: &Spanned<u64>) -> Duration {
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
        if let Some(key) = KEYS.iter().find(|key| places.get_ref().contains_key(**key)) {
            let message = format!("{key} is a key of [policy] and no place: write it above [policy.places]");
            self.push(Some(places.span().start), message);
        }
        Places::new(places.get_ref()).unwrap_or_else(|error| {
            self.push(Some(places.span().start), format!("[policy.places]: {error}"));
            Places::default()
        })
    }
}

/// The `*.cedar` files of a directory, by name; or of one file. Not what is below the directory: a set that is tried out
/// may lie there.
fn policy_sources(path: &Path) -> Result<Vec<PolicySource>, String> {
    sources(path, 0, files::read_text).map_err(|message| match path.is_dir() && message.ends_with(NONE) {
        true => format!("{message}; name each directory that does, those below it are not searched"),
        false => message,
    })
}

/// The same, and those of the directories below: for commands, which may be given a pipe.
pub fn policy_sources_below(path: &Path) -> Result<Vec<PolicySource>, String> {
    sources(path, DEPTH_MAX, |file| std::fs::read_to_string(file))
}

fn sources(path: &Path, depth: usize, read: fn(&Path) -> std::io::Result<String>) -> Result<Vec<PolicySource>, String> {
    let mut files = Vec::new();
    collect(path, depth, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(format!("{} {NONE}", path.display()));
    }
    let source = |file: PathBuf| {
        let text = read(&file).map_err(|error| unread(&file, &error))?;
        Ok(PolicySource { name: file.display().to_string(), text })
    };
    files.into_iter().map(source).collect()
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(|error| unread(path, &error))? {
        let file = entry.map_err(|error| unread(path, &error))?.path();
        if file.is_dir() {
            if let Some(depth) = depth.checked_sub(1) {
                collect(&file, depth, files)?;
            }
        } else if file.extension().is_some_and(|extension| extension == "cedar") {
            files.push(file);
        }
    }
    Ok(())
}

fn unread(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}
