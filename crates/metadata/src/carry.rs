//! Carries the metadata of an original over to a file with its transformed pixels.

use std::io::{self, Cursor};

use super::exif::ExifBlock;
use super::gain_map::{Parameters, Written};
use super::parts;
use super::rights::{marks, rights_exif, rights_text};
use super::strip::Keep;
use super::xmp::{Selection, Xmp};
use super::{heif_items, iptc};
use image_origin_container::Input;
use image_origin_container::blocks::Blocks;
use image_origin_container::parts::{Parts, Want};
use image_origin_container::slice;
use image_origin_container::webp::{ALPHA_FLAG, EXIF_FLAG, HEADER_LEN, XMP_FLAG};
use image_origin_container::{Cancellation, Exhausted, Format, Meter, sniff};
use image_origin_container::{gif, jpeg, photoshop, png, webp};

/// The carried metadata; see [`carry`].
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Carried {
    blocks: Blocks,
    /// The gain map of a JPEG.
    gain_map: Option<Written>,
}

impl Carried {
    /// Whether there is nothing to embed.
    pub fn is_empty(&self) -> bool {
        self.blocks == Blocks::default() && self.gain_map.is_none()
    }

    /// By how many bytes the gain map makes a file longer.
    pub fn gain_map_bytes(&self) -> u64 {
        let alone = |map: &Written| {
            let xmp = Some(map.announced(None));
            map.append(Vec::new(), 0, Blocks { xmp, ..Blocks::default() }.jpeg_segments()).len() as u64
        };
        self.gain_map.as_ref().map_or(0, alone)
    }

    /// Whether there is a gain map.
    pub fn has_gain_map(&self) -> bool {
        self.gain_map.is_some()
    }

    /// The memory of the blocks in bytes.
    pub fn bytes(&self) -> u64 {
        let Blocks { exif, xmp, iptc, icc } = &self.blocks;
        let blocks: u64 = [exif, xmp, iptc, icc].into_iter().flatten().map(|block| block.len() as u64).sum();
        blocks + self.gain_map.as_ref().map_or(0, |map| map.len() as u64)
    }

    /// The maximum memory that [`embed`] uses, including a file of that length: the file is copied once, and the blocks
    /// are fitted and then serialized.
    pub fn embed_memory(&self, file: u64) -> u64 {
        if self.is_empty() { file } else { 2 * file + 4 * self.bytes() }
    }

    /// Sets the profile of the new pixels, of less than 64 KiB.
    #[must_use]
    pub fn with_profile(&self, icc: Option<Vec<u8>>) -> Self {
        Self { blocks: Blocks { icc, ..self.blocks.clone() }, gain_map: self.gain_map.clone() }
    }

    /// Adds a gain map, whose samples are `encoded` as JPEG, to be embedded in a JPEG. `icc` is its profile, of less than
    /// 64 KiB.
    #[must_use]
    pub fn with_gain_map(self, encoded: &[u8], parameters: &Parameters, icc: Option<Vec<u8>>) -> Self {
        Self { gain_map: Some(Written::new(encoded, parameters, icc)), ..self }
    }

    /// The same without a gain map.
    #[must_use]
    pub fn without_gain_map(&self) -> Self {
        Self { blocks: self.blocks.clone(), gain_map: None }
    }
}

/// Extracts the metadata of this file that applies to its transformed pixels: nothing, marks, rights, or everything that
/// is still valid. The orientation is reset, since transformed pixels are upright; thumbnails are dropped.
///
/// # Errors
/// [`Exhausted`] if `cancellation` is cancelled, or reading exceeds the budget that follows from the length of the file.
pub fn carry(bytes: &[u8], keep: Keep, cancellation: &Cancellation) -> Result<Carried, Exhausted> {
    let Some(format) = sniff(bytes) else { return Ok(Carried::default()) };
    let meter = &Meter::new(bytes.len() as u64, cancellation);
    let blocks = match keep {
        Keep::None => Blocks::default(),
        Keep::Marks => Blocks { xmp: marks(&parts::of(bytes, format, Want::Xmp, meter)?, meter)?, ..Blocks::default() },
        Keep::Copyright => {
            let parts = parts::of(bytes, format, Want::All, meter)?;
            let exif = rights_exif(&parts).filter(|exif| !exif.is_empty()).map(|exif| exif.write());
            Blocks { exif, ..rights_text(&parts, meter)? }
        }
        Keep::All => everything(&parts::of(bytes, format, Want::All, meter)?, meter)?,
    };
    Ok(Carried { blocks, gain_map: None })
}

