//! Folding changes in: all that ever alters a subscriber.

use std::collections::VecDeque;

use super::{Change, Removal, Round, Subscriber};
use crate::clock::Instant;
use crate::push::{Content, Delivery, Outcome};

impl Subscriber {
    /// Folds one change in.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Subscribed(subscription) => self.subscription = subscription.clone(),
            Change::Unretrieved { index } => self.remember(*index),
            Change::Removed(removal) => self.remove(*removal),
            Change::Owed(delivery) => self.owe(delivery),
            Change::Acknowledged { position } => self.acknowledge(*position),
            Change::Settled {
                number,
                outcome,
                at,
            } => self.settle(*number, outcome, *at),
            Change::Spent => self.round = Round::Spent,
        }
    }

    fn remember(&mut self, index: u64) {
        if self.subscription.resend && self.unretrieved.len() > 1 {
            self.unretrieved.pop_back();
        }
        self.unretrieved.push_back(index);
        if self.round == Round::Spent {
            self.round = Round::Idle;
        }
    }

    /// A removal that is told begins a round of its own; what was pushed before need not be repeated.
    fn remove(&mut self, removal: Removal) {
        self.removed = Some(removal);
        if removal.told {
            self.round = Round::Idle;
        }
    }

    fn owe(&mut self, delivery: &Delivery) {
        self.next_number = delivery.number + 1;
        match delivery.content {
            Content::Event { index, .. } => self.unretrieved.retain(|held| *held > index),
            Content::Notify { attempt, .. } => {
                self.round = Round::Posting {
                    number: delivery.number,
                    attempt,
                };
            }
        }
        self.owed.push_back(delivery.clone());
    }

    fn acknowledge(&mut self, position: u64) {
        let first = self.unretrieved.front().copied();
        self.unretrieved.retain(|index| *index >= position);
        match self.unretrieved.front() {
            None => {
                // Gives the memory back: most chats are quiet most of the time.
                self.unretrieved = VecDeque::new();
                self.round = Round::Idle;
            }
            // What lay between the first and the last is not known any more: somewhere from here on.
            Some(left)
                if self.subscription.resend && first < Some(position) && *left > position =>
            {
                self.unretrieved.push_front(position);
            }
            Some(_) => {}
        }
    }

    fn settle(&mut self, number: u64, outcome: &Outcome, at: Instant) {
        let Some(place) = self.owed.iter().position(|owed| owed.number == number) else {
            return;
        };
        if let Outcome::Retry {
            not_before,
            retry_after,
        } = outcome
        {
            self.owed[place].postpone(*not_before, *retry_after);
            return;
        }
        self.owed.remove(place);
        if self.owed.is_empty() {
            self.owed = VecDeque::new();
        }
        match self.round {
            Round::Posting {
                number: posted,
                attempt,
            } if posted == number => self.round = Round::Waiting { attempt, since: at },
            _ => {}
        }
    }
}
