//! What keys and names are called, and which of them say that something is a secret.

pub(crate) mod key;
pub(crate) mod name;
pub(crate) mod named;
pub(crate) mod table;
pub(crate) mod words;
