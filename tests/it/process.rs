//! The process: its first start, its ready line, its signals, its exit codes, its health.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{
    Agent, Bayeux, CAROL, Caller, Customer, Door, RestChat, Server, blocking, eventually, texts,
};

#[tokio::test]
async fn the_first_start_makes_a_data_folder_and_shows_the_console_once() {
    let mut server = Server::start().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.data_dir()), 0o700);
    assert_eq!(mode(&server.data_dir().join("admin-token")), 0o600);
    let token = server.admin_token();
    assert!(token.len() >= 32, "at least 128 bits");
    let console = format!("{}#token={token}", server.internal("/console"));
    assert_eq!(
        server.log().matches(&console).count(),
        1,
        "{}",
        server.log()
    );

    server.stop().await;
    server.start_again().await;
    assert_eq!(
        (server.admin_token(), server.log().matches(&token).count()),
        (token, 1),
        "not again"
    );
}

#[tokio::test]
async fn health_tells_the_truth() {
    let server = Server::start().await;
    let caller = Caller::new();
    for path in ["/livez", "/readyz"] {
        assert_eq!(
            caller.get(&server.internal(path)).await.status,
            200,
            "{path}"
        );
        assert_eq!(
            caller.get(&server.public(path)).await.status,
            404,
            "not for customers: {path}"
        );
    }
    RestChat::alice(&server).await;
    let metrics = caller.get(&server.internal("/metrics")).await;
    assert!(
        metrics
            .text()
            .lines()
            .any(|line| line.starts_with("parlor_")),
        "{}",
        metrics.text()
    );
}

/// What an operator looks at on the first day.
#[tokio::test]
async fn the_metrics_of_the_first_day_are_there() {
    let server = Server::with()
        .set("push.customhttp.url=http://127.0.0.1:9/hook")
        .start()
        .await;
    RestChat::alice(&server).await.say("counted").await;
    let metrics = Caller::new().get(&server.internal("/metrics")).await.text();
    for line in [
        "parlor_events_total{type=\"ParticipantJoined\"} 1",
        "parlor_events_total{type=\"Message\"} 1",
        "parlor_events_total{type=\"IdleClose\"} 0",
        "parlor_connections{listener=\"public\"} ",
        "parlor_websockets{listener=\"public\"} 0",
        "parlor_long_polls{listener=\"internal\"} 0",
        "parlor_sessions_live 1",
        "parlor_sessions_dormant 0",
        "parlor_store_commit_seconds_bucket{",
        "parlor_store_commit_records_bucket{",
        "parlor_store_free_bytes ",
        "parlor_store_queue_full_total 0",
        "parlor_shard_queue_full_total 0",
        "parlor_queue_full_total 0",
        "parlor_push_deliveries_total{destination=\"customhttp\",outcome=\"delivered\"} 0",
        "parlor_push_deliveries_total{destination=\"customhttp\",outcome=\"dead\"} 0",
        "parlor_push_dead_letters_total{destination=\"customhttp\"} 0",
        "parlor_push_owed{destination=\"customhttp\"} 0",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_max_fds ",
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
    ] {
        let there = metrics.lines().any(|one| one.starts_with(line));
        assert!(there, "{line} in {metrics}");
    }
}

#[tokio::test]
async fn sigterm_drains_and_loses_nothing() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start().await;
        let rest = RestChat::alice(&server).await;
        rest.say("accepted").await;
        let mut comet = Customer::alice(&server, Door::Socket).await;
        comet.bayeux.hold().await;
        server.signal(signal);
        let (said, code) = comet.bayeux.farewell().await;
        let held = said
            .iter()
            .find(|reply| reply["channel"] == "/meta/connect");
        assert_eq!(
            held.unwrap()["advice"]["reconnect"],
            "retry",
            "come back: {said:?}"
        );
        assert_eq!(code, Some(1001));
        assert_eq!(server.ended().await.code(), Some(0), "{signal:?}");
        server.start_again().await;
        let rest = RestChat::of(&server, &rest.id, &rest.user, &rest.key);
        assert_eq!(texts(&rest.transcript(1).await), ["accepted"]);
    }
}

