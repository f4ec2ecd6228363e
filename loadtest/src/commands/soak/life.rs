//! Mixed life: chats of four kinds that come, talk and go in three ways, without end.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use anyhow::{Result, bail};
use memchr::memmem;

use super::Options;
use super::said::{Arrivals, Hearer, Said, Sayings, heard, joined};
use crate::bayeux::{Clients, Transport, Who};
use crate::mark::Mark;
use crate::net::{Id, Receiver, Setup};
use crate::pace::{Clock, Pace};
use crate::people::{self, Chat};
use crate::server::Parlor;
use crate::turns::Turns;

/// Agents, who share the chats.
const AGENTS: usize = 10;
/// Bytes of a message.
const SIZE: usize = 200;
/// How long what was said last may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(20);
/// How long a connection stays after the goodbye that was said on it.
const GOODBYE: Duration = Duration::from_secs(1);

/// Everybody.
pub struct Life<'a> {
    parlor: &'a Parlor,
    clients: Clients,
    receiver: Receiver,
    agents: Vec<usize>,
    clock: Clock,
    turns: Turns,
    rate: f64,
    length: Duration,
    /// A chat for each place.
    talks: Vec<Talk>,
    /// Those that are over, until everything said in them has arrived.
    ending: VecDeque<(Duration, Talk)>,
    /// Connections whose goodbye has been said.
    closing: VecDeque<(Duration, Vec<Id>)>,
    said: Sayings,
    begun: u32,
    /// Of agents and customers.
    arrived: Arrivals,
    /// Of the receiver of pushes, which may be told again.
    pushed: Arrivals,
    wrong: Vec<String>,
}

/// One chat.
struct Talk {
    number: u32,
    chat: Chat,
    customer: Customer,
    agent: usize,
    /// Its agent writes, and what it writes is pushed.
    pushed: bool,
    until: Duration,
}

enum Customer {
    Bayeux(usize),
    Rest { wire: Id, user: String },
}

impl<'a> Life<'a> {
    /// The first chats begin, spread over the length of a life.
    pub fn new(parlor: &'a Parlor, receiver: Receiver, options: &Options) -> Result<Self> {
        let mut clients = Clients::new()?;
        let mut agents = Vec::new();
        for _ in 0..AGENTS {
            agents.push(clients.add(people::agent(parlor, [])?)?);
        }
        let mut life = Self {
            parlor,
            clients,
            receiver,
            agents,
            clock: Clock::start(),
            turns: Turns::new(options.chats, options.seed),
            rate: options.rate,
            length: Duration::from_secs_f64(options.life),
            talks: Vec::new(),
            ending: VecDeque::new(),
            closing: VecDeque::new(),
            said: HashMap::new(),
            begun: 0,
            arrived: Arrivals::default(),
            pushed: Arrivals::default(),
            wrong: Vec::new(),
        };
        for place in 0..options.chats.max(1) {
            let share = (place + 1) as f64 / options.chats as f64;
            let until = life.clock.now() + life.length.mul_f64(share);
            let talk = life.talk(until)?;
            life.talks.push(talk);
        }
        Ok(life)
    }

    /// Chats that were begun.
    pub fn begun(&self) -> u32 {
        self.begun
    }

    /// Messages that arrived.
    pub fn delivered(&self) -> u64 {
        self.arrived.delivered + self.pushed.delivered
    }

    /// It goes on for so long.
    pub fn pass(&mut self, length: Duration) -> Result<()> {
        let mut pace = Pace::new(self.rate, self.clock.now(), length);
        while !pace.is_over() {
            let now = self.clock.now();
            while let Some(due) = pace.due(now) {
                let place = self.turns.next();
                self.speak(place, due)?;
            }
            self.replace_one(now)?;
            self.turn(pace.idle(self.clock.now()))?;
        }
        Ok(())
    }

