//! `Call` → a new request to Ironic.
