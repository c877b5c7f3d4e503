//! The parameters of an overlay: its key, size, position and opacity.

use std::fmt;

use super::grammar::MAX_SIDE;
use super::values::{Anchor, Gravity, Hundredths, Share, decimal};

/// An overlay: another image that is drawn over the output.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Overlay {
    /// The key of the overlay: the path of its own URL.
    pub key: OverlayKey,
    /// The width. If the height is given as well, the overlay is scaled to fit inside both.
    pub width: Option<Length>,
    /// The height.
    pub height: Option<Length>,
    /// The edge, corner or point of the output where it is placed; never a content-dependent gravity.
    pub gravity: Gravity,
    /// The horizontal distance from that edge; with `tile`, the gap between two columns.
    pub x: Length,
    /// The vertical distance from that edge; with `tile`, the gap between two rows.
    pub y: Length,
    /// The opacity, from 0 to 1.
    pub opacity: Hundredths,
    /// Whether it is repeated to cover the output.
    pub tile: bool,
}

/// The key of an image in the source: segments separated by slashes, none of them empty, `.` or `..`.
///
/// No other server can interpret it differently: it has no control characters, no backslashes, and no percent escapes
/// that would change it if it were decoded again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OverlayKey(String);

impl OverlayKey {
    /// The maximum length in bytes, as in S3.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a key, which may have a leading slash.
    pub fn parse(text: &str) -> Option<Self> {
        let key = text.strip_prefix('/').unwrap_or(text);
        let has_plain_names = key.split('/').all(|name| !matches!(name, "" | "." | ".."));
        let is_plain = !key.contains(|c: char| c.is_control() || c == '\\') && !has_escape(key);
        (has_plain_names && is_plain && key.len() <= Self::MAX_BYTES).then(|| Self(key.to_owned()))
    }

    /// The key without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key is in this folder or a subfolder. Leading and trailing slashes of the folder are ignored; the
    /// folder with an empty name contains all keys.
    pub fn is_below(&self, folder: &str) -> bool {
        let folder = folder.trim_matches('/');
        folder.is_empty() || self.0.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Whether the text has a percent sign followed by two hex digits.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|bytes| bytes[0] == b'%' && bytes[1..].iter().all(u8::is_ascii_hexdigit))
}

impl fmt::Display for OverlayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A length relative to the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Length {
    /// A number of device pixels.
    Pixels(u32),
    /// A fraction of the output's width or height.
    Share(Share),
}

impl Length {
    /// Zero pixels.
    pub const ZERO: Self = Self::Pixels(0);

    /// The length in pixels for an output with a side of `side` pixels.
    pub fn of(self, side: u32) -> f64 {
        match self {
            Self::Pixels(pixels) => pixels.into(),
            Self::Share(share) => share.get() * f64::from(side),
        }
    }

    /// Parses a whole number of pixels, or a fraction, which has a decimal point.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains('.') {
            let share = Share::parse(text)?;
            return Some(if share.get() > 0.0 { Self::Share(share) } else { Self::ZERO });
        }
        decimal::<0>(text).filter(|pixels| *pixels <= MAX_SIDE).map(Self::Pixels)
    }

    /// Like [`Self::parse`], but rejects zero.
    pub(super) fn parse_positive(text: &str) -> Option<Self> {
        Self::parse(text).filter(|length| *length != Self::ZERO)
    }

    /// Multiplies pixels by `dpr`; `None` if the result is too large.
    pub(super) fn times(self, ratio: Hundredths) -> Option<Self> {
        match self {
            Self::Pixels(0) | Self::Share(_) => Some(self),
            Self::Pixels(pixels) => ratio.times(pixels).filter(|pixels| *pixels <= MAX_SIDE).map(Self::Pixels),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels(pixels) => pixels.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

/// Parses the gravity of an overlay, which must not depend on the content.
pub(super) fn parse_gravity(text: &str) -> Option<Gravity> {
    Gravity::parse(text).filter(|gravity| match gravity {
        Gravity::Named(anchor) => !Anchor::LOOKED_FOR.contains(anchor),
        Gravity::Point(..) => true,
    })
}