    /// Nobody says anything for so long.
    pub fn be_quiet(&mut self, length: Duration) -> Result<()> {
        let end = self.clock.now() + length;
        while self.clock.now() < end {
            self.turn(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// Every chat ends. What was wrong, in all.
    pub fn end(&mut self) -> Result<Vec<String>> {
        let now = self.clock.now();
        self.ending
            .extend(self.talks.drain(..).map(|talk| (now, talk)));
        while !self.ending.is_empty() || !self.closing.is_empty() {
            self.turn(Duration::from_millis(10))?;
        }
        self.wrong.truncate(20);
        let counts = [
            (self.arrived.skipped + self.pushed.skipped, "were skipped"),
            (self.arrived.again, "came again, or too late"),
            (
                self.arrived.strange + self.pushed.strange,
                "came to somebody to whom they were never sent",
            ),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        self.wrong
            .extend(counts.map(|(count, what)| format!("{count} messages {what}")));
        Ok(std::mem::take(&mut self.wrong))
    }

    fn talk(&mut self, until: Duration) -> Result<Talk> {
        self.begun += 1;
        let number = self.begun;
        let (customer, chat) = match number % 4 {
            0 => self.bayeux(Transport::Websocket)?,
            1 => self.bayeux(Transport::LongPolling)?,
            2 => self.rest("nickname=Ana&subject=Load")?,
            _ => self.rest(&people::subscribing(number as usize))?,
        };
        let agent = self.agents[number as usize % self.agents.len()];
        self.say_as_agent(agent, &chat, "join", number, "\"visibility\":\"ALL\"")?;
        let pushed = number % 4 == 3;
        let said = Said {
            written: 0,
            heard: 0,
            echoed: 0,
            joined: false,
            agent,
            customer: match customer {
                Customer::Bayeux(client) => Some(client),
                Customer::Rest { .. } => None,
            },
            pushed,
        };
        self.said.insert(number, said);
        Ok(Talk {
            number,
            chat,
            customer,
            agent,
            pushed,
            until,
        })
    }

    fn bayeux(&mut self, transport: Transport) -> Result<(Customer, Chat)> {
        let (newcomer, chat) = people::customer(self.parlor, transport, true)?;
        Ok((Customer::Bayeux(self.clients.add(newcomer)?), chat))
    }

    fn rest(&mut self, body: &str) -> Result<(Customer, Chat)> {
        let mut setup = Setup::http(self.parlor.public, people::REST)?;
        let (user, chat) = people::begun(&setup.post(people::REST, people::FORM, body)?)?;
        let wire = self.clients.add_other(setup.into_wire()?)?;
        Ok((Customer::Rest { wire, user }, chat))
    }

    fn speak(&mut self, place: usize, due: Duration) -> Result<()> {
        let talk = &self.talks[place];
        let Some(said) = self.said.get_mut(&talk.number).filter(|said| said.joined) else {
            return Ok(());
        };
        said.written += 1;
        let mark = Mark {
            writer: talk.number,
            number: said.written,
            due,
        };
        match &talk.customer {
            Customer::Rest { wire, user } if talk.pushed => {
                let data = people::agent_message(&talk.chat, mark, SIZE);
                self.clients.publish(talk.agent, people::AGENT, &data)?;
                // The app gives a sign of life now and then.
                if mark.number.is_multiple_of(8) {
                    let call = rest_call(self.parlor, &talk.chat, user, "refresh");
                    self.clients.crowd.send_raw(*wire, call.as_bytes())?;
                }
                Ok(())
            }
            Customer::Rest { wire, user } => {
                let call = people::rest_send(&self.parlor.public, &talk.chat, user, mark, SIZE);
                self.clients.crowd.send_raw(*wire, call.as_bytes())
            }
            Customer::Bayeux(client) => {
                let data = people::send_message(&talk.chat, mark, SIZE);
                self.clients.publish(*client, people::SERVICE, &data)
            }
        }
    }

    // One at a time: beginning a chat takes a few milliseconds.
    fn replace_one(&mut self, now: Duration) -> Result<()> {
        let Some(place) = self.talks.iter().position(|talk| talk.until <= now) else {
            return Ok(());
        };
        let next = self.talk(now + self.length)?;
        let old = std::mem::replace(&mut self.talks[place], next);
        self.ending.push_back((now, old));
        Ok(())
    }

    fn turn(&mut self, timeout: Duration) -> Result<()> {
        let (said, arrived, agents) = (&mut self.said, &mut self.arrived, self.agents.len());
        self.clients.turn(
            timeout.min(Duration::from_millis(5)),
            |who, message| match who {
                Who::Client(client) => {
                    heard(message, Hearer::Client(client), said, arrived);
                    match client < agents {
                        true => joined(message, said),
                        false => Ok(()),
                    }
                }
                Who::Other(_) => accepted(message),
            },
        )?;
        let pushed = &mut self.pushed;
        self.receiver.turn(Duration::ZERO, |request| {
            heard(request, Hearer::Receiver, said, pushed)
        })?;
        self.part()
    }

    // Those in whose chats everything has arrived go, each in its way.
    fn part(&mut self) -> Result<()> {
        let now = self.clock.now();
        for _ in 0..self.ending.len() {
            let Some((since, talk)) = self.ending.pop_front() else {
                break;
            };
            let Some(said) = self.said.get(&talk.number).copied() else {
                continue;
            };
            let whole = said.joined && said.heard == said.written;
            if !whole && now < since + ARRIVAL {
                self.ending.push_back((since, talk));
                continue;
            }
            if !whole {
                self.wrong.push(format!(
                    "of {} messages of a chat {} arrived",
                    said.written, said.heard
                ));
            }
            self.said.remove(&talk.number);
            self.leave(&talk, now, whole)?;
        }
        while self.closing.front().is_some_and(|(at, _)| *at <= now) {
            let gone = self
                .closing
                .pop_front()
                .into_iter()
                .flat_map(|(_, gone)| gone);
            gone.for_each(|id| self.clients.crowd.close(id));
        }
        Ok(())
    }

    // In turn: the customer says goodbye; or is gone without a word; or is sent away, as is one who missed something, and
    // has perhaps been taken out in the meantime.
    fn leave(&mut self, talk: &Talk, now: Duration, whole: bool) -> Result<()> {
        let connections = match &talk.customer {
            Customer::Bayeux(client) => self.clients.connections_of(*client),
            Customer::Rest { wire, .. } => vec![*wire],
        };
        let mut after = "keep-alive";
        match talk.number / 4 % 3 {
            0 if whole => self.goodbye(talk)?,
            1 if whole => connections
                .iter()
                .for_each(|id| self.clients.crowd.close(*id)),
            _ => after = "force-close",
        }
        let fields = format!("\"afterAction\":\"{after}\"");
        self.say_as_agent(talk.agent, &talk.chat, "release", talk.number, &fields)?;
        self.closing.push_back((now + GOODBYE, connections));
        Ok(())
    }

    fn goodbye(&mut self, talk: &Talk) -> Result<()> {
        match &talk.customer {
            Customer::Bayeux(client) => {
                let data = format!(
                    "{{\"operation\":\"disconnect\",\"secureKey\":\"{}\"}}",
                    talk.chat.key
                );
                self.clients.publish(*client, people::SERVICE, &data)
            }
            Customer::Rest { wire, user } => {
                let call = rest_call(self.parlor, &talk.chat, user, "disconnect");
                self.clients.crowd.send_raw(*wire, call.as_bytes())
            }
        }
    }

    fn say_as_agent(
        &mut self,
        agent: usize,
        chat: &Chat,
        operation: &str,
        number: u32,
        fields: &str,
    ) -> Result<()> {
        let data = format!(
            "{{\"operation\":\"{operation}\",\"requestId\":\"{operation}-{number}\",\"session\":\"{}\",{fields}}}",
            chat.id
        );
        self.clients.publish(agent, people::AGENT, &data)
    }
}

fn rest_call(parlor: &Parlor, chat: &Chat, user: &str, call: &str) -> String {
    let key = chat.key.replace('+', "%2B");
    let body = format!("userId={user}&secureKey={key}&alias=1");
    crate::net::request(
        &parlor.public,
        &people::rest_path(chat, call),
        people::FORM,
        &body,
    )
}

fn accepted(reply: &[u8]) -> Result<()> {
    if memmem::find(reply, b"\"statusCode\":0").is_none() {
        bail!(
            "a call over REST was refused: {}",
            String::from_utf8_lossy(reply)
        );
    }
    Ok(())
}
