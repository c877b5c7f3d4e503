//! The WebP encoder: what is encoded by libwebp, with which settings, and what in rows.

use std::borrow::Cow;
use std::ffi::c_int;

use libwebp_sys as ffi;

use super::libwebp::{BUG, Kind, MAX_SIDE, Pixels, encode_with_libwebp};
use super::writer::WebPWriter;
use super::{WebP, large, mask, planes};
use crate::{
    AnimationWriter, Budget, Cancellation, Channels, EncodeOptions, Encoder, Error, Format, PlanarEncoder, Range,
    Raster, Samples, calibrated, check_sides,
    content::{self, Content},
};

/// libwebp's method, `0..=6`, which trades time for size; 4 is the default of libwebp and sharp.
const METHOD: c_int = 4;

/// The method for opaque stills of up to [`LARGE`] pixels; NOTES.md has the measurements. With alpha it would take more than twice as long, and of frames
/// it takes no bytes off.
const METHOD_OF_STILLS: c_int = 5;

/// The method and quality of trials without loss, whose length is at most three times that of the file with the settings that are
/// used, in a fraction of its time.
const TRIAL: (c_int, f32) = (1, 0.0);

/// libwebp's `filter_sharpness` of stills, `0..=7`, with which the filter at the edges of blocks spares details: fewer bytes at equal
/// likeness in the same time.
const SHARPEST: c_int = 7;

/// What a picture is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Still,
    /// A still with flat areas and sharp edges.
    Drawing,
    /// A frame of an animation.
    Frame,
    /// A file that nobody sees, of which only the length counts.
    Trial,
}

impl Role {
    fn is_still(self) -> bool {
        matches!(self, Self::Still | Self::Drawing)
    }
}

/// The maximum number of pixels of a picture whose tokens are held in memory until all statistics are known. For larger
/// pictures they are computed twice, which takes up to twice the time: libwebp holds a number of tokens that depends on
/// the pixels, and for noise is [`TOKENS`]. Smaller pictures are written that way as well if there is too little
/// memory.
const LARGE: u64 = 4 << 20;

/// libwebp's memory for tokens of noise in luma and chroma in bytes per pixel, by libwebp's quality.
const TOKENS: [(u8, u8); 6] = [(0, 12), (20, 15), (60, 19), (75, 21), (90, 26), (100, 34)];

/// The maximum number of pixels that libwebp encodes losslessly, including alpha. For larger ones it would need 40
/// bytes per pixel, so they are encoded by the encoder in this crate, which holds rows; so are smaller ones if there is
/// too little memory.
const LARGE_LOSSLESS: u64 = 4 << 20;

/// libwebp's memory for lossless encoding in bytes per pixel: pixels, transformed pixels, and chains and references of
/// matches.
const LOSSLESS: u64 = 36;

/// libwebp's memory for symbol histograms in bytes per pixel, and its maximum: there are at most 2600 tiles.
const FREQUENCIES: (u64, u64) = (72, 48 << 20);

/// The maximum size of a file in bytes per pixel while it grows, lossy and lossless.
const FILE: [u64; 2] = [4, 10];

/// libwebp's quality for some qualities on JPEG's scale, interpolated in between. `benches/calibrate.rs` computed the
/// values: with these, photographs have the same SSIMULACRA2 as this project's JPEG.
const QUALITIES: [(u8, u8); 16] = [
    (1, 0),
    (10, 1),
    (20, 15),
    (30, 32),
    (40, 46),
    (50, 59),
    (60, 69),
    (70, 77),
    (75, 80),
    (80, 83),
    (85, 86),
    (90, 91),
    (91, 96),
    (93, 99),
    (95, 100),
    (100, 100),
];

/// The quality at which a drawing has the likeness that JPEG has at a quality, interpolated in between: of one that hardly changes
/// from pixel to pixel, and of one that was reduced or is full of details. NOTES.md of `image-origin-codec` has the measurements.
const OF_SHARP: [(u8, u8); 9] =
    [(1, 1), (30, 16), (50, 24), (60, 28), (70, 37), (80, 55), (90, 84), (95, 92), (100, 95)];
const OF_SOFT: [(u8, u8); 9] =
    [(1, 1), (30, 19), (50, 33), (60, 39), (70, 51), (80, 69), (90, 87), (95, 92), (100, 95)];

