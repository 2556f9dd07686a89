//! Body → `Call` with its writes.
