//! What is owed to whom over HTTP, and when: pure.
//!
//! A customer who subscribed is owed *deliveries*; each is *attempted* until it succeeded or is given up. Two retries that
//! are never mixed up: the *transport retry* is another attempt at the same delivery, because the POST failed; a *resend*
//! is a new delivery, because the POST worked and the customer has not fetched what it told of. Contract §3.

mod delivery;
mod destination;
mod schedule;
mod signature;
mod subscriber;
mod subscription;
mod verdict;

pub use delivery::{Content, Delivery, Outcome};
pub use destination::Destination;
pub use schedule::{BadSchedule, Failed, ResendSchedule, RetrySchedule};
pub use signature::{BadSecret, Secret, sign};
pub use subscriber::{
    Change, GivenUp, Look, OWED_MAX, Removal, Round, Subscriber, SubscriberParts,
};
pub use subscription::{Destinations, Refused, Renewal, Subscription, Wish};
pub use verdict::{Answer, Verdict, classify, retry_after};
