//! Heads that were not understood. hyper answers some of them by itself, so nobody else would know.

/// Why a connection ended without, or after, a head that is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// Longer than [`Options::head_bytes`](super::Options::head_bytes), or of more lines than hyper takes (100): 431, or 414.
    TooLarge,
    /// Not HTTP/1: 400, where there is somebody to be answered.
    Malformed,
    /// The first one had not come after [`Options::first_head`](super::Options::first_head), the TLS handshake before it
    /// included.
    Slow,
}

impl Unheard {
    /// As in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Malformed => "malformed",
            Self::Slow => "slow",
        }
    }

    /// What hyper says about the end of a connection, if that was the reason.
    pub(super) fn of(error: &hyper::Error) -> Option<Self> {
        if error.is_parse_too_large() {
            Some(Self::TooLarge)
        } else if error.is_parse() {
            Some(Self::Malformed)
        } else {
            None
        }
    }
}
