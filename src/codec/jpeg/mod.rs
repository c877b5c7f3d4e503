//! A JPEG decoder that decodes to size.
//!
//! The bytes of a JPEG and a [`Scale`] come in; the picture at that size goes out, made from the coefficients that it
//! needs: at 1/8 the others are only counted off, and whole scans of a progressive file are skipped. It reads every
//! Huffman-coded 8 bit JPEG (ISO/IEC 10918-1, also ITU-T T.81, which the comments cite); other kinds are
//! [`Error::Unsupported`].
//!
//! What must hold: no input makes it panic, allocate more than [`Options::max_bytes`], or work longer than the size of
//! the input and of the picture warrant. Damage before the first scan is an [`Error`]; after that the picture is given
//! as far as it goes, with [`Warning`]s. Which of the two it is does not depend on the scale.

mod bits;
mod codec;
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

pub(super) use codec::{Jpeg, flaw};
pub use error::{Error, Warning};
pub use frame::{Colour, Component, Process};
pub use header::{Header, exif, icc_profile, read_header};

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

/// How to decode.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The size to decode to.
    pub scale: Scale,
    /// The part that is needed. What comes out holds it and more: see [`Image::area`].
    pub region: Option<Rect>,
    /// How chroma is enlarged.
    pub upsampling: Upsampling,
    /// What the components mean, where a container says so: markers inside do not count then.
    pub colour: Option<Colour>,
    /// Which way the samples of CMYK and YCCK count.
    pub inks: Inks,
    /// Ceiling for the memory of the decode, the picture included; checked before anything is allocated.
    pub max_bytes: u64,
    /// Asked at least once for every row of MCUs whether to go on, so that a deadline really ends the work.
    pub check: &'a dyn Fn() -> ControlFlow<()>,
}

impl Default for Options<'_> {
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
pub struct Planes {
    /// The three of them.
    pub planes: Vec<Plane>,
    /// What was wrong with the file, each kind once.
    pub warnings: Vec<Warning>,
}

/// The samples of one component.
#[derive(Debug, Clone, PartialEq)]
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
pub fn decode(bytes: &[u8], options: &Options<'_>) -> Result<Image, Error> {
    context::decode(bytes, options)
}

/// Decodes luma and chroma as they are stored: luma at the scale of the options, chroma with at least half of its
/// resolution. `None` if the picture is not made of them, or chroma has more samples than luma.
///
/// # Errors
/// As [`decode`].
pub fn decode_planes(bytes: &[u8], options: &Options<'_>) -> Result<Option<Planes>, Error> {
    context::decode_planes(bytes, options)
}
