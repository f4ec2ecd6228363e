//! How the servers of a world are configured.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::receiver::SECRET;
use super::world::known;
use crate::config::{Assignment, Config, Sources, hex, load};

/// Tokens, and who is a supervisor.
pub(super) const AGENTS: [(&str, bool); 3] = [
    ("bob-token", false),
    ("ben-token", false),
    ("carol-token", true),
];
/// Messages that may come with those that waited: answers that were lost and are written again, which agents have many of.
pub(super) const BESIDE_QUEUE: [usize; 2] = [5, 120];

/// The configuration of a seed.
pub(super) fn of(seed: u64) -> Arc<Config> {
    known(seed % 16, || {
        let threads = 1 + seed % 2;
        let queue = [30, 1000][(seed / 2 % 2) as usize];
        let concurrency = [1, 256][(seed / 4 % 2) as usize];
        let (answers, waiting) = [(4096, 5), (4_194_304, 1000)][(seed / 8 % 2) as usize];
        let mut lines = vec![
            ("store.worker-threads", threads.to_string()),
            ("limits.queue-messages", queue.to_string()),
            ("limits.queue-size", "65536".to_owned()),
            ("limits.answers-size", answers.to_string()),
            ("limits.requests-waiting", waiting.to_string()),
            ("rate-limit.per-chat", "0".to_owned()),
            ("settings.flex-push-resend-attempts", "2".to_owned()),
            ("push.customhttp.url", "\"http://127.0.0.1:9/\"".to_owned()),
            ("push.customhttp.secret", format!("[{SECRET:?}]")),
            ("push.customhttp.transport-retry", "[2, 10, 30]".to_owned()),
            ("push.customhttp.concurrency", concurrency.to_string()),
        ];
        for (name, (token, supervisor)) in ["bob", "ben", "carol"].into_iter().zip(AGENTS) {
            let role = if supervisor { "supervisor" } else { "agent" };
            let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            let about = [
                ("nickname", name.to_owned()),
                ("role", role.to_owned()),
                ("token-sha256", hex(&digest)),
            ];
            for (option, value) in about {
                let option: &str = Box::leak(format!("agent.{name}.{option}").into_boxed_str());
                lines.push((option, format!("{value:?}")));
            }
        }
        let flags = lines.into_iter().map(|(path, value)| Assignment {
            flag: format!("--set {path}"),
            path: path.to_owned(),
            value,
        });
        let sources = Sources::new(None, flags.collect(), []).unwrap();
        load(&sources).unwrap().config
    })
}
