//! The disk as one life of the server sees it.

use super::*;

/// The disk as one life of the server sees it.
pub(super) struct Handle {
    pub(super) disk: Disk,
    pub(super) life: u64,
}

struct DiskLane {
    disk: Disk,
    life: u64,
    number: usize,
    generation: u64,
    wake: Arc<Notify>,
}

impl Handle {
    /// Reads after a while, from what is complete.
    fn read<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Answer<T> {
        let (disk, pause) = (self.disk.clone(), self.disk.pause());
        Box::pin(async move {
            sleep(pause).await;
            Ok(what(&mut disk.platter().live))
        })
    }
}

impl Store for Handle {
    fn lane(&self, done: Done) -> Box<dyn Lane> {
        let mut platter = self.disk.platter();
        platter.lanes.push(Queue::default());
        let number = platter.lanes.len() - 1;
        drop(platter);
        let wake = Arc::new(Notify::new());
        tokio::spawn(
            self.disk
                .clone()
                .write(self.life, number, wake.clone(), done),
        );
        Box::new(DiskLane {
            disk: self.disk.clone(),
            life: self.life,
            number,
            generation: 0,
            wake,
        })
    }

    fn load(&self, session: SessionId) -> Answer<Option<Stored>> {
        self.read(move |state| state.load(session))
    }

    fn read(&self, session: SessionId, from: u64, bytes_max: usize) -> Answer<Vec<chat::Event>> {
        self.read(move |state| state.read(session, from, bytes_max))
    }

    fn put_away(&self, session: SessionId, snapshot: Snapshot, deadline: Option<Instant>) {
        let mut platter = self.disk.platter();
        if platter.life == self.life {
            platter.live.put_away(session, snapshot.clone(), deadline);
            let derived = Derived::Asleep(session, Box::new(snapshot), deadline);
            platter.derive(self.life, derived);
        }
    }

    fn forget(&self, session: SessionId) {
        let mut platter = self.disk.platter();
        if platter.life == self.life {
            platter.live.forget(session);
            platter.derive(self.life, Derived::Forgotten(session));
        }
    }

    fn due(&self, now: Instant, limit: usize) -> Answer<Vec<SessionId>> {
        self.read(move |state| state.due(now, limit))
    }

    fn awake_at_start(&self) -> Vec<SessionId> {
        self.disk.platter().live.awake_at_start()
    }

    fn open_sessions(&self, after: Option<SessionId>, limit: usize) -> Answer<Vec<SessionId>> {
        self.read(move |state| state.open_sessions(after, limit))
    }

    fn open_count(&self) -> Result<u64, Error> {
        Ok(self.disk.platter().live.open_count())
    }

    fn peek(&self, sessions: Vec<SessionId>) -> Answer<Peeked> {
        self.read(move |state| state.peek(sessions))
    }

    fn keep_dead_letter(&self, letter: DeadLetter) {
        let mut platter = self.disk.platter();
        if platter.life == self.life {
            platter.live.keep_dead_letter(letter.clone());
            platter.derive(self.life, Derived::Letter(Box::new(letter)));
        }
    }

    fn dead_letters(
        &self,
        after: Option<DeadLetterPlace>,
        limit: usize,
    ) -> Answer<Vec<DeadLetter>> {
        self.read(move |state| state.dead_letters(after, limit))
    }

    fn secret(&self) -> [u8; 32] {
        [0x5E; 32]
    }

    fn condition(&self) -> Condition {
        match self.disk.mood() {
            Mood::Well | Mood::Slow => Condition::Writable,
            Mood::Full => Condition::NoSpace,
            Mood::Broken => Condition::ReadOnly,
        }
    }

    fn close(&self) -> Answer<()> {
        let mut platter = self.disk.platter();
        if platter.life == self.life {
            platter.catch_up(|_| true, |_| true);
        }
        Box::pin(async { Ok(()) })
    }
}

impl Lane for DiskLane {
    fn commit(&mut self, ticket: u64, batch: Batch) {
        let mut platter = self.disk.platter();
        if platter.life != self.life {
            return;
        }
        let generation = self.generation;
        platter.lanes[self.number].waiting.push_back(Queued {
            generation,
            ticket,
            batch,
        });
        drop(platter);
        self.wake.notify_one();
    }

    fn reset(&mut self) {
        self.generation += 1;
    }
}
