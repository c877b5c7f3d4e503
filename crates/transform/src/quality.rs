//! The number of a named quality in each format.

use image_origin_codec::Format;
use image_origin_query::{Level, Quality};

/// The numbers of a level on JPEG's scale, by format.
struct Numbers {
    jpeg: u8,
    webp: u8,
    avif: u8,
}

/// The numbers at which the mean SSIMULACRA2 is 55, 70, 80 and 90: `docs/quality.md` says of which pictures. WebP, which
/// always subsamples chroma, has no more for the last.
const fn numbers(level: Level) -> Numbers {
    match level {
        Level::Low => Numbers { jpeg: 36, webp: 33, avif: 36 },
        Level::Medium => Numbers { jpeg: 69, webp: 56, avif: 58 },
        Level::High => Numbers { jpeg: 87, webp: 84, avif: 79 },
        Level::Best => Numbers { jpeg: 94, webp: 95, avif: 93 },
    }
}

/// The quality on JPEG's scale for a file of this format.
pub(super) fn number(quality: Quality, format: Format) -> u8 {
    let level = match quality {
        Quality::Number(number) => return number,
        Quality::Level(level) => numbers(level),
    };
    match format {
        Format::WebP => level.webp,
        Format::Avif => level.avif,
        _ => level.jpeg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_rise_in_every_format_and_numbers_stay() {
        for format in [Format::Jpeg, Format::WebP, Format::Avif] {
            let levels = [Level::Low, Level::Medium, Level::High, Level::Best].map(Quality::Level);
            assert!(levels.map(|level| number(level, format)).is_sorted_by(|low, high| low < high), "{format}");
            assert_eq!(number(Quality::Number(61), format), 61, "{format}");
        }
    }
}
