//! The headers of a key frame (RFC 6386, sections 9.1 to 9.11 and 19.2).

use super::bool_decoder::BoolDecoder;
use super::filter::Strength;
use super::tables::{AC_STEPS, DC_STEPS, TOKEN_DEFAULTS, TOKEN_UPDATES};
use super::tokens::Probabilities;
use super::{DecodeError, damaged};

/// The length of the frame tag, the start code and the dimensions.
const START_LEN: usize = 10;

pub(super) const SEGMENTS: usize = 4;

/// The uncompressed data chunk at the start of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The length in bytes of the first partition, with the header and the modes.
    first_partition: usize,
}

impl Start {
    /// Parses the uncompressed part of a key frame's header (section 9.1).
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some(&[t0, t1, t2, s0, s1, s2, w0, w1, h0, h1]) = bytes.first_chunk::<START_LEN>() else {
            return Err(damaged("the frame ends within its header"));
        };
        let tag = u32::from_le_bytes([t0, t1, t2, 0]);
        if tag & 1 != 0 || [s0, s1, s2] != [0x9d, 0x01, 0x2a] {
            return Err(damaged("the frame is no key frame"));
        }
        if (tag >> 1) & 7 > 3 {
            return Err(damaged("the frame is of an unknown version"));
        }
        // The upper two bits of the dimensions request upscaling, which decoders ignore.
        let side = |low, high| usize::from(u16::from_le_bytes([low, high]) & 0x3fff);
        let (width, height) = (side(w0, w1), side(h0, h1));
        if width == 0 || height == 0 {
            return Err(damaged("a side is zero"));
        }
        Ok(Self { width, height, first_partition: (tag >> 5) as usize })
    }
}

/// The quantizer steps of DC and of AC coefficients.
pub(super) type Steps = [i32; 2];

/// The quantizers of a segment (section 14.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Quantizer {
    pub(super) y1: Steps,
    pub(super) y2: Steps,
    pub(super) chroma: Steps,
}

/// The loop filter type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterKind {
    None,
    Simple,
    Normal,
}

/// A frame's header, and its partitions.
pub(super) struct Header<'a> {
    /// The probabilities of the segment tree, if macroblocks contain their segment.
    pub(super) segment_tree: Option<[u8; 3]>,
    pub(super) quantizers: [Quantizer; SEGMENTS],
    pub(super) filter: FilterKind,
    /// By segment, and by whether the macroblock is predicted in 4x4 blocks.
    pub(super) strengths: [[Strength; 2]; SEGMENTS],
    pub(super) tokens: Box<Probabilities>,
    /// The probability that a macroblock has coefficients, if macroblocks contain a skip flag.
    pub(super) skip: Option<u8>,
    /// The rest of the first partition.
    pub(super) modes: BoolDecoder<'a>,
    /// The coefficient partitions, which rows of macroblocks use in turns.
    pub(super) partitions: Vec<BoolDecoder<'a>>,
}

impl<'a> Header<'a> {
    /// Parses the header of the frame that begins with `start`. The first partition must be complete.
    pub(super) fn read(start: &Start, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let after = bytes.get(START_LEN..).unwrap_or_default();
        let Some((first, rest)) = after.split_at_checked(start.first_partition) else {
            return Err(damaged("the frame ends within its first partition"));
        };
        let mut reader = BoolDecoder::new(first);
        let _colour_space = reader.flag();
        let _needs_no_clamping = reader.flag();
        let segmentation = Segmentation::read(&mut reader);
        let (filter, strengths) = read_filter(&mut reader, &segmentation);
        let partitions = split_partitions(1 << reader.literal(2), rest)?;
        let quantizers = read_quantizers(&mut reader, &segmentation);
        let _keep_probabilities = reader.flag();
        let tokens = read_token_probabilities(&mut reader);
        let skip = reader.flag().then(|| reader.literal(8));
        if reader.is_exhausted() {
            return Err(damaged("the first partition ends within the header"));
        }
        let segment_tree = segmentation.tree;
        Ok(Self { segment_tree, quantizers, filter, strengths, tokens, skip, modes: reader, partitions })
    }
}

/// The adjustments for each segment (section 9.3).
struct Segmentation {
    tree: Option<[u8; 3]>,
    /// Whether adjustments replace the frame's values, or are added to them.
    is_absolute: bool,
    quantizer: [i8; SEGMENTS],
    filter_level: [i8; SEGMENTS],
}

