//! The forward DCT (T.81 A.3.3) of a row of blocks, and their quantisation.
//!
//! The transform is the one of Loeffler, Ligtenberg and Moschytz (1989) in 13 bit fixed point, first along rows, then
//! along columns, rounded after each: coefficients come out equal to those of libjpeg's "islow" transform. The loops
//! run over samples side by side, so that the compiler makes vectors of them; hence blocks are transposed first.

use super::frame::{Block, Frame};
use super::quantisation::Quantiser;
use crate::kernel::{Kernel, dispatch};

/// Fraction bits of the constants.
const FRACTION: u32 = 13;
/// Fraction bits that are kept between the two passes.
const BETWEEN: u32 = 2;

/// A constant in fixed point.
const fn fixed(value: f64) -> i32 {
    (value * (1 << FRACTION) as f64 + 0.5) as i32
}

/// Buffers of the transform, kept from row to row.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The first samples of each row of every block, then the second ones, and so on.
    columns: Vec<u8>,
    /// What the first pass made of each row of samples.
    rows: Vec<[i16; 8]>,
}

impl Scratch {
    /// Bytes that this comes to hold.
    pub(super) fn memory(frame: &Frame) -> u64 {
        let across = frame.components.first().map_or(0, |component| frame.mcus_across * component.h);
        (across * (64 + 8 * size_of::<[i16; 8]>())) as u64
    }
}

/// Makes blocks of eight rows of samples, of which `stride` leads from one to the next.
pub(super) fn transform(
    samples: &[u8],
    stride: usize,
    quantiser: &Quantiser,
    scratch: &mut Scratch,
    blocks: &mut [Block],
) {
    scratch.columns.resize(blocks.len() * 64, 0);
    scratch.rows.resize(blocks.len() * 8, [0; 8]);
    let rows = std::array::from_fn(|row| &samples[row * stride..][..blocks.len() * 8]);
    dispatch(Transpose { rows, columns: &mut scratch.columns });
    dispatch(FirstPass { columns: &scratch.columns, rows: &mut scratch.rows });
    dispatch(SecondPass { rows: &scratch.rows, quantiser, blocks });
}

/// Gathers the samples of each column of all blocks.
struct Transpose<'a> {
    rows: [&'a [u8]; 8],
    columns: &'a mut [u8],
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let count = self.columns.len() / 64;
        let rows = self.rows.map(|row| &row.as_chunks::<8>().0[..count]);
        let (columns, _) = self.columns.as_chunks_mut::<8>();
        let (c0, rest) = columns.split_at_mut(count);
        let (c1, rest) = rest.split_at_mut(count);
        let (c2, rest) = rest.split_at_mut(count);
        let (c3, rest) = rest.split_at_mut(count);
        let (c4, rest) = rest.split_at_mut(count);
        let (c5, rest) = rest.split_at_mut(count);
        let (c6, c7) = rest.split_at_mut(count);
        for i in 0..count {
            let mut words = [0; 8];
            for (word, row) in words.iter_mut().zip(rows) {
                *word = u64::from_le_bytes(row[i]);
            }
            // Exchanges the squares of 1, 2 and 4 samples beside the diagonal.
            for (first, second) in [(0, 1), (2, 3), (4, 5), (6, 7)] {
                exchange(&mut words, first, second, 8, 0x00FF_00FF_00FF_00FF);
            }
            for (first, second) in [(0, 2), (1, 3), (4, 6), (5, 7)] {
                exchange(&mut words, first, second, 16, 0x0000_FFFF_0000_FFFF);
            }
            for (first, second) in [(0, 4), (1, 5), (2, 6), (3, 7)] {
                exchange(&mut words, first, second, 32, 0x0000_0000_FFFF_FFFF);
            }
            c0[i] = words[0].to_le_bytes();
            c1[i] = words[1].to_le_bytes();
            c2[i] = words[2].to_le_bytes();
            c3[i] = words[3].to_le_bytes();
            c4[i] = words[4].to_le_bytes();
            c5[i] = words[5].to_le_bytes();
            c6[i] = words[6].to_le_bytes();
            c7[i] = words[7].to_le_bytes();
        }
    }
}

