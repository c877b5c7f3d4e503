//! How the first page stores its pixels: its directory, checked for being complete and of a kind that is read.

use super::super::{Budget, Error};
use super::{damaged, unsupported};
use crate::metadata::tiff::{Block, Field};

/// How a chunk is compressed (TIFF 6.0, sections 9, 13 and 22; Adobe's supplement 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
}

/// What the samples of a pixel are (PhotometricInterpretation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

/// The first sample that the photometric interpretation does not account for (ExtraSamples).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    /// It means nothing here.
    Other,
    /// Alpha that colours are already multiplied with.
    Associated,
    /// Straight alpha.
    Unassociated,
}

/// The first page. Sides are at least 1.
pub(super) struct Layout<'a> {
    block: Block<'a>,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bits of a sample: 1, 2, 4, 8 or 16.
    pub(super) bits: u8,
    pub(super) samples: usize,
    pub(super) photometric: Photometric,
    pub(super) compression: Compression,
    /// Whether samples are stored as differences to the pixel before.
    pub(super) differences: bool,
    /// Whether each sample has chunks of its own.
    pub(super) planar: bool,
    pub(super) extra: Option<Extra>,
    /// Whether chunks are tiles; else they are strips, as wide as the picture.
    pub(super) tiled: bool,
    /// Width of a tile, or of the picture.
    pub(super) chunk_width: u32,
    /// Height of a tile or strip.
    pub(super) chunk_height: u32,
    offsets: Field<'a>,
    lengths: Option<Field<'a>>,
    pub(super) jpeg_tables: Option<Field<'a>>,
    color_map: Option<Field<'a>>,
}

/// Fields by their tag.
struct Fields<'a> {
    block: Block<'a>,
    fields: Vec<Field<'a>>,
}

impl<'a> Fields<'a> {
    fn find(&self, tag: u16) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.tag == tag)
    }

    fn uint(&self, tag: u16) -> Option<u64> {
        self.find(tag).and_then(|field| self.block.uint_at(field, 0))
    }

    fn side(&self, tag: u16) -> Option<u32> {
        self.uint(tag).and_then(|side| u32::try_from(side).ok()).filter(|side| *side > 0)
    }

    /// One number for all samples; fields with one for each are fine as long as these are equal.
    fn common(&self, tag: u16, default: u64) -> Result<u64, Error> {
        let Some(field) = self.find(tag) else { return Ok(default) };
        let mut values = (0..field.count.min(64) as usize).map_while(|index| self.block.uint_at(field, index));
        let first = values.next().unwrap_or(default);
        if values.all(|value| value == first) { Ok(first) } else { Err(unsupported("samples of different kinds")) }
    }
}

impl<'a> Layout<'a> {
    /// Reads the directory. A size beyond the budget is refused before anything that grows with it is looked at.
    pub(super) fn read(bytes: &'a [u8], budget: Budget) -> Result<Self, Error> {
        let block = Block::new(bytes).ok_or_else(|| damaged("no header"))?;
        let fields = Fields { block, fields: block.directory(block.first).fields };
        let missing = |name: &str| damaged(format!("{name} is missing"));
        let width = fields.side(0x0100).ok_or_else(|| missing("the width"))?;
        let height = fields.side(0x0101).ok_or_else(|| missing("the height"))?;
        budget.check_pixels(width, height)?;
        if fields.find(0xc612).is_some() {
            return Err(unsupported("a digital negative"));
        }
        let tiles = fields.find(0x0144);
        let (offsets, lengths, chunk_width, chunk_height) = match tiles {
            Some(offsets) => {
                let sides = fields.side(0x0142).zip(fields.side(0x0143));
                let (width, height) = sides.ok_or_else(|| missing("the size of tiles"))?;
                (offsets.clone(), fields.find(0x0145), width, height)
            }
            None => {
                let offsets = fields
                    .find(0x0111)
                    .ok_or_else(|| damaged("the list of its strips or tiles is missing or cut off"))?;
                let rows = fields.side(0x0116).unwrap_or(height).min(height);
                (offsets.clone(), fields.find(0x0117), width, rows)
            }
        };
        let bits = fields.common(0x0102, 1)?;
        let samples = fields.uint(0x0115).unwrap_or(1);
        if !matches!(bits, 1 | 2 | 4 | 8 | 16) || !matches!(fields.common(0x0153, 1)?, 1 | 4) {
            return Err(unsupported("other samples than whole numbers of up to 16 bits"));
        }
        if !(1..=32).contains(&samples) || fields.uint(0x010a).unwrap_or(1) != 1 {
            return Err(unsupported("an unusual order of samples or bits"));
        }
        let layout = Self {
            block,
            width,
            height,
            bits: bits as u8,
            samples: samples as usize,
            photometric: photometric(fields.uint(0x0106))?,
            compression: compression(fields.uint(0x0103).unwrap_or(1))?,
            differences: match fields.uint(0x013d).unwrap_or(1) {
                1 => false,
                2 => true,
                _ => return Err(unsupported("a predictor for floating point")),
            },
            planar: fields.uint(0x011c) == Some(2) && samples > 1,
            extra: extra(&fields),
            tiled: tiles.is_some(),
            chunk_width,
            chunk_height,
            offsets,
            lengths: lengths.cloned(),
            jpeg_tables: fields.find(0x015b).cloned(),
            color_map: fields.find(0x0140).cloned(),
        };
        layout.check(&fields)
    }

