//! REST and the pages.
