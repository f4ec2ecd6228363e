//! What a run prints: a table, or one JSON object.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// The outcome of one sub-command.
#[derive(Debug, Default)]
pub struct Report {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    results: Vec<(&'static str, Cell)>,
    notes: Vec<String>,
    wrong: Vec<String>,
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, and how many decimals of it mean something.
    Number(f64, usize),
}

impl Report {
    /// An empty table.
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self {
            title: title.into(),
            columns: columns.to_vec(),
            ..Self::default()
        }
    }

    /// One more line.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// What the lines come to.
    pub fn result(&mut self, name: &'static str, value: Cell) {
        self.results.push((name, value));
    }

    /// Something that is worth knowing, and fails nothing.
    pub fn note(&mut self, what: String) {
        self.notes.push(what);
    }

    /// Something that may not be: the run fails.
    pub fn wrong(&mut self, what: impl IntoIterator<Item = String>) {
        self.wrong.extend(what);
    }

    /// What was wrong, for another report.
    pub fn take_wrong(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wrong)
    }

    /// Whether nothing was wrong.
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// As one object.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|row| self.object(row)).collect();
        let results = self.results.iter();
        let results: Map<_, _> = results
            .map(|(name, value)| ((*name).to_owned(), value.json()))
            .collect();
        json!({
            "title": self.title,
            "rows": rows,
            "results": results,
            "notes": self.notes,
            "wrong": self.wrong,
        })
    }

    fn object(&self, row: &[Cell]) -> Value {
        let cells = self.columns.iter().zip(row);
        Value::Object(
            cells
                .map(|(&column, cell)| (column.to_owned(), cell.json()))
                .collect::<Map<_, _>>(),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header: Vec<String> = self
            .columns
            .iter()
            .map(|&column| column.to_owned())
            .collect();
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::to_string).collect())
            .collect();
        let width = |at: usize| {
            rows.iter()
                .chain([&header])
                .map(|row| row[at].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        writeln!(f, "{}", self.title)?;
        for row in [&header].into_iter().chain(&rows) {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:>width$}"));
            writeln!(f, "  {}", cells.collect::<Vec<_>>().join("  "))?;
        }
        for (name, value) in &self.results {
            writeln!(f, "  {name}: {value}")?;
        }
        for what in &self.notes {
            writeln!(f, "  note: {what}")?;
        }
        self.wrong
            .iter()
            .try_for_each(|what| writeln!(f, "WRONG: {what}"))
    }
}

impl Cell {
    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number, decimals) => {
                let scale = 10f64.powi(i32::try_from(*decimals).unwrap_or(0));
                json!((number * scale).round() / scale)
            }
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number, decimals) => write!(f, "{number:.decimals$}"),
        }
    }
}

/// Words in a cell.
pub fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A whole number in a cell.
pub fn count(number: impl TryInto<u32>) -> Cell {
    Cell::Number(f64::from(number.try_into().unwrap_or(u32::MAX)), 0)
}

/// A number in a cell.
pub fn number(number: f64, decimals: usize) -> Cell {
    Cell::Number(number, decimals)
}

/// One line on stderr that says how far a run is.
pub fn progress(line: impl fmt::Display) {
    say(format_args!("… {line}"));
}

/// One line on stderr. Where nobody reads it any more the run goes on, and clears away after itself.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A run that takes long says now and then how far it is.
#[derive(Debug)]
pub struct Sometimes(Instant);

impl Sometimes {
    const EVERY: Duration = Duration::from_secs(10);

    /// For the first time in ten seconds.
    pub fn new() -> Self {
        Self(Instant::now() + Self::EVERY)
    }

    /// Says it where it is time.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if Instant::now() >= self.0 {
            *self = Self::new();
            progress(line());
        }
    }
}
