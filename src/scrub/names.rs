//! What keys and names are called, and which of them say that something is a secret.

pub(in crate::scrub) mod key;
pub(in crate::scrub) mod name;
pub(in crate::scrub) mod named;
pub(in crate::scrub) mod table;
pub(in crate::scrub) mod words;
