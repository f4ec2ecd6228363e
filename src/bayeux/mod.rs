//! The Bayeux protocol, pure.
