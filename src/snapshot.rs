//! Everything that is loaded, checked and swapped together.
