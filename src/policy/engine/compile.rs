//! Rules by operation: which policies each action is asked with, found once at load.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid};

use super::{ActionPolicies, Asides, OperationPolicies, PolicySubset, Slice};
use crate::catalog::{Operation, ResourceType};
use crate::policy::rule::{PolicyMode, Rule};
use crate::policy::schema::{API_ID, fixed_id, has_writes};
use crate::policy::slice::{ActionGroups, Slices};

/// Finds the policies of each operation; actions with the same share one subset.
pub(super) struct Compiler<'r> {
    rules: &'r [Rule],
    slices: Slices<'r>,
    subsets: HashMap<Vec<usize>, Arc<PolicySubset>>,
}

impl<'r> Compiler<'r> {
    pub(super) fn new(rules: &'r [Rule]) -> Self {
        Self { rules, slices: Slices::new(rules), subsets: HashMap::new() }
    }

    /// The policies of each operation and the number of slots; `None` only if an id of the catalogue is not usable in Cedar.
    pub(super) fn by_operation(mut self, operations: &[Operation]) -> Option<(Vec<OperationPolicies>, Asides, usize)> {
        let action_type: EntityTypeName = "Action".parse().ok()?;
        let mut by_operation = Vec::with_capacity(operations.len());
        let mut slots = 0;
        for operation in operations {
            by_operation.push(OperationPolicies {
                operation: operation.id.clone(),
                resource_type: operation.resource.as_str().parse().ok()?,
                fixed_id: fixed_id(operation),
                request: self.action(&action_type, &ActionGroups::request(operation), &mut slots)?,
                write: if has_writes(operation) {
                    Some(self.action(&action_type, &ActionGroups::write(operation), &mut slots)?)
                } else {
                    None
                },
            });
        }
        let mut aside = |groups| {
            Some(OperationPolicies {
                operation: String::new(),
                resource_type: ResourceType::Api.as_str().parse().ok()?,
                fixed_id: API_ID.to_owned(),
                request: self.action(&action_type, &groups, &mut slots)?,
                write: None,
            })
        };
        let asides = Asides { secrets: aside(ActionGroups::secrets())?, shadow: aside(ActionGroups::shadow())? };
        Some((by_operation, asides, slots))
    }

    fn action(&mut self, kind: &EntityTypeName, groups: &ActionGroups, slots: &mut usize) -> Option<ActionPolicies> {
        let uid = |id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let parents: HashSet<EntityUid> = groups.all.iter().filter(|id| **id != groups.id).map(|id| uid(id)).collect();
        let entity = Entity::new_no_attrs(uid(&groups.id), parents);
        let about = self.slices.about(groups);
        let mode = |index: &usize| self.rules.get(*index).map(|rule| rule.mode);
        let enforced: Vec<usize> =
            about.iter().copied().filter(|index| mode(index) == Some(PolicyMode::Enforce)).collect();
        let both: Vec<usize> =
            about.iter().copied().filter(|index| mode(index).is_some_and(|mode| mode != PolicyMode::Off)).collect();
        Some(ActionPolicies {
            uid: uid(&groups.id),
            entities: Entities::from_entities([entity], None).ok()?,
            shadowed: if both == enforced { None } else { Some(self.slice(both, slots)?) },
            enforced: self.slice(enforced, slots)?,
        })
    }

    fn slice(&mut self, rules: Vec<usize>, slots: &mut usize) -> Option<Slice> {
        let slot = *slots;
        *slots += 1;
        if let Some(subset) = self.subsets.get(&rules) {
            return Some(Slice { subset: Arc::clone(subset), slot });
        }
        let subset = Arc::new(PolicySubset::new(self.rules, rules.clone()));
        self.subsets.insert(rules, Arc::clone(&subset));
        Some(Slice { subset, slot })
    }
}