impl Segmentation {
    fn read(reader: &mut BoolDecoder<'_>) -> Self {
        let mut segmentation = Self { tree: None, is_absolute: false, quantizer: [0; 4], filter_level: [0; 4] };
        if !reader.flag() {
            return segmentation;
        }
        let has_tree = reader.flag();
        // Segments without adjustments have all values zero, as in libwebp; no encoder produces this.
        segmentation.is_absolute = true;
        if reader.flag() {
            segmentation.is_absolute = reader.flag();
            segmentation.quantizer = [(); 4].map(|()| reader.optional_signed(7).unwrap_or(0));
            segmentation.filter_level = [(); 4].map(|()| reader.optional_signed(6).unwrap_or(0));
        }
        segmentation.tree = has_tree.then(|| [(); 3].map(|()| if reader.flag() { reader.literal(8) } else { 255 }));
        segmentation
    }

    fn apply(&self, base: u8, adjustments: &[i8; SEGMENTS], segment: usize) -> i32 {
        let base = if self.is_absolute { 0 } else { i32::from(base) };
        base + i32::from(adjustments[segment])
    }
}

/// Derives the filter parameters (sections 9.4, 15.2 and 15.3).
fn read_filter(reader: &mut BoolDecoder<'_>, segmentation: &Segmentation) -> (FilterKind, [[Strength; 2]; SEGMENTS]) {
    let is_simple = reader.flag();
    let level = reader.literal(6);
    let sharpness = reader.literal(3);
    let has_deltas = reader.flag();
    let (mut intra_delta, mut blocks_delta) = (0, 0);
    if has_deltas && reader.flag() {
        // The first of each group of four applies to key frames, and to prediction in 4x4 blocks.
        let deltas = [(); 8].map(|()| reader.optional_signed(6).unwrap_or(0));
        (intra_delta, blocks_delta) = (i32::from(deltas[0]), i32::from(deltas[4]));
    }
    let kind = match (level, is_simple) {
        (0, _) => FilterKind::None,
        (_, true) => FilterKind::Simple,
        (_, false) => FilterKind::Normal,
    };
    let strength = |segment: usize, in_blocks: bool| {
        let level = segmentation.apply(level, &segmentation.filter_level, segment) + intra_delta;
        let level = level + if in_blocks { blocks_delta } else { 0 };
        Strength::new(level.clamp(0, 63) as u8, sharpness)
    };
    (kind, std::array::from_fn(|segment| [false, true].map(|in_blocks| strength(segment, in_blocks))))
}

/// Splits the coefficient partitions by the sizes of all but the last (section 9.5). The data may be truncated.
fn split_partitions(count: usize, bytes: &[u8]) -> Result<Vec<BoolDecoder<'_>>, DecodeError> {
    let Some((sizes, mut rest)) = bytes.split_at_checked(3 * (count - 1)) else {
        return Err(damaged("the frame ends before its partitions"));
    };
    let mut partitions = Vec::with_capacity(count);
    for &[b0, b1, b2] in sizes.as_chunks().0 {
        let size = u32::from_le_bytes([b0, b1, b2, 0]) as usize;
        let (partition, after) = rest.split_at(size.min(rest.len()));
        partitions.push(BoolDecoder::new(partition));
        rest = after;
    }
    partitions.push(BoolDecoder::new(rest));
    Ok(partitions)
}

/// Sections 9.6 and 14.1.
fn read_quantizers(reader: &mut BoolDecoder<'_>, segmentation: &Segmentation) -> [Quantizer; SEGMENTS] {
    let base = reader.literal(7);
    let [y1_dc, y2_dc, y2_ac, chroma_dc, chroma_ac] =
        [(); 5].map(|()| i32::from(reader.optional_signed(4).unwrap_or(0)));
    std::array::from_fn(|segment| {
        let index = segmentation.apply(base, &segmentation.quantizer, segment);
        let dc = |delta: i32, most: i32| i32::from(DC_STEPS[(index + delta).clamp(0, most) as usize]);
        let ac = |delta: i32| i32::from(AC_STEPS[(index + delta).clamp(0, 127) as usize]);
        Quantizer {
            y1: [dc(y1_dc, 127), ac(0)],
            y2: [dc(y2_dc, 127) * 2, (ac(y2_ac) * 155 / 100).max(8)],
            chroma: [dc(chroma_dc, 117), ac(chroma_ac)],
        }
    })
}

/// Section 13.4.
fn read_token_probabilities(reader: &mut BoolDecoder<'_>) -> Box<Probabilities> {
    let mut probabilities = TOKEN_DEFAULTS;
    let updates = TOKEN_UPDATES.as_flattened().as_flattened().as_flattened();
    for (probability, update) in
        probabilities.as_flattened_mut().as_flattened_mut().as_flattened_mut().iter_mut().zip(updates)
    {
        if reader.read(*update) {
            *probability = reader.literal(8);
        }
    }
    Probabilities::new(&probabilities)
}
