//! Which section and option a path of names is.

use std::fmt;

use super::options::{OptionSpec, SECTIONS, SectionSpec};

/// A section that there may be: its place in the table, and its name where it is one of a family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SectionId {
    index: usize,
    /// The name, as in `[chat.NAME]`.
    pub name: Option<String>,
}

/// Where in the table a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To a section.
    Section(SectionId),
    /// To something in a section, by this name.
    Inside(SectionId, String),
    /// To where only families of sections are, as `[agent]`.
    Above,
    /// Nowhere.
    Nowhere,
}

impl SectionId {
    /// The section without a name of this path; there must be one.
    pub(super) fn of(path: &[&str]) -> Self {
        let index = SECTIONS.iter().position(|spec| spec.path == path);
        debug_assert!(index.is_some(), "no section {path:?}");
        let index = index.unwrap_or_default();
        Self { index, name: None }
    }

    /// The section with this name of the family of this path; there must be one.
    pub(super) fn named(path: &[&str], name: &str) -> Self {
        let name = Some(name.to_owned());
        Self {
            name,
            ..Self::of(path)
        }
    }

    pub(super) fn spec(&self) -> &'static SectionSpec {
        &SECTIONS[self.index]
    }

    pub(super) fn option(&self, name: &str) -> Option<&'static OptionSpec> {
        self.spec().options.iter().find(|option| option.is(name))
    }

    /// Whether the name suits the family; if not, what would.
    pub(super) fn check_name(&self) -> Result<(), &'static str> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        let (fits, what) = match self.spec().path[0] {
            "agent" => (is_word(name, "-_.@"), "letters, digits and -_.@"),
            "endpoints:*" => (is_digits(name), "digits, the tenant's database id"),
            "push" => (
                is_word(name, "-_") && name != "debug",
                "letters, digits and -_, and not \"debug\"",
            ),
            _ => (is_word(name, "-_"), "letters, digits and -_"),
        };
        if fits { Ok(()) } else { Err(what) }
    }
}

fn is_word(name: &str, also: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

fn is_digits(name: &str) -> bool {
    (1..=19).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The section's title, with brackets.
impl fmt::Display for SectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.spec().path.iter().map(|word| {
            let name = self.name.as_deref().unwrap_or("NAME");
            toml_edit::Key::new(word.replace('*', name)).to_string()
        });
        write!(f, "[{}]", words.collect::<Vec<_>>().join("."))
    }
}

/// Where the title of a table leads.
pub(super) fn locate<S: AsRef<str>>(path: &[S]) -> Place {
    match longest(path, path.len()) {
        Some((id, words)) if words == path.len() => Place::Section(id),
        _ if SECTIONS.iter().any(|spec| is_above(spec, path)) => Place::Above,
        Some((id, words)) => Place::Inside(id, joined(&path[words..])),
        None => Place::Nowhere,
    }
}

/// Where the path of a value leads.
pub(super) fn locate_value<S: AsRef<str>>(path: &[S]) -> Option<(SectionId, String)> {
    let (id, words) = longest(path, path.len().saturating_sub(1))?;
    Some((id, joined(&path[words..])))
}

/// The titles of all sections, for advice.
pub(super) fn titles() -> impl Iterator<Item = String> {
    (0..SECTIONS.len()).map(|index| SectionId { index, name: None }.to_string())
}

fn longest<S: AsRef<str>>(path: &[S], words_max: usize) -> Option<(SectionId, usize)> {
    let fitting = SECTIONS.iter().enumerate().filter_map(|(index, spec)| {
        let name = (spec.path.len() <= words_max).then(|| name_in(spec, path))??;
        Some((SectionId { index, name }, spec.path.len()))
    });
    fitting.max_by_key(|(_, words)| *words)
}

/// `Some(None)`: it fits, and there is no name in it.
fn name_in<S: AsRef<str>>(spec: &SectionSpec, path: &[S]) -> Option<Option<String>> {
    let mut name = None;
    for (pattern, word) in spec.path.iter().zip(path) {
        match pattern.strip_suffix('*') {
            Some(start) => name = Some(word.as_ref().strip_prefix(start)?.to_owned()),
            None if *pattern == word.as_ref() => {}
            None => return None,
        }
    }
    Some(name)
}

fn is_above<S: AsRef<str>>(spec: &SectionSpec, path: &[S]) -> bool {
    spec.path.len() > path.len() && name_in(spec, path).is_some()
}

fn joined<S: AsRef<str>>(words: &[S]) -> String {
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    words.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_lead_to_sections() {
        let sales = SectionId::named(&["chat", "*"], "sales");
        assert_eq!(locate(&["chat", "sales"]), Place::Section(sales));
        assert_eq!(locate(&["chat"]), Place::Section(SectionId::of(&["chat"])));
        assert_eq!(locate(&["agent"]), Place::Above);
        assert_eq!(locate(&["push", "provider"]), Place::Above);
        assert_eq!(locate(&["chats"]), Place::Nowhere);
        let inside = Place::Inside(SectionId::of(&["push"]), "debug.customhttp".into());
        assert_eq!(locate(&["push", "debug", "customhttp"]), inside);
    }

    #[test]
    fn values_lead_to_options() {
        let main = SectionId::named(&["push", "provider", "*"], "main");
        let path = ["push", "provider", "main", "customhttp", "url"];
        assert_eq!(locate_value(&path), Some((main, "customhttp.url".into())));
        let push = SectionId::of(&["push"]);
        assert_eq!(
            locate_value(&["push", "pushEnabled"]),
            Some((push, "pushEnabled".into()))
        );
        let tenant = SectionId::named(&["endpoints:*"], "1");
        assert_eq!(
            locate_value(&["endpoints:1", "default"]),
            Some((tenant, "default".into()))
        );
        assert_eq!(locate_value(&["agent", "nickname"]), None);
    }

    #[test]
    fn a_title_is_written_as_toml_wants_it() {
        let title = |path: &[&str], name| SectionId::named(path, name).to_string();
        assert_eq!(
            title(&["chat", "*"], "customer-support"),
            "[chat.customer-support]"
        );
        assert_eq!(title(&["agent", "*"], "ann@x.y"), "[agent.\"ann@x.y\"]");
        assert_eq!(title(&["endpoints:*"], "1"), "[\"endpoints:1\"]");
    }
}
