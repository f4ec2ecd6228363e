//! Configuration as written: every value that somebody set, where, and what it means by itself.

use std::collections::BTreeMap;

use toml_edit::{Item, Value};

use super::error::{Origin, Problem};
use super::kind::{Kind, Meaning};
use super::options::{Built, OptionSpec, TakesEffect};
use super::place::{SectionId, titles};
use super::suggest::nearest;

/// All values, each from the source that comes first.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    sections: BTreeMap<SectionId, Origin>,
    entries: BTreeMap<(SectionId, String), Entry>,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Who wrote it.
    pub origin: Origin,
    /// As it was written.
    pub value: Value,
    /// By itself.
    pub meaning: Meaning,
}

impl Written {
    /// The section is there, even if nothing is in it.
    pub(super) fn open(&mut self, section: SectionId, at: &Origin) -> Result<(), Problem> {
        section
            .check_name()
            .map_err(|expected| Problem::SectionName {
                at: at.clone(),
                title: section.to_string().into(),
                expected,
            })?;
        self.sections.insert(section, at.clone());
        Ok(())
    }

    /// An option has this value; what was there before came from a lesser source.
    pub(super) fn put(
        &mut self,
        section: SectionId,
        option: String,
        item: &Item,
        origin: Origin,
    ) -> Result<(), Problem> {
        let spec = spec_of(&section, &option, &origin)?;
        let valid = item
            .as_value()
            .and_then(|value| Some((value, spec.kind.meaning(value)?)));
        let Some((value, meaning)) = valid else {
            return Err(invalid(&section, option, &spec.kind, item, origin));
        };
        if !self.sections.contains_key(&section) {
            self.open(section.clone(), &origin)?;
        }
        let value = value.clone().decorated("", "");
        let entry = Entry {
            origin,
            value,
            meaning,
        };
        self.entries.insert((section, option), entry);
        Ok(())
    }

    /// The sections, and where each was begun last.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&SectionId, &Origin)> {
        self.sections.iter()
    }

    /// The names of the sections of a family.
    pub(super) fn names(&self, path: &[&str]) -> Vec<String> {
        self.sections
            .keys()
            .filter(|section| section.spec().path == path)
            .filter_map(|section| section.name.clone())
            .collect()
    }

    /// Where a section was begun.
    pub(super) fn origin_of(&self, section: &SectionId) -> Origin {
        self.sections
            .get(section)
            .cloned()
            .unwrap_or(Origin::Default)
    }

    /// The options that a section has a value of its own for.
    pub(super) fn options_of(&self, section: &SectionId) -> impl Iterator<Item = &String> {
        self.entries
            .keys()
            .filter(move |(owner, _)| owner == section)
            .map(|(_, option)| option)
    }

    /// The value of an option and whose it is: the section's own, or what it inherits.
    pub(super) fn effective(
        &self,
        section: &SectionId,
        option: &str,
    ) -> Option<(SectionId, &Entry)> {
        let mut place = (section.clone(), option.to_owned());
        loop {
            if let Some(entry) = self.entries.get(&place) {
                return Some((place.0, entry));
            }
            place = inherited(&place.0, &place.1)?;
        }
    }

    /// What somebody set although it does nothing yet, as `[section] option`.
    pub(super) fn without_effect(&self, defaults: &Written) -> Vec<String> {
        let set = |(place, entry): &(&(SectionId, String), &Entry)| {
            let default = defaults.entries.get(*place);
            let built = place.0.option(&place.1).map(|spec| spec.built);
            entry.origin != Origin::Default
                && match built {
                    Some(Built::No) => true,
                    Some(Built::OnlyDefault) => {
                        default.is_none_or(|default| default.meaning != entry.meaning)
                    }
                    _ => false,
                }
        };
        self.entries
            .iter()
            .filter(set)
            .map(|((section, option), _)| format!("{section} {option}"))
            .collect()
    }

    /// Takes over from `running` what takes effect at start only; answers which of those have changed.
    pub(super) fn keep_start_options(&mut self, running: &Written) -> Vec<String> {
        let places: std::collections::BTreeSet<_> = self
            .entries
            .keys()
            .chain(running.entries.keys())
            .filter(|(section, option)| at_start(section, option))
            .cloned()
            .collect();
        places
            .into_iter()
            .filter(|place| self.keep(running, place))
            .map(|(section, option)| format!("{section} {option}"))
            .collect()
    }

    fn keep(&mut self, running: &Written, place: &(SectionId, String)) -> bool {
        let before = self.entries.remove(place);
        if let Some(kept) = running.entries.get(place) {
            self.entries.insert(place.clone(), kept.clone());
        }
        let kept = running.entries.get(place);
        before.as_ref().map(|entry| &entry.meaning) != kept.map(|entry| &entry.meaning)
    }
}

