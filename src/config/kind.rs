//! Which values an option may have, and what they mean.

use std::fmt;
use std::time::Duration;

use toml_edit::Value;

use super::shape::{Shape, Shown, network, without_credentials};

/// Which values an option may have. Its `Display` follows "must be".
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number of something.
    Number {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
        /// Of what; may be empty.
        unit: &'static str,
        /// What it means.
        of: Of,
    },
    /// `flex-push-resend-delay`: one wait in seconds, or a list of them.
    Schedule,
    /// `transport-retry`: a list of waits in seconds, or `"none"`.
    Retry,
    /// A text of a certain form.
    Text(Shape),
    /// A list of these; one alone may stand without brackets.
    Texts(Shape),
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Any of some words: a list, or a text with commas.
    Several(&'static [&'static str]),
}

/// What a whole number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Things.
    Things,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
}

/// What a valid value means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// Of [`Kind::Switch`].
    Switch(bool),
    /// Of [`Kind::Number`], of things.
    Number(u64),
    /// Of [`Kind::Number`], of time.
    Wait(Duration),
    /// Of [`Kind::Schedule`] and [`Kind::Retry`].
    Waits(Vec<Duration>),
    /// Of [`Kind::Text`] and [`Kind::Choice`].
    Text(String),
    /// Of [`Kind::Texts`] and [`Kind::Several`].
    Texts(Vec<String>),
}

const SCHEDULE_MAX: usize = 100;
const SCHEDULE_WAIT_MAX: u64 = 86_400;
const RETRIES_MAX: usize = 32;
const RETRY_WAIT_MAX: u64 = 2_592_000;

pub(super) const fn number(min: u64, max: u64, unit: &'static str) -> Kind {
    let of = Of::Things;
    Kind::Number { min, max, unit, of }
}

pub(super) const fn seconds(min: u64, max: u64) -> Kind {
    let (unit, of) = ("seconds", Of::Seconds);
    Kind::Number { min, max, unit, of }
}

pub(super) const fn millis(min: u64, max: u64) -> Kind {
    let (unit, of) = ("milliseconds", Of::Millis);
    Kind::Number { min, max, unit, of }
}

impl Kind {
    /// What `value` means; `None` if it is not valid.
    pub(super) fn meaning(&self, value: &Value) -> Option<Meaning> {
        match self {
            Self::Switch => value.as_bool().map(Meaning::Switch),
            Self::Number { min, max, of, .. } => Some(of.meaning(whole(value, *min, *max)?)),
            Self::Schedule => waits(value, SCHEDULE_MAX, SCHEDULE_WAIT_MAX).map(Meaning::Waits),
            Self::Retry if value.as_str() == Some("none") => Some(Meaning::Waits(Vec::new())),
            Self::Retry => waits(value, RETRIES_MAX, RETRY_WAIT_MAX).map(Meaning::Waits),
            Self::Text(shape) => text(value, shape).map(Meaning::Text),
            Self::Texts(shape) => texts(value, shape).map(Meaning::Texts),
            Self::Choice(words) => choice(value.as_str()?, words).map(Meaning::Text),
            Self::Several(words) => several(value, words).map(Meaning::Texts),
        }
    }

    /// The value that somebody means who can only write text (the environment, a flag): TOML where that fits, else the
    /// text itself, so that `alias=131` is as good as `alias="131"`.
    pub(super) fn value_of(&self, written: &str) -> Value {
        match written.trim().parse::<Value>() {
            Ok(value) if self.meaning(&value).is_some() => value,
            Ok(value) if !self.takes_text() => value,
            _ => Value::from(written),
        }
    }

    /// `value` as it may be shown.
    pub(super) fn show(&self, value: &Value) -> Value {
        let shown = match self {
            Self::Text(shape) | Self::Texts(shape) => shape.shown,
            _ => Shown::Plainly,
        };
        match (shown, value) {
            (Shown::Plainly, _) => value.clone(),
            (_, Value::Array(list)) => {
                Value::Array(list.iter().map(|one| self.show(one)).collect())
            }
            (Shown::WithoutCredentials, Value::String(url)) => {
                Value::from(without_credentials(url.value()))
            }
            _ => Value::from("(hidden)"),
        }
    }

    fn takes_text(&self) -> bool {
        !matches!(self, Self::Switch | Self::Number { .. } | Self::Schedule)
    }
}

