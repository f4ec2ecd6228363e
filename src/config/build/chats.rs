//! What chats want: the policy of sessions, services, load limits.

use std::sync::Arc;

use super::Section;
use crate::chat::Policy;
use crate::config::error::Problem;
use crate::config::meant::{Endpoint, LoadLimits, Service};
use crate::config::place::SectionId;
use crate::config::written::Written;

pub(super) fn load_limits(section: &Section<'_>) -> Result<LoadLimits, Problem> {
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

/// `chat` is `[chat]` or that of a service.
pub(super) fn policy(written: &Written, chat: &Section<'_>) -> Result<Policy, Problem> {
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
        subject_chars_max: limits.read("subject")?,
    })
}

pub(super) fn service(section: &Section<'_>) -> Result<Service, Problem> {
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
