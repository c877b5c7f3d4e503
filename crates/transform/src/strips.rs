//! Trial encodes of strips of a drawing: whether a lossless file is likely to be shorter than a lossy one, in a small part of
//! the time of either.

use super::Error;
use super::finish::EncodeRequest;
use image_origin_codec::{self as codec, Budget, Cancellation, Format, Raster, Repetition, Samples};

/// The number of rows of a strip, and the number of strips of which one is encoded.
const ROWS: usize = 32;
const ONE_OF: usize = 8;

/// The length of a JPEG's headers, which short pictures have too.
const HEADERS: u64 = 600;

/// The length of a lossless file, encoded with little effort, relative to JPEG, up to which no lossy format is likely to be shorter.
const EXACT_UP_TO: (u64, u64) = (3, 10);

/// The same from which on a lossy format is: of strips, which show less of what repeats, and of a whole picture. NOTES.md of
/// `image-origin-codec` has the measurements.
const LOSSY_FROM_OF_STRIPS: (u64, u64) = (1, 1);
const LOSSY_FROM: (u64, u64) = (3, 5);

/// The share of pixels that repeat neither neighbour, and their number for a byte of JPEG, from which on a lossless file is
/// longer than [`LOSSY_FROM`], without a trial.
const FRESH_SHARE: (u64, u64) = (1, 10);
const FRESH_FOR_A_BYTE: (u64, u64) = (3, 5);

/// Which files are likely to be the shortest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likely {
    /// Lossless ones.
    Exact,
    /// Lossy ones.
    Lossy,
    /// Either, and the likely length of a JPEG of the picture in bytes, where it is known without one.
    Unknown { jpeg: Option<u64> },
}