    /// Whether the parts fit each other.
    fn check(self, fields: &Fields<'_>) -> Result<Self, Error> {
        let colours = match self.photometric {
            Photometric::WhiteIsZero | Photometric::BlackIsZero | Photometric::Palette => 1,
            Photometric::Rgb | Photometric::YCbCr => 3,
            Photometric::Cmyk => 4,
        };
        if self.samples < colours {
            return Err(damaged("there are fewer samples than colours"));
        }
        let jpeg = self.compression == Compression::Jpeg;
        if self.photometric == Photometric::YCbCr && !jpeg {
            let subsampling = fields.common(0x0212, 2)?;
            if subsampling != 1 || self.bits != 8 {
                return Err(unsupported("subsampled chroma without JPEG"));
            }
        }
        if jpeg && (self.bits != 8 || self.differences || (self.planar && self.photometric == Photometric::YCbCr)) {
            return Err(unsupported("an unusual JPEG inside"));
        }
        if self.differences && self.bits < 8 {
            return Err(unsupported("differences of less than 8 bits"));
        }
        if self.photometric == Photometric::Palette && (self.color_map.is_none() || self.bits > 8) {
            return Err(damaged("there is no table of colours"));
        }
        Ok(self)
    }

    pub(super) fn little_endian(&self) -> bool {
        self.block.little_endian
    }

    /// Samples of a pixel that stand in one chunk.
    pub(super) fn chunk_samples(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Chunks beside each other.
    pub(super) fn across(&self) -> u32 {
        self.width.div_ceil(self.chunk_width)
    }

    /// Bytes of one row of a chunk, once decompressed.
    pub(super) fn row_bytes(&self) -> u64 {
        (u64::from(self.chunk_width) * self.chunk_samples() as u64 * u64::from(self.bits)).div_ceil(8)
    }

    /// The compressed bytes of a chunk, cut at the end of the file.
    pub(super) fn chunk(&self, bytes: &'a [u8], plane: usize, down: u32, across: u32) -> Result<&'a [u8], Error> {
        let per_plane = u64::from(self.across()) * u64::from(self.height.div_ceil(self.chunk_height));
        let index = plane as u64 * per_plane + u64::from(down) * u64::from(self.across()) + u64::from(across);
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let offset = self.block.uint_at(&self.offsets, index).ok_or_else(|| damaged("a strip or tile is missing"))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = bytes.get(start..).ok_or_else(|| damaged("a strip or tile lies outside the file"))?;
        let length = self.lengths.as_ref().and_then(|lengths| self.block.uint_at(lengths, index));
        let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(rest.len());
        Ok(&rest[..length.min(rest.len())])
    }

    /// The colours of a palette: all reds, then all greens, then all blues, of 16 bits each (TIFF 6.0, section 5).
    pub(super) fn palette(&self) -> Option<Vec<[u16; 3]>> {
        let field = self.color_map.as_ref()?;
        let size = 1usize << self.bits;
        // Some writers left them at 8 bits.
        let values: Option<Vec<u16>> =
            (0..3 * size).map(|index| self.block.uint_at(field, index).and_then(|v| u16::try_from(v).ok())).collect();
        let values = values?;
        let shift = if values.iter().all(|value| *value < 256) { 0 } else { 8 };
        Some(
            (0..size)
                .map(|i| [values[i], values[size + i], values[2 * size + i]].map(|value| value >> shift))
                .collect(),
        )
    }
}

fn photometric(value: Option<u64>) -> Result<Photometric, Error> {
    Ok(match value {
        Some(0) => Photometric::WhiteIsZero,
        Some(1) => Photometric::BlackIsZero,
        Some(2) => Photometric::Rgb,
        Some(3) => Photometric::Palette,
        Some(5) => Photometric::Cmyk,
        Some(6) => Photometric::YCbCr,
        Some(other) => return Err(unsupported(&format!("photometric interpretation {other}"))),
        None => return Err(damaged("the photometric interpretation is missing")),
    })
}

fn compression(value: u64) -> Result<Compression, Error> {
    Ok(match value {
        1 => Compression::None,
        5 => Compression::Lzw,
        7 => Compression::Jpeg,
        8 | 32_946 => Compression::Deflate,
        32_773 => Compression::PackBits,
        2..=4 => return Err(unsupported("compressed as a fax")),
        other => return Err(unsupported(&format!("compression {other}"))),
    })
}

fn extra(fields: &Fields<'_>) -> Option<Extra> {
    fields.uint(0x0152).map(|value| match value {
        1 => Extra::Associated,
        2 => Extra::Unassociated,
        _ => Extra::Other,
    })
}
