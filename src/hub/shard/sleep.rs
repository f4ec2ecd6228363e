//! Looking after, and putting away. A session that nobody watches and nothing happens to leaves memory; its next
//! deadline is in the store's index, and it comes back on the first touch.

use super::*;
use crate::chat::{QuitReason, Verdict};
use crate::hub::fan_out::CUSTOMER;

/// Events stay in memory this long after the last touch.
const EVENTS_KEPT_FOR: Duration = Duration::from_secs(5);
/// A chat that owes a push sleeps no longer than this, so that one whose destination has answered again since the process
/// was started is looked for, whatever its own schedule says.
const OWING_SLEEP_MAX: Duration = Duration::from_secs(600);
/// A push that waits for room at its destination is looked for again after a crash within this time.
const PUSH_FALLBACK: Duration = Duration::from_secs(60);
/// A session is looked after at most this often, whatever its deadlines say.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

impl Shard {
    /// The disk has just failed: nothing is written that nobody asked for.
    pub(super) fn is_paused(&self, now: Now) -> bool {
        self.failing.is_some() || now.instant < self.resume_at
    }

    /// Other settings from now on; deadlines may be nearer with them.
    pub(super) fn reconfigure(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
        let awake: Vec<SessionId> = self.rooms.keys().copied().collect();
        for session in awake {
            self.reschedule(session);
        }
    }

    /// Looks after every session whose time has come, each once.
    pub(super) fn tick(&mut self, now: Now) {
        let later = self
            .timers
            .split_off(&(now.instant + Duration::from_millis(1), SessionId::MIN));
        let due = std::mem::replace(&mut self.timers, later);
        for (_, session) in due {
            if let Some(room) = self.room(session) {
                room.timer = None;
                self.look_after(session, now);
            }
        }
    }

    fn look_after(&mut self, session: SessionId, now: Now) {
        let next = now.instant + LOOK_PAUSE;
        if self.is_paused(now) {
            return self.reschedule_from(session, next);
        }
        self.look_after_inactivity(session, now);
        self.look_after_customer(session, now);
        self.look_after_orphans(session, now);
        self.push_due(session, now);
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return;
        };
        if room.expired(&settings, now.instant) {
            return self.forget(session);
        }
        if room.can_sleep(&settings, now.instant) {
            return self.put_away(session, OWING_SLEEP_MAX, now);
        }
        if now.instant.since(room.touched) >= EVENTS_KEPT_FOR {
            room.forget_events();
        }
        self.reschedule_from(session, next);
    }

    fn look_after_inactivity(&mut self, session: SessionId, now: Now) {
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return;
        };
        if room
            .chat
            .poll_timeout(settings.policy_of(&room.service))
            .is_some_and(|at| at <= now.instant)
        {
            let changes = room.chat.due(settings.policy_of(&room.service), now);
            if !changes.is_empty() {
                self.commit(
                    session,
                    Decision {
                        changes,
                        ..Decision::default()
                    },
                    Vec::new(),
                    now,
                );
            }
        }
    }

    fn look_after_customer(&mut self, session: SessionId, now: Now) {
        let settings = self.settings.clone();
        let Some(room) = self.room(session) else {
            return;
        };
        if !room.customer_is_present() {
            return;
        }
        match room.presence.expired(
            room.push.is_some(),
            room.vouched(),
            settings.policy_of(&room.service),
            now.instant,
        ) {
            Verdict::Nothing => {}
            Verdict::GrantOnceMore => room.presence.grant(now.instant),
            Verdict::Remove => {
                let command = Command::Remove {
                    participant: CUSTOMER,
                    quit: QuitReason::Inactive,
                    lost: false,
                };
                self.command(session, command, now);
            }
        }
    }

    /// Agents who have not come back after a restart leave as lost; a customer's client that has not is gone.
    fn look_after_orphans(&mut self, session: SessionId, now: Now) {
        let Some(room) = self.room(session) else {
            return;
        };
        if room.orphans_until.is_none_or(|until| until > now.instant) {
            return;
        }
        room.orphans_until = None;
        let orphans: Vec<ParticipantId> = room.orphans().map(|orphan| orphan.id).collect();
        for participant in orphans {
            self.command(
                session,
                Command::Remove {
                    participant,
                    quit: QuitReason::Server,
                    lost: true,
                },
                now,
            );
        }
        if self.room(session).is_some_and(|room| !room.vouched()) {
            self.viewer_gone(session, now);
        }
    }

    /// One that owes a push sleeps no longer than `owing_max`.
    fn put_away(&mut self, session: SessionId, owing_max: Duration, now: Now) {
        let Some(Slot::Awake(room)) = self.rooms.remove(&session) else {
            return;
        };
        self.lay_aside(&room);
        let owes = room.push.as_ref().is_some_and(|push| push.head().is_some());
        let owing_max = if room.push_queued {
            owing_max.min(PUSH_FALLBACK)
        } else {
            owing_max
        };
        let push = owes.then(|| now.instant + owing_max);
        // Only the end of the process puts those away who are watched: whoever does not come back is looked after then.
        let watched = room.watched().then_some(now.instant);
        let deadline = room
            .deadline(&self.settings, push)
            .into_iter()
            .chain(watched)
            .min();
        self.outputs.push_back(Output::PutAway(
            session,
            Box::new(room.snapshot()),
            deadline,
        ));
    }

    fn forget(&mut self, session: SessionId) {
        if let Some(Slot::Awake(room)) = self.rooms.remove(&session) {
            self.lay_aside(&room);
            self.forget_push(&room);
            self.count_owed(session);
            self.outputs.push_back(Output::Forget(session));
        }
    }

    /// Everything that is awake and has nothing under way goes to sleep: the end of a drain.
    pub fn put_all_away(&mut self, now: Now) {
        let idle: Vec<SessionId> = self
            .rooms
            .iter()
            .filter_map(|(session, slot)| match slot {
                Slot::Awake(room) if room.committing == 0 => Some(*session),
                _ => None,
            })
            .collect();
        for session in idle {
            // What is owed is looked after at once at the next start: its destination may answer again.
            self.put_away(session, Duration::ZERO, now);
        }
    }

    pub(super) fn sign_of_life(&mut self, session: SessionId, now: Now) {
        if let Some(room) = self.room(session) {
            room.presence.touch(now.instant);
        }
    }

    /// Puts the session's entry in the timers where it belongs now.
    pub(super) fn reschedule(&mut self, session: SessionId) {
        self.reschedule_from(session, self.resume_at);
    }

    /// As [`reschedule`](Self::reschedule), not before `earliest`.
    fn reschedule_from(&mut self, session: SessionId, earliest: Instant) {
        let settings = self.settings.clone();
        let Some(room) = self.rooms.get_mut(&session).and_then(Slot::awake) else {
            return;
        };
        let earliest = earliest.max(self.resume_at);
        let wanted = room.next_look(&settings).map(|at| at.max(earliest));
        if room.timer == wanted {
            return;
        }
        // A timer that rings too early costs one look; moving it with every touch would cost more.
        if let (Some(set), Some(wanted)) = (room.timer, wanted)
            && set <= wanted
        {
            return;
        }
        let old = std::mem::replace(&mut room.timer, wanted);
        if let Some(at) = old {
            self.timers.remove(&(at, session));
        }
        if let Some(at) = wanted {
            self.timers.insert((at, session));
        }
    }

    /// A room is no longer there to be looked after, nor counted.
    pub(super) fn lay_aside(&mut self, room: &Room) {
        self.open -= usize::from(room.durable.is_open());
        if let Some(at) = room.timer {
            self.timers.remove(&(at, room.id));
        }
    }
}

