//! Whose turn it is among the requests of one agent.
//!
//! A request is done at once, unless its answer is large and too much waits for the agent already: then it waits until the
//! agent has read more, and every request that has to keep its place behind it waits too. These are the ones about the same
//! chat, and other large ones. What waits is bounded in number and in bytes.

use std::collections::VecDeque;

use crate::id::SessionId;

/// How much one agent may leave unread and undone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of answers, unread or reserved, beyond which requests wait; one large answer is always given. As many bytes
    /// may the requests have that wait.
    pub answers_bytes_max: usize,
    /// Requests that wait.
    pub waiting_max: usize,
}

/// What the desk has to know of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// The chat it is about.
    pub session: Option<SessionId>,
    /// Bytes that its answer may have; 0: it is small.
    pub answer_bytes: usize,
    /// Its own bytes.
    pub bytes: usize,
}

/// What becomes of a request that has just come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is done now.
    Now,
    /// It [waits](Desk::wait).
    Later,
    /// Too many wait; it is the first to be refused since none did, or a further one.
    Refused {
        /// The first.
        first: bool,
    },
}

/// The requests of one agent that wait, and what is reserved for those that are being done.
pub(super) struct Desk<T> {
    waiting: VecDeque<(Ticket, T)>,
    waiting_bytes: usize,
    reserved: usize,
    refusing: bool,
    /// Somebody is going through those that wait.
    going: bool,
}

impl<T> Desk<T> {
    /// Decides about a request that has just come; one that is done now [`ends`](Self::end). `has_read` tells whether no
    /// more than so many bytes of answers wait for the agent.
    pub fn enter(
        &mut self,
        ticket: Ticket,
        limits: Limits,
        has_read: impl FnOnce(usize) -> bool,
    ) -> Turn {
        let behind = self.waiting.iter().any(|(other, _)| ticket.follows(other));
        if !behind && self.begins(ticket, limits, has_read) {
            return Turn::Now;
        }
        let bytes = self.waiting_bytes + ticket.bytes;
        if self.waiting.len() < limits.waiting_max && bytes <= limits.answers_bytes_max {
            return Turn::Later;
        }
        let first = !std::mem::replace(&mut self.refusing, true);
        Turn::Refused { first }
    }

    /// Keeps a request until its turn comes.
    pub fn wait(&mut self, ticket: Ticket, request: T) {
        self.waiting_bytes += ticket.bytes;
        self.waiting.push_back((ticket, request));
    }

    /// Begins to go through those that wait, unless somebody does.
    pub fn go(&mut self) -> bool {
        !std::mem::replace(&mut self.going, true)
    }

    /// The next one whose turn has come; with none, nobody goes through them any more.
    pub fn next(
        &mut self,
        limits: Limits,
        has_read: impl FnOnce(usize) -> bool,
    ) -> Option<(Ticket, T)> {
        let first = self.waiting.front().map(|(ticket, _)| *ticket);
        let begins = first.is_some_and(|ticket| self.begins(ticket, limits, has_read));
        self.going = begins;
        let next = self.waiting.pop_front_if(|_| begins)?;
        self.removed(next.0);
        Some(next)
    }

    /// Takes one back that waits.
    pub fn withdraw(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let place = self.waiting.iter().position(|(_, one)| is_it(one))?;
        let (ticket, request) = self.waiting.remove(place)?;
        self.removed(ticket);
        Some(request)
    }

    /// A request has been answered.
    pub fn end(&mut self, ticket: Ticket) {
        self.reserved -= ticket.answer_bytes;
    }

    /// Those that wait, who wait no longer.
    pub fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.waiting_bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|(_, request)| request)
    }

    fn removed(&mut self, ticket: Ticket) {
        self.waiting_bytes -= ticket.bytes;
        if self.waiting.is_empty() {
            // An idle agent holds no buffer.
            self.waiting = VecDeque::new();
            self.refusing = false;
        }
    }

    fn begins(
        &mut self,
        ticket: Ticket,
        limits: Limits,
        has_read: impl FnOnce(usize) -> bool,
    ) -> bool {
        let max = limits.answers_bytes_max;
        let reserved = self.reserved + ticket.answer_bytes;
        let begins = match ticket.answer_bytes {
            // What is reserved for others does not delay it.
            0 => has_read(max),
            // One alone may be larger than all of the room.
            _ if self.reserved == 0 => has_read(max.saturating_sub(reserved)),
            _ => reserved <= max && has_read(max - reserved),
        };
        if begins {
            self.reserved = reserved;
        }
        begins
    }
}

