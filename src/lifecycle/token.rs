//! The admin token: in the data folder, for whoever can read that.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Exit;
use crate::chance;
use crate::config::hex;

/// A bearer token, never shown but where it is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The admin token of a data folder; the first start has a fresh one that is not yet saved.
#[derive(Debug)]
pub(super) struct AdminToken {
    pub token: Token,
    pub fresh: bool,
    path: PathBuf,
}

const FILE: &str = "admin-token";
const RANDOM_BYTES: usize = 32;
const LENGTH_MIN: usize = 32;
const LENGTH_MAX: usize = 1024;

impl Token {
    /// 256 random bits as 64 hexadecimal digits.
    pub fn random() -> Result<Self, Exit> {
        let mut bytes = [0; RANDOM_BYTES];
        chance::fill(&mut bytes)
            .map_err(|error| Exit::unavailable("no randomness", error.to_string()))?;
        Ok(Self(hex(&bytes)))
    }

    /// The token itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What it is compared by.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl AdminToken {
    /// That of the folder, or a fresh one.
    pub(super) fn of(folder: &Path) -> Result<Self, Exit> {
        let path = folder.join(FILE);
        let (token, fresh) = match fs::read_to_string(&path) {
            Ok(text) => (parse(&path, &text)?, false),
            Err(error) if error.kind() == ErrorKind::NotFound => (Token::random()?, true),
            Err(error) => return Err(Exit::data(path, error)),
        };
        Ok(Self { token, fresh, path })
    }

    /// Writes a fresh token into the folder, for its owner only.
    pub(super) fn save(&self) -> Result<(), Exit> {
        if !self.fresh {
            return Ok(());
        }
        self.write().map_err(|error| Exit::data(&self.path, error))
    }

    fn write(&self) -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        writeln!(file, "{}", self.token.expose())?;
        file.sync_all()?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Whether others than the owner may read the file.
    pub(super) fn is_open_to_others(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    }
}

fn parse(path: &Path, text: &str) -> Result<Token, Exit> {
    let token = text.trim();
    let fits = (LENGTH_MIN..=LENGTH_MAX).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(Token(token.to_owned()))
    } else {
        let advice = "is not a token of at least 32 characters; without this file the next start makes a new one";
        Err(Exit::data(path, advice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let first = AdminToken::of(folder.path()).unwrap();
        assert!(first.fresh);
        first.save().unwrap();
        let mode = fs::metadata(&first.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = AdminToken::of(folder.path()).unwrap();
        assert!(!second.fresh && !second.is_open_to_others());
        assert_eq!(second.token, first.token);
        assert_eq!(second.token.expose().len(), 64);
    }

    #[test]
    fn a_file_without_a_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "short\n").unwrap();
        let refused = AdminToken::of(folder.path()).unwrap_err();
        assert_eq!(refused.code(), 74);
        assert!(!refused.to_string().contains("short"));
    }

    #[test]
    fn a_token_is_compared_by_its_digest_and_not_shown() {
        let token = Token("abc".into());
        assert!(hex(&token.sha256()).starts_with("ba7816bf8f01cfea"));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
