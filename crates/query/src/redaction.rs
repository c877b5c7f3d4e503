//! Redaction: the hidden areas of a picture, and how they are hidden.

use std::fmt;

use super::values::{Color, Crop};

/// The maximum number of areas in a request.
const MOST_AREAS: usize = 64;

/// A redaction, which is applied before any other processing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redaction {
    /// The hidden areas.
    pub hidden: Hidden,
    /// How they are hidden.
    pub mode: RedactMode,
}

/// The areas to hide.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hidden {
    /// All detected faces.
    Faces,
    /// Areas of the upright original, each with an explicit position.
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

/// How an area is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedactMode {
    /// By a mosaic of a few large pixels.
    Pixelate,
    /// By a mosaic without visible edges.
    Blur,
    /// By a colour.
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
