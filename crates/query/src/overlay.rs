//! Another picture that is laid over the finished one: which, how large, where, and how much of it shows.

use std::fmt;

use super::grammar::MAX_SIDE;
use super::values::{Anchor, Gravity, Hundredths, Share, decimal};

/// A picture of the same source that is laid over the output.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Overlay {
    /// The picture.
    pub key: OverlayKey,
    /// Its width. With a height as well, it is as large as fits inside both.
    pub width: Option<Length>,
    /// Its height.
    pub height: Option<Length>,
    /// The edge, corner or point of the output that it lies at; never one that has to be looked for.
    pub gravity: Gravity,
    /// Distance from that edge across; for `tile` the gap between two columns.
    pub x: Length,
    /// Distance from that edge down; for `tile` the gap between two rows.
    pub y: Length,
    /// How much it covers of what is below, from 0 to 1.
    pub opacity: Hundredths,
    /// Whether it is repeated until it covers the output.
    pub tile: bool,
}

/// The name of a picture in the source: names between slashes, none of them empty, `.` or `..`.
///
/// No reader on the way can take it for another one: it holds no control character, no backslash, and nothing that would
/// be another text if it were decoded once more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OverlayKey(String);

impl OverlayKey {
    /// Bytes at most, as in S3.
    pub const MAX_BYTES: usize = 1024;

    /// Reads a key, which may have a slash in front.
    pub fn parse(text: &str) -> Option<Self> {
        let key = text.strip_prefix('/').unwrap_or(text);
        let has_plain_names = key.split('/').all(|name| !matches!(name, "" | "." | ".."));
        let is_plain = !key.contains(|c: char| c.is_control() || c == '\\') && !has_escape(key);
        (has_plain_names && is_plain && key.len() <= Self::MAX_BYTES).then(|| Self(key.to_owned()))
    }

    /// The key, without a slash in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the picture lies in this folder or one that is in it. Slashes at the folder's ends do not count; the one
    /// without a name holds everything.
    pub fn is_below(&self, folder: &str) -> bool {
        let folder = folder.trim_matches('/');
        folder.is_empty() || self.0.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Whether there is a percent sign with two hex digits.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|bytes| bytes[0] == b'%' && bytes[1..].iter().all(u8::is_ascii_hexdigit))
}

impl fmt::Display for OverlayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A length in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Length {
    /// In device pixels.
    Pixels(u32),
    /// As a share of the output's width or height.
    Share(Share),
}

impl Length {
    /// No length.
    pub const ZERO: Self = Self::Pixels(0);

    /// In pixels of an output whose side has that many.
    pub fn of(self, side: u32) -> f64 {
        match self {
            Self::Pixels(pixels) => pixels.into(),
            Self::Share(share) => share.get() * f64::from(side),
        }
    }

    /// Reads a whole number of pixels, or a share, which has a decimal point.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains('.') {
            let share = Share::parse(text)?;
            return Some(if share.get() > 0.0 { Self::Share(share) } else { Self::ZERO });
        }
        decimal::<0>(text).filter(|pixels| *pixels <= MAX_SIDE).map(Self::Pixels)
    }

    /// The same where nothing is not enough.
    pub(super) fn parse_positive(text: &str) -> Option<Self> {
        Self::parse(text).filter(|length| *length != Self::ZERO)
    }

    /// Pixels multiplied by `dpr`; `None` if they become too many.
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

/// Reads the gravity of an overlay: one that is known without a look at the picture.
pub(super) fn parse_gravity(text: &str) -> Option<Gravity> {
    Gravity::parse(text).filter(|gravity| match gravity {
        Gravity::Named(anchor) => !Anchor::LOOKED_FOR.contains(anchor),
        Gravity::Point(..) => true,
    })
}
