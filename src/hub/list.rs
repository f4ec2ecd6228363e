//! The list of open sessions.
//!
//! A page of it reads its own heads and no others. Those awake are asked of their shards; those asleep are read from the
//! store off the shards, many at a time, so that thousands of dormant chats keep nobody waiting for long.

use tokio::sync::oneshot;

use super::answer::{Refusal, Summary};
use super::handle::Hub;
use super::room::summary_of;
use super::shard::Input;
use crate::chat::State;
use crate::id::SessionId;
use crate::store::{self, Stored};

/// Sleeping sessions that are read from the store in one go: others have their turn between two.
const PEEKED: usize = 256;

impl Hub {
    /// Open sessions by creation time after `after`, up to `limit`, and after which to ask for more, if there may be any.
    /// One whose record is damaged is left out.
    pub async fn sessions(
        &self,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<(Vec<Summary>, Option<SessionId>), Refusal> {
        let ids = self.routes.store.open_sessions(after, limit).await?;
        let next = ids.last().copied().filter(|_| ids.len() >= limit);
        let mut summaries = Vec::with_capacity(ids.len());
        let mut sleeping = Vec::new();
        for (shard, ids) in self.by_shard(ids) {
            let (awake, asleep) = self.ask_summaries(shard, ids).await?;
            summaries.extend(awake);
            sleeping.extend(asleep);
        }
        for some in sleeping.chunks(PEEKED) {
            summaries.extend(self.peek(some).await?);
        }
        summaries.sort_by_key(|summary| summary.session);
        Ok((summaries, next))
    }

    fn by_shard(&self, sessions: Vec<SessionId>) -> Vec<(usize, Vec<SessionId>)> {
        let mut shares = vec![Vec::new(); self.routes.shards.len()];
        for session in sessions {
            shares[self.shard_of(session)].push(session);
        }
        shares
            .into_iter()
            .enumerate()
            .filter(|(_, share)| !share.is_empty())
            .collect()
    }

    async fn ask_summaries(
        &self,
        shard: usize,
        sessions: Vec<SessionId>,
    ) -> Result<(Vec<Summary>, Vec<SessionId>), Refusal> {
        let (reply, answer) = oneshot::channel();
        let reply = Box::new(move |awake, asleep| {
            let _ = reply.send((awake, asleep));
        });
        let input = Input::Summaries(sessions, reply);
        self.routes.shards[shard]
            .send(input)
            .await
            .map_err(|_| Refusal::Draining)?;
        answer.await.map_err(|_| Refusal::Draining)
    }

    /// Sessions' entries as they are on the disk, without waking them.
    async fn peek(&self, sessions: &[SessionId]) -> Result<Vec<Summary>, Refusal> {
        let stored = self.routes.store.peek(sessions.to_vec()).await?;
        let mut summaries = Vec::with_capacity(stored.len());
        for (session, stored) in stored {
            match stored {
                Ok(stored) => summaries.extend(entry(session, stored)),
                // The store has named it in the log.
                Err(store::Error::Damaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(summaries)
    }
}

/// The entry of a session, unless it is closed.
fn entry(session: SessionId, stored: Stored) -> Option<Summary> {
    let snapshot = stored.snapshot.map(|snapshot| snapshot.chat);
    let mut chat = snapshot.unwrap_or_default();
    for record in &stored.records {
        record.changes.iter().for_each(|change| chat.apply(change));
    }
    (chat.state() != State::Closed).then(|| summary_of(session, &chat))
}
