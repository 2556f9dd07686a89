//! What an inspection rule's action or condition is done with in turn: the `loop` beside its `args`.
//!
//! An element of it takes the place of `{item}` in the arguments, so that it may be the secret that they name, or the name
//! of one. Where they hold or name a secret, it is one as a whole.

use super::Scrubber;

impl Scrubber {
    /// Something in the arguments at hand is a secret, or names one.
    #[inline]
    pub(super) fn secret_argument(&mut self) {
        if self.frames.last().is_some_and(|frame| frame.below_arguments && !frame.looped) {
            self.mark_loops();
        }
    }

    /// Marks the arguments, up to the object that has them. Above what is marked all is.
    fn mark_loops(&mut self) {
        let mut depth = self.frames.len();
        for frame in self.frames.iter_mut().rev() {
            if frame.looped {
                break;
            }
            frame.looped = true;
            self.report.masked += self.holds.mask_loops(depth);
            if !frame.below_arguments {
                break;
            }
            depth -= 1;
        }
    }
}
