//! Rules → desks: which policies each action is asked with, found once at load.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid};

use super::{ActionDesk, Asides, Desk, Sheet, Slice};
use crate::catalog::{Operation, ResourceType};
use crate::policy::rule::{PolicyMode, Rule};
use crate::policy::schema::{API_ID, fixed_id, has_writes};
use crate::policy::slice::{ActionGroups, Slices};

/// Makes the desks; actions with the same policies share one sheet.
pub(super) struct Compiler<'r> {
    rules: &'r [Rule],
    slices: Slices<'r>,
    sheets: HashMap<Vec<usize>, Arc<Sheet>>,
}

impl<'r> Compiler<'r> {
    pub(super) fn new(rules: &'r [Rule]) -> Self {
        Self { rules, slices: Slices::new(rules), sheets: HashMap::new() }
    }

    /// The desks and the number of slots; `None` only if an id of the catalogue is not usable in Cedar.
    pub(super) fn desks(mut self, operations: &[Operation]) -> Option<(Vec<Desk>, Asides, usize)> {
        let action_type: EntityTypeName = "Action".parse().ok()?;
        let mut desks = Vec::with_capacity(operations.len());
        let mut slots = 0;
        for operation in operations {
            desks.push(Desk {
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
            Some(Desk {
                operation: String::new(),
                resource_type: ResourceType::Api.as_str().parse().ok()?,
                fixed_id: API_ID.to_owned(),
                request: self.action(&action_type, &groups, &mut slots)?,
                write: None,
            })
        };
        let asides = Asides { secrets: aside(ActionGroups::secrets())?, shadow: aside(ActionGroups::shadow())? };
        Some((desks, asides, slots))
    }

    fn action(&mut self, kind: &EntityTypeName, groups: &ActionGroups, slots: &mut usize) -> Option<ActionDesk> {
        let uid = |id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let parents: HashSet<EntityUid> = groups.all.iter().filter(|id| **id != groups.id).map(|id| uid(id)).collect();
        let entity = Entity::new_no_attrs(uid(&groups.id), parents);
        let about = self.slices.about(groups);
        let mode = |index: &usize| self.rules.get(*index).map(|rule| rule.mode);
        let enforced: Vec<usize> =
            about.iter().copied().filter(|index| mode(index) == Some(PolicyMode::Enforce)).collect();
        let both: Vec<usize> =
            about.iter().copied().filter(|index| mode(index).is_some_and(|mode| mode != PolicyMode::Off)).collect();
        Some(ActionDesk {
            uid: uid(&groups.id),
            entities: Entities::from_entities([entity], None).ok()?,
            shadowed: if both == enforced { None } else { Some(self.slice(both, slots)?) },
            enforced: self.slice(enforced, slots)?,
        })
    }

    fn slice(&mut self, rules: Vec<usize>, slots: &mut usize) -> Option<Slice> {
        let slot = *slots;
        *slots += 1;
        if let Some(sheet) = self.sheets.get(&rules) {
            return Some(Slice { sheet: Arc::clone(sheet), slot });
        }
        let sheet = Arc::new(Sheet::new(self.rules, rules.clone()));
        self.sheets.insert(rules, Arc::clone(&sheet));
        Some(Slice { sheet, slot })
    }
}
