//! Trial encodes of strips of a drawing: whether a lossless file is likely to be shorter than a lossy one, in a small part of
//! the time of either.

use super::Error;
use super::finish::EncodeRequest;
use image_origin_codec::{self as codec, Budget, Cancellation, EncodeOptions, Format, Raster, Repetition, Samples};

/// The number of rows of a strip, and the number of strips of which one is encoded.
const ROWS: usize = 32;
const ONE_OF: usize = 8;

/// The length of a JPEG's headers, which short pictures have too.
const HEADERS: u64 = 600;

/// The lengths of lossless files relative to JPEG, up to which no lossy format is likely to be shorter, and from which on
/// one is. NOTES.md of `image-origin-codec` has the measurements.
const EXACT_UP_TO: (u64, u64) = (3, 10);
const LOSSY_FROM: (u64, u64) = (7, 10);

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
    /// Either.
    Unknown,
}

/// Compares the lengths of lossless WebP and of JPEG for strips of an opaque 8-bit picture. Repetitions beyond the strips
/// are missed, so the lossless length is seldom underestimated. `budget` is for memory besides the raster.
///
/// # Errors
/// [`codec::Error::Cancelled`].
pub(super) fn likely(
    raster: &Raster,
    request: EncodeRequest,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Likely, Error> {
    let Some(strips) = strips(raster, budget) else { return Ok(Likely::Unknown) };
    let length = |format, lossless| {
        let Some(encoder) = codec::encoder(format) else { return Ok(None) };
        let options = EncodeOptions { lossless, ..request.in_format(format).options };
        match encoder.encode(&strips, &options, budget.beside(strips.bytes())?, cancellation) {
            Ok(file) => Ok(Some(file.len() as u64)),
            Err(codec::Error::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    };
    let Some(jpeg) = length(Format::Jpeg, false)? else { return Ok(Likely::Unknown) };
    let jpeg = jpeg.saturating_sub(HEADERS);
    let Repetition { visible, fresh } = codec::repetition(&strips);
    if fresh * FRESH_SHARE.1 >= visible * FRESH_SHARE.0 && fresh * FRESH_FOR_A_BYTE.1 >= jpeg * FRESH_FOR_A_BYTE.0 {
        return Ok(Likely::Lossy);
    }
    let Some(exact) = length(Format::WebP, true)? else { return Ok(Likely::Unknown) };
    Ok(if exact * EXACT_UP_TO.1 <= jpeg * EXACT_UP_TO.0 {
        Likely::Exact
    } else if exact * LOSSY_FROM.1 >= jpeg * LOSSY_FROM.0 && strips.height() > ROWS as u32 {
        Likely::Lossy
    } else {
        Likely::Unknown
    })
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
    use image_origin_codec::Channels;
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
        // A single strip does not show that lossy files are shorter; without a strip, or memory, nothing is known.
        let steps = |x: u32, _: u32| [(x / 2) as u8, (x / 3) as u8, 0];
        assert_eq!(likely_of(&picture(256, steps), all).unwrap(), Likely::Unknown);
        assert_eq!(likely_of(&picture(255, text), all).unwrap(), Likely::Unknown);
        assert_eq!(likely_of(&picture(512, text), Budget { memory: 90_000, ..all }).unwrap(), Likely::Unknown);
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
