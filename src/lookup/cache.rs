//! Looked-up objects, for a moment: shared by all workers, bounded, forgotten when irongate forwards a write to them.
//!
//! Nothing is searched for when something is forgotten. Each object has an epoch, which rises whenever it is written to; what
//! was remembered in an earlier epoch does not count any more, whoever's view it was.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::authenticate::ProvedToken;
use crate::catalog::ResourceType;
use crate::policy::{NodeFields, ObjectFacts};

/// What all remembered objects may take together, in bytes, and about how many of them that is.
const OBJECTS_BYTES_MAX: u64 = 32 * 1024 * 1024;
const OBJECTS: usize = 20_000;
/// Names that are remembered for objects.
const NAMES_MAX: usize = 20_000;
/// Objects that share an epoch are forgotten together.
const EPOCHS: usize = 1024;

/// Whose view of objects it is. What Ironic shows may depend on the token that it is asked with; where irongate asks as
/// itself, all callers share one view.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct View([u8; 32]);

impl View {
    /// irongate's own.
    pub const OWN: Self = Self([0; 32]);

    /// Of whoever has these tokens. They are known by their digest only.
    pub fn of(token: &ProvedToken) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [Some(token.user()), token.service()] {
            let bytes = part.map_or(&[][..], http::HeaderValue::as_bytes);
            context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(bytes);
        }
        let mut view = [0; 32];
        for (to, from) in view.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(view)
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("View")
    }
}

/// An object as it was looked up.
#[derive(Clone)]
pub struct Known {
    /// Without the node that it belongs to: that is remembered on its own.
    pub facts: Arc<ObjectFacts>,
    /// The UUID of that node.
    pub node: Option<Arc<str>>,
}

/// What is remembered of objects. That an object does not exist is never remembered.
pub struct ObjectCache {
    objects: Cache<(ResourceType, Uuid, View), Entry, Bytes>,
    /// Which object was last seen under a name, or a UUID in another spelling than Ironic's own, as it was asked for: whether
    /// Ironic's database tells `Web` from `web` is not known here. Only a hint: what counts is the name that the object itself tells.
    names: Cache<(ResourceType, Box<str>), Uuid>,
    epochs: Box<[AtomicU64]>,
    /// Where everything is forgotten.
    all: AtomicU64,
    /// Rises before any epoch does.
    forgotten: AtomicU64,
    remembered: AtomicU64,
    asked: AtomicU64,
    failed: AtomicU64,
    hasher: RandomState,
}

#[derive(Clone)]
struct Entry {
    known: Known,
    fields: NodeFields,
    since: Instant,
    epoch: u64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<(ResourceType, Uuid, View), Entry> for Bytes {
    fn weight(&self, _: &(ResourceType, Uuid, View), entry: &Entry) -> u64 {
        entry.known.facts.bytes()
    }
}

/// Taken before an object is asked for: what was forgotten since then is not remembered.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    forgotten: u64,
}

impl Default for ObjectCache {
    fn default() -> Self {
        Self {
            objects: Cache::with_weighter(OBJECTS, OBJECTS_BYTES_MAX, Bytes),
            names: Cache::new(NAMES_MAX),
            epochs: (0..EPOCHS).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            remembered: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }
}

impl std::fmt::Debug for ObjectCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ObjectCache").field("objects", &self.objects.len()).finish_non_exhaustive()
    }
}

impl ObjectCache {
    /// What is known in this view, if it is young enough and holds all these fields.
    pub fn find(
        &self,
        view: View,
        kind: ResourceType,
        identifier: &str,
        fields: NodeFields,
        age_max: Duration,
    ) -> Option<Known> {
        if age_max.is_zero() {
            return None;
        }
        let uuid = match spelled(identifier) {
            Some(uuid) => uuid,
            None => self.names.get(&(kind, identifier.into()))?,
        };
        let entry = self.objects.get(&(kind, uuid, view))?;
        let counts = entry.fields.contains(fields)
            && entry.since.elapsed() < age_max
            && entry.epoch == self.epoch(kind, uuid)
            && entry.known.facts.is_called(identifier);
        if !counts {
            return None;
        }
        self.remembered.fetch_add(1, Ordering::Relaxed);
        Some(entry.known)
    }

