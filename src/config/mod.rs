//! Configuration, in two stages: *as written* (every value with the place it was written at) and *as meant*
//! ([`Config`]: typed, checked, immutable).
//!
//! What each option is for is told in `default.toml`, which is compiled in. The table of options behind it decides what is
//! valid; flags beat the environment beats the file beats the defaults. A configuration is accepted as a whole or refused
//! with everything that is wrong in it, each with its file and line, variable or flag.
//!
//! An option of a section that belongs to a family can be inherited: a service has what `[chat]` says, a push provider has
//! the timeout, the retries and the concurrency of `[push]`, and a debug twin those of its sibling.

mod build;
pub mod cli;
mod error;
mod kind;
mod meant;
mod options;
mod place;
mod shape;
mod show;
mod sources;
mod suggest;
mod tls;
mod written;

pub use build::hex;
pub use error::{Invalid, Origin, Problem, Warning};
pub use meant::{
    Agent, Cometd, Config, Destination, Endpoint, Limits, Listener, LoadLimits, Log, LogFormat,
    LogLevel, Push, PushContent, RateLimit, Role, SameSite, Secret, Server, Service, Store,
    Transport, Url,
};
pub use sources::{Assignment, DEFAULT_FILE, Sources};
pub use tls::{Tls, TlsError};

use std::sync::Arc;

use place::SectionId;
use written::Written;

/// A valid configuration: what it means, and what was written.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As meant.
    pub config: Arc<Config>,
    /// What is worth saying about it.
    pub warnings: Vec<Warning>,
    written: Written,
}

/// A valid configuration that replaces a running one.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// What to go on with.
    pub loaded: Loaded,
    /// What has changed but takes effect at the next start, as `[section] option`; `loaded` has the running values of these.
    pub waiting: Vec<String>,
}

/// Reads the configuration from its sources; also the files with certificates that it names.
pub fn load(sources: &Sources) -> Result<Loaded, Invalid> {
    Loaded::new(sources.read()?)
}

/// Reads the text of a file called `parlor.toml`, over the defaults.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn load_text(text: &str) -> Result<Loaded, Invalid> {
    let sources = Sources::new(Some("parlor.toml".into()), vec![], [])?;
    Loaded::new(sources.read_with(Some(text))?)
}

impl Loaded {
    fn new(written: Written) -> Result<Self, Invalid> {
        let config = Arc::new(build::config(&written)?);
        let warnings = warnings(&config, &written);
        Ok(Self {
            config,
            warnings,
            written,
        })
    }

    /// Reads the sources again. What takes effect at start only stays as it is.
    pub fn reload(&self, sources: &Sources) -> Result<Reloaded, Invalid> {
        let mut written = sources.read()?;
        let waiting = written.keep_start_options(&self.written);
        let loaded = Self::new(written)?;
        Ok(Reloaded { loaded, waiting })
    }

    /// The effective values as TOML, with a comment on where each came from; secrets are hidden.
    pub fn show(&self) -> String {
        show::show(&self.written)
    }
}

/// The built-in defaults: those of the default file.
impl Default for Loaded {
    fn default() -> Self {
        match Self::new(sources::defaults()) {
            Ok(loaded) => loaded,
            Err(invalid) => unreachable!("the default file is valid: {invalid}"),
        }
    }
}

fn warnings(config: &Config, written: &Written) -> Vec<Warning> {
    let options = written.without_effect(&sources::defaults());
    let types = push_types_without_effect(written);
    let unsigned = config.push.destinations.iter();
    let unsigned = unsigned.filter(|(_, destination)| destination.secrets.is_empty());
    let mut warnings = Vec::new();
    if !options.is_empty() {
        warnings.push(Warning::NotBuilt { options });
    }
    if !types.is_empty() {
        warnings.push(Warning::PushTypes { types });
    }
    warnings.extend(unsigned.map(|(name, _)| Warning::Unsigned {
        destination: name.clone(),
    }));
    warnings
}

fn push_types_without_effect(written: &Written) -> Vec<String> {
    let enabled = written.effective(&SectionId::of(&["push"]), "pushEnabled");
    let Some(kind::Meaning::Texts(types)) = enabled.map(|(_, entry)| &entry.meaning) else {
        return Vec::new();
    };
    let built = |word: &String| matches!(word.as_str(), "comet" | "customhttp");
    types.iter().filter(|word| !built(word)).cloned().collect()
}

fn agent_id_fits(id: &str) -> bool {
    SectionId::named(&["agent", "*"], id).check_name().is_ok()
}

/// The lines that let an agent in whose token has this SHA-256.
pub fn agent_lines(id: &str, nickname: &str, role: Role, token_sha256: &[u8; 32]) -> String {
    let quote = |text: &str| toml_edit::Value::from(text).to_string();
    format!(
        "{}\nnickname = {}\nrole = {}\ntoken-sha256 = {}\n",
        SectionId::named(&["agent", "*"], id),
        quote(nickname),
        quote(role.word()),
        quote(&build::hex(token_sha256)),
    )
}

#[cfg(test)]
mod tests;
