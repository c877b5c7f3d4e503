//! Selection of the output format and quality.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::{Error, Rendered, Stages};
use image_origin_codec::{self as codec, Budget, ColorCount, EncodeOptions, Encoder, Format, Raster};
use image_origin_metadata::{self as metadata, Carried};
use image_origin_query::{FormatChoice, accept};

/// The maximum number of pixels of an AVIF chosen by `format=auto`, which takes a core three to four seconds; larger
/// ones must be requested explicitly.
const MOST_AVIF_PIXELS: u64 = 1 << 24;

/// The default formats for `format=auto`, in order of preference.
pub const AUTO_FORMATS: [Format; 2] = [Format::Avif, Format::WebP];

/// The configured formats that the client's `Accept` header allows, in order of preference: `format=auto` chooses the
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Accepted {
    formats: [Option<Format>; AUTO_FORMATS.len()],
}

impl Accepted {
    /// Parses an `Accept` header (RFC 9110, 12.5.1), given the configured formats in order of preference. Of those, the
    /// ones with the highest weight are accepted. Wildcards such as `image/*` and `*/*` are ignored: they are sent even
    /// by programs that do not support the newer formats.
    pub fn from_header(header: &str, formats: &[Format]) -> Self {
        let types: Vec<&str> = formats.iter().map(|format| format.media_type()).collect();
        let preferred = accept::preferred(header, &types);
        let mut best = formats.iter().copied().filter(|format| preferred.contains(&format.media_type()));
        Self { formats: [(); AUTO_FORMATS.len()].map(|()| best.next()) }
    }

    /// The comma-separated names, in order of preference: a text that is part of entity tags.
    pub fn canonical(&self) -> String {
        let names: Vec<_> = self.formats.iter().flatten().map(|format| format.name()).collect();
        names.join(",")
    }

    /// The most preferred format that supports animations.
    fn best_animated(&self) -> Option<Format> {
        let holds = |format: &Format| codec::encoder(*format).is_some_and(Encoder::has_animation);
        self.formats.iter().flatten().copied().find(holds)
    }

    /// The formats that can encode a picture of this size as requested.
    fn formats(&self, lossless: bool, (width, height): (u32, u32)) -> impl Iterator<Item = Format> {
        // Losslessly encoded drawings are several times as large in AVIF as in WebP.
        let is_for_avif = !lossless && u64::from(width) * u64::from(height) <= MOST_AVIF_PIXELS;
        self.formats.into_iter().flatten().filter(move |format| *format != Format::Avif || is_for_avif)
    }

    fn accepts(&self, format: Format) -> bool {
        self.formats.contains(&Some(format))
    }
}

/// An encoder that `format=auto` may choose, and how it would encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate<E> {
    pub(super) encoder: E,
    format: Format,
    /// Whether it encodes losslessly.
    is_exact: bool,
    /// Whether every viewer supports the format.
    is_universal: bool,
}

/// The candidates in the order in which they are tried. One means that nothing is to be compared.
#[derive(Debug, Clone)]
pub(super) struct Candidates<E> {
    pub(super) ways: Vec<Candidate<E>>,
    /// The number of pixels.
    pixels: u64,
    /// Whether all lossy formats are tried: the picture is drawn, or so small that it takes no time.
    compares_all: bool,
}

/// The factors that determine the output format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// The requested format, if any.
    pub(super) asked: Option<FormatChoice>,
    /// Whether to encode losslessly.
    pub(super) lossless: bool,
    /// The formats that `format=auto` may choose.
    pub(super) accepted: Accepted,
    /// The format of the original.
    pub(super) source: Format,
    /// Width and height of the output in pixels.
    pub(super) size: (u32, u32),
}