/// The same for pictures with sharp chroma, which WebP subsamples.
const OF_COLOURED: [(u8, u8); 8] = [(1, 1), (30, 21), (50, 30), (60, 36), (70, 45), (80, 70), (90, 94), (100, 95)];

/// The highest quality of a picture with sharp chroma that lossy WebP may reach. Above it, a lossless file is preferred up to
/// so many times the length of the lossy one.
const REACHED_UP_TO: u8 = 90;
const TIMES_AS_LONG: usize = 2;

/// libwebp's quality for a quality on JPEG's scale.
pub fn libwebp_quality(quality: u8) -> f32 {
    calibrated(&QUALITIES, quality)
}

/// The length of a lossless file in bytes, encoded in a fraction of the time that it takes to send one: at most about three times
/// what that would have. `budget` is for memory besides the raster.
///
/// # Errors
/// Those of [`Encoder::encode`].
pub fn trial_length(raster: &Raster, budget: Budget, cancellation: &Cancellation) -> Result<u64, Error> {
    let options = EncodeOptions { lossless: true, ..EncodeOptions::DEFAULT };
    Ok(encode(raster, Role::Trial, &options, budget, cancellation)?.len() as u64)
}

impl Encoder for WebP {
    fn format(&self) -> Format {
        Format::WebP
    }

    fn max_side(&self) -> u32 {
        MAX_SIDE
    }

    fn has_alpha(&self) -> bool {
        true
    }

    fn has_profile(&self) -> bool {
        true
    }

    fn has_quality(&self, options: &EncodeOptions) -> bool {
        !options.lossless
    }

    fn encode(
        &self,
        raster: &Raster,
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Vec<u8>, Error> {
        if options.lossless {
            return encode(raster, Role::Still, options, budget, cancellation);
        }
        let content = content::classify(raster);
        let quality = match content {
            content if !content.has_own_scale(raster) => options.quality,
            Content::Photograph | Content::Lights { .. } => options.quality,
            Content::Drawing { softness } => {
                let [sharp, soft] = [OF_SHARP, OF_SOFT].map(|table| calibrated(&table, options.quality));
                (sharp + (soft - sharp) * softness).round() as u8
            }
            Content::Coloured => calibrated(&OF_COLOURED, options.quality).round() as u8,
        };
        let is_drawn = matches!(content, Content::Drawing { .. } | Content::Coloured);
        let role = if is_drawn { Role::Drawing } else { Role::Still };
        let lossy = encode(raster, role, &EncodeOptions { quality, ..*options }, budget, cancellation)?;
        if !matches!(content, Content::Coloured) {
            return Ok(lossy);
        }
        let lossless = EncodeOptions { lossless: true, ..*options };
        let times = if options.quality > REACHED_UP_TO { TIMES_AS_LONG } else { 1 };
        match encode(raster, Role::Still, &lossless, budget.beside(lossy.capacity() as u64)?, cancellation) {
            Ok(exact) if exact.len() <= lossy.len() * times => Ok(exact),
            Ok(_) | Err(Error::TooLarge { .. }) => Ok(lossy),
            Err(error) => Err(error),
        }
    }

    fn has_animation(&self) -> bool {
        true
    }

    fn animate<'a>(
        &self,
        plays: u32,
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Option<Box<dyn AnimationWriter + 'a>> {
        Some(Box::new(WebPWriter::new(plays, *options, budget, cancellation)))
    }

    fn planar(&self, options: &EncodeOptions) -> Option<&dyn PlanarEncoder> {
        (!options.lossless).then_some(self)
    }
}

impl PlanarEncoder for WebP {
    /// RFC 6386, 9.2.
    fn range(&self) -> Range {
        Range::Narrow
    }

