//! Agents, bots and supervisors over Bayeux: contract of the channel `/service/agent`.
//!
//! A handshake carries a token; its SHA-256 is compared with those of the configuration, in constant time. Requests are
//! answered on the same channel; what happens unasked comes there too. A reload ends the sessions of those whose account is
//! gone or is another now: they leave their chats as lost, and who still may come in is advised to shake hands again.
//!
//! Requests whose answers are large are done a few at a time, and the others wait until the agent has read
//! more ([`desk`]).

mod desk;
mod errand;
mod requests;
mod roster;
mod token;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::customers::Rates;
use super::viewer::{Chats, parting};
use super::{Application, Gone, Handle, Hello, Party, PublishDone, Refused};
use crate::chat::{Style, UserType};
use crate::hub::Hub;
use crate::wire::agent::{CHANNEL, ErrorCode, Request, answer};
use desk::Desk;
use errand::Waiting;
use roster::Roster;

/// The one answer to every refused token.
const REFUSED: &str = "403::handshake_denied";
/// The error of a publish that could not be done for now.
const UNAVAILABLE: &str = "503::unavailable";
/// The error of a publish that came too often.
const RATE_LIMITED: &str = "429::rate_limited";

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
    /// `[limits] answers-size`: bytes of answers that wait for one agent, beyond which its requests wait too.
    pub answers_bytes_max: usize,
    /// `[limits] requests-waiting`: requests of one agent that wait so; more are refused.
    pub waiting_max: usize,
}

/// What the agents' side counts, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that waited until their agent had read more of its answers.
    pub waited: u64,
    /// Requests refused because too many waited.
    pub refused: u64,
}

/// One who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    roster: Roster,
    waited: AtomicU64,
    refused: AtomicU64,
}

/// One connection of an agent.
struct Agent {
    id: String,
    account: Account,
    handle: Handle,
    shared: Arc<Shared>,
    chats: Arc<Chats>,
    watches_list: AtomicBool,
    /// What it has asked for, and is not done yet.
    desk: Mutex<Desk<Waiting>>,
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
                roster: Roster::default(),
                waited: AtomicU64::new(0),
                refused: AtomicU64::new(0),
            }),
        }
    }

    /// What there is to count.
    pub fn counters(&self) -> Counters {
        Counters {
            waited: self.shared.waited.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
        }
    }

    /// Other settings from now on. Who has come in by an account that is no more, or that is another now, is sent away.
    pub fn reload(&self, settings: Settings) {
        let settings = Arc::new(settings);
        *self
            .shared
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings.clone();
        for agent in self.shared.roster.strangers(&settings) {
            match settings.still_admit(&agent) {
                true => agent.handle.begin_anew(),
                false => agent.handle.disconnect(),
            }
            tracing::info!(
                agent = agent.id,
                "an agent was sent away: its account is gone or has changed"
            );
        }
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
            desk: Mutex::default(),
        };
        let agent = Arc::new(agent);
        self.shared.roster.enter(&agent);
        // A reload between the two would have found nobody to send away.
        if !self.shared.settings().knows(&agent) {
            self.shared.roster.leave(agent.handle.id());
            return Err(refused());
        }
        Ok(Arc::new(Session(agent)))
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

    /// Whether the agent's account is still what it came in by.
    fn knows(&self, agent: &Agent) -> bool {
        self.accounts.get(&agent.id) == Some(&agent.account)
    }

    /// Whether the agent's token is still its account's, whatever else has changed.
    fn still_admit(&self, agent: &Agent) -> bool {
        let account = self.accounts.get(&agent.id);
        account.is_some_and(|account| account.token_sha256 == agent.account.token_sha256)
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
        match Request::parse(data.get()) {
            Err(malformed) => match self.0.say(|| answer::malformed(&malformed)) {
                true => done.ok(),
                false => done.fail(UNAVAILABLE),
            },
            Ok(request) => self.0.take(Waiting { request, done }, data.get().len()),
        }
    }

    fn too_often(&self, _channel: &str, data: &RawValue, done: PublishDone) {
        const ADVICE: &str = "too many requests; try again a little later";
        if let Ok(Request { asked, .. }) = Request::parse(data.get()) {
            self.0
                .say(|| answer::refused(&asked, ErrorCode::RateLimited, ADVICE));
        }
        done.fail(RATE_LIMITED);
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

    fn answers_read(&self) {
        self.0.go_on();
    }

    fn given_up(&self, publish: u64) {
        self.0.give_up(publish);
    }

    fn gone(&self, how: Gone) {
        let agent = &self.0;
        agent.shared.roster.leave(agent.handle.id());
        agent.clear_desk();
        if agent.watches_list.load(Ordering::Relaxed) {
            agent.shared.hub.unwatch_list(agent.handle.id());
        }
        agent
            .chats
            .gone(&agent.shared.hub, agent.handle.id(), parting(&how));
    }
}

fn only_the_channel(channel: &str, denied: &str) -> Result<(), String> {
    match channel == CHANNEL {
        true => Ok(()),
        false => Err(format!("403:{}:{denied}", channel.replace([',', ':'], "_"))),
    }
}
