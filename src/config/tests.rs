//! The two stages together.

use std::collections::BTreeSet;
use std::time::Duration;

use super::options::{Built, SECTIONS, TakesEffect};
use super::*;
use crate::chat::Policy;
use crate::push::{ResendSchedule, RetrySchedule};

#[test]
fn the_default_file_is_what_the_types_say() {
    let config = Loaded::default().config;
    assert_eq!(*config.policy, Policy::default());
    assert_eq!(config.push.resend, ResendSchedule::default());
    assert_eq!(config.server.public.address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.internal.address.to_string(), "127.0.0.1:8081");
    assert_eq!(
        config.services.keys().collect::<Vec<_>>(),
        ["customer-support"]
    );
    assert_eq!(
        config.services["customer-support"].endpoint.tenant,
        "Environment"
    );
    assert_eq!(config.cometd.timeout, Duration::from_secs(30));
    assert_eq!(config.load_limits.sessions, None);
    assert!(config.push.destinations.is_empty() && config.agents.is_empty());
    assert!(Loaded::default().warnings.is_empty());
}

#[test]
fn the_default_file_given_as_a_file_changes_nothing() {
    let given = file(DEFAULT_FILE).unwrap();
    assert_eq!(given.config, Loaded::default().config);
    assert_eq!(
        given.warnings.len(),
        1,
        "only that some options do nothing yet"
    );
}

/// The default file and the table say the same of each option: which there are, in which order, and what is valid.
#[test]
fn the_default_file_documents_every_option() {
    let mut rest = DEFAULT_FILE;
    for spec in SECTIONS.iter().flat_map(|section| section.options) {
        let valid = format!(
            "Valid: {}. Takes effect: {}.",
            spec.kind,
            effect(spec.takes_effect)
        );
        let comment = format!("{valid}{}", remark(spec.built));
        let name = spec.name.trim_end_matches('*');
        let (doc, option) = next_option(&mut rest);
        assert!(doc.ends_with(&comment), "{name}: {doc} | {comment}");
        assert!(option.starts_with(name), "{name}: {option}");
    }
    assert!(!rest.contains("Valid:"), "{rest}");
}

fn effect(when: TakesEffect) -> &'static str {
    match when {
        TakesEffect::Start => "start",
        TakesEffect::Reload => "reload",
    }
}

fn remark(built: Built) -> &'static str {
    match built {
        Built::Yes => "",
        Built::OnlyDefault => " Another value does nothing yet.",
        Built::No => " Does nothing yet.",
    }
}

/// The next comment with "Valid:" in one line, and the option behind it.
fn next_option(rest: &mut &str) -> (String, String) {
    let mut doc = Vec::new();
    let mut lines = rest.lines();
    for line in lines.by_ref() {
        let text = line.strip_prefix("# ").unwrap_or(line);
        let is_option = text
            .split_once(" = ")
            .is_some_and(|(name, _)| !name.contains(' '));
        if is_option && doc.iter().any(|line: &&str| line.starts_with("Valid:")) {
            *rest = &rest[line.as_ptr() as usize - rest.as_ptr() as usize + line.len()..];
            return (doc.join(" "), text.to_owned());
        }
        match line.is_empty() {
            true => doc.clear(),
            false => doc.push(text),
        }
    }
    panic!("no further option in {rest}");
}

#[test]
fn the_commented_examples_are_valid() {
    let examples: String = DEFAULT_FILE
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|text| is_toml(text))
                .unwrap_or(line)
        })
        .filter(|line| !line.contains("-tls-") && !line.contains('…'))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = file(&examples).unwrap().config;
    let names: Vec<_> = config.push.destinations.keys().cloned().collect();
    assert_eq!(
        names,
        [
            "customhttp",
            "debug.customhttp",
            "main.customhttp",
            "main.debug.customhttp"
        ]
    );
    assert_eq!(config.agents["ann"].skills["english"], 5);
}

fn is_toml(text: &str) -> bool {
    let is_title = text.starts_with('[') && text.ends_with(']') && !text.contains(' ');
    is_title
        || text
            .split_once(" = ")
            .is_some_and(|(name, _)| !name.contains(' '))
}

