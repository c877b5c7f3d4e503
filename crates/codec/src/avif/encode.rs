//! The AVIF encoder, which uses `image-origin-av1`.
//!
//! Colours are encoded in full-range ITU-R BT.601, as in JPEG, with sRGB's primaries and transfer function, or as RGB
//! if lossless; alpha is a separate monochrome picture. The encoder checks for cancellation at every superblock. Its
//! effort depends on the speed setting and on the size only, so that equal requests get equal bytes whatever the load.
//! Large pictures are grids of cells.

use std::ops::RangeInclusive;

use image_origin_av1::{self as av1, Colour, EncodeError, Picture, Planes, SpeedSettings};

use super::source::{Cell, Sampling, Source};
use super::write::{self, Image};
use crate::{
    Budget, Cancellation, Cancelled, Channels, EncodeOptions, Encoder, Error, Format, MEMORY, PlanarEncoder, Primaries,
    Raster, calibrated, check_sides,
    content::{self, Content},
    transparent,
};

/// The AVIF decoder and encoder.
pub(crate) struct Avif;

impl Primaries {
    /// The code point (ITU-T H.273, 8.1).
    fn code(self) -> u8 {
        match self {
            Self::Srgb => 1,
            Self::DisplayP3 => 12,
        }
    }
}

/// The available speeds, from the most thorough to the fastest.
pub const SPEEDS: RangeInclusive<u8> = 1..=4;

/// The default speed; NOTES.md of `image-origin-av1` has the time and size for each speed.
pub const DEFAULT_SPEED: u8 = 3;

/// The maximum side of a cell, which is what AV1 allows in a single tile (5.9.15).
const CELL: usize = 3072;

/// The maximum side of an output; AV1 allows 65536 (5.5.1).
const MAX_SIDE: u32 = 32_767;

/// Code points of ITU-T H.273.
const SRGB_TRANSFER: u8 = 13;
const BT601: u8 = 6;
const IDENTITY: u8 = 0;

/// The highest quality at which chroma is subsampled, unless it has edges.
const SUBSAMPLED_UP_TO: u8 = 90;

/// The quantizer for some qualities on JPEG's scale, interpolated in between: of photographs, which have the same
/// SSIMULACRA2 with these as this project's JPEG (`benches/calibrate.rs` computes them), and of everything else.
const OF_PHOTOGRAPHS: [(u8, u8); 17] = [
    (1, 255),
    (5, 252),
    (10, 227),
    (20, 184),
    (30, 159),
    (40, 142),
    (50, 131),
    (60, 122),
    (70, 106),
    (75, 95),
    (80, 79),
    (85, 61),
    (90, 43),
    (91, 29),
    (93, 24),
    (95, 21),
    (100, 1),
];
const QUANTIZERS: [(u8, u8); 17] = [
    (1, 255),
    (5, 252),
    (10, 220),
    (20, 178),
    (30, 153),
    (40, 137),
    (50, 124),
    (60, 114),
    (70, 97),
    (75, 86),
    (80, 71),
    (85, 53),
    (90, 40),
    (91, 28),
    (93, 24),
    (95, 21),
    (100, 1),
];

/// The quality at which a drawing has the likeness that JPEG has at a quality, interpolated in between: of one that hardly changes
/// from pixel to pixel, and of one that is full of details. Lossy AVIF shows sharp edges better, and best where it repeats colours. NOTES.md
/// of `image-origin-codec` has the measurements.
const OF_PLAIN: [(u8, u8); 9] =
    [(1, 1), (30, 15), (50, 18), (60, 20), (70, 24), (80, 32), (90, 70), (95, 91), (100, 100)];
const OF_FINE: [(u8, u8); 9] =
    [(1, 1), (30, 29), (50, 40), (60, 46), (70, 52), (80, 67), (90, 84), (95, 93), (100, 100)];

/// The quality of a drawing that is so fine, from 0 to 1.4.
fn quality_of_drawing(quality: u8, fineness: f32) -> u8 {
    let [plain, fine] = [OF_PLAIN, OF_FINE].map(|table| calibrated(&table, quality));
    (plain + (fine - plain) * fineness).round() as u8
}

/// The AV1 quantizer of photographs for a quality on JPEG's scale.
pub fn quantizer(quality: u8) -> u8 {
    calibrated(&OF_PHOTOGRAPHS, quality).round() as u8
}

/// Speed settings, and the maximum number of pixels for them: what a core encodes in about four seconds.
pub(super) struct Search {
    pub(super) settings: SpeedSettings,
    most_pixels: u64,
}

const THOROUGH: SpeedSettings = SpeedSettings::DEFAULT
    .smallest(2)
    .halves_up_to(5)
    .patience(10.0)
    .modes(5)
    .chroma_modes(4)
    .tx_types_of_each_mode(true);
