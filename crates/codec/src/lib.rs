//! Image formats: recognising them, reading them and writing them.
//!
//! Bytes come in, a [`Raster`] goes out, and the other way round. A format is one file or folder here and one line in
//! [`decoder`] or [`encoder`]. Nothing in here knows of queries, HTTP or storage, and no header is believed before it
//! was held against the [`Budget`].

// Tests have no caller whose work they could take.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod animation;
pub mod avif;
mod blend;
mod bmp;
mod buffer;
mod gif;
#[cfg(feature = "heic")]
mod heic;
mod ico;
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
mod oriented;
mod palette;
mod png;
mod pnm;
mod profile;
mod qoi;
mod raster;
mod reader;
mod shrink;
mod tiff;
pub mod webp;

pub use animation::{Animation, AnimationWriter, Frames};
pub use blend::over;
pub use image_origin_container::{Exhausted, Format, Meter, Orientation, SNIFF_LEN, Spent, Stopped, Work, sniff};
pub use raster::{Channels, Raster, Samples};

use image_origin_container as container;

/// Why a picture could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no image, or one of a kind that is not read.
    #[error("{0}")]
    Unsupported(String),
    /// The bytes break their format's rules so far that no picture can be had.
    #[error("the {format} is damaged: {reason}")]
    Damaged {
        /// The format that the bytes announce.
        format: Format,
        /// What is wrong, in the words of the decoder.
        reason: String,
    },
    /// The picture needs more than the limits allow.
    #[error("{what} is {needs}, which exceeds the limit of {allowed}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// What the picture needs.
        needs: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The deadline has passed, or nobody waits for the answer any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A bug: what cannot happen has happened.
    #[error("{0}")]
    Internal(&'static str),
}

impl From<Exhausted> for Error {
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::Stopped(stopped) => Self::Stopped(stopped),
            Exhausted::TooMuch { what, allowed } => Self::TooLarge { what, needs: allowed.saturating_add(1), allowed },
        }
    }
}

impl Error {
    /// What kept the container of a file of this format from being read.
    fn of_container(format: Format, error: container::Error) -> Self {
        match error {
            container::Error::Exhausted(exhausted) => exhausted.into(),
            container::Error::Damaged(reason) => Self::Damaged { format, reason: reason.to_owned() },
        }
    }
}

/// How [`Error::TooLarge`] calls memory.
pub const MEMORY: &str = "the memory for this picture in bytes";

/// What one picture may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most pixels (width times height) that an original may declare.
    pub pixels: u64,
    /// Most bytes that reading, changing and writing may hold at one time, beside the original itself.
    pub memory: u64,
}

impl Budget {
    /// No limit at all.
    pub const UNLIMITED: Self = Self { pixels: u64::MAX, memory: u64::MAX };

    /// Refuses a size in pixels that is over the limit.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with both numbers.
    pub fn check_pixels(&self, width: u32, height: u32) -> Result<(), Error> {
        let needs = u64::from(width) * u64::from(height);
        let allowed = self.pixels;
        if needs > allowed {
            return Err(Error::TooLarge { what: "the number of pixels", needs, allowed });
        }
        Ok(())
    }

    /// Refuses an amount of memory that is over the limit.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with both numbers.
    pub fn check_memory(&self, needs: u64) -> Result<(), Error> {
        let allowed = self.memory;
        if needs > allowed {
            return Err(Error::TooLarge { what: MEMORY, needs, allowed });
        }
        Ok(())
    }

    /// The budget for what is held beside `held` bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if those alone are over the limit.
    pub fn beside(&self, held: u64) -> Result<Self, Error> {
        self.check_memory(held)?;
        Ok(Self { memory: self.memory - held, ..*self })
    }
}

/// What the header of a picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The format, from the content.
    pub format: Format,
    /// Width in pixels as stored, before `orientation` is applied; at least 1.
    pub width: u32,
    /// Height in pixels as stored, before `orientation` is applied; at least 1.
    pub height: u32,
    /// How to turn the stored pixels upright.
    pub orientation: Orientation,
    /// What a pixel is made of once decoded.
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
    /// All of a picture of this size.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) }
    }

    /// The same area in pixels of a raster that covers the area `covered` of the stored picture.
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

