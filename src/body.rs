//! Body types and bounded reading.
