//! What agents ask for, given to the hub, and its answers to them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::errand::Errand;
use super::{Account, Agent};
use crate::chat::{Command, Join, Style, UserData, Visibility};
use crate::hub::{Joined, Page};
use crate::id::SessionId;
use crate::transport::viewer::viewer;
use crate::wire::agent::answer::{self, Transcript};
use crate::wire::agent::{ErrorCode, Operation};

/// The client version that is assumed of agents: event attributes and all.
const CLIENT_VERSION: u16 = 106;

impl Agent {
    /// Does what is asked.
    pub(super) fn perform(self: Arc<Self>, operation: Operation, errand: Errand) {
        match operation {
            Operation::Sessions {
                watch,
                limit,
                after,
            } => {
                tokio::spawn(self.sessions(watch, limit, after, errand));
            }
            Operation::Join {
                session,
                visibility,
                ..
            } => self.join(session, visibility, errand),
            Operation::Monitor { session } => self.join(session, Visibility::Vip, errand),
            Operation::Do { session, command } => self.command(session, command, errand),
            Operation::Transcript { session, position } => {
                self.transcript(session, position, errand)
            }
        }
    }

    async fn sessions(
        self: Arc<Self>,
        watch: Option<bool>,
        limit: usize,
        after: Option<SessionId>,
        errand: Errand,
    ) {
        let hub = &self.shared.hub;
        if let Some(watch) = watch {
            self.watches_list.store(watch, Ordering::Relaxed);
            match watch {
                // Watched before it is read, so that no change falls between.
                true => hub.watch_list(&viewer(&self.handle, &self.chats)).await,
                false => hub.unwatch_list(self.handle.id()),
            }
        }
        match hub.sessions(after, limit).await {
            Err(refusal) => errand.refused(&refusal),
            Ok((summaries, next)) => {
                let with_user_data = limit <= 1_000;
                let listed: Vec<_> = summaries
                    .iter()
                    .map(|summary| summary.listed(with_user_data))
                    .collect();
                let message = answer::sessions(&errand.asked, &listed, next);
                errand.answer(message);
            }
        }
    }

    fn join(self: Arc<Self>, session: SessionId, visibility: Visibility, errand: Errand) {
        let Some(join) = self.joining(visibility) else {
            const ADVICE: &str = "this visibility is for supervisors";
            return errand.refuse(ErrorCode::Forbidden, ADVICE);
        };
        let reply = move |joined| match joined {
            Ok(Joined { participant, page }) => {
                let transcript = transcript_of(&page);
                let message = answer::joined(&errand.asked, session, participant, transcript);
                errand.answer(message);
            }
            Err(refusal) => errand.refused(&refusal),
        };
        let viewer = viewer(&self.handle, &self.chats);
        let bytes_max = self.shared.settings().reply_bytes_max;
        let hub = &self.shared.hub;
        hub.join(session, join, viewer, bytes_max, Box::new(reply));
    }

    /// How it comes in, if it may be seen so widely or narrowly.
    fn joining(&self, visibility: Visibility) -> Option<Join> {
        let Account {
            nickname,
            user_type,
            style,
            ..
        } = self.account.clone();
        let narrowest = Visibility::narrowest_for(user_type);
        let is_hidden_bot = style == Style::Bot && visibility == Visibility::Vip;
        (visibility <= narrowest && !is_hidden_bot).then(|| Join {
            account: self.id.clone(),
            nickname,
            user_type,
            style,
            visibility,
            client_version: CLIENT_VERSION,
            user_data: UserData::new(),
        })
    }

    fn command(self: Arc<Self>, session: SessionId, command: Command, errand: Errand) {
        let reply = move |result| match result {
            Ok(crate::hub::Done { index, .. }) => {
                let message = answer::done(&errand.asked, session, index);
                errand.answer(message);
            }
            Err(refusal) => errand.refused(&refusal),
        };
        let hub = &self.shared.hub;
        hub.command_as(session, self.handle.id(), command, Box::new(reply));
    }

    fn transcript(self: Arc<Self>, session: SessionId, position: u64, errand: Errand) {
        let reply = move |page| match page {
            Ok(page) => {
                let transcript = transcript_of(&page);
                let ended = page.view.ended;
                let message = answer::transcript(&errand.asked, session, transcript, ended);
                errand.answer(message);
            }
            Err(refusal) => errand.refused(&refusal),
        };
        let bytes_max = self.shared.settings().reply_bytes_max;
        let hub = &self.shared.hub;
        hub.read_as(
            session,
            self.handle.id(),
            position,
            bytes_max,
            Box::new(reply),
        );
    }
}

fn transcript_of(page: &Page) -> Transcript<'_> {
    Transcript {
        events: &page.events,
        participants: &page.participants,
        next_position: page.next_position,
    }
}
