//! A JPEG decoder that decodes to size, and an encoder whose pictures are those of libjpeg, in safe Rust without
//! dependencies.
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
//! [`decode`] makes a picture from the coefficients that its [`Scale`] and region need: at 1/8 the others are only counted
//! off, and whole scans of a progressive file are skipped. [`decode_planes`] gives luma and chroma as they are stored. They
//! read every Huffman-coded JPEG of 8 bits (ISO/IEC 10918-1, also ITU-T T.81, which the comments cite), baseline, extended
//! or progressive, of one, three or four components and with any sampling factors. At full size the pixels are those of
//! libjpeg-turbo to the bit.
//!
//! No input makes it panic, allocate more than [`DecodeOptions::max_bytes`], or work longer than the size of the input and
//! of the picture warrant. Damage before the first scan is a [`DecodeError`]; after that the picture is given as far as it
//! goes, with [`Warning`]s. Which of the two it is does not depend on the scale.
//!
//! # Encoding
//!
//! [`encode`] writes grey, RGB or planes of luma and chroma, baseline or progressive, with Huffman codes that fit the
//! picture. Quantisation and transform are libjpeg's, so that equal settings look exactly alike, in no more bytes.
//!
//! # What it does not do
//!
//! It does not read arithmetic coding, samples of 12 bits, lossless or hierarchical files: [`DecodeError::Unsupported`]. It
//! does not apply ICC profiles or EXIF's orientation ([`icc_profile`] and [`exif`] give their bytes), and does not convert
//! CMYK. It writes no metadata, and neither CMYK nor 4:2:2.
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
//! `NOTES.md` in the crate's folder tells what was tried.

mod bits;
mod coefficients;
mod colour;
mod context;
mod encode;
mod error;
mod frame;
mod header;
mod huffman;
mod idct;
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

pub use encode::{EncodeOptions, Picture, Pixels, encode};
pub use error::{DecodeError, EncodeError, Warning};
pub use frame::{Colour, Component, Process};
pub use header::{Header, exif, icc_profile, read_header};
pub use segments::{Segment, Segments};

/// The size to decode to, in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Scale {
    /// One pixel for 8x8.
    Eighth,
    /// One pixel for 4x4.
    Quarter,
    /// One pixel for 2x2.
    Half,
    /// All pixels.
    #[default]
    Full,
}

impl Scale {
    /// All scales, the smallest first.
    pub const ALL: [Self; 4] = [Self::Eighth, Self::Quarter, Self::Half, Self::Full];

    /// How many pixels come out for eight.
    pub const fn eighths(self) -> usize {
        match self {
            Self::Eighth => 1,
            Self::Quarter => 2,
            Self::Half => 4,
            Self::Full => 8,
        }
    }

    /// The pixels that `length` pixels of the picture become.
    pub const fn apply(self, length: usize) -> usize {
        (length * self.eighths()).div_ceil(8)
    }
}

/// A part of a picture, in its full-size pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Columns to the left of it.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// Columns in it.
    pub width: u32,
    /// Rows in it.
    pub height: u32,
}

/// How chroma gets to the resolution of luma where it was stored with less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upsampling {
    /// Interpolated between sample centres: the better picture, and what other decoders give unless asked otherwise.
    #[default]
    Smooth,
    /// Repeated.
    Nearest,
}

/// Which way samples of ink count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inks {
    /// 255 is no ink, as in files on their own: whether Adobe's marker says so or is missing, viewers take them so.
    #[default]
    Complemented,
    /// 0 is no ink, as in containers that define the samples themselves, such as TIFF (6.0, section 16).
    Plain,
}

/// How to decode. Each method sets one option and returns the options.
#[derive(Clone, Copy)]
pub struct DecodeOptions<'a> {
    scale: Scale,
    region: Option<Rect>,
    upsampling: Upsampling,
    colour: Option<Colour>,
    inks: Inks,
    max_bytes: u64,
    check: &'a dyn Fn() -> ControlFlow<()>,
}

