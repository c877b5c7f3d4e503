//! Extracts the metadata blocks of a file, independent of its container, from which reports, stripping and carrying
//! over start.

use std::io::{self, Cursor};

use image_origin_container::parts::{self, MAX_BLOCK, Parts, Want};
use image_origin_container::{Exhausted, Format, Input, Meter, from_memory, gif, heif, jpeg, png, tiff, webp};

use super::exif;

/// Extracts the wanted blocks of a file of this format.
pub(super) fn of(bytes: &[u8], format: Format, want: Want, meter: &Meter<'_>) -> Result<Parts, Exhausted> {
    let read = || -> io::Result<Parts> {
        let mut input = Input::new(Cursor::new(bytes), meter)?;
        match format {
            Format::Jpeg => {
                let segments = jpeg::header_segments(&mut input)?;
                parts::of_jpeg(&mut input, &segments, want)
            }
            Format::Png => {
                let chunks = png::chunks(&mut input)?;
                parts::of_png(&mut input, &chunks, want)
            }
            Format::WebP => {
                let chunks = webp::chunks(&mut input)?;
                parts::of_webp(&mut input, &chunks, want)
            }
            Format::Gif => {
                let (_, blocks) = gif::blocks(&mut input)?;
                parts::of_gif(&mut input, &blocks, want)
            }
            Format::Tiff => Ok(of_tiff(bytes, want)),
            Format::JpegXl => parts::of_jxl(&mut input),
            Format::Avif | Format::Heic => match heif::meta(&mut input)? {
                Some(meta) => parts::of_heif(&mut input, &meta, want),
                None => Ok(Parts::default()),
            },
            _ => Ok(Parts::default()),
        }
    };
    Ok(from_memory(read())?.unwrap_or_default())
}

/// Extracts the blocks of a TIFF file: its first directory is the Exif block, with the others as fields.
fn of_tiff(bytes: &[u8], want: Want) -> Parts {
    let mut parts = Parts::default();
    let Some(block) = tiff::Block::new(bytes) else { return parts };
    let field = |tag| block.primary(tag).filter(|f| f.value.len() <= MAX_BLOCK).map(|f| f.value.into_owned());
    parts.xmp.extend(field(exif::XMP));
    if want != Want::All {
        return parts;
    }
    parts.iptc = field(exif::IPTC).filter(|data| data.first() == Some(&0x1c));
    if let Some(resources) = field(exif::PHOTOSHOP) {
        parts.add_photoshop(&resources);
    }
    if let Some(exif) = exif::ExifBlock::read_tiff_file(bytes) {
        parts.exif = Some(exif.write());
        parts.exif_at = Some(0);
        parts.warnings = exif.warnings;
    }
    parts
}
