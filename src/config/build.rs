//! From what is written to what is meant.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::{Origin, Problem};
use super::kind::{Meaning, Meant};
use super::meant::{
    Agent, Cometd, Config, Destination, Endpoint, Limits, Listener, LoadLimits, Log, LogFormat,
    LogLevel, Push, PushContent, RateLimit, Role, SameSite, Secret, Server, Service, Store,
    Transport, Url,
};
use super::place::SectionId;
use super::tls::Tls;
use super::written::{Entry, Written};
use crate::chat::{IdleNotices, Policy};
use crate::push::{ResendSchedule, RetrySchedule};

/// The configuration that `written` means, or why it means none.
pub(super) fn config(written: &Written) -> Result<Config, Problem> {
    let at = |path: &[&str]| Section {
        written,
        id: SectionId::of(path),
    };
    let chat = at(&["chat"]);
    Ok(Config {
        server: server(&at(&["server"]))?,
        log: log(&at(&["log"]))?,
        store: store(&at(&["store"]))?,
        limits: limits(&at(&["limits"]))?,
        rate_limit: rate_limit(&at(&["rate-limit"]))?,
        load_limits: load_limits(&at(&["settings"]))?,
        cometd: cometd(&at(&["cometd"]))?,
        policy: Arc::new(policy(written, &chat)?),
        reply_bytes_max: at(&["settings"]).read("max-reply-size")?,
        services: family(written, &["chat", "*"], service)?,
        push: push(written)?,
        agents: agents(written)?,
    })
}

/// A section whose options are being read.
struct Section<'a> {
    written: &'a Written,
    id: SectionId,
}

impl Section<'_> {
    /// An option that always has a value, its own or a default.
    fn read<T: Meant>(&self, option: &str) -> Result<T, Problem> {
        self.find(option)?.ok_or_else(|| Problem::Missing {
            at: self.written.origin_of(&self.id),
            section: self.id.to_string(),
            option: option.to_owned(),
        })
    }

    /// An option that may have none.
    fn find<T: Meant>(&self, option: &str) -> Result<Option<T>, Problem> {
        let Some(entry) = self.entry(option) else {
            return Ok(None);
        };
        match T::meant(&entry.meaning) {
            Some(value) => Ok(Some(value)),
            None => Err(self.conflict(option, "is not what its kind promises")),
        }
    }

    fn entry(&self, option: &str) -> Option<&Entry> {
        self.written
            .effective(&self.id, option)
            .map(|(_, entry)| entry)
    }

    fn origin(&self, option: &str) -> Origin {
        self.entry(option).map_or_else(
            || self.written.origin_of(&self.id),
            |entry| entry.origin.clone(),
        )
    }

    fn conflict(&self, option: &str, conflict: impl Into<String>) -> Problem {
        Problem::Conflict {
            at: self.origin(option),
            section: self.id.to_string(),
            option: option.to_owned(),
            conflict: conflict.into(),
        }
    }
}

