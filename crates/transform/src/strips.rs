//! Trial encodes of strips of a drawing: whether a lossless file is likely to be shorter than a lossy one, in a small part of
//! the time of either.

use super::Error;
use super::candidates::FEW_PIXELS_A_BYTE;
use super::finish::EncodeRequest;
use image_origin_codec::{self as codec, Budget, Cancellation, Format, Raster, Repetition, Samples};
use image_origin_query::Quality;

/// How pictures of so many rows and more are sampled: the number of rows of a strip, and the number of strips of which one is
/// encoded. Lower ones are tried as a whole.
const SAMPLED: [(usize, Strips); 2] = [(512, Strips { rows: 16, one_of: 10 }), (128, Strips { rows: 8, one_of: 4 })];

/// Strips that are taken at equal distances.
#[derive(Clone, Copy)]
struct Strips {
    rows: usize,
    one_of: usize,
}

/// The length of a JPEG's headers, which short pictures have too.
const HEADERS: u64 = 600;

/// The length of a lossless file, encoded with little effort, relative to JPEG, up to which no lossy format is likely to be shorter.
const EXACT_UP_TO: (u64, u64) = (3, 10);

/// The same from which on a lossy format is, in pictures from [`MAY_BE_EXACT`] rows on: of strips, which show less of what repeats.
/// NOTES.md of `image-origin-codec` has the measurements.
const LOSSY_FROM: (u64, u64) = (1, 1);

/// The number of rows of pictures that may be encoded both without and with loss, in this order: lossless ones take less than a seventh
/// of AVIF's time from here on. Lower ones are mostly reduced, and have colours between those of the original.
const MAY_BE_EXACT: u32 = 512;

/// The share of pixels that repeat neither neighbour, up to which a picture is encoded without loss, and not tried.
const FRESH_OF_FLAT: u64 = 1000;

/// The length of a JPEG without its headers in bytes up to which AVIF's container counts.
const SHORT: u64 = 1000;

/// The number of colours up to which PNG may be shorter than lossless WebP: four bits a pixel.
const FEW_COLORS: usize = 16;

/// The share of pixels that repeat neither neighbour, and their number for a byte of JPEG, from which on a lossless file of a picture that
/// is small or not drawn is longer than a lossy one, without a trial.
const FRESH_SHARE: (u64, u64) = (1, 10);
const FRESH_FOR_A_BYTE: (u64, u64) = (3, 5);

/// The number of pixels for a byte of JPEG up to which a picture is dense, and the number of those that repeat neither neighbour up to which
/// a lossless file of such a picture may be short whatever the trial says, which finds few of the patterns that come again.
const DENSE: u64 = 2;
const FRESH_OF_DENSE: (u64, u64) = (4, 5);

/// Which files are likely to be the shortest, and what is known of their lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) likely: Likely,
    /// The length of a JPEG in bytes, where none has to be written to know it.
    pub(super) jpeg: Option<u64>,
    /// The length of a lossless WebP in bytes that was encoded with little effort, if all of the picture was tried.
    pub(super) exact: Option<u64>,
    /// Whether a JPEG is so short that containers count.
    pub(super) is_short: bool,
}

/// Which files are likely to be the shortest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likely {
    /// Lossless WebP.
    Exact,
    /// PNG.
    Png,
    /// Lossy ones.
    Lossy,
    /// Lossless or lossy ones.
    Unknown,
}

impl Trial {
    /// What is assumed of a picture of which nothing is tried.
    pub(super) fn untried(may_be_exact: bool) -> Self {
        Self {
            likely: if may_be_exact { Likely::Unknown } else { Likely::Lossy },
            jpeg: None,
            exact: None,
            is_short: false,
        }
    }
}

