//! `q=auto:N`: the file that reaches a likeness, in as few bytes as possible and with few files encoded.
//!
//! The quality of the first file is that of other pictures: encoders tell drawings and sharp chroma from photographs, so that
//! a quality means about the same in all of them. Its score then tells how much harder or easier this picture is, and the
//! next qualities follow from the scores before. What is scored is the picture, or a sample of it ([`Scorer`]). Drawings may
//! become lossless instead, or a PNG with a palette, if that is smaller.

use super::Error;
use super::likeness::{Likeness, Setting};
use super::scorer::Scorer;
use image_origin_codec::{self as codec, Budget, Cancellation, EncodeOptions, Encoder, Format, PaletteOptions, Raster};

/// The result of a search.
pub(super) struct Found {
    /// The options with which the picture is encoded.
    pub(super) options: EncodeOptions,
    pub(super) likeness: Likeness,
    /// The file, unless only a sample of the picture has been encoded.
    pub(super) file: Option<Vec<u8>>,
}

/// How far from the target a score may be.
const NEAR: f64 = 1.4;

/// The maximum number of files of a search. Those of AVIF take longest.
const ATTEMPTS: usize = 5;
const ATTEMPTS_OF_AVIF: usize = 4;

/// The highest quality at which JPEG and AVIF usually subsample chroma, and the maximum number of files with full chroma.
const SUBSAMPLED_UP_TO: u8 = 90;
const ATTEMPTS_OF_CHROMA: usize = 2;

/// How many times as long a lossless file may be as a lossy one that is not similar enough.
const TIMES_AS_LONG: u64 = 3;

/// A lossless file is preferred if this share of its length is no more than that of a lossy one.
const SHARE_OF_EXACT: (u64, u64) = (9, 10);

/// The score of files that are taken for lossless.
const EXACT: f64 = 99.95;

/// The most colours of a palette, as a power of two.
const MOST_BITS: u32 = 8;

/// A file of a search.
struct Tried {
    options: EncodeOptions,
    score: f64,
    file: Vec<u8>,
}

/// A search for one picture in one format.
pub(super) struct Search<'a> {
    encoder: &'static dyn Encoder,
    options: EncodeOptions,
    target: f64,
    scorer: Scorer<'a>,
    cancellation: &'a Cancellation,
}

impl<'a> Search<'a> {
    /// Prepares a search. `budget` is for memory besides the picture.
    ///
    /// # Errors
    /// Those of [`Scorer::new`].
    pub(super) fn new(
        raster: &'a Raster,
        encoder: &'static dyn Encoder,
        options: EncodeOptions,
        target: u8,
        budget: Budget,
        cancellation: &'a Cancellation,
    ) -> Result<Self, Error> {
        let scorer = Scorer::new(raster, budget, cancellation)?;
        Ok(Self { encoder, options, target: target.into(), scorer, cancellation })
    }

    /// Whether files of this format can have a likeness that is searched.
    pub(super) fn applies(raster: &Raster, encoder: &dyn Encoder, options: &EncodeOptions) -> bool {
        encoder.has_quality(options) || encoder.format() == Format::Png && options.palette.is_none() && is_drawn(raster)
    }

    /// Searches the file. `None` if a PNG with a palette is not smaller, or not similar enough.
    ///
    /// # Errors
    /// Any error of encoding and decoding.
    pub(super) fn run(&self) -> Result<Option<Found>, Error> {
        if self.encoder.has_quality(&self.options) { self.quality().map(Some) } else { self.colors() }
    }

    /// The likeness of a file with other options.
    ///
    /// # Errors
    /// Any error of encoding and decoding.
    pub(super) fn likeness(&self, options: &EncodeOptions) -> Result<Likeness, Error> {
        let file = self.encode(options, 0)?;
        Ok(Likeness::new(Setting::Quality(options.quality), self.scorer.score(&file)?))
    }

    fn encode(&self, options: &EncodeOptions, held: u64) -> Result<Vec<u8>, Error> {
        let budget = self.scorer.budget().beside(held)?;
        Ok(self.encoder.encode(self.scorer.sample(), options, budget, self.cancellation)?)
    }

    fn found(&self, options: EncodeOptions, setting: Setting, score: f64, file: Vec<u8>) -> Found {
        let file = self.scorer.is_whole().then_some(file);
        // WebP's encoder may prefer a lossless file.
        let setting = if score >= EXACT { Setting::Lossless } else { setting };
        Found { options, likeness: Likeness::new(setting, score), file }
    }

