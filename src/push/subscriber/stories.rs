//! Stories of one chat and its pushes.
