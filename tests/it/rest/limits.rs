//! Sizes, numbers and rates: each limit is refused by its name.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn nothing_is_cut_a_text_that_is_too_long_is_refused() {
    let server = Server::with()
        .set("settings.max-message-size=10")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    chat.say("0123456789").await;
    let reply = chat.call("send", &[("message", "0123456789a")]).await;
    let body = reply.json();
    assert_eq!(
        (
            reply.status,
            &body["statusCode"],
            &body["errors"][0]["code"]
        ),
        (200, &json!(2), &json!(204))
    );
    assert_eq!(texts(&chat.transcript(1).await), ["0123456789"]);
}

#[tokio::test]
async fn a_load_limit_asks_to_come_back() {
    let server = Server::with()
        .set("settings.limit-for-sessions=1")
        .start()
        .await;
    RestChat::alice(&server).await;
    let reply = Caller::new()
        .form(&server.public(CHAT), &[("nickname", "Late")])
        .await;
    let body = reply.json();
    assert_eq!(
        (
            reply.status,
            &body["statusCode"],
            &body["errors"][0]["code"]
        ),
        (200, &json!(1), &json!(240)),
        "{body}"
    );
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let server = Server::with()
        .config("[rate-limit]\nper-address = 2\nexempt = []")
        .start()
        .await;
    let caller = Caller::new();
    for _ in 0..40 {
        let reply = caller.form(&server.public(CHAT), &[]).await;
        if reply.status == 429 {
            assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1);
            assert_eq!(reply.json()["errors"][0]["code"], 429);
            return;
        }
    }
    panic!("forty requests at once were all served");
}

#[tokio::test]
async fn each_limit_is_refused_by_its_name() {
    let server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    let caller = Caller::new();
    let (long, longer) = ("x".repeat(257), "x".repeat(16_385));
    let keys: Vec<String> = (0..65).map(|key| format!("userData[{key}]")).collect();
    let keys: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    let many = ["a=b"; 201].join("&");
    let url = server.public(CHAT);
    let form = "application/x-www-form-urlencoded";
    let replies = [
        (
            "nickname = 256",
            caller.form(&url, &[("nickname", &long)]).await,
        ),
        (
            "nickname = 256",
            chat.call("updateNickname", &[("nickname", &long)]).await,
        ),
        (
            "subject = 1000",
            caller
                .form(&url, &[("nickname", "A"), ("subject", &longer)])
                .await,
        ),
        ("user-data-keys = 64", chat.call("updateData", &keys).await),
        (
            "user-data-size = 16384",
            chat.call("updateData", &[("userData[k]", &longer)]).await,
        ),
        ("fields = 200", caller.post(&url, form, many).await),
        (
            "request-body = 1048576",
            caller.post(&url, form, "x".repeat(1 << 21)).await,
        ),
    ];
    for (option, reply) in replies {
        let body = reply.json();
        let advice = body["errors"][0]["advice"].as_str().unwrap();
        assert!(advice.contains(&format!("[limits] {option}")), "{body}");
        assert_eq!(body["chatEnded"], false, "{body}");
    }
}

#[tokio::test]
async fn an_address_has_only_so_many_connections() {
    let server = Server::with()
        .config("[limits]\nconnections-per-address = 2\n[rate-limit]\nexempt = []")
        .start()
        .await;
    let held = [connect(&server).await, connect(&server).await];
    let asked = |mut stream: TcpStream| async move {
        let head = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = Vec::new();
        let _ = stream.write_all(head).await;
        let _ = stream.read_to_end(&mut answer).await;
        answer.starts_with(b"HTTP/1.1 200")
    };
    assert!(!asked(connect(&server).await).await, "one too many");
    for stream in held {
        assert!(asked(stream).await);
    }
    let free = || async { asked(connect(&server).await).await.then_some(()) };
    eventually("there is room again", free).await;
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.public).await.unwrap()
}
