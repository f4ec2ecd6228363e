//! What must not be told to anybody who reads logs and metrics, or to another customer.

use rustix::process::Signal;
use serde_json::json;

use crate::world::{
    Agent, Answer, BOB, Bayeux, CAROL, Caller, Customer, Door, ROBBIE, Receiver, RestChat, Server,
    eventually, multipart,
};

const CHAT: &str = "/genesys/2/chat/customer-support";

/// Whatever is said, given or asked with the word *planted* in it, well or badly, and at whatever level is logged: the word
/// is in no line of the log and no label of a metric, and neither is anything that opens a door.
#[tokio::test]
async fn no_planted_word_reaches_the_log_or_the_metrics() {
    let mut receiver = Receiver::start().await;
    receiver.will([
        Answer::status(400),
        Answer::status(503),
        Answer::status(204),
    ]);
    let url = receiver.url().replace("http://", "http://planted:planted@");
    let secret = "whsec_cGxhbnRlZHBsYW50ZWRwbGFudGVkcGxhbnRlZA==";
    let config = format!(
        "[push]\ncustomhttp.url = \"{url}\"\ncustomhttp.secret = \"{secret}\"\ncustomhttp.transport-retry = [1]"
    );
    let server = Server::with()
        .config(&config)
        .set("log.level=trace")
        .start()
        .await;
    let rest = over_rest(&server).await;
    let comet = over_cometd(&server).await;
    let mut carol = Agent::carol(&server).await;
    at_the_desk(&mut carol, &rest).await;
    let (bob, robbie) = (Agent::bob(&server).await, Agent::robbie(&server).await);
    strangers(&server, &rest).await;
    for _ in 0..3 {
        receiver.next().await;
    }
    reload_badly(&server).await;

    let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
    let log = server
        .log()
        .replace(&format!("#token={}", server.admin_token()), "");
    assert!(log.contains(" DEBUG "), "everything is logged");
    let keys = [&rest.key[24..], &comet.key[16..], secret];
    let tokens = [BOB, CAROL, ROBBIE, &server.admin_token()];
    let clients = [
        &*comet.bayeux.client_id,
        &carol.bayeux.client_id,
        &bob.bayeux.client_id,
        &robbie.bayeux.client_id,
    ];
    for word in ["planted", "PLANTED"]
        .into_iter()
        .chain(keys)
        .chain(tokens)
        .chain(clients)
    {
        let line = log.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "{word} is in the log");
        let line = metrics.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "{word} is in the metrics");
    }
    assert!(!log.contains("panicked"), "nothing panicked");
}

async fn over_rest(server: &Server) -> RestChat {
    let fields = [
        ("nickname", "Alice planted"),
        ("subject", "subject planted"),
        ("emailAddress", "planted@planted.example"),
        ("userData[planted]", "data planted"),
        ("userData[GCTI_Chat_PushSubscribe]", "true"),
        ("userData[GCTI_GMS_PushDeviceId]", "device-planted"),
        ("userData[GCTI_GMS_PushDeviceType]", "customhttp"),
        ("userData[GCTI_GMS_PushIncludePayload]", "true"),
    ];
    let chat = RestChat::request(server, &fields).await;
    chat.say("text planted").await;
    for (operation, fields) in [
        ("startTyping", ("message", "preview planted")),
        ("stopTyping", ("message", "preview planted")),
        ("refresh", ("message", "preview planted")),
        ("refresh", ("transcriptPosition", "planted")),
        ("pushUrl", ("pushUrl", "https://planted.example/planted")),
        ("updateNickname", ("nickname", "planted again")),
        ("customNotice", ("message", "notice planted")),
        ("updateData", ("userData[planted]", "more planted")),
        ("updateData", ("userData[planted\0]", "more planted")),
        ("readReceipt", ("transcriptPosition", "99planted")),
        ("send", ("planted", "planted")),
        ("planted", ("planted", "planted")),
    ] {
        chat.call(operation, &[fields]).await;
    }
    let long = "planted ".repeat(5_000);
    chat.call("send", &[("message", &long)]).await;
    chat.call("updateNickname", &[("nickname", &long)]).await;
    chat
}

async fn over_cometd(server: &Server) -> Customer {
    let mut chat = Customer::request(
        server,
        Door::Socket,
        json!({"nickname": "planted", "userData": {"planted": "planted"}}),
    )
    .await;
    chat.say("text planted").await;
    let channel = "/service/chatV2/customer-support";
    for data in [
        json!({"operation": "planted", "secureKey": chat.key}),
        json!({"operation": "sendMessage", "secureKey": "planted", "message": "planted"}),
        json!({"operation": "sendMessage", "secureKey": chat.key, "message": {"planted": 1}}),
        json!({"operation": "requestChat", "userData": {"a": ["planted"]}}),
        json!("planted"),
    ] {
        chat.bayeux.publish(channel, data).await;
    }
    chat.bayeux
        .publish("/service/planted", json!({"planted": "planted"}))
        .await;
    chat.bayeux
        .request(json!({"channel": "/meta/subscribe", "subscription": "/planted/**"}))
        .await;
    chat
}

