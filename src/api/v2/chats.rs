//! What REST asks of the hub.

use std::future::Future;

use super::CUSTOMER;
use crate::chat::{self, Command, Create};
use crate::clock::Wall;
use crate::hub::{Also, Done, Hub, Page, Refusal};
use crate::id::SessionId;
use crate::push::Subscription;

/// What this API asks of the [`Hub`].
pub trait Chats: Send + Sync + 'static {
    /// [`Hub::begin`].
    fn create(
        &self,
        at: Wall,
        create: Create,
        subscription: Option<Subscription>,
    ) -> impl Future<Output = Result<Done, Refusal>> + Send;
    /// [`Hub::submit`], as the customer.
    fn submit(
        &self,
        session: SessionId,
        command: Command,
        also: Also,
    ) -> impl Future<Output = Result<Done, Refusal>> + Send;
    /// [`Hub::read`], as the customer; every position from 1 on acknowledges.
    fn read(
        &self,
        session: SessionId,
        from: u64,
        bytes_max: usize,
    ) -> impl Future<Output = Result<Page, Refusal>> + Send;
}

impl Chats for Hub {
    async fn create(
        &self,
        at: Wall,
        create: Create,
        subscription: Option<Subscription>,
    ) -> Result<Done, Refusal> {
        self.begin(at, create, subscription).await
    }

    async fn submit(
        &self,
        session: SessionId,
        command: Command,
        also: Also,
    ) -> Result<Done, Refusal> {
        Hub::submit(
            self,
            session,
            chat::Caller::Participant(CUSTOMER),
            command,
            also,
        )
        .await
    }

    async fn read(&self, session: SessionId, from: u64, bytes_max: usize) -> Result<Page, Refusal> {
        Hub::read(self, session, CUSTOMER, from, bytes_max, from > 0).await
    }
}