impl Choice {
    /// The encoder for the requested format, or candidates that suit the picture. `budget` is for memory besides the
    /// raster.
    pub(super) fn for_raster(
        &self,
        raster: &Raster,
        budget: Budget,
    ) -> Result<Candidates<&'static dyn Encoder>, Error> {
        if let Some(format) = self.settled() {
            let encoder = encoder(format)?;
            let is_exact = self.lossless || format == Format::Png;
            return Ok(self.candidates(vec![Candidate { encoder, format, is_exact, is_universal: true }], false));
        }
        let newer = if self.asked.is_some() { self.accepted } else { Accepted::default() };
        let is_drawn = self.lossless || codec::repetition(raster).is_drawn();
        let compares_all = is_drawn || self.is_small();
        let old = suitable(raster, self.lossless, is_drawn, budget)?.iter().map(|format| (*format, true));
        let exact = compares_all.then_some((Format::WebP, true)).filter(|_| newer.accepts(Format::WebP));
        let lossy = newer.formats(self.lossless, self.size).map(|format| (format, false));
        let mut ways = Vec::new();
        for (format, is_universal) in old {
            let is_exact = format == Format::Png;
            ways.push(Candidate { encoder: encoder(format)?, format, is_exact, is_universal });
        }
        for (format, is_exact) in exact.into_iter().chain(lossy.filter(|_| !self.lossless)) {
            ways.push(Candidate { encoder: encoder(format)?, format, is_exact, is_universal: false });
        }
        ways.retain(|way| self.fits(way.encoder));
        if ways.is_empty() {
            // PNG supports the longest sides of all formats.
            let format = Format::Png;
            ways.push(Candidate { encoder: encoder(format)?, format, is_exact: true, is_universal: true });
        }
        Ok(self.candidates(ways, compares_all))
    }

    /// The candidates if the choice does not depend on the pixels, else none. An original in JPEG is a photograph, and
    /// may stay a JPEG.
    pub(super) fn unseen(&self) -> Candidates<&'static dyn Encoder> {
        let formats: Vec<_> = match self.settled() {
            Some(format) => vec![format],
            None if self.source == Format::Jpeg && !self.lossless => {
                std::iter::once(Format::Jpeg).chain(self.accepted.formats(false, self.size)).collect()
            }
            None => Vec::new(),
        };
        let way = |format| {
            let encoder = codec::encoder(format)?;
            let is_universal = format == Format::Jpeg;
            Some(Candidate { encoder, format, is_exact: self.lossless, is_universal })
        };
        let is_settled = self.settled().is_some();
        let ways = formats.into_iter().filter_map(way).filter(|way| is_settled || self.fits(way.encoder));
        self.candidates(ways.collect(), self.is_small())
    }

    fn candidates<E>(&self, ways: Vec<Candidate<E>>, compares_all: bool) -> Candidates<E> {
        Candidates { ways, pixels: u64::from(self.size.0) * u64::from(self.size.1), compares_all }
    }

    fn is_small(&self) -> bool {
        u64::from(self.size.0) * u64::from(self.size.1) <= SMALL
    }

    /// The candidate encoders that keep an animation, if the requested format supports them. With `format=auto`, the
    /// smaller file is chosen; GIF loses colours.
    pub(super) fn for_animation(&self) -> Vec<&'static dyn Encoder> {
        let formats = match self.asked {
            Some(FormatChoice::WebP) => [Some(Format::WebP), None],
            Some(FormatChoice::Gif) => [Some(Format::Gif), None],
            Some(FormatChoice::Auto) => match self.accepted.best_animated() {
                Some(newer) if self.lossless => [Some(newer), None],
                newer => [newer, Some(Format::Gif)],
            },
            Some(_) => [None; 2],
            None => [Some(self.source), None],
        };
        let encoders = formats.into_iter().flatten().filter_map(codec::encoder);
        let is_settled = self.asked != Some(FormatChoice::Auto);
        encoders.filter(|encoder| encoder.has_animation() && (is_settled || self.fits(*encoder))).collect()
    }

    /// Whether the encoder supports this size.
    fn fits(&self, encoder: &dyn Encoder) -> bool {
        self.size.0.max(self.size.1) <= encoder.max_side()
    }

    /// The format, if it does not depend on the picture.
    fn settled(&self) -> Option<Format> {
        match self.asked {
            Some(FormatChoice::Avif) => Some(Format::Avif),
            Some(FormatChoice::Jpeg) => Some(Format::Jpeg),
            Some(FormatChoice::Png) => Some(Format::Png),
            Some(FormatChoice::WebP) => Some(Format::WebP),
            Some(FormatChoice::Gif) => Some(Format::Gif),
            Some(FormatChoice::Auto) => None,
            None => codec::encoder(self.source).is_some().then_some(self.source),
        }
    }
}

fn encoder(format: Format) -> Result<&'static dyn Encoder, Error> {
    codec::encoder(format).ok_or_else(|| codec::Error::Unsupported(format!("{format} is not written here")).into())
}

/// The maximum number of pixels of a picture for which all candidates are tried.
const SMALL: u64 = 128 * 128;

/// A lossless file is preferred if this share of its length is no more than that of a lossy one.
const SHARE_OF_EXACT: (u64, u64) = (9, 10);

