//! The storage layout of the first page: parses its directory and checks that it is complete and supported.

use super::super::{Budget, Error};
use super::{damaged, unsupported};
use image_origin_container::fax::Scheme;
use image_origin_container::tiff::{Block, Field};

/// The compression of a chunk (TIFF 6.0, sections 9 to 11, 13 and 22; Adobe's supplement 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
    Fax(Scheme),
}

/// The colour model (PhotometricInterpretation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
    /// CIE L*a*b* with a* and b* in two's complement (TIFF 6.0, section 23).
    CieLab,
    /// The same with an offset, as in ICC profiles (TIFF Technical Note for Photoshop 5.0).
    IccLab,
}

impl Photometric {
    /// The number of colour samples of a pixel.
    pub(super) fn colours(self) -> usize {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette => 1,
            Self::Rgb | Self::YCbCr | Self::CieLab | Self::IccLab => 3,
            Self::Cmyk => 4,
        }
    }
}

/// The number format of samples (SampleFormat).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unsigned,
    Signed,
    Float,
}

/// The predictor (Predictor).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// Differences from the previous pixel.
    Differences,
    /// Differences of the bytes of floating point numbers, with the highest bytes of a row first (Adobe's technical
    /// note 3).
    FloatingPoint,
}

/// The alpha sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alpha {
    /// Its index in a pixel.
    pub(super) index: usize,
    /// Whether colours are premultiplied.
    pub(super) associated: bool,
}

/// The first page. Sides are at least 1.
pub(super) struct Layout<'a> {
    block: Block<'a>,
    pub(super) width: u32,
    pub(super) height: u32,
    /// The number of bits of a sample, 1 to 64.
    pub(super) bits: u32,
    pub(super) kind: Kind,
    pub(super) samples: usize,
    pub(super) photometric: Photometric,
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
    /// Whether each sample is stored in separate chunks.
    pub(super) planar: bool,
    pub(super) alpha: Option<Alpha>,
    /// The horizontal and vertical chroma subsampling.
    pub(super) subsampling: (u32, u32),
    /// Whether the lowest bit of each byte comes first (FillOrder).
    pub(super) reversed: bool,
    /// Whether chunks are tiles; otherwise they are strips, as wide as the picture.
    pub(super) tiled: bool,
    /// The width of a tile, or of the picture.
    pub(super) chunk_width: u32,
    /// The height of a tile or strip.
    pub(super) chunk_height: u32,
    offsets: Field<'a>,
    lengths: Option<Field<'a>>,
    pub(super) jpeg_tables: Option<Field<'a>>,
    color_map: Option<Field<'a>>,
    coefficients: Option<Field<'a>>,
    reference: Option<Field<'a>>,
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

    /// A value that is common to all samples; a field with one value for each is accepted if they are equal.
    fn common(&self, tag: u16, default: u64) -> Result<u64, Error> {
        let Some(field) = self.find(tag) else { return Ok(default) };
        let mut values = (0..field.count.min(64) as usize).map_while(|index| self.block.uint_at(field, index));
        let first = values.next().unwrap_or(default);
        if values.all(|value| value == first) { Ok(first) } else { Err(unsupported("samples of different kinds")) }
    }
}