/// What a plan needs of a decoder: it may give more, never less.
#[derive(Debug, Clone, Copy)]
pub struct Need<'a> {
    /// The area of the stored picture that is used.
    pub area: Area,
    /// The smallest scale that still serves, in `(0, 1]`: a decoder that can shrink while it decodes may give any scale
    /// from here up to 1.
    pub scale: f64,
    /// What the decoder may allocate, what it returns included.
    pub budget: Budget,
    /// Tells when to give up.
    pub work: &'a Work,
}

/// Why a picture is not shown as it was meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file ends before the picture does. What is missing is transparent, or grey in a picture without alpha.
    #[error("the file is cut short")]
    CutShort,
    /// Data breaks the rules of its format, and what depends on it is wrong or missing.
    #[error("the file is damaged")]
    Damaged,
}

/// The samples of what is missing in a picture without alpha, in 8 bits.
const MISSING: u8 = 0x80;

/// A decoded picture, or the part of it that was needed.
#[derive(Debug)]
pub struct Decoded {
    /// The pixels.
    pub raster: Raster,
    /// The area of the stored picture that `raster` covers. It may reach past the picture's right and bottom edge by
    /// less than one pixel of the raster.
    pub area: Area,
    /// What the samples mean as colours, as an ICC profile: the embedded one, or one made from what else the file says.
    /// None for sRGB, and for inks of which nothing is known.
    pub icc: Option<Vec<u8>>,
    /// What is wrong with the picture, as far as the decoder has seen.
    pub flaw: Option<Flaw>,
}

impl Decoded {
    /// All of a picture that has no flaw.
    pub fn whole(raster: Raster, icc: Option<Vec<u8>>) -> Self {
        let area = Area::whole(raster.width(), raster.height());
        Self { raster, area, icc, flaw: None }
    }
}

/// One of a picture's luma (Y) and chroma (Cb, Cr), as JFIF defines them: ITU-R BT.601, full range, with the samples of
/// chroma in the middle of those of luma.
#[derive(Debug, Clone)]
pub struct Plane {
    /// The samples, as grey.
    pub raster: Raster,
    /// The area of the stored picture that they cover; it may reach past the picture's edges like that of [`Decoded`].
    pub area: Area,
}

/// What a table has for a quality on JPEG's scale, in proportion between the two entries around it. Qualities ascend.
fn calibrated(table: &[(u8, u8)], quality: u8) -> f32 {
    let above = table.partition_point(|(known, _)| *known < quality).min(table.len() - 1);
    let ((q0, from), (q1, to)) = (table[above.saturating_sub(1)], table[above]);
    let share = f32::from(quality.saturating_sub(q0)) / f32::from((q1 - q0).max(1));
    f32::from(from) + (f32::from(to) - f32::from(from)) * share.min(1.0)
}

/// Refuses a picture with a side that is longer than a format can hold. `what` names such a side.
fn check_sides(size: [u32; 2], what: &'static str, allowed: u32) -> Result<(), Error> {
    let (needs, allowed) = (size[0].max(size[1]).into(), allowed.into());
    if needs > allowed { Err(Error::TooLarge { what, needs, allowed }) } else { Ok(()) }
}

/// Reads one format.
pub trait Decoder: Sync {
    /// Reads the header, and nothing after it.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Unsupported`], or [`Error::TooLarge`] when the header itself wants too much.
    fn probe(&self, bytes: &[u8], budget: Budget, work: &Work) -> Result<Header, Error>;

    /// Decodes what is needed of the first picture.
    ///
    /// # Errors
    /// Any [`Error`]; memory is checked before it is allocated.
    fn decode(&self, bytes: &[u8], need: &Need<'_>) -> Result<Decoded, Error>;

    /// Decodes luma and the two chromas apart, chroma with at least half of what is needed in each direction; `None`
    /// where the picture is not stored so.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    fn decode_planes(&self, bytes: &[u8], need: &Need<'_>) -> Result<Option<[Plane; 3]>, Error> {
        let _ = (bytes, need);
        Ok(None)
    }

    /// What the file says of its animation, without a pixel being decoded; `None` for a still picture.
    ///
    /// # Errors
    /// As [`Decoder::probe`].
    fn animation(&self, bytes: &[u8], work: &Work) -> Result<Option<Animation>, Error> {
        let _ = (bytes, work);
        Ok(None)
    }

