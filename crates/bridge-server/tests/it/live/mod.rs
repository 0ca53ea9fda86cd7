//! Changes out, as they happen.
