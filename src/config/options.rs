//! The table of all options: it drives validation, `config show`, the advice on unknown names and the warning about what
//! does nothing yet. What each means is told in `default.toml`, where its default is too.

use super::kind::{Kind, millis, number, seconds};
use super::shape;

/// A section, or a family of sections where the path has a `*`.
#[derive(Debug)]
pub(super) struct SectionSpec {
    /// Its path, one word for each part of its title; `*` stands for a name, also as the end of a word.
    pub path: &'static [&'static str],
    /// What it may hold.
    pub options: &'static [OptionSpec],
}

/// An option.
#[derive(Debug)]
pub(super) struct OptionSpec {
    /// Its name; a `*` at the end stands for any rest.
    pub name: &'static str,
    /// Which values are valid.
    pub kind: Kind,
    /// When a changed value begins to matter.
    pub takes_effect: TakesEffect,
    /// Whether it does what it says.
    pub built: Built,
}

/// When a changed value begins to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakesEffect {
    /// At the next start.
    Start,
    /// At the next reload.
    Reload,
}

/// Whether an option does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Built {
    /// Yes.
    Yes,
    /// Its default says how things are; another value changes nothing.
    OnlyDefault,
    /// No.
    No,
}

const fn section(path: &'static [&'static str], options: &'static [OptionSpec]) -> SectionSpec {
    SectionSpec { path, options }
}

const fn option(name: &'static str, kind: Kind) -> OptionSpec {
    OptionSpec {
        name,
        kind,
        takes_effect: TakesEffect::Reload,
        built: Built::Yes,
    }
}

impl OptionSpec {
    /// Whether `name` is this option.
    pub(super) fn is(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(start) => name.len() > start.len() && name.starts_with(start),
            None => name == self.name,
        }
    }

    const fn at_start(mut self) -> Self {
        self.takes_effect = TakesEffect::Start;
        self
    }

    const fn only_default(mut self) -> Self {
        self.built = Built::OnlyDefault;
        self
    }

    const fn not_built(mut self) -> Self {
        self.built = Built::No;
        self
    }
}

