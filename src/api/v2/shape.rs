//! What an operation asks of its reply.

use crate::wire::v2::Operation;

/// How the reply to a call looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Sent,
    Refreshed,
    Accepted,
    Disconnected,
}

impl Shape {
    pub(super) fn of(operation: &Operation) -> Self {
        match operation {
            Operation::Send { .. } => Self::Sent,
            Operation::Refresh { .. } => Self::Refreshed,
            Operation::Disconnect => Self::Disconnected,
            _ => Self::Accepted,
        }
    }
}

/// Without typing preview a refresh is only a refresh.
pub(super) fn previewed(operation: Operation, typing_preview: bool) -> Operation {
    match operation {
        Operation::Refresh { position, .. } if !typing_preview => Operation::Refresh {
            position,
            typing: None,
        },
        other => other,
    }
}

/// From where on the reply has the transcript, where it has.
pub(super) fn position(operation: &Operation) -> Option<u64> {
    match operation {
        Operation::Send { position, .. } => *position,
        Operation::Refresh { position, .. } => Some(*position),
        _ => None,
    }
}
