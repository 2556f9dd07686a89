//! The microversion that a caller asks for, read from the two headers as Ironic reads them, but only in plain spellings.

/// A microversion `1.N`, always within the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Microversion(u16);

impl Microversion {
    /// The minor number `N`.
    pub const fn minor(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
impl Microversion {
    /// For unit tests of other modules.
    pub(crate) const fn for_test(minor: u16) -> Self {
        Self(minor)
    }
}
