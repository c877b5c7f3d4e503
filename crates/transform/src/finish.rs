//! The last step for every picture: its file in the highest quality that fits, with its metadata.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::{Error, Rendered, Stages, quality};
use image_origin_codec::{Budget, EncodeOptions, Format};
use image_origin_metadata::{self as metadata, Carried};
use image_origin_query::Quality;

/// The maximum number of files that are encoded in the search for the quality of an animation, each of all frames or of
/// as many as fit.
pub(super) const ATTEMPTS_OF_ANIMATIONS: u32 = 4;

/// The fraction (1/n) of the limit by which the result of a bounded search may be shorter than the limit.
const NEAR: u64 = 16;

/// The same from the attempt [`FEW`] on, when as many passes have been spent on it.
const FAIRLY_NEAR: u64 = 5;
const FEW: u32 = 3;

/// The initial estimate of the growth of the logarithm of the file length per quality step.
const GROWTH: f64 = 0.03;

/// The least growth that two lengths are believed to show.
const LEAST_GROWTH: f64 = 0.002;

/// By how much less than the limit, in logarithms, an extrapolation from two lengths aims for.
const MARGIN: f64 = 0.1;

/// The number of attempts that extrapolate from earlier lengths; later ones bisect, so that the search terminates.
const GUESSES: u32 = 4;

/// The encoding request: options and length limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct EncodeRequest {
    /// The options; their quality is the highest for the format: see [`EncodeRequest::in_format`].
    pub(super) options: EncodeOptions,
    /// The requested quality.
    pub(super) quality: Quality,
    /// The maximum length of the file in bytes, including its metadata.
    pub(super) max_bytes: Option<u32>,
}

impl EncodeRequest {
    /// This request with the quality that a file of this format has.
    pub(super) fn in_format(self, format: Format) -> Self {
        let options = EncodeOptions { quality: quality::number(self.quality, format), ..self.options };
        Self { options, ..self }
    }
}

/// The outcome of an attempt to encode a file of limited length.
pub(super) enum Attempt<'c> {
    /// The encoded picture, and the metadata to embed.
    Whole(Vec<u8>, Cow<'c, Carried>),
    /// It was aborted because it is too long; the value is its estimated length in bytes.
    GivenUp(u64),
}

/// A finished file, and the quality that it has been encoded with.
pub(super) struct Written {
    pub(super) rendered: Rendered,
    pub(super) quality: u8,
}

/// The last step for every picture: encodes the file in one format at the highest quality that fits, with its metadata.
pub(super) struct Finish {
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
    /// The maximum number of files that are encoded in the search for a quality, at least two. With a maximum, the
    /// quality may be lower than the highest that fits, and the first file that is nearly as long as allowed is
    /// accepted.
    pub(super) attempts: Option<u32>,
}