impl<'a> Layout<'a> {
    /// Parses the directory. A size beyond the budget is rejected before fields whose size depends on it are read.
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
        // The presence of the tile size means that there are tiles. Their offsets may be stored in the fields of
        // strips.
        let tile = fields.side(0x0142).zip(fields.side(0x0143));
        let either = |tile_tag, strip_tag| {
            let (first, second) = if tile.is_some() { (tile_tag, strip_tag) } else { (strip_tag, tile_tag) };
            fields.find(first).or_else(|| fields.find(second))
        };
        let offsets =
            either(0x0144, 0x0111).ok_or_else(|| damaged("the list of its strips or tiles is missing or cut off"))?;
        let rows = fields.side(0x0116).unwrap_or(height).min(height);
        let (chunk_width, chunk_height) = tile.unwrap_or((width, rows));
        let samples = fields.uint(0x0115).unwrap_or(1);
        if !(1..=32).contains(&samples) {
            return Err(unsupported("more than 32 samples of a pixel"));
        }
        let (bits, kind) = depth(&fields)?;
        let compression = compression(&fields)?;
        let photometric = photometric(&fields, samples, compression)?;
        let is_lab = matches!(photometric, Photometric::CieLab | Photometric::IccLab);
        let layout = Self {
            block,
            width,
            height,
            bits,
            // Some writers declare a* and b* as signed, and thereby L* as well.
            kind: if is_lab && kind == Kind::Signed { Kind::Unsigned } else { kind },
            samples: samples as usize,
            photometric,
            compression,
            predictor: match fields.uint(0x013d).unwrap_or(1) {
                2 => Predictor::Differences,
                3 => Predictor::FloatingPoint,
                _ => Predictor::None,
            },
            planar: fields.uint(0x011c) == Some(2) && samples > 1,
            alpha: alpha(&fields, photometric, samples as usize),
            subsampling: subsampling(&fields, photometric, compression)?,
            reversed: fields.uint(0x010a) == Some(2) && compression != Compression::Jpeg,
            tiled: tile.is_some(),
            chunk_width,
            chunk_height,
            offsets: offsets.clone(),
            lengths: either(0x0145, 0x0117).cloned(),
            jpeg_tables: fields.find(0x015b).cloned(),
            color_map: fields.find(0x0140).cloned(),
            coefficients: fields.find(0x0211).cloned(),
            reference: fields.find(0x0214).cloned(),
        };
        layout.check()?;
        Ok(layout)
    }

    /// Checks that the values are consistent and supported.
    fn check(&self) -> Result<(), Error> {
        if self.samples < self.photometric.colours() {
            return Err(damaged("there are fewer samples than colours"));
        }
        match self.compression {
            Compression::Jpeg if self.bits != 8 || self.predictor != Predictor::None => {
                return Err(unsupported("JPEG with other than 8 bits, or with a predictor"));
            }
            Compression::Jpeg if self.planar && self.photometric == Photometric::YCbCr => {
                return Err(unsupported("JPEGs of luma and chroma apart"));
            }
            Compression::Fax(_) if self.bits != 1 || self.chunk_samples() != 1 => {
                return Err(damaged("a fax with more than one bit a pixel"));
            }
            _ => {}
        }
        match self.photometric {
            Photometric::YCbCr if self.bits != 8 || self.kind != Kind::Unsigned => {
                return Err(unsupported("luma and chroma of other than 8 bits"));
            }
            Photometric::YCbCr if self.is_subsampled() && (self.planar || self.samples != 3) => {
                return Err(unsupported("subsampled chroma in planes of its own, or with further samples"));
            }
            Photometric::YCbCr if self.is_subsampled() && self.predictor != Predictor::None => {
                return Err(unsupported("subsampled chroma with a predictor"));
            }
            Photometric::CieLab | Photometric::IccLab if !matches!(self.bits, 8 | 16) || self.kind == Kind::Float => {
                return Err(unsupported("L*a*b* of other than 8 or 16 bits"));
            }
            Photometric::Palette if self.color_map.is_none() => return Err(damaged("there is no table of colours")),
            Photometric::Palette if self.bits > 16 || self.kind != Kind::Unsigned => {
                return Err(unsupported("a palette whose indices are no whole numbers of up to 16 bits"));
            }
            _ => {}
        }
        match self.predictor {
            Predictor::Differences if !matches!(self.bits, 8 | 16 | 32 | 64) => {
                Err(unsupported("differences of samples of other than 8, 16, 32 or 64 bits"))
            }
            Predictor::FloatingPoint if self.kind != Kind::Float => {
                Err(damaged("a predictor for floating point, and samples that are whole numbers"))
            }
            _ => Ok(()),
        }
    }

    /// The length of the file in bytes.
    pub(super) fn file_bytes(&self) -> u64 {
        self.block.byte_count()
    }

    /// Whether chroma is subsampled in the TIFF data itself, not within JPEG.
    pub(super) fn is_subsampled(&self) -> bool {
        self.subsampling != (1, 1)
    }

    /// Whether decompressed samples of several bytes are little-endian.
    pub(super) fn little_endian(&self) -> bool {
        self.block.little_endian && self.predictor != Predictor::FloatingPoint
    }

    /// The number of samples of a pixel that are stored in the same chunk.
    pub(super) fn chunk_samples(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// The number of planes.
    pub(super) fn planes(&self) -> usize {
        if self.planar { self.samples } else { 1 }
    }

    /// The number of chunks in a row.
    pub(super) fn across(&self) -> u32 {
        self.width.div_ceil(self.chunk_width)
    }

    /// The number of bytes of a row of a chunk, decompressed and with upsampled chroma.
    pub(super) fn row_bytes(&self) -> u64 {
        (u64::from(self.chunk_width) * self.chunk_samples() as u64 * u64::from(self.bits)).div_ceil(8)
    }

    /// The number of bytes of all rows of all chunks, decompressed.
    pub(super) fn sample_bytes(&self) -> u64 {
        let bands = u64::from(self.height.div_ceil(self.chunk_height));
        let rows = bands.saturating_mul(u64::from(self.chunk_height));
        let chunks = u64::from(self.across()) * self.planes() as u64;
        self.row_bytes().saturating_mul(rows).saturating_mul(chunks)
    }

    /// The compressed bytes of a chunk, truncated at the end of the file; the error says why there are none.
    pub(super) fn chunk<'b>(
        &self,
        bytes: &'b [u8],
        plane: usize,
        down: u32,
        across: u32,
    ) -> Result<&'b [u8], &'static str> {
        let per_plane = u64::from(self.across()) * u64::from(self.height.div_ceil(self.chunk_height));
        let index = plane as u64 * per_plane + u64::from(down) * u64::from(self.across()) + u64::from(across);
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        // A sparse chunk has no offset and counts as missing.
        let offset_at = |index| self.block.uint_at(&self.offsets, index).filter(|offset| *offset > 0);
        let offset = offset_at(index);
        let start = usize::try_from(offset.ok_or("a strip or tile is missing")?).unwrap_or(usize::MAX);
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or("a strip or tile lies outside the file")?;
        let length = self.lengths.as_ref().and_then(|lengths| self.block.uint_at(lengths, index));
        let length = length.and_then(|length| usize::try_from(length).ok());
        // As in libtiff, a length of zero means unknown: the chunk then extends to the next one.
        let to_next =
            || usize::try_from(offset_at(index.checked_add(1)?)?).ok()?.checked_sub(start).filter(|gap| *gap > 0);
        Ok(match length.filter(|length| *length > 0).or_else(to_next) {
            Some(length) => &rest[..length.min(rest.len())],
            None => rest,
        })
    }

    /// The colours of the palette: all reds, then all greens, then all blues, of 16 bits each (TIFF 6.0, section 5).
    pub(super) fn palette(&self) -> Option<Vec<[u16; 3]>> {
        let field = self.color_map.as_ref()?;
        let size = 1usize << self.bits;
        let value = |index| self.block.uint_at(field, index).and_then(|value| u16::try_from(value).ok());
        value(3 * size - 1)?;
        // Some writers store 8-bit values.
        let shift = if (0..3 * size).all(|index| value(index).is_some_and(|value| value < 256)) { 0 } else { 8 };
        let colour = |i| Some([value(i)?, value(size + i)?, value(2 * size + i)?].map(|value| value >> shift));
        (0..size).map(colour).collect()
    }

    /// The shares of red, green and blue in luma (TIFF 6.0, section 21); those of BT.601 unless others are given.
    pub(super) fn luma_coefficients(&self) -> [f32; 3] {
        self.ratios(self.coefficients.as_ref())
            .filter(|shares| shares[1] > 0.0 && shares.iter().all(|share| (0.0..=1.0).contains(share)))
            .unwrap_or([0.299, 0.587, 0.114])
    }

    /// The samples of black and white in luma, and of no and full colour in each chroma (TIFF 6.0, section 20).
    pub(super) fn reference_black_white(&self) -> [f32; 6] {
        self.ratios(self.reference.as_ref())
            .filter(|levels: &[f32; 6]| levels.as_chunks::<2>().0.iter().all(|[low, high]| low < high))
            .unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0])
    }

    fn ratios<const COUNT: usize>(&self, field: Option<&Field<'_>>) -> Option<[f32; COUNT]> {
        let mut ratios = [0.0; COUNT];
        for (index, ratio) in ratios.iter_mut().enumerate() {
            *ratio = self.block.ratio_at(field?, index)? as f32;
        }
        Some(ratios)
    }
}

