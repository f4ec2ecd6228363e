//! From the configuration to what each module wants of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::route::Door;
use super::{router, tls};
use crate::api::v2;
use crate::bayeux;
use crate::chat::{Style, UserType};
use crate::config::{self, Config, Role, SameSite, Transport};
use crate::http::rate_limit::Rates;
use crate::http::{InternalHosts, Origins, TrustedProxies, slots};
use crate::hub::{Load, shard};
use crate::push::{Destination, Destinations, Secret};
use crate::transport::{self, agents, customers};
use crate::wire::push::Reveal;

/// How long a session that nobody watches stays awake after the last touch.
const AWAKE_FOR: std::time::Duration = std::time::Duration::from_secs(30);
/// The account of whoever has the admin token.
const ADMIN: &str = "admin";
/// And what the others in a chat see of it.
const ADMIN_NICKNAME: &str = "Agent";

/// How many shards: one for each thread.
pub(super) fn shards(config: &Config) -> usize {
    match config.store.worker_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// Every open session has one customer, so the smaller of the two limits counts.
pub(super) fn load(config: &Config, load: &Load) {
    let limits = &config.load_limits;
    let limit = [limits.sessions, limits.flex_users]
        .into_iter()
        .flatten()
        .min();
    let limit = limit.filter(|_| limits.enabled).unwrap_or(0);
    load.configure(limit, limit.saturating_mul(limits.restore_percent) / 100);
}

pub(super) fn hub(config: &Config) -> shard::Settings {
    let services = config.services.iter().map(|(name, service)| {
        let service = shard::Service {
            policy: service.policy.clone(),
            push_to_active_client: service.push_to_active_client,
        };
        (name.clone(), service)
    });
    let content = config.push.content;
    shard::Settings {
        policy: config.policy.clone(),
        services: services.collect(),
        resend: config.push.resend.clone(),
        reveal: Reveal {
            session_id: content.session_id,
            user_id: content.user_id,
            secure_key: content.secure_key,
            app_dbid: content.app_dbid,
        },
        alias: config.server.alias.clone(),
        push_messages: messages(config),
        agents_return_within: config.cometd.max_interval,
        idempotency_keys_max: config.limits.idempotency_keys_max,
        awake_for: AWAKE_FOR,
    }
}

fn messages(config: &Config) -> HashMap<String, String> {
    let all = config.push.destinations.iter();
    all.filter_map(|(name, destination)| Some((name.clone(), destination.message.clone()?)))
        .collect()
}

pub(super) fn destinations(config: &Config) -> BTreeMap<String, Destination> {
    let all = config.push.destinations.iter();
    all.map(|(name, destination)| (name.clone(), of(destination)))
        .collect()
}

fn of(destination: &config::Destination) -> Destination {
    Destination {
        url: destination.url.expose().to_owned(),
        message: destination.message.clone(),
        // They were checked when the configuration was read.
        secrets: destination
            .secrets
            .iter()
            .filter_map(|secret| Secret::parse(secret.expose()).ok())
            .collect(),
        retry: destination.retry.clone(),
        timeout: destination.timeout,
        concurrency: destination.concurrency,
    }
}

fn known(config: &Config) -> Destinations {
    Destinations {
        names: config.push.destinations.keys().cloned().collect(),
    }
}

pub(super) fn customers(config: &Config) -> customers::Settings {
    let services = config.services.iter().map(|(name, service)| {
        let service = customers::Service {
            policy: service.policy.clone(),
            include_payload: service.include_payload,
        };
        (name.clone(), service)
    });
    customers::Settings {
        services: services.collect(),
        destinations: known(config),
        push_enabled: config.push.enabled,
        push_on_join: config.push.on_join,
        chats_max: config.limits.chats_per_client_max,
    }
}

pub(super) fn agents(config: &Config, admin_sha256: [u8; 32]) -> agents::Settings {
    let mut accounts: BTreeMap<String, agents::Account> = config
        .agents
        .iter()
        .map(|(id, agent)| (id.clone(), account(agent)))
        .collect();
    let admin = agents::Account {
        nickname: ADMIN_NICKNAME.to_owned(),
        user_type: UserType::Supervisor,
        style: Style::Person,
        token_sha256: admin_sha256,
    };
    accounts.entry(ADMIN.to_owned()).or_insert(admin);
    agents::Settings {
        accounts,
        reply_bytes_max: config.reply_bytes_max,
        answers_bytes_max: config.limits.answers_bytes_max,
        waiting_max: config.limits.requests_waiting_max,
    }
}

fn account(agent: &config::Agent) -> agents::Account {
    let (user_type, style) = match agent.role {
        Role::Agent => (UserType::Agent, Style::Person),
        Role::Supervisor => (UserType::Supervisor, Style::Person),
        Role::Bot => (UserType::Agent, Style::Bot),
    };
    agents::Account {
        nickname: agent.nickname.clone(),
        user_type,
        style,
        token_sha256: agent.token_sha256,
    }
}

pub(super) fn api(config: &Config) -> v2::Settings {
    let services = config.services.iter().map(|(name, service)| {
        let service = v2::Service {
            tenant: service.endpoint.tenant.clone(),
            typing_preview: service.policy.typing_preview,
        };
        (name.clone(), service)
    });
    v2::Settings {
        alias: config.server.alias.clone(),
        services: services.collect(),
        push_on_join: config.push.enabled && config.push.on_join,
        destinations: known(config),
        reply_bytes_max: config.reply_bytes_max,
        body_bytes_max: config.limits.request_bytes_max,
        fields_max: config.limits.fields_max,
        policy: config.policy.clone(),
    }
}

pub(super) fn router(config: &Config, door: Door) -> router::Settings {
    let server = &config.server;
    let origins = match door {
        Door::Public => server.allowed_origins.as_slice(),
        Door::Internal => &[],
    };
    router::Settings {
        // They were checked when the configuration was read.
        origins: Origins::parse(origins.iter().map(String::as_str)).unwrap_or_default(),
        proxies: TrustedProxies(server.trusted_proxies.clone()),
        hosts: InternalHosts::new(server.internal_hosts.iter().map(String::as_str)),
        rates: Rates {
            per_address: config.rate_limit.per_address,
            per_chat: config.rate_limit.per_chat,
            exempt: config.rate_limit.exempt.clone(),
        },
        bayeux_bytes_max: config.cometd.message_bytes_max,
    }
}

pub(super) fn transport(config: &Config, door: Door) -> transport::Options {
    let cometd = &config.cometd;
    let limits = &config.limits;
    let bayeux = bayeux::Config {
        timeout: cometd.timeout,
        interval: cometd.interval,
        max_interval: cometd.max_interval,
        max_message_size: cometd.message_bytes_max,
        max_sessions_per_browser: cometd.max_sessions_per_browser,
        multi_session_interval: cometd.multi_session_interval,
        trust_client_session: cometd.trust_client_session,
        meta_connect_deliver_only: cometd.meta_connect_deliver_only,
        transports: cometd
            .transports
            .iter()
            .copied()
            .map(connection_type)
            .collect(),
        batch_max: limits.batch_max,
        subscriptions_max: limits.subscriptions_max,
        queue_bytes_max: limits.queue_bytes_max,
        queue_messages_max: limits.queue_messages_max,
        activity_timeout: cometd.max_inactivity.filter(|_| door == Door::Public),
        ..bayeux::Config::default()
    };
    transport::Options {
        bayeux: Arc::new(bayeux),
        same_site: same_site(cometd.same_site),
        clients_max: limits.clients_max,
    }
}

fn connection_type(transport: Transport) -> bayeux::ConnectionType {
    match transport {
        Transport::WebSocket => bayeux::ConnectionType::WebSocket,
        Transport::LongPolling => bayeux::ConnectionType::LongPolling,
        Transport::CallbackPolling => bayeux::ConnectionType::CallbackPolling,
    }
}

fn same_site(same_site: SameSite) -> transport::SameSite {
    match same_site {
        SameSite::Auto => transport::SameSite::Auto,
        SameSite::None => transport::SameSite::None,
        SameSite::Lax => transport::SameSite::Lax,
        SameSite::Strict => transport::SameSite::Strict,
    }
}

pub(super) fn slots(config: &Config) -> slots::Limits {
    slots::Limits {
        connections: config.limits.connections_max,
        per_address: config.limits.connections_per_address_max,
        exempt: [
            config.rate_limit.exempt.as_slice(),
            config.server.trusted_proxies.as_slice(),
        ]
        .concat(),
    }
}

pub(super) fn tls(listener: &config::Listener) -> Option<Arc<tls::Tls>> {
    listener
        .tls
        .as_ref()
        .map(|tls| tls::Tls::new(tls.server.clone()))
}

/// Certificates were read again with the configuration.
pub(super) fn retell(tls: Option<&Arc<tls::Tls>>, listener: &config::Listener) {
    if let (Some(tls), Some(read)) = (tls, &listener.tls) {
        tls.replace(read.server.clone());
    }
}
