//! Selection of the output format.

use super::Error;
use super::candidates::{Candidate, Candidates, SMALL, Way};
use super::finish::EncodeRequest;
use super::strips::{self, Likely, Trial};
use image_origin_codec::{self as codec, Budget, Cancellation, ColorCount, Content, Encoder, Format, Raster};
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
            let way = Way::asked(format, self.lossless);
            return Ok(self.candidates(vec![Candidate { encoder: encoder(format)?, way }], false));
        }
        let newer = if self.asked.is_some() { self.accepted } else { Accepted::default() };
        let repetition = codec::repetition(raster);
        let is_drawn = self.lossless || repetition.is_drawn();
        let is_opaque = !raster.channels().has_alpha();
        let webp_first = self.is_small() || is_drawn && !is_opaque;
        // Only lossy files can be as short as is asked for.
        let trial = match request.max_bytes {
            _ if !is_opaque || self.lossless || !newer.accepts(Format::WebP) => None,
            None => Some(strips::likely(raster, repetition, self.is_small(), request, budget, cancellation)?),
            Some(_) => Some(Trial::untried(is_drawn || webp_first)),
        };
        let webp_first = webp_first || trial.is_some_and(|trial| trial.is_short);
        let is_exact = self.lossless || trial.is_some_and(|trial| matches!(trial.likely, Likely::Exact | Likely::Png));
        let mut lossy: Vec<Format> = newer.formats(self.lossless, self.size).filter(|_| !is_exact).collect();
        if webp_first && newer.prefers(Format::Avif) {
            lossy.reverse();
        }
        let mut has_lights = false;
        if is_opaque && lossy.contains(&Format::Avif) {
            let content = codec::content_of(raster, repetition);
            let are_lights = matches!(content, Content::Lights { .. }) || self.is_small() && codec::has_lights(raster);
            has_lights = are_lights && request.max_bytes.is_none();
            if matches!(content, Content::Coloured) {
                // WebP would blur what AVIF keeps.
                lossy.retain(|format| *format != Format::WebP);
            }
        }
        let lossy: Vec<Way> = lossy.into_iter().map(Way::newer).collect();
        let ways = if let Some(trial) = trial {
            opaque(trial, &lossy, is_drawn || webp_first)
        } else {
            let exact = ((is_drawn || webp_first) && newer.accepts(Format::WebP)).then_some(Way::EXACT);
            let universal = suitable(raster, self.lossless, is_drawn, budget)?;
            universal.iter().copied().chain(exact).chain(lossy).collect()
        };
        let candidate = |way: Way| Ok(Candidate { encoder: encoder(way.format)?, way });
        let mut all: Vec<_> = ways.into_iter().map(candidate).collect::<Result<_, Error>>()?;
        all.retain(|candidate| self.fits(candidate.encoder));
        if all.is_empty() {
            // PNG supports the longest sides of all formats.
            all.push(candidate(Way::PNG)?);
        }
        let (jpeg, exact) = trial.map_or((None, None), |trial| (trial.jpeg, trial.exact));
        let candidates = Candidates { jpeg, exact, ..self.candidates(all, webp_first) };
        Ok(if has_lights { candidates.for_lights() } else { candidates })
    }

    /// The candidates if the choice does not depend on the pixels, else none. An original in JPEG is a photograph, and
    /// may stay a JPEG.
    pub(super) fn unseen(&self) -> Candidates<&'static dyn Encoder> {
        let ways: Vec<_> = match self.settled() {
            Some(format) => vec![Way::asked(format, self.lossless)],
            None if self.source == Format::Jpeg && !self.lossless => {
                let mut ways: Vec<_> = self.accepted.formats(false, self.size).map(Way::newer).collect();
                let is_webp_first = self.is_small() && self.accepted.formats == AUTO_FORMATS.map(Some);
                if is_webp_first {
                    ways.reverse();
                }
                // A short WebP is shorter than JPEG, whose headers take some hundred bytes.
                ways.insert(usize::from(is_webp_first), Way::JPEG);
                ways
            }
            None => Vec::new(),
        };
        let is_settled = self.settled().is_some();
        let candidate = |way: Way| Some(Candidate { encoder: codec::encoder(way.format)?, way });
        let candidates = ways.into_iter().filter_map(candidate);
        let all = candidates.filter(|candidate| is_settled || self.fits(candidate.encoder)).collect();
        self.candidates(all, self.is_small())
    }

    fn candidates<E>(&self, all: Vec<Candidate<E>>, webp_first: bool) -> Candidates<E> {
        let pixels = u64::from(self.size.0) * u64::from(self.size.1);
        Candidates {
            all,
            pixels,
            jpeg: None,
            exact: None,
            webp_first: webp_first && self.accepted.prefers(Format::Avif),
        }
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

/// The files that an opaque picture may become for viewers that accept WebP, in the order in which they are tried.
fn opaque(trial: Trial, lossy: &[Way], may_be_exact: bool) -> Vec<Way> {
    let png = Way::PNG.as_last_resort();
    match trial.likely {
        Likely::Exact => vec![Way::EXACT, png],
        Likely::Png => vec![Way::PNG],
        Likely::Unknown => [&[Way::JPEG, Way::EXACT], lossy, &[png]].concat(),
        Likely::Lossy => {
            let mut ways = lossy.to_vec();
            // A JPEG whose length is known is only written where it is shorter.
            ways.insert(if trial.jpeg.is_some() { lossy.len() } else { 0 }, Way::JPEG);
            ways.extend(trial.exact.map(|_| Way::EXACT));
            ways.extend(may_be_exact.then_some(png));
            ways
        }
    }
}

fn encoder(format: Format) -> Result<&'static dyn Encoder, Error> {
    codec::encoder(format).ok_or_else(|| codec::Error::Unsupported(format!("{format} is not written here")).into())
}

/// PNG if JPEG would lose what must be kept, or transparency, or if there are few colours; otherwise JPEG. Drawings with
/// many colours, and grey pictures, which may be drawings or photographs, are encoded in both.
fn suitable(raster: &Raster, lossless: bool, is_drawn: bool, budget: Budget) -> Result<&'static [Way], Error> {
    if lossless || raster.channels().has_alpha() {
        return Ok(&[Way::PNG]);
    }
    Ok(match codec::color_count(raster, budget)? {
        ColorCount::Few => &[Way::PNG],
        ColorCount::Greys => &[Way::JPEG, Way::PNG],
        ColorCount::Many if is_drawn => &[Way::JPEG, Way::PNG],
        ColorCount::Many => &[Way::JPEG],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::{Channels, EncodeOptions, Samples};
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
            candidates.all.iter().map(|Candidate { way, .. }| (way.format, way.is_exact)).collect::<Vec<_>>()
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
            assert_eq!(unseen.all[1].way.format, newest, "{size:?}");
        }
    }
}