    /// Opens the frames of an animation.
    ///
    /// # Errors
    /// As [`Decoder::decode`]; [`Error::Unsupported`] where [`Decoder::animation`] is always `None`.
    fn frames<'a>(&self, bytes: &'a [u8], budget: Budget, work: &'a Work) -> Result<Box<dyn Frames + 'a>, Error> {
        let _ = (bytes, budget, work);
        Err(Error::Unsupported("the file is no animation".to_owned()))
    }
}

/// How a picture is written. Each format takes what it has a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Quality in `1..=100` on JPEG's scale.
    pub quality: u8,
    /// Whether nothing may be lost, where the format has the choice.
    pub lossless: bool,
    /// Whether a JPEG is written in several scans.
    pub progressive: bool,
    /// How much time an AVIF may take: one of [`avif::SPEEDS`], or the nearest of them.
    pub speed: u8,
    /// The colours of the samples, where the format tells them by code points: see [`Encoder::writes_primaries`].
    pub primaries: Primaries,
}

impl EncodeOptions {
    /// Quality 80 with loss, in one scan, at the usual speed, in sRGB.
    pub const DEFAULT: Self = Self {
        quality: 80,
        lossless: false,
        progressive: false,
        speed: avif::DEFAULT_SPEED,
        primaries: Primaries::Srgb,
    };
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What full red, green and blue are; the transfer function is that of sRGB with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primaries {
    /// Those of sRGB and ITU-R BT.709.
    Srgb,
    /// Those of Display P3 (SMPTE EG 432-1).
    DisplayP3,
}

/// Writes one format.
pub trait Encoder: Sync {
    /// The format that is written.
    fn format(&self) -> Format;

    /// The longest side that is written, in pixels.
    fn max_side(&self) -> u32;

    /// Whether pixels may be transparent.
    fn has_alpha(&self) -> bool;

    /// Whether the format has a place for a colour profile, where what is carried over is embedded. Without one, colours
    /// are sRGB.
    fn has_profile(&self) -> bool {
        false
    }

    /// Whether files name the primaries of their colours by code points, so that Display P3 needs no profile.
    fn writes_primaries(&self) -> bool {
        false
    }

    /// Whether [`EncodeOptions::quality`] changes the size of what is written.
    fn has_quality(&self, options: &EncodeOptions) -> bool;

    /// Encodes a picture of 8 bit samples, of any channels but CMYK; with alpha only if [`Encoder::has_alpha`]. `budget`
    /// is for what is held beside the raster: working memory, and the file.
    ///
    /// # Errors
    /// [`Error::Stopped`], or [`Error::TooLarge`] for sides that the format cannot hold and for memory.
    fn encode(&self, raster: &Raster, options: &EncodeOptions, budget: Budget, work: &Work) -> Result<Vec<u8>, Error>;

    /// Whether the format holds animations, and [`Encoder::animate`] starts one.
    fn has_animation(&self) -> bool {
        false
    }

    /// Starts an animation that is played that many times, 0 standing for ever. `budget` is for what the writer holds
    /// beside the frame that it is given.
    fn animate<'a>(
        &self,
        plays: u32,
        options: &EncodeOptions,
        budget: Budget,
        work: &'a Work,
    ) -> Option<Box<dyn AnimationWriter + 'a>> {
        let _ = (plays, options, budget, work);
        None
    }

    /// The way to write luma and chroma without a detour, if the format stores them so with these options and with
    /// every lower quality.
    fn planar(&self, options: &EncodeOptions) -> Option<&dyn PlanarEncoder> {
        let _ = options;
        None
    }
}

/// The levels between which samples of luma and chroma lie (ITU-T H.273, 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// All that there are, as JFIF has it.
    Full,
    /// Those of video: luma in `16..=235`, chroma in `16..=240`.
    Narrow,
}

/// Writes luma and chroma as they are.
pub trait PlanarEncoder: Sync {
    /// The range of the samples that are written.
    fn range(&self) -> Range {
        Range::Full
    }

    /// Encodes luma and the two chromas (see [`Plane`]) of [`PlanarEncoder::range`]. Chroma has half of luma's width and
    /// height, rounded up. `budget` is for what is held beside the planes.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn encode_planes(
        &self,
        planes: &[Raster; 3],
        options: &EncodeOptions,
        budget: Budget,
        work: &Work,
    ) -> Result<Vec<u8>, Error>;
}

/// The decoder for a format, if there is one.
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
        _ => None,
    }
}

/// The encoder for a format, if there is one.
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

