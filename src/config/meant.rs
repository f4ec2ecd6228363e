//! Configuration as meant: typed, checked, immutable. One value in an `Arc`; a reload makes another.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::Tls;
use crate::chat::Policy;
use crate::push::{ResendSchedule, RetrySchedule};

/// Everything that configuration decides, as meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`: the listeners, and who may call them.
    pub server: Server,
    /// `[log]`.
    pub log: Log,
    /// `[store]`.
    pub store: Store,
    /// `[limits]`: sizes and counts, each refused by name; those that a session itself decides on are in `policy`.
    pub limits: Limits,
    /// `[rate-limit]`.
    pub rate_limit: RateLimit,
    /// `[settings] limit-for-…`: when no new sessions are taken.
    pub load_limits: LoadLimits,
    /// `[cometd]`.
    pub cometd: Cometd,
    /// What sessions need to know; of a service that is no longer configured. See [`policy_of`](Self::policy_of).
    pub policy: Arc<Policy>,
    /// `[settings] max-reply-size`, bytes: where a reply with a transcript is cut.
    pub reply_bytes_max: usize,
    /// `[chat.NAME]`: the services, by name. A service that is not here does not exist.
    pub services: BTreeMap<String, Service>,
    /// `[push]`, `[push.provider.NAME]` and `[settings] flex-push-…`.
    pub push: Push,
    /// `[agent.NAME]`: who may use the internal listener's `/cometd`, by the name in the section's title.
    pub agents: BTreeMap<String, Agent>,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Faces customers.
    pub public: Listener,
    /// Faces agents, workflow and operators; never customers.
    pub internal: Listener,
    /// `allowed-origins`: `scheme://host[:port]` in lower case, or `*`.
    pub allowed_origins: Vec<String>,
    /// `internal-hosts`: names in `Host` that the internal listener answers to, in lower case, without port.
    pub internal_hosts: Vec<String>,
    /// `trusted-proxies`: whose `X-Forwarded-…` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `alias`: of this node, in REST replies.
    pub alias: String,
    /// `drain-timeout`: how long requests under way may take once the process is told to end.
    pub drain_timeout: Duration,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Port 0: any free one.
    pub address: SocketAddr,
    /// Certificate and key, already read; `None`: plain HTTP.
    pub tls: Option<Tls>,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// What is important enough.
    pub level: LogLevel,
}

/// `[log] format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log] level`: this and everything graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Somebody has to act.
    Error,
    /// Somebody should look.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The data folder.
    pub path: PathBuf,
    /// Threads that run the server; 0: as many as there are cores.
    pub worker_threads: usize,
}

/// `[limits]`, but for those in [`Policy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `request-body`: bytes of one HTTP request's body.
    pub request_bytes_max: usize,
    /// `fields`: fields of one form or JSON object.
    pub fields_max: usize,
    /// `subject`: characters.
    pub subject_chars_max: usize,
    /// `nickname`: characters of a nickname, a first, last or display name, an address.
    pub nickname_chars_max: usize,
    /// `user-data-keys`: keys of the user data of one request or participant.
    pub user_data_keys_max: usize,
    /// `user-data-size`: bytes of keys and values together.
    pub user_data_bytes_max: usize,
    /// `chats-per-client`: chats of one Bayeux client.
    pub chats_per_client_max: usize,
    /// `idempotency-keys`: of one chat, within a day.
    pub idempotency_keys_max: usize,
    /// `participants`: of one session, at a time.
    pub participants_max: usize,
    /// `subscriptions-per-client`: of one Bayeux client.
    pub subscriptions_max: usize,
    /// `batch`: messages in one Bayeux request.
    pub batch_max: usize,
    /// `clients`: Bayeux clients of one listener; 0: no limit.
    pub clients_max: usize,
    /// `queue-messages`: messages waiting for one Bayeux client.
    pub queue_messages_max: usize,
    /// `queue-size`: bytes of them.
    pub queue_bytes_max: usize,
    /// `answers-size`: bytes of answers waiting for one agent, beyond which its requests wait.
    pub answers_bytes_max: usize,
    /// `requests-waiting`: requests of one agent that wait so.
    pub requests_waiting_max: usize,
    /// `connections`: to one listener; 0: no limit.
    pub connections_max: usize,
    /// `connections-per-address`: of one address to one listener; 0: no limit.
    pub connections_per_address_max: usize,
}

/// `[rate-limit]`: per second, with a burst of twice that; 0: none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// `per-address`: requests and messages of one address.
    pub per_address: u32,
    /// `per-chat`: requests and messages to one chat.
    pub per_chat: u32,
    /// `exempt`: addresses that neither holds for.
    pub exempt: Vec<IpNet>,
}

/// When no new sessions are taken: `[settings] limit…`. A bound that is `None` is not set (0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadLimits {
    /// `limits-control-enabled`: the master switch.
    pub enabled: bool,
    /// `limit-for-sessions`: open sessions; never above `flex_users` where both are set.
    pub sessions: Option<u64>,
    /// `limit-for-flex-users`: customers in open sessions.
    pub flex_users: Option<u64>,
    /// `limit-for-reply-delay`: mean time to process a request.
    pub reply_delay: Duration,
    /// `limit-average-interval`: over how long that mean is taken.
    pub average_interval: Duration,
    /// `limits-restore-threshold`: sessions are taken again below this share of the limit, 0–100.
    pub restore_percent: u64,
}

