//! Health and readiness on a listener of their own.
