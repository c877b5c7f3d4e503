//! Which format to write, and at which quality.

use super::Error;
use crate::codec::{self, Encoder, Encoding, Format, Raster};
use crate::query::{FormatChoice, Output};

/// Quality on JPEG's scale where none is asked for.
const DEFAULT_QUALITY: u8 = 80;

/// The newer formats that a viewer's `Accept` header names: those that `format=auto` may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Accepted {
    /// `image/webp` is accepted.
    pub webp: bool,
}

impl Accepted {
    /// Reads an `Accept` header (RFC 9110, 12.5.1). Only what is named counts: `image/*` and `*/*` are what programs
    /// send that cannot show the newer formats.
    pub fn from_header(accept: &str) -> Self {
        Self { webp: names(accept, "image/webp") }
    }
}

/// Whether `accept` names this media type with a quality above 0. An item that cannot be read is passed over.
fn names(accept: &str, media_type: &str) -> bool {
    accept.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
        let refused = parts.any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|q| q <= 0.0)
        });
        named && !refused
    })
}

/// The encoder for what was asked for, or what suits the picture.
pub(super) fn choose(
    choice: Option<FormatChoice>,
    source: Format,
    raster: &Raster,
    accepted: Accepted,
) -> Result<&'static dyn Encoder, Error> {
    let format = match choice {
        Some(FormatChoice::Jpeg) => Format::Jpeg,
        Some(FormatChoice::Png) => Format::Png,
        Some(FormatChoice::WebP) => Format::WebP,
        Some(FormatChoice::Gif) => Format::Gif,
        Some(FormatChoice::Auto) if accepted.webp => Format::WebP,
        Some(FormatChoice::Auto) => suitable(raster),
        None if codec::encoder(source).is_some() => source,
        None => suitable(raster),
    };
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
        Some(FormatChoice::Auto) if accepted.webp => Format::WebP,
        Some(FormatChoice::Auto) => Format::Gif,
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
        let table = [
            ("image/avif,image/webp,*/*;q=0.8", true),
            ("image/*,*/*", false),
            ("IMAGE/WEBP ; q=0.1", true),
            ("image/webp;q=0", false),
            ("image/webp;q=0.000, text/html", false),
            (";;;=,image/webp;q=oops", true),
            ("", false),
        ];
        for (accept, webp) in table {
            assert_eq!(Accepted::from_header(accept), Accepted { webp }, "{accept}");
        }
    }

    #[test]
    fn auto_suits_the_picture_and_the_viewer() {
        let picture = |channels: Channels, different: usize| {
            let samples = (0..32 * 32 * channels.count()).map(|i| (i % different) as u8).collect();
            Raster::new(32, 32, channels, Samples::U8(samples)).unwrap()
        };
        let chosen = |raster: &Raster, webp| {
            choose(Some(FormatChoice::Auto), Format::Png, raster, Accepted { webp }).unwrap().format()
        };
        assert_eq!(chosen(&picture(Channels::Rgb, 251), true), Format::WebP);
        assert_eq!(chosen(&picture(Channels::Rgb, 251), false), Format::Png, "251 colours");
        assert_eq!(chosen(&picture(Channels::Rgba, 251), false), Format::Png);
        let noise: Vec<u8> = (0..32 * 32 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let photo = Raster::new(32, 32, Channels::Rgb, Samples::U8(noise)).unwrap();
        assert_eq!(chosen(&photo, false), Format::Jpeg);
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
