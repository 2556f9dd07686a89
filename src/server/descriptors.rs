//! File descriptors: each connection takes one, and where there are none left nobody is served, Ironic's probe and the
//! reload included. So connections get what the others leave.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Limits;

/// For listening sockets, files, the admin listener, the probe, and what the runtimes need.
const OTHERS: usize = 256;

/// How many the process may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptors(usize);

impl Descriptors {
    /// As many as there can be: the soft limit is raised to the hard one.
    pub(super) fn raised() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        let allowed = if raised.is_ok() { maximum } else { current };
        Self(allowed.and_then(|allowed| usize::try_from(allowed).ok()).unwrap_or(usize::MAX))
    }

    /// For tests: so many.
    #[cfg(test)]
    pub(super) const fn of(count: usize) -> Self {
        Self(count)
    }

    /// What `limits` need: a connection for each caller, and one to Ironic for each request under way.
    fn needed(limits: &Limits) -> usize {
        limits.connections_max.saturating_add(limits.requests_max).saturating_add(OTHERS)
    }

    /// The bounds of connections, in all and of one address, that can be kept.
    pub(super) fn connections(self, limits: &Limits) -> (usize, usize) {
        let (all, address) = (limits.connections_max, limits.connections_per_address_max);
        let needed = Self::needed(limits);
        if self.0 >= needed {
            return (all, address);
        }
        // Each part gets less in the same measure.
        let less = |count: usize| (count.saturating_mul(self.0) / needed.max(1)).max(1);
        (less(all), less(address))
    }

    /// Tells where `limits` need more than there are.
    pub(super) fn tell(self, limits: &Limits) {
        let needed = Self::needed(limits);
        if self.0 < needed {
            let (connections_max, _) = self.connections(limits);
            tracing::warn!(
                allowed = self.0,
                needed,
                connections_max,
                "too few file descriptors for the configured limits: fewer connections are taken"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Descriptors;
    use crate::config::Limits;

    #[test]
    fn fewer_descriptors_are_fewer_connections() {
        let limits = Limits::default();
        for (allowed, expected) in [
            (usize::MAX, (3_000, 1_500)),
            (4_256, (3_000, 1_500)),
            (4_255, (2_999, 1_499)),
            (1_024, (721, 360)),
            (0, (1, 1)),
        ] {
            assert_eq!(Descriptors::of(allowed).connections(&limits), expected, "{allowed}");
        }
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let Descriptors(allowed) = Descriptors::raised();
        let now = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        // A hard limit of none at all cannot be reached.
        assert!(now.current == now.maximum || now.maximum.is_none());
        assert_eq!(now.current.map_or(usize::MAX, |now| usize::try_from(now).unwrap()), allowed);
    }
}
