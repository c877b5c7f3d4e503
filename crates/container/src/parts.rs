//! The metadata blocks of a file, independent of its container, from which reports, stripping and carrying over start.

use std::io;

use crate::head::without_exif_header;
use crate::input::Input;
use crate::{gif, heif, isobmff, jpeg, photoshop, png, tiff, webp};

/// The maximum number of bytes that are read of one block.
pub const MAX_BLOCK: usize = 16 << 20;
/// The maximum number of bytes that are read of an Exif block for the orientation, which is in its first directory.
const MAX_ORIENTATION_BLOCK: usize = 1 << 20;

/// Keywords of text chunks that contain metadata: XMP's own, and ImageMagick's.
const XMP_KEYWORD: &[u8] = b"XML:com.adobe.xmp";
const RAW_PROFILE: &[u8] = b"Raw profile type ";
/// The maximum number of such chunks that are read.
const MAX_PNG_TEXTS: usize = 16;
/// The maximum size to which one of them may inflate, in bytes.
const MAX_PNG_TEXT: usize = 8 << 20;

/// Which blocks are extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Exif only, as far as it is needed for the orientation.
    Orientation,
    /// The same and XMP.
    Xmp,
    /// All blocks, complete.
    All,
}

impl Want {
    const fn limit(self) -> usize {
        match self {
            Self::Orientation | Self::Xmp => MAX_ORIENTATION_BLOCK,
            Self::All => MAX_BLOCK,
        }
    }
}

/// The raw metadata blocks of a file.
#[derive(Debug, Default)]
pub struct Parts {
    /// The orientation, if the container has it where viewers look for it.
    pub orientation: Option<u8>,
    /// The Exif block, a TIFF structure.
    pub exif: Option<Vec<u8>>,
    /// The offset of its header in the file, if the block is stored contiguously and unchanged.
    pub exif_at: Option<u64>,
    /// XMP packets, the main packet first.
    pub xmp: Vec<Vec<u8>>,
    /// IPTC-IIM data sets.
    pub iptc: Option<Vec<u8>>,
    /// Descriptions of what could not be read.
    pub warnings: Vec<String>,
}

impl Parts {
    fn with_orientation(mut self) -> Self {
        self.orientation = self.exif.as_deref().and_then(tiff::Block::new).and_then(|block| block.orientation());
        self
    }

    /// Adds the Exif block at offset `at` of the file, unless there is one already.
    fn add_exif(&mut self, block: &[u8], at: Option<u64>) {
        if self.exif.is_none() {
            self.set_exif(block, at);
        }
    }

    fn set_exif(&mut self, block: &[u8], at: Option<u64>) {
        let bare = without_exif_header(block);
        self.exif_at = at.map(|at| at + (block.len() - bare.len()) as u64);
        self.exif = Some(bare.to_vec());
    }

    /// Adds the IPTC data in Photoshop's resources, unless there is some already.
    pub fn add_photoshop(&mut self, resources: &[u8]) {
        if self.iptc.is_none() {
            self.iptc = photoshop::iptc(resources).map(<[u8]>::to_vec);
        }
    }

    fn add_text(&mut self, keyword: &[u8], text: Vec<u8>) {
        if keyword == XMP_KEYWORD {
            self.xmp.push(text);
            return;
        }
        let Some(kind) = keyword.strip_prefix(RAW_PROFILE) else { return };
        let Some(profile) = png::raw_profile(&text) else {
            self.warnings.push(format!("the raw profile \"{}\" is damaged", String::from_utf8_lossy(kind)));
            return;
        };
        match kind.to_ascii_lowercase().as_slice() {
            b"exif" | b"app1" => match profile.strip_prefix(jpeg::XMP) {
                Some(packet) => self.xmp.push(packet.to_vec()),
                None => self.add_exif(&profile, None),
            },
            b"xmp" => self.xmp.push(profile),
            b"iptc" | b"8bim" => match profile.first() {
                Some(0x1c) => self.iptc = self.iptc.take().or(Some(profile)),
                _ => self.add_photoshop(&profile),
            },
            _ => {}
        }
    }
}

