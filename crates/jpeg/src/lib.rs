//! A JPEG decoder with scaled decoding, and an encoder with libjpeg's output, in safe Rust without dependencies.
//!
//! ```
//! use image_origin_jpeg::{DecodeOptions, EncodeOptions, Picture, PixelFormat, Pixels, Scale, decode, encode};
//!
//! let samples: Vec<u8> = (0..64 * 48).flat_map(|i| [(i % 64 * 4) as u8, 80, (i / 64 * 5) as u8]).collect();
//! let picture = Picture::new(64, 48, Pixels::Rgb(&samples))?;
//! let file = encode(&picture, &EncodeOptions::default().quality(90).progressive(true))?;
//!
//! let small = decode(&file, &DecodeOptions::default().scale(Scale::Quarter).max_bytes(1 << 20))?;
//! assert_eq!((small.width, small.height, small.format), (16, 12, PixelFormat::Rgb));
//! assert!(small.warnings.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Decoding
//!
//! [`decode`] reconstructs a picture from the coefficients that its [`Scale`] and region need: at 1/8 the others are
//! skipped, and so are whole scans of a progressive file. [`decode_planes`] returns luma and chroma as they are stored.
//! They support every Huffman-coded 8-bit JPEG (ISO/IEC 10918-1, also ITU-T T.81, which the comments cite), baseline,
//! extended or progressive, with one, three or four components and any sampling factors. At full size the pixels equal
//! those of libjpeg-turbo.
//!
//! No input makes it panic, allocate more than [`DecodeOptions::max_bytes`], or take time out of proportion to the
//! sizes of input and picture. Damage before the first scan is a [`DecodeError`]; after that the picture is decoded as
//! far as possible, with [`Warning`]s. The distinction does not depend on the scale.
//!
//! # Encoding
//!
//! [`encode`] writes grey, RGB or planes of luma and chroma, baseline or progressive, with optimized Huffman codes.
//! Quantisation and transform are those of libjpeg, so that equal settings yield the same pixels, in no more bytes.
//! [`Tables::Tuned`] makes photographs a seventh shorter at the same likeness.
//!
//! # What it does not do
//!
//! It does not support arithmetic coding, 12-bit samples, lossless or hierarchical files: [`DecodeError::Unsupported`].
//! It does not apply ICC profiles or the EXIF orientation ([`icc_profile`] and [`exif`] return their bytes), and does
//! not convert CMYK. The encoder writes no metadata, and supports neither CMYK nor 4:2:2.
//!
//! # Speed
//!
//! One thread of an AMD EPYC, minimum of 15 rounds, quality 80:
//!
//! | photograph | decoded at | milliseconds |
//! | --- | --- | --- |
//! | 12 MP, baseline | 1/8 | 5.2 |
//! | 12 MP, progressive | 1/8 | 2.5 |
//! | 12 MP, baseline | 1/4 | 9.6 |
//! | 3 MP, baseline | 1/4 | 2.8 |
//!
//! | pixels encoded | milliseconds | sharp (libvips with mozjpeg) |
//! | --- | --- | --- |
//! | 300x225 | 0.21 | 1.52 |
//! | 800x600 | 1.15 | 4.88 |
//! | 800x600, progressive | 2.19 | 7.75 |
//!
//! `NOTES.md` in the crate's folder describes experiments.

mod ahead;
mod bits;
mod coefficients;
mod colour;
mod context;
mod encode;
mod error;
mod finder;
mod frame;
mod header;
mod huffman;
mod idct;
#[cfg(target_arch = "x86_64")]
mod idct_avx2;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod idct_portable;
#[cfg(target_arch = "x86_64")]
mod idct_x86;
mod interval;
mod kernel;
mod layout;
mod output;
mod progressive;
mod scans;
mod segments;
mod sequential;
mod standard;
mod tables;
mod upsample;

use std::ops::ControlFlow;