async fn at_the_desk(carol: &mut Agent, chat: &RestChat) {
    carol.ask("sessions", json!({"watch": true})).await.unwrap();
    carol.join(&chat.id).await;
    carol.say(&chat.id, "text planted").await;
    let session = &chat.id;
    for (operation, fields) in [
        (
            "message",
            json!({"session": session, "text": "planted", "eventAttributes": {"planted": "planted"}, "userData": {"planted": "planted"}}),
        ),
        (
            "message",
            json!({"session": session, "text": "planted", "visibility": "planted"}),
        ),
        ("message", json!({"session": "planted", "text": "planted"})),
        (
            "notice",
            json!({"session": session, "notice": "planted", "text": "planted"}),
        ),
        (
            "notice",
            json!({"session": session, "notice": "nickname", "text": "Carol planted"}),
        ),
        ("join", json!({"session": session, "password": "planted"})),
        ("planted", json!({"session": session})),
    ] {
        let _ = carol.ask(operation, fields).await;
    }
}

/// Whoever has no business here, and says so with the word in every place there is.
async fn strangers(server: &Server, chat: &RestChat) {
    for door in Door::BOTH {
        for token in [json!("planted"), json!({"planted": "planted"})] {
            let ext = json!({"authentication": {"token": token}});
            let greeting = Bayeux::handshake(door, server.internal, "/cometd", Some(ext))
                .await
                .greeting;
            assert_eq!(greeting["successful"], false);
        }
    }
    let mallory = RestChat::of(server, &chat.id, "planted", "planted");
    let refused = mallory.call("send", &[("message", "planted")]).await.text();
    assert!(!refused.contains("planted"), "{refused}");
    let caller = Caller::new();
    let (kind, body) = multipart(&[("planted", "planted"), ("nickname", "pl\0anted")]);
    for (url, kind, body) in [
        (
            server.public(CHAT),
            "application/json",
            "{\"planted\":".to_owned(),
        ),
        (
            server.public(CHAT),
            "application/planted",
            "planted".to_owned(),
        ),
        (server.public(CHAT), &*kind, body),
        (
            server.public("/genesys/2/chat/planted"),
            "application/json",
            "{}".to_owned(),
        ),
        (
            server.public("/planted?planted=planted"),
            "application/json",
            "planted".to_owned(),
        ),
        (
            server.public("/genesys/cometd/planted"),
            "application/json",
            "[{\"planted\":planted}]".to_owned(),
        ),
        (
            server.internal("/cometd"),
            "application/json",
            "[{\"channel\":\"/planted\",\"clientId\":\"planted\"}]".to_owned(),
        ),
    ] {
        let request = caller
            .request(reqwest::Method::POST, &url)
            .header("content-type", kind);
        let request = request
            .header("authorization", "Bearer planted")
            .header("cookie", "BAYEUX_BROWSER=planted; planted=planted");
        let request = request
            .header("idempotency-key", "planted")
            .header("origin", "https://planted.example")
            .header("user-agent", "planted");
        let reply = caller.send(request.body(body)).await;
        assert!(!reply.text().contains("planted"), "{}", reply.text());
    }
}

/// What is wrong with a configuration is told without the secrets in it.
async fn reload_badly(server: &Server) {
    let file = server.config_file();
    let good = std::fs::read_to_string(&file).unwrap();
    for bad in [
        "[push.provider.a]\ncustomhttp.url = \"http://127.0.0.1:9/\"\ncustomhttp.secret = \"planted\"",
        "[push.provider.a]\ncustomhttp.url = \"http://127.0.0.1:9/\"\ncustomhttp.secret = [\"whsec_planted\", 7]",
        "[push.provider.a]\ncustomhttp.url = \"ftp://planted:planted@x.example/\"",
        "[push.provider.a]\ncustomhttp.url = \"http://planted:planted@\"",
        "[agent.mallory]\nnickname = \"M\"\nrole = \"agent\"\ntoken-sha256 = \"planted\"",
    ] {
        let before = refusals(server);
        std::fs::write(&file, format!("{good}\n{bad}\n")).unwrap();
        server.signal(Signal::HUP);
        eventually("the refusal of a configuration", || {
            std::future::ready((refusals(server) > before).then_some(()))
        })
        .await;
    }
    std::fs::write(&file, good).unwrap();
}

fn refusals(server: &Server) -> usize {
    server.log().matches("configuration refused").count()
}
