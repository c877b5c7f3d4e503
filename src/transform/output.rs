//! Which format to write, and at which quality.

use super::Error;
use crate::codec::{self, Encoder, Encoding, Format, Raster};
use crate::query::{FormatChoice, Output};

/// Quality on JPEG's scale where none is asked for.
const DEFAULT_QUALITY: u8 = 80;

/// The formats that `format=auto` chooses from where the configuration says nothing, best first.
pub const AUTO_FORMATS: [Format; 2] = [Format::Avif, Format::WebP];

/// The newer formats that a viewer's `Accept` header names, of those that the configuration allows, best first:
/// `format=auto` chooses the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Accepted {
    formats: [Option<Format>; AUTO_FORMATS.len()],
}

impl Accepted {
    /// Reads an `Accept` header (RFC 9110, 12.5.1), with the formats of the configuration in their order. Of those, the
    /// ones with the highest weight count. Only what is named does: `image/*` and `*/*` are what programs send that
    /// cannot show the newer formats.
    pub fn from_header(accept: &str, formats: &[Format]) -> Self {
        let weighed = formats.iter().map(|format| (*format, weight(accept, format.media_type())));
        let named: Vec<(Format, f32)> = weighed.filter(|(_, weight)| *weight > 0.0).collect();
        let highest = named.iter().map(|(_, weight)| *weight).fold(0.0, f32::max);
        let mut best = named.into_iter().filter(|(_, weight)| *weight == highest).map(|(format, _)| format);
        Self { formats: [(); AUTO_FORMATS.len()].map(|()| best.next()) }
    }

    /// The best of them that holds animations.
    fn best_animated(&self) -> Option<Format> {
        let holds = |format: &Format| codec::encoder(*format).is_some_and(Encoder::has_animation);
        self.formats.iter().flatten().copied().find(holds)
    }

    /// The best of them.
    fn best(&self, lossless: bool) -> Option<Format> {
        // AVIF is not written without loss.
        self.formats.iter().flatten().copied().find(|format| !(lossless && *format == Format::Avif))
    }
}

/// What neither the query nor the original decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preferences {
    /// What `format=auto` may choose.
    pub accepted: Accepted,
    /// One of [`codec::avif::SPEEDS`].
    pub avif_speed: u8,
}

impl From<Accepted> for Preferences {
    fn from(accepted: Accepted) -> Self {
        Self { accepted, avif_speed: codec::avif::DEFAULT_SPEED }
    }
}

/// The weight with which `accept` names this media type; 0 where it does not. A weight that cannot be read is passed
/// over.
fn weight(accept: &str, media_type: &str) -> f32 {
    let weights = accept.split(',').filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        parts.next().filter(|name| name.eq_ignore_ascii_case(media_type))?;
        let given = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().ok()).flatten()
        });
        Some(given.filter(|weight: &f32| weight.is_finite()).unwrap_or(1.0))
    });
    weights.fold(0.0, f32::max)
}

/// The encoder for what was asked for, or what suits the picture.
pub(super) fn choose(
    choice: Option<FormatChoice>,
    source: Format,
    raster: &Raster,
    lossless: bool,
    preferences: Preferences,
) -> Result<&'static dyn Encoder, Error> {
    let format = match choice {
        Some(FormatChoice::Avif) => Format::Avif,
        Some(FormatChoice::Jpeg) => Format::Jpeg,
        Some(FormatChoice::Png) => Format::Png,
        Some(FormatChoice::WebP) => Format::WebP,
        Some(FormatChoice::Gif) => Format::Gif,
        Some(FormatChoice::Auto) => preferences.accepted.best(lossless).unwrap_or_else(|| suitable(raster)),
        None if codec::encoder(source).is_some() => source,
        None => suitable(raster),
    };
    if format == Format::Avif {
        return Ok(codec::avif::with_speed(preferences.avif_speed));
    }
    codec::encoder(format).ok_or_else(|| codec::Error::Unsupported(format!("{format} is not written here")).into())
}

/// The encoder that keeps an animation, if the format that is asked for has any.
pub(super) fn choose_for_animation(
    choice: Option<FormatChoice>,
    source: Format,
    accepted: Accepted,
) -> Option<&'static dyn Encoder> {
    let format = match choice {
        Some(FormatChoice::WebP) => Format::WebP,
        Some(FormatChoice::Gif) => Format::Gif,
        Some(FormatChoice::Auto) => accepted.best_animated().unwrap_or(Format::Gif),
        Some(_) => return None,
        None => source,
    };
    codec::encoder(format).filter(|encoder| encoder.has_animation())
}

