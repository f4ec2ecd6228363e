//! What connections, the disk and the process do.

use super::*;

impl World {
    pub(super) fn a_mailbox_fills(&mut self) {
        let agent = self.below(2) == 0;
        let room = self.below(3);
        *self.client(agent).room.lock().unwrap() = room;
    }

    pub(super) fn a_mailbox_has_room(&mut self) {
        let (agent, room) = (self.below(2) == 0, self.below(50));
        let client = self.client(agent);
        *client.room.lock().unwrap() = room;
        self.drained(&client);
    }

    pub(super) fn drained(&mut self, client: &Client) {
        let starved: Vec<SessionId> = {
            let mut looks = client.looks.lock().unwrap();
            let mut starved = Vec::new();
            for (session, look) in looks.iter_mut() {
                starved.extend(std::mem::take(&mut look.starved).then_some(*session));
            }
            starved
        };
        for session in starved {
            self.hand(session, Ask::Room(client.id));
        }
    }

    pub(super) fn something_arrives(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let agent = self.below(2) == 0;
        let client = self.client(agent);
        let some = self.below(3);
        let arrived = {
            let mut looks = client.looks.lock().unwrap();
            let look = looks.entry(session).or_default();
            let index = look.has.iter().rev().nth(some).copied();
            look.confirmed = look.confirmed.max(index.unwrap_or(0));
            index
        };
        if let Some(index) = arrived {
            self.hand(session, Ask::Confirmed(client.id, index));
        }
    }

    pub(super) fn a_connection_breaks(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let agent = self.below(2) == 0;
        let client = self.client(agent);
        let some = self.below(4);
        let back_to = {
            let mut looks = client.looks.lock().unwrap();
            let look = looks.entry(session).or_default();
            let sure = look.confirmed;
            let back_to = look
                .has
                .iter()
                .rev()
                .nth(some)
                .copied()
                .unwrap_or(0)
                .max(sure);
            let breaks = look.has.last().is_some_and(|last| *last > back_to);
            look.has.retain(|index| *index <= back_to);
            breaks.then_some(back_to)
        };
        if let Some(position) = back_to {
            self.hand(session, Ask::Rewind(client.id, position));
        }
    }

    pub(super) fn somebody_is_gone(&mut self) {
        let agent = self.below(2) == 0;
        let client = self.client(agent);
        let how = [Parting::Left, Parting::Lost][self.below(2)];
        *client.gone.lock().unwrap() = Some(how);
        let looks = std::mem::take(&mut *client.looks.lock().unwrap());
        for (session, look) in looks {
            if look.seated {
                self.hand(session, Ask::Gone(client.id, how));
            }
        }
    }

    pub(super) fn reads_come(&mut self) {
        for fetch in std::mem::take(&mut self.bench.reads) {
            self.bench.fetch(fetch);
        }
    }

    pub(super) fn time_passes(&mut self) {
        let seconds = [1, 5, 40][self.below(3)];
        self.bench.pass(Duration::from_secs(seconds));
        // Those that were woken are looked after at once; then nothing is due at this moment any more.
        for _ in 0..3 {
            self.bench.shard.handle(Input::Tick, self.bench.now);
            self.bench.settle();
        }
        let now = self.bench.now.instant;
        let next = self.bench.shard.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "timers spin");
    }

    /// Of what was on its way, some is on the disk; nobody was told of it.
    pub(super) fn the_process_ends(&mut self) {
        let stored = self.below(self.bench.held.len() + 1);
        self.bench.crash(stored);
        for client in &self.clients {
            *client.gone.lock().unwrap() = Some(Parting::Lost);
            client.looks.lock().unwrap().clear();
        }
    }
}

impl Bench {
    /// The process ends once `stored` of the batches on their way are on the disk, and starts again.
    pub(super) fn crash(&mut self, stored: usize) {
        for (ticket, batch) in std::mem::take(&mut self.held).into_iter().take(stored) {
            self.write(ticket, batch);
        }
        (self.abandoned, self.slow, self.hold, self.fail) = (false, false, false, None);
        self.reads.clear();
        let settings = Arc::new(Settings::for_tests());
        let keys = wire::keys::Keys::new([7; 32]);
        self.shard = Shard::new(settings, keys, Arc::default(), self.now);
        let awake = self
            .disk
            .keys()
            .filter(|session| !self.asleep.contains_key(session));
        let awake = awake.copied().collect();
        self.shard.handle(Input::Wake(awake), self.now);
    }

    pub(super) fn fetch(&mut self, fetch: Fetch) {
        let events = self.events(fetch.session, fetch.from, fetch.bytes_max);
        self.shard
            .handle(Input::Fetched(fetch, Ok(events)), self.now);
    }
}
