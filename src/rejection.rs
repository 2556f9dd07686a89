//! Every way to refuse.