/// PNG where JPEG would lose transparency or smear drawings, JPEG for everything else.
fn suitable(raster: &Raster) -> Format {
    if raster.channels().has_alpha() || codec::has_few_colours(raster) { Format::Png } else { Format::Jpeg }
}

/// How a picture is to be written where nothing limits its size.
pub(super) fn encoding(output: &Output) -> Encoding {
    let quality = output.quality.unwrap_or(DEFAULT_QUALITY);
    Encoding { quality, lossless: output.lossless, progressive: output.progressive }
}

/// Encodes at the quality asked for, or the highest below it that keeps `max_bytes`. `encode` makes the whole file;
/// `has_quality` tells whether a lower quality would make it smaller.
pub(super) fn encode(
    output: &Output,
    has_quality: impl Fn(&Encoding) -> bool,
    encode: impl Fn(&Encoding) -> Result<Vec<u8>, codec::Error>,
) -> Result<Vec<u8>, Error> {
    let encoding = encoding(output);
    let Some(allowed) = output.max_bytes else { return Ok(encode(&encoding)?) };
    let allowed = u64::from(allowed);
    if !has_quality(&encoding) {
        let bytes = encode(&encoding)?;
        let smallest = bytes.len() as u64;
        return if smallest <= allowed { Ok(bytes) } else { Err(Error::MaxBytes { smallest, allowed }) };
    }
    // At most seven encodes: `1..=100` is halved each time.
    let (mut low, mut high) = (1, encoding.quality);
    let mut best = None;
    let mut smallest = u64::MAX;
    while low <= high {
        let quality = low.midpoint(high);
        let bytes = encode(&Encoding { quality, ..encoding })?;
        let length = bytes.len() as u64;
        smallest = smallest.min(length);
        if length <= allowed {
            best = Some(bytes);
            low = quality + 1;
        } else {
            high = quality - 1;
        }
    }
    best.ok_or(Error::MaxBytes { smallest, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Channels, Samples, Work};

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
            ("image/webp;q=0", [None; 2]),
            ("image/webp;q=0.000, text/html", [None; 2]),
            (";;;=,image/webp;q=oops", [webp, None]),
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
        let chosen = |raster: &Raster, accept| {
            let accepted = Accepted::from_header(accept, &AUTO_FORMATS);
            choose(Some(FormatChoice::Auto), Format::Png, raster, false, accepted.into()).unwrap().format()
        };
        assert_eq!(chosen(&picture(Channels::Rgb, 251), "image/avif,image/webp"), Format::Avif);
        assert_eq!(chosen(&picture(Channels::Rgb, 251), "image/webp"), Format::WebP);
        let accepted = Accepted::from_header("image/avif,image/webp", &AUTO_FORMATS);
        assert_eq!((accepted.best(false), accepted.best(true)), (Some(Format::Avif), Some(Format::WebP)));
        assert_eq!(chosen(&picture(Channels::Rgb, 251), ""), Format::Png, "251 colours");
        assert_eq!(chosen(&picture(Channels::Rgba, 251), ""), Format::Png);
        let noise: Vec<u8> = (0..32 * 32 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let photo = Raster::new(32, 32, Channels::Rgb, Samples::U8(noise)).unwrap();
        assert_eq!(chosen(&photo, "image/*"), Format::Jpeg);
    }

    #[test]
    fn max_bytes_takes_the_highest_quality_that_fits() {
        let noise: Vec<u8> = (0..64 * 64 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let photo = Raster::new(64, 64, Channels::Rgb, Samples::U8(noise)).unwrap();
        let jpeg = codec::encoder(Format::Jpeg).unwrap();
        let work = Work::unbounded();
        let at = |quality, max_bytes| {
            let output = Output { quality, max_bytes, ..Output::default() };
            encode(&output, |_| true, |encoding| jpeg.encode(&photo, encoding, &work))
        };
        let size_at_40 = at(Some(40), None).unwrap().len() as u32;
        assert_eq!(at(Some(90), Some(size_at_40)).unwrap(), at(Some(40), None).unwrap());
        assert_eq!(at(Some(40), Some(u32::MAX)).unwrap(), at(Some(40), None).unwrap());
        assert!(matches!(at(None, Some(10)), Err(Error::MaxBytes { allowed: 10, smallest: 100.. })));
        let png = codec::encoder(Format::Png).unwrap();
        let output = Output { max_bytes: Some(10), ..Output::default() };
        let encoded = encode(&output, |_| false, |encoding| png.encode(&photo, encoding, &work));
        assert!(matches!(encoded, Err(Error::MaxBytes { .. })));
    }
}
