//! Image decoders and encoders: format detection, header parsing, decoding to a [`Raster`], and encoding.
//!
//! [`open`] detects the format and parses the header; the [`Image`] is then decoded in whole or in part. A format is a
//! file or folder of this crate and a line in [`decoder`] or [`encoder`]. The crate knows nothing about queries, HTTP
//! or storage, and checks every header against the [`Budget`] before it allocates.

// Tests have no caller that could pass a `Cancellation`.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod animation;
pub mod avif;
mod blend;
mod bmp;
mod brightness;
mod buffer;
mod content;
mod cores;
mod encoder;
mod error;
mod gif;
#[cfg(feature = "heic")]
mod heic;
mod heif;
mod ico;
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
mod lzw;
mod oriented;
mod palette;
mod png;
mod pnm;
mod profile;
mod qoi;
mod raster;
mod reader;
mod shrink;
#[cfg(feature = "svg")]
mod svg;
mod tiff;
mod transparent;
pub mod webp;

pub use animation::{Animation, AnimationWriter, Frames};
pub use blend::over;
pub use content::{Content, Repetition, content_of, has_chroma_edges, has_lights, repetition};
pub use cores::{Cores, Permit};
pub use encoder::{EncodeOptions, Encoder, PaletteOptions, PlanarEncoder, Primaries, Range};
pub use error::Error;
pub use image_origin_container::{
    Cancellation, Cancelled, Exhausted, Format, Meter, Orientation, SNIFF_LEN, Spent, sniff,
};
pub use raster::{Channels, Raster, Samples};

use image_origin_container as container;
#[cfg(feature = "svg-text")]
pub use svg::{load_svg_fonts, svg_fonts};

/// The name of memory in [`Error::TooLarge`].
pub const MEMORY: &str = "the memory for this picture in bytes";

/// The limits for one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The maximum number of pixels (width times height) of an original.
    pub pixels: u64,
    /// The maximum memory in bytes for decoding, processing and encoding, besides the original itself.
    pub memory: u64,
}

impl Budget {
    /// No limits.
    pub const UNLIMITED: Self = Self { pixels: u64::MAX, memory: u64::MAX };

    /// Checks the number of pixels.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if it exceeds the limit.
    pub fn check_pixels(&self, width: u32, height: u32) -> Result<(), Error> {
        let needs = u64::from(width) * u64::from(height);
        let allowed = self.pixels;
        if needs > allowed {
            return Err(Error::TooLarge { what: "the number of pixels", needs, allowed });
        }
        Ok(())
    }

    /// Checks an amount of memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if it exceeds the limit.
    pub fn check_memory(&self, needs: u64) -> Result<(), Error> {
        let allowed = self.memory;
        if needs > allowed {
            return Err(Error::TooLarge { what: MEMORY, needs, allowed });
        }
        Ok(())
    }

    /// The remaining budget if `held` bytes are in use.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if these alone exceed the limit.
    pub fn beside(&self, held: u64) -> Result<Self, Error> {
        self.check_memory(held)?;
        Ok(Self { memory: self.memory - held, ..*self })
    }
}

/// The header of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The detected format.
    pub format: Format,
    /// Width in pixels as stored, before `orientation` is applied; at least 1.
    pub width: u32,
    /// Height in pixels as stored, before `orientation` is applied; at least 1.
    pub height: u32,
    /// The orientation of the stored pixels.
    pub orientation: Orientation,
    /// The channels of a decoded pixel.
    pub channels: Channels,
}

/// An area in pixels of the stored picture. Width and height are positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Distance from the left edge.
    pub x: f64,
    /// Distance from the top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Area {
    /// The area of a whole picture of this size.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) }
    }

    /// Converts this area to pixels of a raster that covers the area `covered` of the stored picture.
    #[must_use]
    pub fn in_raster(self, raster: &Raster, covered: Self) -> Self {
        let (x, y) = (f64::from(raster.width()) / covered.width, f64::from(raster.height()) / covered.height);
        Self {
            x: (self.x - covered.x) * x,
            y: (self.y - covered.y) * y,
            width: self.width * x,
            height: self.height * y,
        }
    }
}

