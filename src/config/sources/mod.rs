//! Where values come from: files, the environment, flags.

mod file;
mod names;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::{Invalid, Origin, Problem};
use super::written::Written;
use file::{put_file, put_text};
use names::{put_flag, put_variable, without_prefix};

/// The default file: it is the documentation too.
pub const DEFAULT_FILE: &str = include_str!("../default.toml");

const CONFIG_VARIABLE: &str = "PARLOR_CONFIG";
const DATA_DIR_VARIABLE: &str = "PARLOR_DATA_DIR";

/// What a process was started with; the file is read at each load.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    data_dir: Option<String>,
    environment: Vec<(String, String)>,
    flags: Vec<Assignment>,
}

/// `--set section.option=value`, or a flag that stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The flag without its value.
    pub flag: String,
    /// `section.option`, as TOML writes dotted keys.
    pub path: String,
    /// TOML, or a text.
    pub value: String,
}

impl Sources {
    /// `file` is that of `--config`; a later flag beats an earlier one.
    pub fn new(
        file: Option<PathBuf>,
        flags: Vec<Assignment>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Invalid> {
        let mut sources = Self {
            file,
            flags,
            ..Self::default()
        };
        for (name, value) in environment {
            sources.add_variable(&name.to_string_lossy(), value)?;
        }
        sources.environment.sort();
        Ok(sources)
    }

    fn add_variable(&mut self, name: &str, value: OsString) -> Result<(), Problem> {
        match name {
            CONFIG_VARIABLE if value.is_empty() => return Err(empty(name)),
            CONFIG_VARIABLE => {
                self.file.get_or_insert(value.into());
            }
            DATA_DIR_VARIABLE => self.data_dir = Some(utf8(name, value)?),
            _ if without_prefix(name).is_some() => {
                let value = utf8(name, value)?;
                self.environment.push((name.to_owned(), value));
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads the file, if there is one, and everything in the order of precedence.
    pub(super) fn read(&self) -> Result<Written, Invalid> {
        let text = self.file.as_deref().map(read_file).transpose()?;
        self.read_with(text.as_deref())
    }

    /// The same with the text of the file.
    pub(super) fn read_with(&self, file: Option<&str>) -> Result<Written, Invalid> {
        let mut written = defaults();
        let mut problems = Vec::new();
        if let (Some(path), Some(text)) = (&self.file, file) {
            problems.extend(put_file(&mut written, &path.to_string_lossy(), text));
        }
        for (name, value) in self.variables() {
            problems.extend(put_variable(&mut written, name, value).err());
        }
        for assignment in &self.flags {
            problems.extend(put_flag(&mut written, assignment).err());
        }
        if problems.is_empty() {
            Ok(written)
        } else {
            Err(Invalid { problems })
        }
    }

    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let data_dir = self.data_dir.as_deref();
        let options = self.environment.iter();
        data_dir
            .map(|value| (DATA_DIR_VARIABLE, value))
            .into_iter()
            .chain(options.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

fn empty(variable: &str) -> Problem {
    Problem::Syntax {
        at: Origin::Environment(variable.to_owned()),
        message: "is empty; name a file, or unset it".into(),
    }
}

fn utf8(variable: &str, value: OsString) -> Result<String, Problem> {
    value.into_string().map_err(|_| Problem::Syntax {
        at: Origin::Environment(variable.to_owned()),
        message: "is not UTF-8".into(),
    })
}

/// The values of the default file.
pub(super) fn defaults() -> Written {
    let mut written = Written::default();
    let problems = put_text(&mut written, DEFAULT_FILE, &|_| Origin::Default);
    debug_assert!(problems.is_empty(), "{problems:?}");
    written
}

fn read_file(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|source| Problem::Unreadable {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::place::SectionId;

    #[test]
    fn flags_beat_environment_beats_file_beats_defaults() {
        let option = |sources: &Sources, file| effective(sources, file, &["log"], "level");
        let mut sources = with_file();
        assert_eq!(option(&sources, None), ("info".into(), "default".into()));
        let file = Some("[log]\nlevel = \"warn\"");
        assert_eq!(
            option(&sources, file),
            ("warn".into(), "parlor.toml:2".into())
        );
        sources.environment = variables(&[("PARLOR__LOG__LEVEL", "debug")]);
        let origin = "environment variable PARLOR__LOG__LEVEL";
        assert_eq!(option(&sources, file), ("debug".into(), origin.into()));
        sources.flags = vec![set("log.level", "trace")];
        assert_eq!(
            option(&sources, file),
            ("trace".into(), "--set log.level".into())
        );
    }

    #[test]
    fn the_data_folder_has_its_own_names() {
        let mut sources = Sources::new(None, vec![], os(&[("PARLOR_DATA_DIR", "/a")])).unwrap();
        let path = |sources: &Sources| effective(sources, None, &["store"], "path").0;
        assert_eq!(path(&sources), "/a");
        sources.environment = variables(&[("PARLOR__STORE__PATH", "/b")]);
        assert_eq!(path(&sources), "/b");
    }

    #[test]
    fn a_variable_that_names_no_file_is_refused_by_its_name() {
        let refused = Sources::new(None, vec![], os(&[("PARLOR_CONFIG", "")])).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "environment variable PARLOR_CONFIG: is empty; name a file, or unset it"
        );
    }

    #[test]
    fn problems_name_the_place_and_what_would_be_right() {
        let cases = [
            (
                "[setings]\na = 1",
                "parlor.toml:1: unknown section [setings]; did you mean [settings]?",
            ),
            (
                "[settings]\n\nflex-push-timout = 1",
                "parlor.toml:3: unknown option flex-push-timout in [settings]; did you mean flex-push-timeout?",
            ),
            (
                "[log]\ncolour = 1",
                "parlor.toml:2: unknown option colour in [log]; it may have format, level",
            ),
            (
                "[settings]\nflex-disconnect-timeout = 0",
                "parlor.toml:2: [settings] flex-disconnect-timeout must be a whole number of seconds from 1 to 1728000, not 0",
            ),
            (
                "[log]\nlevel = \"loud\"",
                "parlor.toml:2: [log] level must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\", not this text",
            ),
            (
                "[[log]]\nlevel = 1",
                "parlor.toml:1: leads to no option; [log] would be a section",
            ),
            (
                "level = 1",
                "parlor.toml:1: leads to no option; level is in no section",
            ),
            (
                "[chat.\"a b\"]",
                "parlor.toml:1: [chat.\"a b\"]: the name must be 1 to 64 letters, digits and -_",
            ),
            (
                "[push.provider.debug]",
                "parlor.toml:1: [push.provider.debug]: the name must be 1 to 64 letters, digits and -_, and not \"debug\"",
            ),
            (
                "[agent]\nnickname = \"Ann\"",
                "parlor.toml:2: leads to no option; [agent.nickname] would be a section",
            ),
        ];
        for (file, expected) in cases {
            let invalid = with_file().read_with(Some(file)).unwrap_err();
            assert_eq!(invalid.to_string(), expected, "{file}");
        }
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        let invalid = with_file()
            .read_with(Some("[log]\nlevel = = 1"))
            .unwrap_err();
        assert!(
            invalid.to_string().starts_with("parlor.toml:2: "),
            "{invalid}"
        );
    }

    #[test]
    fn all_problems_are_told_and_none_repeats_a_text() {
        let file = "[push]\ncustomhttp.secret = \"whsec_hunter2\"\n[log]\nlevel = 3";
        let invalid = with_file().read_with(Some(file)).unwrap_err();
        assert_eq!(invalid.problems.len(), 2);
        assert!(!invalid.to_string().contains("hunter2"), "{invalid}");
    }

    #[test]
    fn problems_in_the_environment_and_in_flags_name_them() {
        let mut sources = with_file();
        sources.environment = variables(&[("PARLOR__LOG__LEVL", "x"), ("PARLOR__LOG__LEVEL", "x")]);
        sources.flags = vec![
            set("log.levl", "info"),
            set("levl", "info"),
            set("settngs.flex-push-timeout", "1"),
        ];
        let invalid = sources.read_with(None).unwrap_err().to_string();
        let lines: Vec<_> = invalid.lines().collect();
        assert_eq!(
            lines[0],
            "environment variable PARLOR__LOG__LEVL: leads to no option; did you mean PARLOR__LOG__LEVEL?"
        );
        assert!(
            lines[1]
                .starts_with("environment variable PARLOR__LOG__LEVEL: [log] level must be one of")
        );
        assert_eq!(
            lines[2],
            "--set log.levl: unknown option levl in [log]; did you mean level?"
        );
        assert_eq!(
            lines[3],
            "--set levl: leads to no option; write --set section.option=value"
        );
        assert_eq!(
            lines[4],
            "--set settngs.flex-push-timeout: unknown section [settngs]; did you mean [settings]?"
        );
    }

    fn with_file() -> Sources {
        Sources {
            file: Some("parlor.toml".into()),
            ..Sources::default()
        }
    }

    fn effective(
        sources: &Sources,
        file: Option<&str>,
        path: &[&str],
        option: &str,
    ) -> (String, String) {
        let written = sources.read_with(file).unwrap();
        let (_, entry) = written.effective(&SectionId::of(path), option).unwrap();
        let value = entry.value.as_str().unwrap();
        (value.to_owned(), entry.origin.to_string())
    }

    fn set(path: &str, value: &str) -> Assignment {
        Assignment {
            flag: format!("--set {path}"),
            path: path.into(),
            value: value.into(),
        }
    }

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    fn os(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }
}
