//! The WebP encoder, which uses libwebp on pixels of this program only.

#![allow(unsafe_code)] // libwebp's encoder has no safe interface; see `encode_with_libwebp` for the argument

use std::borrow::Cow;
use std::ffi::c_int;

use libwebp_sys as ffi;

use super::writer::WebPWriter;
use super::{WebP, large, mask, planes};
use crate::buffer::OutputBuffer;
use crate::{
    AnimationWriter, Budget, Cancellation, Cancelled, Channels, EncodeOptions, Encoder, Error, Format, PlanarEncoder,
    Range, Raster, Samples, calibrated, check_sides,
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
    /// A frame of an animation.
    Frame,
    /// A file that nobody sees, of which only the length counts.
    Trial,
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

/// The error if libwebp rejects valid input.
const BUG: Error = Error::Internal("libwebp refuses a picture that it should take");

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
const OF_COLOURED: [(u8, u8); 8] = [(1, 1), (30, 32), (50, 44), (60, 53), (70, 67), (80, 90), (90, 95), (100, 95)];

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
            Content::Coloured { .. } => calibrated(&OF_COLOURED, options.quality).round() as u8,
        };
        let lossy = encode(raster, Role::Still, &EncodeOptions { quality, ..*options }, budget, cancellation)?;
        if !matches!(content, Content::Coloured { .. }) {
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
    if role == Role::Still && !options.lossless && !raster.channels().has_alpha() {
        let budget = budget.beside(planes::memory(raster))?;
        let planes = planes::planes(raster, cancellation)?;
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
    config.filter_sharpness = if role == Role::Still { SHARPEST } else { 0 };
    let area = u64::from(raster.width()) * u64::from(raster.height());
    let is_still = role == Role::Still && !options.lossless && !raster.channels().has_alpha() && area <= LARGE;
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

/// The maximum side, which is stored in 14 bits (RFC 9649, 2.5).
const MAX_SIDE: u32 = 16_383;

/// The pixels to encode.
#[derive(Clone, Copy)]
pub(super) enum Pixels<'p> {
    Rgb(&'p [u8]),
    Rgba(&'p [u8]),
    /// Colours with alpha that is not written: it only says how much each pixel counts.
    Weighted(&'p [u8]),
    /// Colours with an unused fourth byte.
    Rgbx(&'p [u8]),
    /// Luma, and two chroma planes of half its width and height, rounded up.
    Planes([&'p [u8]; 3]),
}

/// The kind of pixels, which determines libwebp's memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rgb,
    Rgba,
    Weighted,
    Planes,
}

impl Pixels<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::Rgb(_) | Self::Rgbx(_) => Kind::Rgb,
            Self::Rgba(_) => Kind::Rgba,
            Self::Weighted(_) => Kind::Weighted,
            Self::Planes(_) => Kind::Planes,
        }
    }

    /// Whether these are all samples of a picture of this size.
    fn fill(&self, width: usize, height: usize) -> bool {
        match self {
            Self::Rgb(pixels) => pixels.len() == width * height * 3,
            Self::Rgba(pixels) | Self::Weighted(pixels) | Self::Rgbx(pixels) => pixels.len() == width * height * 4,
            Self::Planes([luma, chromas @ ..]) => {
                let quarter = width.div_ceil(2) * height.div_ceil(2);
                luma.len() == width * height && chromas.iter().all(|chroma| chroma.len() == quarter)
            }
        }
    }
}

/// The output of libwebp, and the cancellation token.
struct Output<'w> {
    file: OutputBuffer,
    /// Why writing the file failed.
    failure: Option<Error>,
    cancellation: &'w Cancellation,
}

/// libwebp's picture, whose own buffers are freed on drop.
struct Picture(ffi::WebPPicture);

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: libwebp has initialised the picture. It frees only the buffers that it has allocated itself:
        // `WebPPictureFree` of libwebp 1.6.0 (src/enc/picture_enc.c, lines 180 to 186) frees `memory_` and
        // `memory_argb_` and clears the plane pointers, so that borrowed planes stay with their owner.
        unsafe { ffi::WebPPictureFree(&raw mut self.0) };
    }
}