/// The share of the length of a JPEG at which another lossy file is taken for the smallest, without trying the next
/// format.
const CLEARLY_SMALLER: (u64, u64) = (3, 4);

/// A lossless file of at most one byte for this number of pixels is chosen without trying lossy formats.
const FEW_PIXELS_A_BYTE: u64 = 64;

/// The share of the length of a JPEG, as a divisor, at which a lossless file is chosen without trying lossy formats.
const SHARE_OF_JPEG: u64 = 4;

impl<E: Copy> Candidates<E> {
    /// The same candidates with other encoders; `None` if one of them has none.
    pub(super) fn map<F>(&self, other: impl Fn(Format, E) -> Option<F>) -> Option<Candidates<F>> {
        let way = |way: &Candidate<E>| {
            let &Candidate { encoder, format, is_exact, is_universal } = way;
            Some(Candidate { encoder: other(format, encoder)?, format, is_exact, is_universal })
        };
        let ways = self.ways.iter().map(way).collect::<Option<_>>()?;
        Some(Candidates { ways, pixels: self.pixels, compares_all: self.compares_all })
    }

    /// Encodes the smallest file. Since all lossy formats have the same likeness at the same quality, only lengths are
    /// compared; a lossless file may be slightly longer than a lossy one. Candidates that cannot win are not tried.
    pub(super) fn smallest(
        &self,
        request: EncodeRequest,
        budget: Budget,
        write: impl Fn(E, EncodeRequest, Budget) -> Result<Rendered, Error>,
    ) -> Result<Rendered, Error> {
        if let [only] = self.ways.as_slice() {
            return write(only.encoder, request, budget);
        }
        let of = |way: &Candidate<E>| EncodeOptions { lossless: way.is_exact, ..request.options };
        let mut best: Option<(Candidate<E>, Rendered)> = None;
        let mut failure = Error::Codec(codec::Error::Unsupported("there is no format to write".to_owned()));
        let mut tried = Vec::with_capacity(self.ways.len());
        for way in &self.ways {
            if !self.can_win(way, &tried) {
                continue;
            }
            // With a limit, the format that needs fewer bytes would use them for quality, so the universal one is
            // compared without it.
            let max_bytes = request.max_bytes.filter(|_| !way.is_universal || way.is_exact);
            let rest = budget.beside(best.as_ref().map_or(0, |(_, best)| best.bytes.capacity() as u64))?;
            match write(way.encoder, EncodeRequest { options: of(way), max_bytes }, rest) {
                Ok(rendered) => {
                    let length = rendered.bytes.len() as u64;
                    tried.push((*way, length));
                    let wins = best.as_ref().is_none_or(|(best, shortest)| {
                        let (own, other) = (way.weight(length), best.weight(shortest.bytes.len() as u64));
                        let replaces = own < other || own == other && best.is_universal;
                        replaces && (way.is_universal || !best.is_universal || length <= shortest.bytes.len() as u64)
                    });
                    if wins {
                        best = Some((*way, rendered));
                    }
                }
                Err(error @ (Error::MaxBytes { .. } | Error::Codec(codec::Error::TooLarge { .. }))) => {
                    failure = error.or_smaller(failure);
                }
                Err(error) => return Err(error),
            }
        }
        let (way, rendered) = best.ok_or(failure)?;
        if request.max_bytes.is_none_or(|allowed| rendered.bytes.len() as u64 <= allowed.into()) {
            return Ok(rendered);
        }
        drop(rendered);
        write(way.encoder, EncodeRequest { options: of(&way), ..request }, budget)
    }

    /// Whether a candidate may be the smallest, given the candidates that were tried before, with their lengths.
    fn can_win(&self, way: &Candidate<E>, tried: &[(Candidate<E>, u64)]) -> bool {
        if way.is_exact || way.is_universal {
            return true;
        }
        let jpeg = tried.iter().find(|(way, _)| way.is_universal && !way.is_exact).map(|(_, length)| *length);
        let is_beaten = tried.iter().filter(|(way, _)| way.is_exact).any(|(_, length)| {
            length * FEW_PIXELS_A_BYTE <= self.pixels || jpeg.is_some_and(|jpeg| length * SHARE_OF_JPEG <= jpeg)
        });
        if is_beaten {
            return false;
        }
        let newer = tried.iter().find(|(way, _)| !way.is_exact && !way.is_universal);
        newer.is_none_or(|(newer, length)| match jpeg {
            // Where WebP is preferred, AVIF is for pictures of which it makes more bytes than JPEG.
            _ if newer.format == Format::WebP => jpeg.is_some_and(|jpeg| *length > jpeg),
            _ if self.compares_all => true,
            Some(jpeg) => length * CLEARLY_SMALLER.1 > jpeg * CLEARLY_SMALLER.0,
            None => false,
        })
    }
}