#[tokio::test]
async fn a_held_poll_is_sent_away_with_advice() {
    let mut server = Server::start().await;
    let mut comet = Customer::alice(&server, Door::Polling).await;
    let held = tokio::spawn(async move { comet.bayeux.meta_connect(None).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!held.is_finished(), "it is held");
    server.signal(Signal::TERM);
    let reply = held.await.unwrap();
    assert_eq!(reply["advice"]["reconnect"], "retry", "{reply}");
    assert!(reply["advice"]["interval"].as_u64() > Some(0), "{reply}");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_chat_that_is_begun_during_the_drain_is_sent_elsewhere() {
    let mut server = Server::start().await;
    let (mut request, rest) = half_a_request(&server).await;
    server.signal(Signal::TERM);
    drains(&server).await;
    request.write_all(rest).await.unwrap();
    let mut reply = String::new();
    request.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 503"), "{reply}");
    assert!(
        reply.to_lowercase().contains("\r\nretry-after: "),
        "{reply}"
    );
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_loses_nothing() {
    let mut server = Server::start().await;
    let chat = RestChat::alice(&server).await;
    chat.say("accepted").await;
    let (_request, _) = half_a_request(&server).await;
    server.signal(Signal::TERM);
    drains(&server).await;
    let asked = std::time::Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it waited for a request"
    );
    server.start_again().await;
    let chat = RestChat::of(&server, &chat.id, &chat.user, &chat.key);
    assert_eq!(texts(&chat.transcript(1).await), ["accepted"]);
}

/// A request for a chat whose last bytes are yet to come.
async fn half_a_request(server: &Server) -> (TcpStream, &'static [u8]) {
    let mut stream = TcpStream::connect(server.public).await.unwrap();
    let head = "POST /genesys/2/chat/customer-support HTTP/1.1\r\nHost: localhost\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 14\r\n\r\nnick";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Read by the server before anything else that comes now.
    Caller::new().get(&server.public("/")).await;
    (stream, b"name=Alice")
}

async fn drains(server: &Server) {
    eventually("the drain", || {
        std::future::ready(
            server
                .log()
                .contains("no new chats are taken")
                .then_some(()),
        )
    })
    .await;
}

#[tokio::test]
async fn certificates_are_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = |name: &str| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        std::fs::read(fixtures.join(name)).unwrap()
    };
    let place = |name: &str| {
        for kind in ["crt", "key"] {
            let bytes = fixture(&format!("{name}.{kind}"));
            std::fs::write(folder.path().join(format!("server.{kind}")), bytes).unwrap();
        }
    };
    place("localhost");
    let path = |kind: &str| {
        folder
            .path()
            .join(format!("server.{kind}"))
            .display()
            .to_string()
    };
    let server = Server::with()
        .set(&format!("server.public-tls-certificate={}", path("crt")))
        .set(&format!("server.public-tls-key={}", path("key")))
        .start()
        .await;
    let url = format!(
        "https://localhost:{}/genesys/2/chat/none",
        server.public.port()
    );
    let trusted = |name: &str| {
        let certificate = reqwest::Certificate::from_pem(&fixture(&format!("{name}.crt"))).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([certificate]);
        let request = client.build().unwrap().post(&url).send();
        async move { request.await.is_ok() }
    };
    assert!(trusted("localhost").await && !trusted("other").await);

    std::fs::write(folder.path().join("server.crt"), "no certificate").unwrap();
    server.signal(Signal::HUP);
    eventually("the refusal", || {
        std::future::ready(server.log().contains("server.crt").then_some(()))
    })
    .await;
    assert!(trusted("localhost").await, "the running certificate stays");

    place("other");
    server.signal(Signal::HUP);
    eventually("the new certificate", || async {
        trusted("other").await.then_some(())
    })
    .await;
    assert!(!trusted("localhost").await);
}

#[tokio::test]
async fn sighup_takes_the_configuration_whole_or_not_at_all() {
    let server = Server::with()
        .config("[settings]\nmax-message-size = 100")
        .start()
        .await;
    let chat = RestChat::alice(&server).await;
    let accepts = |bytes: usize| {
        let chat = chat.clone();
        async move {
            chat.call("send", &[("message", &"x".repeat(bytes))])
                .await
                .json()["statusCode"]
                == 0
        }
    };
    assert!(accepts(100).await && !accepts(101).await);

    let good = std::fs::read_to_string(server.config_file()).unwrap();
    std::fs::write(
        server.config_file(),
        good.replace(
            "max-message-size = 100",
            "max-message-size = 200\nno-such-option = 1",
        ),
    )
    .unwrap();
    server.signal(Signal::HUP);
    eventually("the refusal, with the line at fault", || {
        let log = server.log();
        std::future::ready(
            (log.contains("no-such-option") && log.contains("parlor.toml:3")).then_some(()),
        )
    })
    .await;
    assert!(!accepts(150).await, "the running configuration stays");

    std::fs::write(
        server.config_file(),
        good.replace("max-message-size = 100", "max-message-size = 200"),
    )
    .unwrap();
    server.signal(Signal::HUP);
    eventually("the new limit", || async {
        accepts(150).await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn exit_codes_say_what_is_wrong() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[settings]\nflex-push-resend-delay = 0\n").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (data, file, other) = (
        path(&server.data_dir()),
        path(&file),
        path(&folder.path().join("data")),
    );
    let (any, taken) = ("127.0.0.1:0".to_owned(), server.public.to_string());
    let cases = [
        (64, vec!["serve", "--no-such-flag"], "--no-such-flag"),
        (
            78,
            vec!["serve", "--config", &file, "--data-dir", &other],
            "bad.toml:2",
        ),
        (
            78,
            vec![
                "serve",
                "--set",
                "settings.no-such-option=1",
                "--data-dir",
                &other,
            ],
            "no-such-option",
        ),
        (
            74,
            vec![
                "serve",
                "--data-dir",
                &data,
                "--public",
                &any,
                "--internal",
                &any,
            ],
            "lock",
        ),
        (
            69,
            vec![
                "serve",
                "--data-dir",
                &other,
                "--public",
                &taken,
                "--internal",
                &any,
            ],
            &taken,
        ),
    ];
    for (code, arguments, said) in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
        command.args(&arguments).stdin(Stdio::null());
        let output = blocking(move || command.output().unwrap()).await;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {complaint}"
        );
        assert!(
            complaint.contains(said),
            "{arguments:?} names what is wrong: {complaint}"
        );
        assert!(output.stdout.is_empty(), "no ready line");
    }
}

