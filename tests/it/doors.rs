//! What REST and CometD promise alike: how trouble is named and to whom it is told, and what counts as a request.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Caller, Customer, Door, Reply, RestChat, Server, within};

const CHANNEL: &str = "/service/chatV2/customer-support";

/// Over long-polling the `referenceId` of a failure was a number of its own, by which nobody found the request in a log.
#[tokio::test]
async fn over_long_polling_trouble_is_named_as_the_request_is() {
    let server = Server::start().await;
    let mut app = App::hello(&server).await;
    for (operation, data) in [
        ("sendMessage", json!({"secureKey": "of nothing"})),
        ("requestChat", json!({})),
    ] {
        let reference = format!("visit-of-{operation}");
        app.publish(operation, data, &reference).await;
        let told = app.told().await;
        assert_eq!(
            (&told["statusCode"], &told["referenceId"]),
            (&json!(2), &json!(reference)),
            "{told}"
        );
    }
    app.publish("sendMessage", json!({}), "").await;
    let made = app.request_id.clone();
    assert_eq!(app.told().await["referenceId"], made, "an id that was made");
}

/// Trouble was told under a fresh key where the fields could not be read, or the key opened nothing: whoever tells its chats
/// apart by their keys never learned which of them was meant.
#[tokio::test]
async fn trouble_is_told_under_the_key_that_was_given() {
    let server = Server::start().await;
    let mut alice = Customer::alice(&server, Door::Socket).await;
    let key = alice.key.clone();
    for (operation, fields) in [
        ("updateData", json!({"userData": {"basket": {"items": 3}}})),
        ("sendMessage", json!({"message": "a\u{0}b"})),
        ("pushUrl", json!({"eventAttributes": []})),
    ] {
        alice.publish(operation, fields).await;
        let told = alice.next().await;
        assert_eq!(
            (&told["secureKey"], &told["chatId"], &told["statusCode"]),
            (&json!(key), &json!(alice.chat), &json!(2)),
            "{operation}"
        );
    }
    alice.key = "of another life".to_owned();
    alice
        .publish("sendMessage", json!({"message": "anybody?"}))
        .await;
    let told = alice.next().await;
    assert_eq!(
        (&told["secureKey"], &told["chatId"], &told["chatEnded"]),
        (&json!(alice.key), &json!(""), &json!(true))
    );
    let failure = &told["errors"][0]["code"];
    assert_eq!(failure, 249);
}

/// A message over long-polling was counted twice, as a request and as a message: half of what is configured was allowed.
#[tokio::test]
async fn a_request_with_one_message_counts_once() {
    let server = Server::with()
        .config("[rate-limit]\nper-address = 1\nper-chat = 0\nexempt = []")
        .start()
        .await;
    let mut app = App::hello(&server).await;
    let reply = app
        .publish("requestChat", json!({"nickname": "Alice"}), "")
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let messages = reply.json();
    let done = |message: &Value| message["successful"] == true;
    assert!(messages.as_array().unwrap().iter().any(done), "{messages}");
}

/// What the gateway adds to user data was counted against the customer, who could not give as much as is configured.
#[tokio::test]
async fn a_customer_may_use_up_what_is_configured() {
    let server = Server::start().await;
    let url = server.public("/genesys/2/chat/customer-support");
    let keys: Vec<String> = (0..65).map(|key| format!("userData[{key}]")).collect();
    let fields = |count: usize| {
        let data = keys[..count].iter().map(|key| (key.as_str(), "v"));
        let names = [("firstName", "Alice"), ("lastName", "Rossi")];
        names.into_iter().chain(data).collect::<Vec<_>>()
    };
    let caller = Caller::new();
    let chat = caller.form(&url, &fields(64)).await.good();
    let text = |name: &str| chat[name].as_str().unwrap();
    let chat = RestChat::of(&server, text("chatId"), text("userId"), text("secureKey"));
    chat.call("updateData", &[(keys[0].as_str(), "other")])
        .await
        .good();
    for refused in [
        caller.form(&url, &fields(65)).await,
        chat.call("updateData", &[(keys[64].as_str(), "v")]).await,
    ] {
        let body = refused.json();
        assert_eq!(
            body["errors"][0]["advice"],
            "limit reached: [limits] user-data-keys = 64"
        );
    }
}

/// `Allow` named OPTIONS, and OPTIONS was answered 405.
#[tokio::test]
async fn who_asks_what_is_allowed_is_told() {
    let server = Server::start().await;
    let caller = Caller::new();
    let url = server.public("/genesys/2/chat/customer-support");
    let reply = caller.send(caller.request(Method::OPTIONS, &url)).await;
    assert_eq!(
        (reply.status, reply.header("allow")),
        (204, "POST, OPTIONS")
    );
    assert!(reply.bytes.is_empty());
    let reply = caller.get(&url).await;
    assert_eq!(
        (reply.status, reply.header("allow")),
        (405, "POST, OPTIONS")
    );
}

/// A client over long-polling that shows the HTTP below: with ids of requests, and no request more than it is asked for.
struct App {
    caller: Caller,
    url: String,
    cookie: String,
    client_id: String,
    request_id: String,
    events: Vec<Value>,
}

impl App {
    async fn hello(server: &Server) -> Self {
        let mut app = Self {
            caller: Caller::new(),
            url: server.public("/genesys/cometd"),
            cookie: String::new(),
            client_id: String::new(),
            request_id: String::new(),
            events: Vec::new(),
        };
        let hello = json!({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]});
        let reply = app.post(hello, "").await;
        let cookie = reply.header("set-cookie").split(';').next().unwrap();
        cookie.clone_into(&mut app.cookie);
        app.client_id = reply.json()[0]["clientId"].as_str().unwrap().to_owned();
        app
    }

    async fn publish(&mut self, operation: &str, mut data: Value, request_id: &str) -> Reply {
        data["operation"] = json!(operation);
        let message = json!({"channel": CHANNEL, "clientId": self.client_id, "data": data});
        self.post(message, request_id).await
    }

    /// The next data message, wherever it comes.
    async fn told(&mut self) -> Value {
        within("a data message", async {
            while self.events.is_empty() {
                let connect = json!({"channel": "/meta/connect", "clientId": self.client_id,
                    "connectionType": "long-polling", "advice": {"timeout": 1000}});
                self.post(connect, "").await;
            }
            self.events.remove(0)["data"].clone()
        })
        .await
    }

    async fn post(&mut self, message: Value, request_id: &str) -> Reply {
        let mut request = self
            .caller
            .request(Method::POST, &self.url)
            .header("content-type", "application/json")
            .header("cookie", &self.cookie);
        if !request_id.is_empty() {
            request = request.header("x-request-id", request_id);
        }
        let reply = self
            .caller
            .send(request.body(json!([message]).to_string()))
            .await;
        reply
            .header("x-request-id")
            .clone_into(&mut self.request_id);
        let messages = reply.json();
        let events = messages.as_array().into_iter().flatten();
        let events = events.filter(|message| message.get("successful").is_none());
        self.events.extend(events.cloned());
        reply
    }
}
