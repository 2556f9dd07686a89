//! Where in an answer the scrubber is.

use crate::scrub::names::key::KeyClass;
use crate::scrub::rules::Plan;
use crate::scrub::rules::place::{Action, Step, key_bit};

/// An open object or array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// An object; otherwise an array.
    pub(super) object: bool,
    /// Passes as it is, with all below, but for what places of a rank below `rank` say.
    pub(super) exempt: bool,
    pub(super) rank: u8,
    /// The fields of a resource that Ironic and its drivers name (`driver_info`): see [`KeyClass::FIELDS`].
    pub(super) fields: bool,
    /// Free-form: links in it are not Ironic's.
    pub(super) free: bool,
    /// Below the arguments of a step or an action.
    pub(super) below_arguments: bool,
    /// An array of arguments, or below them: an element may name a secret that the others hold.
    pub(super) argument_list: bool,
    /// An element did so after others.
    pub(super) named_late: bool,
    /// In an object of arguments, a `value` refers to a secret: what it is compared with is one.
    pub(super) refers: bool,
    /// The arguments, or the object's own, hold or name a secret: what they are repeated with may be it.
    pub(super) looped: bool,
    /// What the object's naming member said.
    pub(super) named: Named,
    /// Elements read so far.
    pub(super) index: u32,
    sets: Sets,
    /// The keys that make a difference here, as [`key_bit`]s.
    pub(super) watched: u64,
}

/// Which places may be below: bit sets of [`crate::scrub::rules::place::Places`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sets {
    /// Of [`Plan::root`].
    root: u64,
    /// Of [`Plan::resource`].
    resource: u64,
    /// The depth of the resource's root.
    base: usize,
}

impl Sets {
    fn watched(&self, plan: &Plan, depth: usize) -> u64 {
        let root = if self.root == 0 { 0 } else { plan.root.watched(depth) };
        let resource = if self.resource == 0 { 0 } else { plan.resource.watched(depth.saturating_sub(self.base)) };
        root | resource
    }
}

/// What an object's naming member said about the values beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// There was none yet.
    Not,
    /// They are no secrets.
    Plain,
    /// They are secrets.
    Secret,
}

/// The value at hand: what its key and its place say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) class: KeyClass,
    pub(super) action: Option<Action>,
    pub(super) sets: Sets,
}

impl Member {
    /// The answer itself.
    pub(super) fn root(plan: Option<&Plan>) -> Self {
        Self {
            class: KeyClass::default(),
            action: None,
            sets: Sets { root: plan.map_or(0, |plan| plan.root.begin()), resource: 0, base: 0 },
        }
    }

    /// The frame of this value, if it is a container; `depth` is the number of open ones without it.
    pub(super) fn open(&self, plan: &Plan, depth: usize, parent: Option<&Frame>, object: bool, exempt: bool) -> Frame {
        let (free, below_arguments) = parent.map_or((false, false), |parent| (parent.free, parent.below_arguments));
        let arguments = self.class.has(KeyClass::ARGS);
        let rank = |action: Option<Action>| action.map_or(u8::MAX, |action| action.rank);
        Frame {
            object,
            exempt,
            rank: rank(self.action).min(parent.map_or(u8::MAX, |parent| parent.rank)),
            fields: !free && self.class.has(KeyClass::FIELDS),
            free: free || self.class.has(KeyClass::FREE) || (object && self.class.has(KeyClass::FREE_OBJECT)),
            below_arguments: below_arguments || arguments,
            argument_list: (below_arguments || arguments) && !object,
            named_late: false,
            refers: false,
            looped: false,
            named: Named::Not,
            index: 0,
            sets: self.sets,
            watched: self.sets.watched(plan, depth) | if depth == 0 { key_bit(b"node") } else { 0 },
        }
    }
}

impl Frame {
    /// The member that begins with a key; `depth` is the number of open containers, `key` its text.
    #[inline]
    pub(super) fn member(&self, plan: &Plan, depth: usize, class: KeyClass, key: &[u8]) -> Member {
        let mut member = self.step(plan, depth, class, Step::Key(key));
        if depth == 1 && key == b"node" {
            member.sets.resource = plan.resource.begin();
            member.sets.base = depth;
        }
        member
    }

    /// The member under a key that makes no difference here, but for its class.
    #[inline]
    pub(super) const fn member_unwatched(&self, class: KeyClass) -> Member {
        Member { class, action: None, sets: Sets { root: 0, resource: 0, base: self.sets.base } }
    }

    /// The next element of an array.
    pub(super) fn element(&mut self, plan: &Plan, depth: usize, in_object: bool) -> Member {
        let index = self.index;
        self.index = index.saturating_add(1);
        let mut member = self.step(plan, depth, KeyClass::default(), Step::Index(index));
        if depth == 1 || (depth == 2 && in_object) {
            member.sets.resource = plan.resource.begin();
            member.sets.base = depth;
        }
        member
    }

    #[inline]
    fn step(&self, plan: &Plan, depth: usize, class: KeyClass, step: Step<'_>) -> Member {
        let mut sets = Sets { root: 0, resource: 0, base: self.sets.base };
        let mut action = None;
        if self.sets.root != 0 {
            (sets.root, action) = plan.root.step(self.sets.root, depth - 1, step);
        }
        if self.sets.resource != 0 {
            let found;
            (sets.resource, found) =
                plan.resource.step(self.sets.resource, depth.saturating_sub(1 + self.sets.base), step);
            action = Action::first(action, found);
        }
        Member { class, action, sets }
    }
}
