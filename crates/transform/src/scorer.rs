//! The likeness of an encoded file to the picture that it was made from: SSIMULACRA2 (github.com/cloudinary/ssimulacra2),
//! where 100 means identical, 80 a loss that is hardly visible, and 50 a visible one.
//!
//! Scoring takes far more memory than encoding, so the score of a large picture is that of a sample: tiles from all over
//! it, put together to a smaller picture, which is encoded instead of the whole. The side of a tile is a multiple of the
//! blocks of all formats. A transparent picture has the lower of its scores over a dark and a light background.

use std::borrow::Cow;

use fast_ssim2::{PixelDescriptor, PixelSlice, Ssimulacra2Config, Ssimulacra2Error, Ssimulacra2Reference};
use image_origin_codec::{self as codec, Budget, Cancellation, Channels, DecodeOptions, Raster, Samples};

use super::Error;

/// The maximum number of pixels of a picture that is scored as a whole.
const WHOLE: u64 = 3 << 18;

/// The side of a tile in pixels, and the numbers of tiles of a sample in a row, of which the first is used for which there
/// is memory.
const TILE: usize = 128;
const TILES: [usize; 3] = [4, 2, 1];

/// The memory of scoring in bytes per pixel, as measured, without and with alpha: floating-point planes of both pictures
/// in several sizes, and the decoded file.
const BYTES_PER_PIXEL: [u64; 2] = [125, 180];

/// The share of it that is held between scores, for the picture itself.
const HELD_PER_PIXEL: [u64; 2] = [60, 110];

/// A picture, or a sample of it, that files are compared with.
pub(super) struct Scorer<'a> {
    sample: Cow<'a, Raster>,
    reference: Ssimulacra2Reference,
    /// The memory besides the sample and its reference.
    budget: Budget,
    /// The memory of a score in bytes besides that.
    working: u64,
    cancellation: &'a Cancellation,
}

/// The cancellation token as fast-ssim2 takes it.
struct Stop<'a>(&'a Cancellation);

impl enough::Stop for Stop<'_> {
    fn check(&self) -> Result<(), enough::StopReason> {
        self.0.check().map_err(|_| enough::StopReason::Cancelled)
    }
}

impl<'a> Scorer<'a> {
    /// Prepares the comparison with an 8-bit picture. `budget` is for memory besides it.
    ///
    /// # Errors
    /// A codec's error for too little memory, and for cancellation.
    pub(super) fn new(raster: &'a Raster, budget: Budget, cancellation: &'a Cancellation) -> Result<Self, Error> {
        let per_pixel = BYTES_PER_PIXEL[usize::from(raster.channels().has_alpha())];
        let memory = |pixels: u64| pixels * per_pixel;
        let pixels = u64::from(raster.width()) * u64::from(raster.height());
        let fits = |pixels: u64| budget.check_memory(memory(pixels)).is_ok();
        let (sample, held) = if pixels <= WHOLE && fits(pixels) {
            (Cow::Borrowed(raster), memory(pixels))
        } else {
            let of = |row: usize| memory((row * TILE * row * TILE) as u64);
            let row = TILES.into_iter().find(|row| budget.check_memory(of(*row)).is_ok()).unwrap_or(1);
            let held = of(row).min(memory(pixels));
            budget.check_memory(held)?;
            let sample = mosaic(raster, row).or_else(|| middle(raster, row * TILE * row * TILE));
            (sample.map_or(Cow::Borrowed(raster), Cow::Owned), held)
        };
        let has_alpha = raster.channels().has_alpha();
        let pixels = pixels_of(&sample, has_alpha);
        let stop = Stop(cancellation);
        let config = Ssimulacra2Config::default().with_stop(&stop);
        let reference = Ssimulacra2Reference::new_with_config(&slice(&pixels, &sample, has_alpha)?, &config);
        let reference = reference.map_err(|error| failed(error, cancellation))?;
        drop(pixels);
        let scored = u64::from(sample.width()) * u64::from(sample.height());
        let kept = held.min(scored * HELD_PER_PIXEL[usize::from(has_alpha)]);
        Ok(Self { reference, sample, budget: budget.beside(kept)?, working: held - kept, cancellation })
    }

