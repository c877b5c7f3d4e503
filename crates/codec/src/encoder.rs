//! What encoders have in common: their options, and what they implement.

use super::{AnimationWriter, Budget, Cancellation, Error, Format, Raster, avif};

/// The options of an encode. Each format ignores those that do not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Quality in `1..=100` on JPEG's scale.
    pub quality: u8,
    /// Whether to encode losslessly, if the format supports both.
    pub lossless: bool,
    /// Whether chroma keeps its full resolution at every quality, if the format can store it.
    pub full_chroma: bool,
    /// Whether to write a progressive JPEG.
    pub progressive: bool,
    /// The speed of the AVIF encoder: one of [`avif::SPEEDS`], or the nearest of them.
    pub speed: u8,
    /// The primaries of the samples, for formats that store them as code points: see [`Encoder::writes_primaries`].
    pub primaries: Primaries,
    /// The palette of a PNG with loss; `None` for a PNG without loss.
    pub palette: Option<PaletteOptions>,
}

/// A palette with loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaletteOptions {
    /// The maximum number of colours, in `2..=256`.
    pub colors: u16,
    /// The percentage of each pixel's error that is diffused to its neighbours, at most 100.
    pub dither: u8,
}

impl PaletteOptions {
    /// 256 colours, and most of each error diffused.
    pub const DEFAULT: Self = Self { colors: 256, dither: 80 };
}

impl EncodeOptions {
    /// Lossy with quality 80, not progressive, with the default speed, in sRGB.
    pub const DEFAULT: Self = Self {
        quality: 80,
        lossless: false,
        full_chroma: false,
        progressive: false,
        speed: avif::DEFAULT_SPEED,
        primaries: Primaries::Srgb,
        palette: None,
    };
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The primaries of RGB samples; the transfer function is that of sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primaries {
    /// Those of sRGB and ITU-R BT.709.
    Srgb,
    /// Those of Display P3 (SMPTE EG 432-1).
    DisplayP3,
}

/// An encoder for one format.
pub trait Encoder: Sync {
    /// The format.
    fn format(&self) -> Format;

    /// The maximum side of an output in pixels.
    fn max_side(&self) -> u32;

    /// Whether the format supports alpha.
    fn has_alpha(&self) -> bool;

    /// Whether the format supports an embedded colour profile. Otherwise colours must be sRGB.
    fn has_profile(&self) -> bool {
        false
    }

    /// Whether the format stores primaries as code points, so that Display P3 needs no profile.
    fn writes_primaries(&self) -> bool {
        false
    }

    /// Whether [`EncodeOptions::quality`] affects the size of the output.
    fn has_quality(&self, options: &EncodeOptions) -> bool;

    /// Encodes a picture with 8-bit samples and any channels except CMYK; with alpha only if [`Encoder::has_alpha`].
    /// `budget` is for memory besides the raster: working memory, and the file.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or [`Error::TooLarge`] for sides that the format does not support, and for memory.
    fn encode(
        &self,
        raster: &Raster,
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Vec<u8>, Error>;

    /// Whether the format supports animations with [`Encoder::animate`].
    fn has_animation(&self) -> bool {
        false
    }

    /// Starts an animation with this number of plays, where 0 means endless. `budget` is for the memory of the writer
    /// besides the given frame.
    fn animate<'a>(
        &self,
        plays: u32,
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Option<Box<dyn AnimationWriter + 'a>> {
        let _ = (plays, options, budget, cancellation);
        None
    }

    /// The encoder for luma and chroma planes, if the format stores these with the given options and every lower
    /// quality.
    fn planar(&self, options: &EncodeOptions) -> Option<&dyn PlanarEncoder> {
        let _ = options;
        None
    }
}

/// The range of luma and chroma samples (ITU-T H.273, 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Full range, as in JFIF.
    Full,
    /// Video range: luma in `16..=235`, chroma in `16..=240`.
    Narrow,
}

/// An encoder for luma and chroma planes.
pub trait PlanarEncoder: Sync {
    /// The expected range of the samples.
    fn range(&self) -> Range {
        Range::Full
    }

    /// Whether chroma of luma's resolution is to be halved by [`avif::with_halved_chroma`](crate::avif::with_halved_chroma),
    /// so that luma makes up for what is lost.
    fn makes_up_for_chroma(&self) -> bool {
        false
    }

    /// Encodes luma and two chroma planes (see [`Plane`](crate::Plane)) in [`PlanarEncoder::range`]. Chroma has half of luma's width
    /// and height, rounded up. `budget` is for memory besides the planes.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn encode_planes(
        &self,
        planes: &[Raster; 3],
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Vec<u8>, Error>;
}
