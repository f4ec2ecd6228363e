//! What can be wrong with a configuration, and what is merely worth saying.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::TlsError;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the default file.
    Default,
    /// In a file.
    File {
        /// As it was named.
        path: Arc<str>,
        /// From 1.
        line: usize,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// In a flag: `--public`, `--set server.public`.
    Flag(String),
}

/// A configuration that is refused, with all that is wrong with it. There is always something.
#[derive(Debug, thiserror::Error)]
pub struct Invalid {
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong. No value is repeated: it may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file is not there, or may not be read.
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Origin,
        /// What is not.
        message: Box<str>,
    },
    /// There is no such section.
    #[error("{at}: unknown section {title}; {advice}")]
    UnknownSection {
        /// Where.
        at: Origin,
        /// As written.
        title: Box<str>,
        /// What there is.
        advice: Box<str>,
    },
    /// A section of a family cannot have this name.
    #[error("{at}: {title}: the name must be 1 to 64 {expected}")]
    SectionName {
        /// Where.
        at: Origin,
        /// As written.
        title: Box<str>,
        /// What it can be made of.
        expected: &'static str,
    },
    /// There is no such option.
    #[error("{at}: unknown option {option} in {section}; {advice}")]
    UnknownOption {
        /// Where.
        at: Origin,
        /// The title of the section.
        section: Box<str>,
        /// As written.
        option: Box<str>,
        /// What there is.
        advice: Box<str>,
    },
    /// A name in the environment or in a flag leads to no option.
    #[error("{at}: leads to no option; {advice}")]
    UnknownPath {
        /// Where.
        at: Origin,
        /// What would.
        advice: Box<str>,
    },
    /// The value is of the wrong kind, or out of range.
    #[error("{at}: {section} {option} must be {expected}, not {found}")]
    Invalid {
        /// Where.
        at: Origin,
        /// The title of the section.
        section: Box<str>,
        /// The option.
        option: Box<str>,
        /// What would be valid.
        expected: Box<str>,
        /// What is there: a number as it is, of everything else the kind.
        found: Box<str>,
    },
    /// Something is missing that has no default.
    #[error("{at}: {section} needs {option}")]
    Missing {
        /// Where the section is.
        at: Origin,
        /// The title of the section.
        section: Box<str>,
        /// The option.
        option: Box<str>,
    },
    /// Two values do not go together.
    #[error("{at}: {section} {option} {conflict}")]
    Conflict {
        /// Where one of them is.
        at: Origin,
        /// The title of its section.
        section: Box<str>,
        /// Its option.
        option: Box<str>,
        /// What about the other.
        conflict: Box<str>,
    },
    /// There can be no TLS with these files.
    #[error("{at}: {source}")]
    Tls {
        /// Where the certificate is named.
        at: Origin,
        /// Why.
        source: Box<TlsError>,
    },
}

/// What is worth saying about a valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Options that were set do nothing yet.
    NotBuilt {
        /// As `[section] option`.
        options: Vec<String>,
    },
    /// Types in `pushEnabled` do nothing yet.
    PushTypes {
        /// Which.
        types: Vec<String>,
    },
    /// A destination gets pushes without a signature.
    Unsigned {
        /// Its name.
        destination: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One problem a line.
impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt { options } => {
                write!(
                    f,
                    "options that do nothing yet with their value: {}",
                    options.join(", ")
                )
            }
            Self::PushTypes { types } => {
                write!(
                    f,
                    "types in [push] pushEnabled that do nothing yet: {}",
                    types.join(", ")
                )
            }
            Self::Unsigned { destination } => write!(
                f,
                "pushes to {destination} are not signed; set its secret so that the receiver can tell them from forgeries"
            ),
        }
    }
}

impl From<Problem> for Invalid {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}