/// Looks at the first bytes of an original whose rest is still on its way, and refuses it as soon as they tell that it
/// cannot be read or is beyond the limits. Says whether they have told all that they can.
///
/// # Errors
/// [`Error::Unsupported`] and [`Error::TooLarge`], as [`Decoder::probe`] gives them for the whole.
pub fn look(head: &[u8], budget: Budget, work: &Work) -> Result<bool, Error> {
    if head.len() < SNIFF_LEN {
        return Ok(false);
    }
    match decoder_for(head)?.probe(head, budget, work) {
        Ok(_) => Ok(true),
        Err(error @ Error::TooLarge { .. }) => Err(error),
        // What is cut off looks damaged.
        Err(_) => Ok(false),
    }
}

/// How many colours a picture has, as far as the choice between PNG and JPEG depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variety {
    /// As many as a palette holds.
    Few,
    /// Shades of grey: those of a photograph fit into a palette, too.
    Greys,
    /// More.
    Many,
}

/// How many colours an 8 bit picture has. `budget` is for what is held beside it.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated.
pub fn variety(raster: &Raster, budget: Budget) -> Result<Variety, Error> {
    // A drawing in grey can be told by so few.
    const SHADES_OF_DRAWINGS: usize = 16;
    budget.check_memory(palette::memory(raster))?;
    Ok(match palette::exact(raster, 256) {
        None => Variety::Many,
        Some(indexed) => {
            let is_grey = indexed.colors.iter().all(|[r, g, b, _]| r == g && g == b);
            if is_grey && indexed.colors.len() > SHADES_OF_DRAWINGS { Variety::Greys } else { Variety::Few }
        }
    })
}

/// Recognises the bytes and finds their decoder.
///
/// # Errors
/// [`Error::Unsupported`] says what the bytes are, if that is known, and what can be read.
pub fn decoder_for(bytes: &[u8]) -> Result<&'static dyn Decoder, Error> {
    let Some(format) = sniff(bytes) else {
        return Err(Error::Unsupported("unrecognised image format".to_owned()));
    };
    decoder(format).ok_or_else(|| Error::Unsupported(not_read(format)))
}

/// An image file whose header has been read.
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

/// Recognises an image by its content and reads its header.
///
/// # Errors
/// Those of [`decoder_for`] and of [`Decoder::probe`].
pub fn open<'a>(bytes: &'a [u8], budget: Budget, work: &Work) -> Result<Image<'a>, Error> {
    let decoder = decoder_for(bytes)?;
    Ok(Image { bytes, decoder, header: decoder.probe(bytes, budget, work)? })
}

impl<'a> Image<'a> {
    /// The whole file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What the header says.
    pub fn header(&self) -> Header {
        self.header
    }

    /// All of the stored picture.
    pub fn area(&self) -> Area {
        Area::whole(self.header.width, self.header.height)
    }

    /// As [`Decoder::decode`].
    ///
    /// # Errors
    /// Those of [`Decoder::decode`].
    pub fn decode(&self, need: &Need<'_>) -> Result<Decoded, Error> {
        self.decoder.decode(self.bytes, need)
    }

    /// As [`Decoder::decode_planes`].
    ///
    /// # Errors
    /// Those of [`Decoder::decode_planes`].
    pub fn decode_planes(&self, need: &Need<'_>) -> Result<Option<[Plane; 3]>, Error> {
        self.decoder.decode_planes(self.bytes, need)
    }

    /// As [`Decoder::animation`].
    ///
    /// # Errors
    /// Those of [`Decoder::animation`].
    pub fn animation(&self, work: &Work) -> Result<Option<Animation>, Error> {
        self.decoder.animation(self.bytes, work)
    }

    /// As [`Decoder::frames`].
    ///
    /// # Errors
    /// Those of [`Decoder::frames`].
    pub fn frames(&self, budget: Budget, work: &'a Work) -> Result<Box<dyn Frames + 'a>, Error> {
        self.decoder.frames(self.bytes, budget, work)
    }
}

/// Why a format that is recognised has no decoder.
fn not_read(format: Format) -> String {
    let reason = match format {
        Format::Svg => "which is a drawing in text that may hold scripts and links, and is not rendered here",
        Format::Heic => "whose HEVC is covered by patents; it is read where the cargo feature heic is switched on",
        Format::JpegXl => "which is read where the cargo feature jxl is switched on",
        _ => "which is not read here",
    };
    format!("the file is a picture of type {format}, {reason}")
}
