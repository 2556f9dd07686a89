//! An existing role beside what was used: which of its rights nobody needed, and what it lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::audit::read::RecordLine;
use crate::history::Fate;
use crate::policy::{PolicyEngine, PolicyFinding, PolicySource, granted};
use crate::replay::{Decided, Replay, Seen, count};

/// Policies of roles, asked about every request as if its caller had all these roles.
#[derive(Debug)]
pub struct Comparison {
    replay: Replay,
    roles: Vec<String>,
    granted: BTreeSet<String>,
    used_policies: BTreeSet<String>,
    used_operations: BTreeSet<String>,
    missing: BTreeMap<Missing, Seen>,
    incomplete: u64,
}

/// A right that was used and that the role does not give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Missing {
    /// The operation.
    pub operation: String,
    /// The written place; empty: the request as a whole.
    pub path: String,
    /// The policies that deny; `default-deny` where none permits.
    pub rules: String,
}

/// What the comparison found.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// The roles.
    pub roles: Vec<String>,
    /// Operations that the roles permit, at least in part, and that were not used.
    pub unused_operations: Vec<String>,
    /// Policies that permitted nothing that was used.
    pub unused_policies: Vec<String>,
    /// What was used and is not permitted, with how often.
    pub missing: Vec<(Missing, Seen)>,
    /// Requests of which the records do not tell enough.
    pub incomplete: u64,
}

impl Comparison {
    /// Loads the policies of the roles.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(sources: &[PolicySource]) -> Result<Self, Vec<PolicyFinding>> {
        let engine = PolicyEngine::load(sources)?;
        let roles: Vec<String> = engine.roles().iter().map(ToString::to_string).collect();
        let granted = granted(&engine, engine.roles()).map(|operation| operation.id.clone()).collect();
        Ok(Self {
            replay: Replay::new(sources, false)?,
            roles,
            granted,
            used_policies: BTreeSet::new(),
            used_operations: BTreeSet::new(),
            missing: BTreeMap::new(),
            incomplete: 0,
        })
    }

    /// Takes one record.
    pub fn record(&mut self, record: &RecordLine) {
        let mut record = record.clone();
        if let Some(principal) = &mut record.principal {
            principal.roles.extend(self.roles.iter().cloned());
            principal.roles.sort();
            principal.roles.dedup();
        }
        let Ok((Fate::LetThrough, decided)) = self.replay.decide(&record) else { return };
        let operation = record.operation.clone().unwrap_or_default();
        match decided {
            Decided::Permit { rules } => {
                self.used_operations.insert(operation);
                self.used_policies.extend(rules.split(", ").map(str::to_owned));
            }
            Decided::Deny { rules, path, .. } => {
                let key = Missing { operation, path: path.to_string(), rules: rules.to_string() };
                self.incomplete += u64::from(!count(&mut self.missing, key, &record));
            }
            Decided::Unknown { rules, .. } => {
                // It may be used: nothing is called unused that was not seen to be.
                self.used_operations.insert(operation);
                self.used_policies.extend(rules.split(", ").map(str::to_owned));
                self.incomplete += 1;
            }
        }
    }

    /// What was found.
    pub fn compared(&self) -> Compared {
        let unused = |id: &&Arc<str>| !self.used_policies.contains(&***id);
        Compared {
            roles: self.roles.clone(),
            unused_operations: self.granted.difference(&self.used_operations).cloned().collect(),
            unused_policies: self.replay.policies().filter(unused).map(ToString::to_string).collect(),
            missing: self.missing.iter().map(|(key, seen)| (key.clone(), seen.clone())).collect(),
            incomplete: self.incomplete,
        }
    }
}
