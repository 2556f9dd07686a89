//! Header names used in more than one place.
