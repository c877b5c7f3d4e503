//! An AV1 encoder for still pictures of 8 bits (AV1 Bitstream & Decoding Process Specification, version 1.0.0 with
//! Errata 1; numbers of sections are of that).
//!
//! Planes come in, a stream of one key frame goes out. The frame is cut into superblocks of 64 by 64. For each,
//! `partition` searches blocks, `luma` and `chroma` search predictions and transforms, `quantize` weighs levels against the
//! bits they cost, and `write` puts down what was decided. The `Tile` is at any time what a decoder would know at that
//! point, so that it shows exactly what the encoder has reckoned with; only the deblocking filter comes after.

mod adapt;
mod chroma;
mod coefficients;
mod defaults;
mod forward;
mod headers;
mod inverse;
mod lossless;
mod luma;
mod matrices;
mod partition;
mod predict;
mod probabilities;
mod quantize;
mod quantizer;
mod rates;
mod size;
mod symbols;
mod tables;
mod tile;
mod write;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::rc::Rc;

use headers::Headers;
use partition::Square;
use quantizer::{Quantizer, step_of_samples};
use rates::Costs;
use symbols::{BIT, Writer};
use tile::{Plane, SUPERBLOCK, Tile, Unit};

use crate::codec::{Budget, Error, Work};

/// How much a bit may cost, in squares of a quantizer's step.
const LAMBDA: f32 = 0.06;

/// The deblocking filter's level for each step between samples.
const FILTER: f32 = 0.15;

/// Bytes that a column of a row of superblocks is likely to take at most: a bit for each sample.
const LIKELY_BYTES: usize = 64 * 3 / 2 / 8;

/// Where hardly anything is lost, all frequencies are quantized alike.
const FINEST_WITH_MATRICES: u8 = 24;

/// How thoroughly the search goes about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Effort {
    /// The log2 of the side of the smallest squares, 2 or 3.
    pub(crate) smallest: u8,
    /// Squares up to this log2 of a side are halved, too.
    pub(crate) halves_up_to: u8,
    /// How many times the best cost another way may cost and still get attention.
    pub(crate) patience: f32,
    /// How many modes are tried in full.
    pub(crate) modes: usize,
    pub(crate) chroma_modes: usize,
    /// Whether all transforms are tried with each of the modes, or with the best alone.
    pub(crate) kinds_of_each: bool,
}

/// What is to be coded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture<'a> {
    /// Width and height; each at least 1, and at most as many as 2304 superblocks make in 64 rows and columns or fewer.
    pub(crate) size: [usize; 2],
    /// Luma, or luma and both chromas, row by row.
    pub(crate) planes: &'a [Vec<u8>],
    /// Whether chroma has half of the columns and of the rows, rounded up.
    pub(crate) is_halved: bool,
    /// Code points of primaries, transfer and matrix (ITU-T H.273); the range is full.
    pub(crate) colour: [u8; 3],
}

/// A coded picture.
pub(crate) struct Stream {
    /// A sequence header and a frame, as open bitstream units.
    pub(crate) units: Vec<u8>,
    /// What containers say of it: the four bytes of `av1C`.
    pub(crate) configuration: [u8; 4],
}

/// Bytes that [`encode`] holds at most beside the picture and the stream, for as many samples as all planes have.
pub(crate) fn memory(size: [usize; 2], samples: u64) -> u64 {
    /// Quantizers, probabilities and costs, and the blocks of a superblock while they are searched.
    const FIXED: u64 = 5 << 18;
    let [width, height] = size.map(|side| side as u64);
    // What whole superblocks have more.
    let padding = 3 * (64 * (width + height) + 64 * 64);
    // What is to be coded, and what has been.
    2 * (samples + padding) + width / 4 * size_of::<Unit>() as u64 + FIXED
}

/// Codes a picture with `base_q_idx` of 0, without loss, to 255, the coarsest. `budget` is for the stream.
///
/// # Errors
/// [`Error::Stopped`], within the time that a superblock takes, when there is no time left; [`Error::TooLarge`] when
/// the stream does not fit into the budget.
pub(crate) fn encode(
    picture: &Picture<'_>,
    quantizer: u8,
    effort: &Effort,
    budget: Budget,
    work: &Work,
) -> Result<Stream, Error> {
    let with_matrices = quantizer >= FINEST_WITH_MATRICES;
    let (_, symbols) = code(picture, quantizer, with_matrices, effort, budget, work)?;
    let filter = (FILTER * step_of_samples(quantizer)).round().min(63.0) as u8;
    let headers = headers(picture, quantizer, with_matrices, filter);
    Ok(Stream { units: headers.stream(&symbols), configuration: headers.configuration() })
}

fn headers(picture: &Picture<'_>, quantizer: u8, with_matrices: bool, filter: u8) -> Headers {
    let Picture { size, planes, is_halved, colour } = *picture;
    Headers { size, is_monochrome: planes.len() == 1, is_halved, colour, quantizer, with_matrices, filter }
}

/// Codes every superblock. Returns the frame as decoders see it before they filter it, and its symbols.
fn code(
    picture: &Picture<'_>,
    quantizer: u8,
    with_matrices: bool,
    effort: &Effort,
    budget: Budget,
    work: &Work,
) -> Result<(Tile, Vec<u8>), Error> {
    let units = picture.size.map(|side| side.div_ceil(8) * 2);
    let source = (0..picture.planes.len()).map(|plane| padded(picture, plane)).collect();
    let mut tile = Tile::new(source, units, picture.is_halved, quantizer, with_matrices);
    let mut quantizers = HashMap::new();
    let mut writer = Writer::new();
    for row in (0..tile.rows).step_by(SUPERBLOCK) {
        tile.left = [Unit::OUTSIDE; SUPERBLOCK];
        writer.reserve(picture.size[0] * LIKELY_BYTES, &budget)?;
        for column in (0..tile.columns).step_by(SUPERBLOCK) {
            work.check()?;
            let index = adapt::quantizer(quantizer, &tile.source[0], [column * 4, row * 4], picture.size);
            tile.quantizer_index = index;
            tile.quantizer =
                quantizers.entry(index).or_insert_with(|| Rc::new(Quantizer::new(index, with_matrices))).clone();
            tile.lambda = LAMBDA * step_of_samples(index).powi(2) / BIT as f32;
            tile.costs = Costs::new(&mut tile.probabilities);
            tile.clear_decoded(row, column);
            let square = Square { row, column, side: 6 };
            let beside = column..column + SUPERBLOCK;
            let (above, left) = (tile.above[beside.clone()].to_vec(), tile.left);
            let (node, _) = tile.search(square, effort);
            tile.above[beside].copy_from_slice(&above);
            tile.left = left;
            tile.put_node(&node, square, &mut writer);
        }
    }
    // Twice as numbers with their carries, and once as bytes.
    budget.check_memory(writer.held() * 3 / 2)?;
    Ok((tile, writer.finish()))
}

/// A plane of whole superblocks, whose last column and row go on.
fn padded(picture: &Picture<'_>, plane: usize) -> Plane {
    let shift = u32::from(plane > 0 && picture.is_halved);
    let [width, height] = picture.size.map(|side| side.div_ceil(1 << shift));
    let [stride, rows] = picture.size.map(|side| side.next_multiple_of(64) >> shift);
    let mut samples = Vec::with_capacity(stride * rows);
    for y in 0..rows {
        let line = &picture.planes[plane][y.min(height - 1) * width..][..width];
        samples.extend_from_slice(line);
        samples.resize((y + 1) * stride, line[width - 1]);
    }
    Plane { samples, stride }
}
