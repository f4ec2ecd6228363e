//! Where values come from: files, the environment, flags.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml_edit::{Document, Item, TableLike};

use super::error::{Invalid, Origin, Problem};
use super::options::{SECTIONS, SectionSpec};
use super::place::{Place, SectionId, locate, locate_value};
use super::suggest::nearest;
use super::written::{Written, unknown_section};

/// The default file: it is the documentation too.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

const CONFIG_VARIABLE: &str = "PARLOR_CONFIG";
const DATA_DIR_VARIABLE: &str = "PARLOR_DATA_DIR";
const OPTION_VARIABLES: &str = "PARLOR__";

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
            if name.as_encoded_bytes().starts_with(b"PARLOR_") {
                sources.add_variable(&name.to_string_lossy(), value)?;
            }
        }
        sources.environment.sort();
        Ok(sources)
    }

    fn add_variable(&mut self, name: &str, value: OsString) -> Result<(), Problem> {
        if name == CONFIG_VARIABLE {
            self.file.get_or_insert(value.into());
            return Ok(());
        }
        let value = value.into_string().map_err(|_| Problem::Syntax {
            at: Origin::Environment(name.to_owned()),
            message: "is not UTF-8".into(),
        })?;
        match name {
            DATA_DIR_VARIABLE => self.data_dir = Some(value),
            _ if name.starts_with(OPTION_VARIABLES) => {
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

fn put_file(written: &mut Written, path: &str, text: &str) -> Vec<Problem> {
    let path: Arc<str> = path.into();
    put_text(written, text, &|span| Origin::File {
        path: path.clone(),
        line: line_of(text, span),
    })
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start.min(text.len()));
    1 + text.as_bytes()[..start]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

type At<'a> = &'a dyn Fn(Option<Range<usize>>) -> Origin;

fn put_text(written: &mut Written, text: &str, at: At<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    match Document::parse(text) {
        Ok(document) => {
            let mut walk = Walk {
                written,
                problems: &mut problems,
                at,
            };
            walk.table(&mut Vec::new(), document.as_table());
        }
        Err(error) => problems.push(Problem::Syntax {
            at: at(error.span()),
            message: error.message().trim().replace('\n', ", "),
        }),
    }
    problems
}

/// Goes through a document, section by section.
struct Walk<'a> {
    written: &'a mut Written,
    problems: &'a mut Vec<Problem>,
    at: At<'a>,
}

impl Walk<'_> {
    fn table(&mut self, path: &mut Vec<String>, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let span = table.get_key_value(name).and_then(|(key, _)| key.span());
            let at = (self.at)(span);
            path.push(name.to_owned());
            match item.as_table_like() {
                Some(inner) => self.inner(path, inner, at),
                None => self.value(path, item, at),
            }
            path.pop();
        }
    }

    fn inner(&mut self, path: &mut Vec<String>, table: &dyn TableLike, at: Origin) {
        match locate(path) {
            Place::Nowhere => {
                self.problems.push(unknown_section(&path.join("."), at));
                return;
            }
            Place::Section(section) => {
                if let Err(problem) = self.written.open(section, &at) {
                    self.problems.push(problem);
                    return;
                }
            }
            Place::Inside(..) | Place::Above => {}
        }
        self.table(path, table);
    }

    fn value(&mut self, path: &[String], item: &Item, at: Origin) {
        let put = match locate_value(path) {
            Some((section, option)) => self.written.put(section, option, item, at),
            None => Err(Problem::UnknownPath {
                at,
                advice: format!("{} is neither in a section nor one", path.join(".")),
            }),
        };
        self.problems.extend(put.err());
    }
}

fn put_flag(written: &mut Written, assignment: &Assignment) -> Result<(), Problem> {
    let at = Origin::Flag(assignment.flag.clone());
    let path: Vec<String> = toml_edit::Key::parse(&assignment.path)
        .map(|keys| keys.iter().map(|key| key.get().to_owned()).collect())
        .unwrap_or_default();
    match locate_value(&path) {
        Some((section, option)) => put_written(written, section, option, &assignment.value, at),
        None => Err(Problem::UnknownPath {
            at,
            advice: "write --set section.option=value".into(),
        }),
    }
}

fn put_variable(written: &mut Written, name: &str, value: &str) -> Result<(), Problem> {
    let at = Origin::Environment(name.to_owned());
    let Some((section, option)) = place_of(written, name) else {
        return Err(Problem::UnknownPath {
            at,
            advice: match nearest(name, all_variables()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("names are {OPTION_VARIABLES}SECTION__OPTION"),
            },
        });
    };
    put_written(written, section, option, value, at)
}

fn put_written(
    written: &mut Written,
    section: SectionId,
    option: String,
    value: &str,
    at: Origin,
) -> Result<(), Problem> {
    let value = match section.option(&option) {
        Some(spec) => spec.kind.value_of(value),
        None => value.into(),
    };
    written.put(section, option, &Item::Value(value), at)
}

