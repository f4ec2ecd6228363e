//! The process: its first start, its ready line, its signals, its exit codes, its health.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::json;

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