/// Compares the lengths of lossless WebP and of JPEG for strips of an opaque 8-bit picture, or for all of a low one. Repetitions
/// beyond the strips are missed, so the lossless length is seldom underestimated. `budget` is for memory besides the raster.
///
/// # Errors
/// [`codec::Error::Cancelled`].
pub(super) fn likely(
    raster: &Raster,
    repetition: Repetition,
    is_small: bool,
    request: EncodeRequest,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Trial, Error> {
    let is_drawn = repetition.is_drawn();
    let without_loss = |likely| Trial { likely, ..Trial::untried(true) };
    if repetition.fresh * FRESH_OF_FLAT < repetition.visible {
        return Ok(without_loss(Likely::Exact));
    }
    let sampled = SAMPLED.iter().find(|(rows, _)| raster.height() as usize >= *rows);
    let strips = sampled.map(|(_, strips)| strips.of(raster, budget));
    let (sample, is_whole) = match &strips {
        None => (raster, true),
        Some(Some(strips)) => (strips, false),
        Some(None) => return Ok(Trial::untried(is_drawn)),
    };
    let budget = budget.beside(if is_whole { 0 } else { sample.bytes() })?;
    let pixels = u64::from(sample.width()) * u64::from(sample.height());
    let trial = || fitting(codec::webp::trial_length(sample, budget, cancellation));
    let mut exact = None;
    if is_drawn && !is_small {
        exact = trial()?;
        let has_few_colors = fitting(codec::has_colors_up_to(sample, FEW_COLORS, budget))? == Some(true);
        let png = if has_few_colors { length(sample, Format::Png, request, budget, cancellation)? } else { None };
        // Of most drawings PNG is at least a fifth longer than the trial.
        if png.zip(exact).is_some_and(|(png, exact)| png <= exact) {
            return Ok(without_loss(Likely::Png));
        }
        if exact.is_some_and(|exact| exact * FEW_PIXELS_A_BYTE <= pixels) {
            return Ok(without_loss(Likely::Exact));
        }
    }
    let Some(jpeg) = length(sample, Format::Jpeg, request, budget, cancellation)? else {
        return Ok(Trial::untried(is_drawn));
    };
    let body = if is_whole { jpeg } else { jpeg.saturating_sub(HEADERS) };
    let is_short = body * u64::from(raster.height()) <= SHORT * u64::from(sample.height());
    // A searched quality is not known before, and the length of strips is too vague.
    let jpeg = Some(jpeg).filter(|_| is_whole && !matches!(request.quality, Quality::Auto(_)));
    let Repetition { visible, fresh } = if is_whole { repetition } else { codec::repetition(sample) };
    let may_repeat = !is_small && is_dense(body, pixels) && fresh * FRESH_OF_DENSE.1 < body * FRESH_OF_DENSE.0;
    let lossy = Trial { likely: if may_repeat { Likely::Unknown } else { Likely::Lossy }, jpeg, exact: None, is_short };
    let is_fresh =
        fresh * FRESH_SHARE.1 >= visible * FRESH_SHARE.0 && fresh * FRESH_FOR_A_BYTE.1 >= body * FRESH_FOR_A_BYTE.0;
    if exact.is_none() {
        if is_fresh && (is_small || !is_drawn) {
            return Ok(lossy);
        }
        exact = trial()?;
    }
    let may_be_both = raster.height() >= MAY_BE_EXACT;
    Ok(match exact {
        Some(exact) if exact * EXACT_UP_TO.1 <= body * EXACT_UP_TO.0 => without_loss(Likely::Exact),
        Some(exact) if may_be_both && exact * LOSSY_FROM.1 < body * LOSSY_FROM.0 => {
            Trial { likely: Likely::Unknown, ..lossy }
        }
        None if is_drawn => Trial::untried(true),
        exact => Trial { exact: exact.filter(|_| is_whole), ..lossy },
    })
}

/// Whether a JPEG takes so many bytes for a number of pixels that it has hardly any flat area.
pub(super) fn is_dense(jpeg: u64, pixels: u64) -> bool {
    jpeg * DENSE >= pixels
}

/// The length of a sample in a format.
fn length(
    sample: &Raster,
    format: Format,
    request: EncodeRequest,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Option<u64>, Error> {
    let encoder = codec::encoder(format).ok_or(codec::Error::Internal("a format without an encoder"))?;
    let options = request.in_format(format).options;
    Ok(fitting(encoder.encode(sample, &options, budget, cancellation))?.map(|file| file.len() as u64))
}

/// What was computed, or nothing where there is too little memory.
fn fitting<T>(result: Result<T, codec::Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(codec::Error::TooLarge { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Strips {
    /// The strips of a picture, one below the other; `None` if there are none, or not enough memory.
    fn of(self, raster: &Raster, budget: Budget) -> Option<Raster> {
        let Samples::U8(samples) = raster.samples() else { return None };
        let row = raster.width() as usize * raster.channels().count();
        let rows = raster.height() as usize / (self.rows * self.one_of) * self.rows;
        budget.check_memory((rows * row) as u64).ok()?;
        let mut strips = Vec::with_capacity(rows * row);
        for strips_of in samples.chunks_exact(self.rows * self.one_of * row) {
            strips.extend_from_slice(&strips_of[self.one_of / 2 * self.rows * row..][..self.rows * row]);
        }
        Raster::new(raster.width(), rows as u32, raster.channels(), Samples::U8(strips)).filter(|_| rows > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::{Channels, EncodeOptions};

    fn picture(height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Raster {
        let pixels = (0..320 * height).flat_map(|i| pixel(i % 320, i / 320)).collect();
        Raster::new(320, height, Channels::Rgb, Samples::U8(pixels)).unwrap()
    }

    fn likely_of(raster: &Raster, budget: Budget) -> Result<Trial, Error> {
        let options = EncodeOptions::DEFAULT;
        let request = EncodeRequest { options, quality: Quality::Number(80), max_bytes: None };
        likely(raster, codec::repetition(raster), false, request, budget, &Cancellation::unbounded())
    }

    #[test]
    fn text_is_likely_to_be_exact_and_noise_to_be_lossy() {
        let noise = |x: u32, y: u32| ((x + 320 * y).wrapping_mul(2_654_435_761) >> 24) as u8;
        let text = |x: u32, y: u32| [if (noise(x / 3 % 8, y / 3 % 5) & 1) > 0 { 20 } else { 250 }; 3];
        let grain = |x: u32, y: u32| [0, 1, 2].map(|i| (x / 4 + y / 8) as u8 + noise(3 * x + i, y) / 64);
        let all = Budget::UNLIMITED;
        let of = |picture: &Raster| likely_of(picture, all).unwrap().likely;
        assert_eq!(of(&picture(512, text)), Likely::Exact);
        assert_eq!(of(&picture(512, grain)), Likely::Lossy);
        // Pictures that are not high enough for two strips are tried as a whole; without memory, nothing is known.
        let steps = |x: u32, _: u32| [(x / 2) as u8, (x / 3) as u8, 0];
        for height in [255, 256, 511] {
            assert_eq!(of(&picture(height, text)), Likely::Exact);
            assert_eq!(of(&picture(height, steps)), Likely::Exact);
            assert_eq!(of(&picture(height, grain)), Likely::Lossy);
        }
        let tight = Budget { memory: 90_000, ..all };
        assert_eq!(likely_of(&picture(512, text), tight).unwrap(), Trial::untried(true));
        assert_eq!(likely_of(&picture(512, grain), tight).unwrap(), Trial::untried(false));
    }

    #[test]
    fn strips_are_taken_from_the_middle_of_each_eighth() {
        let eighths = Strips { rows: 32, one_of: 8 };
        let strips = eighths.of(&picture(700, |_, y| [(y / 32) as u8; 3]), Budget::UNLIMITED).unwrap();
        let of_rows: Vec<u8> = strips.samples().as_bytes().iter().step_by(320 * 3).copied().collect();
        assert_eq!(of_rows, [[4; 32], [12; 32]].concat());
    }

    #[test]
    fn a_stop_is_obeyed() {
        let cancellation = Cancellation::unbounded();
        cancellation.cancel();
        let request = EncodeRequest { options: EncodeOptions::DEFAULT, quality: Quality::Number(80), max_bytes: None };
        let raster = picture(512, |x, _| [x as u8; 3]);
        let stopped = likely(&raster, codec::repetition(&raster), false, request, Budget::UNLIMITED, &cancellation);
        assert!(matches!(stopped, Err(Error::Codec(codec::Error::Cancelled(_)))), "{stopped:?}");
    }
}
