//! A desk with chats that remember what they were asked.

use std::sync::Mutex;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use super::super::*;
use crate::chat::{Author, Create, Event, EventKind, KvList, UserData, UserType, Visibility};
use crate::clock::Wall;
use crate::http::{Connection, RequestId};
use crate::hub::Page;

pub(super) const NEW: &str = "customer-support";

/// The API with chats that remember.
pub(super) struct Desk {
    pub(super) api: Api<Remembering>,
    pub(super) per_chat: u32,
}

#[derive(Default)]
pub(super) struct Remembering {
    asked: Mutex<Vec<String>>,
    refuses: Option<Refusal>,
}

impl Remembering {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }

    fn done(&self) -> Result<Done, Refusal> {
        let done = Done {
            index: Some(2),
            view: view(),
        };
        self.refuses.clone().map_or(Ok(done), Err)
    }
}

impl Chats for Remembering {
    async fn create(
        &self,
        _: Wall,
        create: Create,
        _: Option<Subscription>,
    ) -> Result<Done, Refusal> {
        self.note(format!("create {}", create.nickname));
        self.done()
    }

    async fn submit(&self, _: SessionId, command: Command, _: Also) -> Result<Done, Refusal> {
        let name = format!("{command:?}");
        let name = name.split([' ', '{']).next().unwrap();
        self.note(name.to_owned());
        self.done()
    }

    async fn read(&self, _: SessionId, from: u64, _: usize) -> Result<Page, Refusal> {
        self.note(format!("read from {from}"));
        Ok(Page {
            events: vec![Arc::new(joined())],
            next_position: 3,
            participants: Vec::new(),
            view: view(),
        })
    }
}

impl Desk {
    pub(super) fn open(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(Remembering::default(), change)
    }

    pub(super) fn refusing(refusal: Refusal) -> Self {
        let chats = Remembering {
            refuses: Some(refusal),
            ..Remembering::default()
        };
        Self::with(chats, |_| {})
    }

    pub(super) fn with(chats: Remembering, change: impl FnOnce(&mut Settings)) -> Self {
        let service = Service {
            tenant: "Resources".into(),
            typing_preview: true,
        };
        let mut settings = Settings {
            alias: "1".into(),
            services: BTreeMap::from([(NEW.into(), service)]),
            push_on_join: true,
            destinations: Destinations::default(),
            reply_bytes_max: 1 << 20,
            body_bytes_max: 1 << 20,
            fields_max: 200,
            policy: Arc::new(Policy::default()),
        };
        change(&mut settings);
        let api = Api {
            chats,
            keys: Keys::new([7; 32]),
            settings: watch::channel(Arc::new(settings)).1,
            limits: Arc::default(),
            clock: Clock::system(),
            subscriptions_ignored: Counter::default(),
        };
        Self { api, per_chat: 0 }
    }

    /// A call in the chat, by its customer.
    pub(super) async fn say(&self, operation: &str, fields: &str) -> (u16, Value) {
        let user = keys().user(chat(), CUSTOMER);
        let proof = format!("userId={user}&secureKey={}&alias=0", keys().rest(chat()));
        self.post(&path_of(chat(), operation), &format!("{fields}&{proof}"))
            .await
    }

    pub(super) async fn post(&self, path: &str, fields: &str) -> (u16, Value) {
        let response = self.send(path, form(fields)).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    pub(super) async fn send(&self, path: &str, request: Request<Full<Bytes>>) -> Response {
        let (parts, body) = request.into_parts();
        let rates = Rates {
            per_address: 0,
            per_chat: self.per_chat,
            exempt: Vec::new(),
        };
        self.api.answer(path, &parts, body, &caller(), &rates).await
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.api.chats.asked.lock().unwrap().clone()
    }
}

pub(super) fn form(fields: &str) -> Request<Full<Bytes>> {
    let request = Request::post("/").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(Full::from(fields.to_owned())).unwrap()
}

pub(super) fn path_of(chat: SessionId, operation: &str) -> String {
    format!("{NEW}/{chat}/{operation}")
}

fn caller() -> Caller {
    let peer = ([192, 0, 2, 1], 4000).into();
    Caller {
        address: [192, 0, 2, 1].into(),
        secure: false,
        request_id: RequestId::made_of(7),
        connection: Arc::new(Connection::new(1, peer, false, None)),
    }
}

pub(super) fn keys() -> Keys {
    Keys::new([7; 32]).for_service("customer-support")
}

pub(super) fn chat() -> SessionId {
    SessionId::new(Wall(1_700_000_000_000), 42)
}

fn view() -> View {
    View {
        session: chat(),
        service: NEW.into(),
        participant: CUSTOMER,
        customer_left: None,
        ended: false,
        monitored: false,
        next_index: 3,
        names_service: false,
    }
}

fn joined() -> Event {
    Event {
        index: 1,
        at: Wall(1_700_000_000_000),
        from: Author {
            participant: CUSTOMER,
            nickname: "First Last".into(),
            user_type: UserType::Client,
            bot: false,
        },
        visibility: Visibility::All,
        to: None,
        kind: EventKind::ParticipantJoined,
        user_data: UserData::new(),
        attributes: KvList::default(),
    }
}
