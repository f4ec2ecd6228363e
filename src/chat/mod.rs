//! The domain: one conversation, its participants and everything that was said in it. Pure.
//!
//! A [`Session`] is asked to [`decide`](Session::decide) a [`Command`] and answers with [`Change`]s or a [`Rejection`];
//! the changes are stored as one record, and [`apply`](Session::apply) folds them in. Replaying the stored changes of a
//! session, in order, gives the same session again: nothing else ever alters it, except the times of last touches, which
//! are not stored.

mod command;
mod event;
mod participant;
mod policy;
mod session;
mod visibility;

pub use command::{AfterAction, Caller, Change, Command, Create, Join, Rejection, Speech};
pub use event::{Author, Event, EventKind, Kv, KvList, LeaveReason, QuitReason, UserData};
pub use participant::{Participant, Presence, Protocol, Style, UserType};
pub use policy::{IdleNotices, Policy};
pub use session::{Session, State};
pub use visibility::{Visibility, customer_may_see, may_see};
