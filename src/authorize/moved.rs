//! Where the writes of a request put their object: looked up once, for all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Found;
use super::turns::Turn;
use crate::call::{Route, Write};
use crate::catalog::ResourceType;
use crate::lookup::{self, Lookup, LookupError, Move, Moves};
use crate::policy::{NodeFields, ObjectFacts, RequestCache};

/// Nodes that the writes of one request may name, where policies read them: an allocation names its candidates.
const NAMED_NODES_MAX: usize = 64;
/// For the look-ups of all of them.
const NAMED_NODES_TIMEOUT: Duration = Duration::from_secs(20);

/// What a write that names nothing leads to.
const NOTHING: &Found = &Ok(None);

/// A place to ask about too, with what was found out about it for other writes.
pub(super) type Elsewhere<'m> = (Arc<ObjectFacts>, Option<&'m RequestCache>);

/// Where the writes of a request put their object, and the nodes that they name.
#[derive(Default)]
pub(super) struct Moved<'w> {
    moves: Moves<'w>,
    /// For each write; none if no policy reads any.
    targets: Vec<Found>,
    /// The writes leave the object with more properties than policies are shown.
    pub(super) overfull: bool,
    /// What was found out about the object as the request would leave it.
    cache: RequestCache,
}

impl<'w> Moved<'w> {
    /// By `lookup`, where policies read `fields`; without one nothing is known of what they name. `resource` is the object before
    /// the request, as far as it is known.
    pub(super) async fn of(
        route: &Route<'_>,
        writes: &'w [Write<'w>],
        resource: Option<&Arc<ObjectFacts>>,
        fields: Option<NodeFields>,
        lookup: Option<&Lookup<'_>>,
    ) -> Self {
        let mut moved = Self::default();
        let Some(fields) = fields else { return moved };
        let kind = route.operation().resource;
        // All of them are looked up, or none.
        let named = writes.iter().filter_map(|write| lookup::moves(route, write)).filter(Move::names_another);
        let too_many = named.take(NAMED_NODES_MAX + 1).count() > NAMED_NODES_MAX;
        let deadline = Instant::now() + NAMED_NODES_TIMEOUT;
        let mut turn = Turn::default();
        moved.targets.reserve(writes.len());
        for write in writes {
            turn.let_others_in(1).await;
            let place = lookup::moves(route, write).filter(|place| place.is_read(fields));
            let target = match (place.as_ref().filter(|place| place.names_another()), lookup) {
                (Some(place), Some(lookup)) if !too_many => {
                    let asked = tokio::time::timeout_at(deadline, lookup.place(place, fields));
                    asked.await.unwrap_or(Err(LookupError))
                }
                (Some(_), _) => Err(LookupError),
                (None, _) => Ok(None),
            };
            let node = target.as_ref().ok().and_then(Clone::clone);
            moved.moves.push(kind, resource, place.map(|place| (place, node)));
            moved.targets.push(target);
        }
        moved.overfull = moved.moves.overfull();
        moved
    }

    /// What was looked up of the node that the write at this place in the order names.
    pub(super) fn target(&self, index: usize) -> &Found {
        self.targets.get(index).unwrap_or(NOTHING)
    }

    /// What else the write at this place in the order has to be permitted at, see [`Moves::elsewhere`].
    pub(super) fn elsewhere(&self, kind: ResourceType, index: usize) -> Vec<Elsewhere<'_>> {
        let is_after = |place: &Arc<ObjectFacts>| self.moves.after.as_ref().is_some_and(|it| Arc::ptr_eq(it, place));
        let known = |place| {
            let cache = is_after(&place).then_some(&self.cache);
            (place, cache)
        };
        self.moves.elsewhere(kind, index).into_iter().map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::authorize::turns::pauses;
    use crate::call::WriteOp;
    use crate::json::{Json, Pointer};
    use crate::microversion::{self, Ceiling};
    use crate::route;

    /// How often others are let in while so many properties of a node are written, and where that leaves it.
    fn check(count: usize, fields: NodeFields) -> (usize, Vec<usize>, bool) {
        let head = Request::patch("/v1/nodes/n").header(microversion::HEADER, "1.115").body(()).unwrap().into_parts().0;
        let route = route::find(&head, Ceiling::default()).unwrap();
        let value = Json::Integer(1);
        let write = |number: usize| {
            let path = Pointer::parse(&format!("/properties/k{number}")).unwrap();
            Write { op: WriteOp::Add, path, value: Some(&value), step: None, secret: false, withheld: false }
        };
        let writes: Vec<Write<'_>> = (0..count).map(write).collect();
        let node = Arc::new(ObjectFacts::node(&serde_json::json!({"uuid": "u", "owner": "o"})).unwrap());
        let (pauses, moved) = pauses(Moved::of(&route, &writes, Some(&node), Some(fields), None));
        // The places of the first write and of the last, which are one: made once, and asked about with what is known of it.
        let places = [0, count - 1].map(|index| moved.elsewhere(ResourceType::Node, index));
        let same = places.iter().flatten().all(|(place, cache)| {
            Arc::ptr_eq(place, moved.moves.after.as_ref().unwrap())
                && std::ptr::eq(cache.unwrap(), &raw const moved.cache)
        });
        assert!(same);
        (pauses, places.map(|places| places.len()).to_vec(), moved.overfull)
    }

    #[test]
    fn many_writes_are_one_object_and_let_others_in() {
        let properties = NodeFields::of("properties");
        assert_eq!(check(256, properties), (1, vec![1, 1], false));
        assert_eq!(check(257, properties), (1, vec![1, 1], true));
        assert_eq!(check(19_000, properties), (74, vec![1, 1], true));
        assert_eq!(check(19_000, NodeFields::of("owner")), (74, vec![0, 0], false));
    }
}