const HALVES: SpeedSettings = THOROUGH.halves_up_to(4).likelier_halves_up_to(5).patience(1.1).modes(4).chroma_modes(4);
const SQUARES: SpeedSettings = SpeedSettings::DEFAULT.uneven_up_to(4);
/// What photographs get instead of [`SQUARES`], up to a number of pixels: halves as well, where they are likely, and more
/// modes where coefficients are few, which take most of the time.
fn of_photographs(quantizer: u8) -> SpeedSettings {
    const PHOTOGRAPHS: SpeedSettings = SQUARES.likelier_halves_up_to(5);
    match quantizer {
        0..88 => PHOTOGRAPHS,
        88..128 => PHOTOGRAPHS.modes(3).chroma_modes(3).patience(1.1),
        128.. => PHOTOGRAPHS.modes(4).chroma_modes(4).patience(1.1),
    }
}
const MOST_PIXELS_OF_PHOTOGRAPHS: u64 = 7_000_000;
const QUICK: SpeedSettings = SQUARES.modes(1).chroma_modes(1).tx_types_of_each_mode(false);
/// In large pictures, details spread over more pixels, so blocks may be larger.
const LARGE: SpeedSettings = QUICK.smallest(4).uneven_up_to(0).modes(2);
const LARGEST: SpeedSettings = QUICK.smallest(5).uneven_up_to(0).few_modes(true);

/// The settings for each of [`SPEEDS`], followed by those for pictures that are too large for these. NOTES.md of
/// `image-origin-av1` has the measurements.
pub(super) const SEARCHES: [Search; 6] = [
    Search { settings: THOROUGH, most_pixels: 2_500_000 },
    Search { settings: HALVES, most_pixels: 4_000_000 },
    Search { settings: SQUARES, most_pixels: 10_000_000 },
    Search { settings: QUICK, most_pixels: 10_000_000 },
    Search { settings: LARGE, most_pixels: 1 << 24 },
    Search { settings: LARGEST, most_pixels: u64::MAX },
];

/// The settings for the requested speed, or the next ones that are fast enough for this number of pixels.
pub(super) fn speed_settings(speed: u8, pixels: u64) -> SpeedSettings {
    let from = usize::from(speed.clamp(1, 4)) - 1;
    SEARCHES[from..].iter().find(|search| pixels <= search.most_pixels).map_or(LARGEST, |search| search.settings)
}

impl Encoder for Avif {
    fn format(&self) -> Format {
        Format::Avif
    }

    fn max_side(&self) -> u32 {
        MAX_SIDE
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_quality(&self, options: &EncodeOptions) -> bool {
        !options.lossless
    }

    fn writes_primaries(&self) -> bool {
        true
    }

    fn encode(
        &self,
        raster: &Raster,
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Vec<u8>, Error> {
        let colour = {
            let (colours, rest) = if options.lossless { (None, budget) } else { spread(raster, budget)? };
            let colours = colours.as_ref().unwrap_or(raster);
            let content = content::classify(colours);
            let sampling = match raster.channels() {
                Channels::L | Channels::La => Sampling::Grey,
                _ if options.lossless => Sampling::Rgb,
                _ if options.full_chroma || options.quality > SUBSAMPLED_UP_TO => Sampling::Full,
                _ if matches!(content, Content::Coloured | Content::Lights { are_coloured: true }) => Sampling::Full,
                _ => Sampling::Halved,
            };
            let quality = if content.has_own_scale(colours) {
                quality_of_drawing(options.quality, content::fineness(colours))
            } else {
                options.quality
            };
            let options = EncodeOptions { quality, ..*options };
            let content = match content {
                Content::Photograph => av1::Content::Natural,
                Content::Drawing { .. } | Content::Coloured => av1::Content::Drawing,
                Content::Lights { .. } => av1::Content::Lights,
            };
            let source = match content {
                av1::Content::Natural => Source::Photograph(colours),
                _ => Source::Colour(colours),
            };
            let how = How { sampling, content };
            image(source, how, &options, rest, cancellation)?
        };
        if !raster.channels().has_alpha() {
            return file(&colour, None, budget);
        }
        // Errors at the edges of alpha are more visible than those in colours.
        let options = EncodeOptions { quality: options.quality.midpoint(100), ..*options };
        let rest = budget.beside(colour.length())?;
        let how = How { sampling: Sampling::Grey, content: av1::Content::Drawing };
        let alpha = image(Source::Alpha(raster), how, &options, rest, cancellation)?;
        file(&colour, Some(&alpha), budget)
    }

    fn planar(&self, options: &EncodeOptions) -> Option<&dyn PlanarEncoder> {
        (!options.lossless && !options.full_chroma && options.quality <= SUBSAMPLED_UP_TO).then_some(self)
    }
}

impl PlanarEncoder for Avif {
    fn makes_up_for_chroma(&self) -> bool {
        true
    }

    fn encode_planes(
        &self,
        planes: &[Raster; 3],
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Vec<u8>, Error> {
        let content = if content::has_lights(&planes[0]) { av1::Content::Lights } else { av1::Content::Natural };
        let how = How { sampling: Sampling::Halved, content };
        let colour = image(Source::Planes(planes), how, options, budget, cancellation)?;
        file(&colour, None, budget)
    }
}

/// The colours of a picture with transparent pixels, spread under these, and the remaining budget.
fn spread(raster: &Raster, budget: Budget) -> Result<(Option<Raster>, Budget), Error> {
    if !raster.channels().has_alpha() {
        return Ok((None, budget));
    }
    budget.check_memory(transparent::memory(raster))?;
    let spread = transparent::spread(raster);
    let held = spread.as_ref().map_or(0, Raster::bytes);
    Ok((spread, budget.beside(held)?))
}

/// Converts a cell to the encoder's input.
fn picture(
    [width, height]: [usize; 2],
    planes: &[Vec<u8>],
    sampling: Sampling,
    [primaries, transfer, matrix]: [u8; 3],
) -> Result<Picture<'_>, Error> {
    let planes = match planes {
        [luma] => Planes::Grey(luma),
        [luma, cb, cr] if sampling == Sampling::Halved => Planes::Halved([luma, cb, cr]),
        [luma, cb, cr] => Planes::Full([luma, cb, cr]),
        _ => return Err(Error::Internal("a picture has one plane or three")),
    };
    Ok(Picture::new(width as u32, height as u32, planes, Colour { primaries, transfer, matrix })?)
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLarge { needed, limit } => Self::TooLarge { what: MEMORY, needs: needed, allowed: limit },
            EncodeError::Cancelled => Cancelled.into(),
            _ => Self::Internal("the AV1 encoder refuses a picture that it should take"),
        }
    }
}