impl<E> Candidate<E> {
    /// What lengths are compared by.
    fn weight(&self, length: u64) -> u64 {
        length * if self.is_exact { SHARE_OF_EXACT.0 } else { SHARE_OF_EXACT.1 }
    }
}

impl Error {
    /// The error that tells more about what would fit: the smaller of two files that are too long.
    fn or_smaller(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::MaxBytes { smallest, .. }, Self::MaxBytes { smallest: least, .. }) if least < smallest => other,
            (Self::Codec(_), Self::MaxBytes { .. }) => other,
            _ => self,
        }
    }
}

/// PNG if JPEG would lose what must be kept, or transparency, or if there are few colours; otherwise JPEG. Drawings with
/// many colours, and grey pictures, which may be drawings or photographs, are encoded in both.
fn suitable(raster: &Raster, lossless: bool, is_drawn: bool, budget: Budget) -> Result<&'static [Format], Error> {
    if lossless || raster.channels().has_alpha() {
        return Ok(&[Format::Png]);
    }
    Ok(match codec::color_count(raster, budget)? {
        ColorCount::Few => &[Format::Png],
        ColorCount::Greys => &[Format::Jpeg, Format::Png],
        ColorCount::Many if is_drawn => &[Format::Jpeg, Format::Png],
        ColorCount::Many => &[Format::Jpeg],
    })
}

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
    /// The options, with the highest quality.
    pub(super) options: EncodeOptions,
    /// The maximum length of the file in bytes, including its metadata.
    pub(super) max_bytes: Option<u32>,
}