fn at_start(section: &SectionId, option: &str) -> bool {
    section
        .option(option)
        .is_some_and(|spec| spec.takes_effect == TakesEffect::Start)
}

/// Whose value holds where there is none: a service's is that of `[chat]`, a provider's manners are those of `[push]`, a
/// debug twin's are those of its sibling.
fn inherited(section: &SectionId, option: &str) -> Option<(SectionId, String)> {
    const MANNERS: [&str; 3] = [
        "customhttp.transport-retry",
        "customhttp.timeout",
        "customhttp.concurrency",
    ];
    let sibling = option.strip_prefix("debug.").unwrap_or(option);
    match section.spec().path {
        ["chat", "*"] if option == "endpoint" => {
            Some((SectionId::of(&["chat"]), "default_chat_endpoint".into()))
        }
        ["chat", "*"] => Some((SectionId::of(&["chat"]), option.into())),
        ["push", ..] if !MANNERS.contains(&sibling) => None,
        ["push", ..] if sibling != option => Some((section.clone(), sibling.into())),
        ["push", "provider", "*"] => Some((SectionId::of(&["push"]), option.into())),
        _ => None,
    }
}

fn spec_of(section: &SectionId, option: &str, at: &Origin) -> Result<&'static OptionSpec, Problem> {
    section
        .option(option)
        .ok_or_else(|| Problem::UnknownOption {
            at: at.clone(),
            section: section.to_string().into(),
            option: option.into(),
            advice: option_advice(section, option).into(),
        })
}

fn option_advice(section: &SectionId, option: &str) -> String {
    let names = || section.spec().options.iter().map(|option| option.name);
    match nearest(option, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("it may have {}", names().collect::<Vec<_>>().join(", ")),
    }
}

/// The problem of a title that leads nowhere.
pub(super) fn unknown_section(title: &str, at: Origin) -> Problem {
    let title = format!("[{title}]");
    let advice = match nearest(&title, titles()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", titles().collect::<Vec<_>>().join(", ")),
    };
    Problem::UnknownSection {
        at,
        title: title.into(),
        advice: advice.into(),
    }
}

fn invalid(section: &SectionId, option: String, kind: &Kind, item: &Item, at: Origin) -> Problem {
    Problem::Invalid {
        at,
        section: section.to_string().into(),
        option: option.into(),
        expected: kind.to_string().into(),
        found: found(item).into(),
    }
}

fn found(item: &Item) -> String {
    match item {
        Item::Value(Value::Integer(number)) => number.value().to_string(),
        Item::Value(Value::Float(number)) => number.value().to_string(),
        Item::Value(Value::Boolean(switch)) => switch.value().to_string(),
        Item::Value(Value::String(text)) if text.value().is_empty() => "an empty text".into(),
        Item::Value(Value::String(_)) => "this text".into(),
        Item::Value(Value::Datetime(_)) => "a date".into(),
        Item::Value(Value::Array(_)) => "this list".into(),
        _ => "a table".into(),
    }
}
