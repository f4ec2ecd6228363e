//! Agents, bots and supervisors over Bayeux: contract of the channel `/service/agent`.
//!
//! A handshake carries a token; its SHA-256 is compared with those of the configuration, in constant time. Requests are
//! answered on the same channel; what happens unasked comes there too.

mod token;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::customers::Rates;
use super::viewer::{Chats, parting, viewer};
use super::{Application, Gone, Handle, Hello, Party, PublishDone, Refused};
use crate::bayeux::Event;
use crate::chat::{Command, Join, Style, UserData, UserType, Visibility};
use crate::hub::{Hub, Joined, Page, Refusal};
use crate::id::SessionId;
use crate::wire::agent::answer::{self, Transcript};
use crate::wire::agent::{Asked, CHANNEL, ErrorCode, Operation, Request};

/// The client version that is assumed of agents: event attributes and all.
const CLIENT_VERSION: u16 = 106;
/// The one answer to every refused token.
const REFUSED: &str = "403::handshake_denied";

/// The agents' side of the gateway.
pub struct Agents {
    shared: Arc<Shared>,
}

/// Who may come in, and how much is answered at once; a reload replaces it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The accounts, by id.
    pub accounts: BTreeMap<String, Account>,
    /// `[settings] max-reply-size`, bytes.
    pub reply_bytes_max: usize,
}

/// One who may come in.
#[derive(Clone, Debug)]
pub struct Account {
    /// What others see.
    pub nickname: String,
    /// `Agent` or `Supervisor`; a bot is an agent with the style of one.
    pub user_type: UserType,
    /// Person or bot.
    pub style: Style,
    /// SHA-256 of its token.
    pub token_sha256: [u8; 32],
}

struct Shared {
    hub: Hub,
    rates: Arc<dyn Rates>,
    settings: RwLock<Arc<Settings>>,
}

/// One connection of an agent.
struct Agent {
    id: String,
    account: Account,
    handle: Handle,
    shared: Arc<Shared>,
    chats: Arc<Chats>,
    watches_list: AtomicBool,
}

impl Agents {
    /// The agents' side of `hub`.
    pub fn new(hub: Hub, rates: Arc<dyn Rates>, settings: Settings) -> Self {
        let settings = RwLock::new(Arc::new(settings));
        Self {
            shared: Arc::new(Shared {
                hub,
                rates,
                settings,
            }),
        }
    }