#[test]
fn a_service_has_what_chat_says_unless_it_says_more() {
    let config = file(
        "[chat]\ntyping_preview = false\ndefault_chat_endpoint = \"Acme:web\"\n\
         [chat.sales]\n\
         [chat.vip]\ntyping_preview = true\nendpoint = \"Acme:vip\"",
    );
    let config = config.unwrap().config;
    assert!(!config.services["sales"].policy.typing_preview);
    assert_eq!(config.services["sales"].endpoint.name, "web");
    assert!(config.policy_of("vip").typing_preview);
    assert_eq!(config.services["vip"].endpoint.name, "vip");
    assert!(!config.policy_of("gone").typing_preview);
}

#[test]
fn a_provider_inherits_manners_but_never_the_address() {
    let config = file(&format!(
        "[push]\n\
         customhttp = {{ url = \"http://a\", secret = \"{SECRET}\", timeout = 3, message = \"m\" }}\n\
         debug.customhttp.url = \"http://b\"\n\
         [push.provider.main]\n\
         customhttp.url = \"http://c\"\n\
         customhttp.transport-retry = \"none\"\n\
         debug.customhttp.url = \"http://d\"\n\
         [push.provider.empty]"
    ));
    let push = &config.unwrap().config.push;
    assert_eq!(push.destinations.len(), 4);
    let plain = &push.destinations["customhttp"];
    assert_eq!(plain.secrets[0].expose(), SECRET);
    assert_eq!(push.destinations["debug.customhttp"].timeout, plain.timeout);
    let main = &push.destinations["main.customhttp"];
    assert_eq!(
        (main.timeout, main.concurrency),
        (Duration::from_secs(3), 256)
    );
    assert_eq!((&main.message, main.secrets.len()), (&None, 0));
    let debug = &push.destinations["main.debug.customhttp"];
    assert_eq!(debug.retry, RetrySchedule::default());
    assert_eq!(debug.url.expose(), "http://d");
}

#[test]
fn a_disabled_type_has_no_destinations() {
    let loaded =
        file("[push]\npushEnabled = \"comet, fcm\"\ncustomhttp.url = \"http://a\"").unwrap();
    assert!(loaded.config.push.destinations.is_empty());
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["types in [push] pushEnabled that do nothing yet: fcm"]
    );
}

