//! The metadata that `Keep` retains, as blocks for a file with the same or with transformed pixels.

use super::exif::ExifBlock;
use super::iptc;
use super::strip::Keep;
use super::xmp::{Selection, Xmp, may_have_marks};
use image_origin_container::blocks::Blocks;
use image_origin_container::parts::Parts;
use image_origin_container::tiff;
use image_origin_container::{Exhausted, Meter};

/// The blocks for unchanged compressed pixels, including the orientation, since the pixels are not rotated.
pub(super) fn for_same_pixels(parts: &Parts, keep: Keep, meter: &Meter<'_>) -> Result<Blocks, Exhausted> {
    let orientation = parts.orientation.filter(|&o| o != 1);
    Ok(match keep {
        Keep::None => Blocks { exif: orientation.map(tiff::orientation_block), ..Blocks::default() },
        Keep::Marks => {
            Blocks { exif: orientation.map(tiff::orientation_block), xmp: marks(parts, meter)?, ..Blocks::default() }
        }
        Keep::Copyright | Keep::All => {
            let mut exif = rights_exif(parts).unwrap_or_default();
            exif.set_orientation(orientation);
            Blocks { exif: (!exif.is_empty()).then(|| exif.write()), ..rights_text(parts, meter)? }
        }
    })
}

/// What is kept of an XMP packet beside unchanged compressed pixels; `None` if that is nothing.
pub(super) fn xmp_of_same_pixels(packet: Vec<u8>, keep: Keep, meter: &Meter<'_>) -> Result<Option<Vec<u8>>, Exhausted> {
    let parts = Parts { xmp: vec![packet], ..Parts::default() };
    Ok(for_same_pixels(&parts, keep, meter)?.xmp)
}

/// The packet with the marks alone; `None` if there are none.
pub(super) fn marks(parts: &Parts, meter: &Meter<'_>) -> Result<Option<Vec<u8>>, Exhausted> {
    let length: usize = parts.xmp.iter().map(Vec::len).sum();
    meter.steps(length as u64 / 16)?;
    if !parts.xmp.iter().any(|packet| may_have_marks(packet)) {
        return Ok(None);
    }
    Ok(Xmp::new(&parts.xmp, meter)?.select(Selection::Marks))
}

/// Creator, credit and copyright from XMP and IPTC. Data that only IPTC contains is added to XMP, since only JPEG
/// supports IPTC.
pub(super) fn rights_text(parts: &Parts, meter: &Meter<'_>) -> Result<Blocks, Exhausted> {
    let mut xmp = Xmp::new(&parts.xmp, meter)?;
    let iptc = parts.iptc.as_deref().and_then(iptc::rights);
    if let Some(iptc) = &iptc {
        xmp.add_iptc_rights(&iptc::to_json(iptc, meter)?);
    }
    Ok(Blocks { xmp: xmp.select(Selection::Rights), iptc, ..Blocks::default() })
}

/// Creator and copyright from the Exif block.
pub(super) fn rights_exif(parts: &Parts) -> Option<ExifBlock<'_>> {
    let mut exif = ExifBlock::read(parts.exif.as_deref()?)?;
    exif.keep_rights();
    Some(exif)
}
