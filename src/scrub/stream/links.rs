//! Arrays of links as Ironic writes them: `[{"href": "…", "rel": "self"}, {"href": "…", "rel": "bookmark"}]`. Every node
//! has a handful, so they are read without opening their objects; what is written in any other way is left to
//! [`crate::scrub::stream`].

use super::frame::Frame;
use super::{Input, Scrubber};
use crate::scrub::WINDOW_BYTES;
use crate::scrub::link::foreign_bytes;
use crate::scrub::rules::Plan;
use crate::scrub::shapes::suspect::suspect;

const HREF: &[u8] = b"{\"href\": \"";
const RELS: [&[u8]; 2] = [b"\", \"rel\": \"self\"}", b"\", \"rel\": \"bookmark\"}"];
/// Routes that many links lead to.
const PATHS: [&[u8]; 2] = [b"/v1/", b"/nodes/"];
/// An array and an object.
pub(super) const LINK_DEPTH: usize = 2;
/// The longest scheme and authority that is kept.
const LED_BYTES_MAX: usize = 64;

impl Scrubber {
    /// Whether arrays of links may be read here, where [`LINK_DEPTH`] levels are left.
    pub(super) fn links_usual(&self, plan: &Plan, frame: &Frame) -> bool {
        // The items below a member of the root are resources, which may have places.
        let placed = self.frames.len() == 1 && plan.resource.begin() != 0;
        plan.links && !frame.free && self.rules.keys.links_usual() && !placed
    }

    /// Where an array of links ends that begins at `at`; they lead elsewhere then. `None` if it is not a usual one: then
    /// nothing is given out.
    pub(super) fn links(&mut self, mut at: usize, input: &mut Input<'_>, out: &mut Vec<u8>) -> Option<usize> {
        let (from, given) = (input.from, out.len());
        let mut read = || {
            loop {
                let rest = input.bytes.get(at + 1..)?;
                rest.starts_with(HREF).then_some(())?;
                let end = self.link(at + 1 + HREF.len(), input, out)?;
                let rest = input.bytes.get(end..)?;
                at = end + RELS.iter().find(|rel| rest.starts_with(rel))?.len();
                match input.bytes.get(at..at + 2)? {
                    [b']', _] => return Some(at + 1),
                    b", " => at += 1,
                    _ => return None,
                }
            }
        };
        let end = read();
        if end.is_none() {
            input.from = from;
            out.truncate(given);
        }
        end
    }

    /// The closing quote of a link whose text begins at `start`, which is led elsewhere; `None` if there is something to
    /// decide.
    pub(super) fn link(&mut self, start: usize, input: &mut Input<'_>, out: &mut Vec<u8>) -> Option<usize> {
        let bytes = input.bytes;
        let end = input.scan.plain(start);
        let link = bytes.get(start..end)?;
        if bytes.get(end) != Some(&b'"') || link.len() > WINDOW_BYTES {
            return None;
        }
        // The same scheme and authority as before, which are not suspect, and a path that is Ironic's: a slash parts what
        // is suspect.
        let known = link.strip_prefix(self.led.as_slice());
        let length = if known.is_some_and(|path| PATHS.iter().any(|begin| path.starts_with(begin))) {
            if suspect(bytes, start + self.led.len(), end) {
                return None;
            }
            self.led.len()
        } else if suspect(bytes, start, end) {
            return None;
        } else {
            let length = foreign_bytes(link).unwrap_or(0);
            self.lead(link.get(..length).unwrap_or_default());
            length
        };
        if length > 0 {
            out.extend_from_slice(bytes.get(input.from..start).unwrap_or_default());
            out.extend_from_slice(self.origin.as_bytes());
            input.from = start + length;
        }
        Some(end)
    }

    /// Keeps what stands before a link's path, if it is no more than a scheme and an authority.
    fn lead(&mut self, foreign: &[u8]) {
        self.led.clear();
        let slashes = foreign.iter().filter(|byte| **byte == b'/').count();
        if slashes == 2 && foreign.len() <= LED_BYTES_MAX {
            self.led.extend_from_slice(foreign);
        }
    }
}
