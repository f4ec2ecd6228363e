//! One session that is awake.

use std::collections::VecDeque;
use std::sync::Arc;

use super::answer::{Refusal, Summary, View};
use super::fan_out::{CUSTOMER, weight};
use super::seat::{Seat, ViewerId};
use super::shard::{Joining, Settled};
use crate::chat::{self, Event, Participant};
use crate::clock::Instant;
use crate::id::{Epoch, ParticipantId, SessionId};
use crate::push::Subscriber;
use crate::store::{Remembered, Snapshot};

/// Events of a session that are kept in memory while it is awake, in bytes: enough for what a refresh usually asks.
const TAIL_BYTES_MAX: usize = 16 * 1024;
/// How long an idempotency key is remembered: contract §2.
const REMEMBERED_FOR: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// One session that is awake. What has been decided is folded in at once; `durable` is what may be told.
pub(super) struct Room {
    pub(super) id: SessionId,
    pub(super) service: Arc<str>,
    pub(super) epoch: Epoch,
    pub(super) chat: chat::Session,
    pub(super) push: Option<Subscriber>,
    /// The number of the delivery that was handed out.
    pub(super) pushing: Option<u64>,
    /// The number and the body of what was posted, until its end is known.
    pub(super) posted: Option<(u64, bytes::Bytes)>,
    /// How the push ended that was posted, until that is durable.
    pub(super) settled: Option<Box<Settled>>,
    /// Its push waits for room at its destination.
    pub(super) push_queued: bool,
    /// Steps of the push side that are folded in and go into the next record.
    pub(super) unstored: Vec<crate::push::Change>,
    /// Idempotency keys of the last day, the oldest first.
    pub(super) remembered: VecDeque<Remembered>,
    /// When the customer last gave a sign of life.
    pub(super) presence: chat::Liveness,
    /// Anything happened: the session stays awake for a while.
    pub(super) touched: Instant,
    pub(super) seats: Vec<Seat>,
    /// Joins whose transcript is on its way from the store.
    pub(super) joining: Vec<Joining>,
    /// The customer's client takes its seat once the beginning of the chat is durable.
    pub(super) viewer_coming: bool,
    /// The customer's CometD key, once an event was encoded for it.
    pub(super) key: std::cell::OnceCell<Box<str>>,
    pub(super) durable: Durable,
    /// The last durable events, without a gap up to the end.
    tail: VecDeque<Arc<Event>>,
    tail_bytes: usize,
    /// Older events, read from the store for the pushes that come next. Hardly any chat has a backlog.
    ahead: Option<Box<Ahead>>,
    /// Batches on their way to the disk.
    pub(super) committing: u32,
    /// Reads on their way from the disk.
    pub(super) fetching: u32,
    /// When it is looked after next; its entry in the shard's timers.
    pub(super) timer: Option<Instant>,
    /// Until when agents who were here before a restart are waited for.
    pub(super) orphans_until: Option<Instant>,
}

/// What of a session is durable, and may be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Durable {
    /// The index of the next event.
    pub(super) next_index: u64,
    /// It is over.
    pub(super) closed: bool,
    /// The index of the customer's leaving.
    pub(super) customer_left: Option<u64>,
    /// A supervisor monitors silently.
    pub(super) monitored: bool,
    /// Deliveries before this number may be made.
    pub(super) next_delivery: u64,
}

/// Events in their order.
struct Ahead(VecDeque<Arc<Event>>);

impl Room {
    /// A session that was just loaded, or is about to be created.
    pub(super) fn new(id: SessionId, snapshot: Snapshot, epoch: Epoch, now: Instant) -> Self {
        let durable = Durable::of(&snapshot.chat, snapshot.push.as_ref());
        Self {
            id,
            service: snapshot.chat.service().clone(),
            epoch,
            chat: snapshot.chat,
            push: snapshot.push,
            pushing: None,
            posted: None,
            settled: None,
            push_queued: false,
            unstored: Vec::new(),
            remembered: snapshot.remembered.into(),
            presence: snapshot.presence,
            touched: now,
            seats: Vec::new(),
            joining: Vec::new(),
            viewer_coming: false,
            key: std::cell::OnceCell::new(),
            durable,
            tail: VecDeque::new(),
            tail_bytes: 0,
            ahead: None,
            committing: 0,
            fetching: 0,
            timer: None,
            orphans_until: None,
        }
    }

