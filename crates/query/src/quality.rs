//! The quality of lossy output: a number or a named level.

use std::fmt;

use super::values::{choice, whole_number};

choice! {
    /// A named level of quality. Its number depends on the format, so that it means the same likeness in all of them.
    Level {
        /// Visible loss at a second glance, for few bytes.
        Low = "low",
        /// Slight loss, for previews and lists.
        Medium = "medium",
        /// Loss that is hardly visible.
        High = "high",
        /// Loss that is not visible side by side.
        Best = "best",
    }
}

/// The quality of lossy output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quality {
    /// A number in `1..=100` on JPEG's scale.
    Number(u8),
    /// A named level.
    Level(Level),
}

impl Quality {
    /// The largest number.
    pub const MAX: u8 = 100;

    /// Parses a number from 1 to 100, of which decimals are rounded, or the name of a level; case is ignored.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(level) = Level::from_name(text) {
            return Some(Self::Level(level));
        }
        let number = whole_number(text).filter(|number| (1..=Self::MAX.into()).contains(number))?;
        u8::try_from(number).ok().map(Self::Number)
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Level(level) => f.write_str(level.name()),
        }
    }
}
