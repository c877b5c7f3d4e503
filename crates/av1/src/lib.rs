//! An AV1 decoder and encoder for still pictures, in Rust without dependencies (AV1 Bitstream & Decoding Process
//! Specification, version 1.0.0 with Errata 1, to which section numbers refer).
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use image_origin_av1::decode::{DecodeOptions, Decoder, Row};
//! use image_origin_av1::{Colour, EncodeOptions, Picture, Planes, encode};
//!
//! let luma: Vec<u8> = (0..64 * 48).map(|i| (i % 64 * 3) as u8).collect();
//! let picture = Picture::new(64, 48, Planes::Grey(&luma), Colour::default())?;
//! let stream = encode(&picture, &EncodeOptions::default().quantizer(0))?;
//!
//! let decoder = Decoder::new(&stream.units, &|| ControlFlow::Continue(()))?;
//! let decoded = decoder.decode(&DecodeOptions::default())?;
//! assert_eq!(decoded.row(0, 47), Row::Eight(&luma[47 * 64..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does
//!
//! [`decode`](mod@decode) reads one frame that does not refer to others, as pictures in AVIF are: of 8, 10 and 12 bits, with all
//! intra tools, in-loop filters, superres and film grain. Samples equal those of other decoders. The filters can be left out,
//! for callers that reduce the picture. No input makes it panic, or take time or memory out of proportion.
//!
//! [`encode`](fn@encode) takes planes of 8 bits, grey or with chroma at half or full resolution; the output is a sequence header
//! and one key frame, as used in AVIF, lossy or lossless. Equal input yields equal bytes on every machine: the effort depends on
//! [`SpeedSettings`] alone, never on the clock.
//!
//! The memory of both is known in advance, and a callback, called at every superblock, cancels.
//!
//! # What it does not do
//!
//! It reads and writes no container, and runs on one thread. Frames that are predicted from others are not decoded. The
//! encoder writes a single frame of one tile, so the picture cannot exceed the size of a tile; AVIF supports grids for larger
//! ones. Blocks of drawings may have palettes and transforms of single samples. CDEF has the same
//! strengths everywhere, for luma only. Loop restoration and intra block copy are not written.
//!
//! # Speed
//!
//! CPU time in milliseconds from a photograph in JPEG to AVIF at equal SSIMULACRA2, mostly for the encoder, on one
//! thread, compared with sharp (libaom with default settings):
//!
//! | size | this, with squares from 8 and two modes | sharp | bytes beside sharp's |
//! | --- | --- | --- | --- |
//! | 12 MP to 300 pixels | 35.9 | 227.3 | 1.000 |
//! | 12 MP to 800 pixels | 205.1 | 1231.4 | 0.957 |
//! | 6 MP to 300 pixels | 32.0 | 230.8 | 0.786 |
//! | 8 MP to 800 pixels | 216.5 | 1712.3 | 0.981 |
//!
//! `NOTES.md` in the crate's folder describes experiments, and the time of the decoder.
//!
//! # How it works
//!
//! A frame is divided into superblocks of 64 or 128 by 128. To encode one, `partition` searches block sizes, `luma` and
//! `chroma` search predictions and transforms, `palette` the few colours of blocks of drawings, `quantize` performs rate-distortion optimized quantization, and `write` codes
//! the result. The `FrameEncoder` always has the state that a decoder would have at that point, so that a decoder
//! reconstructs exactly what the encoder assumed; only the deblocking filter and CDEF are applied afterwards (`cdef` chooses its strengths).
//!
//! The decoder (`decode`) reads the blocks of each tile and reconstructs them at once, in planes of whole superblocks; the
//! filters follow, a pass over the planes each. Both share predictions (`predict`), inverse transforms (`inverse`) and tables.

mod adapt;
mod cdef;
mod chroma;
mod coefficients;
mod colours;
pub mod decode;
mod defaults;
mod error;
mod forward;
mod frame;
mod headers;
mod inverse;
mod lossless;
mod luma;
mod matrices;
mod options;
mod palette;
mod partition;
mod picture;
mod predict;
mod probabilities;
mod quantize;
mod quantizer;
mod rates;
mod sample;
mod size;
mod symbols;
mod tables;
mod tuning;
mod write;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;

pub use error::EncodeError;
pub use options::{Content, EncodeOptions, SpeedSettings};
pub use picture::{Colour, Picture, Planes};

use adapt::Weights;
use decode::cdef::Luma as Cdef;
use frame::{FrameEncoder, ModeInfo, Plane, SUPERBLOCK};
use headers::Headers;
use partition::Square;
use quantizer::{Quantizer, step_of_samples};
use rates::Costs;
use symbols::{BIT, Writer};

/// The Lagrange multiplier: the cost of a bit, in units of the squared quantizer step.
const LAMBDA: f32 = 0.06;

/// The level of the deblocking filter per quantizer step.
const FILTER: f32 = 0.15;

/// The initial estimate of the size in bytes of a superblock: a bit for each sample.
const LIKELY_BYTES: usize = 64 * 3 / 2 / 8;

/// A coded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stream {
    /// A sequence header and a frame, as open bitstream units.
    pub units: Vec<u8>,
    /// The four bytes of `av1C` for the container.
    pub configuration: [u8; 4],
}