/// Extracts the blocks of a JPEG XL container (ISO/IEC 18181-2, 9): Exif after the offset of its header, and XMP.
pub fn of_jxl(input: &mut Input<'_>) -> io::Result<Parts> {
    let mut parts = Parts::default();
    let end = input.len();
    for found in isobmff::boxes(input, 0..end)? {
        match &found.kind {
            b"Exif" => {
                let start = found.payload.start;
                let block = input.copy(found.payload, MAX_BLOCK)?;
                if let Some((offset, rest)) = block.split_first_chunk().map(|(o, r)| (u32::from_be_bytes(*o), r)) {
                    let at = start + 4 + u64::from(offset);
                    parts.add_exif(rest.get(offset as usize..).unwrap_or_default(), Some(at));
                }
            }
            b"xml " if parts.xmp.len() < MAX_PNG_TEXTS => parts.xmp.push(input.copy(found.payload, MAX_BLOCK)?),
            _ => {}
        }
    }
    Ok(parts)
}

/// Extracts the blocks from the segments of a JPEG.
pub fn of_jpeg(input: &mut Input<'_>, segments: &[jpeg::Segment], want: Want) -> io::Result<Parts> {
    let mut parts = Parts::default();
    let (mut extended, mut resources) = (Vec::new(), Vec::new());
    // Readers stop at the first scan.
    for segment in segments.iter().take_while(|segment| segment.marker != jpeg::SOS) {
        if segment.marker == jpeg::APP1 {
            let payload = input.copy(segment.payload.clone(), jpeg::MAX_PAYLOAD)?;
            if let Some(block) = payload.strip_prefix(jpeg::EXIF) {
                let at = segment.payload.start + jpeg::EXIF.len() as u64;
                add_jpeg_exif(&mut parts, block, at, want.limit());
            } else if want == Want::Orientation {
                continue;
            } else if let Some(packet) = payload.strip_prefix(jpeg::XMP) {
                parts.xmp.push(packet.to_vec());
            } else if let Some(piece) = payload.strip_prefix(jpeg::EXTENDED_XMP) {
                input.entry::<Vec<u8>>()?;
                extended.push(piece.to_vec());
            }
        } else if segment.marker == jpeg::APP13 && want == Want::All {
            let payload = input.copy(segment.payload.clone(), jpeg::MAX_PAYLOAD)?;
            resources.extend_from_slice(payload.strip_prefix(jpeg::PHOTOSHOP).unwrap_or_default());
        }
    }
    parts.xmp.extend(join_extended_xmp(&mut extended, &mut parts.warnings));
    parts.add_photoshop(&resources);
    Ok(parts.with_orientation())
}

/// Adds an Exif segment. A block larger than 64 KiB continues in the following segments, which have no TIFF header.
fn add_jpeg_exif(parts: &mut Parts, block: &[u8], at: u64, limit: usize) {
    match &mut parts.exif {
        None => {
            parts.exif = Some(block.to_vec());
            parts.exif_at = Some(at);
        }
        Some(_) if matches!(block, [b'I', b'I', ..] | [b'M', b'M', ..]) => {
            parts.warnings.push("a second Exif segment was left out".into());
        }
        Some(first) if first.len() + block.len() <= limit => first.extend_from_slice(block),
        Some(_) => parts.warnings.push("Exif segments beyond the limit were left out".into()),
    }
}

/// Joins extended XMP (XMP part 3, 1.1.3.1): each segment has a 32-byte digest, the full length, and its offset.
fn join_extended_xmp(pieces: &mut [Vec<u8>], warnings: &mut Vec<String>) -> Option<Vec<u8>> {
    let digest = pieces.first()?.get(..32)?.to_vec();
    pieces.sort_by_key(|piece| piece.get(36..40).and_then(|offset| offset.first_chunk::<4>().copied()));
    let mut whole = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.starts_with(&digest)) {
        let Some((&offset, data)) = piece.get(36..).and_then(<[u8]>::split_first_chunk) else { continue };
        if u32::from_be_bytes(offset) as usize != whole.len() || whole.len() + data.len() > MAX_BLOCK {
            warnings.push("a part of the extended XMP is missing".into());
            return None;
        }
        whole.extend_from_slice(data);
    }
    Some(whole)
}