    /// The picture whose files are scored: the whole one, or the sample.
    pub(super) fn sample(&self) -> &Raster {
        &self.sample
    }

    /// Whether the sample is the whole picture, so that its files are those of the picture.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.sample, Cow::Borrowed(_))
    }

    /// The memory besides this.
    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    /// The score of a file of the sample.
    ///
    /// # Errors
    /// A codec's error for cancellation and for too little memory.
    pub(super) fn score(&self, file: &[u8]) -> Result<f64, Error> {
        let budget = Budget { pixels: u64::MAX, ..self.budget.beside(self.working)? };
        let image = codec::open(file, budget, self.cancellation)?;
        let options = DecodeOptions::new(image.area(), budget, self.cancellation);
        let decoded = image.decode(&options)?.raster;
        self.cancellation.check()?;
        self.compare(&decoded)
    }

    fn compare(&self, decoded: &Raster) -> Result<f64, Error> {
        let has_alpha = self.sample.channels().has_alpha();
        let pixels = pixels_of(decoded, has_alpha);
        let stop = Stop(self.cancellation);
        let config = Ssimulacra2Config::default().with_stop(&stop);
        let score = self.reference.compare_with_config(&slice(&pixels, decoded, has_alpha)?, &config);
        score.map_err(|error| failed(error, self.cancellation))
    }
}

fn failed(error: Ssimulacra2Error, cancellation: &Cancellation) -> Error {
    match cancellation.check() {
        Err(cancelled) => cancelled.into(),
        Ok(()) => codec::Error::Unsupported(format!("the picture cannot be scored: {error}")).into(),
    }
}

/// The pixels as RGB, or RGBA.
fn pixels_of(raster: &Raster, has_alpha: bool) -> Cow<'_, [u8]> {
    let samples = raster.samples().as_bytes();
    match (raster.channels(), has_alpha) {
        (Channels::Rgb, false) | (Channels::Rgba, true) => Cow::Borrowed(samples),
        (Channels::L, false) => samples.iter().flat_map(|l| [*l; 3]).collect(),
        (Channels::L, true) => samples.iter().flat_map(|l| [*l, *l, *l, u8::MAX]).collect(),
        (Channels::La, false) => samples.as_chunks().0.iter().flat_map(|&[l, _]| [l; 3]).collect(),
        (Channels::La, true) => samples.as_chunks().0.iter().flat_map(|&[l, a]| [l, l, l, a]).collect(),
        (Channels::Rgb, true) => samples.as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, u8::MAX]).collect(),
        (_, false) => samples.as_chunks().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect(),
        (Channels::Cmyk, true) => Cow::Borrowed(samples),
    }
}

fn slice<'p>(pixels: &'p [u8], raster: &Raster, has_alpha: bool) -> Result<PixelSlice<'p>, Error> {
    let (descriptor, bytes) =
        if has_alpha { (PixelDescriptor::RGBA8_SRGB, 4) } else { (PixelDescriptor::RGB8_SRGB, 3) };
    let row = raster.width() as usize * bytes;
    PixelSlice::new(pixels, raster.width(), raster.height(), row, descriptor)
        .map_err(|_| codec::Error::Internal("a raster is not as long as its size says").into())
}

/// Tiles from all over a picture, `row` in each of `row` rows; `None` if it has too few. Their places follow the additive
/// recurrence R2 (extremelearning.com.au, "The unreasonable effectiveness of quasirandom sequences"), which spreads any
/// number of points evenly.
fn mosaic(raster: &Raster, row: usize) -> Option<Raster> {
    const STEPS: [f64; 2] = [0.754_877_666_246_693, 0.569_840_290_998_053_3];
    /// The most points that are tried for places that are free.
    const MOST: usize = 10_000;
    let (width, channels) = (raster.width() as usize, raster.channels().count());
    let places = [width / TILE, raster.height() as usize / TILE];
    let wanted = row * row;
    if places[0] * places[1] < wanted {
        return None;
    }
    let mut tiles: Vec<[usize; 2]> = Vec::with_capacity(wanted);
    for point in 0..MOST {
        let place = [0, 1].map(|axis| {
            let share = (0.5 + STEPS[axis] * point as f64).fract();
            (share * places[axis] as f64) as usize
        });
        if !tiles.contains(&place) {
            tiles.push(place);
        }
        if tiles.len() == wanted {
            break;
        }
    }
    if tiles.len() < wanted {
        return None;
    }
    // Neighbours stay neighbours, as far as it goes.
    tiles.sort_unstable_by_key(|[x, y]| [*y, *x]);
    let samples = raster.samples().as_bytes();
    let mut mosaic = Vec::with_capacity(wanted * TILE * TILE * channels);
    for y in 0..row * TILE {
        for [left, top] in &tiles[y / TILE * row..][..row] {
            let start = ((top * TILE + y % TILE) * width + left * TILE) * channels;
            mosaic.extend_from_slice(&samples[start..start + TILE * channels]);
        }
    }
    let side = (row * TILE) as u32;
    Raster::new(side, side, raster.channels(), Samples::U8(mosaic))
}