/// Exchanges the high parts of one word with the low parts of another.
#[inline(always)]
fn exchange(words: &mut [u64; 8], first: usize, second: usize, shift: u32, low: u64) {
    let difference = ((words[first] >> shift) ^ words[second]) & low;
    words[second] ^= difference;
    words[first] ^= difference << shift;
}

/// Transforms rows of samples.
struct FirstPass<'a> {
    columns: &'a [u8],
    rows: &'a mut [[i16; 8]],
}

impl Kernel for FirstPass<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let count = self.rows.len();
        let mut columns = self.columns.chunks_exact(count);
        let columns: [&[u8]; 8] = std::array::from_fn(|_| columns.next().unwrap_or_default());
        let [c0, c1, c2, c3, c4, c5, c6, c7] = columns.map(|column| &column[..count]);
        for i in 0..count {
            let samples = [c0[i], c1[i], c2[i], c3[i], c4[i], c5[i], c6[i], c7[i]];
            let shifted = samples.map(|sample| i32::from(sample) - 128);
            let exact = eight_points(shifted, FRACTION - BETWEEN);
            self.rows[i] = exact.map(|value| value as i16);
        }
    }
}

/// Transforms columns, and quantises.
struct SecondPass<'a> {
    rows: &'a [[i16; 8]],
    quantiser: &'a Quantiser,
    blocks: &'a mut [Block],
}

impl Kernel for SecondPass<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (rows, block) in self.rows.as_chunks::<8>().0.iter().zip(self.blocks) {
            let mut scaled = [0; 64];
            for i in 0..8 {
                let column =
                    [rows[0][i], rows[1][i], rows[2][i], rows[3][i], rows[4][i], rows[5][i], rows[6][i], rows[7][i]];
                let exact = eight_points(column.map(i32::from), FRACTION + BETWEEN);
                for k in 0..8 {
                    scaled[k * 8 + i] = exact[k] as i16;
                }
            }
            self.quantiser.quantise(&scaled, block);
        }
    }
}

/// A transform scaled by the square root of 8 and by the fraction of the constants, of which `bits` are rounded away.
#[inline(always)]
fn eight_points(x: [i32; 8], bits: u32) -> [i32; 8] {
    const HALF_TURN: i32 = fixed(1.175_875_602);
    let round = 1 << (bits - 1);
    let descale = |value: i32| (value + round) >> bits;
    let sum = |i: usize| x[i] + x[7 - i];
    let difference = |i: usize| x[i] - x[7 - i];

    let (outer, inner) = (sum(0) + sum(3), sum(1) + sum(2));
    let (t, u) = (sum(0) - sum(3), sum(1) - sum(2));
    let shared = (t + u) * fixed(0.541_196_100);
    let even = [
        descale((outer + inner) << FRACTION),
        descale(shared + t * fixed(0.765_366_865)),
        descale((outer - inner) << FRACTION),
        descale(shared - u * fixed(1.847_759_065)),
    ];

    let (a, b, c, d) = (difference(3), difference(2), difference(1), difference(0));
    let turn = (a + c + b + d) * HALF_TURN;
    let (ad, bc) = ((a + d) * fixed(0.899_976_223), (b + c) * fixed(2.562_915_447));
    let ac = turn - (a + c) * fixed(1.961_570_560);
    let bd = turn - (b + d) * fixed(0.390_180_644);
    let odd = [
        descale(d * fixed(1.501_321_110) - ad + bd),
        descale(c * fixed(3.072_711_026) - bc + ac),
        descale(b * fixed(2.053_119_869) - bc + bd),
        descale(a * fixed(0.298_631_336) - ad + ac),
    ];
    [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
}
