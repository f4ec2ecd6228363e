//! What the edges want: listeners, log, store, limits, Bayeux.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Section;
use crate::config::error::Problem;
use crate::config::kind::{Meaning, Meant};
use crate::config::meant::{Cometd, Limits, Listener, Log, RateLimit, Server, Store, Transport};
use crate::config::tls::Tls;

pub(super) fn server(section: &Section<'_>) -> Result<Server, Problem> {
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
                source: Box::new(source),
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

pub(super) fn log(section: &Section<'_>) -> Result<Log, Problem> {
    Ok(Log {
        format: section.read("format")?,
        level: section.read("level")?,
    })
}

pub(super) fn store(section: &Section<'_>) -> Result<Store, Problem> {
    Ok(Store {
        path: section.read("path")?,
        worker_threads: section.read("worker-threads")?,
    })
}

pub(super) fn limits(section: &Section<'_>) -> Result<Limits, Problem> {
    Ok(Limits {
        request_bytes_max: section.read("request-body")?,
        fields_max: section.read("fields")?,
        subject_chars_max: section.read("subject")?,
        nickname_chars_max: section.read("nickname")?,
        user_data_keys_max: section.read("user-data-keys")?,
        user_data_bytes_max: section.read("user-data-size")?,
        chats_per_client_max: section.read("chats-per-client")?,
        idempotency_keys_max: section.read("idempotency-keys")?,
        participants_max: section.read("participants")?,
        subscriptions_max: section.read("subscriptions-per-client")?,
        batch_max: section.read("batch")?,
        clients_max: section.read("clients")?,
        queue_messages_max: section.read("queue-messages")?,
        queue_bytes_max: section.read("queue-size")?,
        answers_bytes_max: section.read("answers-size")?,
        requests_waiting_max: section.read("requests-waiting")?,
        connections_max: section.read("connections")?,
        connections_per_address_max: section.read("connections-per-address")?,
    })
}

pub(super) fn rate_limit(section: &Section<'_>) -> Result<RateLimit, Problem> {
    Ok(RateLimit {
        per_address: section.read("per-address")?,
        per_chat: section.read("per-chat")?,
        exempt: section.read("exempt")?,
    })
}

pub(super) fn cometd(section: &Section<'_>) -> Result<Cometd, Problem> {
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
        max_inactivity: Some(section.read("maxInactivity")?)
            .filter(|most: &Duration| !most.is_zero()),
        trust_client_session: section.read("trustClientSession")?,
        meta_connect_deliver_only: section.read("metaConnectDeliverOnly")?,
        transports,
        same_site: section.read("browserCookieSameSite")?,
    })
}

fn transport(word: &str) -> Option<Transport> {
    Transport::meant(&Meaning::Text(word.to_owned()))
}
