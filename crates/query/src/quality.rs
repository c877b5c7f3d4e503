//! The quality of lossy output: a number, a named level, or a likeness to reach.

use std::fmt;
use std::ops::RangeInclusive;

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
    /// What reaches this SSIMULACRA2, in `30..=95`.
    Auto(u8),
}

impl Quality {
    /// The largest number.
    pub const MAX: u8 = 100;

    /// The targets of [`Quality::Auto`].
    pub const TARGETS: RangeInclusive<u8> = 30..=95;

    /// The target of `auto` without a number.
    pub const DEFAULT_TARGET: u8 = 80;

    /// Parses a number from 1 to 100, the name of a level, `auto`, or `auto:` with a target. Decimals are rounded, and case is
    /// ignored.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(level) = Level::from_name(text) {
            return Some(Self::Level(level));
        }
        if text.eq_ignore_ascii_case("auto") {
            return Some(Self::Auto(Self::DEFAULT_TARGET));
        }
        if let Some((name, target)) = text.split_once(':') {
            let target = whole_number(target.trim()).and_then(|target| u8::try_from(target).ok());
            let target = target.filter(|target| Self::TARGETS.contains(target));
            return target.filter(|_| name.trim().eq_ignore_ascii_case("auto")).map(Self::Auto);
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
            Self::Auto(Self::DEFAULT_TARGET) => f.write_str("auto"),
            Self::Auto(target) => write!(f, "auto:{target}"),
        }
    }
}
