//! The number of a named quality in each format.

use image_origin_codec::{EncodeOptions, Format};
use image_origin_query::{Level, Quality};

/// The numbers of a level on JPEG's scale, by format.
struct Numbers {
    jpeg: u8,
    webp: u8,
    avif: u8,
}

/// The numbers at which the mean SSIMULACRA2 is 55, 70, 80 and 90: `docs/quality.md` says of which pictures.
const fn numbers(level: Level) -> Numbers {
    match level {
        Level::Low => Numbers { jpeg: 34, webp: 25, avif: 35 },
        Level::Medium => Numbers { jpeg: 66, webp: 58, avif: 68 },
        Level::High => Numbers { jpeg: 84, webp: 82, avif: 85 },
        Level::Best => Numbers { jpeg: 94, webp: 93, avif: 94 },
    }
}

/// The quality on JPEG's scale for a file of this format.
pub(super) fn number(quality: Quality, format: Format) -> u8 {
    let level = match quality {
        Quality::Number(number) => return number,
        Quality::Level(level) => numbers(level),
        // What is encoded where nothing is searched, such as GIF, has no quality.
        Quality::Auto(_) => return EncodeOptions::DEFAULT.quality,
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