/// Writes the file around the streams, which are copied once.
fn file(colour: &Image, alpha: Option<&Image>, budget: Budget) -> Result<Vec<u8>, Error> {
    let images = [Some(colour), alpha];
    let streams: usize = images.iter().flatten().map(|image| image.streams.len()).sum();
    let length: u64 = images.iter().flatten().map(|image| image.length()).sum();
    budget.check_memory(2 * length + (streams as u64 + 1) * write::BOXES)?;
    Ok(write::file(colour, alpha))
}

/// How a picture is coded, besides its options.
#[derive(Clone, Copy)]
struct How {
    sampling: Sampling,
    content: av1::Content,
}

/// Encodes a picture, or one plane of it, as the cells of a grid.
fn image(
    source: Source<'_>,
    How { sampling, content }: How,
    options: &EncodeOptions,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Image, Error> {
    cancellation.check()?;
    let index = match content {
        _ if options.lossless => 0,
        av1::Content::Natural => quantizer(options.quality),
        _ => calibrated(&QUANTIZERS, options.quality).round() as u8,
    };
    let size @ [width, height] = source.size();
    check_sides(size, "a side of an avif in pixels", MAX_SIDE)?;
    let pixels = u64::from(width) * u64::from(height);
    let settings = match (speed_settings(options.speed, pixels), content) {
        (SQUARES, av1::Content::Natural) if pixels <= MOST_PIXELS_OF_PHOTOGRAPHS => of_photographs(index),
        (settings, _) => settings,
    };
    let is_grid = width.max(height) as usize > CELL;
    // Cells of a grid have even sides of at least 64, and with subsampled chroma the picture has even sides (MIAF,
    // 7.3.11.4.2).
    let cell = |side: u32| {
        let side = side as usize;
        if is_grid { side.div_ceil(side.div_ceil(CELL)).next_multiple_of(2).max(64) } else { side }
    };
    let is_odd = size.iter().any(|side| side % 2 == 1);
    let sampling = if is_grid && is_odd && sampling == Sampling::Halved { Sampling::Full } else { sampling };
    let cell @ [cell_width, cell_height] = [cell(width), cell(height)];
    let (columns, rows) = ((width as usize).div_ceil(cell_width), (height as usize).div_ceil(cell_height));
    let matrix = if sampling == Sampling::Rgb { IDENTITY } else { BT601 };
    let colour = [options.primaries.code(), SRGB_TRANSFER, matrix];
    let (mut streams, mut configuration) = (Vec::new(), [0; 4]);
    let working =
        source.memory(cell, sampling) + av1::memory(cell_width as u32, cell_height as u32, sampling.samples(cell));
    let mut budget = budget.beside(working)?;
    for i in 0..columns * rows {
        let (x, y) = (i % columns * cell_width, i / columns * cell_height);
        let planes = source.planes(Cell { x, y, width: cell_width, height: cell_height }, sampling)?;
        let picture = picture(cell, &planes, sampling, colour)?;
        let check = || cancellation.go_on();
        let options = av1::EncodeOptions::default().quantizer(index).speed(settings).content(content);
        let stream = av1::encode(&picture, &options.max_bytes(budget.memory).check(&check))?;
        budget = budget.beside(stream.units.len() as u64)?;
        streams.push(stream.units);
        configuration = stream.configuration;
    }
    let is_grey = sampling == Sampling::Grey;
    let cell = cell.map(|side| side as u32);
    Ok(Image { size, cell, rows, columns, is_grey, colour, configuration, streams })
}