/// What a variable stands for: an option of a section, of a named section that there is, of one that there is not yet.
fn place_of(written: &Written, variable: &str) -> Option<(SectionId, String)> {
    if variable == DATA_DIR_VARIABLE {
        return Some((SectionId::of(&["store"]), "path".into()));
    }
    let words = plain(variable.strip_prefix(OPTION_VARIABLES)?);
    known_place(written, &words).or_else(|| {
        let path: Vec<_> = words
            .split("__")
            .map(|word| word.replace('_', "-"))
            .collect();
        let (section, option) = locate_value(&path)?;
        section.option(&option).map(|_| (section, option))
    })
}

fn known_place(written: &Written, words: &str) -> Option<(SectionId, String)> {
    SECTIONS.iter().find_map(|spec| {
        spec.options.iter().find_map(|option| {
            let name = name_between(spec, option.name, words)?;
            let section = match name {
                None => SectionId::of(spec.path),
                Some(name) => SectionId::named(spec.path, &real_name(written, spec, name)),
            };
            Some((section, option.name.to_owned()))
        })
    })
}

/// `Some(None)`: the words are this option; `Some(Some(name))`: they are this option of the section of that name.
fn name_between<'a>(spec: &SectionSpec, option: &str, words: &'a str) -> Option<Option<&'a str>> {
    let words = words.strip_suffix(&plain(option))?.strip_suffix("__")?;
    let title = plain(&spec.path.join("."));
    match title.strip_suffix('*') {
        None => (words == title).then_some(None),
        Some(start) => {
            let name = words.strip_prefix(start)?;
            (!name.is_empty() && !name.contains("__")).then_some(Some(name))
        }
    }
}

/// The variable's spelling cannot tell `-` from `_`, nor case: a name that there is decides.
fn real_name(written: &Written, spec: &SectionSpec, name: &str) -> String {
    let there = written.names(spec.path);
    there
        .into_iter()
        .find(|there| plain(there) == name)
        .unwrap_or_else(|| name.replace('_', "-"))
}

fn plain(name: &str) -> String {
    name.to_ascii_lowercase()
        .replace('-', "_")
        .replace('.', "__")
}

fn all_variables() -> impl Iterator<Item = String> {
    SECTIONS.iter().flat_map(|spec| {
        let title = plain(&spec.path.join(".")).replace('*', "NAME");
        spec.options.iter().map(move |option| {
            let name = format!("{OPTION_VARIABLES}{title}__{}", plain(option.name));
            name.to_ascii_uppercase()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_variable_finds_its_option_without_case_and_hyphens() {
        let cases = [
            ("PARLOR__SERVER__DRAIN_TIMEOUT", "[server] drain-timeout"),
            ("PARLOR__rate-limit__per-chat", "[rate-limit] per-chat"),
            ("PARLOR__COMETD__MAXINTERVAL", "[cometd] maxInterval"),
            (
                "PARLOR__PUSH__DEBUG__CUSTOMHTTP__URL",
                "[push] debug.customhttp.url",
            ),
            (
                "PARLOR__PUSH__PROVIDER__MAIN__CUSTOMHTTP__URL",
                "[push.provider.main] customhttp.url",
            ),
            ("PARLOR__CHAT__TYPING_PREVIEW", "[chat] typing_preview"),
            (
                "PARLOR__CHAT__CUSTOMER_SUPPORT__TYPING_PREVIEW",
                "[chat.customer-support] typing_preview",
            ),
            ("PARLOR__CHAT__IN_2_D__ENDPOINT", "[chat.In_2-d] endpoint"),
            ("PARLOR__SERVICE__CALL_ME___TTL", "[service.call-me] _ttl"),
            (
                "PARLOR__AGENT__ANN__SKILLS__ENGLISH",
                "[agent.ann] skills.english",
            ),
        ];
        let file = Some("[chat.In_2-d]");
        let written = with_file().read_with(file).unwrap();
        for (variable, expected) in cases {
            let (section, option) = place_of(&written, variable).unwrap();
            assert_eq!(format!("{section} {option}"), expected);
        }
    }

    #[test]
    fn every_option_has_a_variable() {
        let written = defaults();
        let fixed = all_variables().filter(|name| !name.ends_with('*'));
        for variable in fixed.filter(|name| !name.contains(':')) {
            let (section, option) = place_of(&written, &variable).unwrap();
            let title = section.to_string().replace(['[', ']'], "");
            let again = format!("parlor__{}", plain(&format!("{title}.{option}")));
            assert_eq!(again, variable.to_ascii_lowercase());
        }
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
                "parlor.toml:1: leads to no option; log is neither in a section nor one",
            ),
            (
                "level = 1",
                "parlor.toml:1: leads to no option; level is neither in a section nor one",
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
                "parlor.toml:2: leads to no option; agent.nickname is neither in a section nor one",
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
        sources.flags = vec![set("log.levl", "info"), set("levl", "info")];
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