/// Extracts the blocks from the chunks of a PNG.
pub fn of_png(input: &mut Input<'_>, chunks: &[png::Chunk], want: Want) -> io::Result<Parts> {
    let mut parts = Parts::default();
    let mut texts = 0;
    let (mut has_exif, mut is_before_pixels) = (false, true);
    for chunk in chunks.iter().filter(|chunk| !chunk.cut) {
        match &chunk.name {
            b"IDAT" => is_before_pixels = false,
            b"eXIf" if !has_exif => {
                has_exif = true;
                let block = input.copy(chunk.data.clone(), want.limit())?;
                // The standard chunk takes precedence over a raw profile, whatever their order.
                parts.set_exif(&block, Some(chunk.data.start));
                // Viewers use the orientation only if it precedes the pixels, and not after JPEG's header.
                if is_before_pixels {
                    parts.orientation = tiff::Block::new(&block).and_then(|block| block.orientation());
                }
            }
            b"tEXt" | b"zTXt" | b"iTXt" if want != Want::Orientation && texts < MAX_PNG_TEXTS => {
                texts += usize::from(add_png_text(input, chunk, &mut parts)?);
            }
            _ => {}
        }
    }
    Ok(parts)
}

/// Reads a text chunk, and returns whether its keyword is one for metadata.
fn add_png_text(input: &mut Input<'_>, chunk: &png::Chunk, parts: &mut Parts) -> io::Result<bool> {
    let head = input.peek(chunk.data.start, RAW_PROFILE.len())?;
    if !head.starts_with(XMP_KEYWORD) && !head.starts_with(RAW_PROFILE) {
        return Ok(false);
    }
    let data = input.copy(chunk.data.clone(), MAX_BLOCK)?;
    let text = png::text(chunk.name, &data, MAX_PNG_TEXT, input.meter()).map_err(io::Error::other)?;
    if let Some(png::Text { keyword, text }) = text {
        parts.add_text(&keyword, text);
    }
    Ok(true)
}

/// Extracts the blocks from the chunks of a WebP.
pub fn of_webp(input: &mut Input<'_>, chunks: &[webp::Chunk], want: Want) -> io::Result<Parts> {
    let mut parts = Parts::default();
    // Demuxers ignore chunks that the header does not announce.
    let Some(flags) = webp::flags(input, chunks)? else { return Ok(parts) };
    for chunk in chunks {
        match &chunk.name {
            b"EXIF" if flags.has(webp::EXIF_FLAG) => {
                parts.add_exif(&input.copy(chunk.data.clone(), want.limit())?, Some(chunk.data.start));
            }
            b"XMP " if flags.has(webp::XMP_FLAG) && want != Want::Orientation => {
                parts.xmp.push(input.copy(chunk.data.clone(), MAX_BLOCK)?);
            }
            _ => {}
        }
    }
    Ok(parts.with_orientation())
}

/// Extracts the blocks from the items of an AVIF or HEIF file. The Exif item begins with the offset of the TIFF header
/// (ISO/IEC 23008-12, A.2.1).
pub fn of_heif(input: &mut Input<'_>, meta: &heif::Meta, want: Want) -> io::Result<Parts> {
    let mut parts = Parts { orientation: meta.orientation(), ..Parts::default() };
    if want == Want::Orientation {
        return Ok(parts);
    }
    // A file may contain several images with metadata: the first item belongs to the primary image.
    if let Some(id) = meta.exif_items().next().filter(|_| want == Want::All) {
        let data = meta.data(input, id, MAX_BLOCK)?;
        if let Some((offset, rest)) = data.split_first_chunk() {
            let offset = u32::from_be_bytes(*offset) as usize;
            parts.add_exif(rest.get(offset..).unwrap_or_default(), None);
        }
    }
    if let Some(id) = meta.xmp_items().next() {
        parts.xmp.push(meta.data(input, id, MAX_BLOCK)?);
    }
    Ok(parts)
}

/// Extracts the blocks of a GIF, which can only contain XMP.
pub fn of_gif(input: &mut Input<'_>, blocks: &[gif::Block], want: Want) -> io::Result<Parts> {
    let mut parts = Parts::default();
    if want != Want::Orientation {
        for range in blocks.iter().filter_map(gif::Block::xmp) {
            parts.xmp.push(input.copy(range, MAX_BLOCK)?);
        }
    }
    Ok(parts)
}
