//! The map of `design`: each layer uses only those above it, and within a layer modules do not know each other.
//!
//! Why a test: a single `use` in the wrong direction compiles as well as any other, and the day after there are
//! ten. What is pure stays runnable in a unit test, without sockets, files or clocks, only as long as nothing in it
//! reaches down.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up; a module may use those of lower numbers and itself.
const LAYERS: [(&str, usize); 18] = [
    ("chance", 0),
    ("clock", 0),
    ("health", 0),
    ("json", 0),
    ("limit", 0),
    ("id", 1),
    ("bayeux", 2),
    ("esp", 2),
    ("privacy", 2),
    ("chat", 3),
    ("push", 4),
    ("wire", 5),
    ("store", 6),
    ("hub", 7),
    ("http", 8),
    ("transport", 9),
    ("api", 9),
    ("tasks", 9),
];

/// The last layer puts everything together: its modules know each other.
const ASSEMBLY: [&str; 5] = ["config", "server", "lifecycle", "main", "fuzzing"];

/// The only modules that may open sockets and files or read the system's clock and randomness.
const EDGES: [&str; 8] = [
    "transport",
    "api",
    "tasks",
    "store",
    "config",
    "lifecycle",
    "server",
    "main",
];

#[test]
fn each_layer_uses_only_those_above_it() {
    let mut wrong = BTreeSet::new();
    for (module, file) in sources() {
        if ASSEMBLY.contains(&module.as_str()) || module == "lib" {
            continue;
        }
        let own = layer(&module);
        for used in uses(&code(&file)) {
            if used != module && layer(&used) >= own {
                wrong.insert(format!("{} ({module}) uses {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_pure_opens_nothing() {
    let mut wrong = BTreeSet::new();
    for (module, file) in sources() {
        let code = code(&file);
        for forbidden in [
            "std::fs",
            "std::net::Tcp",
            "tokio::net",
            "tokio::fs",
            "getrandom::",
            "SystemTime::now",
        ] {
            let ground = [("clock", "SystemTime::now"), ("chance", "getrandom::")];
            let ground = ground.contains(&(module.as_str(), forbidden));
            if !EDGES.contains(&module.as_str()) && !ground && code.contains(forbidden) {
                wrong.insert(format!("{} has {forbidden}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn layer(module: &str) -> usize {
    let known = LAYERS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, layer)| *layer);
    if ASSEMBLY.contains(&module) {
        10
    } else {
        known.unwrap_or_else(|| panic!("{module} has no layer yet: give it one here"))
    }
}

/// Every source file with its top-level module.
fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let first = path.strip_prefix(&root).unwrap().iter().next().unwrap();
                found.push((
                    first.to_str().unwrap().trim_end_matches(".rs").to_owned(),
                    path,
                ));
            }
        }
    }
    assert!(
        found.len() > 10,
        "the sources are where this test looks for them"
    );
    found
}

/// A file up to its tests, without comments: those may name and use what they like.
fn code(file: &Path) -> String {
    let source = fs::read_to_string(file).unwrap();
    let production = source
        .split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default()
        .to_owned();
    if file.ends_with("tests.rs") || file.iter().any(|part| part == "tests") {
        return String::new();
    }
    production
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The top-level modules that some code names, `use crate::{a, b::c}` included.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group)),
            None => found.extend(word(rest)),
        }
    }
    found
}

// The first words of the elements of a group, at its own level of nesting.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.extend(word(group[start..at].trim_start()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(word(group[start..at].trim_start()));
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> Option<String> {
    let end = text
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

#[test]
fn groups_of_uses_are_read() {
    let found = uses("use crate::{chat::{self, Event}, id};\nlet x = crate::clock::Now::new();");
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["chat", "clock", "id"]
    );
}
