//! The domain: one conversation, its participants and everything that was said in it. Pure.
//!
//! A [`Session`] is asked to [`decide`](Session::decide) a [`Command`] and answers with [`Change`]s or a [`Rejection`];
//! the changes are stored as one record, and [`apply`](Session::apply) folds them in. Replaying the stored changes of a
//! session, in order, gives the same session again: nothing else ever alters it, except the times of last touches, which
//! are not stored.

mod apply;
mod command;
mod decide;
mod draft;
mod event;
mod inactivity;
mod leaving;
mod participant;
mod policy;
mod presence;
mod session;
mod speaking;
#[cfg(test)]
mod testing;
mod visibility;

pub use command::{
    ADDED_KEYS, AfterAction, Caller, Change, Command, Create, Join, Rejection, Speech,
};
pub use event::{Author, Event, EventKind, Kv, KvList, LeaveReason, QuitReason, UserData};
pub use inactivity::{Idle, Stage, Timer};
pub use participant::{Participant, Presence, Protocol, Style, UserType};
pub use policy::{IdleNotices, Policy};
pub use presence::{Liveness, Verdict};
pub use session::{READ_CONFIRM, Session, SessionParts, State};
pub use visibility::{Visibility, customer_may_see, may_see};
