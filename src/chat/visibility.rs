//! Who sees what: seed *Description of Chat Protocol Elements*.

use super::{Event, Participant, UserType};
use crate::id::ParticipantId;

/// How widely an event, or a participant, is seen. Ordered from the widest to the narrowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Visibility {
    /// By everybody, the customer included.
    #[default]
    All,
    /// By agents and supervisors: coaching.
    Int,
    /// By supervisors only: monitoring.
    Vip,
}

impl Visibility {
    /// The narrowest visibility that a user of this type may use and see.
    pub fn narrowest_for(user: UserType) -> Visibility {
        match user {
            UserType::Client => Visibility::All,
            UserType::Agent => Visibility::Int,
            UserType::Supervisor | UserType::External | UserType::System => Visibility::Vip,
        }
    }
}

/// Whether `viewer` may see `event`. One's own events are always seen; a direct message is seen by its two ends only.
pub fn may_see(viewer: &Participant, event: &Event) -> bool {
    let own = event.from.participant == viewer.id;
    match event.to {
        Some(receiver) => own || receiver == viewer.id,
        None => own || event.visibility <= Visibility::narrowest_for(viewer.user_type),
    }
}

/// Whether a customer, who is always a `Client`, may see `event`.
pub fn customer_may_see(customer: ParticipantId, event: &Event) -> bool {
    match event.to {
        Some(receiver) => receiver == customer || event.from.participant == customer,
        None => event.visibility == Visibility::All,
    }
}