    fn quality(&self) -> Result<Found, Error> {
        let format = self.encoder.format();
        let mut tried = Vec::new();
        let mut best = None;
        let attempts = if format == Format::Avif { ATTEMPTS_OF_AVIF } else { ATTEMPTS };
        self.try_qualities(self.options, attempts, &mut tried, &mut best)?;
        // Chroma at full resolution may be what is needed, without the rest of the quality at which it usually starts.
        let is_reached = |best: &Option<Tried>| best.as_ref().is_some_and(|best| best.score <= self.target + NEAR);
        if !is_reached(&best) && tried.iter().any(|(quality, _)| *quality <= SUBSAMPLED_UP_TO) {
            tried.retain(|(quality, _)| *quality > SUBSAMPLED_UP_TO);
            if !tried.is_empty() {
                let full = EncodeOptions { full_chroma: true, ..self.options };
                self.try_qualities(full, ATTEMPTS_OF_CHROMA, &mut tried, &mut best)?;
            }
        }
        let Tried { options, score, file } = best.ok_or(codec::Error::Internal("a search without an attempt"))?;
        let is_similar = score >= self.target - NEAR;
        if format == Format::WebP && (is_drawn(self.scorer.sample()) || !is_similar) {
            let lossless = EncodeOptions { lossless: true, ..self.options };
            let exact = self.encode(&lossless, file.capacity() as u64)?;
            let (length, other) = (exact.len() as u64, file.len() as u64);
            let is_shorter = length * SHARE_OF_EXACT.0 <= other * SHARE_OF_EXACT.1;
            if is_shorter || !is_similar && length <= other * TIMES_AS_LONG {
                return Ok(self.found(lossless, Setting::Lossless, 100.0, exact));
            }
        }
        Ok(self.found(options, Setting::Quality(options.quality), score, file))
    }

    /// Tries qualities until one is near enough to the target. `tried` are qualities with their scores.
    fn try_qualities(
        &self,
        options: EncodeOptions,
        attempts: usize,
        tried: &mut Vec<(u8, f64)>,
        best: &mut Option<Tried>,
    ) -> Result<(), Error> {
        let curve = Curve::of(self.encoder.format());
        for _ in 0..attempts {
            let Some(quality) = curve.next(tried, self.target) else { break };
            let options = EncodeOptions { quality, ..options };
            let file = self.encode(&options, best.as_ref().map_or(0, |best| best.file.capacity() as u64))?;
            let score = self.scorer.score(&file)?;
            tried.push((quality, score));
            if best.as_ref().is_none_or(|best| self.is_better((quality, score), (best.options.quality, best.score))) {
                *best = Some(Tried { options, score, file });
            }
            // A lossless file that WebP's encoder has preferred is as short as a lossy one.
            if (score - self.target).abs() <= NEAR || score >= EXACT {
                break;
            }
        }
        Ok(())
    }

    /// Whether a quality with its score is better than another: one that reaches the target before one that does not, and
    /// of those that do the lower one.
    fn is_better(&self, (quality, score): (u8, f64), (other, reached): (u8, f64)) -> bool {
        match (score >= self.target - NEAR, reached >= self.target - NEAR) {
            (true, true) => quality < other,
            (false, false) => score > reached,
            (reaches, _) => reaches,
        }
    }

    /// The smallest palette that reaches the target, by bisection, if the file is smaller than the exact one.
    fn colors(&self) -> Result<Option<Found>, Error> {
        let (mut low, mut high) = (1, MOST_BITS);
        let mut best: Option<(EncodeOptions, Setting, f64, Vec<u8>)> = None;
        let mut bits = MOST_BITS;
        while low <= high {
            let palette = PaletteOptions { colors: 1 << bits, ..PaletteOptions::DEFAULT };
            let options = EncodeOptions { palette: Some(palette), ..self.options };
            let held = best.as_ref().map_or(0, |(_, _, _, file)| file.capacity() as u64);
            let file = self.encode(&options, held)?;
            let score = self.scorer.score(&file)?;
            if score >= self.target - NEAR {
                best = Some((options, Setting::Colors(palette.colors), score, file));
                high = bits - 1;
            } else {
                low = bits + 1;
            }
            bits = low.midpoint(high);
        }
        let Some((options, setting, score, file)) = best else { return Ok(None) };
        let exact = self.encode(&self.options, file.capacity() as u64)?;
        Ok((file.len() < exact.len()).then(|| self.found(options, setting, score, file)))
    }
}