/// Compares the lengths of lossless WebP and of JPEG for strips of an opaque 8-bit picture, or for all of one that is not high
/// enough for two. Repetitions beyond the strips are missed, so the lossless length is seldom underestimated. `budget` is for
/// memory besides the raster.
///
/// # Errors
/// [`codec::Error::Cancelled`].
pub(super) fn likely(
    raster: &Raster,
    request: EncodeRequest,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Likely, Error> {
    let is_whole = (raster.height() as usize) < 2 * ROWS * ONE_OF;
    let strips = if is_whole { None } else { strips(raster, budget) };
    if strips.is_none() && !is_whole {
        return Ok(Likely::Unknown { jpeg: None });
    }
    let budget = budget.beside(strips.as_ref().map_or(0, Raster::bytes))?;
    let sample = strips.as_ref().unwrap_or(raster);
    let encoder = codec::encoder(Format::Jpeg).ok_or(codec::Error::Internal("a format without an encoder"))?;
    let options = request.in_format(Format::Jpeg).options;
    let jpeg = encoder.encode(sample, &options, budget, cancellation).map(|file| file.len() as u64);
    let Some(jpeg) = fitting(jpeg)? else { return Ok(Likely::Unknown { jpeg: None }) };
    let body = if is_whole { jpeg } else { jpeg.saturating_sub(HEADERS) };
    let Repetition { visible, fresh } = codec::repetition(sample);
    if fresh * FRESH_SHARE.1 >= visible * FRESH_SHARE.0 && fresh * FRESH_FOR_A_BYTE.1 >= body * FRESH_FOR_A_BYTE.0 {
        return Ok(Likely::Lossy);
    }
    let exact = fitting(codec::webp::trial_length(sample, budget, cancellation))?;
    let from = if is_whole { LOSSY_FROM } else { LOSSY_FROM_OF_STRIPS };
    Ok(match exact {
        Some(exact) if exact * EXACT_UP_TO.1 <= body * EXACT_UP_TO.0 => Likely::Exact,
        Some(exact) if exact * from.1 >= body * from.0 => Likely::Lossy,
        _ => {
            let rows = u64::from(sample.height());
            Likely::Unknown { jpeg: Some(body * u64::from(raster.height()) / rows.max(1) + jpeg - body) }
        }
    })
}

/// The length, or nothing where there is too little memory.
fn fitting(length: Result<u64, codec::Error>) -> Result<Option<u64>, Error> {
    match length {
        Ok(length) => Ok(Some(length)),
        Err(codec::Error::TooLarge { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One of [`ONE_OF`] strips, one below the other; `None` if there are none, or not enough memory.
fn strips(raster: &Raster, budget: Budget) -> Option<Raster> {
    let Samples::U8(samples) = raster.samples() else { return None };
    let row = raster.width() as usize * raster.channels().count();
    let rows = raster.height() as usize / (ROWS * ONE_OF) * ROWS;
    budget.check_memory((rows * row) as u64).ok()?;
    let mut strips = Vec::with_capacity(rows * row);
    for strips_of in samples.chunks_exact(ROWS * ONE_OF * row) {
        strips.extend_from_slice(&strips_of[ONE_OF / 2 * ROWS * row..][..ROWS * row]);
    }
    Raster::new(raster.width(), rows as u32, raster.channels(), Samples::U8(strips)).filter(|_| rows > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::{Channels, EncodeOptions};
    use image_origin_query::Quality;

    fn picture(height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Raster {
        let pixels = (0..320 * height).flat_map(|i| pixel(i % 320, i / 320)).collect();
        Raster::new(320, height, Channels::Rgb, Samples::U8(pixels)).unwrap()
    }

    fn likely_of(raster: &Raster, budget: Budget) -> Result<Likely, Error> {
        let options = EncodeOptions::DEFAULT;
        let request = EncodeRequest { options, quality: Quality::Number(80), max_bytes: None };
        likely(raster, request, budget, &Cancellation::unbounded())
    }

    #[test]
    fn text_is_likely_to_be_exact_and_noise_to_be_lossy() {
        let noise = |x: u32, y: u32| ((x + 320 * y).wrapping_mul(2_654_435_761) >> 24) as u8;
        let text = |x: u32, y: u32| [if (noise(x / 3 % 8, y / 3 % 5) & 1) > 0 { 20 } else { 250 }; 3];
        let grain = |x: u32, y: u32| [0, 1, 2].map(|i| (x / 4 + y / 8) as u8 + noise(3 * x + i, y) / 64);
        let all = Budget::UNLIMITED;
        assert_eq!(likely_of(&picture(512, text), all).unwrap(), Likely::Exact);
        assert_eq!(likely_of(&picture(512, grain), all).unwrap(), Likely::Lossy);
        // Pictures that are not high enough for two strips are tried as a whole; without memory, nothing is known.
        let steps = |x: u32, _: u32| [(x / 2) as u8, (x / 3) as u8, 0];
        for height in [255, 256, 511] {
            assert_eq!(likely_of(&picture(height, text), all).unwrap(), Likely::Exact);
            assert_eq!(likely_of(&picture(height, steps), all).unwrap(), Likely::Exact);
            assert_eq!(likely_of(&picture(height, grain), all).unwrap(), Likely::Lossy);
        }
        assert_eq!(
            likely_of(&picture(512, text), Budget { memory: 90_000, ..all }).unwrap(),
            Likely::Unknown { jpeg: None }
        );
    }

    #[test]
    fn strips_are_taken_from_the_middle_of_each_eighth() {
        let strips = strips(&picture(700, |_, y| [(y / 32) as u8; 3]), Budget::UNLIMITED).unwrap();
        let of_rows: Vec<u8> = strips.samples().as_bytes().iter().step_by(320 * 3).copied().collect();
        assert_eq!(of_rows, [[4; 32], [12; 32]].concat());
    }

    #[test]
    fn a_stop_is_obeyed() {
        let cancellation = Cancellation::unbounded();
        cancellation.cancel();
        let request = EncodeRequest { options: EncodeOptions::DEFAULT, quality: Quality::Number(80), max_bytes: None };
        let stopped = likely(&picture(512, |x, _| [x as u8; 3]), request, Budget::UNLIMITED, &cancellation);
        assert!(matches!(stopped, Err(Error::Codec(codec::Error::Cancelled(_)))), "{stopped:?}");
    }
}