fn everything(parts: &Parts, meter: &Meter<'_>) -> Result<Blocks, Exhausted> {
    let exif = parts.exif.as_deref().and_then(ExifBlock::read).map(|mut exif| {
        // The size is set when the block is embedded.
        exif.describe_transformed(0, 0);
        exif
    });
    let mut xmp = Xmp::new(&parts.xmp, meter)?;
    if let Some(iptc) = &parts.iptc {
        xmp.add_iptc_rights(&iptc::to_json(iptc, meter)?);
    }
    Ok(Blocks {
        exif: exif.filter(|exif| !exif.is_empty()).map(|exif| exif.write()),
        xmp: xmp.select(Selection::Transformed),
        iptc: parts.iptc.clone(),
        icc: None,
    })
}

/// Embeds carried metadata in a newly encoded file of this size. A format that does not support it, and a file that is
/// not of the format, are returned unchanged.
pub fn embed(encoded: Vec<u8>, format: Format, carried: &Carried, width: u32, height: u32) -> Vec<u8> {
    // Only JPEG holds a gain map here.
    let gain_map = carried.gain_map.as_ref().filter(|_| format == Format::Jpeg);
    if (carried.blocks == Blocks::default() && gain_map.is_none()) || sniff(&encoded) != Some(format) {
        return encoded;
    }
    let blocks = fitted(carried, format, width, height);
    match format {
        Format::Jpeg => into_jpeg(encoded, blocks, gain_map),
        Format::Png => into_png(encoded, &blocks),
        Format::WebP => into_webp(encoded, &blocks, width, height),
        Format::Gif => into_gif(encoded, &blocks),
        Format::Avif => {
            heif_items::with_items(&encoded, blocks.exif.as_deref(), blocks.xmp.as_deref()).unwrap_or(encoded)
        }
        _ => encoded,
    }
}

/// The blocks with the new size.
fn fitted(carried: &Carried, format: Format, width: u32, height: u32) -> Blocks {
    let mut blocks = carried.blocks.clone();
    let exif = carried.blocks.exif.as_deref().and_then(ExifBlock::read).map(|mut exif| {
        exif.describe_transformed(width, height);
        exif
    });
    blocks.exif = exif.as_ref().map(ExifBlock::write);
    if format == Format::Jpeg { fitted_to_segments(blocks, exif) } else { blocks }
}

/// In a JPEG, each block must fit into one segment. If it does not, maker notes are dropped first, then everything
/// except the rights.
fn fitted_to_segments(blocks: Blocks, exif: Option<ExifBlock<'_>>) -> Blocks {
    let fits = |header: &[u8], block: &Vec<u8>| header.len() + block.len() <= jpeg::MAX_PAYLOAD;
    let exif = blocks.exif.map(|written| match exif {
        Some(mut exif) if !fits(jpeg::EXIF, &written) => {
            exif.drop_maker_note();
            let written = exif.write();
            if fits(jpeg::EXIF, &written) {
                return written;
            }
            exif.keep_rights();
            exif.write()
        }
        _ => written,
    });
    let xmp = blocks.xmp.and_then(|packet| match fits(jpeg::XMP, &packet) {
        true => Some(packet),
        false => {
            // A packet that was serialized here, of which only a part is kept.
            #[allow(clippy::disallowed_methods, reason = "it is our own")]
            let cancellation = Cancellation::unbounded();
            let xmp = Xmp::new(std::slice::from_ref(&packet), &Meter::new(packet.len() as u64, &cancellation));
            xmp.ok().and_then(|xmp| xmp.select(Selection::Rights))
        }
    });
    let iptc = blocks.iptc.and_then(|data| match fits(jpeg::PHOTOSHOP, &photoshop::iptc_resource(&data)) {
        true => Some(data),
        false => iptc::rights(&data),
    });
    Blocks { exif, xmp, iptc, icc: blocks.icc }
}