/// The requirements for a decode. A decoder may return more than required, never less.
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions<'a> {
    /// The required area of the stored picture.
    pub area: Area,
    /// The smallest useful scale, in `(0, 1]`: a decoder that can reduce while decoding may use any scale from this up
    /// to 1. A drawing (SVG) is rendered at exactly this scale, which may exceed 1.
    pub scale: f64,
    /// The budget of the decoder, including its result.
    pub budget: Budget,
    /// The cancellation token.
    pub cancellation: &'a Cancellation,
    /// The cores of the decoder. Its result does not depend on them.
    pub cores: &'a Cores,
}

impl<'a> DecodeOptions<'a> {
    /// Decodes `area` at full scale on one core.
    pub const fn new(area: Area, budget: Budget, cancellation: &'a Cancellation) -> Self {
        Self { area, scale: 1.0, budget, cancellation, cores: Cores::ONE }
    }
}

/// A defect of a picture that was decoded nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file is truncated. Missing pixels are transparent, or grey in a picture without alpha.
    #[error("the file is cut short")]
    CutShort,
    /// The data violates the format, and some pixels are wrong or missing.
    #[error("the file is damaged")]
    Damaged,
    /// A drawing has text, and there are no fonts to draw it.
    #[error(
        "the drawing has text, which takes the cargo feature svg-text and fonts in the folder of the setting `svg_fonts`"
    )]
    TextMissing,
}

/// The value of missing samples in a picture without alpha, in 8 bits.
const MISSING: u8 = 0x80;

/// A decoded picture, or the required part of it.
#[derive(Debug)]
pub struct Decoded {
    /// The pixels.
    pub raster: Raster,
    /// The area of the stored picture that `raster` covers. It may exceed the right and bottom edges of the picture by
    /// less than one pixel of the raster.
    pub area: Area,
    /// How much of the picture a pixel of the raster is a mean of: the variance of the weights in each direction, in squares
    /// of the raster's pixels. 0 if pixels are as they were stored, at most 1/12.
    pub blur: f64,
    /// The colour space as an ICC profile: the embedded one, or one that was generated from the file's colour
    /// description. `None` for sRGB, and for inks without a profile.
    pub icc: Option<Vec<u8>>,
    /// The defect of the picture, if the decoder detected one.
    pub flaw: Option<Flaw>,
}

impl Decoded {
    /// A complete picture without defects.
    pub fn whole(raster: Raster, icc: Option<Vec<u8>>) -> Self {
        let area = Area::whole(raster.width(), raster.height());
        Self { raster, area, blur: 0.0, icc, flaw: None }
    }
}

/// A luma (Y) or chroma (Cb, Cr) plane as defined by JFIF: ITU-R BT.601, full range, with chroma samples centred
/// between luma samples.
#[derive(Debug, Clone)]
pub struct Plane {
    /// The samples, as grey.
    pub raster: Raster,
    /// The area of the stored picture that the samples cover; it may exceed the edges of the picture like that of
    /// [`Decoded`].
    pub area: Area,
    /// As that of [`Decoded`].
    pub blur: f64,
}

/// Interpolates a table of values by quality on JPEG's scale. Qualities are in ascending order.
fn calibrated(table: &[(u8, u8)], quality: u8) -> f32 {
    let above = table.partition_point(|(known, _)| *known < quality).min(table.len() - 1);
    let ((q0, from), (q1, to)) = (table[above.saturating_sub(1)], table[above]);
    let share = f32::from(quality.saturating_sub(q0)) / f32::from((q1 - q0).max(1));
    f32::from(from) + (f32::from(to) - f32::from(from)) * share.min(1.0)
}

/// Checks that no side exceeds what a format supports. `what` is the name of such a side for the error.
fn check_sides(size: [u32; 2], what: &'static str, allowed: u32) -> Result<(), Error> {
    let (needs, allowed) = (size[0].max(size[1]).into(), allowed.into());
    if needs > allowed { Err(Error::TooLarge { what, needs, allowed }) } else { Ok(()) }
}

