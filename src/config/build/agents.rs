//! Who may use the internal listener.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Section, family};
use crate::config::error::Problem;
use crate::config::kind::{Meaning, Meant};
use crate::config::meant::{Agent, Role};
use crate::config::place::SectionId;
use crate::config::written::Written;

pub(super) fn agents(written: &Written) -> Result<BTreeMap<String, Agent>, Problem> {
    let path = &["agent", "*"];
    let agents = family(written, path, agent)?;
    let mut owners = BTreeMap::new();
    for (name, agent) in &agents {
        if let Some(other) = owners.insert(agent.token_sha256, name) {
            let id = SectionId::named(path, name);
            let conflict = format!("is that of [agent.{other}] too");
            return Err(Section { written, id }.conflict("token-sha256", conflict));
        }
    }
    Ok(agents)
}

fn agent(section: &Section<'_>) -> Result<Agent, Problem> {
    let name = section.id.name.clone().unwrap_or_default();
    let capacity: Option<u64> = section.find("capacity")?;
    let digest: Digest = section.read("token-sha256")?;
    Ok(Agent {
        nickname: section.find("nickname")?.unwrap_or(name),
        role: section.find("role")?.unwrap_or(Role::Agent),
        token_sha256: digest.0,
        groups: section.find("groups")?.unwrap_or_default(),
        skills: skills(section)?,
        capacity: capacity.filter(|chats| *chats > 0),
    })
}

fn skills(section: &Section<'_>) -> Result<BTreeMap<String, u64>, Problem> {
    section
        .written
        .options_of(&section.id)
        .filter_map(|option| Some((option, option.strip_prefix("skills.")?)))
        .map(|(option, skill)| Ok((skill.to_owned(), section.read(option)?)))
        .collect()
}

struct Digest([u8; 32]);

impl Meant for Digest {
    fn meant(meaning: &Meaning) -> Option<Self> {
        let Meaning::Text(text) = meaning else {
            return None;
        };
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(digest))
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