#[tokio::test]
async fn flags_beat_the_environment_which_beats_the_file() {
    let base = || Server::with().config("[settings]\nmax-message-size = 10");
    let variable = "PARLOR__SETTINGS__MAX_MESSAGE_SIZE";
    let starts = [
        (10, base()),
        (20, base().environment(variable, "20")),
        (
            30,
            base()
                .environment(variable, "20")
                .set("settings.max-message-size=30"),
        ),
    ];
    for (limit, start) in starts {
        let server = start.start().await;
        let chat = RestChat::alice(&server).await;
        chat.say(&"x".repeat(limit)).await;
        assert_eq!(
            chat.call("send", &[("message", &"x".repeat(limit + 1))])
                .await
                .json()["statusCode"],
            2,
            "{limit}"
        );
    }
}

#[tokio::test]
async fn the_internal_listener_knows_its_names() {
    let server = Server::with()
        .config("[server]\ninternal-hosts = [\"agents.example\"]")
        .start()
        .await;
    let caller = Caller::new();
    let ask = |host: &str| {
        caller.send(
            caller
                .request(reqwest::Method::GET, &server.internal("/livez"))
                .header("host", host),
        )
    };
    for host in [
        "127.0.0.1",
        "localhost:8081",
        "[::1]:8081",
        "agents.example",
    ] {
        assert_eq!(ask(host).await.status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example"] {
        assert!(matches!(ask(host).await.status, 403 | 421), "{host}");
    }
}

#[tokio::test]
async fn the_pages_come_with_a_strict_policy() {
    let server = Server::start().await;
    let caller = Caller::new();
    let pages = [
        server.public("/"),
        server.public("/assets/customer.js"),
        server.public("/assets/customer.css"),
        server.public("/assets/bayeux.js"),
        server.internal("/console"),
        server.internal("/assets/console.js"),
        server.internal("/assets/console.css"),
        server.internal("/assets/bayeux.js"),
    ];
    for url in pages {
        let reply = caller.get(&url).await;
        let policy = reply.header("content-security-policy");
        assert_eq!(reply.status, 200, "{url}");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{url}: {policy}"
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
    let console = caller.get(&server.internal("/console")).await;
    assert!(
        console
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(caller.get(&server.public("/console")).await.status, 404);
    assert_eq!(
        caller
            .get(&server.public("/assets/console.js"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn no_secret_and_no_word_of_a_chat_reaches_the_log() {
    let server = Server::with().set("log.level=trace").start().await;
    let fields = [
        ("nickname", "Alice-planted"),
        ("subject", "subject-planted"),
        ("userData[k]", "data-planted"),
    ];
    let rest = RestChat::request(&server, &fields).await;
    rest.say("text-planted").await;
    rest.call("refresh", &[("transcriptPosition", "bad-planted")])
        .await;
    let mut comet = Customer::alice(&server, Door::Socket).await;
    comet.say("text-planted").await;
    let mut carol = Agent::carol(&server).await;
    carol.join(&rest.id).await;
    carol.say(&rest.id, "text-planted").await;
    let refused = Bayeux::handshake(
        Door::Socket,
        server.internal,
        "/cometd",
        Some(json!({"authentication": {"token": "guess-planted"}})),
    );
    assert_eq!(refused.await.greeting["successful"], false);

    let first_lines = server
        .log()
        .replace(&format!("#token={}", server.admin_token()), "");
    for secret in [
        "planted",
        &rest.key,
        &comet.key,
        CAROL,
        &server.admin_token(),
        &comet.bayeux.client_id,
        &carol.bayeux.client_id,
    ] {
        assert!(!first_lines.contains(secret), "{secret} is in the log");
    }
}
