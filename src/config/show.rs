//! `config show`: effective values, and where each came from.

use std::fmt::Write as _;

use super::error::Origin;
use super::options::OptionSpec;
use super::place::SectionId;
use super::written::Written;

/// Where the comments begin, if the value leaves room.
const COMMENT_COLUMN: usize = 48;

/// TOML with a comment behind each value. Secrets are hidden.
pub(super) fn show(written: &Written) -> String {
    let mut text = String::new();
    for (section, _) in written.sections() {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{section}");
        for spec in section.spec().options {
            for option in names_of(written, section, spec) {
                text.extend(line(written, section, spec, &option));
            }
        }
    }
    text
}

fn names_of(written: &Written, section: &SectionId, spec: &OptionSpec) -> Vec<String> {
    if !spec.name.ends_with('*') {
        return vec![spec.name.to_owned()];
    }
    let there = written.options_of(section);
    there.filter(|option| spec.is(option)).cloned().collect()
}

fn line(written: &Written, section: &SectionId, spec: &OptionSpec, option: &str) -> Option<String> {
    let (owner, entry) = written.effective(section, option)?;
    let value = spec.kind.show(&entry.value);
    let assignment = format!("{} = {value}", key(option));
    let origin = origin(section, &owner, &entry.origin);
    Some(format!("{assignment:<COMMENT_COLUMN$} # {origin}\n"))
}

/// A dotted option is a dotted key.
fn key(option: &str) -> String {
    let words = option
        .split('.')
        .map(|word| toml_edit::Key::new(word).to_string());
    words.collect::<Vec<_>>().join(".")
}

fn origin(section: &SectionId, owner: &SectionId, origin: &Origin) -> String {
    if section == owner {
        origin.to_string()
    } else {
        format!("{origin}, from {owner}")
    }
}