/// Runs libwebp's encoder; `budget` is for the file.
///
/// `pixels` contains exactly the samples of the size and the strides that are passed on, which is asserted first.
///
/// Planes are passed without a copy as mutable pointers, which is sound because a lossy encoder only reads them. In
/// libwebp 1.6.0 two functions of the encoder write to planes. `VP8IteratorExport` (src/enc/iterator_enc.c, lines 193
/// to 220) does if `show_compressed` is set, which is rejected here. `WebPCleanupTransparentArea`
/// (src/enc/picture_tools_enc.c, lines 104 to 181) returns at line 138 for a picture without an alpha plane, which
/// planes here never have. `WebPEncode` (src/enc/webp_enc.c, line 355) allocates planes only if there are none.
pub(super) fn encode_with_libwebp(
    pixels: Pixels<'_>,
    width: u32,
    height: u32,
    config: &ffi::WebPConfig,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, Error> {
    assert!(pixels.fill(width as usize, height as usize), "the raster's own invariant");
    let mut output = Output { file: OutputBuffer::new(budget), failure: None, cancellation };
    let stride = width as c_int;
    let mut picture = Picture(ffi::WebPPicture::new().map_err(|()| BUG)?);
    picture.0.use_argb = config.lossless;
    picture.0.width = width as c_int;
    picture.0.height = height as c_int;
    picture.0.writer = Some(append);
    picture.0.custom_ptr = (&raw mut output).cast();
    picture.0.progress_hook = Some(may_go_on);
    picture.0.user_data = (&raw mut output).cast();
    let is_imported = match pixels {
        Pixels::Rgb(pixels) => {
            // SAFETY: the picture is initialised, and there are `height` rows of three bytes for each of `width` pixels.
            let status = unsafe { ffi::WebPPictureImportRGB(&raw mut picture.0, pixels.as_ptr(), stride * 3) };
            status != 0
        }
        Pixels::Rgba(pixels) => {
            // SAFETY: as above, with four bytes.
            let status = unsafe { ffi::WebPPictureImportRGBA(&raw mut picture.0, pixels.as_ptr(), stride * 4) };
            status != 0
        }
        Pixels::Weighted(pixels) => {
            // SAFETY: as above.
            let status = unsafe { ffi::WebPPictureImportRGBA(&raw mut picture.0, pixels.as_ptr(), stride * 4) };
            if status != 0 && !picture.0.a.is_null() {
                // SAFETY: the picture has planes of its own, which it may change. `WebPEncode` does the same to a picture with an
                // alpha plane.
                unsafe { ffi::WebPCleanupTransparentArea(&raw mut picture.0) };
                // The memory of the plane is that of all planes, which `memory_` owns.
                picture.0.a = std::ptr::null_mut();
                picture.0.colorspace = ffi::WebPEncCSP::WEBP_YUV420;
            }
            status != 0
        }
        Pixels::Rgbx(pixels) => {
            // SAFETY: as above.
            let status = unsafe { ffi::WebPPictureImportRGBX(&raw mut picture.0, pixels.as_ptr(), stride * 4) };
            status != 0
        }
        Pixels::Planes(planes) => {
            if config.lossless != 0 || config.show_compressed != 0 {
                return Err(BUG);
            }
            [picture.0.y, picture.0.u, picture.0.v] = planes.map(|plane| plane.as_ptr().cast_mut());
            (picture.0.y_stride, picture.0.uv_stride) = (stride, (stride + 1) / 2);
            true
        }
    };
    // SAFETY: the picture is initialised and has pixels: imported ones, or planes that are only read and live as long
    // as `pixels` is borrowed. `custom_ptr` and `user_data` point to `output`, which outlives the call, and which is
    // not accessed otherwise until libwebp has returned.
    let is_done = is_imported && unsafe { ffi::WebPEncode(config, &raw mut picture.0) } != 0;
    match output.failure {
        None if is_done => Ok(output.file.into_bytes()),
        Some(error) => Err(error),
        None => Err(failure(picture.0.error_code, output.cancellation)),
    }
}

/// Converts an error of libwebp.
fn failure(code: ffi::WebPEncodingError, cancellation: &Cancellation) -> Error {
    use ffi::WebPEncodingError as Code;
    let too_large = |what, allowed| Error::TooLarge { what, needs: allowed + 1, allowed };
    match code {
        Code::VP8_ENC_ERROR_USER_ABORT if cancellation.check().is_err() => Cancelled.into(),
        // RFC 6386, 9.3 and 9.5: lengths of 19 and of 24 bits.
        Code::VP8_ENC_ERROR_PARTITION0_OVERFLOW => {
            too_large("the length of a webp's first partition in bytes", (1 << 19) - 1)
        }
        Code::VP8_ENC_ERROR_PARTITION_OVERFLOW => too_large("the length of a webp's partition in bytes", (1 << 24) - 1),
        Code::VP8_ENC_ERROR_FILE_TOO_BIG => too_large("the length of a webp in bytes", u32::MAX.into()),
        Code::VP8_ENC_ERROR_BAD_DIMENSION => too_large("a side of a webp in pixels", MAX_SIDE.into()),
        Code::VP8_ENC_ERROR_OUT_OF_MEMORY | Code::VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY => {
            Error::Internal("there is no memory left for libwebp")
        }
        _ => BUG,
    }
}

/// The writer callback of libwebp, which appends bytes to the file; 0 aborts.
extern "C" fn append(bytes: *const u8, length: usize, picture: *const ffi::WebPPicture) -> c_int {
    if length == 0 {
        return 1;
    }
    // SAFETY: libwebp passes `length` bytes, which it does not modify during this call.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, length) };
    // SAFETY: this is the picture that `encode_with_libwebp` has set up; libwebp is blocked in this call.
    let output = unsafe { (*picture).custom_ptr }.cast::<Output<'_>>();
    // SAFETY: `custom_ptr` points to a live `Output` to which there is no other reference.
    let output = unsafe { &mut *output };
    output.failure = output.file.extend(bytes).err();
    output.failure.is_none().into()
}

/// The progress callback of libwebp, which is called between macroblock rows; 0 aborts.
extern "C" fn may_go_on(_percent: c_int, picture: *const ffi::WebPPicture) -> c_int {
    // SAFETY: this is the picture that `encode_with_libwebp` has set up; libwebp is blocked in this call.
    let output = unsafe { (*picture).user_data }.cast::<Output<'_>>();
    // SAFETY: `user_data` points to a live `Output` to which there is no mutable reference.
    let output = unsafe { &*output };
    output.cancellation.check().is_ok().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Area, DecodeOptions, Decoder};

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

    #[test]
    fn what_goes_wrong_in_libwebp_is_told_as_it_is() {
        use ffi::WebPEncodingError as Code;
        let (cancellation, stopped) = (Cancellation::unbounded(), Cancellation::unbounded());
        stopped.cancel();
        for (code, is_too_large) in [
            (Code::VP8_ENC_ERROR_PARTITION0_OVERFLOW, true),
            (Code::VP8_ENC_ERROR_PARTITION_OVERFLOW, true),
            (Code::VP8_ENC_ERROR_FILE_TOO_BIG, true),
            (Code::VP8_ENC_ERROR_BAD_DIMENSION, true),
            (Code::VP8_ENC_ERROR_OUT_OF_MEMORY, false),
            (Code::VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY, false),
            (Code::VP8_ENC_ERROR_INVALID_CONFIGURATION, false),
            (Code::VP8_ENC_ERROR_USER_ABORT, false),
        ] {
            match failure(code, &cancellation) {
                Error::TooLarge { needs, allowed, .. } => assert!(is_too_large && needs > allowed, "{code:?}"),
                error => assert!(!is_too_large && matches!(error, Error::Internal(_)), "{code:?}"),
            }
        }
        assert_eq!(failure(Code::VP8_ENC_ERROR_USER_ABORT, &stopped), Cancelled.into());
        let wide = Raster::new(2, 1, Channels::L, Samples::U16(vec![1, 2])).unwrap();
        let refused = WebP.encode(&wide, &LOSSY, Budget::UNLIMITED, &cancellation);
        assert!(matches!(refused, Err(Error::Internal(_))), "{refused:?}");
    }
}
