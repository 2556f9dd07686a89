//! TLS towards callers and towards Ironic.
