//! The admin token: in the data folder, for whoever can read that.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
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
        let (token, fresh) = match fs::read(&path) {
            Ok(bytes) => (parse(&path, &bytes)?, false),
            Err(error) if error.kind() == ErrorKind::NotFound => (Token::random()?, true),
            Err(error) => {
                let advice = format!("cannot be read: {error}; check who owns it and its mode");
                return Err(Exit::data(path, advice));
            }
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
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Token, Exit> {
    // What is no text is no token either.
    let token = std::str::from_utf8(bytes).unwrap_or_default().trim();
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
    use std::os::unix::fs::PermissionsExt as _;

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
        assert!(!second.fresh);
        assert_eq!(second.token, first.token);
        assert_eq!(second.token.expose().len(), 64);
    }

    /// Of one with bytes that are no text it was only said that "stream did not contain valid UTF-8".
    #[test]
    fn a_file_without_a_token_is_refused_with_advice() {
        for content in ["short\n".as_bytes(), &[0xFF; 64], b""] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(FILE);
            fs::write(&file, content).unwrap();
            let refused = AdminToken::of(folder.path()).unwrap_err();
            assert_eq!(refused.code(), 74);
            let said = refused.to_string();
            assert!(said.starts_with(&file.display().to_string()), "{said}");
            assert!(said.contains("the next start makes a new one"), "{said}");
            assert!(!said.contains("short"), "{said}");
        }
    }

    #[test]
    fn a_token_that_cannot_be_read_is_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FILE)).unwrap();
        let refused = AdminToken::of(folder.path()).unwrap_err();
        assert!(
            refused.to_string().contains("check who owns it"),
            "{refused}"
        );
    }

    #[test]
    fn a_token_is_compared_by_its_digest_and_not_shown() {
        let token = Token("abc".into());
        assert!(hex(&token.sha256()).starts_with("ba7816bf8f01cfea"));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
