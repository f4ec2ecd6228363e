//! What the edges that speak HTTP share.
