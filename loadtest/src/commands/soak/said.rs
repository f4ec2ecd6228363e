//! What was said, and what of it has arrived.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use serde_json::Value;

use crate::mark::Mark;

/// By the number of the chat.
pub type Sayings = HashMap<u32, Said>;

/// What was said in one chat, and what of it has arrived.
#[derive(Clone, Copy)]
pub struct Said {
    /// Messages of it, numbered from 1.
    pub written: u32,
    /// The number of the last that has arrived.
    pub heard: u32,
    /// The number of the last that its writer was told back.
    pub echoed: u32,
    /// Its agent has joined.
    pub joined: bool,
    /// Who is in it, by the numbers of their clients.
    pub agent: usize,
    /// None over REST.
    pub customer: Option<usize>,
    /// Its agent writes, and the receiver of pushes is to be told; else its customer writes, for the agent.
    pub pushed: bool,
}

/// Who is told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearer {
    /// A client, by its number.
    Client(usize),
    /// The receiver of pushes.
    Receiver,
}

/// What has arrived in all chats.
#[derive(Clone, Copy, Default)]
pub struct Arrivals {
    /// Messages, each once and in order.
    pub delivered: u64,
    /// Messages that had not come when a later one did.
    pub skipped: u64,
    /// Messages that came again, or after a later one.
    pub again: u64,
    /// Messages that came to somebody who is not in that chat, or that nobody wrote.
    pub strange: u64,
}

impl Said {
    /// The number of the last that this hearer was told, and whether it is the writer, whose own comes back as well; none
    /// where that message should not have come there.
    fn last(&mut self, number: u32, hearer: Hearer) -> Option<(&mut u32, bool)> {
        let (agent, customer) = (
            hearer == Hearer::Client(self.agent),
            matches!(hearer, Hearer::Client(client) if Some(client) == self.customer),
        );
        let (reader, writer) = match self.pushed {
            true => (hearer == Hearer::Receiver, agent),
            false => (agent, customer),
        };
        match (1..=self.written).contains(&number) {
            true if reader => Some((&mut self.heard, false)),
            true if writer => Some((&mut self.echoed, true)),
            _ => None,
        }
    }
}

/// What came to one who is told something. A chat that has ended is forgotten, and what is told of it counts no more.
pub fn heard(message: &[u8], hearer: Hearer, said: &mut Sayings, arrivals: &mut Arrivals) {
    for mark in Mark::all(message) {
        let Some(said) = said.get_mut(&mark.writer) else {
            continue;
        };
        let Some((last, own)) = said.last(mark.number, hearer) else {
            arrivals.strange += 1;
            continue;
        };
        if mark.number <= *last {
            arrivals.again += 1;
            continue;
        }
        arrivals.skipped += u64::from(mark.number - *last - 1);
        *last = mark.number;
        arrivals.delivered += u64::from(!own);
    }
}

/// The answer to an agent's request: whoever has joined is spoken to from now on.
pub fn joined(message: &[u8], said: &mut Sayings) -> Result<()> {
    if memmem::find(message, b"\"requestId\"").is_none() {
        return Ok(());
    }
    let messages: Value = serde_json::from_slice(message).context("an answer that is no JSON")?;
    for data in messages
        .as_array()
        .into_iter()
        .flatten()
        .map(|message| &message["data"])
    {
        let Some(number) = data["requestId"]
            .as_str()
            .and_then(|id| id.strip_prefix("join-"))
        else {
            continue;
        };
        if data["ok"] != true {
            bail!("an agent may not join: {data}");
        }
        if let Some(said) = number
            .parse()
            .ok()
            .and_then(|number: u32| said.get_mut(&number))
        {
            said.joined = true;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hear(hearer: Hearer, numbers: &[u32], said: &mut Sayings) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for &number in numbers {
            let due = Duration::ZERO;
            let mark = Mark {
                writer: 1,
                number,
                due,
            };
            heard(mark.text(0).as_bytes(), hearer, said, &mut arrivals);
        }
        arrivals
    }

    fn chat(pushed: bool) -> Sayings {
        let said = Said {
            written: 3,
            heard: 0,
            echoed: 0,
            joined: true,
            agent: 4,
            customer: Some(7),
            pushed,
        };
        [(1, said)].into()
    }

    /// An agent is told what it wrote itself: that counted as the push of it, so that a push that was lost was none.
    #[test]
    fn what_an_agent_wrote_has_arrived_once_it_was_pushed() {
        let mut said = chat(true);
        let own = hear(Hearer::Client(4), &[1, 3, 3], &mut said);
        assert_eq!((own.delivered, own.skipped, own.again), (0, 1, 1));
        let pushed = hear(Hearer::Receiver, &[1, 3, 3], &mut said);
        assert_eq!((pushed.delivered, pushed.skipped, pushed.again), (2, 1, 1));
        assert_eq!(said[&1].heard, 3);
    }

    #[test]
    fn what_comes_to_others_or_was_never_written_is_strange() {
        let mut said = chat(false);
        assert_eq!(hear(Hearer::Client(4), &[1, 2], &mut said).delivered, 2);
        let own = hear(Hearer::Client(7), &[1, 2], &mut said);
        assert_eq!((own.delivered, own.strange), (0, 0));
        assert_eq!(hear(Hearer::Client(4), &[4], &mut said).strange, 1);
        assert_eq!(hear(Hearer::Client(5), &[1], &mut said).strange, 1);
        assert_eq!(hear(Hearer::Receiver, &[1], &mut said).strange, 1);
    }
}