fn is_drawn(raster: &Raster) -> bool {
    codec::repetition(raster).is_drawn()
}

/// Qualities for which typical scores are known.
const QUALITIES: [f64; 7] = [30.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0];

/// The logarithm of what is missing to a score of 100 at each of [`QUALITIES`], as the mean over 75 pictures at 200, 400 and
/// 1000 pixels. Cheap features such as the mean step between neighbours, the share of repeated pixels and the energy of
/// chroma edges predict hardly any of the differences between pictures.
const OF_JPEG: [f64; 7] = [3.810, 3.546, 3.434, 3.279, 3.051, 2.658, 2.112];
const OF_WEBP: [f64; 7] = [3.665, 3.404, 3.302, 3.184, 2.948, 2.557, 1.979];
const OF_AVIF: [f64; 7] = [3.809, 3.557, 3.457, 3.321, 3.105, 2.756, 2.072];

/// The expected scores by quality.
struct Curve {
    /// The logarithms of what is missing to 100, which fall with the quality.
    missing: [f64; 7],
}

/// The longest step that is based on typical scores alone.
const LONGEST_STEP: f64 = 25.0;

/// The logarithm of what is missing to a score of 100, which is more or less linear in the quality.
fn missing(score: f64) -> f64 {
    (100.0 - score).max(0.5).ln()
}

impl Curve {
    fn of(format: Format) -> Self {
        let missing = match format {
            Format::WebP => OF_WEBP,
            Format::Avif => OF_AVIF,
            _ => OF_JPEG,
        };
        Self { missing }
    }

    /// What is missing typically at a quality.
    fn at(&self, quality: f64) -> f64 {
        let above = QUALITIES.partition_point(|known| *known < quality).clamp(1, QUALITIES.len() - 1);
        let share = (quality - QUALITIES[above - 1]) / (QUALITIES[above] - QUALITIES[above - 1]);
        self.missing[above - 1] + (self.missing[above] - self.missing[above - 1]) * share
    }

    /// The quality at which so much is missing typically.
    fn quality(&self, missing: f64) -> f64 {
        let above = self.missing.partition_point(|known| *known > missing).clamp(1, QUALITIES.len() - 1);
        let share = (missing - self.missing[above - 1]) / (self.missing[above] - self.missing[above - 1]);
        QUALITIES[above - 1] + (QUALITIES[above] - QUALITIES[above - 1]) * share
    }