/// All sections of a family, by name.
fn family<T>(
    written: &Written,
    path: &[&str],
    make: impl Fn(&Section<'_>) -> Result<T, Problem>,
) -> Result<BTreeMap<String, T>, Problem> {
    let names = written.names(path).into_iter();
    names
        .map(|name| {
            let id = SectionId::named(path, &name);
            Ok((name, make(&Section { written, id })?))
        })
        .collect()
}

fn server(section: &Section<'_>) -> Result<Server, Problem> {
    let public = listener(section, "public")?;
    let internal = listener(section, "internal")?;
    if public.address == internal.address && public.address.port() != 0 {
        return Err(section.conflict("internal", "must differ from public"));
    }
    Ok(Server {
        public,
        internal,
        allowed_origins: lower(section.read("allowed-origins")?),
        internal_hosts: lower(section.read("internal-hosts")?),
        trusted_proxies: section.read("trusted-proxies")?,
        alias: section.read("alias")?,
        drain_timeout: section.read("drain-timeout")?,
    })
}

fn lower(texts: Vec<String>) -> Vec<String> {
    texts.iter().map(|text| text.to_ascii_lowercase()).collect()
}

fn listener(section: &Section<'_>, name: &str) -> Result<Listener, Problem> {
    let certificate_option = format!("{name}-tls-certificate");
    let key_option = format!("{name}-tls-key");
    let certificate: Option<PathBuf> = section.find(&certificate_option)?;
    let key: Option<PathBuf> = section.find(&key_option)?;
    let tls = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            let read = Tls::read(&certificate, &key);
            Some(read.map_err(|source| Problem::Tls {
                at: section.origin(&certificate_option),
                source,
            })?)
        }
        (Some(_), None) => {
            return Err(section.conflict(&certificate_option, format!("needs {key_option}")));
        }
        (None, Some(_)) => {
            return Err(section.conflict(&key_option, format!("needs {certificate_option}")));
        }
    };
    let address: SocketAddr = section.read(name)?;
    Ok(Listener { address, tls })
}

fn log(section: &Section<'_>) -> Result<Log, Problem> {
    Ok(Log {
        format: section.read("format")?,
        level: section.read("level")?,
    })
}

fn store(section: &Section<'_>) -> Result<Store, Problem> {
    Ok(Store {
        path: section.read("path")?,
        worker_threads: section.read("worker-threads")?,
    })
}

fn limits(section: &Section<'_>) -> Result<Limits, Problem> {
    Ok(Limits {
        request_bytes_max: section.read("request-body")?,
        fields_max: section.read("fields")?,
        subject_chars_max: section.read("subject")?,
        nickname_chars_max: section.read("nickname")?,
        user_data_keys_max: section.read("user-data-keys")?,
        user_data_bytes_max: section.read("user-data-size")?,
        chats_per_client_max: section.read("chats-per-client")?,
        participants_max: section.read("participants")?,
        subscriptions_max: section.read("subscriptions-per-client")?,
        batch_max: section.read("batch")?,
        queue_messages_max: section.read("queue-messages")?,
        queue_bytes_max: section.read("queue-size")?,
    })
}

fn rate_limit(section: &Section<'_>) -> Result<RateLimit, Problem> {
    Ok(RateLimit {
        per_address: section.read("per-address")?,
        per_chat: section.read("per-chat")?,
        exempt: section.read("exempt")?,
    })
}

fn load_limits(section: &Section<'_>) -> Result<LoadLimits, Problem> {
    let bound = |option: &str| {
        let bound: u64 = section.read(option)?;
        Ok((bound > 0).then_some(bound))
    };
    let (sessions, flex_users) = (bound("limit-for-sessions")?, bound("limit-for-flex-users")?);
    if let (Some(sessions), Some(users)) = (sessions, flex_users)
        && sessions > users
    {
        let conflict = format!("must not be above limit-for-flex-users ({users})");
        return Err(section.conflict("limit-for-sessions", conflict));
    }
    Ok(LoadLimits {
        enabled: section.read("limits-control-enabled")?,
        sessions,
        flex_users,
        reply_delay: section.read("limit-for-reply-delay")?,
        average_interval: section.read("limit-average-interval")?,
        restore_percent: section.read("limits-restore-threshold")?,
    })
}

fn cometd(section: &Section<'_>) -> Result<Cometd, Problem> {
    let transports: Vec<String> = section.read("transports")?;
    let transports: Vec<_> = transports
        .iter()
        .filter_map(|word| transport(word))
        .collect();
    if transports.is_empty() {
        return Err(section.conflict("transports", "must name at least one transport"));
    }
    Ok(Cometd {
        timeout: section.read("timeout")?,
        interval: section.read("interval")?,
        max_interval: section.read("maxInterval")?,
        message_bytes_max: section.read("maxMessageSize")?,
        max_sessions_per_browser: section.read("maxSessionsPerBrowser")?,
        multi_session_interval: section.read("multiSessionInterval")?,
        trust_client_session: section.read("trustClientSession")?,
        transports,
        same_site: section.read("browserCookieSameSite")?,
    })
}

