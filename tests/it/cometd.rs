//! cometd
