//! What configuration decides about sessions. One value, shared; a reload replaces it for every session at once.

use std::time::Duration;

/// The options of `[settings]`, `[inactivity-control]` and `[limits]` that a session needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `[settings] flex-disconnect-timeout`: protocol inactivity after which a customer without push is removed.
    pub flex_disconnect_timeout: Duration,
    /// `[settings] flex-push-timeout`: the same with a push subscription; granted twice.
    pub flex_push_timeout: Duration,
    /// `[settings] closed-session-readable`: how long a closed session can still be read by its customer.
    pub closed_session_readable: Duration,
    /// `[settings] max-message-size`, bytes.
    pub message_bytes_max: usize,
    /// `[settings] async-idle-alert`.
    pub async_idle_alert: Duration,
    /// `[settings] async-idle-close`.
    pub async_idle_close: Duration,
    /// `[settings] async-idle-notices`.
    pub async_idle_notices: IdleNotices,
    /// `[inactivity-control] enabled`.
    pub idle_enabled: bool,
    /// `[inactivity-control] include-notices`.
    pub idle_notices: IdleNotices,
    /// `[inactivity-control] timeout-alert`.
    pub idle_alert: Duration,
    /// `[inactivity-control] timeout-alert2`; zero: unused.
    pub idle_alert2: Duration,
    /// `[inactivity-control] timeout-close`.
    pub idle_close: Duration,
    /// `message-alert`; empty: nothing is sent.
    pub message_alert: String,
    /// `message-alert2`.
    pub message_alert2: String,
    /// `message-close`.
    pub message_close: String,
    /// `[chat.SERVICE] typing_preview`.
    pub typing_preview: bool,
    /// `[limits] participants`, of one session.
    pub participants_max: usize,
    /// `[limits] user-data-keys`.
    pub user_data_keys_max: usize,
    /// `[limits] user-data-size`, bytes of keys and values together.
    pub user_data_bytes_max: usize,
    /// `[limits] nickname`, characters.
    pub nickname_chars_max: usize,
    /// `[limits] subject`, characters.
    pub subject_chars_max: usize,
}

/// Which notices count as activity: `async-idle-notices`, `include-notices`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdleNotices {
    /// None.
    None,
    /// Push URL, file uploaded, file deleted.
    #[default]
    Major,
    /// Major and custom notices.
    Major2,
    /// Major and typing started.
    Typing,
    /// Custom, push URL, typing on and off, nickname, files.
    All,
}

impl Default for Policy {
    /// The defaults of the options.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            flex_disconnect_timeout: seconds(45),
            flex_push_timeout: seconds(86_400),
            closed_session_readable: seconds(3600),
            message_bytes_max: 32_768,
            async_idle_alert: seconds(86_400),
            async_idle_close: seconds(3600),
            async_idle_notices: IdleNotices::Major,
            idle_enabled: false,
            idle_notices: IdleNotices::Major,
            idle_alert: seconds(255),
            idle_alert2: seconds(0),
            idle_close: seconds(45),
            message_alert:
                "Chat session will be closed soon due to inactivity of chat participants.".into(),
            message_alert2:
                "Chat session will be closed very soon due to inactivity of chat participants."
                    .into(),
            message_close: "Chat session closed due to inactivity of chat participants.".into(),
            typing_preview: true,
            participants_max: 200,
            user_data_keys_max: 64,
            user_data_bytes_max: 16_384,
            nickname_chars_max: 256,
            subject_chars_max: 1000,
        }
    }
}