    /// Counts a look-up that Ironic was asked for.
    pub fn note_asked(&self, failed: bool) {
        (if failed { &self.failed } else { &self.asked }).fetch_add(1, Ordering::Relaxed);
    }

    /// How many look-ups there were, by what became of them.
    pub fn lookups(&self) -> [(&'static str, u64); 3] {
        [("remembered", &self.remembered), ("asked", &self.asked), ("failed", &self.failed)]
            .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }

    /// To be called before an object is asked for.
    pub fn asking(&self) -> Asking {
        Asking { forgotten: self.forgotten.load(Ordering::SeqCst) }
    }

    /// Remembers an object that was asked for by this identifier, unless something was forgotten since then.
    pub fn insert(
        &self,
        view: View,
        kind: ResourceType,
        identifier: &str,
        fields: NodeFields,
        known: &Known,
        asking: Asking,
    ) {
        let Some(uuid) = self::uuid(&known.facts.uuid) else { return };
        // INVARIANT: whoever forgets raises `forgotten` before the epoch. So if that is unchanged now, the epoch read before
        // it was that of the time of asking, and a later one makes the entry void.
        let epoch = self.epoch(kind, uuid);
        if self.forgotten.load(Ordering::SeqCst) != asking.forgotten {
            return;
        }
        if spelled(identifier).is_none() {
            self.names.insert((kind, identifier.into()), uuid);
        }
        self.objects.insert((kind, uuid, view), Entry { known: known.clone(), fields, since: Instant::now(), epoch });
    }

    /// Forgets an object in all views. A name tells nothing for sure, so with a name everything is forgotten.
    pub fn forget(&self, kind: ResourceType, identifier: &str) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        match uuid(identifier) {
            Some(uuid) => {
                if let Some(epoch) = self.epochs.get(self.stripe(kind, uuid)) {
                    epoch.fetch_add(1, Ordering::SeqCst);
                }
            }
            None => _ = self.all.fetch_add(1, Ordering::SeqCst),
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
    }

    /// Both only rise, so their sum tells whether either did.
    fn epoch(&self, kind: ResourceType, uuid: Uuid) -> u64 {
        let own = self.epochs.get(self.stripe(kind, uuid)).map_or(0, |epoch| epoch.load(Ordering::SeqCst));
        own.wrapping_add(self.all.load(Ordering::SeqCst))
    }

    fn stripe(&self, kind: ResourceType, uuid: Uuid) -> usize {
        usize::try_from(self.hasher.hash_one((kind, uuid)) % EPOCHS as u64).unwrap_or(0)
    }
}

/// In the spelling that Ironic gives out: in all others it is looked for as a name is.
fn spelled(text: &str) -> Option<Uuid> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { None } else { uuid(text) }
}

