//! `tests/README.md` names the test of every promise; a test that was renamed or removed leaves a promise without one.

use std::fs;
use std::path::Path;

/// Where tests are.
const ROOTS: [&str; 3] = ["tests/it", "src", "loadtest/src"];

#[test]
fn the_tests_this_page_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("tests/README.md")).unwrap();
    let mut tests = Vec::new();
    for sources in ROOTS {
        collect(&root.join(sources), "", &mut tests);
    }
    let names = names(&page);
    assert!(
        names.len() > 50,
        "the page names its tests as this test reads them: {names:?}"
    );
    let exists = |name: &str| {
        let inner = format!("::{name}");
        tests
            .iter()
            .any(|test| test == name || test.ends_with(&inner))
    };
    let stale: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(
        stale.is_empty(),
        "named in tests/README.md, and not there: {stale:#?}"
    );
}

// Two bugs could not be planted any more once the lines around them had changed, and nobody noticed.
#[test]
fn each_bug_that_is_planted_still_fits_into_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bugs = fs::read_dir(root.join("tests/planted")).unwrap();
    for bug in bugs.map(|entry| entry.unwrap().path()) {
        let patch = fs::read_to_string(&bug).unwrap();
        for change in patch.split("diff --git ").skip(1) {
            let file = change.lines().find_map(|line| line.strip_prefix("--- a/"));
            let source = fs::read_to_string(root.join(file.unwrap())).unwrap();
            for hunk in change.split("\n@@ ").skip(1) {
                let there = source.contains(&before(hunk));
                assert!(there, "{} no longer applies: {hunk}", bug.display());
            }
        }
    }
}

/// What a hunk finds in its file.
fn before(hunk: &str) -> String {
    let lines = hunk.lines().skip(1);
    let lines = lines.filter(|line| !line.starts_with('+'));
    let lines: Vec<_> = lines.map(|line| line.get(1..).unwrap_or("")).collect();
    lines.join("\n")
}

/// What the page says about names, in the form of names.
const EXPLAINED: [&str; 2] = ["::", "module::test_name"];

/// The names in backticks: single words with `::` in them.
fn names(page: &str) -> Vec<&str> {
    let words = page
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let named = words.filter(|word| word.contains("::") && !word.contains(' '));
    named.filter(|word| !EXPLAINED.contains(word)).collect()
}

/// The tests of a folder, by the names that `cargo test` prints.
fn collect(folder: &Path, module: &str, tests: &mut Vec<String>) {
    for path in fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let inner = format!("{module}{name}::");
        if path.is_dir() {
            collect(&path, &inner, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = ["mod", "lib", "main"].contains(&name);
            let source = fs::read_to_string(&path).unwrap();
            tests.extend(tests_of(&source, if is_root { module } else { &inner }));
        }
    }
}

/// The tests of a formatted file: its own, and those of modules inside.
fn tests_of(source: &str, module: &str) -> Vec<String> {
    let (mut tests, mut inside, mut is_test) = (Vec::new(), Vec::new(), false);
    for line in source.lines() {
        let (code, indent) = (line.trim_start(), line.len() - line.trim_start().len());
        let words: Vec<&str> = code.split([' ', '(', '<']).collect();
        if let ["mod", name, "{"] = words[..] {
            inside.push((indent, name));
        } else if code == "}" && inside.last().is_some_and(|(opened, _)| *opened == indent) {
            inside.pop();
        } else if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            is_test = true;
        } else if let ["fn", name, ..] | ["async", "fn", name, ..] = words[..] {
            let within: String = inside.iter().map(|(_, name)| format!("{name}::")).collect();
            tests.extend(is_test.then(|| format!("{module}{within}{name}")));
            is_test = false;
        }
    }
    tests
}

#[test]
fn tests_are_found_by_their_whole_names() {
    let source = "fn no_test() {}\n#[test]\nfn one() {\n}\n#[cfg(test)]\nmod tests {\n    #[tokio::test]\n    \
                  #[ignore]\n    async fn two() {\n    }\n}\n#[test]\nfn three() {}\n";
    assert_eq!(
        tests_of(source, "a::"),
        ["a::one", "a::tests::two", "a::three"]
    );
}

#[test]
fn names_are_told_from_other_words() {
    let page = "`secureKey` | `a::b_c`, `d::e::f` with `::` in it\n`cargo test --test it rest::` runs `src/a.rs`";
    assert_eq!(names(page), ["a::b_c", "d::e::f"]);
}