    /// The quality to try next, given those before with their scores; `None` if there is none that could be better.
    fn next(&self, tried: &[(u8, f64)], target: f64) -> Option<u8> {
        let wanted = missing(target);
        let below = tried.iter().filter(|(_, score)| *score < target).max_by_key(|(quality, _)| *quality);
        let above = tried.iter().filter(|(_, score)| *score >= target).min_by_key(|(quality, _)| *quality);
        let (low, high) = (below.map_or(1, |(quality, _)| quality + 1), above.map_or(100, |(quality, _)| quality - 1));
        if low > high {
            return None;
        }
        let guess = match (below, above) {
            (None, None) => self.quality(wanted),
            (Some((one, score)), Some((other, reached))) => {
                let (from, to) = (missing(*score), missing(*reached));
                f64::from(*one) + f64::from(other - one) * (wanted - from) / (to - from).min(-f64::EPSILON)
            }
            (Some(&nearest), None) | (None, Some(&nearest)) => {
                let quality = f64::from(nearest.0);
                let typical = self.quality(self.at(quality) + wanted - missing(nearest.1)) - quality;
                let typical = typical.clamp(-LONGEST_STEP, LONGEST_STEP);
                // Where a step has made less of a difference than expected, the next one is longer.
                let before = tried
                    .iter()
                    .filter(|(other, _)| *other != nearest.0)
                    .min_by_key(|(other, _)| other.abs_diff(nearest.0));
                let ratio = before.map_or(1.0, |(other, score)| {
                    let expected = self.at(quality) - self.at((*other).into());
                    (expected / (missing(nearest.1) - missing(*score))).clamp(0.5, 3.0)
                });
                quality + typical * if ratio.is_finite() { ratio } else { 1.0 }
            }
        };
        Some((guess.round().clamp(1.0, 100.0) as u8).clamp(low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::{Channels, Samples};

    #[test]
    fn a_few_attempts_reach_the_target() {
        // What is missing is more or less than usual by a factor, and shrinks faster or more slowly.
        for format in [Format::Jpeg, Format::WebP, Format::Avif] {
            for (factor, power) in [(1.0, 1.0), (0.4, 1.0), (2.2, 1.0), (1.3, 0.7), (0.8, 1.4), (2.0, 1.3)] {
                for target in [50.0, 70.0, 80.0, 90.0] {
                    let curve = Curve::of(format);
                    let score = |quality: u8| {
                        let share = (curve.at(quality.into()) - curve.at(70.0)) * power + curve.at(70.0);
                        100.0 - share.exp() * factor
                    };
                    if score(97) < target || score(3) > target {
                        continue;
                    }
                    let mut tried = Vec::new();
                    while tried.len() < ATTEMPTS_OF_AVIF {
                        let Some(quality) = curve.next(&tried, target) else { break };
                        tried.push((quality, score(quality)));
                        if (score(quality) - target).abs() <= NEAR {
                            break;
                        }
                    }
                    let nearest = tried.iter().map(|(_, score)| (score - target).abs()).fold(f64::MAX, f64::min);
                    assert!(nearest <= 1.5, "{format} {factor} {power} {target}: {tried:?}");
                }
            }
        }
    }

    #[test]
    fn no_quality_is_tried_twice() {
        let curve = Curve::of(Format::Jpeg);
        for (tried, target, expected) in [
            (&[(80u8, 79.0), (81, 82.0)] as &[(u8, f64)], 80.0, None),
            (&[(80, 82.0), (81, 79.0)], 80.0, None),
            (&[(100, 60.0)], 80.0, None),
            (&[(1, 90.0)], 80.0, None),
            (&[(80, 70.0), (90, 90.0)], 80.0, Some(84)),
            (&[(60, f64::NEG_INFINITY)], 80.0, Some(85)),
            (&[(80, 94.0)], 80.0, Some(55)),
        ] {
            assert_eq!(curve.next(tried, target), expected, "{tried:?}");
        }
    }

    #[test]
    fn files_are_as_similar_as_was_asked_for() {
        let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 27) as u8;
        let pixel = |i: u32| {
            let (x, y) = (i % 160, i / 160);
            [x + y, 255 - x / 2, x * y / 200].map(|sample| (sample as u8).saturating_add(noise(i)))
        };
        let photo = (0..160 * 120).flat_map(pixel).collect();
        let photo = Raster::new(160, 120, Channels::Rgb, Samples::U8(photo)).unwrap();
        let text = (0..160 * 120u32).flat_map(|i| if noise(i / 7) > 25 { [200, 30, 30] } else { [250; 3] }).collect();
        let text = Raster::new(160, 120, Channels::Rgb, Samples::U8(text)).unwrap();
        let (cancellation, budget) = (Cancellation::unbounded(), Budget::UNLIMITED);
        for (raster, formats) in [
            (&photo, &[Format::Jpeg, Format::WebP, Format::Avif] as &[Format]),
            (&text, &[Format::Jpeg, Format::WebP, Format::Avif, Format::Png]),
        ] {
            for format in formats {
                for target in [60, 80] {
                    let encoder = codec::encoder(*format).unwrap();
                    let options = EncodeOptions::DEFAULT;
                    assert!(Search::applies(raster, encoder, &options), "{format}");
                    let search = Search::new(raster, encoder, options, target, budget, &cancellation).unwrap();
                    let Some(Found { options, likeness, file }) = search.run().unwrap() else {
                        assert_eq!(*format, Format::Png);
                        continue;
                    };
                    let whole = encoder.encode(raster, &options, budget, &cancellation).unwrap();
                    assert_eq!(file, Some(whole), "{format}");
                    assert!(likeness.tenths >= i32::from(target) * 10 - 15, "{format} {target}: {likeness}");
                    assert_eq!(options.lossless, likeness.setting == Setting::Lossless, "{format}");
                }
            }
        }
        assert!(!Search::applies(&photo, codec::encoder(Format::Png).unwrap(), &EncodeOptions::DEFAULT));
    }
}
