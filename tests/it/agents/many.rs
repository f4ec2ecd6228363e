//! Agents who ask for much at a time.

use serde_json::{Value, json};

use crate::world::{Agent, BOB, Caller, Door, RestChat, Server};

/// Chats whose transcripts are about 60 KB long, to be joined.
async fn long_chats(server: &Server, count: usize) -> Vec<RestChat> {
    let mut chats = Vec::new();
    for _ in 0..count {
        let chat = RestChat::alice(server).await;
        for _ in 0..2 {
            chat.say(&"long ".repeat(6_000)).await;
        }
        chats.push(chat);
    }
    chats
}

fn join(chat: &RestChat) -> Value {
    json!({"operation": "join", "session": chat.id, "visibility": "ALL"})
}

async fn counted(server: &Server, name: &str) -> u64 {
    let metrics = Caller::new().get(&server.internal("/metrics")).await;
    let text = metrics.text();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

// Bob came back and joined all his chats at once, with longer transcripts than may wait for an agent. He was disconnected
// for not reading them, joined all of them again when he was back, and so on without end.
#[tokio::test]
async fn whoever_joins_everywhere_at_once_is_answered_as_fast_as_it_reads() {
    let server = Server::with()
        .set("settings.max-reply-size=32768")
        .set("limits.answers-size=131072")
        .start()
        .await;
    for door in Door::BOTH {
        let chats = long_chats(&server, 30).await;
        let mut bob = Agent::with_token(&server, door, BOB).await;
        let before = counted(&server, "parlor_agent_requests_waited").await;
        let answers = bob
            .ask_and_listen(&chats.iter().map(join).collect::<Vec<_>>())
            .await;
        for answer in &answers {
            assert_eq!(answer["ok"], true, "{door:?}");
        }
        assert!(counted(&server, "parlor_agent_requests_waited").await > before);
        // The transcripts were cut, and events go on from where they were.
        let last = chats.last().unwrap();
        last.say("and now?").await;
        let news = bob
            .until("news", |message| message["event"]["text"] == "and now?")
            .await;
        assert_eq!(news["session"], last.id.as_str());
        assert_eq!(counted(&server, "parlor_agent_requests_refused").await, 0);
    }
}

/// What follows a joining that waits waits too; what is said in another chat does not.
#[tokio::test]
async fn what_is_said_after_a_join_that_waits_keeps_its_place() {
    let server = Server::with()
        .set("settings.max-reply-size=32768")
        .set("limits.answers-size=32768")
        .start()
        .await;
    let chats = long_chats(&server, 6).await;
    let mut bob = Agent::bob(&server).await;
    let mut requests = Vec::new();
    for chat in &chats {
        requests.push(join(chat));
        requests.push(json!({"operation": "message", "session": chat.id, "text": "Hello"}));
    }
    let answers = bob.ask_and_listen(&requests).await;
    assert!(
        answers.iter().all(|answer| answer["ok"] == true),
        "{answers:?}"
    );
}

/// An agent that does not read is told so by its publishes, and goes on when it reads.
#[tokio::test]
async fn requests_that_do_not_get_their_turn_are_refused_and_may_be_made_again() {
    let server = Server::with()
        .set("settings.max-reply-size=32768")
        .set("limits.answers-size=32768")
        .set("limits.requests-waiting=2")
        .start()
        .await;
    let chats = long_chats(&server, 8).await;
    let mut bob = Agent::bob(&server).await;
    for (place, chat) in chats.iter().enumerate() {
        let mut data = join(chat);
        data["requestId"] = json!(place);
        let client = &bob.bayeux.client_id;
        let message = json!([{"id": place.to_string(), "channel": "/service/agent", "clientId": client, "data": data}]);
        bob.bayeux.send(message).await;
    }
    let last = (chats.len() - 1).to_string();
    let replies = bob.bayeux.exchange(json!([]), &last).await;
    let refused: Vec<usize> = replies
        .iter()
        .filter(|reply| reply["error"] == "503::unavailable")
        .map(|reply| reply["id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(!refused.is_empty(), "{replies:?}");
    let counted = counted(&server, "parlor_agent_requests_refused").await;
    assert_eq!(counted, refused.len() as u64);
    assert!(server.log().contains("[limits] requests-waiting"));
    for _ in refused.len()..chats.len() {
        let fits = |message: &Value| message["operation"] == "join" && message["ok"] == true;
        bob.until("the answers to the others", fits).await;
    }
    for place in refused {
        assert_eq!(bob.join(&chats[place].id).await["ok"], true);
    }
}
