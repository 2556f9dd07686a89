//! Asks the decision point about a call and its writes.