    /// What the store keeps while the session sleeps.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            chat: self.chat.clone(),
            push: self.push.clone(),
            remembered: self.remembered.iter().cloned().collect(),
            presence: self.presence,
        }
    }

    /// The session as `participant` may know it: durable things only.
    pub(super) fn view(&self, participant: ParticipantId) -> View {
        let left = self
            .durable
            .customer_left
            .filter(|_| participant == CUSTOMER);
        View {
            session: self.id,
            service: self.service.clone(),
            participant,
            ended: self.durable.closed || left.is_some(),
            customer_left: left,
            monitored: self.durable.monitored,
            next_index: self.durable.next_index,
            names_service: self.names_service(),
        }
    }

    /// Whether the CometD key of this chat carries the service name (`GCTI_GMS_ClientChannel`).
    pub(super) fn names_service(&self) -> bool {
        self.chat.user_data().contains_key("GCTI_GMS_ClientChannel")
    }

    /// The session in an agent's list, as it will be once what was decided is durable.
    pub(super) fn summary(&self) -> Summary {
        summary_of(self.id, &self.chat)
    }

    /// The index after the last that `participant` may read: its own leaving ends it.
    pub(super) fn end_for(&self, participant: ParticipantId) -> u64 {
        match (participant == CUSTOMER, self.durable.customer_left) {
            (true, Some(left)) => self.durable.next_index.min(left + 1),
            _ => self.durable.next_index,
        }
    }

    /// Durable events from `from` on, if memory still has them all.
    pub(super) fn recent(&self, from: u64) -> Option<impl Iterator<Item = &Arc<Event>>> {
        let first = self.first_recent();
        (from >= first).then(|| self.tail.iter().filter(move |event| event.index >= from))
    }

    /// Keeps what was read for the pushes that come next.
    pub(super) fn keep_ahead(&mut self, events: impl Iterator<Item = Arc<Event>>) {
        let ahead = Ahead(events.collect());
        self.ahead = (!ahead.0.is_empty()).then(|| Box::new(ahead));
    }

    /// The event of the next push, if it was read together with the last one's.
    pub(super) fn read_ahead(&mut self, index: u64) -> Option<Arc<Event>> {
        let Ahead(ahead) = &mut **self.ahead.as_mut()?;
        while ahead.front().is_some_and(|event| event.index < index) {
            ahead.pop_front();
        }
        let event = ahead.pop_front_if(|event| event.index == index);
        if ahead.is_empty() {
            self.ahead = None;
        }
        event
    }

    /// An event became durable.
    pub(super) fn remember_event(&mut self, event: Arc<Event>) {
        self.tail_bytes += weight(&event);
        self.tail.push_back(event);
        while self.tail_bytes > TAIL_BYTES_MAX && self.tail.len() > 1 {
            if let Some(old) = self.tail.pop_front() {
                self.tail_bytes -= weight(&old);
            }
        }
    }

    /// The index of the first event that memory has.
    pub(super) fn first_recent(&self) -> u64 {
        self.tail
            .front()
            .map_or(self.durable.next_index, |event| event.index)
    }

    /// Nothing has happened for a moment: the events can be read from the store.
    pub(super) fn forget_events(&mut self) {
        self.tail = VecDeque::new();
        self.tail_bytes = 0;
    }

    /// Whether events are kept in memory.
    pub(super) fn keeps_events(&self) -> bool {
        !self.tail.is_empty()
    }

    /// The command that used up this idempotency key, if one did within a day.
    pub(super) fn repeated(&self, key: u128, now: Instant) -> Option<&Remembered> {
        self.remembered
            .iter()
            .find(|known| known.key == key && now.since(known.at) < REMEMBERED_FOR)
    }

    /// Whether one more key can be remembered beside those of the last day: none is forgotten before its time.
    pub(super) fn has_room_for_a_key(&mut self, max: usize, now: Instant) -> bool {
        let is_old = |key: &Remembered| now.since(key.at) >= REMEMBERED_FOR;
        while self.remembered.front().is_some_and(is_old) {
            self.remembered.pop_front();
        }
        self.remembered.len() < max
    }

    /// Whether a Bayeux client vouches for the customer.
    pub(super) fn vouched(&self) -> bool {
        self.seats.iter().any(|seat| seat.participant == CUSTOMER)
    }

    /// The seat of a viewer.
    pub(super) fn seat(&mut self, viewer: ViewerId) -> Option<&mut Seat> {
        self.seats
            .iter_mut()
            .find(|seat| seat.viewer.id() == viewer)
    }

    /// Agents who are in the session although nobody is connected for them: a restart lost their connections.
    pub(super) fn orphans(&self) -> impl Iterator<Item = &Participant> {
        self.chat
            .participants()
            .iter()
            .filter(|someone| someone.is_present() && someone.protocol == chat::Protocol::Basic)
            .filter(|someone| self.seats.iter().all(|seat| seat.participant != someone.id))
    }

    /// Whether the participant has not left, nor is about to with what is on its way to the disk.
    pub(super) fn is_present(&self, participant: ParticipantId) -> bool {
        let someone = self.chat.participant(participant);
        someone.is_some_and(Participant::is_present)
    }

    /// The participant as whom a viewer acts, if it has joined and not left.
    pub(super) fn acting(&self, viewer: ViewerId) -> Result<ParticipantId, Refusal> {
        self.seats
            .iter()
            .find(|seat| seat.viewer.id() == viewer && seat.until.is_none())
            .map(|seat| seat.participant)
            .ok_or(Refusal::NotJoined)
    }
}