/// Bits of a sample, and the kind of number that they are.
fn depth(fields: &Fields<'_>) -> Result<(u32, Kind), Error> {
    let bits = fields.common(0x0102, 1)?;
    let kind = match fields.common(0x0153, 1)? {
        2 => Kind::Signed,
        3 => Kind::Float,
        5 | 6 => return Err(unsupported("samples that are complex numbers")),
        // Nothing is known of the samples of kind 4, and other readers take them for these as well.
        _ => Kind::Unsigned,
    };
    match (kind, bits) {
        (Kind::Unsigned | Kind::Signed, 1..=32 | 64) | (Kind::Float, 16 | 24 | 32 | 64) => Ok((bits as u32, kind)),
        (Kind::Float, _) => Err(unsupported(&format!("floating point numbers of {bits} bits"))),
        _ => Err(unsupported(&format!("whole numbers of {bits} bits"))),
    }
}

fn photometric(fields: &Fields<'_>, samples: u64, compression: Compression) -> Result<Photometric, Error> {
    let reason = match fields.uint(0x0106) {
        Some(0) => return Ok(Photometric::WhiteIsZero),
        Some(1) => return Ok(Photometric::BlackIsZero),
        Some(2) => return Ok(Photometric::Rgb),
        Some(3) => return Ok(Photometric::Palette),
        Some(5) => return Ok(Photometric::Cmyk),
        Some(6) => return Ok(Photometric::YCbCr),
        Some(8) => return Ok(Photometric::CieLab),
        Some(9) => return Ok(Photometric::IccLab),
        // What libtiff guesses.
        None if matches!(compression, Compression::Fax(_)) => return Ok(Photometric::WhiteIsZero),
        None if samples < 3 => return Ok(Photometric::BlackIsZero),
        None => return Ok(Photometric::Rgb),
        Some(4) => "a mask of another picture".to_owned(),
        Some(10) => "L*a*b* of a fax".to_owned(),
        Some(32_803) => "the raw samples of a sensor".to_owned(),
        Some(32_844 | 32_845) => "the logarithm of light (LogL, LogLuv)".to_owned(),
        Some(other) => format!("photometric interpretation {other}"),
    };
    Err(unsupported(&reason))
}

