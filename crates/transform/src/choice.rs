//! Selection of the output format.

use super::finish::EncodeRequest;
use super::strips::{self, Likely, Trial};
use super::{Error, Rendered};
use image_origin_codec::{self as codec, Budget, Cancellation, ColorCount, EncodeOptions, Encoder, Format, Raster};
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

    fn prefers(&self, format: Format) -> bool {
        self.formats[0] == Some(format)
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
    /// The likely length of a JPEG in bytes, where none is tried.
    jpeg: Option<u64>,
    /// The length of a lossless file in bytes that was encoded with little effort, where lossy ones are tried first.
    exact: Option<u64>,
    /// Whether WebP is tried before AVIF, since the picture is small, or drawn and transparent: containers count.
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
        request: EncodeRequest,
        budget: Budget,
        cancellation: &Cancellation,
    ) -> Result<Candidates<&'static dyn Encoder>, Error> {
        if let Some(format) = self.settled() {
            let encoder = encoder(format)?;
            let is_exact = self.lossless || format == Format::Png;
            return Ok(self.candidates(vec![Candidate { encoder, format, is_exact, is_universal: true }], false));
        }
        let newer = if self.asked.is_some() { self.accepted } else { Accepted::default() };
        let repetition = codec::repetition(raster);
        let is_drawn = self.lossless || repetition.is_drawn();
        let is_opaque = !raster.channels().has_alpha();
        let mut ways = Vec::new();
        let mut add = |format, is_exact, is_universal| {
            ways.push(Candidate { encoder: encoder(format)?, format, is_exact, is_universal });
            Ok::<_, Error>(())
        };
        let compares_all = self.is_small() || is_drawn && !is_opaque;
        // Only lossy files can be as short as is asked for.
        let trial = match request.max_bytes {
            _ if !is_opaque || self.lossless || !newer.accepts(Format::WebP) => None,
            None => Some(strips::likely(raster, repetition, self.is_small(), request, budget, cancellation)?),
            Some(_) => Some(Trial::untried(is_drawn || compares_all)),
        };
        let is_exact =
            self.lossless || trial.is_some_and(|trial| matches!(trial.likely, Likely::Exact | Likely::ExactOrPng));
        let mut lossy: Vec<Format> = newer.formats(self.lossless, self.size).filter(|_| !is_exact).collect();
        if is_opaque && lossy.contains(&Format::Avif) && codec::has_chroma_edges(raster) {
            // WebP would blur what AVIF keeps.
            lossy.retain(|format| *format != Format::WebP);
        }
        if compares_all && newer.prefers(Format::Avif) {
            lossy.reverse();
        }
        if let Some(Trial { likely, jpeg, exact }) = trial {
            if jpeg.is_none() {
                add(Format::Jpeg, false, true)?;
            }
            if likely == Likely::ExactOrPng {
                add(Format::Png, true, true)?;
            }
            if likely != Likely::Lossy {
                add(Format::WebP, true, false)?;
            }
            for format in lossy {
                add(format, false, false)?;
            }
            if likely == Likely::Lossy && exact.is_some() {
                add(Format::WebP, true, false)?;
            }
            if jpeg.is_some() && !is_exact {
                add(Format::Jpeg, false, true)?;
            }
            if likely != Likely::ExactOrPng && (is_drawn || compares_all || likely != Likely::Lossy) {
                // Longer than lossless WebP, so it is only written if nothing else can be.
                add(Format::Png, true, true)?;
            }
        } else {
            for format in suitable(raster, self.lossless, is_drawn, budget)? {
                add(*format, *format == Format::Png, true)?;
            }
            if (is_drawn || compares_all) && newer.accepts(Format::WebP) {
                add(Format::WebP, true, false)?;
            }
            for format in lossy {
                add(format, false, false)?;
            }
        }
        ways.retain(|way| self.fits(way.encoder));
        if ways.is_empty() {
            // PNG supports the longest sides of all formats.
            let format = Format::Png;
            ways.push(Candidate { encoder: encoder(format)?, format, is_exact: true, is_universal: true });
        }
        let (jpeg, exact) = trial.map_or((None, None), |trial| (trial.jpeg, trial.exact));
        Ok(Candidates { jpeg, exact, ..self.candidates(ways, compares_all) })
    }

    /// The candidates if the choice does not depend on the pixels, else none. An original in JPEG is a photograph, and
    /// may stay a JPEG.
    pub(super) fn unseen(&self) -> Candidates<&'static dyn Encoder> {
        let formats: Vec<_> = match self.settled() {
            Some(format) => vec![format],
            None if self.source == Format::Jpeg && !self.lossless => {
                let mut newer: Vec<_> = self.accepted.formats(false, self.size).collect();
                let is_webp_first = self.is_small() && newer == AUTO_FORMATS;
                if is_webp_first {
                    newer.reverse();
                }
                // A short WebP is shorter than JPEG, whose headers take some hundred bytes.
                newer.insert(usize::from(is_webp_first), Format::Jpeg);
                newer
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
        let pixels = u64::from(self.size.0) * u64::from(self.size.1);
        let compares_all = compares_all && self.accepted.prefers(Format::Avif);
        Candidates { ways, pixels, jpeg: None, exact: None, compares_all }
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
    pub(super) fn settled(&self) -> Option<Format> {
        match self.asked {
            Some(FormatChoice::Avif) => Some(Format::Avif),
            Some(FormatChoice::Jpeg) => Some(Format::Jpeg),
            Some(FormatChoice::Png) => Some(Format::Png),
            Some(FormatChoice::WebP) => Some(Format::WebP),
            Some(FormatChoice::Gif) => Some(Format::Gif),
            Some(FormatChoice::Auto | FormatChoice::Svg) => None,
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

/// The length of a lossy WebP up to which AVIF is not tried, in pictures of which both are: AVIF has 250 bytes more than two thirds of
/// that, with a standard deviation of a twentieth. NOTES.md of `image-origin-codec` has the measurements.
const FEW_BYTES: u64 = 800;

/// The share of the length of a JPEG up to which a lossless file is chosen without trying newer lossy formats.
const SHARE_OF_JPEG: (u64, u64) = (3, 10);

/// The same where JPEG takes so many bytes that newer lossy formats save less of them.
const SHARE_OF_DENSE_JPEG: (u64, u64) = (7, 10);

/// How many times as long a lossless file may be that is encoded with little effort.
const MOST_OF_EFFORT: u64 = 2;

impl<E> Candidates<E> {
    /// The formats of the candidates.
    pub(super) fn formats(&self) -> impl Iterator<Item = Format> {
        self.ways.iter().map(|way| way.format)
    }
}

impl<E: Copy> Candidates<E> {
    /// The same candidates with other encoders; `None` if one of them has none.
    pub(super) fn map<F>(&self, other: impl Fn(Format, E) -> Option<F>) -> Option<Candidates<F>> {
        let way = |way: &Candidate<E>| {
            let &Candidate { encoder, format, is_exact, is_universal } = way;
            Some(Candidate { encoder: other(format, encoder)?, format, is_exact, is_universal })
        };
        let ways = self.ways.iter().map(way).collect::<Option<_>>()?;
        let &Self { pixels, jpeg, exact, compares_all, .. } = self;
        Some(Candidates { ways, pixels, jpeg, exact, compares_all })
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
            match write(way.encoder, EncodeRequest { options: of(way), max_bytes, ..request }, rest) {
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
        if way.format == Format::Png {
            return tried.iter().all(|(way, _)| way.is_universal);
        }
        let newer = tried.iter().find(|(way, _)| !way.is_exact && !way.is_universal);
        if way.is_exact {
            return newer.is_none_or(|(_, length)| self.exact.is_some_and(|exact| length * MOST_OF_EFFORT > exact));
        }
        if way.is_universal {
            let weight = |of: u64| of * SHARE_OF_EXACT.1;
            let may_be_shorter = |(way, length): &(Candidate<E>, u64)| match self.jpeg {
                _ if way.is_universal => true,
                Some(jpeg) => weight(jpeg) < way.weight(*length),
                None => way.format != Format::WebP || way.is_exact || !self.compares_all || *length > FEW_BYTES,
            };
            return tried.iter().all(may_be_shorter);
        }
        let jpeg = tried.iter().find(|(way, _)| way.is_universal && !way.is_exact).map(|(_, length)| *length);
        let jpeg = jpeg.or(self.jpeg);
        let is_dense = jpeg.is_some_and(|jpeg| strips::is_dense(jpeg, self.pixels)) && self.pixels > SMALL;
        let (share, whole) = if is_dense { SHARE_OF_DENSE_JPEG } else { SHARE_OF_JPEG };
        let is_beaten = tried.iter().filter(|(way, _)| way.is_exact).any(|(_, length)| {
            length * FEW_PIXELS_A_BYTE <= self.pixels || jpeg.is_some_and(|jpeg| length * whole <= jpeg * share)
        });
        if is_beaten {
            return false;
        }
        newer.is_none_or(|(newer, length)| match jpeg {
            _ if self.compares_all => newer.format != Format::WebP || *length > FEW_BYTES,
            // Where WebP is preferred, AVIF is for pictures of which it makes more bytes than JPEG.
            _ if newer.format == Format::WebP => jpeg.is_some_and(|jpeg| *length > jpeg),
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Stages;
    use image_origin_codec::{Channels, Samples};
    use image_origin_query::Quality;

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
            let request =
                EncodeRequest { options: EncodeOptions::DEFAULT, quality: Quality::Number(80), max_bytes: None };
            let never = Cancellation::unbounded();
            let candidates = choice.for_raster(raster, request, Budget::UNLIMITED, &never).unwrap();
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
            (&large, both, false, &[avif, webp, jpeg] as &[(Format, bool)]),
            (&photo, both, false, &[webp, avif, jpeg, png]),
            (&photo, both, true, &[png, exact]),
            (&photo, "image/webp", false, &[webp, jpeg, png]),
            (&photo, "image/avif", false, &[jpeg, avif]),
            (&photo, "image/*", false, &[jpeg]),
            (&photo, "image/*", true, &[png]),
            (&drawn, both, false, &[exact, png]),
            (&picture(Channels::Rgb, 251), "", false, &[png]),
            (&picture(Channels::Rgba, 251), "", false, &[png]),
            (&picture(Channels::L, 251), "image/webp", false, &[webp, jpeg, png]),
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
                jpeg: None,
                exact: None,
                compares_all,
            };
            let write = |(length, format): (u64, Format), request: EncodeRequest, _: Budget| {
                tried.set(tried.get() + 1);
                let allowed = request.max_bytes.map_or(u64::MAX, u64::from);
                if length > allowed {
                    return Err(Error::MaxBytes { smallest: length, allowed });
                }
                let bytes = vec![0; length as usize];
                Ok(Rendered { bytes, format, width: 1, height: 1, likeness: None, stages: Stages::default() })
            };
            let rendered = candidates.smallest(
                EncodeRequest { options: EncodeOptions::DEFAULT, quality: Quality::Number(80), max_bytes },
                Budget::UNLIMITED,
                write,
            );
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
            (1000, [600, 300, 180, 50, 60], None, (Format::WebP, 180), 3),
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
        // Of small pictures WebP comes first, and AVIF only where its container is of no weight.
        let small = |sizes: [u64; 3]| run(&[(webp, sizes[1]), (jpeg, sizes[0]), (avif, sizes[2])], 1000, true, None);
        assert_eq!(small([900, 800, 750]), (Ok((Format::WebP, 800)), 1));
        assert_eq!(small([900, 801, 750]), (Ok((Format::Avif, 750)), 3));
        assert_eq!(small([780, 801, 790]), (Ok((Format::Jpeg, 780)), 3));
        // PNG is written if nothing newer is.
        let last = [(jpeg, 400), (exact, 200), (avif, 150), (png, 20)];
        assert_eq!(run(&last, 1000, false, None), (Ok((Format::Avif, 150)), 3));
        assert_eq!(run(&[(exact, 7), (png, 3)], 10, false, Some(4)), (Ok((Format::Png, 3)), 2));
        let failed = Error::MaxBytes { smallest: 7, allowed: 4 };
        assert_eq!(run(&[(png, 9), (exact, 7), (avif, 8)], 10, true, Some(4)), (Err(failed), 3));
    }
}
