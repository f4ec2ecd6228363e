//! A shard, the time, and a disk that does what it is told.

use super::*;

/// A shard, the time, and a disk.
pub(in crate::hub::shard) struct Bench {
    pub(in crate::hub::shard) shard: Shard,
    pub(in crate::hub::shard) now: Now,
    pub(in crate::hub::shard) disk: HashMap<SessionId, Vec<Record>>,
    pub(in crate::hub::shard) asleep: HashMap<SessionId, (Snapshot, Option<Instant>)>,
    pub(in crate::hub::shard) pushed: Vec<Push>,
    pub(in crate::hub::shard) dead_letters: Vec<store::DeadLetter>,
    /// As the gauge says.
    pub(in crate::hub::shard) owed: i64,
    /// Commits wait.
    pub(in crate::hub::shard) hold: bool,
    pub(in crate::hub::shard) held: VecDeque<(u64, Batch)>,
    /// Commits fail.
    pub(in crate::hub::shard) fail: Option<store::Error>,
    pub(in crate::hub::shard) abandoned: bool,
    /// Reads wait.
    pub(in crate::hub::shard) slow: bool,
    pub(in crate::hub::shard) reads: VecDeque<Fetch>,
    /// Reads that did not wait.
    pub(in crate::hub::shard) read: usize,
    /// Batches that were handed out.
    pub(in crate::hub::shard) commits: usize,
    /// Every text that was ever written.
    pub(in crate::hub::shard) written: Vec<String>,
    /// Told of every event that is written.
    pub(in crate::hub::shard) durable: Option<Durable>,
}

/// What is on the disk, for whoever must not hear of anything else.
pub(in crate::hub::shard) type Durable = Arc<Mutex<HashSet<(SessionId, u64)>>>;

pub(in crate::hub::shard) type Answer = Arc<Mutex<Option<Result<Done, Refusal>>>>;

impl Bench {
    pub(in crate::hub::shard) fn new() -> Self {
        let now = Now {
            instant: Instant(1_000_000),
            wall: Wall(1_000_000),
        };
        let settings = Arc::new(Settings::for_tests());
        Self {
            shard: Shard::new(
                settings,
                wire::keys::Keys::new([7; 32]),
                Arc::default(),
                now,
            ),
            now,
            disk: HashMap::new(),
            asleep: HashMap::new(),
            pushed: Vec::new(),
            dead_letters: Vec::new(),
            owed: 0,
            hold: false,
            held: VecDeque::new(),
            fail: None,
            abandoned: false,
            slow: false,
            reads: VecDeque::new(),
            read: 0,
            commits: 0,
            written: Vec::new(),
            durable: None,
        }
    }

    pub(in crate::hub::shard) fn begin(&mut self, viewer: Option<&Arc<Mailbox>>) -> SessionId {
        self.begin_with(viewer, None)
    }

    pub(in crate::hub::shard) fn begin_with(
        &mut self,
        viewer: Option<&Arc<Mailbox>>,
        subscription: Option<Subscription>,
    ) -> SessionId {
        let session = SessionId::new(self.now.wall, 1);
        let create = Create {
            service: "customer-support".into(),
            nickname: "alice".into(),
            subject: None,
            user_data: UserData::new(),
            async_mode: false,
        };
        let viewer = viewer.map(|mailbox| mailbox.clone() as Arc<dyn Viewer>);
        let reply = Box::new(|done: Result<Done, Refusal>| assert!(done.is_ok()));
        let begin = Begin {
            session,
            create,
            subscription,
            viewer,
            reply,
        };
        let input = Input::Create(Box::new(begin));
        self.shard.handle(input, self.now);
        self.settle();
        session
    }

    pub(in crate::hub::shard) fn say(&mut self, session: SessionId, text: &str) -> Answer {
        self.say_also(session, text, Also::default())
    }

    pub(in crate::hub::shard) fn say_also(
        &mut self,
        session: SessionId,
        text: &str,
        also: Also,
    ) -> Answer {
        let answer = Answer::default();
        let heard = answer.clone();
        let command = Command::Message {
            text: text.into(),
            message_type: None,
            speech: Speech::default(),
        };
        let reply = Box::new(move |done| *heard.lock().unwrap() = Some(done));
        let ask = Ask::Submit {
            caller: Caller::Participant(CUSTOMER),
            command,
            also,
            reply,
        };
        self.shard.handle(Input::Ask(session, ask), self.now);
        answer
    }

    pub(in crate::hub::shard) fn join(
        &mut self,
        session: SessionId,
        viewer: &Arc<Mailbox>,
    ) -> Page {
        let page = Arc::new(Mutex::new(None));
        let heard = page.clone();
        let reply = Box::new(move |joined: Result<Joined, Refusal>| {
            *heard.lock().unwrap() = Some(joined.unwrap().page)
        });
        self.ask(
            session,
            Ask::Join {
                join: bob(),
                viewer: viewer.clone(),
                bytes_max: 1 << 20,
                reply,
            },
        );
        let page = page.lock().unwrap().take();
        page.expect("joined")
    }

    pub(in crate::hub::shard) fn read(&mut self, session: SessionId, from: u64) -> Page {
        let page = Arc::new(Mutex::new(None));
        let heard = page.clone();
        let reply = Box::new(move |read: Result<Page, Refusal>| {
            *heard.lock().unwrap() = Some(read.unwrap())
        });
        self.ask(
            session,
            Ask::Read {
                reader: CUSTOMER,
                from,
                bytes_max: 1 << 20,
                acknowledge: true,
                reply,
            },
        );
        let page = page.lock().unwrap().take();
        page.expect("read")
    }

