//! Renders an original according to a [`Transform`](image_origin_query::Transform): from the bytes of a file to the bytes of the requested picture.
//!
//! The steps: probe the header, plan, decode (to size, if the format allows it), crop and resize in one pass, rotate
//! upright, convert colours, rotate by other angles, apply effects, frame, blend over the background, blend the overlay
//! over it, encode. Every step after the resize works on the small picture. This crate knows nothing about HTTP or
//! storage.

// Tests have no caller that could pass a `Cancellation`.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod animation;
#[cfg(feature = "ssimulacra2")]
mod auto;
#[cfg(not(feature = "ssimulacra2"))]
#[path = "no_auto.rs"]
mod auto;
mod background;
mod candidates;
mod choice;
mod colour;
mod conversion;
mod corners;
mod effects;
mod error;
mod faces;
mod finish;
mod focus;
mod frame;
mod gain_map;
mod info;
mod information;
mod lanczos;
mod likeness;
mod mosaic;
mod overlay;
mod picture;
mod placeholder;
mod plan;
mod planes;
mod prepared;
mod press;
mod quality;
mod redact;
mod render;
mod report;
mod resize;
mod saliency;
#[cfg(feature = "ssimulacra2")]
mod scorer;
mod smart_crop;
mod strips;
mod tilt;
mod trim;
mod vector;

use std::time::Duration;

pub use choice::{AUTO_FORMATS, Accepted};
pub use error::Error;
pub use info::{Info, Region};
pub use likeness::{Likeness, Setting};
pub use overlay::{OverlayCache, OverlayFile};
pub use plan::{Canvas, Original, Plan};
pub use render::Render;
pub use report::report;
pub use resize::resize;
pub use tilt::Tilt;

use image_origin_codec::{Budget, Format};
use image_origin_metadata::Keep;
use image_origin_query::Metadata;

/// The metadata that this value of the parameter `metadata` keeps; with `keep_marks` at least the marks.
pub const fn keep(metadata: Metadata, keep_marks: bool) -> Keep {
    match metadata {
        Metadata::None if keep_marks => Keep::Marks,
        Metadata::None => Keep::None,
        Metadata::Copyright => Keep::Copyright,
        Metadata::All => Keep::All,
    }
}

/// The limits for one response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The limits for a picture, or for a frame of an animation.
    pub budget: Budget,
    /// The maximum number of frames of an animation.
    pub frames: u32,
    /// The maximum number of pixels of all frames together.
    pub frame_pixels: u64,
}

impl Default for Limits {
    /// Sufficient for pictures of 100 megapixels in small sizes, and for those of 48 megapixels in full size.
    fn default() -> Self {
        Self::from(Budget { pixels: 100_000_000, memory: 512 << 20 })
    }
}

impl From<Budget> for Limits {
    /// The default limits for animations.
    fn from(budget: Budget) -> Self {
        Self { budget, frames: 2000, frame_pixels: 500_000_000 }
    }
}

/// A finished picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The encoded picture.
    pub bytes: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// What `q=auto` has led to.
    pub likeness: Option<Likeness>,
    /// The durations of the stages.
    pub stages: Stages,
}

/// The duration of each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Parsing the header and decoding the pixels.
    pub decode: Duration,
    /// Everything between decoding and encoding.
    pub resize: Duration,
    /// Encoding the output.
    pub encode: Duration,
}

#[cfg(test)]
mod tests;
