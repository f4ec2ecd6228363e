//! Chat API Version 2, as REST and CometD speak it: seed *Chat API Version 2*, `GMS` 8.5.
//!
//! [`Fields`] are what a caller gave, whatever the door; an [`Operation`] is what was asked; [`reply`] and [`cometd`] are
//! what is answered; a [`Failure`] is why not.

pub mod cometd;
mod failure;
mod fields;
mod operation;
mod publish;
pub mod reply;

pub use failure::{Failure, FieldError};
pub use fields::Fields;
pub use operation::{Operation, RequestChat, request_chat};
pub use publish::Publish;