/// `[cometd]`, under CometD's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cometd {
    /// `timeout`: how long a `/meta/connect` is held.
    pub timeout: Duration,
    /// `interval`: how long a client should wait between two connects.
    pub interval: Duration,
    /// `maxInterval`: how long a client may stay away before it is forgotten.
    pub max_interval: Duration,
    /// `maxMessageSize`: bytes of a request or a WebSocket message.
    pub message_bytes_max: usize,
    /// `maxSessionsPerBrowser`: held polls of one browser.
    pub max_sessions_per_browser: usize,
    /// `multiSessionInterval`: the interval advised beyond that.
    pub multi_session_interval: Duration,
    /// `maxInactivity`: how long a customer's client may do nothing of its own; `None`: for ever.
    pub max_inactivity: Option<Duration>,
    /// `trustClientSession`: a client id is believed without its cookie.
    pub trust_client_session: bool,
    /// `metaConnectDeliverOnly`: events with connect replies alone, over WebSocket too.
    pub meta_connect_deliver_only: bool,
    /// `transports`: offered, in this order.
    pub transports: Vec<Transport>,
    /// `browserCookieSameSite`.
    pub same_site: SameSite,
}

/// A Bayeux transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `websocket`.
    WebSocket,
    /// `long-polling`.
    LongPolling,
    /// `callback-polling`.
    CallbackPolling,
}

/// `browserCookieSameSite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// `None; Secure; Partitioned` under TLS, else `Lax`.
    Auto,
    /// `None`: always with `Secure`.
    None,
    /// `Lax`.
    Lax,
    /// `Strict`.
    Strict,
}

/// `[chat.NAME]`; what is not said there is taken from `[chat]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// `endpoint`, or `default_chat_endpoint`.
    pub endpoint: Endpoint,
    /// `push_notification_include_payload`: what a CometD chat without a key of its own gets.
    pub include_payload: bool,
    /// `push_notification_to_active_client`: pushes go out although a live CometD client watches.
    pub push_to_active_client: bool,
    /// For its sessions; `typing_preview` is in it.
    pub policy: Arc<Policy>,
}

/// `tenant:endpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `tenantName` in replies to refresh.
    pub tenant: String,
    /// Where new interactions go.
    pub name: String,
}

/// Who is pushed what, where to and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// `[settings] flex-push-enabled`: subscriptions are accepted at all.
    pub enabled: bool,
    /// `[settings] flex-push-on-join`: with the request for a chat.
    pub on_join: bool,
    /// `[settings] flex-push-resend-delay`, `flex-push-resend-attempts`.
    pub resend: ResendSchedule,
    /// `[settings] flex-push-content`.
    pub content: PushContent,
    /// `[push] dead-letters-kept`: the newest of them.
    pub dead_letters_kept: usize,
    /// Where to, by the name in metrics and logs: `customhttp`, `debug.customhttp`, `NAME.customhttp`,
    /// `NAME.debug.customhttp`. Only those with a URL, and none unless `pushEnabled` has `customhttp`.
    pub destinations: BTreeMap<String, Destination>,
}

/// `[settings] flex-push-content`: what the control data of a resend-type push holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushContent {
    /// `app-dbid`: the alias.
    pub app_dbid: bool,
    /// `secure-key`: the REST key.
    pub secure_key: bool,
    /// `session-id`: the REST chat id.
    pub session_id: bool,
    /// `user-id`: the REST user id.
    pub user_id: bool,
}

/// Where pushes are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `http://…` or `https://…`.
    pub url: Url,
    /// Replaces the content when set.
    pub message: Option<String>,
    /// None, one, or two while one is rotated; empty: unsigned.
    pub secrets: Vec<Secret>,
    /// Waits before each further attempt at one delivery.
    pub retry: RetrySchedule,
    /// Of one attempt, connect and answer together.
    pub timeout: Duration,
    /// Attempts under way at once.
    pub concurrency: usize,
}

/// A destination's address. It may hold a password or a token, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(pub(super) String);

/// A webhook secret as written: `whsec_` and base64 of 24–64 bytes, checked. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub(super) String);

/// `[agent.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What others see.
    pub nickname: String,
    /// What it may do.
    pub role: Role,
    /// Of the token; the token itself is nowhere kept.
    pub token_sha256: [u8; 32],
    /// For routing.
    pub groups: Vec<String>,
    /// For routing: level by name.
    pub skills: BTreeMap<String, u64>,
    /// For routing: chats at once; `None`: no bound.
    pub capacity: Option<u64>,
}

/// What somebody on the internal listener may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves customers.
    Agent,
    /// May also watch silently, and release anybody.
    Supervisor,
    /// A program that serves customers.
    Bot,
}

impl Config {
    /// The policy of the sessions of `service`, which may have left the configuration since they began.
    pub fn policy_of(&self, service: &str) -> &Arc<Policy> {
        self.services
            .get(service)
            .map_or(&self.policy, |service| &service.policy)
    }
}

impl Role {
    /// As configuration has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Bot => "bot",
        }
    }
}

impl Url {
    /// The address itself: for the poster only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Secret {
    /// The secret itself: for signing only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(…)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