impl Of {
    fn meaning(self, number: u64) -> Meaning {
        match self {
            Self::Things => Meaning::Number(number),
            Self::Seconds => Meaning::Wait(Duration::from_secs(number)),
            Self::Millis => Meaning::Wait(Duration::from_millis(number)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => f.write_str("true or false"),
            Self::Number {
                min, max, unit: "", ..
            } => {
                write!(f, "a whole number from {min} to {max}")
            }
            Self::Number { min, max, unit, .. } => {
                write!(f, "a whole number of {unit} from {min} to {max}")
            }
            Self::Schedule => write!(
                f,
                "a whole number of seconds from 1 to {SCHEDULE_WAIT_MAX}, or a list of up to {SCHEDULE_MAX} such numbers"
            ),
            Self::Retry => write!(
                f,
                "a list of up to {RETRIES_MAX} whole numbers of seconds from 1 to {RETRY_WAIT_MAX}, or \"none\""
            ),
            Self::Text(shape) => f.write_str(shape.what),
            Self::Texts(shape) if shape.what.starts_with("up to") => f.write_str(shape.what),
            Self::Texts(shape) => write!(f, "a list of {}", shape.what),
            Self::Choice([word]) => write!(f, "{word:?}"),
            Self::Choice(words) => write!(f, "one of {}", quoted(words)),
            Self::Several(words) => write!(
                f,
                "any of {}, as a list or separated by commas",
                quoted(words)
            ),
        }
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    words.join(", ")
}

fn whole(value: &Value, min: u64, max: u64) -> Option<u64> {
    let number = u64::try_from(value.as_integer()?).ok()?;
    (min..=max).contains(&number).then_some(number)
}

fn waits(value: &Value, count_max: usize, wait_max: u64) -> Option<Vec<Duration>> {
    let wait = |value: &Value| whole(value, 1, wait_max).map(Duration::from_secs);
    match value {
        Value::Array(list) if (1..=count_max).contains(&list.len()) => {
            list.iter().map(wait).collect()
        }
        one => Some(vec![wait(one)?]),
    }
}

fn text(value: &Value, shape: &Shape) -> Option<String> {
    let text = value.as_str()?;
    (shape.fits)(text).then(|| text.to_owned())
}

fn texts(value: &Value, shape: &Shape) -> Option<Vec<String>> {
    match value {
        Value::Array(list) if list.len() <= shape.count_max => {
            list.iter().map(|one| text(one, shape)).collect()
        }
        one => Some(vec![text(one, shape)?]),
    }
}

fn choice(text: &str, words: &[&str]) -> Option<String> {
    words.contains(&text).then(|| text.to_owned())
}

fn several(value: &Value, words: &[&str]) -> Option<Vec<String>> {
    match value {
        Value::Array(list) => list
            .iter()
            .map(|one| choice(one.as_str()?, words))
            .collect(),
        one => one
            .as_str()?
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(|word| choice(word, words))
            .collect(),
    }
}

/// A type that some meaning can be read as.
pub(super) trait Meant: Sized {
    /// `None` when the option is of another kind.
    fn meant(meaning: &Meaning) -> Option<Self>;
}

macro_rules! meant {
    ($($type:ty: $pattern:pat => $value:expr;)*) => {$(
        impl Meant for $type {
            fn meant(meaning: &Meaning) -> Option<Self> {
                match meaning {
                    $pattern => $value,
                    _ => None,
                }
            }
        }
    )*};
}

meant! {
    bool: Meaning::Switch(value) => Some(*value);
    u64: Meaning::Number(value) => Some(*value);
    u32: Meaning::Number(value) => u32::try_from(*value).ok();
    usize: Meaning::Number(value) => usize::try_from(*value).ok();
    Duration: Meaning::Wait(value) => Some(*value);
    Vec<Duration>: Meaning::Waits(value) => Some(value.clone());
    String: Meaning::Text(value) => Some(value.clone());
    std::path::PathBuf: Meaning::Text(value) => Some(value.into());
    std::net::SocketAddr: Meaning::Text(value) => value.parse().ok();
    Vec<String>: Meaning::Texts(value) => Some(value.clone());
    Vec<ipnet::IpNet>: Meaning::Texts(value) => value.iter().map(|text| network(text)).collect();
}

#[cfg(test)]
mod tests {
    use super::super::shape;
    use super::*;

    #[test]
    fn values_are_valid_or_not() {
        let cases: &[(Kind, &[&str], &[&str])] = &[
            (Kind::Switch, &["true"], &["1", "\"true\""]),
            (
                number(1, 5, ""),
                &["1", "5"],
                &["0", "6", "-1", "1.5", "\"1\""],
            ),
            (
                Kind::Schedule,
                &["15", "[15, 60]"],
                &["0", "[]", "[15, 0]", "\"15\""],
            ),
            (
                Kind::Retry,
                &["\"none\"", "[2]", "2"],
                &["[]", "\"some\"", "[0]"],
            ),
            (
                Kind::Texts(shape::HOST),
                &["[]", "[\"a\"]", "\"a\""],
                &["1", "[1]", "[\"a:1\"]"],
            ),
            (
                Kind::Choice(&["a", "b"]),
                &["\"a\""],
                &["\"c\"", "1", "[\"a\"]"],
            ),
            (
                Kind::Several(&["a", "b"]),
                &["\"\"", "\"a, b\"", "[\"b\"]"],
                &["\"c\"", "[1]"],
            ),
        ];
        for (kind, good, bad) in cases {
            for text in *good {
                assert!(
                    kind.meaning(&toml(text)).is_some(),
                    "{text} should be {kind}"
                );
            }
            for text in *bad {
                assert!(
                    kind.meaning(&toml(text)).is_none(),
                    "{text} should not be {kind}"
                );
            }
        }
    }

    #[test]
    fn text_from_outside_toml_is_taken_for_what_fits() {
        let alias = Kind::Text(shape::NAME);
        assert_eq!(alias.value_of("131").as_str(), Some("131"));
        assert_eq!(alias.value_of("\"131\"").as_str(), Some("131"));
        assert_eq!(number(0, 9, "").value_of(" 3 ").as_integer(), Some(3));
        assert_eq!(number(0, 9, "").value_of("12").as_integer(), Some(12));
        assert_eq!(number(0, 9, "").value_of("many").as_str(), Some("many"));
        assert!(Kind::Texts(shape::HOST).value_of("[\"a\"]").is_array());
    }

    #[test]
    fn a_secret_is_never_shown_and_an_address_in_part() {
        let secrets = Kind::Texts(shape::WEBHOOK);
        let shown = secrets.show(&toml("[\"whsec_a\", \"whsec_b\"]"));
        assert_eq!(shown.to_string(), "[\"(hidden)\", \"(hidden)\"]");
        let shown = Kind::Text(shape::URL).show(&toml("\"http://u:p@h/x?t=1\""));
        assert_eq!(shown.to_string(), "\"http://h/x\"");
    }

    fn toml(text: &str) -> Value {
        text.parse().unwrap()
    }
}