    /// Other settings from now on; who is in stays in.
    pub fn reload(&self, settings: Settings) {
        *self
            .shared
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

impl Application for Agents {
    fn handshake(&self, hello: Hello<'_>, client: Handle) -> Result<Arc<dyn Party>, Refused> {
        let refused = || Refused {
            error: REFUSED.to_owned(),
            advice_none: true,
        };
        let token = token::of(&hello).unwrap_or_default();
        let (id, account) = self
            .shared
            .settings()
            .account_of(&token)
            .ok_or_else(refused)?;
        let agent = Agent {
            id,
            account,
            handle: client,
            shared: self.shared.clone(),
            chats: Arc::default(),
            watches_list: AtomicBool::new(false),
        };
        Ok(Arc::new(Session(Arc::new(agent))))
    }

    fn may_send(&self, address: IpAddr) -> bool {
        self.shared.rates.allow(address)
    }
}

impl Shared {
    fn settings(&self) -> Arc<Settings> {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Settings {
    /// Looks at every account, whichever is right.
    fn account_of(&self, token: &str) -> Option<(String, Account)> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for (id, account) in &self.accounts {
            if bool::from(account.token_sha256.ct_eq(&hash)) {
                found = Some((id.clone(), account.clone()));
            }
        }
        found
    }
}

/// An agent's connection, shared with the answers that are under way.
struct Session(Arc<Agent>);

impl Party for Session {
    fn may_subscribe(&self, channel: &str) -> Result<(), String> {
        only_the_channel(channel, "subscribe_denied")
    }

    fn subscribed(&self, _channel: &str) {}

    fn unsubscribed(&self, _channel: &str) {}

    fn may_publish(&self, channel: &str) -> Result<(), String> {
        only_the_channel(channel, "publish_denied")
    }

    fn publish(&self, _channel: &str, data: Box<RawValue>, done: PublishDone) {
        let agent = self.0.clone();
        match Request::parse(data.get()) {
            Err(malformed) => {
                agent.deliver(answer::malformed(&malformed));
                done.ok();
            }
            Ok(request) => agent.request(request, done),
        }
    }

    fn too_often(&self, _channel: &str, data: &RawValue, done: PublishDone) {
        const ADVICE: &str = "too many requests; try again a little later";
        match Request::parse(data.get()) {
            Ok(request) => self
                .0
                .refuse(&request.asked, ErrorCode::RateLimited, ADVICE, done),
            Err(_) => done.fail("429::rate_limited"),
        }
    }

    fn confirmed(&self, stream: u64, position: u64) {
        self.0
            .chats
            .confirmed(&self.0.shared.hub, self.0.handle.id(), stream, position);
    }

    fn rewind(&self, stream: u64, position: u64) {
        self.0
            .chats
            .rewind(&self.0.shared.hub, self.0.handle.id(), stream, position);
    }

    fn drained(&self) {
        let agent = &self.0;
        agent.chats.room(&agent.shared.hub, agent.handle.id());
        if agent.watches_list.load(Ordering::Relaxed) {
            agent.shared.hub.list_room(agent.handle.id());
        }
    }

    fn gone(&self, how: Gone) {
        let agent = &self.0;
        if agent.watches_list.load(Ordering::Relaxed) {
            agent.shared.hub.unwatch_list(agent.handle.id());
        }
        agent
            .chats
            .gone(&agent.shared.hub, agent.handle.id(), parting(&how));
    }
}

impl Agent {
    fn request(self: Arc<Self>, request: Request, done: PublishDone) {
        let Request { asked, operation } = request;
        match operation {
            Operation::Sessions {
                watch,
                limit,
                after,
            } => {
                tokio::spawn(self.sessions(asked, watch, limit, after, done));
            }
            Operation::Join {
                session,
                visibility,
                ..
            } => self.join(asked, session, visibility, done),
            Operation::Monitor { session } => self.join(asked, session, Visibility::Vip, done),
            Operation::Do { session, command } => self.command(asked, session, command, done),
            Operation::Transcript { session, position } => {
                self.transcript(asked, session, position, done)
            }
        }
    }

    async fn sessions(
        self: Arc<Self>,
        asked: Asked,
        watch: Option<bool>,
        limit: usize,
        after: Option<SessionId>,
        done: PublishDone,
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
            Err(refusal) => self.refused(&asked, &refusal, done),
            Ok((summaries, next)) => {
                let with_user_data = limit <= 1_000;
                let listed: Vec<_> = summaries
                    .iter()
                    .map(|summary| summary.listed(with_user_data))
                    .collect();
                self.deliver(answer::sessions(&asked, &listed, next));
                done.ok();
            }
        }
    }

    fn join(
        self: Arc<Self>,
        asked: Asked,
        session: SessionId,
        visibility: Visibility,
        done: PublishDone,
    ) {
        let Account {
            nickname,
            user_type,
            style,
            ..
        } = self.account.clone();
        if visibility > Visibility::narrowest_for(user_type)
            || (style == Style::Bot && visibility == Visibility::Vip)
        {
            return self.refuse(
                &asked,
                ErrorCode::Forbidden,
                "this visibility is for supervisors",
                done,
            );
        }
        let join = Join {
            account: self.id.clone(),
            nickname,
            user_type,
            style,
            visibility,
            client_version: CLIENT_VERSION,
            user_data: UserData::new(),
        };
        let hub = self.shared.hub.clone();
        let viewer = viewer(&self.handle, &self.chats);
        let bytes_max = self.shared.settings().reply_bytes_max;
        hub.join(
            session,
            join,
            viewer,
            bytes_max,
            Box::new(move |joined| match joined {
                Ok(Joined { participant, page }) => {
                    self.deliver(answer::joined(
                        &asked,
                        session,
                        participant,
                        transcript_of(&page),
                    ));
                    done.ok();
                }
                Err(refusal) => self.refused(&asked, &refusal, done),
            }),
        );
    }

    fn command(
        self: Arc<Self>,
        asked: Asked,
        session: SessionId,
        command: Command,
        done: PublishDone,
    ) {
        let hub = self.shared.hub.clone();
        hub.command_as(
            session,
            self.handle.id(),
            command,
            Box::new(move |result| match result {
                Ok(result) => {
                    self.deliver(answer::done(&asked, session, result.index));
                    done.ok();
                }
                Err(refusal) => self.refused(&asked, &refusal, done),
            }),
        );
    }

    fn transcript(
        self: Arc<Self>,
        asked: Asked,
        session: SessionId,
        position: u64,
        done: PublishDone,
    ) {
        let hub = self.shared.hub.clone();
        let bytes_max = self.shared.settings().reply_bytes_max;
        hub.read_as(
            session,
            self.handle.id(),
            position,
            bytes_max,
            Box::new(move |page| match page {
                Ok(page) => {
                    self.deliver(answer::transcript(
                        &asked,
                        session,
                        transcript_of(&page),
                        page.view.ended,
                    ));
                    done.ok();
                }
                Err(refusal) => self.refused(&asked, &refusal, done),
            }),
        );
    }

    fn refused(&self, asked: &Asked, refusal: &Refusal, done: PublishDone) {
        let code = match refusal {
            Refusal::Unknown => ErrorCode::UnknownSession,
            Refusal::NotJoined => ErrorCode::NotJoined,
            Refusal::Rejected(rejection) => rejection.into(),
            Refusal::Store(_) | Refusal::LoadLimit | Refusal::Draining | Refusal::Busy => {
                ErrorCode::Unavailable
            }
        };
        self.refuse(asked, code, &refusal.to_string(), done);
    }

    /// Says what is wrong; what could not be done for now also fails its publish, so that its repetition is no repetition.
    fn refuse(&self, asked: &Asked, code: ErrorCode, advice: &str, done: PublishDone) {
        self.deliver(answer::refused(asked, code, advice));
        match code {
            ErrorCode::Unavailable => done.fail("503::unavailable"),
            ErrorCode::RateLimited => done.fail("429::rate_limited"),
            _ => done.ok(),
        }
    }

    fn deliver(&self, message: Bytes) {
        if self.handle.deliver(Event {
            message,
            source: None,
        }) == crate::bayeux::Offer::Full
        {
            // An answer cannot be read again: whoever asks on without reading begins anew.
            tracing::warn!(
                agent = self.id,
                "an agent does not read its answers and is disconnected"
            );
            self.handle.disconnect();
        }
    }
}

fn transcript_of(page: &Page) -> Transcript<'_> {
    Transcript {
        events: &page.events,
        participants: &page.participants,
        next_position: page.next_position,
    }
}

fn only_the_channel(channel: &str, denied: &str) -> Result<(), String> {
    match channel == CHANNEL {
        true => Ok(()),
        false => Err(format!("403:{}:{denied}", channel.replace([',', ':'], "_"))),
    }
}