/// `chat` is `[chat]` or that of a service.
fn policy(written: &Written, chat: &Section<'_>) -> Result<Policy, Problem> {
    let at = |path: &[&str]| Section {
        written,
        id: SectionId::of(path),
    };
    let settings = at(&["settings"]);
    let idle = at(&["inactivity-control"]);
    let limits = at(&["limits"]);
    Ok(Policy {
        flex_disconnect_timeout: settings.read("flex-disconnect-timeout")?,
        flex_push_timeout: settings.read("flex-push-timeout")?,
        closed_session_readable: settings.read("closed-session-readable")?,
        message_bytes_max: settings.read("max-message-size")?,
        async_idle_alert: settings.read("async-idle-alert")?,
        async_idle_close: settings.read("async-idle-close")?,
        async_idle_notices: settings.read("async-idle-notices")?,
        idle_enabled: idle.read("enabled")?,
        idle_notices: idle.read("include-notices")?,
        idle_alert: idle.read("timeout-alert")?,
        idle_alert2: idle.read("timeout-alert2")?,
        idle_close: idle.read("timeout-close")?,
        message_alert: idle.read("message-alert")?,
        message_alert2: idle.read("message-alert2")?,
        message_close: idle.read("message-close")?,
        typing_preview: chat.read("typing_preview")?,
        participants_max: limits.read("participants")?,
        user_data_keys_max: limits.read("user-data-keys")?,
        user_data_bytes_max: limits.read("user-data-size")?,
        nickname_chars_max: limits.read("nickname")?,
    })
}

fn service(section: &Section<'_>) -> Result<Service, Problem> {
    let endpoint: String = section.read("endpoint")?;
    let (tenant, name) = endpoint.split_once(':').unwrap_or(("", &endpoint));
    Ok(Service {
        endpoint: Endpoint {
            tenant: tenant.to_owned(),
            name: name.to_owned(),
        },
        include_payload: section.read("push_notification_include_payload")?,
        push_to_active_client: section.read("push_notification_to_active_client")?,
        policy: Arc::new(policy(section.written, section)?),
    })
}

fn push(written: &Written) -> Result<Push, Problem> {
    let id = SectionId::of(&["settings"]);
    let settings = Section { written, id };
    let content: Vec<String> = settings.read("flex-push-content")?;
    let has = |word: &str| content.iter().any(|written| written == word);
    Ok(Push {
        enabled: settings.read("flex-push-enabled")?,
        on_join: settings.read("flex-push-on-join")?,
        resend: ResendSchedule {
            delays: settings.read("flex-push-resend-delay")?,
            attempts: settings.read("flex-push-resend-attempts")?,
        },
        content: PushContent {
            app_dbid: has("app-dbid"),
            secure_key: has("secure-key"),
            session_id: has("session-id"),
            user_id: has("user-id"),
        },
        destinations: destinations(written)?,
    })
}

fn destinations(written: &Written) -> Result<BTreeMap<String, Destination>, Problem> {
    let mut destinations = BTreeMap::new();
    let id = SectionId::of(&["push"]);
    let push = Section { written, id };
    let types: Vec<String> = push.read("pushEnabled")?;
    if types.iter().any(|word| word == "customhttp") {
        add_twins(&mut destinations, &push, "")?;
        for name in written.names(&["push", "provider", "*"]) {
            let id = SectionId::named(&["push", "provider", "*"], &name);
            add_twins(
                &mut destinations,
                &Section { written, id },
                &format!("{name}."),
            )?;
        }
    }
    Ok(destinations)
}