pub use encode::{EncodeOptions, Picture, Pixels, Tables, encode};
pub use error::{DecodeError, EncodeError, Warning};
pub use frame::{Colour, Component, Process};
pub use header::{Header, exif, icc_profile, read_header};
pub use segments::{Segment, Segments};

/// The scale of a decode, in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Scale {
    /// 1/8: one pixel for 8x8.
    Eighth,
    /// 1/4: one pixel for 4x4.
    Quarter,
    /// 3/8: three pixels for eight, in each direction.
    ThreeEighths,
    /// 1/2: one pixel for 2x2.
    Half,
    /// 5/8: five pixels for eight, in each direction.
    FiveEighths,
    /// Full size.
    #[default]
    Full,
}

impl Scale {
    /// All scales, smallest first.
    pub const ALL: [Self; 6] =
        [Self::Eighth, Self::Quarter, Self::ThreeEighths, Self::Half, Self::FiveEighths, Self::Full];

    /// The scale in eighths.
    pub const fn eighths(self) -> usize {
        match self {
            Self::Eighth => 1,
            Self::Quarter => 2,
            Self::ThreeEighths => 3,
            Self::Half => 4,
            Self::FiveEighths => 5,
            Self::Full => 8,
        }
    }

    /// The number of output pixels for `length` pixels of the picture.
    pub const fn apply(self, length: usize) -> usize {
        (length * self.eighths()).div_ceil(8)
    }
}

/// A rectangle in full-size pixels of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// The left edge.
    pub x: u32,
    /// The top edge.
    pub y: u32,
    /// The width.
    pub width: u32,
    /// The height.
    pub height: u32,
}

/// The upsampling of chroma to the resolution of luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upsampling {
    /// Interpolation between sample centres: better quality, and the default of other decoders.
    #[default]
    Smooth,
    /// Nearest neighbour.
    Nearest,
}

/// The polarity of CMYK samples in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inks {
    /// 255 is no ink, as in standalone files: viewers assume this with and without Adobe's marker.
    #[default]
    Complemented,
    /// 0 is no ink, as in containers that define the polarity themselves, such as TIFF (6.0, section 16).
    Plain,
}

/// The options of a decode.
#[derive(Clone, Copy)]
pub struct DecodeOptions<'a> {
    scale: Scale,
    region: Option<Rect>,
    upsampling: Upsampling,
    full_chroma: bool,
    colour: Option<Colour>,
    inks: Inks,
    max_bytes: u64,
    check: &'a dyn Fn() -> ControlFlow<()>,
    second_core: &'a dyn Fn() -> Option<Permit>,
}

/// What stands for the use of a core: it is dropped when the core is no longer used.
pub type Permit = Box<dyn Send>;

impl Default for DecodeOptions<'_> {
    fn default() -> Self {
        Self {
            scale: Scale::Full,
            region: None,
            upsampling: Upsampling::Smooth,
            full_chroma: false,
            colour: None,
            inks: Inks::Complemented,
            max_bytes: 512 << 20,
            check: &|| ControlFlow::Continue(()),
            second_core: &|| None,
        }
    }
}

