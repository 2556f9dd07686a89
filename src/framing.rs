//! What of a request's head is refused before anybody looks at it.