impl<T> Default for Desk<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            reserved: 0,
            refusing: false,
            going: false,
        }
    }
}

impl Ticket {
    /// Whether it keeps its place behind `other`.
    fn follows(&self, other: &Self) -> bool {
        let both_large = self.answer_bytes > 0 && other.answer_bytes > 0;
        both_large || (self.session.is_some() && self.session == other.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;

    const LIMITS: Limits = Limits {
        answers_bytes_max: 300,
        waiting_max: 3,
    };

    /// An agent that has not read some bytes of answers.
    #[derive(Default)]
    struct World {
        desk: Desk<u32>,
        unread: usize,
    }

    impl World {
        /// A request about a chat, which keeps its number where it has to wait.
        fn ask(&mut self, number: u32, chat: u64, answer_bytes: usize) -> Turn {
            let ticket = ticket(chat, answer_bytes);
            let unread = self.unread;
            let turn = self.desk.enter(ticket, LIMITS, |left| unread <= left);
            if turn == Turn::Later {
                self.desk.wait(ticket, number);
            }
            turn
        }

        /// The requests whose turn has come.
        fn go_on(&mut self) -> Vec<u32> {
            let unread = self.unread;
            assert!(self.desk.go());
            std::iter::from_fn(|| self.desk.next(LIMITS, |left| unread <= left))
                .map(|(_, number)| number)
                .collect()
        }
    }

    fn ticket(chat: u64, answer_bytes: usize) -> Ticket {
        Ticket {
            session: Some(SessionId::new(Wall(0), chat)),
            answer_bytes,
            bytes: 10,
        }
    }

    #[test]
    fn large_answers_are_given_a_few_at_a_time_and_in_order() {
        let mut world = World::default();
        let turns = [1, 2, 3, 4, 5].map(|number| world.ask(number, number.into(), 100));
        assert_eq!(
            turns,
            [Turn::Now, Turn::Now, Turn::Now, Turn::Later, Turn::Later]
        );
        assert_eq!(world.go_on(), [] as [u32; 0], "none has been answered");
        world.unread = 150;
        world.desk.end(ticket(1, 100));
        assert_eq!(world.go_on(), [] as [u32; 0], "none has been read");
        world.desk.end(ticket(2, 100));
        world.desk.end(ticket(3, 100));
        assert_eq!(world.go_on(), [4], "there is room for one");
        world.desk.end(ticket(4, 100));
        world.unread = 0;
        assert_eq!(world.go_on(), [5]);
    }

    #[test]
    fn a_message_waits_for_the_joining_of_its_chat_and_for_no_other() {
        let mut world = World {
            unread: 250,
            ..World::default()
        };
        assert_eq!(world.ask(1, 7, 100), Turn::Later);
        assert_eq!(world.ask(2, 7, 0), Turn::Later, "it follows its joining");
        assert_eq!(world.ask(3, 8, 0), Turn::Now);
        world.unread = 0;
        assert_eq!(world.go_on(), [1, 2]);
    }

    #[test]
    fn one_answer_may_be_larger_than_all_of_the_room() {
        let mut world = World::default();
        assert_eq!(world.ask(1, 1, 500), Turn::Now);
        assert_eq!(world.ask(2, 2, 500), Turn::Later);
        world.desk.end(ticket(1, 500));
        world.unread = 1;
        assert_eq!(world.go_on(), [] as [u32; 0]);
        world.unread = 0;
        assert_eq!(world.go_on(), [2]);
    }

    #[test]
    fn those_that_wait_are_bounded() {
        let mut world = World {
            unread: 301,
            ..World::default()
        };
        let turns = [1, 2, 3, 4, 5].map(|number| world.ask(number, number.into(), 0));
        let refused = |first| Turn::Refused { first };
        assert_eq!(turns[2..], [Turn::Later, refused(true), refused(false)]);
        world.unread = 300;
        assert_eq!(world.go_on(), [1, 2, 3]);
    }

    #[test]
    fn those_that_wait_are_bounded_in_bytes() {
        let mut desk = Desk::default();
        let long = Ticket {
            bytes: 200,
            ..ticket(1, 0)
        };
        assert_eq!(desk.enter(long, LIMITS, |_| false), Turn::Later);
        desk.wait(long, ());
        assert_eq!(
            desk.enter(long, LIMITS, |_| false),
            Turn::Refused { first: true }
        );
    }
}
