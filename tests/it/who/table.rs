//! Tables as they are written in the source.

use std::fmt::Write;

/// A table: the names of its columns, and rows of a name and what is expected in each column.
pub struct Table {
    pub columns: Vec<&'static str>,
    pub rows: Vec<(&'static str, Vec<&'static str>)>,
}

impl Table {
    pub fn read(text: &'static str) -> Self {
        let mut lines = text.lines().filter(|line| line.contains('|')).map(cells);
        let columns = lines.next().unwrap()[1..].to_vec();
        let rows: Vec<_> = lines.map(|row| (row[0], row[1..].to_vec())).collect();
        for (name, row) in &rows {
            assert_eq!(row.len(), columns.len(), "{name}");
        }
        Self { columns, rows }
    }

    /// Compares what was found with what is written, all at once; `found` has a row for each of the table's.
    pub fn compare(&self, found: &[Vec<String>]) {
        let mut wrong = String::new();
        for ((name, expected), found) in self.rows.iter().zip(found) {
            for ((column, expected), found) in self.columns.iter().zip(expected).zip(found) {
                if expected != found {
                    writeln!(wrong, "{name}, {column}: {found}, not {expected}").unwrap();
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
        assert_eq!(found.len(), self.rows.len());
    }
}

fn cells(line: &'static str) -> Vec<&'static str> {
    line.trim()
        .trim_matches('|')
        .split('|')
        .map(str::trim)
        .collect()
}
