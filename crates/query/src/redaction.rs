//! What is hidden of a picture, and how.

use std::fmt;

use super::values::{Color, Crop};

/// Most areas that one request hides.
const MOST_AREAS: usize = 64;

/// What is hidden before anything else is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redaction {
    /// What is hidden.
    pub hidden: Hidden,
    /// What is seen instead.
    pub mode: RedactMode,
}

/// What of a picture is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hidden {
    /// All faces that are found.
    Faces,
    /// Areas of the upright original. None of them leaves its place to the gravity.
    Areas(Vec<Crop>),
}

impl Hidden {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("faces") {
            return Some(Self::Faces);
        }
        let area = |text: &str| {
            Crop::parse(text.trim()).filter(|area| matches!(area, Crop::Pixels { .. } | Crop::Shares { .. }))
        };
        if text.bytes().filter(|byte| *byte == b';').count() >= MOST_AREAS {
            return None;
        }
        text.split(';').map(area).collect::<Option<_>>().map(Self::Areas)
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faces => f.write_str("faces"),
            Self::Areas(areas) => {
                for (number, area) in areas.iter().enumerate() {
                    let separator = if number == 0 { "" } else { ";" };
                    write!(f, "{separator}{area}")?;
                }
                Ok(())
            }
        }
    }
}

/// What is seen of what is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedactMode {
    /// A few large pixels.
    Pixelate,
    /// The same, without edges between them.
    Blur,
    /// A colour.
    Color(Color),
}

impl RedactMode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            _ if text.eq_ignore_ascii_case("pixelate") => Some(Self::Pixelate),
            _ if text.eq_ignore_ascii_case("blur") => Some(Self::Blur),
            _ => Color::parse_opaque(text).map(Self::Color),
        }
    }
}

impl fmt::Display for RedactMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixelate => f.write_str("pixelate"),
            Self::Blur => f.write_str("blur"),
            Self::Color(color) => color.fmt(f),
        }
    }
}
