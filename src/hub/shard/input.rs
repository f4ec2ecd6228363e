//! What a shard is given.

use super::*;

/// What configuration decides about every shard; a reload replaces it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// About sessions of services that are no longer configured.
    pub policy: Arc<Policy>,
    /// The services, by name.
    pub services: HashMap<String, Service>,
    /// `flex-push-resend-*`.
    pub resend: ResendSchedule,
    /// `flex-push-content`.
    pub reveal: wire::push::Reveal,
    /// `[server] alias`.
    pub alias: String,
    /// `customhttp.message` of each destination that has one.
    pub push_messages: HashMap<String, String>,
    /// `[cometd] maxInterval`: how long agents are waited for after a restart.
    pub agents_return_within: Duration,
    /// `[limits] idempotency-keys`: of one chat, within a day.
    pub idempotency_keys_max: usize,
    /// How long a session that nobody watches stays awake after the last touch.
    pub awake_for: Duration,
}

/// What is configured per service.
#[derive(Clone, Debug)]
pub struct Service {
    /// About its sessions.
    pub policy: Arc<Policy>,
    /// `push_notification_to_active_client`.
    pub push_to_active_client: bool,
}

/// What a shard is given.
pub enum Input {
    /// A customer begins a chat.
    Create(Box<Begin>),
    /// Something is asked of a session, or about it.
    Ask(SessionId, Ask),
    /// Batches are durable, or not.
    Stored(Vec<Completion>),
    /// A session that [`Output::Load`] asked for.
    Loaded(SessionId, Box<Result<Option<Stored>, store::Error>>),
    /// Events that [`Output::Fetch`] asked for.
    Fetched(Fetch, Result<Vec<Event>, store::Error>),
    /// A push ended, or will be tried again.
    Settled(DeliveryId, Outcome),
    /// A destination had no room for this push, which is to be offered again once it has.
    PushRefused(DeliveryId, String),
    /// A destination has room for this many more.
    PushRoom(String, usize),
    /// A destination answers again: what waits for its next attempt need not.
    PushRecovered(String),
    /// Sessions whose deadline has come, or that were awake when the process ended.
    Wake(Vec<SessionId>),
    /// The list of open sessions is watched.
    WatchList(Arc<dyn Viewer>),
    /// No longer.
    UnwatchList(ViewerId),
    /// A viewer of the list has room again.
    ListRoom(ViewerId),
    /// Those of these whose state in memory is that of the disk, and which must be looked up there.
    Summaries(
        Vec<SessionId>,
        Box<dyn FnOnce(Vec<Summary>, Vec<SessionId>) + Send>,
    ),
    /// Configuration was reloaded.
    Settings(Arc<Settings>),
    /// The time of [`Shard::poll_timeout`] has come.
    Tick,
}

/// A chat to begin.
pub struct Begin {
    /// Its identifier.
    pub session: SessionId,
    /// What was asked.
    pub create: Create,
    /// The wish for pushes.
    pub subscription: Option<Subscription>,
    /// The customer's Bayeux client: told from the first event on.
    pub viewer: Option<Arc<dyn Viewer>>,
    /// The answer.
    pub reply: Reply<Done>,
}

/// Something asked of one session.
pub enum Ask {
    /// A command.
    Submit {
        /// Who asks.
        caller: Caller,
        /// What.
        command: Command,
        /// And what was said beside it.
        also: Also,
        /// The answer.
        reply: Reply<Done>,
    },
    /// A command of whoever this viewer has joined as.
    SubmitAs(ViewerId, Command, Reply<Done>),
    /// An agent comes in, or takes its participant over after a restart.
    Join {
        /// As whom.
        join: Join,
        /// Who is told from then on.
        viewer: Arc<dyn Viewer>,
        /// How much of the transcript is answered, bytes.
        bytes_max: usize,
        /// The answer.
        reply: Reply<Joined>,
    },
    /// Reads events.
    Read {
        /// For whom.
        reader: ParticipantId,
        /// From which index on; 0 reads none.
        from: u64,
        /// How much.
        bytes_max: usize,
        /// It has fetched what was there before: acknowledges pushes.
        acknowledge: bool,
        /// The answer.
        reply: Reply<Page>,
    },
    /// Reads events as whoever this viewer has joined as.
    ReadAs(ViewerId, u64, usize, Reply<Page>),
    /// The customer's Bayeux client watches from this index on; an older one no longer does. It may wish for other
    /// pushes from now on.
    Watch(Arc<dyn Viewer>, u64, Option<Box<Renewal>>, Reply<View>),
    /// A viewer has room again.
    Room(ViewerId),
    /// What a viewer was told up to this index has arrived.
    Confirmed(ViewerId, u64),
    /// What a viewer was told after this index may not have arrived.
    Rewind(ViewerId, u64),
    /// The customer said so itself, from outside its session: everything up to this index has arrived.
    Fetched(u64),
    /// A viewer is gone; an agent that only lost its connection leaves as lost.
    Gone(ViewerId, Parting),
}

impl Ask {
    /// What a sleeping session need not hear: it has no seats.
    pub(super) fn concerns_only_the_awake(&self) -> bool {
        matches!(
            self,
            Ask::Room(_) | Ask::Confirmed(..) | Ask::Rewind(..) | Ask::Gone(..)
        )
    }

    /// Answers that it cannot be.
    pub fn refuse(self, refusal: Refusal) {
        match self {
            Ask::Submit { reply, .. } | Ask::SubmitAs(_, _, reply) => reply(Err(refusal)),
            Ask::Join { reply, .. } => reply(Err(refusal)),
            Ask::Read { reply, .. } | Ask::ReadAs(_, _, _, reply) => reply(Err(refusal)),
            Ask::Watch(_, _, _, reply) => reply(Err(refusal)),
            Ask::Room(_)
            | Ask::Confirmed(..)
            | Ask::Rewind(..)
            | Ask::Fetched(_)
            | Ask::Gone(..) => {}
        }
    }
}

impl Settings {
    /// The policy of the sessions of `service`.
    pub(super) fn policy_of(&self, service: &str) -> &Policy {
        self.services
            .get(service)
            .map_or(&self.policy, |service| &service.policy)
    }
}

#[cfg(test)]
impl Settings {
    /// The defaults, without push.
    pub fn for_tests() -> Self {
        Self {
            policy: Arc::default(),
            services: HashMap::new(),
            resend: ResendSchedule::default(),
            reveal: wire::push::Reveal::default(),
            alias: "1".into(),
            push_messages: HashMap::new(),
            agents_return_within: Duration::from_secs(60),
            idempotency_keys_max: 4096,
            awake_for: Duration::from_secs(30),
        }
    }
}