impl std::fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeOptions")
            .field("scale", &self.scale)
            .field("region", &self.region)
            .field("upsampling", &self.upsampling)
            .field("full_chroma", &self.full_chroma)
            .field("colour", &self.colour)
            .field("inks", &self.inks)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl<'a> DecodeOptions<'a> {
    /// The scale. [`Scale::Full`] by default.
    #[must_use]
    pub const fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// The required region; `None` (the default) for all. The output contains it and may be larger: see
    /// [`Image::area`]. A region outside of the picture is rejected as [`DecodeError::Damaged`].
    #[must_use]
    pub fn region(mut self, region: impl Into<Option<Rect>>) -> Self {
        self.region = region.into();
        self
    }

    /// The upsampling of chroma. [`Upsampling::Smooth`] by default.
    #[must_use]
    pub const fn upsampling(mut self, upsampling: Upsampling) -> Self {
        self.upsampling = upsampling;
        self
    }

    /// Whether [`decode_planes`] returns chroma at its stored resolution, up to that of luma, or at half of luma's. Half by
    /// default.
    #[must_use]
    pub const fn full_chroma(mut self, full: bool) -> Self {
        self.full_chroma = full;
        self
    }

    /// The colour model, if a container defines it: markers in the file are then ignored. By default it is derived from
    /// markers and component ids, as in libjpeg.
    #[must_use]
    pub const fn colour(mut self, colour: Colour) -> Self {
        self.colour = Some(colour);
        self
    }

    /// The polarity of CMYK and YCCK samples. [`Inks::Complemented`] by default.
    #[must_use]
    pub const fn inks(mut self, inks: Inks) -> Self {
        self.inks = inks;
        self
    }

    /// The memory limit of the decode in bytes, including the picture; checked before anything is allocated. 512 MiB by
    /// default.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// A cancellation callback, called at least once for every row of MCUs. By default the decode is never cancelled.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }

    /// A callback that returns a permit if a second core is idle. It is called at most once, by a decode that becomes faster
    /// with a second thread: one of a large picture at 1/8. The thread ends, and drops the permit, before the decode does. The
    /// result is the same with and without it. By default a decode has one thread.
    #[must_use]
    pub const fn second_core(mut self, second_core: &'a dyn Fn() -> Option<Permit>) -> Self {
        self.second_core = second_core;
        self
    }
}

/// The pixel format of [`Image::pixels`]: interleaved 8-bit samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// One sample.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Cyan, magenta, yellow, black: 0 is no ink and 255 full ink, whatever the polarity in the file.
    Cmyk,
}

impl PixelFormat {
    /// The number of samples, and thus bytes, of a pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// A decoded picture, or the requested region of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Image {
    /// The width of `pixels`.
    pub width: usize,
    /// The height of `pixels`.
    pub height: usize,
    /// The area that `pixels` covers, in full-size pixels of the picture: the region extended to whole MCUs.
    pub area: Rect,
    /// The [`blur`](Plane::blur) of luma, or of all components of a picture without it.
    pub blur: f64,
    /// The pixel format.
    pub format: PixelFormat,
    /// The pixels in contiguous rows.
    pub pixels: Vec<u8>,
    /// The defects of the file, each kind once.
    pub warnings: Vec<Warning>,
}

/// The luma and chroma planes of a picture (JFIF's Y, Cb and Cr, in that order), or of the requested region of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Planes {
    /// The three planes.
    pub planes: Vec<Plane>,
    /// The defects of the file, each kind once.
    pub warnings: Vec<Warning>,
}

/// The samples of one component.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Plane {
    /// The width in samples.
    pub width: usize,
    /// The height in samples.
    pub height: usize,
    /// The position of the first sample, in full-size pixels of the picture.
    pub origin: (u32, u32),
    /// The number of full-size pixels per sample, horizontally and vertically.
    pub pixels_of_sample: (f64, f64),
    /// How much of the picture a sample is a mean of: the variance of the weights in each direction, in squares of the distance
    /// between samples. 0 at full resolution, at most 1/12.
    pub blur: f64,
    /// The samples in contiguous rows.
    pub samples: Vec<u8>,
}

/// Decodes a picture.
///
/// # Errors
/// Any [`DecodeError`].
pub fn decode(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Image, DecodeError> {
    context::decode(bytes, options)
}

/// Decodes luma and chroma planes as they are stored: luma at the requested scale, chroma with at least half of its
/// resolution, and with more of it at [`DecodeOptions::full_chroma`]. `None` if the picture is not stored as YCbCr, or
/// chroma has more samples than luma.
///
/// # Errors
/// As [`decode`].
pub fn decode_planes(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Option<Planes>, DecodeError> {
    context::decode_planes(bytes, options)
}