/// The middle of a picture that is too narrow for tiles, with at most this number of pixels; `None` if it has no more.
fn middle(raster: &Raster, most: usize) -> Option<Raster> {
    let size @ [width, height] = [raster.width() as usize, raster.height() as usize];
    if width * height <= most {
        return None;
    }
    let short = width.min(height);
    let (cut, channels) = ((most / short).max(1), raster.channels().count());
    let [across, down] = size.map(|side| if side == short { side } else { cut.min(side) });
    let (left, top) = ((width - across) / 2, (height - down) / 2);
    let rows = raster.samples().as_bytes().chunks_exact(width * channels).skip(top).take(down);
    let samples = rows.flat_map(|row| &row[left * channels..][..across * channels]).copied().collect();
    Raster::new(across as u32, down as u32, raster.channels(), Samples::U8(samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::{EncodeOptions, Format};

    fn raster(width: u32, height: u32, channels: Channels) -> Raster {
        let count = (width * height) as usize * channels.count();
        let samples = (0..count).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        Raster::new(width, height, channels, Samples::U8(samples)).unwrap()
    }

    #[test]
    fn exact_files_score_100_and_lossy_ones_less() {
        let cancellation = Cancellation::unbounded();
        for channels in [Channels::L, Channels::La, Channels::Rgb, Channels::Rgba] {
            for size in [1, 7, 64] {
                let picture = raster(size, size, channels);
                let scorer = Scorer::new(&picture, Budget::UNLIMITED, &cancellation).unwrap();
                assert!(scorer.is_whole());
                let score = |format: Format| {
                    let encoder = codec::encoder(format).unwrap();
                    let options = EncodeOptions { quality: 30, ..EncodeOptions::DEFAULT };
                    let file = encoder.encode(&picture, &options, Budget::UNLIMITED, &cancellation).unwrap();
                    scorer.score(&file).unwrap()
                };
                assert!(score(Format::Png) > 99.9, "{channels:?} {size}");
                assert!(size < 64 || score(Format::Avif) < 95.0, "{channels:?} {size}");
            }
        }
    }

    #[test]
    fn large_pictures_and_little_memory_lead_to_samples() {
        let cancellation = Cancellation::unbounded();
        let picture = raster(1024, 800, Channels::Rgb);
        for (megabytes, side) in [(1000, Some(512)), (30, Some(256)), (5, Some(128)), (1, None)] {
            let budget = Budget { memory: megabytes << 20, ..Budget::UNLIMITED };
            let scorer = Scorer::new(&picture, budget, &cancellation);
            let found = scorer.as_ref().ok().map(|scorer| (scorer.sample().width(), scorer.is_whole()));
            assert_eq!(found, side.map(|side| (side, false)), "{megabytes}");
        }
        for (width, height, sample) in [(1_000_000, 1, (262_144, 1)), (2, 400_000, (2, 131_072)), (60, 60, (60, 60))] {
            let narrow = raster(width, height, Channels::L);
            let scorer = Scorer::new(&narrow, Budget::UNLIMITED, &cancellation).unwrap();
            assert_eq!((scorer.sample().width(), scorer.sample().height()), sample);
        }
        cancellation.cancel();
        assert!(Scorer::new(&picture, Budget::UNLIMITED, &cancellation).is_err());
    }
}
