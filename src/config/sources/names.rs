//! Values by the names that flags and environment variables have for them.

use toml_edit::Item;

use super::{Assignment, DATA_DIR_VARIABLE};
use crate::config::error::{Origin, Problem};
use crate::config::options::{SECTIONS, SectionSpec};
use crate::config::place::{SectionId, locate_value};
use crate::config::suggest::nearest;
use crate::config::written::{Written, unknown_section};

const PREFIX: &str = "PARLOR__";

/// What follows the prefix of variables that stand for options; in whatever case that is written.
pub(super) fn without_prefix(variable: &str) -> Option<&str> {
    let (start, rest) = variable.split_at_checked(PREFIX.len())?;
    start.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

pub(super) fn put_flag(written: &mut Written, assignment: &Assignment) -> Result<(), Problem> {
    let at = Origin::Flag(assignment.flag.clone());
    let path: Vec<String> = toml_edit::Key::parse(&assignment.path)
        .map(|keys| keys.iter().map(|key| key.get().to_owned()).collect())
        .unwrap_or_default();
    match locate_value(&path) {
        Some((section, option)) => put_written(written, section, option, &assignment.value, at),
        None => Err(nowhere(&path, at)),
    }
}

fn nowhere(path: &[String], at: Origin) -> Problem {
    match path {
        [section @ .., option] if !section.is_empty() && !option.is_empty() => {
            unknown_section(&section.join("."), at)
        }
        _ => Problem::UnknownPath {
            at,
            advice: "write --set section.option=value".into(),
        },
    }
}

pub(super) fn put_variable(written: &mut Written, name: &str, value: &str) -> Result<(), Problem> {
    let at = Origin::Environment(name.to_owned());
    let Some((section, option)) = place_of(written, name) else {
        return Err(Problem::UnknownPath {
            at,
            advice: match nearest(name, all_variables()) {
                Some(near) => format!("did you mean {near}?").into(),
                None => format!("names are {PREFIX}SECTION__OPTION").into(),
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
    let words = plain(without_prefix(variable)?);
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
            let name = format!("{PREFIX}{title}__{}", plain(option.name));
            name.to_ascii_uppercase()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::defaults;
    use super::*;

    #[test]
    fn a_variable_finds_its_option_without_case_and_hyphens() {
        let cases = [
            ("PARLOR__SERVER__DRAIN_TIMEOUT", "[server] drain-timeout"),
            ("parlor__rate-limit__per-chat", "[rate-limit] per-chat"),
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
        let mut written = defaults();
        let there = SectionId::named(&["chat", "*"], "In_2-d");
        written.open(there, &Origin::Default).unwrap();
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
}
