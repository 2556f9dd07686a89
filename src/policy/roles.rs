//! What is the same for all callers with the same roles: found once per snapshot, and remembered.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock, OnceLock};

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use quick_cache::sync::Cache;

use super::engine::{Outcome, Sheet};

/// Role sets that are remembered; a deployment has tens.
const ROLE_SETS_MAX: usize = 512;

static ROLE: LazyLock<Option<EntityTypeName>> = LazyLock::new(|| "Role".parse().ok());

/// The roles that policies speak of, and what is known of the sets of them that callers had.
pub(super) struct RoleTables {
    /// Sorted.
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    tables: Cache<Box<[u32]>, Arc<RoleTable>>,
    slots: usize,
}

/// What is known of one set of roles.
pub(super) struct RoleTable {
    /// The roles, as parents of the principal; those that no policy names are left out.
    pub(super) parents: HashSet<EntityUid>,
    roles: BTreeSet<Arc<str>>,
    memos: Box<[OnceLock<Memo>]>,
}

/// What is known of one slice for one set of roles.
pub(super) enum Memo {
    /// The same whatever the request holds.
    Constant(Outcome),
    /// These policies have to be asked: the slice without those for other roles.
    Ask(Arc<Sheet>),
}

impl RoleTables {
    /// `slots` is the number of slices.
    pub(super) fn new(names: BTreeSet<Arc<str>>, slots: usize) -> Self {
        let names: Vec<Arc<str>> = names.into_iter().collect();
        let numbers = (0..).zip(&names).map(|(number, name)| (Arc::clone(name), number)).collect();
        Self { names, numbers, tables: Cache::new(ROLE_SETS_MAX), slots }
    }

    /// The roles that policies speak of, sorted.
    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The table of a caller with these roles.
    pub(super) fn table(&self, roles: &[Arc<str>]) -> Arc<RoleTable> {
        let mut key: Vec<u32> = roles.iter().filter_map(|role| self.numbers.get(role).copied()).collect();
        key.sort_unstable();
        key.dedup();
        if let Some(table) = self.tables.get(key.as_slice()) {
            return table;
        }
        let roles: BTreeSet<Arc<str>> = roles.iter().filter(|role| self.numbers.contains_key(*role)).cloned().collect();
        let table = Arc::new(RoleTable::new(roles, self.slots));
        self.tables.insert(key.into_boxed_slice(), Arc::clone(&table));
        table
    }
}

impl RoleTable {
    fn new(roles: BTreeSet<Arc<str>>, slots: usize) -> Self {
        let parents = ROLE.as_ref().map_or_else(HashSet::new, |kind| {
            roles.iter().map(|role| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(role))).collect()
        });
        Self { parents, roles, memos: (0..slots).map(|_| OnceLock::new()).collect() }
    }

    pub(super) fn has(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// What is known in this slot, found by `find` the first time. `None` if there is no such slot.
    pub(super) fn memo(&self, slot: usize, find: impl FnOnce() -> Memo) -> Option<&Memo> {
        self.memos.get(slot).map(|memo| memo.get_or_init(find))
    }
}
