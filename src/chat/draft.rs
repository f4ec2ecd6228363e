//! A decision while it is being made: the changes so far, and who would still be there after them.

use super::{
    Author, Change, Event, EventKind, KvList, LeaveReason, Participant, QuitReason, Session,
    Speech, UserData, UserType, Visibility,
};
use crate::clock::Now;
use crate::id::ParticipantId;

/// The changes that a command has led to so far.
pub(super) struct Draft<'a> {
    session: &'a Session,
    now: Now,
    next_index: u64,
    gone: Vec<ParticipantId>,
    changes: Vec<Change>,
}

impl<'a> Draft<'a> {
    /// Nothing yet.
    pub(super) fn new(session: &'a Session, now: Now) -> Self {
        Self {
            session,
            now,
            next_index: session.next_index(),
            gone: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// The changes.
    pub(super) fn finish(self) -> Vec<Change> {
        self.changes
    }

    /// Adds a change that is no event.
    pub(super) fn add(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// The index that the next event will have.
    pub(super) fn next_index(&self) -> u64 {
        self.next_index
    }

    /// Adds an event that carries what its sender gave it.
    pub(super) fn say(
        &mut self,
        from: Author,
        visibility: Visibility,
        kind: EventKind,
        speech: Speech,
    ) {
        let event = Event {
            index: self.next_index,
            at: self.now.wall,
            from,
            visibility,
            to: speech.to,
            kind,
            user_data: speech.user_data,
            attributes: speech.attributes,
        };
        self.next_index += 1;
        self.changes.push(Change::Event(event));
    }

    /// Adds an event of the server's own, which everybody sees.
    pub(super) fn announce(&mut self, kind: EventKind) {
        self.say(system(), Visibility::All, kind, Speech::default());
    }

    /// Adds a read receipt, which takes the place of the older one.
    pub(super) fn confirm(&mut self, who: &Participant, kind: EventKind, user_data: UserData) {
        self.annihilate_receipt(who.id);
        let speech = Speech {
            user_data,
            ..Speech::default()
        };
        self.say(who.author(), who.visibility, kind, speech);
    }

    /// Sets the async status; nothing in a regular chat, or where it is so already.
    pub(super) fn async_status(&mut self, status: i8) {
        if self.session.is_async() && self.session.async_status() != status {
            self.changes.push(Change::AsyncStatus(status));
        }
    }

    /// Who is present after the changes so far.
    pub(super) fn present(&self) -> impl Iterator<Item = &'a Participant> {
        self.session
            .present()
            .filter(|one| !self.gone.contains(&one.id))
    }

    /// Somebody leaves; the session goes on.
    pub(super) fn leave(
        &mut self,
        who: &Participant,
        reason: Option<LeaveReason>,
        quit: Option<QuitReason>,
    ) {
        let quit = quit.filter(|_| who.user_type == UserType::Client);
        let kind = EventKind::ParticipantLeft { reason, quit };
        self.say(who.author(), who.visibility, kind, Speech::default());
        self.annihilate_receipt(who.id);
        self.gone.push(who.id);
    }

    /// Everybody leaves, the customer with this reason, and the session is over.
    pub(super) fn close(&mut self, quit: QuitReason) {
        let staying: Vec<&Participant> = self.present().filter(|one| can_leave(one)).collect();
        for who in staying {
            self.leave(who, None, Some(quit));
        }
        self.changes.push(Change::Closed { at: self.now.wall });
    }

    /// The session is over if nobody is left.
    pub(super) fn close_if_empty(&mut self) {
        if !self.present().any(can_leave) {
            self.changes.push(Change::Closed { at: self.now.wall });
        }
    }

    fn annihilate_receipt(&mut self, id: ParticipantId) {
        let receipts = &self.session.parts().receipts;
        if let Some((_, index)) = receipts.iter().find(|(whose, _)| *whose == id) {
            self.changes.push(Change::Annihilated { index: *index });
        }
    }
}

/// The server as an author.
pub(super) fn system() -> Author {
    Author {
        participant: ParticipantId(0),
        nickname: String::new(),
        user_type: UserType::System,
        bot: false,
    }
}

/// The workflow speaks without being connected: it neither leaves nor keeps a session open.
fn can_leave(who: &Participant) -> bool {
    who.user_type != UserType::External
}

/// Bytes of all names and values of a list.
pub(super) fn size_of_list(list: &KvList) -> usize {
    use super::Kv;
    list.0
        .iter()
        .map(|(name, value)| {
            name.len()
                + match value {
                    Kv::Text(text) => text.len(),
                    Kv::List(below) => size_of_list(below),
                }
        })
        .sum()
}