#[test]
fn what_does_nothing_yet_is_told_once_it_is_set() {
    let loaded = file(
        "[settings]\ntranscript-auto-save = 1\nsession-password-enforce = true\n\
         [client-file-transfer]\nupload-max-files = 3\n[push]\ncustomhttp.url = \"http://a\"",
    );
    let loaded = loaded.unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings[0],
        "options that do nothing yet with their value: [settings] session-password-enforce, [client-file-transfer] upload-max-files"
    );
    assert!(warnings[1].starts_with("pushes to customhttp are not signed;"));
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let digest = "00".repeat(32);
    let cases = [
        (
            "[server]\ninternal = \"127.0.0.1:8080\"".to_owned(),
            "parlor.toml:2: [server] internal must differ from public",
        ),
        (
            "[server]\npublic-tls-key = \"k\"".to_owned(),
            "parlor.toml:2: [server] public-tls-key needs public-tls-certificate",
        ),
        (
            "[settings]\nlimit-for-flex-users = 5\nlimit-for-sessions = 6".to_owned(),
            "parlor.toml:3: [settings] limit-for-sessions must not be above limit-for-flex-users (5)",
        ),
        (
            "[cometd]\ntransports = []".to_owned(),
            "parlor.toml:2: [cometd] transports must name at least one transport",
        ),
        (
            "[log]\n[agent.ann]\nrole = \"bot\"".to_owned(),
            "parlor.toml:2: [agent.ann] needs token-sha256",
        ),
        (
            format!("[agent]\nann.token-sha256 = \"{digest}\"\nbob.token-sha256 = \"{digest}\""),
            "parlor.toml:3: [agent.bob] token-sha256 is that of [agent.ann] too",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(file(&text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_named_but_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("public.pem");
    std::fs::write(&path, "hunter2").unwrap();
    let path = path.to_str().unwrap();
    let invalid = file(&format!(
        "[server]\npublic-tls-certificate = {path:?}\npublic-tls-key = {path:?}"
    ));
    let told = invalid.unwrap_err().to_string();
    let expected = format!("parlor.toml:2: no certificate could be read from {path}: ");
    assert!(told.starts_with(&expected), "{told}");
    assert!(!told.contains("hunter2"));
}

#[test]
fn an_agent_is_known_by_the_digest_of_its_token() {
    let text = agent_lines("ann@x", "Ann \"A\"", Role::Supervisor, &[0xab; 32]);
    let config = file(&text).unwrap().config;
    let ann = &config.agents["ann@x"];
    assert_eq!(
        (ann.nickname.as_str(), ann.role),
        ("Ann \"A\"", Role::Supervisor)
    );
    assert_eq!(ann.token_sha256, [0xab; 32]);
}

#[test]
fn what_is_shown_says_where_it_came_from_and_hides_secrets() {
    let loaded = file(&format!(
        "[log]\nlevel = \"debug\"\n[chat.sales]\n\
         [push]\ncustomhttp.url = \"https://u:pw@h/x?token=1\"\ncustomhttp.secret = [\"{SECRET}\"]"
    ));
    let shown = loaded.unwrap().show();
    for line in [
        "level = \"debug\"                                  # parlor.toml:2",
        "format = \"text\"                                  # default",
        "typing_preview = true                            # default, from [chat]",
        "customhttp.url = \"https://h/x\"                   # parlor.toml:5",
        "customhttp.secret = [\"(hidden)\"]                 # parlor.toml:6",
        "debug.customhttp.timeout = 10                    # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!shown.contains(SECRET) && !shown.contains("pw"));
    assert!(!format!("{:?}", file(&shown).map_err(|invalid| invalid.to_string())).contains("pw"));
}

#[test]
fn what_is_shown_of_the_defaults_means_the_defaults() {
    let shown = Loaded::default().show();
    assert_eq!(file(&shown).unwrap().config, Loaded::default().config);
}

#[test]
fn a_reload_keeps_what_takes_effect_at_start() {
    let running = file("[store]\npath = \"a\"\n[log]\nlevel = \"info\"").unwrap();
    let mut written = read("[store]\npath = \"b\"\n[log]\nlevel = \"debug\"").unwrap();
    let waiting = written.keep_start_options(&running.written);
    let loaded = Loaded::new(written).unwrap();
    assert_eq!(waiting, ["[store] path"]);
    assert_eq!(loaded.config.store.path.to_str(), Some("a"));
    assert_eq!(loaded.config.log.level, LogLevel::Debug);
}

#[test]
fn a_bad_reload_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlor.toml");
    std::fs::write(&path, "[log]\nlevel = \"warn\"").unwrap();
    let sources = Sources::new(Some(path.clone()), vec![], []).unwrap();
    let running = load(&sources).unwrap();
    std::fs::write(&path, "[log]\nlevel = \"debug\"\nformat = 1").unwrap();
    let refused = running.reload(&sources).unwrap_err().to_string();
    assert!(
        refused.contains("parlor.toml:3: [log] format must be one of"),
        "{refused}"
    );
}

#[test]
fn secrets_have_no_debug_output() {
    let text =
        format!("[push]\ncustomhttp.url = \"http://u:pw@h\"\ncustomhttp.secret = \"{SECRET}\"");
    let config = file(&text).unwrap().config;
    let shown = format!("{config:?}");
    assert!(!shown.contains("pw") && !shown.contains(SECRET), "{shown}");
}

#[test]
fn no_two_options_have_the_same_place() {
    let places: Vec<_> = SECTIONS
        .iter()
        .flat_map(|section| {
            section
                .options
                .iter()
                .map(|option| (section.path, option.name))
        })
        .collect();
    assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), places.len());
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn file(text: &str) -> Result<Loaded, Invalid> {
    Loaded::new(read(text)?)
}

fn read(text: &str) -> Result<Written, Invalid> {
    let sources = Sources::new(Some("parlor.toml".into()), vec![], [])?;
    sources.read_with(Some(text))
}
