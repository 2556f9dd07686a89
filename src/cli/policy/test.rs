//! `irongate policy test`: policies against the cases beside them.

mod report;
mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::policy::{CaseFile, PolicyEngine, PolicyMode, PolicySource, Severity};
use run::{Run, run};

pub(super) use report::{json, junit, text};

/// Folders below folders that are read.
const DEPTH_MAX: usize = 8;

/// What came of all cases.
#[derive(Debug)]
pub(super) struct Tested {
    /// In the order of the files.
    pub(super) runs: Vec<Run>,
    /// The policies that made a decision in some case, and all that could have.
    pub(super) decisive: usize,
    pub(super) policies: usize,
    /// The others.
    pub(super) never: Vec<String>,
    /// Roles of callers that no policy names: a denial of such a caller may be one for a slip of the pen.
    pub(super) unnamed_roles: Vec<String>,
}

impl Tested {
    pub(super) fn failed(&self) -> usize {
        self.runs.iter().filter(|run| run.failure.is_some()).count()
    }

    /// Policies that some case shows at work, in per cent; 100 if there are none.
    pub(super) fn coverage_percent(&self) -> u32 {
        let percent = (self.decisive * 100).checked_div(self.policies).unwrap_or(100);
        u32::try_from(percent).unwrap_or(100)
    }
}

/// Tests everything below these paths: `*.cedar` are the policies, `*.yaml` the cases.
///
/// # Errors
/// What cannot be read or loaded, as lines with file and line.
pub(super) fn test(paths: &[PathBuf]) -> Result<Tested, Vec<String>> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, DEPTH_MAX, &mut files).map_err(|error| vec![format!("{}: {error}", path.display())])?;
    }
    files.sort();
    files.dedup();
    let (policies, cases) = read(&files)?;
    test_sources(&policies, &cases)
}

/// The same for texts: policies, and cases by the name of their file.
pub(super) fn test_sources(policies: &[PolicySource], cases: &[(String, String)]) -> Result<Tested, Vec<String>> {
    let engine = PolicyEngine::load(policies).map_err(|findings| {
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(ToString::to_string).collect::<Vec<_>>()
    })?;
    let mut runs = Vec::new();
    let mut errors = Vec::new();
    for (name, text) in cases {
        match CaseFile::parse(text) {
            Ok(file) => {
                let CaseFile { places, objects, cases } = file;
                let places = std::sync::Arc::new(places);
                runs.extend(cases.into_iter().map(|case| run(&engine, name, case, &places, &objects)));
            }
            Err(error) => {
                let line = error.line.map(|line| format!("{line}: ")).unwrap_or_default();
                errors.push(format!("{name}:{line} {}", error.message).replace(":  ", ": "));
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let decisive: BTreeSet<&str> = runs.iter().flat_map(|run| run.decisive.iter().map(|id| &**id)).collect();
    let asked: Vec<&str> =
        engine.policy_modes().filter(|(_, mode)| *mode != PolicyMode::Off).map(|(id, _)| id).collect();
    let never: Vec<String> = asked.iter().filter(|id| !decisive.contains(**id)).map(|id| (*id).to_owned()).collect();
    let (policies, decisive) = (asked.len(), asked.len() - never.len());
    let of_cases: BTreeSet<&String> = runs.iter().flat_map(|run| run.case.who.roles.iter().flatten()).collect();
    let is_named = |role: &str| engine.roles().iter().any(|known| **known == *role);
    let unnamed_roles = of_cases.into_iter().filter(|role| !is_named(role)).cloned().collect();
    Ok(Tested { runs, decisive, policies, never, unnamed_roles })
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth == 0 {
        return Err("the folders are nested too deep".to_owned());
    }
    for entry in std::fs::read_dir(path).map_err(|error| format!("cannot be read: {error}"))? {
        let file = entry.map_err(|error| format!("cannot be read: {error}"))?.path();
        let known =
            file.extension().is_some_and(|extension| ["cedar", "yaml", "yml"].iter().any(|kind| extension == *kind));
        if known || file.is_dir() {
            collect(&file, depth - 1, files)?;
        }
    }
    Ok(())
}

type Texts = (Vec<PolicySource>, Vec<(String, String)>);

fn read(files: &[PathBuf]) -> Result<Texts, Vec<String>> {
    let (mut policies, mut cases) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| vec![format!("{name}: cannot be read: {error}")])?;
        if file.extension().is_some_and(|extension| extension == "cedar") {
            policies.push(PolicySource { name, text });
        } else {
            cases.push((name, text));
        }
    }
    if policies.is_empty() {
        return Err(vec!["there is no *.cedar file: name the policies' directory too".to_owned()]);
    }
    if cases.is_empty() {
        return Err(vec!["there is no *.yaml file with cases: name their directory too".to_owned()]);
    }
    Ok((policies, cases))
}

#[cfg(test)]
mod tests;
