//! Where in an answer the scrubber is.

use super::key::KeyClass;
use super::place::{Action, Places, Start, Step};

/// An open object or array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// An object; otherwise an array.
    pub(super) object: bool,
    /// Passes as it is, with all below.
    pub(super) exempt: bool,
    /// Free-form: links in it are not Ironic's.
    pub(super) free: bool,
    /// Below the arguments of a step or an action.
    pub(super) below_arguments: bool,
    /// The array of arguments itself: an element may name a secret that the next ones hold.
    pub(super) argument_list: bool,
    /// What the object's naming member said.
    pub(super) named: Named,
    /// Elements read so far.
    index: u32,
    /// The sets of places (see [`Places`]): from the answer's root, and from a resource's root at depth `base`.
    from_root: u128,
    from_resource: u128,
    base: usize,
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
    from_root: u128,
    from_resource: u128,
    base: usize,
}

impl Member {
    /// The answer itself.
    pub(super) fn root(places: &Places) -> Self {
        Self {
            class: KeyClass::default(),
            action: None,
            from_root: places.begin(Start::Root),
            from_resource: 0,
            base: 0,
        }
    }

    /// The frame of this value, if it is a container.
    pub(super) fn open(&self, parent: Option<&Frame>, object: bool, exempt: bool) -> Frame {
        let (free, below_arguments) = parent.map_or((false, false), |parent| (parent.free, parent.below_arguments));
        let arguments = self.class.has(KeyClass::ARGS);
        Frame {
            object,
            exempt,
            free: free || self.class.has(KeyClass::FREE) || (object && self.class.has(KeyClass::FREE_OBJECT)),
            below_arguments: below_arguments || arguments,
            argument_list: arguments && !object,
            named: Named::Not,
            index: 0,
            from_root: self.from_root,
            from_resource: self.from_resource,
            base: self.base,
        }
    }
}

impl Frame {
    /// The member that begins with a key; `depth` is the number of open containers, `key` its text.
    #[inline]
    pub(super) fn member(&self, places: &Places, depth: usize, class: KeyClass, key: &[u8]) -> Member {
        let mut member = self.step(places, depth, class, Step::Key(key));
        if depth == 1 && key == b"node" {
            member.from_resource = places.begin(Start::Resource);
            member.base = depth;
        }
        member
    }

    /// The next element of an array.
    pub(super) fn element(&mut self, places: &Places, depth: usize, in_object: bool) -> Member {
        let index = self.index;
        self.index = index.saturating_add(1);
        let mut member = self.step(places, depth, KeyClass::default(), Step::Index(index));
        if depth == 1 || (depth == 2 && in_object) {
            member.from_resource = places.begin(Start::Resource);
            member.base = depth;
        }
        member
    }

    #[inline]
    fn step(&self, places: &Places, depth: usize, class: KeyClass, step: Step<'_>) -> Member {
        let mut member = Member { class, action: None, from_root: 0, from_resource: 0, base: self.base };
        if self.from_root != 0 {
            (member.from_root, member.action) = places.step(self.from_root, depth - 1, step);
        }
        if self.from_resource != 0 {
            let (next, action) = places.step(self.from_resource, depth.saturating_sub(1 + self.base), step);
            member.from_resource = next;
            if member.action != Some(Action::Pass) {
                member.action = action.or(member.action);
            }
        }
        member
    }
}
