//! What each contract looks like on its wire.