fn insert(mut file: Vec<u8>, at: u64, bytes: &[u8]) -> Vec<u8> {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(file.len());
    file.reserve_exact(bytes.len());
    file.splice(at..at, bytes.iter().copied());
    file
}

/// Reads from a file that was encoded here, which needs no protection.
fn own<T>(file: &[u8], read: impl FnOnce(&mut Input<'_>) -> io::Result<T>) -> io::Result<T> {
    #[allow(clippy::disallowed_methods, reason = "it is our own")]
    let cancellation = Cancellation::unbounded();
    let meter = Meter::new(file.len() as u64, &cancellation);
    read(&mut Input::new(Cursor::new(file), &meter)?)
}

/// Inserts after SOI and a JFIF header.
fn into_jpeg(file: Vec<u8>, blocks: Blocks, gain_map: Option<&Written>) -> Vec<u8> {
    let at = match own(&file, |input| jpeg::next_segment(input, 2)) {
        Ok(Some(segment)) if slice(&file, &segment.payload).starts_with(b"JFIF\0") => segment.range.end,
        _ => 2,
    };
    let Some(gain_map) = gain_map else { return insert(file, at, &blocks.jpeg_segments()) };
    let announced = Blocks { xmp: Some(gain_map.announced(blocks.xmp.as_deref())), ..blocks };
    gain_map.append(file, at as usize, announced.jpeg_segments())
}

/// Inserts after IHDR, which is the first chunk in every file that this program writes (PNG 3rd edition, 5.6).
fn into_png(file: Vec<u8>, blocks: &Blocks) -> Vec<u8> {
    match own(&file, |input| png::next_chunk(input, png::SIGNATURE_LEN)) {
        Ok(Some(header)) if &header.name == b"IHDR" => insert(file, header.range.end, &blocks.png_chunks()),
        _ => file,
    }
}

fn into_gif(file: Vec<u8>, blocks: &Blocks) -> Vec<u8> {
    match (own(&file, gif::blocks), &blocks.xmp) {
        (Ok((header, _)), Some(packet)) => insert(file, header.end, &gif::xmp_extension(packet)),
        _ => file,
    }
}

/// Inserts after the pixels, except for the profile, and announces the chunks in VP8X, which is added to a file in the
/// simple format (RFC 9649, 2.7).
fn into_webp(mut file: Vec<u8>, blocks: &Blocks, width: u32, height: u32) -> Vec<u8> {
    let chunks = own(&file, webp::chunks);
    let Some(first) = chunks.ok().and_then(|chunks| chunks.into_iter().next()) else { return file };
    let ((profile, profile_flag), (chunks, flags)) = (blocks.webp_profile(), blocks.webp_chunks());
    let data = slice(&file, &first.data);
    match &first.name {
        b"VP8X" => {
            let at = usize::try_from(first.data.start).unwrap_or(usize::MAX);
            file.get_mut(at)
                .into_iter()
                .for_each(|byte| *byte = *byte & !(EXIF_FLAG | XMP_FLAG) | flags | profile_flag);
        }
        b"VP8 " | b"VP8L" => {
            // The header of VP8L contains whether alpha is used (RFC 9649, 3.4); VP8 without VP8X has no alpha.
            let has_alpha = &first.name == b"VP8L" && data.get(4).is_some_and(|byte| byte & 0x10 != 0);
            let alpha = if has_alpha { ALPHA_FLAG } else { 0 };
            let mut header = vec![flags | profile_flag | alpha, 0, 0, 0];
            for side in [width, height] {
                header.extend(side.saturating_sub(1).to_le_bytes().iter().take(3));
            }
            file = insert(file, HEADER_LEN, &webp::chunk(*b"VP8X", &header));
        }
        _ => return file,
    }
    // VP8X has 10 bytes, and is the first chunk.
    file = insert(file, HEADER_LEN + 8 + 10, &profile);
    file.extend(chunks);
    let size = u32::try_from(file.len() - 8).unwrap_or(u32::MAX).to_le_bytes();
    file.splice(4..8, size);
    file
}
