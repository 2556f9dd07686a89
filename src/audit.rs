//! One record per request, on every exit.
