//! Domain types to bytes and back.
