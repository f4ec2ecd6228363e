//! Bayeux transports.
