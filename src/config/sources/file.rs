//! Values in a file, each with its line.

use std::ops::Range;
use std::sync::Arc;

use toml_edit::{Document, Item, TableLike};

use crate::config::error::{Origin, Problem};
use crate::config::place::{Place, locate, locate_value};
use crate::config::written::{Written, unknown_section};

pub(super) fn put_file(written: &mut Written, path: &str, text: &str) -> Vec<Problem> {
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

pub(super) fn put_text(written: &mut Written, text: &str, at: At<'_>) -> Vec<Problem> {
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
            message: error.message().trim().replace('\n', ", ").into(),
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
                advice: match locate(path) {
                    Place::Section(section) => format!("{section} would be a section").into(),
                    _ => format!("{} is in no section", path.join(".")).into(),
                },
            }),
        };
        self.problems.extend(put.err());
    }
}