fn compression(fields: &Fields<'_>) -> Result<Compression, Error> {
    let reason = match fields.uint(0x0103).unwrap_or(1) {
        1 => return Ok(Compression::None),
        2 => return Ok(Compression::Fax(Scheme::Runs(8))),
        3 => {
            let options = fields.uint(0x0124).unwrap_or(0);
            return Ok(Compression::Fax(Scheme::Group3 { two_dimensional: options & 1 != 0 }));
        }
        4 => return Ok(Compression::Fax(Scheme::Group4)),
        5 => return Ok(Compression::Lzw),
        7 => return Ok(Compression::Jpeg),
        8 | 32_946 => return Ok(Compression::Deflate),
        32_771 => return Ok(Compression::Fax(Scheme::Runs(16))),
        32_773 => return Ok(Compression::PackBits),
        6 => "JPEG of the old kind, which TIFF 6.0 has since withdrawn".to_owned(),
        32_766 => "compressed as by NeXT".to_owned(),
        32_809 => "compressed as by ThunderScan".to_owned(),
        33_003 | 33_005 | 34_712 => "JPEG 2000 inside".to_owned(),
        34_661 => "JBIG inside".to_owned(),
        34_676 | 34_677 => "compressed as by SGI (LogL, LogLuv)".to_owned(),
        34_887 => "compressed with LERC".to_owned(),
        34_925 => "compressed with LZMA".to_owned(),
        50_000 => "compressed with Zstandard".to_owned(),
        50_001 => "WebP inside".to_owned(),
        50_002 | 52_546 => "JPEG XL inside".to_owned(),
        other => format!("compression {other}"),
    };
    Err(unsupported(&reason))
}

/// The first sample of which the file says that it is alpha, among those behind the colours (ExtraSamples). A single
/// one of which it says nothing is taken for alpha, as by other programs, unless it may be a fifth ink.
fn alpha(fields: &Fields<'_>, photometric: Photometric, samples: usize) -> Option<Alpha> {
    let colours = photometric.colours();
    let further = samples.checked_sub(colours).filter(|further| *further > 0)?;
    let field = fields.find(0x0152);
    let meaning = |index| field.and_then(|field| fields.block.uint_at(field, index));
    let known = (0..further).find_map(|index| match meaning(index) {
        Some(associated @ (1 | 2)) => Some(Alpha { index: colours + index, associated: associated == 1 }),
        _ => None,
    });
    let is_likely = further == 1 && photometric != Photometric::Cmyk;
    known.or(is_likely.then_some(Alpha { index: colours, associated: false }))
}

/// How chroma is subsampled in the order of samples. A JPEG says for itself, and has been undone where samples are read.
fn subsampling(fields: &Fields<'_>, photometric: Photometric, compression: Compression) -> Result<(u32, u32), Error> {
    if photometric != Photometric::YCbCr || compression == Compression::Jpeg {
        return Ok((1, 1));
    }
    let factor = |index, default| match fields.find(0x0212) {
        Some(field) => fields.block.uint_at(field, index).unwrap_or(default),
        None => default,
    };
    match (factor(0, 2), factor(1, 2)) {
        (across @ (1 | 2 | 4), down @ (1 | 2 | 4)) => Ok((across as u32, down as u32)),
        _ => Err(damaged("chroma is subsampled by other than 1, 2 or 4")),
    }
}