impl Durable {
    /// It has begun and is not over.
    pub(super) fn is_open(&self) -> bool {
        self.next_index > 1 && !self.closed
    }

    /// It is over, or its customer has left it or was removed.
    pub(super) fn is_over_for_customer(&self) -> bool {
        self.closed || self.customer_left.is_some()
    }

    /// What may be told once everything in `chat` is durable.
    pub(super) fn of(chat: &chat::Session, push: Option<&Subscriber>) -> Self {
        Self {
            next_index: chat.next_index(),
            closed: chat.state() == chat::State::Closed,
            customer_left: chat.participant(CUSTOMER).and_then(|customer| {
                match customer.presence {
                    chat::Presence::Present => None,
                    chat::Presence::Left { index, .. } => Some(index),
                }
            }),
            monitored: chat.is_monitored(),
            next_delivery: push.map_or(0, Subscriber::next_number),
        }
    }
}

/// A session in an agent's list.
pub(super) fn summary_of(id: SessionId, chat: &chat::Session) -> Summary {
    Summary {
        session: id,
        service: chat.service().clone(),
        state: chat.state(),
        created_at: chat.created_at(),
        subject: chat.subject().map(str::to_owned),
        customer_nickname: chat
            .participant(CUSTOMER)
            .map(|customer| customer.nickname.clone())
            .unwrap_or_default(),
        customer_user_data: chat.user_data().clone(),
        async_mode: chat.is_async(),
        agents: chat
            .participants()
            .iter()
            .filter(|someone| someone.serves())
            .map(|someone| someone.nickname.clone())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// A room is in memory for as long as somebody looks: what grows here grows by as many chats.
    #[test]
    fn a_room_is_small() {
        let room = size_of::<Room>();
        assert!(room <= 768, "{room}");
        let seat = size_of::<Seat>();
        assert!(seat <= 64, "{seat}");
    }
}
