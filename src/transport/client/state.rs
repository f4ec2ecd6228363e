//! What a client's session wants of the transport itself: answers, sockets, timers.

use crate::bayeux::{ConnectionId, ExchangeId, Input, Output};
use crate::id::ClientId;
use crate::transport::Registry;
use crate::transport::signal::Closing;
use crate::transport::waiting::Answer;

use super::State;

impl State {
    /// Does what needs no party; gives back what does.
    pub(super) fn carry_out(
        &mut self,
        output: Output,
        id: ClientId,
        registry: &Registry,
    ) -> Option<Output> {
        match output {
            Output::Respond {
                exchange,
                connection,
                messages,
                events,
            } => {
                if events {
                    registry.rides(connection, id);
                }
                let taken = self.answer(exchange, Answer::Messages(messages), registry);
                if events && !taken && !self.session.rides_on(connection) {
                    registry.rides_no_more(connection, id);
                }
            }
            Output::Overtaken { exchange } => {
                self.answer(exchange, Answer::Overtaken, registry);
            }
            Output::Close { connection } => {
                let is_it = |(known, _): &&(ConnectionId, _)| *known == connection;
                if let Some((_, signal)) = self.sockets.iter().find(is_it) {
                    signal.close(Closing::Superseded);
                }
                self.sockets.retain(|(known, _)| *known != connection);
            }
            other => return Some(other),
        }
        None
    }

    /// Hands the answer over; if nobody takes it, the session is told. Whether somebody took it.
    fn answer(&mut self, exchange: ExchangeId, answer: Answer, registry: &Registry) -> bool {
        let taken = self.waiting.answer(exchange, answer);
        if !taken {
            let input = Input::Abandoned { exchange };
            self.session.handle(input, registry.now());
        }
        taken
    }

    pub(super) fn wake_sockets(&mut self) {
        let held_back = std::mem::take(&mut self.held_back);
        for (connection, signal) in &self.sockets {
            let may_read = held_back && self.session.may_read(*connection);
            self.held_back |= held_back && !may_read;
            if may_read || self.session.is_over() || self.session.has_frame(*connection) {
                signal.wake();
            }
        }
    }

    /// Keeps the session's one entry among the timers early enough; one that is too early is put right when it comes.
    pub(super) fn schedule(&mut self, id: ClientId, registry: &Registry) {
        let timers = registry.timers();
        match (self.session.poll_timeout(), self.scheduled) {
            (Some(at), Some(scheduled)) if scheduled <= at => {}
            (Some(at), scheduled) => {
                timers.schedule(id, scheduled, at);
                self.scheduled = Some(at);
            }
            (None, Some(scheduled)) => {
                timers.cancel(id, scheduled);
                self.scheduled = None;
            }
            (None, None) => {}
        }
    }
}
