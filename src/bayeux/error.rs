//! The errors of the protocol, as they stand in replies: `code:arguments:text`.

/// Why a message was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No `channel`.
    #[error("400::channel_missing")]
    ChannelMissing,
    /// A publish without `data`.
    #[error("400::data_missing")]
    DataMissing,
    /// The client is unknown: never was, or is no more, or is not this caller's.
    #[error("402::session_unknown")]
    SessionUnknown,
    /// The client needs a newer protocol than 1.0.
    #[error("403:{0}:version_unsupported")]
    VersionUnsupported(String),
    /// There is no common way to carry messages.
    #[error("403::connection_types_unsupported")]
    ConnectionTypesUnsupported,
    /// No `subscription`.
    #[error("403::subscription_missing")]
    SubscriptionMissing,
    /// A `subscription` that is no channel.
    #[error("403::subscription_invalid")]
    SubscriptionInvalid,
    /// More subscriptions than allowed.
    #[error("403:[limits] subscriptions-per-client = {0}:subscription_limit_reached")]
    SubscriptionLimit(usize),
    /// A channel nobody may subscribe to.
    #[error("403:{0}:subscribe_denied")]
    SubscribeDenied(String),
    /// A channel nobody may publish to.
    #[error("403:{0}:publish_denied")]
    PublishDenied(String),
    /// A held connect too many of one browser.
    #[error("403::too_many_sessions")]
    TooManySessions,
    /// A `channel` that is none.
    #[error("405::channel_invalid")]
    ChannelInvalid,
    /// An `id` of other characters than letters and digits.
    #[error("405::message_id_invalid")]
    MessageIdInvalid,
    /// The address of the caller sends more than it may.
    #[error("429::too_many_requests")]
    TooOften,
    /// The application did not answer in time; the message may have happened.
    #[error("500::publish_timeout")]
    PublishTimeout,
    /// The server is ending.
    #[error("503::server_draining")]
    Draining,
    /// There are as many clients as there may be.
    #[error("503:[limits] clients = {0}:client_limit_reached")]
    ClientLimit(usize),
}