/// In the spelling that Ironic gives out, in either case.
fn uuid(text: &str) -> Option<Uuid> {
    (text.len() == uuid::fmt::Hyphenated::LENGTH).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c0fe";
    const OTHER: View = View([1; 32]);

    fn object(name: &str) -> Known {
        let facts = ObjectFacts::node(&serde_json::json!({"uuid": UUID, "name": name})).unwrap();
        Known { facts: Arc::new(facts), node: None }
    }

    fn insert(cache: &ObjectCache, view: View, name: &str) {
        insert_as(cache, view, name, name);
    }

    fn insert_as(cache: &ObjectCache, view: View, identifier: &str, name: &str) {
        cache.insert(view, ResourceType::Port, identifier, NodeFields::EVERYTHING, &object(name), cache.asking());
    }

    fn knows(cache: &ObjectCache, view: View, identifier: &str) -> bool {
        cache.find(view, ResourceType::Port, identifier, NodeFields::default(), LONG).is_some()
    }

    #[test]
    fn an_object_is_known_by_all_its_names_and_forgotten_by_any() {
        for forgotten in ["web", "WEB", UUID, &UUID.to_uppercase()] {
            let cache = ObjectCache::default();
            for view in [View::OWN, OTHER] {
                insert(&cache, view, "Web");
                for name in ["Web", UUID] {
                    assert!(knows(&cache, view, name), "{name}");
                }
                for name in ["web", &UUID.to_uppercase()] {
                    assert!(!knows(&cache, view, name), "{name} may be another's name, or nobody's");
                }
            }
            insert_as(&cache, View::OWN, &UUID.to_uppercase(), "Web");
            assert!(knows(&cache, View::OWN, &UUID.to_uppercase()), "Ironic takes it for the same");
            assert!(cache.find(View::OWN, ResourceType::Node, UUID, NodeFields::default(), LONG).is_none());
            assert!(cache.find(View::OWN, ResourceType::Port, UUID, NodeFields::default(), Duration::ZERO).is_none());
            cache.forget(ResourceType::Port, forgotten);
            for name in ["Web", UUID, &UUID.to_uppercase()] {
                assert!(!knows(&cache, View::OWN, name) && !knows(&cache, OTHER, name), "{name}");
            }
            insert(&cache, View::OWN, "Web");
            assert!(knows(&cache, View::OWN, "Web"));
        }
    }

    #[test]
    fn one_view_tells_nothing_to_another() {
        let cache = ObjectCache::default();
        insert(&cache, OTHER, "web");
        assert!(!knows(&cache, View::OWN, "web") && !knows(&cache, View::OWN, UUID));
        let token = |user: &'static str, service: Option<&'static str>| {
            let value = http::HeaderValue::from_static;
            View::of(&ProvedToken::new(&value(user), service.map(value).as_ref()))
        };
        assert_eq!(token("a", None), token("a", None));
        assert_ne!(token("a", None), token("b", None));
        assert_ne!(token("a", Some("b")), token("a", None));
        assert_ne!(token("ab", Some("c")), token("a", Some("bc")));
        assert_ne!(token("", None), View::OWN);
    }

    #[test]
    fn a_name_that_moved_on_is_not_believed() {
        let cache = ObjectCache::default();
        insert(&cache, View::OWN, "old");
        insert(&cache, View::OWN, "new");
        assert!(!knows(&cache, View::OWN, "old"));
        assert!(knows(&cache, View::OWN, "new"));
    }

    #[test]
    fn what_was_asked_before_a_write_is_not_remembered() {
        for forgotten in [UUID, "1be26c0b-03f2-4d2e-ae87-c02d7f33c0ff", "web"] {
            let cache = ObjectCache::default();
            let asking = cache.asking();
            cache.forget(ResourceType::Port, forgotten);
            cache.insert(View::OWN, ResourceType::Port, UUID, NodeFields::EVERYTHING, &object("web"), asking);
            assert!(!knows(&cache, View::OWN, UUID));
        }
    }

    #[test]
    fn fewer_fields_than_needed_are_not_enough() {
        let cache = ObjectCache::default();
        cache.insert(View::OWN, ResourceType::Node, "web", NodeFields::default(), &object("web"), cache.asking());
        let found = |fields| cache.find(View::OWN, ResourceType::Node, UUID, fields, LONG).is_some();
        assert!(found(NodeFields::default()) && !found(NodeFields::EVERYTHING));
    }

    #[test]
    fn there_is_a_bound_in_bytes() {
        let cache = ObjectCache::default();
        for number in 0..40_u128 {
            let facts = ObjectFacts::node(&serde_json::json!({
                "uuid": Uuid::from_u128(number).to_string(), "properties": {"large": "x".repeat(1 << 20)},
            }));
            let known = Known { facts: Arc::new(facts.unwrap()), node: None };
            cache.insert(View::OWN, ResourceType::Node, "web", NodeFields::EVERYTHING, &known, cache.asking());
        }
        assert!(cache.objects.weight() <= OBJECTS_BYTES_MAX, "{}", cache.objects.weight());
        assert!(cache.objects.len() < 40);
    }
}