/// The outcome of an attempt to encode a file of limited length.
pub(super) enum Attempt<'c> {
    /// The encoded picture, and the metadata to embed.
    Whole(Vec<u8>, Cow<'c, Carried>),
    /// It was aborted because it is too long; the value is its estimated length in bytes.
    GivenUp(u64),
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
    ) -> Result<Rendered, Error> {
        let &Self { format, width, height, attempts } = self;
        let EncodeRequest { options, max_bytes } = request;
        let allowed = max_bytes.map_or(u64::MAX, u64::from);
        let lowest = if max_bytes.is_some() && has_quality(&options) { 1 } else { options.quality };
        let mut search = Search::new(lowest, options.quality, allowed);
        let mut best: Option<Vec<u8>> = None;
        let mut smallest = u64::MAX;
        for attempt in 1..=attempts.unwrap_or(u32::MAX) {
            let Some(next) = search.next(attempt) else { break };
            let quality = if Some(attempt) == attempts && best.is_none() { lowest } else { next };
            let rest = budget.beside(best.as_ref().map_or(0, Vec::capacity) as u64)?;
            // The size of the smallest file is reported exactly.
            let give_up = if quality == lowest { u64::MAX } else { allowed };
            let length = match encode(&EncodeOptions { quality, ..options }, give_up, rest)? {
                Attempt::Whole(encoded, carried) => {
                    rest.check_memory(carried.embed_memory(encoded.capacity() as u64))?;
                    let bytes = metadata::embed(encoded, format, &carried, width, height);
                    let length = bytes.len() as u64;
                    if length <= allowed {
                        best = Some(bytes);
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
        let bytes = best.ok_or(Error::MaxBytes { smallest, allowed })?;
        Ok(Rendered { bytes, format, width, height, stages: Stages::default() })
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
    use image_origin_codec::{Cancellation, Channels, Samples};

    fn request(quality: u8, max_bytes: Option<u32>) -> EncodeRequest {
        EncodeRequest { options: EncodeOptions { quality, ..EncodeOptions::DEFAULT }, max_bytes }
    }

    fn finish(format: Format, attempts: Option<u32>) -> Finish {
        Finish { format, width: 64, height: 64, attempts }
    }

    #[test]
    fn accept_is_read_item_by_item() {
        let (avif, webp) = (Some(Format::Avif), Some(Format::WebP));
        let table = [
            ("image/avif,image/webp,*/*;q=0.8", [avif, webp]),
            ("image/webp,image/avif", [avif, webp]),
            ("image/webp,image/avif;q=0.9", [webp, None]),
            ("image/avif;q=0.5;x,image/webp;q=0.2", [avif, None]),
            ("image/*,*/*", [None; 2]),
            ("IMAGE/WEBP ; q=0.1", [webp, None]),
            ("image/avif;q=0.12345,image/webp", [webp, None]),
            ("image/avif;q=1.5,image/webp", [webp, None]),
            ("image/webp;q=0", [None; 2]),
            ("", [None; 2]),
        ];
        for (accept, formats) in table {
            assert_eq!(Accepted::from_header(accept, &AUTO_FORMATS), Accepted { formats }, "{accept}");
        }
        let [first, second] = AUTO_FORMATS;
        let both = "image/avif,image/webp";
        assert_eq!(Accepted::from_header(both, &[second, first]).formats, [webp, avif]);
        assert_eq!(Accepted::from_header(both, &[second]).formats, [webp, None]);
        assert_eq!(Accepted::from_header(both, &[]).formats, [None; 2]);
    }

    #[test]
    fn auto_suits_the_picture_and_the_viewer() {
        let picture = |channels: Channels, different: usize| {
            let samples = (0..32 * 32 * channels.count()).map(|i| (i % different) as u8).collect();
            Raster::new(32, 32, channels, Samples::U8(samples)).unwrap()
        };
        let chosen = |raster: &Raster, accept, lossless| {
            let accepted = Accepted::from_header(accept, &AUTO_FORMATS);
            let size = (raster.width(), raster.height());
            let asked = Some(FormatChoice::Auto);
            let choice = Choice { asked, lossless, accepted, source: Format::Png, size };
            let candidates = choice.for_raster(raster, Budget::UNLIMITED).unwrap();
            candidates.ways.iter().map(|way| (way.format, way.is_exact)).collect::<Vec<_>>()
        };
        let picture_of = |width: u32, height: u32, channels: u32| {
            let noise = (0..width * height * channels).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            Raster::new(width, height, Channels::Rgb, Samples::U8(noise)).unwrap()
        };
        let photo = picture_of(32, 32, 3);
        let both = "image/avif,image/webp";
        let text: Vec<u8> = (0..40 * 32u32).flat_map(|i| [(i / 5 % 7 * 36) as u8, (i / 300) as u8 * 60, 9]).collect();
        let drawn = Raster::new(40, 32, Channels::Rgb, Samples::U8(text)).unwrap();
        let large = picture_of(200, 100, 3);
        let [avif, webp, jpeg] = [Format::Avif, Format::WebP, Format::Jpeg].map(|format| (format, false));
        let [exact, png] = [Format::WebP, Format::Png].map(|format| (format, true));
        for (raster, accept, lossless, expected) in [
            (&large, both, false, &[jpeg, avif, webp] as &[(Format, bool)]),
            (&photo, both, false, &[jpeg, exact, avif, webp]),
            (&photo, both, true, &[png, exact]),
            (&photo, "image/webp", false, &[jpeg, exact, webp]),
            (&photo, "image/avif", false, &[jpeg, avif]),
            (&photo, "image/*", false, &[jpeg]),
            (&photo, "image/*", true, &[png]),
            (&drawn, both, false, &[png, exact, avif, webp]),
            (&picture(Channels::Rgb, 251), "", false, &[png]),
            (&picture(Channels::Rgba, 251), "", false, &[png]),
            (&picture(Channels::L, 251), "image/webp", false, &[jpeg, png, exact, webp]),
            (&picture(Channels::L, 251), "", true, &[png]),
            (&picture(Channels::L, 16), "", false, &[png]),
        ] {
            assert_eq!(chosen(raster, accept, lossless), expected, "{accept} {lossless}");
        }
    }

    #[test]
    fn auto_makes_no_avif_that_takes_too_long() {
        let accepted = Accepted::from_header("image/avif,image/webp", &AUTO_FORMATS);
        for (size, newest) in [((4096, 4096), Format::Avif), ((4097, 4096), Format::WebP)] {
            let asked = Some(FormatChoice::Auto);
            let unseen = Choice { asked, lossless: false, accepted, source: Format::Jpeg, size }.unseen();
            assert_eq!(unseen.ways[1].format, newest, "{size:?}");
        }
    }

    #[test]
    fn the_smallest_file_is_chosen_and_what_cannot_win_is_not_tried() {
        let [jpeg, png] = [(Format::Jpeg, false, true), (Format::Png, true, true)];
        let [avif, webp, exact] =
            [(Format::Avif, false, false), (Format::WebP, false, false), (Format::WebP, true, false)];
        type Way = (Format, bool, bool);
        let run = |ways: &[(Way, u64)], pixels, compares_all, max_bytes: Option<u32>| {
            let tried = Cell::new(0);
            let candidates = Candidates {
                ways: ways
                    .iter()
                    .map(|&((format, is_exact, is_universal), length)| Candidate {
                        encoder: (length, format),
                        format,
                        is_exact,
                        is_universal,
                    })
                    .collect(),
                pixels,
                compares_all,
            };
            let write = |(length, format): (u64, Format), request: EncodeRequest, _: Budget| {
                tried.set(tried.get() + 1);
                let allowed = request.max_bytes.map_or(u64::MAX, u64::from);
                if length > allowed {
                    return Err(Error::MaxBytes { smallest: length, allowed });
                }
                let bytes = vec![0; length as usize];
                Ok(Rendered { bytes, format, width: 1, height: 1, stages: Stages::default() })
            };
            let rendered = candidates.smallest(request(80, max_bytes), Budget::UNLIMITED, write);
            (rendered.map(|rendered| (rendered.format, rendered.bytes.len())), tried.get())
        };
        let photo = |sizes: [u64; 3]| run(&[(jpeg, sizes[0]), (avif, sizes[1]), (webp, sizes[2])], 1000, false, None);
        for (sizes, chosen, tried) in [
            ([100, 75, 60], (Format::Avif, 75), 2),
            ([100, 90, 80], (Format::WebP, 80), 3),
            ([100, 80, 80], (Format::Avif, 80), 3),
            ([100, 100, 110], (Format::Avif, 100), 3),
            ([100, 120, 110], (Format::Jpeg, 100), 3),
        ] {
            assert_eq!(photo(sizes), (Ok(chosen), tried), "{sizes:?}");
        }
        // Where WebP is preferred, AVIF is for pictures of which WebP makes more bytes than JPEG.
        assert_eq!(run(&[(jpeg, 100), (webp, 99), (avif, 50)], 1000, false, None), (Ok((Format::WebP, 99)), 2));
        assert_eq!(run(&[(jpeg, 100), (webp, 101), (avif, 50)], 1000, false, None), (Ok((Format::Avif, 50)), 3));
        let drawing = |pixels, sizes: [u64; 5], max_bytes| {
            let ways = [(jpeg, sizes[0]), (png, sizes[1]), (exact, sizes[2]), (avif, sizes[3]), (webp, sizes[4])];
            run(&ways, pixels, true, max_bytes)
        };
        for (pixels, sizes, max_bytes, chosen, tried) in [
            (1000, [400, 300, 200, 210, 220], None, (Format::WebP, 200), 5),
            (1000, [400, 300, 200, 181, 220], None, (Format::WebP, 200), 5),
            (1000, [400, 300, 200, 179, 220], None, (Format::Avif, 179), 5),
            (1000, [400, 300, 200, 190, 150], None, (Format::WebP, 150), 5),
            (1000, [400, 300, 100, 50, 60], None, (Format::WebP, 100), 3),
            (12_800, [400, 300, 200, 50, 60], None, (Format::WebP, 200), 3),
            (1000, [400, 100, 110, 95, 120], None, (Format::Png, 100), 3),
            (1000, [100, 105, 110, 120, 130], None, (Format::Png, 105), 5),
            (1000, [400, 300, 200, 90, 95], Some(150), (Format::Avif, 90), 5),
        ] {
            assert_eq!(drawing(pixels, sizes, max_bytes), (Ok(chosen), tried), "{sizes:?}");
        }
        let failed = Error::MaxBytes { smallest: 7, allowed: 4 };
        assert_eq!(run(&[(png, 9), (exact, 7), (avif, 8)], 10, true, Some(4)), (Err(failed), 3));
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
            finish.write(request(quality, max_bytes), |_| true, Budget::UNLIMITED, encode).map(|made| made.bytes)
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
                let bytes = written.unwrap().bytes;
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
                let bytes = written.unwrap().bytes;
                assert!(made.take() <= 4 && bytes.len() <= length(wanted), "{doubles} {fixed} {wanted}");
                let near = length(wanted) - length(wanted) / FAIRLY_NEAR as usize;
                assert!(bytes.len() >= length(wanted.saturating_sub(5).max(1)).min(near), "{doubles} {fixed} {wanted}");
            }
        }
    }
}