    fn encode_planes(
        &self,
        planes: &[Raster; 3],
        options: &EncodeOptions,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Vec<u8>, Error> {
        let pixels = Pixels::Planes(planes.each_ref().map(|plane| plane.samples().as_bytes()));
        encode_pixels(pixels, &planes[0], Role::Still, options, budget, cancellation)
    }
}

/// Encodes one picture.
pub(super) fn encode(
    raster: &Raster,
    role: Role,
    options: &EncodeOptions,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Error> {
    let Samples::U8(samples) = raster.samples() else { return Err(Error::Internal("libwebp takes samples of 8 bits")) };
    let size = [raster.width(), raster.height()];
    if (options.lossless || raster.channels().has_alpha()) && is_for_our_own(raster, role, options, budget)? {
        check_sides(size, "a side of a webp in pixels", MAX_SIDE)?;
        return encode_in_rows(raster, role, options, budget, cancellation);
    }
    if role.is_still() && !options.lossless && !raster.channels().has_alpha() {
        let budget = budget.beside(planes::memory(raster))?;
        let planes = planes::planes(raster, role == Role::Drawing, cancellation)?;
        let pixels = Pixels::Planes(planes.each_ref().map(Vec::as_slice));
        return encode_pixels(pixels, raster, role, options, budget, cancellation);
    }
    let alpha = if options.lossless { None } else { mask::alpha(raster, budget, cancellation)? };
    let mut budget = budget.beside(alpha.as_ref().map_or(0, Vec::capacity) as u64)?;
    let channels = if raster.channels().has_alpha() { 4 } else { 3 };
    let count = samples.len() / raster.channels().count() * channels;
    let pixels: Cow<'_, [u8]> = match raster.channels() {
        Channels::L | Channels::La => {
            budget = budget.beside(count as u64)?;
            let mut pixels = Vec::with_capacity(count);
            match raster.channels() {
                Channels::L => pixels.extend(samples.iter().flat_map(|l| [*l; 3])),
                _ => pixels.extend(samples.as_chunks().0.iter().flat_map(|&[l, a]| [l, l, l, a])),
            }
            pixels.into()
        }
        _ => samples.into(),
    };
    let pixels = match (raster.channels().has_alpha(), &alpha) {
        (false, _) => Pixels::Rgb(&pixels),
        (true, None) => Pixels::Rgba(&pixels),
        (true, Some(_)) => Pixels::Weighted(&pixels),
    };
    let file = encode_pixels(pixels, raster, role, options, budget, cancellation)?;
    match alpha {
        Some(alpha) => large::with_alpha(&file, &alpha, size, budget.beside(file.capacity() as u64)?),
        None => Ok(file),
    }
}

/// Whether a picture with alpha, or a lossless one, is too large for libwebp or for the available memory.
fn is_for_our_own(raster: &Raster, role: Role, options: &EncodeOptions, budget: Budget) -> Result<bool, Error> {
    let area = u64::from(raster.width()) * u64::from(raster.height());
    if area > LARGE_LOSSLESS {
        return Ok(true);
    }
    let has_alpha = raster.channels().has_alpha();
    let of_grey = match raster.channels() {
        Channels::L => area * 3,
        Channels::La => area * 4,
        _ => 0,
    };
    let kind = if has_alpha { Kind::Rgba } else { Kind::Rgb };
    let config = config(raster, role, options)?;
    let needed = of_grey + memory(kind, area, &config) + area * FILE[usize::from(options.lossless)];
    Ok(budget.check_memory(needed).is_err())
}

/// Encodes a picture with alpha, or a lossless one, with the encoder in this crate; libwebp only encodes lossy colours.
fn encode_in_rows(
    raster: &Raster,
    role: Role,
    options: &EncodeOptions,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Error> {
    if options.lossless {
        return large::lossless(raster, budget, cancellation);
    }
    let alpha = large::alpha(raster, budget, cancellation)?;
    let rest = budget.beside(alpha.as_ref().map_or(0, Vec::capacity) as u64)?;
    let samples = raster.samples().as_bytes();
    let file = if raster.channels() == Channels::La {
        let rest = rest.beside(samples.len() as u64 / 2 * 3)?;
        let mut greys = Vec::with_capacity(samples.len() / 2 * 3);
        greys.extend(samples.as_chunks::<2>().0.iter().flat_map(|&[l, _]| [l; 3]));
        encode_pixels(Pixels::Rgb(&greys), raster, role, options, rest, cancellation)?
    } else {
        encode_pixels(Pixels::Rgbx(samples), raster, role, options, rest, cancellation)?
    };
    match alpha {
        Some(alpha) => {
            large::with_alpha(&file, &alpha, [raster.width(), raster.height()], rest.beside(file.capacity() as u64)?)
        }
        None => Ok(file),
    }
}

/// Encodes the pixels of `raster`, which are passed in libwebp's format.
fn encode_pixels(
    pixels: Pixels<'_>,
    raster: &Raster,
    role: Role,
    options: &EncodeOptions,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Error> {
    cancellation.check()?;
    let size @ [width, height] = [raster.width(), raster.height()];
    check_sides(size, "a side of a webp in pixels", MAX_SIDE)?;
    let area = u64::from(width) * u64::from(height);
    let mut config = config(raster, role, options)?;
    config.partition_limit = partition_limit(area);
    let kind = pixels.kind();
    let needed = memory(kind, area, &config) + area * FILE[0];
    if !options.lossless && (area > LARGE || budget.check_memory(needed).is_err()) {
        config.low_memory = 1;
        // With several partitions a file grows in smaller steps, and no partition exceeds the format's limit.
        config.partitions = if area * PARTS / PARTS_OF < WHOLE_FILE { 3 } else { 0 };
    }
    let budget = budget.beside(memory(kind, area, &config))?;
    encode_with_libwebp(pixels, width, height, &config, budget, cancellation)
}

/// Returns libwebp's setting that limits how many bits a macroblock may take for its prediction modes, as a quality
/// degradation in percent. The format has room for 2^19 bytes of modes (RFC 6386, 9.3), and libwebp starts over with half
/// of the bits whenever they do not fit: 48 megapixels of noise took five passes, which is three times as long.
fn partition_limit(area: u64) -> c_int {
    const BITS: f64 = (8 << 19) as f64;
    /// The limit of libwebp's default in bits per macroblock.
    const MOST: f64 = 256.0;
    /// How many times the mean a macroblock may take: most have one mode for all of it, which is a few bits.
    const SHARE: f64 = 1.4;
    let macroblocks = (area as f64 / 256.0).max(1.0);
    let bits = (BITS / macroblocks * SHARE).min(MOST);
    (100.0 - 100.0 * (bits / MOST).sqrt()) as c_int
}

/// libwebp's configuration, except for settings that depend on memory.
fn config(raster: &Raster, role: Role, options: &EncodeOptions) -> Result<ffi::WebPConfig, Error> {
    let mut config = ffi::WebPConfig::new().map_err(|()| BUG)?;
    config.lossless = options.lossless.into();
    config.quality = if options.lossless { 75.0 } else { libwebp_quality(options.quality) };
    config.filter_sharpness = if role.is_still() { SHARPEST } else { 0 };
    let area = u64::from(raster.width()) * u64::from(raster.height());
    let is_still = role.is_still() && !options.lossless && !raster.channels().has_alpha() && area <= LARGE;
    config.method = if is_still { METHOD_OF_STILLS } else { METHOD };
    if role == Role::Trial {
        (config.method, config.quality) = TRIAL;
    }
    Ok(config)
}

/// The maximum memory of the longest partition in bytes while it grows: the format limits it to 24 bits (RFC 6386,
/// 9.5), and the buffer doubles.
const WHOLE_FILE: u64 = 3 << 24;

/// The memory of eight partitions of noise while they grow, in bytes per pixel: 7/4.
const PARTS: u64 = 7;
const PARTS_OF: u64 = 4;

/// An upper bound of libwebp's memory in bytes, without the file. libwebp has no limit that could be set, so values
/// that depend on the pixels are those of noise as measured in NOTES.md.
fn memory(kind: Kind, area: u64, config: &ffi::WebPConfig) -> u64 {
    /// The fixed memory of the encoder.
    const FIXED: u64 = 64 << 10;
    let lossless = area * LOSSLESS + (area * FREQUENCIES.0).min(FREQUENCIES.1);
    if config.lossless != 0 {
        return 4 * FIXED + lossless;
    }
    // Luma and half-resolution chroma, unless they already exist, and the weights.
    let planes = match kind {
        Kind::Planes => 0,
        Kind::Weighted => area * 5 / 2,
        Kind::Rgb | Kind::Rgba => area * 3 / 2,
    };
    // Alpha is encoded losslessly, from a plane and a filtered plane.
    let alpha = if kind == Kind::Rgba { 2 * area + 4 * FIXED + lossless } else { 0 };
    let tokens = if config.low_memory == 0 {
        (area as f32 * calibrated(&TOKENS, config.quality.ceil() as u8)) as u64
    } else {
        0
    };
    let partitions = if config.partitions > 0 { area * PARTS / PARTS_OF } else { (area * 4).min(WHOLE_FILE) };
    // Modes, contexts and statistics of blocks.
    let blocks = area * 5 / 16;
    FIXED + planes + alpha + tokens + blocks + partitions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Area, Cancelled, DecodeOptions, Decoder};

    const LOSSLESS: EncodeOptions = EncodeOptions { quality: 80, lossless: true, ..EncodeOptions::DEFAULT };
    const LOSSY: EncodeOptions = EncodeOptions { lossless: false, ..LOSSLESS };

    fn raster(channels: Channels) -> Raster {
        let samples = (0..40 * 30 * channels.count()).map(|i| (i / 7) as u8).collect();
        Raster::new(40, 30, channels, Samples::U8(samples)).unwrap()
    }

    #[test]
    fn lossless_is_exact() {
        for channels in [Channels::Rgb, Channels::Rgba] {
            let picture = raster(channels);
            let cancellation = Cancellation::unbounded();
            let bytes = WebP.encode(&picture, &LOSSLESS, Budget::UNLIMITED, &cancellation).unwrap();
            let budget = Budget { pixels: 10_000, memory: 100_000 };
            let options = DecodeOptions::new(Area::whole(40, 30), budget, &cancellation);
            let decoded = WebP.decode(&bytes, &options).unwrap().raster;
            // libwebp clears the colour of fully transparent pixels.
            let visible = |r: &Raster| match r.samples().as_bytes().as_chunks::<4>() {
                (pixels, []) if r.channels() == Channels::Rgba => {
                    pixels.iter().filter(|p| p[3] != 0).copied().collect()
                }
                _ => vec![],
            };
            assert_eq!(visible(&decoded), visible(&picture));
            if channels == Channels::Rgb {
                assert_eq!(decoded.samples(), picture.samples());
            }
        }
    }

    #[test]
    fn large_pictures_have_fewer_bits_for_modes() {
        for (area, expected) in [(1, 0), (4 << 20, 0), (12_000_000, 30), (24_000_000, 50), (48_000_000, 65)] {
            assert_eq!(partition_limit(area), expected, "{area}");
        }
    }

    #[test]
    fn a_higher_quality_is_never_a_lower_one_of_libwebp() {
        assert_eq!((libwebp_quality(0), libwebp_quality(1), libwebp_quality(255)), (0.0, 0.0, 100.0));
        assert_eq!((libwebp_quality(80), libwebp_quality(82)), (83.0, 84.2));
        for quality in 1..=100 {
            assert!(libwebp_quality(quality - 1) <= libwebp_quality(quality), "{quality}");
        }
    }

    #[test]
    fn grey_is_written_and_a_stop_is_obeyed() {
        let encode = |channels, budget, cancellation: &Cancellation| {
            WebP.encode(&raster(channels), &LOSSY, budget, cancellation)
        };
        for channels in [Channels::L, Channels::La] {
            assert!(encode(channels, Budget::UNLIMITED, &Cancellation::unbounded()).unwrap().starts_with(b"RIFF"));
        }
        let stopped = Cancellation::unbounded();
        stopped.cancel();
        assert_eq!(encode(Channels::Rgb, Budget::UNLIMITED, &stopped), Err(Cancelled.into()));
        let (config, picture) = (ffi::WebPConfig::new().unwrap(), raster(Channels::Rgb));
        let pixels = Pixels::Rgb(picture.samples().as_bytes());
        let run = |budget, cancellation| encode_with_libwebp(pixels, 40, 30, &config, budget, cancellation);
        assert_eq!(run(Budget::UNLIMITED, &stopped), Err(Cancelled.into()), "the hook was asked");
        let tight = Budget { memory: 100, ..Budget::UNLIMITED };
        assert!(matches!(run(tight, &Cancellation::unbounded()), Err(Error::TooLarge { allowed: 100, .. })));
    }
}