impl Finish {
    /// Encodes the file at the requested quality, or at the highest below it that satisfies `max_bytes`. `encode`
    /// encodes the whole picture within a budget, and receives the length at which it may abort; `has_quality` is
    /// whether a lower quality yields a smaller file.
    pub(super) fn write<'c>(
        &self,
        request: EncodeRequest,
        has_quality: impl Fn(&EncodeOptions) -> bool,
        budget: Budget,
        encode: impl Fn(&EncodeOptions, u64, Budget) -> Result<Attempt<'c>, Error>,
    ) -> Result<Written, Error> {
        let &Self { format, width, height, attempts } = self;
        let EncodeRequest { options, max_bytes, .. } = request.in_format(format);
        let allowed = max_bytes.map_or(u64::MAX, u64::from);
        let lowest = if max_bytes.is_some() && has_quality(&options) { 1 } else { options.quality };
        let mut search = Search::new(lowest, options.quality, allowed);
        let mut best: Option<(Vec<u8>, u8)> = None;
        let mut smallest = u64::MAX;
        for attempt in 1..=attempts.unwrap_or(u32::MAX) {
            let Some(next) = search.next(attempt) else { break };
            let quality = if Some(attempt) == attempts && best.is_none() { lowest } else { next };
            let rest = budget.beside(best.as_ref().map_or(0, |(best, _)| best.capacity()) as u64)?;
            // The size of the smallest file is reported exactly.
            let give_up = if quality == lowest { u64::MAX } else { allowed };
            let length = match encode(&EncodeOptions { quality, ..options }, give_up, rest)? {
                Attempt::Whole(encoded, mut carried) => {
                    if quality == lowest && carried.has_gain_map() && encoded.len() as u64 + carried.bytes() > allowed {
                        carried = Cow::Owned(carried.without_gain_map());
                    }
                    rest.check_memory(carried.embed_memory(encoded.capacity() as u64))?;
                    let bytes = metadata::embed(encoded, format, &carried, width, height);
                    let length = bytes.len() as u64;
                    if length <= allowed {
                        best = Some((bytes, quality));
                    }
                    length
                }
                Attempt::GivenUp(length) => length.max(allowed.saturating_add(1)),
            };
            let near = if attempt < FEW { NEAR } else { FAIRLY_NEAR };
            if attempts.is_some() && (allowed - allowed / near..=allowed).contains(&length) {
                break;
            }
            smallest = smallest.min(length);
            search.tell(quality, length);
        }
        let (bytes, quality) = best.ok_or(Error::MaxBytes { smallest, allowed })?;
        let rendered = Rendered { bytes, format, width, height, likeness: None, stages: Stages::default() };
        Ok(Written { rendered, quality })
    }
}

/// The search for the highest quality whose file is short enough, starting with the highest.
struct Search {
    /// The range of qualities that are neither known to fit nor known to be too high.
    left: RangeInclusive<u8>,
    /// The logarithm of the allowed length.
    allowed: f64,
    /// The highest quality that fits, and the lowest that does not, with the logarithms of their lengths.
    fits: Option<(f64, f64)>,
    exceeds: Option<(f64, f64)>,
    /// The quality that exceeded it before, with the logarithm of its length.
    exceeded: Option<(f64, f64)>,
}

impl Search {
    fn new(lowest: u8, highest: u8, allowed: u64) -> Self {
        Self { left: lowest..=highest, allowed: (allowed as f64).ln(), fits: None, exceeds: None, exceeded: None }
    }

    /// The quality for an attempt, where the first attempt is 1.
    fn next(&self, attempt: u32) -> Option<u8> {
        let (low, high) = (*self.left.start(), *self.left.end());
        if low > high {
            return None;
        }
        let Some((quality, length)) = self.exceeds else { return Some(high) };
        if attempt > GUESSES {
            return Some(low.midpoint(high));
        }
        let guess = match self.fits {
            Some((fitting, short)) => {
                fitting + (quality - fitting) * (self.allowed - short) / (length - short).max(f64::EPSILON)
            }
            None => match self.exceeded {
                // Two lengths tell how fast they shrink. Below them they shrink faster, but lengths may be estimates.
                Some((higher, longer)) => {
                    let growth = ((longer - length) / (higher - quality)).max(LEAST_GROWTH);
                    quality - (length - self.allowed + MARGIN) / growth
                }
                None => quality - (length - self.allowed) / GROWTH,
            },
        };
        Some((guess as u8).clamp(low, high))
    }