impl Room {
    fn customer_is_present(&self) -> bool {
        self.chat
            .customer()
            .is_some_and(chat::Participant::is_present)
    }

    /// When the session must be looked after, awake or asleep. `push` is when a push must be looked for again.
    fn deadline(&self, settings: &Settings, push: Option<Instant>) -> Option<Instant> {
        let policy = settings.policy_of(&self.service);
        let customer = self
            .customer_is_present()
            .then(|| {
                self.presence
                    .next(self.push.is_some(), self.vouched(), policy)
            })
            .flatten();
        let idle = self.chat.poll_timeout(policy);
        let readable = self
            .chat
            .closed_at()
            .map(|at| Instant(at.0) + policy.closed_session_readable)
            .filter(|_| !self.owes(settings));
        [
            customer,
            idle,
            readable,
            self.orphans_until,
            push,
            self.push_timeout(settings),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn next_look(&self, settings: &Settings) -> Option<Instant> {
        let housekeeping = |after| (self.touched + after).whole_tenth();
        let events = self.keeps_events().then(|| housekeeping(EVENTS_KEPT_FOR));
        let sleep = self.may_sleep().then(|| housekeeping(settings.awake_for));
        [self.deadline(settings, None), events, sleep]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closed, no longer readable, and nobody is owed a push of it.
    fn expired(&self, settings: &Settings, now: Instant) -> bool {
        let readable_until = self
            .chat
            .closed_at()
            .map(|at| Instant(at.0) + settings.policy_of(&self.service).closed_session_readable);
        readable_until.is_some_and(|until| until <= now) && self.may_sleep() && !self.owes(settings)
    }

    fn may_sleep(&self) -> bool {
        self.seats.is_empty()
            && self.committing == 0
            && self.fetching == 0
            && self.pushing.is_none()
            && self.settled.is_none()
            && self.orphans_until.is_none()
    }

    fn can_sleep(&self, settings: &Settings, now: Instant) -> bool {
        self.may_sleep() && now.since(self.touched) >= settings.awake_for
    }
}
