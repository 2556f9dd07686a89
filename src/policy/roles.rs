//! What is the same for all callers with the same roles: found once per snapshot, and remembered. Callers whom policies name
//! one by one have tables of their own.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock, OnceLock};

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use quick_cache::sync::Cache;

use super::engine::{Conclusion, PolicySubset};
use super::rule::Rule;
use crate::authenticate::{Principal, SchemeName};

/// Role sets that are remembered; a deployment has tens.
const ROLE_SETS_MAX: usize = 512;

static ROLE: LazyLock<Option<EntityTypeName>> = LazyLock::new(|| "Role".parse().ok());

/// A principal whom scopes name: its number and its id.
type Only = (u32, Arc<str>);

/// The roles that policies speak of, and what is known of the sets of them that callers had.
pub(super) struct RoleTables {
    /// Sorted.
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    /// The principals whom scopes name, by scheme and name, with numbers beyond those of the roles.
    principals: HashMap<Box<str>, HashMap<Box<str>, Only>>,
    tables: Cache<Box<[u32]>, Arc<RoleTable>>,
    slots: usize,
}

/// What is known of one set of roles.
pub(super) struct RoleTable {
    /// The roles, as parents of the principal; those that no policy names are left out.
    pub(super) parents: HashSet<EntityUid>,
    roles: BTreeSet<Arc<str>>,
    /// The only principal that has it, if scopes name that.
    only: Option<Arc<str>>,
    memos: Box<[OnceLock<Memo>]>,
}

/// What is known of one slice for one set of roles.
pub(super) enum Memo {
    /// The same whatever the request holds.
    Constant(Conclusion),
    /// These policies have to be asked: the slice without those for other roles.
    Ask(Arc<PolicySubset>),
}

impl RoleTables {
    /// For these policies; `slots` is the number of slices.
    pub(super) fn new(rules: &[Rule], slots: usize) -> Self {
        let literals = rules.iter().flat_map(|rule| rule.policy.entity_literals());
        let names: BTreeSet<Arc<str>> = literals
            .filter(|uid| uid.type_name().basename() == "Role")
            .map(|uid| Arc::from(uid.id().unescaped()))
            .collect();
        let only: BTreeSet<&Arc<str>> = rules.iter().filter_map(|rule| rule.only.as_ref()).collect();
        let mut next = 0..;
        let numbers = names.iter().cloned().zip(&mut next).collect();
        let mut principals: HashMap<Box<str>, HashMap<Box<str>, Only>> = HashMap::new();
        for (id, number) in only.into_iter().zip(&mut next) {
            let Some((scheme, name)) = scheme_and_name(id) else { continue };
            principals.entry(scheme.into()).or_default().insert(name.into(), (number, Arc::clone(id)));
        }
        let (names, tables) = (names.into_iter().collect(), Cache::new(ROLE_SETS_MAX));
        Self { names, numbers, principals, tables, slots }
    }

    /// The roles that policies speak of, sorted.
    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The table of this caller.
    pub(super) fn table(&self, principal: &Principal) -> Arc<RoleTable> {
        let name = if principal.scheme() == SchemeName::Anonymous { "" } else { principal.name() };
        let only = self.principals.get(principal.scheme().as_str()).and_then(|names| names.get(name));
        let roles = principal.roles();
        let mut key: Vec<u32> = roles.iter().filter_map(|role| self.numbers.get(role).copied()).collect();
        key.extend(only.map(|(number, _)| number));
        key.sort_unstable();
        key.dedup();
        if let Some(table) = self.tables.get(key.as_slice()) {
            return table;
        }
        let roles: BTreeSet<Arc<str>> = roles.iter().filter(|role| self.numbers.contains_key(*role)).cloned().collect();
        let table = Arc::new(RoleTable::new(roles, only.map(|(_, id)| Arc::clone(id)), self.slots));
        self.tables.insert(key.into_boxed_slice(), Arc::clone(&table));
        table
    }
}

impl RoleTable {
    fn new(roles: BTreeSet<Arc<str>>, only: Option<Arc<str>>, slots: usize) -> Self {
        let parents = ROLE.as_ref().map_or_else(HashSet::new, |kind| {
            roles.iter().map(|role| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(role))).collect()
        });
        Self { parents, roles, only, memos: (0..slots).map(|_| OnceLock::new()).collect() }
    }

    pub(super) fn has(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// Whether this principal, which a scope names (`basic:alice`), has it.
    pub(super) fn is_of(&self, principal: &str) -> bool {
        self.only.as_deref() == Some(principal)
    }

    /// What is known in this slot, found by `find` the first time. `None` if there is no such slot.
    pub(super) fn memo(&self, slot: usize, find: impl FnOnce() -> Memo) -> Option<&Memo> {
        self.memos.get(slot).map(|memo| memo.get_or_init(find))
    }
}

/// What [`principal_uid`](super::context::principal_uid) joins.
fn scheme_and_name(id: &str) -> Option<(&str, &str)> {
    if id == SchemeName::Anonymous.as_str() { Some((id, "")) } else { id.split_once(':') }
}