/// A decoder for one format.
pub trait Decoder: Sync {
    /// Parses the header only.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Unsupported`], or [`Error::TooLarge`] if the header exceeds the budget.
    fn probe(&self, bytes: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<Header, Error>;

    /// Decodes the required part of the first picture.
    ///
    /// # Errors
    /// Any [`Error`]; memory is checked before it is allocated.
    fn decode(&self, bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Decoded, Error>;

    /// Decodes separate luma and chroma planes, chroma with at least half of the required scale in each direction, or
    /// with all of it as far as it is stored if `full_chroma`; `None` if the picture is not stored this way.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    fn decode_planes(
        &self,
        bytes: &[u8],
        options: &DecodeOptions<'_>,
        full_chroma: bool,
    ) -> Result<Option<[Plane; 3]>, Error> {
        let _ = (bytes, options, full_chroma);
        Ok(None)
    }

    /// Reads the properties of an animation without decoding pixels; `None` for a still picture.
    ///
    /// # Errors
    /// As [`Decoder::probe`].
    fn animation(&self, bytes: &[u8], cancellation: &Cancellation) -> Result<Option<Animation>, Error> {
        let _ = (bytes, cancellation);
        Ok(None)
    }

    /// Opens the frames of an animation.
    ///
    /// # Errors
    /// As [`Decoder::decode`]; [`Error::Unsupported`] if [`Decoder::animation`] is always `None`.
    fn frames<'a>(
        &self,
        bytes: &'a [u8],
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Box<dyn Frames + 'a>, Error> {
        let _ = (bytes, budget, cancellation);
        Err(Error::Unsupported("the file is no animation".to_owned()))
    }
}

/// Returns the decoder for a format, if there is one.
pub fn decoder(format: Format) -> Option<&'static dyn Decoder> {
    match format {
        Format::Jpeg => Some(&jpeg::Jpeg),
        Format::Png => Some(&png::Png),
        Format::WebP => Some(&webp::WebP),
        Format::Gif => Some(&gif::Gif),
        Format::Avif => Some(&avif::Avif),
        Format::Tiff => Some(&tiff::Tiff),
        Format::Bmp => Some(&bmp::Bmp),
        Format::Ico => Some(&ico::Ico),
        Format::Qoi => Some(&qoi::Qoi),
        Format::Pnm => Some(&pnm::Pnm),
        #[cfg(feature = "jxl")]
        Format::JpegXl => Some(&jxl::Jxl),
        #[cfg(feature = "heic")]
        Format::Heic => Some(&heic::Heic),
        #[cfg(feature = "svg")]
        Format::Svg => Some(&svg::Svg),
        #[cfg(not(all(feature = "heic", feature = "jxl", feature = "svg")))]
        _ => None,
    }
}

/// Returns the encoder for a format, if there is one.
pub fn encoder(format: Format) -> Option<&'static dyn Encoder> {
    match format {
        Format::Jpeg => Some(&jpeg::Jpeg),
        Format::Png => Some(&png::Png),
        Format::WebP => Some(&webp::WebP),
        Format::Gif => Some(&gif::Gif),
        Format::Avif => Some(&avif::Avif),
        _ => None,
    }
}

/// Inspects the beginning of an original that is still being downloaded, and rejects it as soon as its header shows
/// that it is not supported or exceeds a limit. Returns whether no further inspection is needed.
///
/// # Errors
/// [`Error::Unsupported`] and [`Error::TooLarge`], as in [`Decoder::probe`] for the complete file.
pub fn probe_prefix(head: &[u8], budget: Budget, cancellation: &Cancellation) -> Result<bool, Error> {
    if head.len() < SNIFF_LEN {
        return Ok(false);
    }
    // A drawing has no size that matters, and need not be rendered.
    if sniff(head) == Some(Format::Svg) {
        return Ok(true);
    }
    match decoder_for(head)?.probe(head, budget, cancellation) {
        Ok(_) => Ok(true),
        Err(error @ Error::TooLarge { .. }) => Err(error),
        // A truncated header may look damaged.
        Err(_) => Ok(false),
    }
}

/// A classification of the number of colours, for the choice between PNG and JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorCount {
    /// Few enough for a palette.
    Few,
    /// Shades of grey, which fit into a palette even in photographs.
    Greys,
    /// More colours.
    Many,
}

