//! Inactivity control: alerts and the end for want of activity. Seed *Inactivity monitoring* and *How disconnects and
//! idle timeouts work*.
//!
//! Two controls that may run at once. The regular one (`[inactivity-control]`) runs while the customer and an agent are
//! there; the async one (`[settings] async-idle-…`) from the start of an async chat. Any activity that everybody can see
//! starts them anew. Their times are not stored with the events: after a restart they begin again.

use std::time::Duration;

use super::draft::Draft;
use super::{
    Change, Event, EventKind, IdleNotices, Participant, Policy, QuitReason, Session, UserType,
    Visibility,
};
use crate::clock::{Instant, Now};

/// Async status once the alert of an idle async chat is out.
const IDLE_ALERTED: i8 = 3;

/// The timers of both controls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idle {
    /// Of `[inactivity-control]`.
    pub regular: Timer,
    /// Of `async-idle-alert` and `async-idle-close`.
    pub asynchronous: Timer,
    /// Kinds of activity since the timers were last set, as bits: applying an event is not told the time, so the timers
    /// are set anew when the session is next asked.
    pub seen: u16,
}

/// One timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timer {
    /// Since when nothing has happened; `None`: not running, or about to be started.
    pub since: Option<Instant>,
    /// What has been said about it.
    pub stage: Stage,
}

/// How far a control has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has been said.
    #[default]
    Quiet,
    /// The alert is out.
    Alerted,
    /// The second alert is out.
    AlertedTwice,
}

/// What a control wants when its time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Alert,
    Alert2,
    Close,
}

/// A message, or an agent coming or going.
const ALWAYS: u16 = 1;
/// A URL or a file.
const MAJOR: u16 = 1 << 1;
const CUSTOM: u16 = 1 << 2;
const TYPING: u16 = 1 << 3;
/// Typing has stopped, or a new nickname.
const OTHER: u16 = 1 << 4;
/// What bots do is noted this much higher: it starts the regular control anew, but not the async one.
const BOTS: u16 = 8;

impl Idle {
    /// Notes that something happened.
    pub(super) fn notice(&mut self, event: &Event) {
        let everybody_sees = event.visibility == Visibility::All && event.to.is_none();
        if !everybody_sees || event.from.user_type == UserType::System {
            return;
        }
        match (event.from.bot, kind_of(&event.kind)) {
            (false, kind) => self.seen |= kind,
            (true, kind) if !is_presence(&event.kind) => self.seen |= kind << BOTS,
            (true, _) => {}
        }
    }

    /// Timers that were started before `ready` start then, with nothing said yet.
    fn restart(&mut self, ready: Instant) {
        for timer in [&mut self.regular, &mut self.asynchronous] {
            if timer.since.is_some_and(|since| since < ready) {
                *timer = Timer {
                    since: Some(ready),
                    stage: Stage::Quiet,
                };
            }
        }
    }
}

impl Session {
    /// When to call [`due`](Self::due) next for the session's inactivity control; `None`: never. The past means now:
    /// after activity the timers have to be told the time once.
    pub fn poll_timeout(&self, policy: &Policy) -> Option<Instant> {
        let (regular, asynchronous) = self.timers(policy);
        let regular = regular.map(|timer| deadline(timer, regular_wait(timer.stage, policy)));
        let asynchronous =
            asynchronous.map(|timer| deadline(timer, async_wait(timer.stage, policy)));
        regular.into_iter().chain(asynchronous).min()
    }

    /// Sets the timers after activity. [`due`](Self::due) does it as well; doing it with the time of the activity is exact.
    pub fn settle(&mut self, policy: &Policy, now: Instant) {
        let (regular, asynchronous) = self.timers(policy);
        let started = |timer: Option<Timer>| match timer {
            Some(timer) => Timer {
                since: timer.since.or(Some(now)),
                ..timer
            },
            None => Timer::default(),
        };
        self.parts.idle = Idle {
            regular: started(regular),
            asynchronous: started(asynchronous),
            seen: 0,
        };
    }

    /// Starts every timer anew that was set before `ready`, the moment at which the process became ready: before it
    /// nobody could be active.
    pub fn restart_timers(&mut self, ready: Instant) {
        self.parts.idle.restart(ready);
    }

    /// What inactivity control wants done at `now`: changes to store and apply as those of a command, none if nothing
    /// is due. Warnings count as given from now on, also one whose text is empty.
    pub fn due(&mut self, policy: &Policy, now: Now) -> Vec<Change> {
        self.settle(policy, now.instant);
        let (regular, asynchronous) = self.timers(policy);
        let regular = regular
            .filter(|timer| deadline(*timer, regular_wait(timer.stage, policy)) <= now.instant)
            .map(|timer| regular_step(timer.stage, policy));
        let asynchronous = asynchronous
            .filter(|timer| deadline(*timer, async_wait(timer.stage, policy)) <= now.instant)
            .map(|timer| async_step(timer.stage));
        self.advance(regular, asynchronous, now.instant);
        self.consequences(regular, asynchronous, policy, now)
    }

