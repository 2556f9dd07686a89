//! Path, method, query and microversion → `Route`.
