//! What pushes want: when, what, and where to.

use std::collections::BTreeMap;

use super::Section;
use crate::config::error::Problem;
use crate::config::meant::{Destination, Push, PushContent, Secret, Url};
use crate::config::place::SectionId;
use crate::config::written::Written;
use crate::push::{ResendSchedule, RetrySchedule};

pub(super) fn push(written: &Written) -> Result<Push, Problem> {
    let id = SectionId::of(&["settings"]);
    let settings = Section { written, id };
    let id = SectionId::of(&["push"]);
    let push = Section { written, id };
    let content: Vec<String> = settings.read("flex-push-content")?;
    let has = |word: &str| content.iter().any(|written| written == word);
    Ok(Push {
        enabled: settings.read("flex-push-enabled")?,
        on_join: settings.read("flex-push-on-join")?,
        resend: ResendSchedule {
            delays: settings.read("flex-push-resend-delay")?,
            attempts: settings.read("flex-push-resend-attempts")?,
        },
        content: PushContent {
            app_dbid: has("app-dbid"),
            secure_key: has("secure-key"),
            session_id: has("session-id"),
            user_id: has("user-id"),
        },
        dead_letters_kept: push.read("dead-letters-kept")?,
        destinations: destinations(written)?,
    })
}

fn destinations(written: &Written) -> Result<BTreeMap<String, Destination>, Problem> {
    let mut destinations = BTreeMap::new();
    let id = SectionId::of(&["push"]);
    let push = Section { written, id };
    let types: Vec<String> = push.read("pushEnabled")?;
    if types.iter().any(|word| word == "customhttp") {
        add_twins(&mut destinations, &push, "")?;
        for name in written.names(&["push", "provider", "*"]) {
            let id = SectionId::named(&["push", "provider", "*"], &name);
            add_twins(
                &mut destinations,
                &Section { written, id },
                &format!("{name}."),
            )?;
        }
    }
    Ok(destinations)
}

fn add_twins(
    destinations: &mut BTreeMap<String, Destination>,
    section: &Section<'_>,
    owner: &str,
) -> Result<(), Problem> {
    for twin in ["customhttp", "debug.customhttp"] {
        if let Some(destination) = destination(section, twin)? {
            destinations.insert(format!("{owner}{twin}"), destination);
        }
    }
    Ok(())
}

fn destination(section: &Section<'_>, twin: &str) -> Result<Option<Destination>, Problem> {
    let option = |name: &str| format!("{twin}.{name}");
    let Some(url) = section.find(&option("url"))? else {
        return Ok(None);
    };
    let message: Option<String> = section.find(&option("message"))?;
    let secrets: Option<Vec<String>> = section.find(&option("secret"))?;
    Ok(Some(Destination {
        url: Url(url),
        message: message.filter(|message| !message.is_empty()),
        secrets: secrets
            .unwrap_or_default()
            .into_iter()
            .map(Secret)
            .collect(),
        retry: RetrySchedule {
            delays: section.read(&option("transport-retry"))?,
        },
        timeout: section.read(&option("timeout"))?,
        concurrency: section.read(&option("concurrency"))?,
    }))
}