/// Classifies the number of colours of an 8-bit picture. `budget` is for memory besides it.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated.
pub fn color_count(raster: &Raster, budget: Budget) -> Result<ColorCount, Error> {
    // The maximum number of greys for which the picture counts as a drawing.
    const SHADES_OF_DRAWINGS: usize = 16;
    budget.check_memory(palette::memory(raster))?;
    Ok(match palette::exact(raster, 256) {
        None => ColorCount::Many,
        Some(indexed) => {
            let is_grey = indexed.colors.iter().all(|[r, g, b, _]| r == g && g == b);
            if is_grey && indexed.colors.len() > SHADES_OF_DRAWINGS { ColorCount::Greys } else { ColorCount::Few }
        }
    })
}

/// Whether an 8-bit picture has at most `most` colours, which are 256 at most. `budget` is for memory besides it.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated.
pub fn has_colors_up_to(raster: &Raster, most: usize, budget: Budget) -> Result<bool, Error> {
    budget.check_memory(palette::memory(raster))?;
    Ok(palette::exact(raster, most.min(256)).is_some())
}

/// Detects the format and returns its decoder.
///
/// # Errors
/// [`Error::Unsupported`] with the detected format, if there is one, and the reason.
pub fn decoder_for(bytes: &[u8]) -> Result<&'static dyn Decoder, Error> {
    let Some(format) = sniff(bytes) else {
        return Err(Error::Unsupported("unrecognised image format".to_owned()));
    };
    decoder(format).ok_or_else(|| Error::Unsupported(not_read(format)))
}

/// An image file with a parsed header.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    bytes: &'a [u8],
    decoder: &'static dyn Decoder,
    header: Header,
}

impl std::fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bytes, header, .. } = self;
        f.debug_struct("Image").field("bytes", &bytes.len()).field("header", header).finish_non_exhaustive()
    }
}

/// Detects the format of an image and parses its header.
///
/// # Errors
/// The errors of [`decoder_for`] and of [`Decoder::probe`].
pub fn open<'a>(bytes: &'a [u8], budget: Budget, cancellation: &Cancellation) -> Result<Image<'a>, Error> {
    let decoder = decoder_for(bytes)?;
    Ok(Image { bytes, decoder, header: decoder.probe(bytes, budget, cancellation)? })
}

impl<'a> Image<'a> {
    /// The bytes of the file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The area of the whole stored picture.
    pub fn area(&self) -> Area {
        Area::whole(self.header.width, self.header.height)
    }

    /// As [`Decoder::decode`].
    ///
    /// # Errors
    /// The errors of [`Decoder::decode`].
    pub fn decode(&self, options: &DecodeOptions<'_>) -> Result<Decoded, Error> {
        self.decoder.decode(self.bytes, options)
    }

    /// As [`Decoder::decode_planes`].
    ///
    /// # Errors
    /// The errors of [`Decoder::decode_planes`].
    pub fn decode_planes(&self, options: &DecodeOptions<'_>, full_chroma: bool) -> Result<Option<[Plane; 3]>, Error> {
        self.decoder.decode_planes(self.bytes, options, full_chroma)
    }

    /// As [`Decoder::animation`].
    ///
    /// # Errors
    /// The errors of [`Decoder::animation`].
    pub fn animation(&self, cancellation: &Cancellation) -> Result<Option<Animation>, Error> {
        self.decoder.animation(self.bytes, cancellation)
    }

    /// As [`Decoder::frames`].
    ///
    /// # Errors
    /// The errors of [`Decoder::frames`].
    pub fn frames(&self, budget: Budget, cancellation: &'a Cancellation) -> Result<Box<dyn Frames + 'a>, Error> {
        self.decoder.frames(self.bytes, budget, cancellation)
    }
}

/// Explains why a detected format has no decoder.
fn not_read(format: Format) -> String {
    let reason = match format {
        Format::Svg => "which is sent as it is, and is rendered where the cargo feature svg is switched on",
        Format::Heic => "whose HEVC is covered by patents; it is read where the cargo feature heic is switched on",
        Format::JpegXl => "which is read where the cargo feature jxl is switched on",
        _ => "which is not read here",
    };
    format!("the file is a picture of type {format}, {reason}")
}