    fn advance(&mut self, regular: Option<Step>, asynchronous: Option<Step>, now: Instant) {
        let idle = &mut self.parts.idle;
        for (timer, step) in [
            (&mut idle.regular, regular),
            (&mut idle.asynchronous, asynchronous),
        ] {
            timer.stage = match step {
                Some(Step::Alert) => Stage::Alerted,
                Some(Step::Alert2) => Stage::AlertedTwice,
                Some(Step::Close) | None => continue,
            };
            timer.since = Some(now);
        }
    }

    fn consequences(
        &self,
        regular: Option<Step>,
        asynchronous: Option<Step>,
        policy: &Policy,
        now: Now,
    ) -> Vec<Change> {
        let mut draft = Draft::new(self, now);
        let steps = [regular, asynchronous];
        if steps.contains(&Some(Step::Close)) {
            let text = policy.message_close.clone();
            announce(&mut draft, text, |text| EventKind::IdleClose { text });
            draft.close(QuitReason::Idle);
            return draft.finish();
        }
        for step in steps.into_iter().flatten() {
            let text = match step {
                Step::Alert2 => policy.message_alert2.clone(),
                _ => policy.message_alert.clone(),
            };
            announce(&mut draft, text, |text| EventKind::IdleAlert { text });
        }
        if asynchronous.is_some() {
            draft.async_status(IDLE_ALERTED);
        }
        draft.finish()
    }

    /// The timers that run, as what was seen since has left them.
    fn timers(&self, policy: &Policy) -> (Option<Timer>, Option<Timer>) {
        let idle = &self.parts.idle;
        let notices = self.parts.idle_notices.unwrap_or(policy.idle_notices);
        let counted = counted(notices) | counted(notices) << BOTS;
        let regular = fresh(idle.regular, idle.seen & counted != 0);
        let counted = self::counted(policy.async_idle_notices);
        let asynchronous = fresh(idle.asynchronous, idle.seen & counted != 0);
        (
            self.regular_runs(policy).then_some(regular),
            self.async_runs().then_some(asynchronous),
        )
    }

    fn regular_runs(&self, policy: &Policy) -> bool {
        policy.idle_enabled
            && self.closed_at().is_none()
            && self.customer().is_some_and(Participant::is_present)
            && self.participants().iter().any(Participant::serves)
    }

    fn async_runs(&self) -> bool {
        self.is_async() && self.closed_at().is_none()
    }
}

/// Whether a notice of this kind counts as activity.
pub(super) fn counts_as_notice(kind: &EventKind, notices: IdleNotices) -> bool {
    kind_of(kind) & counted(notices) & !ALWAYS != 0
}

/// An empty text is not sent; its timeout holds all the same.
fn announce(draft: &mut Draft<'_>, text: String, kind: impl FnOnce(String) -> EventKind) {
    if !text.is_empty() {
        draft.announce(kind(text));
    }
}

fn fresh(timer: Timer, active: bool) -> Timer {
    match active {
        true => Timer::default(),
        false => timer,
    }
}

/// A timer that was not started is due at once, so that it is.
fn deadline(timer: Timer, wait: Duration) -> Instant {
    timer.since.map_or(Instant(0), |since| since + wait)
}

fn regular_wait(stage: Stage, policy: &Policy) -> Duration {
    match (stage, policy.idle_alert2) {
        (Stage::Quiet, _) => policy.idle_alert,
        (Stage::Alerted, alert2) if !alert2.is_zero() => alert2,
        (Stage::Alerted | Stage::AlertedTwice, _) => policy.idle_close,
    }
}

fn regular_step(stage: Stage, policy: &Policy) -> Step {
    match stage {
        Stage::Quiet => Step::Alert,
        Stage::Alerted if !policy.idle_alert2.is_zero() => Step::Alert2,
        Stage::Alerted | Stage::AlertedTwice => Step::Close,
    }
}

fn async_wait(stage: Stage, policy: &Policy) -> Duration {
    match stage {
        Stage::Quiet => policy.async_idle_alert,
        Stage::Alerted | Stage::AlertedTwice => policy.async_idle_close,
    }
}

fn async_step(stage: Stage) -> Step {
    match stage {
        Stage::Quiet => Step::Alert,
        Stage::Alerted | Stage::AlertedTwice => Step::Close,
    }
}

fn kind_of(kind: &EventKind) -> u16 {
    match kind {
        EventKind::Message { .. }
        | EventKind::ParticipantJoined
        | EventKind::ParticipantLeft { .. } => ALWAYS,
        EventKind::PushUrl { .. }
        | EventKind::FileUploaded { .. }
        | EventKind::FileDeleted { .. } => MAJOR,
        EventKind::CustomNotice { .. } => CUSTOM,
        EventKind::TypingStarted { .. } => TYPING,
        EventKind::TypingStopped { .. } | EventKind::NicknameUpdated { .. } => OTHER,
        EventKind::Notice { .. } | EventKind::IdleAlert { .. } | EventKind::IdleClose { .. } => 0,
    }
}

fn is_presence(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::ParticipantJoined | EventKind::ParticipantLeft { .. }
    )
}

fn counted(notices: IdleNotices) -> u16 {
    ALWAYS
        | match notices {
            IdleNotices::None => 0,
            IdleNotices::Major => MAJOR,
            IdleNotices::Major2 => MAJOR | CUSTOM,
            IdleNotices::Typing => MAJOR | TYPING,
            IdleNotices::All => MAJOR | CUSTOM | TYPING | OTHER,
        }
}

#[cfg(test)]
mod tests;
