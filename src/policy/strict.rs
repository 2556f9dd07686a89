//! Cedar's validator over all rules.
//!
//! It looks at each policy once for each action that there is, to find of nearly all of them that the scope does not speak
//! of them; with 10,000 policies that takes seconds. So where there are many, those about the same actions are validated
//! together, against the same schema but for the other actions, which there apply to nothing. A test holds the
//! findings to those of the whole schema.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use super::finding::{Lines, PolicyFinding, Severity};
use super::hint::hint;
use super::rule::{About, PolicySource, Rule};
use super::schema::{schema_about, schema_of};
use super::slice::ActionGroups;
use crate::catalog::Operation;

/// Rules that are worth a schema of their own: making it costs about as much as validating them against the whole one.
pub(super) const AT_ONCE: usize = 128;

/// The schema in Cedar's form. An error is a mistake in the catalogue; a test proves that there is none.
pub(super) fn schema(operations: &[Operation]) -> Result<Schema, String> {
    read(&schema_of(operations))
}

fn read(text: &str) -> Result<Schema, String> {
    Schema::from_cedarschema_str(text).map(|(schema, _)| schema).map_err(|error| error.to_string())
}

/// Appends what Cedar's validator says of the rules, which are sorted by id, each id once. `at_once`: how many rules have to
/// be about few actions to be validated by themselves.
pub(super) fn strict(
    operations: &[Operation],
    rules: &[Rule],
    sources: &[PolicySource],
    at_once: usize,
    findings: &mut Vec<PolicyFinding>,
) -> Result<(), String> {
    let sources: BTreeMap<&str, (&PolicySource, Lines<'_>)> =
        sources.iter().map(|source| (source.name.as_str(), (source, Lines::new(&source.text)))).collect();
    for Batch { rules: members, about } in batches(operations, rules, at_once) {
        let schema = match about {
            Some(about) => read(&schema_about(operations, &|action| about.contains(action)))?,
            None => schema(operations)?,
        };
        let members = members.into_iter().filter_map(|index| rules.get(index));
        // Only duplicate ids are refused, and there are none any more.
        let Ok(set) = PolicySet::from_policies(members.map(|rule| rule.policy.clone())) else { continue };
        let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
        let mut report = |id: &PolicyId, severity: Severity, diagnostic: &dyn Diagnostic| {
            let found = rules.binary_search_by(|rule| (*rule.id).cmp(AsRef::<str>::as_ref(id))).ok();
            let Some(rule) = found.and_then(|found| rules.get(found)) else { return };
            let Some((source, lines)) = sources.get(&*rule.place.file) else { return };
            findings.push(PolicyFinding { severity, ..at_label(diagnostic, source, lines, Some(rule)) });
        };
        for error in result.validation_errors() {
            report(error.policy_id(), Severity::Error, error);
        }
        for warning in result.validation_warnings() {
            report(warning.policy_id(), Severity::Warning, warning);
        }
    }
    Ok(())
}

/// Rules that are validated together.
struct Batch {
    /// Their indices.
    rules: Vec<usize>,
    /// The actions that their scopes speak of; `None`: too many to leave out the rest.
    about: Option<BTreeSet<String>>,
}

/// All rules, in as few batches as are worth it. There is always one, so that the schema is always read.
fn batches(operations: &[Operation], rules: &[Rule], at_once: usize) -> Vec<Batch> {
    if rules.len() / 2 < at_once {
        return vec![Batch { rules: (0..rules.len()).collect(), about: None }];
    }
    let mut by_scope: BTreeMap<&About, Vec<usize>> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        by_scope.entry(&rule.about).or_default().push(index);
    }
    let actions = ActionGroups::of_all(operations);
    let mut scopes: Vec<(BTreeSet<usize>, Vec<usize>)> = by_scope
        .into_iter()
        .map(|(about, rules)| {
            let within = actions.iter().enumerate().filter(|(_, action)| action.concerns(about));
            (within.map(|(index, _)| index).collect(), rules)
        })
        .collect();
    let ids = |scope: &BTreeSet<usize>| {
        scope.iter().filter_map(|index| actions.get(*index)).map(|action| action.id.clone()).collect()
    };
    // Scopes that begin alike stand side by side.
    scopes.sort();
    let mut whole = Vec::new();
    let mut batches = Vec::new();
    let (mut about, mut together) = (BTreeSet::new(), Vec::new());
    for (scope, mut rules) in scopes {
        // Half of the actions and more: little would be left out.
        if scope.len() * 2 >= actions.len() {
            whole.append(&mut rules);
            continue;
        }
        if rules.len() >= at_once {
            batches.push(Batch { rules, about: Some(ids(&scope)) });
            continue;
        }
        about.extend(scope);
        together.append(&mut rules);
        if together.len() >= at_once {
            batches.push(Batch { rules: std::mem::take(&mut together), about: Some(ids(&about)) });
            about.clear();
        }
    }
    whole.append(&mut together);
    batches.push(Batch { rules: whole, about: None });
    batches
}

/// A finding at the place that Cedar points to, else where the policy starts.
pub(super) fn at_label(
    diagnostic: &dyn Diagnostic,
    source: &PolicySource,
    lines: &Lines<'_>,
    rule: Option<&Rule>,
) -> PolicyFinding {
    let offset = diagnostic.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let (line, column) = match (offset, rule) {
        (Some(offset), _) => lines.place(offset),
        (None, Some(rule)) => (rule.place.line, rule.place.column),
        (None, None) => (1, 1),
    };
    let message = without_prefix(&diagnostic.to_string(), rule);
    let hint = hint(&message, diagnostic.help().map(|help| help.to_string()), rule);
    PolicyFinding {
        file: source.name.clone(),
        line,
        column,
        severity: Severity::Error,
        policy: rule.map(|rule| rule.id.to_string()),
        message,
        hint,
    }
}

/// Cedar's message without the policy's id, which the finding has in a field of its own.
fn without_prefix(message: &str, rule: Option<&Rule>) -> String {
    let prefix = rule.map(|rule| format!("for policy `{}`, ", rule.id)).unwrap_or_default();
    message.strip_prefix(&prefix).unwrap_or(message).to_owned()
}