    fn tell(&mut self, quality: u8, length: u64) {
        let told = (f64::from(quality), (length as f64).ln());
        let (low, high) = (*self.left.start(), *self.left.end());
        if told.1 <= self.allowed {
            self.fits = Some(told);
            self.left = quality.saturating_add(1)..=high;
        } else {
            self.exceeded = self.exceeds.replace(told);
            self.left = low..=quality.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use image_origin_codec::{self as codec, Cancellation, Channels, Raster, Samples};

    fn request(quality: u8, max_bytes: Option<u32>) -> EncodeRequest {
        EncodeRequest { options: EncodeOptions::DEFAULT, quality: Quality::Number(quality), max_bytes }
    }

    fn finish(format: Format, attempts: Option<u32>) -> Finish {
        Finish { format, width: 64, height: 64, attempts }
    }

    #[test]
    fn max_bytes_takes_the_highest_quality_that_fits() {
        let noise: Vec<u8> = (0..64 * 64 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let photo = Raster::new(64, 64, Channels::Rgb, Samples::U8(noise)).unwrap();
        let jpeg = codec::encoder(Format::Jpeg).unwrap();
        let cancellation = Cancellation::unbounded();
        let at = |quality, max_bytes| {
            let encode = |options: &EncodeOptions, _, budget| {
                Ok(Attempt::Whole(jpeg.encode(&photo, options, budget, &cancellation)?, Cow::default()))
            };
            let finish = finish(Format::Jpeg, None);
            finish
                .write(request(quality, max_bytes), |_| true, Budget::UNLIMITED, encode)
                .map(|made| made.rendered.bytes)
        };
        let size_at_40 = at(40, None).unwrap().len() as u32;
        assert_eq!(at(90, Some(size_at_40)).unwrap(), at(40, None).unwrap());
        assert_eq!(at(40, Some(u32::MAX)).unwrap(), at(40, None).unwrap());
        assert!(matches!(at(80, Some(10)), Err(Error::MaxBytes { allowed: 10, smallest: 100.. })));
        let png = codec::encoder(Format::Png).unwrap();
        let encode = |options: &EncodeOptions, _, budget| {
            Ok(Attempt::Whole(png.encode(&photo, options, budget, &cancellation)?, Cow::default()))
        };
        let encoded = finish(Format::Png, None).write(request(80, Some(10)), |_| false, Budget::UNLIMITED, encode);
        assert!(matches!(encoded, Err(Error::MaxBytes { .. })));
    }

    #[test]
    fn the_search_for_a_quality_is_short() {
        // Files whose length doubles every so many qualities, plus a constant part.
        for (doubles, fixed) in [(10.0, 0), (20.0, 500), (25.0, 0), (60.0, 50_000), (81.0, 0)] {
            let length = |quality: u8| fixed + (1000.0 * (f64::from(quality) / doubles).exp2()) as usize;
            for wanted in 1..=80 {
                let request = request(80, Some(length(wanted) as u32));
                let made = Cell::new(0);
                let make = |options: &EncodeOptions| {
                    made.set(made.get() + 1);
                    vec![0; length(options.quality)]
                };
                let exact = |options: &EncodeOptions, _, _| Ok(Attempt::Whole(make(options), Cow::default()));
                let written = finish(Format::Qoi, None).write(request, |_| true, Budget::UNLIMITED, exact);
                let bytes = written.unwrap().rendered.bytes;
                assert_eq!((bytes.len(), made.take() <= 11), (length(wanted), true), "{doubles} {fixed} {wanted}");
                // Aborted immediately, with an estimated length that is a fifth too long.
                let short = |options: &EncodeOptions, give_up: u64, _| {
                    let bytes = make(options);
                    let length = bytes.len() as u64;
                    Ok(if length > give_up {
                        Attempt::GivenUp(length * 6 / 5)
                    } else {
                        Attempt::Whole(bytes, Cow::default())
                    })
                };
                let written = finish(Format::Qoi, Some(4)).write(request, |_| true, Budget::UNLIMITED, short);
                let bytes = written.unwrap().rendered.bytes;
                assert!(made.take() <= 4 && bytes.len() <= length(wanted), "{doubles} {fixed} {wanted}");
                let near = length(wanted) - length(wanted) / FAIRLY_NEAR as usize;
                assert!(bytes.len() >= length(wanted.saturating_sub(5).max(1)).min(near), "{doubles} {fixed} {wanted}");
            }
        }
    }
}