/// The maximum memory of [`encode`] in bytes besides picture and stream, for a picture of this size with this number of
/// samples in all planes.
pub fn memory(width: u32, height: u32, samples: u64) -> u64 {
    /// Quantizers, probabilities and costs, and the candidate blocks of a superblock.
    const FIXED: u64 = 5 << 18;
    let [width, height] = [width, height].map(u64::from);
    // The padding to whole superblocks.
    let padding = 3 * (64 * (width + height) + 64 * 64);
    // The source and the reconstruction.
    2 * (samples + padding) + width / 4 * size_of::<ModeInfo>() as u64 + decode::cdef::memory(width) + FIXED
}

/// Encodes a picture.
///
/// # Errors
/// [`EncodeError::Cancelled`], within the time of a superblock; [`EncodeError::TooLarge`] if the stream exceeds
/// [`EncodeOptions::max_bytes`].
pub fn encode(picture: &Picture<'_>, options: &EncodeOptions<'_>) -> Result<Stream, EncodeError> {
    let (encoder, symbols) = code(picture, options)?;
    let filter = (FILTER * step_of_samples(options.quantizer)).round().min(63.0) as u8;
    let ControlFlow::Continue(cdef) = cdef::choose(&encoder.frame[0], &encoder.source[0], picture.size, options) else {
        return Err(EncodeError::Cancelled);
    };
    let headers = headers(picture, options, filter, cdef);
    Ok(Stream { units: headers.stream(&symbols), configuration: headers.configuration() })
}

fn headers(picture: &Picture<'_>, options: &EncodeOptions<'_>, filter: u8, cdef: Option<Cdef>) -> Headers {
    let Colour { primaries, transfer, matrix } = picture.colour;
    Headers {
        size: picture.size,
        is_monochrome: picture.planes().len() == 1,
        is_halved: picture.is_halved(),
        colour: [primaries, transfer, matrix],
        quantizer: options.quantizer,
        matrices: options.has_matrices().then_some(options.tuning().matrices),
        has_palettes: options.has_palettes(),
        filter,
        cdef,
    }
}

/// Fails if an allocation exceeds the limit.
fn check_memory(needed: u64, limit: u64) -> Result<(), EncodeError> {
    if needed > limit { Err(EncodeError::TooLarge { needed, limit }) } else { Ok(()) }
}

/// Codes every superblock. Returns the reconstructed frame before deblocking, and its symbols.
fn code(picture: &Picture<'_>, options: &EncodeOptions<'_>) -> Result<(FrameEncoder, Vec<u8>), EncodeError> {
    let EncodeOptions { quantizer, max_bytes, .. } = *options;
    let with_matrices = options.has_matrices();
    let units = picture.size.map(|side| side.div_ceil(8) * 2);
    let source = (0..picture.planes().len()).map(|plane| padded(picture, plane)).collect();
    let tuning = options.tuning();
    let mut encoder = FrameEncoder::new(source, units, picture.is_halved(), quantizer, tuning, with_matrices);
    encoder.has_palettes = options.has_palettes();
    encoder.has_single_samples = options.content != Content::Natural;
    let mut quantizers = HashMap::new();
    let mut writer = Writer::new();
    for row in (0..encoder.rows).step_by(SUPERBLOCK) {
        encoder.left = [ModeInfo::OUTSIDE; SUPERBLOCK];
        writer.reserve(picture.size[0] * LIKELY_BYTES, max_bytes)?;
        for column in (0..encoder.columns).step_by(SUPERBLOCK) {
            if (options.check)().is_break() {
                return Err(EncodeError::Cancelled);
            }
            let place = [column * 4, row * 4];
            let index = adapt::quantizer(quantizer, tuning.boost, &encoder.source[0], place, picture.size);
            encoder.weights = Weights::new(&encoder.source[0], place, picture.size);
            encoder.quantizer_index = index;
            encoder.quantizer = quantizers
                .entry(index)
                .or_insert_with(|| Rc::new(Quantizer::new(index, tuning, with_matrices)))
                .clone();
            encoder.lambda = LAMBDA * step_of_samples(index).powi(2) / BIT as f32;
            encoder.costs = Costs::new(&mut encoder.probabilities);
            encoder.clear_decoded(row, column);
            let square = Square { row, column, side: 6 };
            let beside = column..column + SUPERBLOCK;
            let (above, left) = (encoder.above[beside.clone()].to_vec(), encoder.left);
            let (node, _) = encoder.search(square, &options.speed);
            encoder.above[beside].copy_from_slice(&above);
            encoder.left = left;
            encoder.put_node(&node, square, &mut writer);
        }
    }
    // Twice as numbers with carries, and once as bytes.
    check_memory(writer.held() * 3 / 2, max_bytes)?;
    Ok((encoder, writer.finish()))
}

/// A plane of whole superblocks, padded with its last column and row.
fn padded(picture: &Picture<'_>, plane: usize) -> Plane {
    let shift = u32::from(plane > 0 && picture.is_halved());
    let [width, height] = picture.size.map(|side| side.div_ceil(1 << shift));
    let [stride, rows] = picture.size.map(|side| side.next_multiple_of(64) >> shift);
    let mut samples = Vec::with_capacity(stride * rows);
    for y in 0..rows {
        let line = &picture.planes()[plane][y.min(height - 1) * width..][..width];
        samples.extend_from_slice(line);
        samples.resize((y + 1) * stride, line[width - 1]);
    }
    Plane { samples, stride }
}
