//! alice's chat with bob, in the eyes of her push side.

use super::*;

/// What a delivery tells, and to what `nextPosition` it points.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Event(u64),
    Notify(u32, Option<u64>, u64),
}

pub(super) fn notify(attempt: u32, position: u64) -> Told {
    Told::Notify(attempt, Some(position), position + 1)
}

pub(super) fn removed(attempt: u32, next_position: u64) -> Told {
    Told::Notify(attempt, None, next_position)
}

/// One chat: a subscriber, and a clock that stands still until moved.
pub(super) struct Chat {
    pub(super) subscriber: Subscriber,
    pub(super) schedule: ResendSchedule,
    pub(super) viewer_live: bool,
    pub(super) next_index: u64,
    pub(super) now: Now,
    pub(super) changes: Vec<Change>,
}

impl Chat {
    pub(super) fn new(subscription: Subscription) -> Self {
        Self {
            subscriber: Subscriber::new(subscription),
            schedule: ResendSchedule::new(vec![seconds(15)], 2).unwrap(),
            viewer_live: false,
            next_index: 2,
            now: Now {
                instant: Instant(1_000),
                wall: Wall(1_000),
            },
            changes: Vec::new(),
        }
    }

    pub(super) fn bob_says(&mut self, index: u64) {
        let kind = EventKind::PushUrl { url: String::new() };
        self.event(BOB, index, kind);
    }

    pub(super) fn alice_says(&mut self, index: u64) {
        self.event(ALICE, index, EventKind::TypingStopped { text: None });
    }

    pub(super) fn alice_leaves(
        &mut self,
        index: u64,
        quit: Option<QuitReason>,
        reason: Option<LeaveReason>,
    ) {
        self.leaves(ALICE, index, quit, reason);
    }

    pub(super) fn leaves(
        &mut self,
        who: u32,
        index: u64,
        quit: Option<QuitReason>,
        reason: Option<LeaveReason>,
    ) {
        self.event(who, index, EventKind::ParticipantLeft { reason, quit });
    }

    pub(super) fn event(&mut self, from: u32, index: u64, kind: EventKind) {
        self.next_index = index + 1;
        let event = Event {
            index,
            at: self.now.wall,
            from: Author {
                participant: ParticipantId(from),
                nickname: String::new(),
                user_type: UserType::Client,
                bot: false,
            },
            visibility: Visibility::All,
            to: None,
            kind,
            user_data: UserData::default(),
            attributes: KvList::default(),
        };
        let changes = self
            .subscriber
            .on_event(&event, from == ALICE, self.look(), self.now);
        self.apply(changes);
    }

    pub(super) fn acknowledged(&mut self, position: u64) {
        let changes = self.subscriber.on_acknowledged(position);
        self.apply(changes);
    }

    pub(super) fn viewer_gone(&mut self) {
        self.viewer_live = false;
        let changes = self.subscriber.on_viewer_gone(self.look(), self.now);
        self.apply(changes);
    }

    pub(super) fn delivered(&mut self, number: u64) {
        self.settle(number, Outcome::Delivered);
    }

    pub(super) fn dead(&mut self, number: u64) {
        let reason = "HTTP 404".to_owned();
        self.settle(number, Outcome::Dead { reason });
    }

    pub(super) fn fails(&mut self, number: u64, not_before: u64) {
        let outcome = Outcome::Retry {
            not_before: Instant(not_before),
            retry_after: None,
        };
        self.settle(number, outcome);
    }

    pub(super) fn settle(&mut self, number: u64, outcome: Outcome) {
        let changes = self
            .subscriber
            .on_attempt(number, outcome, &self.schedule, self.now);
        self.apply(changes);
    }

    pub(super) fn deliver_all(&mut self) {
        for number in self.numbers() {
            self.delivered(number);
        }
    }

    pub(super) fn spend(&mut self) {
        while !self.numbers().is_empty() {
            self.deliver_all();
            self.wait(15);
        }
    }

    pub(super) fn wait(&mut self, by: u64) {
        self.now.instant = self.now.instant + seconds(by);
        let changes = self.subscriber.due(&self.schedule, self.look(), self.now);
        self.apply(changes);
    }

    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in &changes {
            self.subscriber.apply(change);
        }
        self.changes.extend(changes);
    }

    /// Something happens, chosen by a number.
    pub(super) fn step(&mut self, step: u8, by: u64) {
        let head = self.head().unwrap_or(0);
        match step {
            0 => self.bob_says(self.next_index),
            1 => self.alice_says(self.next_index),
            2 => self.acknowledged(self.next_index.saturating_sub(by)),
            3 => self.delivered(head),
            4 => self.dead(head),
            5 => self.fails(head, self.now.instant.0 + by),
            6 => self.wait(by * 8),
            7 => self.viewer_live = true,
            _ if by == 0 => self.alice_leaves(self.next_index, Some(QuitReason::Idle), None),
            _ => self.viewer_gone(),
        }
    }

    pub(super) fn look(&self) -> Look {
        Look {
            next_index: self.next_index,
            ended: false,
            viewer_live: self.viewer_live,
        }
    }

    pub(super) fn head(&self) -> Option<u64> {
        self.subscriber.head().map(|delivery| delivery.number)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.subscriber
            .poll_timeout(&self.schedule, self.viewer_live)
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        let owed = self.subscriber.owed.iter();
        owed.map(|delivery| delivery.number).collect()
    }

    pub(super) fn told(&self) -> Vec<Told> {
        let owed = self.subscriber.owed.iter();
        owed.map(|delivery| match delivery.content {
            Content::Event { index, .. } => Told::Event(index),
            Content::Notify {
                attempt,
                position,
                next_position,
                ..
            } => Told::Notify(attempt, position, next_position),
        })
        .collect()
    }
}

pub(super) fn owed(change: &Change) -> Option<&Delivery> {
    match change {
        Change::Owed(delivery) => Some(delivery),
        _ => None,
    }
}

pub(super) fn told_event(delivery: &Delivery) -> Option<u64> {
    match delivery.content {
        Content::Event { index, .. } => Some(index),
        Content::Notify { .. } => None,
    }
}

pub(super) fn payload() -> Subscription {
    Subscription {
        device_id: "dev-42".to_owned(),
        destination: "customhttp".to_owned(),
        include_payload: true,
        resend: false,
        notify_requestor: false,
    }
}

pub(super) fn resend() -> Subscription {
    Subscription {
        resend: true,
        ..payload()
    }
}

pub(super) fn seconds(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}
