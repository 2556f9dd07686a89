//! What is done with a key or a value, from what its key, its place and its object say.

use super::Scrubber;
use super::frame::Named;
use crate::scrub::names::key::KeyClass;
use crate::scrub::rules::place::What;
use crate::scrub::rules::treatment::SecretTreatment;
use crate::scrub::rules::{Plan, Roots};

/// What is done with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It is part of something masked: read, not given out.
    Drop,
    /// It passes as it is.
    Pass,
    /// It becomes the mask.
    Mask,
    /// A string is searched for shapes.
    Text,
    /// As [`Treatment::Text`], of entries parted by commas.
    Listed,
    /// As [`Treatment::Text`], and what leads to Ironic leads to irongate.
    Link,
}

impl Scrubber {
    /// What is done with the key that comes next.
    pub(super) fn key_treatment(&self) -> Treatment {
        if self.dropping.is_some() {
            Treatment::Drop
        } else if self.exempt() {
            Treatment::Pass
        } else {
            Treatment::Text
        }
    }

    fn exempt(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.exempt)
    }

    /// What is done with the value that begins with `byte`.
    #[inline]
    pub(super) fn treatment(&mut self, plan: &Plan, byte: u8) -> Treatment {
        let depth = self.frames.len();
        if let Some(frame) = self.frames.last()
            && frame.object
            && self.member.class == KeyClass::default()
            && self.member.action.is_none()
        {
            return if frame.exempt { Treatment::Pass } else { Treatment::Text };
        }
        let in_object = depth == 2 && self.frames.first().is_some_and(|frame| frame.object);
        let Some(frame) = self.frames.last_mut() else { return Treatment::Text };
        if !frame.object {
            self.member = frame.element(plan, depth, in_object);
        }
        match self.member.action.filter(|action| !frame.exempt || action.rank < frame.rank).map(|action| action.what) {
            Some(What::Pass) => return Treatment::Pass,
            Some(What::Secret) => {
                self.instead = self.rules.others;
                return Treatment::Mask;
            }
            Some(What::Treat(treatment)) => {
                self.instead = treatment;
                return Treatment::Mask;
            }
            None if frame.exempt => return Treatment::Pass,
            None => {}
        }
        let class = self.member.class;
        if class == KeyClass::default() && !(frame.argument_list && frame.named == Named::Secret) {
            return Treatment::Text;
        }
        let described = depth == 1
            && match plan.roots {
                Roots::Keys => false,
                Roots::Settings => byte == b'{',
                Roots::Described => true,
            };
        let secret = (class.has(KeyClass::SECRET) && !described)
            || (class.has(KeyClass::SECRET_ARGUMENT) && frame.below_arguments)
            || (frame.refers && class.has(KeyClass::COMPARED))
            || (frame.looped && class.has(KeyClass::LOOP))
            || (frame.named == Named::Secret && (class.has(KeyClass::VALUES) || frame.argument_list));
        if secret {
            // Whoever may write a key of his own could try values by their HMACs.
            let own = !(frame.fields && class.has(KeyClass::SHIPPED));
            let others = self.rules.others;
            self.instead = if own && others == SecretTreatment::Hmac { SecretTreatment::Mask } else { others };
            return Treatment::Mask;
        }
        let link = (class.has(KeyClass::HREF) && !frame.free) || (class.has(KeyClass::NEXT) && depth == 1);
        if link && plan.links {
            Treatment::Link
        } else if class.has(KeyClass::LIST) {
            Treatment::Listed
        } else {
            Treatment::Text
        }
    }
}