/// Every section and option there is, in the order of the default file.
pub(super) const SECTIONS: &[SectionSpec] = &[
    section(
        &["server"],
        &[
            option("public", Kind::Text(shape::ADDRESS)).at_start(),
            option("internal", Kind::Text(shape::ADDRESS)).at_start(),
            option("public-tls-certificate", Kind::Text(shape::PATH)),
            option("public-tls-key", Kind::Text(shape::PATH)),
            option("internal-tls-certificate", Kind::Text(shape::PATH)),
            option("internal-tls-key", Kind::Text(shape::PATH)),
            option("allowed-origins", Kind::Texts(shape::ORIGIN)),
            option("internal-hosts", Kind::Texts(shape::HOST)),
            option("trusted-proxies", Kind::Texts(shape::NETWORK)),
            option("alias", Kind::Text(shape::NAME)),
            option("drain-timeout", seconds(0, 3600)),
        ],
    ),
    section(
        &["log"],
        &[
            option("format", Kind::Choice(&["text", "json"])).at_start(),
            option(
                "level",
                Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
            ),
        ],
    ),
    section(
        &["store"],
        &[
            option("path", Kind::Text(shape::PATH)).at_start(),
            option("worker-threads", number(0, 1024, "")).at_start(),
        ],
    ),
    section(
        &["limits"],
        &[
            option("request-body", number(1024, 1_073_741_824, "bytes")),
            option("fields", number(1, 10_000, "")),
            option("user-data-keys", number(1, 10_000, "")),
            option("user-data-size", number(64, 1_048_576, "bytes")),
            option("nickname", number(1, 10_000, "characters")),
            option("subject", number(1, 100_000, "characters")),
            option("chats-per-client", number(1, 100_000, "")),
            option("idempotency-keys", number(1, 1_000_000, "")),
            option("participants", number(1, 10_000, "")),
            option("subscriptions-per-client", number(1, 10_000, "")),
            option("batch", number(1, 10_000, "")),
            option("clients", number(0, 10_000_000, "")),
            option("queue-messages", number(1, 1_000_000, "")),
            option("queue-size", number(1024, 1_073_741_824, "bytes")),
            option("answers-size", number(1024, 1_073_741_824, "bytes")),
            option("requests-waiting", number(1, 1_000_000, "")),
            option("connections", number(0, 1_000_000, "")),
            option("connections-per-address", number(0, 1_000_000, "")),
        ],
    ),
    section(
        &["rate-limit"],
        &[
            option("per-address", number(0, 1_000_000, "")),
            option("per-chat", number(0, 1_000_000, "")),
            option("exempt", Kind::Texts(shape::NETWORK)),
        ],
    ),
    section(
        &["cometd"],
        &[
            option("timeout", millis(0, 600_000)),
            option("interval", millis(0, 600_000)),
            option("maxInterval", millis(1000, 86_400_000)),
            option("maxMessageSize", number(1024, 16_777_216, "bytes")),
            option("maxSessionsPerBrowser", number(0, 1000, "")),
            option("multiSessionInterval", millis(0, 600_000)),
            option("maxInactivity", millis(0, 86_400_000)),
            option("trustClientSession", Kind::Switch),
            option("metaConnectDeliverOnly", Kind::Switch),
            option(
                "transports",
                Kind::Several(&["websocket", "long-polling", "callback-polling"]),
            ),
            option(
                "browserCookieSameSite",
                Kind::Choice(&["auto", "none", "lax", "strict"]),
            ),
        ],
    ),
    section(
        &["chat"],
        &[
            option("default_chat_endpoint", Kind::Text(shape::ENDPOINT)),
            option("enable_notification_mode", Kind::Switch)
                .at_start()
                .only_default(),
            option("push_notification_include_payload", Kind::Switch),
            option("push_notification_to_active_client", Kind::Switch),
            option("typing_preview", Kind::Switch),
            option("enable-fast-chat-transcript-refresh", Kind::Switch).not_built(),
        ],
    ),
    section(
        &["chat", "*"],
        &[
            option("endpoint", Kind::Text(shape::ENDPOINT)),
            option("push_notification_include_payload", Kind::Switch),
            option("push_notification_to_active_client", Kind::Switch),
            option("typing_preview", Kind::Switch),
        ],
    ),
    section(
        &["settings"],
        &[
            option("flex-disconnect-timeout", seconds(1, 1_728_000)),
            option("flex-push-enabled", Kind::Switch),
            option("flex-push-on-join", Kind::Switch),
            option("flex-push-timeout", seconds(1, 1_728_000)),
            option(
                "flex-push-content",
                Kind::Several(&["app-dbid", "secure-key", "session-id", "user-id"]),
            ),
            option("flex-push-resend-delay", Kind::Schedule),
            option("flex-push-resend-attempts", number(0, 100, "")),
            option("max-message-size", number(1, 1_048_576, "bytes")),
            option("max-reply-size", number(1024, 67_108_864, "bytes")),
            option("closed-session-readable", seconds(0, 1_728_000)),
            option("async-idle-alert", seconds(1, 1_728_000)),
            option("async-idle-close", seconds(1, 1_728_000)),
            option(
                "async-idle-notices",
                Kind::Choice(&["none", "major", "major2", "typing", "all"]),
            ),
            option("limits-control-enabled", Kind::Switch),
            option("limit-for-flex-users", number(0, 1_000_000, "")),
            option("limit-for-sessions", number(0, 1_000_000, "")),
            option("limits-restore-threshold", number(0, 100, "percent")),
            option("limit-for-reply-delay", millis(0, 600_000)).not_built(),
            option("limit-average-interval", seconds(1, 3600)).not_built(),
            option("limits-reached-report-scs", Kind::Switch).not_built(),
            option("transcript-auto-save", number(0, 2, "")).only_default(),
            option("transcript-save-on-error", Kind::Choice(&["close"])),
            option(
                "transcript-save-notices",
                Kind::Choice(&["none", "major", "major2", "typing", "all"]),
            )
            .not_built(),
            option("transcript-resend-attempts", number(0, 100, "")).not_built(),
            option("transcript-resend-delay", millis(0, 600_000)).not_built(),
            option(
                "session-restoration-mode",
                Kind::Choice(&["none", "simple"]),
            )
            .only_default(),
            option(
                "session-restore-extend-by",
                Kind::Choice(&["none", "agent", "esp", "both"]),
            )
            .not_built(),
            option("session-restore-push-send", Kind::Switch).not_built(),
            option("session-restore-do-purge", Kind::Switch).not_built(),
            option("session-password-enforce", Kind::Switch).only_default(),
            option("ixn-submittedby-name", Kind::Text(shape::TEXT))
                .at_start()
                .not_built(),
            option("use-contact-server", Kind::Switch)
                .at_start()
                .not_built(),
            option(
                "attach-session-statistics",
                Kind::Choice(&["all", "fired", "none"]),
            )
            .not_built(),
            option("attach-stats-rep-events", Kind::Text(shape::TEXT)).not_built(),
            option("attach-stats-rep-place", Kind::Text(shape::TEXT)).not_built(),
            option(
                "stop-abandoned-interaction",
                Kind::Choice(&["always", "never", "noagents", "noanswer", "true", "false"]),
            )
            .not_built(),
            option("user-register-timeout", seconds(1, 86_400)).not_built(),
            option("message-log-print-size", number(0, 7000, "characters")).only_default(),
            option("hide-attached-data", Kind::Switch).only_default(),
            option("transcript-cleanup-apply", Kind::Text(shape::TEXT)).not_built(),
            option("transcript-cleanup-mask", Kind::Text(shape::CHARACTER)).not_built(),
            option("transcript-cleanup-typing", Kind::Text(shape::TEXT)).not_built(),
        ],
    ),
    section(
        &["inactivity-control"],
        &[
            option("enabled", Kind::Switch),
            option(
                "include-notices",
                Kind::Choice(&["none", "major", "major2", "typing", "all"]),
            ),
            option("timeout-alert", seconds(1, 86_400)),
            option("timeout-alert2", seconds(0, 86_400)),
            option("timeout-close", seconds(1, 86_400)),
            option("message-alert", Kind::Text(shape::TEXT)),
            option("message-alert2", Kind::Text(shape::TEXT)),
            option("message-close", Kind::Text(shape::TEXT)),
        ],
    ),
    section(
        &["push"],
        &[
            option(
                "pushEnabled",
                Kind::Several(&[
                    "android",
                    "gcm",
                    "ios",
                    "httpcb",
                    "orscb",
                    "customhttp",
                    "fcm",
                    "comet",
                ]),
            ),
            option("customhttp.url", Kind::Text(shape::URL)),
            option("customhttp.message", Kind::Text(shape::TEXT)),
            option("customhttp.secret", Kind::Texts(shape::WEBHOOK)),
            option("customhttp.transport-retry", Kind::Retry),
            option("customhttp.timeout", seconds(1, 600)),
            option("customhttp.concurrency", number(1, 10_000, "")),
            option("dead-letters-kept", number(1, 1_000_000, "")).at_start(),
            option("debug.customhttp.url", Kind::Text(shape::URL)),
            option("debug.customhttp.message", Kind::Text(shape::TEXT)),
            option("debug.customhttp.secret", Kind::Texts(shape::WEBHOOK)),
            option("debug.customhttp.transport-retry", Kind::Retry),
            option("debug.customhttp.timeout", seconds(1, 600)),
            option("debug.customhttp.concurrency", number(1, 10_000, "")),
            option("defaultSubscriptionExpiration", seconds(30, 86_400)).not_built(),
            option("fcm.title", Kind::Text(shape::TEXT)).not_built(),
            option("fcm.body", Kind::Text(shape::TEXT)).not_built(),
            option("apple.title", Kind::Text(shape::TEXT)).not_built(),
            option("apple.alertMessage.body", Kind::Text(shape::TEXT)).not_built(),
        ],
    ),
    section(
        &["push", "provider", "*"],
        &[
            option("customhttp.url", Kind::Text(shape::URL)),
            option("customhttp.message", Kind::Text(shape::TEXT)),
            option("customhttp.secret", Kind::Texts(shape::WEBHOOK)),
            option("customhttp.transport-retry", Kind::Retry),
            option("customhttp.timeout", seconds(1, 600)),
            option("customhttp.concurrency", number(1, 10_000, "")),
            option("debug.customhttp.url", Kind::Text(shape::URL)),
            option("debug.customhttp.message", Kind::Text(shape::TEXT)),
            option("debug.customhttp.secret", Kind::Texts(shape::WEBHOOK)),
            option("debug.customhttp.transport-retry", Kind::Retry),
            option("debug.customhttp.timeout", seconds(1, 600)),
            option("debug.customhttp.concurrency", number(1, 10_000, "")),
        ],
    ),
    section(
        &["agent", "*"],
        &[
            option("nickname", Kind::Text(shape::NICKNAME)),
            option("role", Kind::Choice(&["agent", "supervisor", "bot"])),
            option("token-sha256", Kind::Text(shape::DIGEST)),
            option("groups", Kind::Texts(shape::GROUP)).not_built(),
            option("skills.*", number(0, 1_000_000, "")).not_built(),
            option("capacity", number(0, 1000, "")).not_built(),
        ],
    ),
    section(
        &["client-file-transfer"],
        &[
            option("upload-max-files", number(0, 1000, "")).not_built(),
            option("upload-max-file-size", number(0, 1_073_741_823, "bytes")).not_built(),
            option("upload-max-total-size", number(0, 1_073_741_823, "bytes")).not_built(),
            option("upload-file-types", Kind::Text(shape::EXTENSIONS)).not_built(),
            option("upload-need-agent", Kind::Switch).not_built(),
            option("download-attempts", number(0, 1_000_000, "")).not_built(),
            option("delete-file", Kind::Text(shape::NAME)).not_built(),
        ],
    ),
    section(
        &["transcript-cleanup"],
        &[
            option(
                "apply-area",
                Kind::Choice(&["always", "history-all", "history-final", "never"]),
            )
            .only_default(),
            option("apply-config", Kind::Choice(&["cfg", "mix", "ucs"])).not_built(),
            option(
                "clean-subject",
                Kind::Choice(&["never", "history", "interaction", "both"]),
            )
            .only_default(),
            option("default-repchar", Kind::Text(shape::CHARACTER)).not_built(),
            option("default-spec", Kind::Text(shape::MASK)).not_built(),
            option(
                "typing-preview",
                Kind::Choice(&["any", "message", "none", "notice"]),
            )
            .only_default(),
            option("unmask-live-dialog", Kind::Switch).not_built(),
            option("allow-bot-unmask", Kind::Switch).not_built(),
        ],
    ),
    section(
        &["health-service"],
        &[
            option("log-output-timeout", seconds(0, 86_400)).only_default(),
            option("log-output-proviso", Kind::Choice(&["always", "update"])).not_built(),
            option("log-output-content", Kind::Choice(&["all", "new", "set"])).not_built(),
            option("soap-*", Kind::Text(shape::TEXT)).not_built(),
        ],
    ),
    section(
        &["log-filter-data"],
        &[
            option("StructuredText", Kind::Choice(&["hide"])),
            option("Transcript", Kind::Choice(&["hide"])),
        ],
    ),
    section(
        &["workflow"],
        &[option("process", Kind::Choice(&["none", "built-in"])).only_default()],
    ),
    section(
        &["endpoints:*"],
        &[option("*", Kind::Text(shape::TEXT)).not_built()],
    ),
    section(
        &["service", "*"],
        &[
            option("_type", Kind::Choice(&["ors", "builtin"])).not_built(),
            option("_chat_endpoint", Kind::Text(shape::TEXT)).not_built(),
            option("_ttl", seconds(0, 31_536_000)).not_built(),
            option("_media_type", Kind::Text(shape::TEXT)).not_built(),
            option("_wait_for_agent", Kind::Switch).not_built(),
            option("_wait_for_user_confirm", Kind::Switch).not_built(),
            option("_client_timeout_notification", seconds(1, 86_400)).not_built(),
            option(
                "_agent_timeout_notification_message",
                Kind::Text(shape::TEXT),
            )
            .not_built(),
            option("_chat_400_response_on_disconnected", Kind::Switch).not_built(),
            option("_booking_expiration_timeout", seconds(5, 1800)).not_built(),
            option("_use_debug_push_certificate", Kind::Switch).not_built(),
            option("_target", Kind::Text(shape::TEXT)).not_built(),
            option("_urs_virtual_queue", Kind::Text(shape::TEXT)).not_built(),
            option("_urs_queued_ttl", seconds(0, 31_536_000)).not_built(),
            option("_urs_prioritization_strategy", Kind::Text(shape::TEXT)).not_built(),
            option("_urs_strategy_update_sub_routine", Kind::Text(shape::TEXT)).not_built(),
        ],
    ),
    section(
        &["gms"],
        &[
            option("http.connection_timeout", seconds(1, 600))
                .at_start()
                .not_built(),
            option("http.socket_timeout", seconds(1, 600))
                .at_start()
                .not_built(),
            option("http.use_lax_redirect_strategy", Kind::Switch)
                .at_start()
                .not_built(),
            option("http.ssl_trust_all", Kind::Switch)
                .at_start()
                .not_built(),
        ],
    ),
    section(
        &["cassandra"],
        &[
            option("contact-points", Kind::Text(shape::TEXT))
                .at_start()
                .not_built(),
            option("username", Kind::Text(shape::TEXT))
                .at_start()
                .not_built(),
            option("password", Kind::Text(shape::SECRET))
                .at_start()
                .not_built(),
        ],
    ),
    section(
        &["encryption"],
        &[
            option("enabled", Kind::Switch).at_start().only_default(),
            option("trusted-cert-dir", Kind::Text(shape::PATH))
                .at_start()
                .not_built(),
            option("client-certificate-file", Kind::Text(shape::PATH))
                .at_start()
                .not_built(),
            option("client-private-key-file", Kind::Text(shape::PATH))
                .at_start()
                .not_built(),
            option("password", Kind::Text(shape::SECRET))
                .at_start()
                .not_built(),
            option("verify-peer-cert", Kind::Switch)
                .at_start()
                .not_built(),
            option("verify-peer-identity", Kind::Switch)
                .at_start()
                .not_built(),
        ],
    ),
];
