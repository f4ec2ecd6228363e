//! The HTTP requests of one client that are not answered yet.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::bayeux::ExchangeId;

/// The answer to an HTTP request.
#[derive(Debug)]
pub enum Answer {
    /// These messages.
    Messages(Vec<Bytes>),
    /// A newer connect has taken its place.
    Overtaken,
}

/// What a publish came in. A frame of a WebSocket has no name.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The id of the HTTP request.
    pub request_id: Option<Arc<str>>,
}

/// The requests, in no order: there are hardly ever more than two.
#[derive(Debug, Default)]
pub struct Waiting(Vec<Asked>);

#[derive(Debug)]
struct Asked {
    exchange: ExchangeId,
    answer: oneshot::Sender<Answer>,
    source: Source,
}

impl Waiting {
    /// Another request. `request_id` is only needed where something is published: a held poll keeps nothing.
    pub fn add(
        &mut self,
        exchange: ExchangeId,
        request_id: Option<Arc<str>>,
    ) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        let source = Source { request_id };
        self.0.push(Asked {
            exchange,
            answer,
            source,
        });
        receiver
    }

    /// Nobody waits for this one any more.
    pub fn forget(&mut self, exchange: ExchangeId) {
        self.0.retain(|asked| asked.exchange != exchange);
    }

    /// What the publishes of an exchange came in.
    pub fn source(&self, exchange: ExchangeId) -> Source {
        let asked = self.0.iter().find(|asked| asked.exchange == exchange);
        asked.map(|asked| asked.source.clone()).unwrap_or_default()
    }

    /// Hands an answer over. Whether somebody took it.
    pub fn answer(&mut self, exchange: ExchangeId, answer: Answer) -> bool {
        let place = self.0.iter().position(|asked| asked.exchange == exchange);
        let taken =
            place.is_some_and(|place| self.0.swap_remove(place).answer.send(answer).is_ok());
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_publish_of_a_request_is_told_its_name() {
        let mut waiting = Waiting::default();
        let _answer = waiting.add(ExchangeId(7), Some("request-7".into()));
        let sources = [7, 7, 8].map(|exchange| waiting.source(ExchangeId(exchange)));
        let ids = sources.map(|source| source.request_id);
        assert_eq!(ids[1].as_deref(), Some("request-7"));
        assert_eq!(ids[2], None, "of another exchange");
    }

    #[test]
    fn who_has_gone_takes_no_answer() {
        let mut waiting = Waiting::default();
        let gone = waiting.add(ExchangeId(1), None);
        drop(gone);
        assert!(!waiting.answer(ExchangeId(1), Answer::Overtaken));
        assert!(!waiting.answer(ExchangeId(2), Answer::Overtaken));
        let here = waiting.add(ExchangeId(3), None);
        assert!(waiting.answer(ExchangeId(3), Answer::Overtaken));
        drop(here);
    }
}