fn add_twins(
    destinations: &mut BTreeMap<String, Destination>,
    section: &Section<'_>,
    owner: &str,
) -> Result<(), Problem> {
    for twin in ["customhttp", "debug.customhttp"] {
        if let Some(destination) = destination(section, twin)? {
            destinations.insert(format!("{owner}{twin}"), destination);
        }
    }
    Ok(())
}

fn destination(section: &Section<'_>, twin: &str) -> Result<Option<Destination>, Problem> {
    let option = |name: &str| format!("{twin}.{name}");
    let Some(url) = section.find(&option("url"))? else {
        return Ok(None);
    };
    let message: Option<String> = section.find(&option("message"))?;
    let secrets: Option<Vec<String>> = section.find(&option("secret"))?;
    Ok(Some(Destination {
        url: Url(url),
        message: message.filter(|message| !message.is_empty()),
        secrets: secrets
            .unwrap_or_default()
            .into_iter()
            .map(Secret)
            .collect(),
        retry: RetrySchedule {
            delays: section.read(&option("transport-retry"))?,
        },
        timeout: section.read(&option("timeout"))?,
        concurrency: section.read(&option("concurrency"))?,
    }))
}

fn agents(written: &Written) -> Result<BTreeMap<String, Agent>, Problem> {
    let path = &["agent", "*"];
    let agents = family(written, path, agent)?;
    let mut owners = BTreeMap::new();
    for (name, agent) in &agents {
        if let Some(other) = owners.insert(agent.token_sha256, name) {
            let id = SectionId::named(path, name);
            let conflict = format!("is that of [agent.{other}] too");
            return Err(Section { written, id }.conflict("token-sha256", conflict));
        }
    }
    Ok(agents)
}

fn agent(section: &Section<'_>) -> Result<Agent, Problem> {
    let name = section.id.name.clone().unwrap_or_default();
    let capacity: Option<u64> = section.find("capacity")?;
    let digest: Digest = section.read("token-sha256")?;
    Ok(Agent {
        nickname: section.find("nickname")?.unwrap_or(name),
        role: section.find("role")?.unwrap_or(Role::Agent),
        token_sha256: digest.0,
        groups: section.find("groups")?.unwrap_or_default(),
        skills: skills(section)?,
        capacity: capacity.filter(|chats| *chats > 0),
    })
}

fn skills(section: &Section<'_>) -> Result<BTreeMap<String, u64>, Problem> {
    section
        .written
        .options_of(&section.id)
        .filter_map(|option| Some((option, option.strip_prefix("skills.")?)))
        .map(|(option, skill)| Ok((skill.to_owned(), section.read(option)?)))
        .collect()
}

struct Digest([u8; 32]);

impl Meant for Digest {
    fn meant(meaning: &Meaning) -> Option<Self> {
        let Meaning::Text(text) = meaning else {
            return None;
        };
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(digest))
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn transport(word: &str) -> Option<Transport> {
    Transport::meant(&Meaning::Text(word.to_owned()))
}

/// Words of the file and what they stand for.
macro_rules! words {
    ($($type:ident { $($word:literal => $variant:ident),* })*) => {$(
        impl Meant for $type {
            fn meant(meaning: &Meaning) -> Option<Self> {
                match meaning {
                    Meaning::Text(word) => match word.as_str() {
                        $($word => Some(Self::$variant),)*
                        _ => None,
                    },
                    _ => None,
                }
            }
        }
    )*};
}

words! {
    LogFormat { "text" => Text, "json" => Json }
    LogLevel { "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug, "trace" => Trace }
    IdleNotices { "none" => None, "major" => Major, "major2" => Major2, "typing" => Typing, "all" => All }
    Transport { "websocket" => WebSocket, "long-polling" => LongPolling, "callback-polling" => CallbackPolling }
    SameSite { "auto" => Auto, "none" => None, "lax" => Lax, "strict" => Strict }
    Role { "agent" => Agent, "supervisor" => Supervisor, "bot" => Bot }
}
