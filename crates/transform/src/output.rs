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
    /// The encoder for the requested format, or candidates that suit the picture. With `format=auto`, newer formats
    /// come first, and the universally supported one last: see [`smallest`]. `budget` is for memory besides the raster.
    pub(super) fn for_raster(&self, raster: &Raster, budget: Budget) -> Result<Vec<&'static dyn Encoder>, Error> {
        if let Some(format) = self.settled() {
            return Ok(vec![encoder(format)?]);
        }
        let newer = if self.asked.is_some() { self.accepted } else { Accepted::default() };
        let old = suitable(raster, self.lossless, budget)?.iter().copied();
        let mut encoders =
            newer.formats(self.lossless, self.size).chain(old).map(encoder).collect::<Result<Vec<_>, _>>()?;
        encoders.retain(|encoder| self.fits(*encoder));
        if encoders.is_empty() {
            // PNG supports the longest sides of all formats.
            encoders.push(encoder(Format::Png)?);
        }
        Ok(encoders)
    }

    /// The candidate encoders if the choice does not depend on the pixels, else none. An original in JPEG is a
    /// photograph, and may stay a JPEG.
    pub(super) fn unseen(&self) -> Vec<&'static dyn Encoder> {
        let newer = match self.settled() {
            Some(format) => return encoder(format).into_iter().collect(),
            None if self.source == Format::Jpeg && !self.lossless => self.accepted.formats(false, self.size),
            None => return Vec::new(),
        };
        let encoders = newer.chain([Format::Jpeg]).filter_map(|format| encoder(format).ok());
        encoders.filter(|encoder| self.fits(*encoder)).collect()
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

/// Encodes with the first encoder whose file is no larger than that of the last one. Drawings, and very small pictures,
/// are often smallest in an old format, and a newer one may not support a large picture.
pub(super) fn smallest<E: Copy>(
    encoders: &[E],
    request: EncodeRequest,
    budget: Budget,
    write: impl Fn(E, EncodeRequest, Budget) -> Result<Rendered, Error>,
) -> Result<Rendered, Error> {
    let (old, newer) = match encoders {
        [] => return Err(codec::Error::Unsupported("there is no format to write".to_owned()).into()),
        [only] => return write(*only, request, budget),
        [newer @ .., old] => (*old, newer),
    };
    // With a limit, the format that needs fewer bytes would use them for quality, so formats are compared without it.
    let plain = write(old, EncodeRequest { max_bytes: None, ..request }, budget)?;
    let rest = budget.beside(plain.bytes.capacity() as u64)?;
    for encoder in newer {
        match write(*encoder, request, rest) {
            Ok(rendered) if rendered.bytes.len() <= plain.bytes.len() => return Ok(rendered),
            Ok(_) | Err(Error::MaxBytes { .. } | Error::Codec(codec::Error::TooLarge { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    let fits = request.max_bytes.is_none_or(|allowed| plain.bytes.len() as u64 <= allowed.into());
    if fits {
        return Ok(plain);
    }
    drop(plain);
    write(old, request, budget)
}

/// PNG if JPEG would lose what must be kept, transparency, or the edges of drawings; otherwise JPEG. Grey pictures may
/// be drawings or photographs, so PNG is used if it is no larger.
fn suitable(raster: &Raster, lossless: bool, budget: Budget) -> Result<&'static [Format], Error> {
    if lossless || raster.channels().has_alpha() {
        return Ok(&[Format::Png]);
    }
    Ok(match codec::color_count(raster, budget)? {
        ColorCount::Few => &[Format::Png],
        ColorCount::Greys => &[Format::Png, Format::Jpeg],
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
            let encoders = choice.for_raster(raster, Budget::UNLIMITED).unwrap();
            encoders.iter().map(|encoder| encoder.format()).collect::<Vec<_>>()
        };
        let noise: Vec<u8> = (0..32 * 32 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let photo = Raster::new(32, 32, Channels::Rgb, Samples::U8(noise)).unwrap();
        let both = "image/avif,image/webp";
        for (raster, accept, lossless, formats) in [
            (&photo, both, false, &[Format::Avif, Format::WebP, Format::Jpeg] as &[Format]),
            (&photo, both, true, &[Format::WebP, Format::Png]),
            (&photo, "image/webp", false, &[Format::WebP, Format::Jpeg]),
            (&photo, "image/*", false, &[Format::Jpeg]),
            (&photo, "image/*", true, &[Format::Png]),
            (&picture(Channels::Rgb, 251), both, false, &[Format::Avif, Format::WebP, Format::Png]),
            (&picture(Channels::Rgb, 251), "", false, &[Format::Png]),
            (&picture(Channels::Rgba, 251), "", false, &[Format::Png]),
            (&picture(Channels::L, 251), "image/webp", false, &[Format::WebP, Format::Png, Format::Jpeg]),
            (&picture(Channels::L, 251), "", true, &[Format::Png]),
            (&picture(Channels::L, 16), "", false, &[Format::Png]),
        ] {
            assert_eq!(chosen(raster, accept, lossless), formats, "{accept} {lossless}");
        }
    }

    #[test]
    fn auto_makes_no_avif_that_takes_too_long() {
        let accepted = Accepted::from_header("image/avif,image/webp", &AUTO_FORMATS);
        for (size, newest) in [((4096, 4096), Format::Avif), ((4097, 4096), Format::WebP)] {
            let asked = Some(FormatChoice::Auto);
            let unseen = Choice { asked, lossless: false, accepted, source: Format::Jpeg, size }.unseen();
            assert_eq!(unseen.first().unwrap().format(), newest, "{size:?}");
        }
    }

    #[test]
    fn a_newer_format_has_to_be_worth_it() {
        let sizes = |sizes: [(Format, usize); 3]| {
            move |encoder: &'static dyn Encoder, request: EncodeRequest, _: Budget| {
                let (format, length) = sizes.into_iter().find(|(format, _)| *format == encoder.format()).unwrap();
                let allowed = request.max_bytes.map_or(u64::MAX, u64::from);
                if length as u64 > allowed {
                    return Err(Error::MaxBytes { smallest: length as u64, allowed });
                }
                let (bytes, stages) = (vec![0; length], Stages::default());
                Ok(Rendered { bytes, format, width: 1, height: 1, stages })
            }
        };
        let encoders = [Format::Avif, Format::WebP, Format::Png].map(|format| codec::encoder(format).unwrap());
        let chosen = |[avif, webp, png]: [usize; 3], max_bytes| {
            let lengths = [(Format::Avif, avif), (Format::WebP, webp), (Format::Png, png)];
            let rendered = smallest(&encoders, request(80, max_bytes), Budget::UNLIMITED, sizes(lengths));
            rendered.map(|rendered| rendered.format)
        };
        assert_eq!(chosen([5, 4, 5], None), Ok(Format::Avif));
        assert_eq!(chosen([6, 4, 5], None), Ok(Format::WebP));
        assert_eq!(chosen([6, 7, 5], None), Ok(Format::Png));
        assert_eq!(chosen([9, 3, 10], Some(4)), Ok(Format::WebP));
        assert_eq!(chosen([9, 8, 3], Some(4)), Ok(Format::Png));
        assert_eq!(chosen([9, 8, 7], Some(4)), Err(Error::MaxBytes { smallest: 7, allowed: 4 }));
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
