//! Request ids, `req-<uuid>`.