impl Default for DecodeOptions<'_> {
    fn default() -> Self {
        Self {
            scale: Scale::Full,
            region: None,
            upsampling: Upsampling::Smooth,
            colour: None,
            inks: Inks::Complemented,
            max_bytes: 512 << 20,
            check: &|| ControlFlow::Continue(()),
        }
    }
}

impl std::fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeOptions")
            .field("scale", &self.scale)
            .field("region", &self.region)
            .field("upsampling", &self.upsampling)
            .field("colour", &self.colour)
            .field("inks", &self.inks)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl<'a> DecodeOptions<'a> {
    /// The size to decode to. [`Scale::Full`] unless set.
    #[must_use]
    pub const fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// The part that is needed; `None` for all, which is the default. What comes out holds it and more: see
    /// [`Image::area`]. A part that does not touch the picture is refused as [`DecodeError::Damaged`].
    #[must_use]
    pub fn region(mut self, region: impl Into<Option<Rect>>) -> Self {
        self.region = region.into();
        self
    }

    /// How chroma is enlarged. [`Upsampling::Smooth`] unless set.
    #[must_use]
    pub const fn upsampling(mut self, upsampling: Upsampling) -> Self {
        self.upsampling = upsampling;
        self
    }

    /// What the components mean, where a container says so: markers inside do not count then. Without it, markers and
    /// the components' names tell, as libjpeg reads them.
    #[must_use]
    pub const fn colour(mut self, colour: Colour) -> Self {
        self.colour = Some(colour);
        self
    }

    /// Which way the samples of CMYK and YCCK count. [`Inks::Complemented`] unless set.
    #[must_use]
    pub const fn inks(mut self, inks: Inks) -> Self {
        self.inks = inks;
        self
    }

    /// The ceiling for the memory of the decode, the picture included; checked before anything is allocated. 512 MiB
    /// unless set.
    #[must_use]
    pub const fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Asked at least once for every row of MCUs whether to go on, so that a deadline really ends the work. It always says
    /// yes unless set.
    #[must_use]
    pub const fn check(mut self, check: &'a dyn Fn() -> ControlFlow<()>) -> Self {
        self.check = check;
        self
    }
}

/// How the samples of [`Image::pixels`] are to be read; they alternate, a byte each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// One sample.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Cyan, magenta, yellow, black: 0 is no ink and 255 full ink, whichever way the file stores it.
    Cmyk,
}

impl PixelFormat {
    /// Samples, and so bytes, of a pixel.
    pub const fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// A decoded picture, or the part of it that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// Columns of `pixels`.
    pub width: usize,
    /// Rows of `pixels`.
    pub height: usize,
    /// What `pixels` covers, in full-size pixels of the picture: the region grown to whole MCUs.
    pub area: Rect,
    /// What a pixel is made of.
    pub format: PixelFormat,
    /// The pixels row by row, without padding.
    pub pixels: Vec<u8>,
    /// What was wrong with the file, each kind once.
    pub warnings: Vec<Warning>,
}

/// Luma and chroma of a picture (JFIF's Y, Cb and Cr, in that order), or of the part of it that was asked for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Planes {
    /// The three of them.
    pub planes: Vec<Plane>,
    /// What was wrong with the file, each kind once.
    pub warnings: Vec<Warning>,
}

/// The samples of one component.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Plane {
    /// Samples in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Where the first sample begins, in full-size pixels of the picture.
    pub origin: (u32, u32),
    /// How many of the picture's full-size pixels a sample stands for, across and down.
    pub pixels_of_sample: (f64, f64),
    /// The samples row by row, without padding.
    pub samples: Vec<u8>,
}

/// Decodes a picture.
///
/// # Errors
/// Any [`DecodeError`].
pub fn decode(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Image, DecodeError> {
    context::decode(bytes, options)
}

/// Decodes luma and chroma as they are stored: luma at the scale of the options, chroma with at least half of its
/// resolution. `None` if the picture is not made of them, or chroma has more samples than luma.
///
/// # Errors
/// As [`decode`].
pub fn decode_planes(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Option<Planes>, DecodeError> {
    context::decode_planes(bytes, options)
}
