//! What tells people about policies: none of it decides.

pub(in crate::policy) mod cases;
pub(in crate::policy) mod diff;
pub(in crate::policy) mod explain;
pub(in crate::policy) mod matrix;
pub(in crate::policy) mod past;
