//! Looked-up objects, for a moment: shared by all workers, bounded, forgotten when irongate forwards a write to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use crate::catalog::ResourceType;
use crate::policy::{NodeFields, ObjectFacts};

/// Objects that are remembered; each has two or three keys.
const KEYS_MAX: usize = 20_000;

type Key = (ResourceType, String);

/// What is remembered of objects. That an object does not exist is never remembered.
pub struct ObjectCache {
    entries: Cache<Key, Entry>,
    /// Rises whenever something is forgotten: what was asked for before that is not remembered.
    generation: AtomicU64,
}

#[derive(Clone)]
struct Entry {
    facts: Arc<ObjectFacts>,
    fields: NodeFields,
    since: Instant,
}

impl Default for ObjectCache {
    fn default() -> Self {
        Self { entries: Cache::new(KEYS_MAX), generation: AtomicU64::new(0) }
    }
}

impl std::fmt::Debug for ObjectCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ObjectCache").field("keys", &self.entries.len()).finish_non_exhaustive()
    }
}

impl ObjectCache {
    /// What is known, if it is young enough and holds all these fields.
    pub fn find(
        &self,
        kind: ResourceType,
        identifier: &str,
        fields: NodeFields,
        age_max: Duration,
    ) -> Option<Arc<ObjectFacts>> {
        if age_max.is_zero() {
            return None;
        }
        let entry = self.entries.get(&(kind, identifier.to_lowercase()))?;
        (entry.fields.contains(fields) && entry.since.elapsed() < age_max).then_some(entry.facts)
    }

    /// To be read before an object is asked for, for [`Self::insert`].
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Remembers an object under all its names, unless something was forgotten since `generation`.
    pub fn insert(
        &self,
        kind: ResourceType,
        identifier: &str,
        fields: NodeFields,
        facts: &Arc<ObjectFacts>,
        generation: u64,
    ) {
        let entry = Entry { facts: Arc::clone(facts), fields, since: Instant::now() };
        let keys = [Some(identifier.to_lowercase()), Some(facts.uuid.clone()), facts.name.clone()];
        for key in keys.into_iter().flatten() {
            if self.generation() == generation {
                self.entries.insert((kind, key), entry.clone());
            }
        }
        // What was forgotten while this was written is not brought back.
        if self.generation() != generation {
            self.clear();
        }
    }

    /// Forgets an object, whatever it is called, and what belongs to it. If it is not known by this name, everything is
    /// forgotten: it may be known by another.
    pub fn forget(&self, kind: ResourceType, identifier: &str) {
        let found = self.entries.remove(&(kind, identifier.to_lowercase()));
        match found {
            Some((_, entry)) if kind != ResourceType::Node => {
                self.generation.fetch_add(1, Ordering::SeqCst);
                self.remove(kind, &entry.facts);
            }
            // Ports and the like hold their node's attributes.
            Some(_) | None => self.clear(),
        }
    }

    fn remove(&self, kind: ResourceType, facts: &ObjectFacts) {
        self.entries.remove(&(kind, facts.uuid.clone()));
        if let Some(name) = &facts.name {
            self.entries.remove(&(kind, name.clone()));
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn object() -> Arc<ObjectFacts> {
        Arc::new(ObjectFacts::node(&serde_json::json!({"uuid": "U-1", "name": "Web"})).unwrap())
    }

    #[test]
    fn an_object_is_known_by_all_its_names_and_forgotten_by_any() {
        for forgotten in ["web", "WEB", "u-1"] {
            let cache = ObjectCache::default();
            cache.insert(ResourceType::Port, "web", NodeFields::EVERYTHING, &object(), cache.generation());
            for name in ["web", "u-1", "U-1"] {
                assert!(cache.find(ResourceType::Port, name, NodeFields::default(), LONG).is_some(), "{name}");
            }
            assert!(cache.find(ResourceType::Node, "web", NodeFields::default(), LONG).is_none());
            assert!(cache.find(ResourceType::Port, "web", NodeFields::default(), Duration::ZERO).is_none());
            cache.forget(ResourceType::Port, forgotten);
            for name in ["web", "u-1"] {
                assert!(cache.find(ResourceType::Port, name, NodeFields::default(), LONG).is_none(), "{name}");
            }
        }
    }

    #[test]
    fn what_was_asked_before_a_write_is_not_remembered() {
        let cache = ObjectCache::default();
        let generation = cache.generation();
        cache.forget(ResourceType::Node, "web");
        cache.insert(ResourceType::Node, "web", NodeFields::EVERYTHING, &object(), generation);
        assert!(cache.find(ResourceType::Node, "web", NodeFields::default(), LONG).is_none());
    }

    #[test]
    fn fewer_fields_than_needed_are_not_enough() {
        let cache = ObjectCache::default();
        cache.insert(ResourceType::Node, "web", NodeFields::default(), &object(), cache.generation());
        assert!(cache.find(ResourceType::Node, "web", NodeFields::EVERYTHING, LONG).is_none());
    }
}