    pub(in crate::hub::shard) fn ask(&mut self, session: SessionId, ask: Ask) {
        self.shard.handle(Input::Ask(session, ask), self.now);
        self.settle();
    }

    /// Lets time pass in steps of a second.
    pub(in crate::hub::shard) fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.now.instant = self.now.instant + Duration::from_secs(1);
            self.now.wall = Wall(self.now.instant.0);
            self.shard.handle(Input::Tick, self.now);
            let due: Vec<SessionId> = self
                .asleep
                .iter()
                .filter(|(_, (_, deadline))| deadline.is_some_and(|at| at <= self.now.instant))
                .map(|(session, _)| *session)
                .collect();
            self.shard.handle(Input::Wake(due), self.now);
            self.settle();
        }
    }

    /// Does what the shard wants until it wants no more.
    pub(in crate::hub::shard) fn settle(&mut self) {
        loop {
            if !self.hold && !self.held.is_empty() {
                let completions = std::mem::take(&mut self.held)
                    .into_iter()
                    .map(|(ticket, batch)| self.write(ticket, batch))
                    .collect();
                self.shard.handle(Input::Stored(completions), self.now);
            }
            match self.shard.poll_output() {
                Some(output) => self.perform(output),
                None if self.hold || self.held.is_empty() => return,
                None => {}
            }
        }
    }

    pub(in crate::hub::shard) fn write(&mut self, ticket: u64, batch: Batch) -> Completion {
        let error = self
            .abandoned
            .then_some(store::Error::Abandoned)
            .or(self.fail.clone());
        self.abandoned |= error.is_some();
        if error.is_none() {
            self.note(&batch);
            self.disk
                .entry(batch.session)
                .or_default()
                .push(batch.record);
        }
        Completion {
            ticket,
            result: error.map_or(Ok(()), Err),
        }
    }

    pub(in crate::hub::shard) fn note(&mut self, batch: &Batch) {
        for change in &batch.record.changes {
            let Change::Event(event) = change else {
                continue;
            };
            if let chat::EventKind::Message { text, .. } = &event.kind {
                self.written.push(text.clone());
            }
            if let Some(durable) = &self.durable {
                let new = durable.lock().unwrap().insert((batch.session, event.index));
                assert!(new, "an index is used once");
            }
        }
    }

    pub(in crate::hub::shard) fn perform(&mut self, output: Output) {
        match output {
            Output::Commit(ticket, batch) => {
                self.commits += 1;
                self.held.push_back((ticket, batch));
            }
            Output::Reset => self.abandoned = false,
            Output::Load(session) => {
                let stored =
                    self.disk
                        .get(&session)
                        .map(|records| match self.asleep.remove(&session) {
                            Some((snapshot, _)) => Stored {
                                snapshot: Some(snapshot),
                                records: Vec::new(),
                                epoch: Epoch(2),
                            },
                            None => Stored {
                                snapshot: None,
                                records: records.clone(),
                                epoch: Epoch(2),
                            },
                        });
                self.shard
                    .handle(Input::Loaded(session, Box::new(Ok(stored))), self.now);
            }
            Output::Fetch(fetch) if self.slow => self.reads.push_back(fetch),
            Output::Fetch(fetch) => {
                self.read += 1;
                let events = self.events(fetch.session, fetch.from, fetch.bytes_max);
                self.shard
                    .handle(Input::Fetched(fetch, Ok(events)), self.now);
            }
            Output::PutAway(session, snapshot, deadline) => {
                self.check_snapshot(session, &snapshot);
                self.asleep.insert(session, (*snapshot, deadline));
            }
            Output::Forget(session) => {
                self.disk.remove(&session);
                self.asleep.remove(&session);
            }
            Output::Push(push) => self.pushed.push(push),
            Output::DeadLetter { letter, .. } => self.dead_letters.push(letter),
            Output::Owed(_, more) => self.owed += more,
        }
    }

    /// What sleeps is what was stored.
    pub(in crate::hub::shard) fn check_snapshot(&self, session: SessionId, snapshot: &Snapshot) {
        let mut chat = chat::Session::new();
        let records = self.disk.get(&session).into_iter().flatten();
        let changes = records.flat_map(|record| &record.changes);
        changes.for_each(|change| chat.apply(change));
        assert_eq!(chat.next_index(), snapshot.chat.next_index());
        assert_eq!(chat.participants(), snapshot.chat.participants());
    }

    pub(in crate::hub::shard) fn events(
        &self,
        session: SessionId,
        from: u64,
        bytes_max: usize,
    ) -> Vec<Event> {
        let mut bytes = 0;
        let events = self
            .disk
            .get(&session)
            .into_iter()
            .flatten()
            .flat_map(|record| &record.changes)
            .filter_map(|change| match change {
                Change::Event(event) if event.index >= from => Some(event.clone()),
                _ => None,
            });
        events
            .take_while(|_| {
                bytes += 1024;
                bytes <= bytes_max.max(1024)
            })
            .collect()
    }
}

pub(in crate::hub::shard) fn bob() -> Join {
    Join {
        account: "bob".into(),
        nickname: "Bob".into(),
        user_type: UserType::Agent,
        style: Style::Person,
        visibility: Visibility::All,
        client_version: 106,
        user_data: UserData::new(),
    }
}
