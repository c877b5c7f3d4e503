//! Converts the bytes of a row to samples of at most 16 bits.
//!
//! Integers of up to 16 bits are kept, and longer ones reduced to their highest 16 bits; negative ones become 0.
//! Floating point from 0 to 1 is scaled to 0 to 65535, and clipped outside of that, as in ImageMagick and GIMP.

use super::layout::{Compression, Kind, Layout, Predictor};

/// Reverses the predictor (TIFF 6.0, section 14; Adobe's technical note 3). `scratch` is overwritten.
pub(super) fn restore(layout: &Layout<'_>, row: &mut [u8], scratch: &mut Vec<u8>) {
    let step = layout.chunk_samples();
    let little = layout.little_endian();
    match (layout.predictor, layout.bits) {
        (Predictor::None, _) => {}
        (Predictor::FloatingPoint, bits) => {
            add_up(row, step, |byte, before: &[u8; 1]| [byte[0].wrapping_add(before[0])]);
            let size = bits as usize / 8;
            let count = row.len() / size;
            scratch.clear();
            scratch.extend_from_slice(row);
            for (index, sample) in row.chunks_exact_mut(size).enumerate() {
                sample.iter_mut().enumerate().for_each(|(place, byte)| *byte = scratch[place * count + index]);
            }
        }
        (Predictor::Differences, 8) => add_up(row, step, |one, other: &[u8; 1]| [one[0].wrapping_add(other[0])]),
        (Predictor::Differences, 16) => add_up(row, step, |one, other| match little {
            true => u16::from_le_bytes(one).wrapping_add(u16::from_le_bytes(*other)).to_le_bytes(),
            false => u16::from_be_bytes(one).wrapping_add(u16::from_be_bytes(*other)).to_be_bytes(),
        }),
        (Predictor::Differences, 32) => add_up(row, step, |one, other| match little {
            true => u32::from_le_bytes(one).wrapping_add(u32::from_le_bytes(*other)).to_le_bytes(),
            false => u32::from_be_bytes(one).wrapping_add(u32::from_be_bytes(*other)).to_be_bytes(),
        }),
        (Predictor::Differences, _) => add_up(row, step, |one, other| match little {
            true => u64::from_le_bytes(one).wrapping_add(u64::from_le_bytes(*other)).to_le_bytes(),
            false => u64::from_be_bytes(one).wrapping_add(u64::from_be_bytes(*other)).to_be_bytes(),
        }),
    }
}

fn add_up<const SIZE: usize>(row: &mut [u8], step: usize, add: impl Fn([u8; SIZE], &[u8; SIZE]) -> [u8; SIZE]) {
    let samples = row.as_chunks_mut::<SIZE>().0;
    for index in step..samples.len() {
        samples[index] = add(samples[index], &samples[index - step]);
    }
}

/// Writes the samples starting at `skipped` to `to`.
pub(super) fn unpack<'t>(layout: &Layout<'_>, row: &[u8], skipped: usize, to: impl Iterator<Item = &'t mut u16>) {
    let little = layout.little_endian() && layout.compression != Compression::Jpeg;
    let bits = layout.bits as usize;
    match (layout.kind, bits, little) {
        (Kind::Unsigned, 8, _) => fill(to, row.iter().skip(skipped).map(|byte| u16::from(*byte))),
        (Kind::Unsigned, 16, true) => {
            fill(to, row.as_chunks().0.iter().skip(skipped).map(|bytes| u16::from_le_bytes(*bytes)));
        }
        (Kind::Unsigned, 16, false) => {
            fill(to, row.as_chunks().0.iter().skip(skipped).map(|bytes| u16::from_be_bytes(*bytes)));
        }
        (kind, 8 | 16 | 24 | 32 | 64, _) => {
            let number = |bytes: &[u8]| {
                let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
                if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
            };
            let numbers = row.chunks_exact(bits / 8).skip(skipped).map(number);
            fill(to, numbers.map(|number| sample(kind, layout.bits, number)));
        }
        (kind, ..) => {
            let numbers = (skipped..row.len() * 8 / bits).map(|index| packed(row, index * bits, bits));
            fill(to, numbers.map(|number| sample(kind, layout.bits, number)));
        }
    }
}

fn fill<'t>(to: impl Iterator<Item = &'t mut u16>, from: impl Iterator<Item = u16>) {
    to.zip(from).for_each(|(to, from)| *to = from);
}

/// A number of up to 32 bits that starts within a byte, the highest bit first.
fn packed(row: &[u8], start: usize, bits: usize) -> u64 {
    let (first, end) = (start / 8, start + bits);
    let last = end.div_ceil(8);
    let number = row[first..last].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    (number >> (last * 8 - end)) & ((1 << bits) - 1)
}

fn sample(kind: Kind, bits: u32, number: u64) -> u16 {
    let highest = number >> bits.saturating_sub(16);
    match kind {
        Kind::Unsigned => highest as u16,
        Kind::Signed if number >> (bits - 1) == 1 => 0,
        Kind::Signed => highest as u16,
        Kind::Float => {
            let value = match bits {
                64 => f64::from_bits(number),
                32 => f64::from(f32::from_bits(number as u32)),
                24 => float(number, 7, 16),
                _ => float(number, 5, 10),
            };
            (value.clamp(0.0, 1.0) * 65_535.0).round() as u16
        }
    }
}

/// An IEEE 754 number with a sign and the given numbers of exponent and fraction bits.
fn float(number: u64, exponent_bits: u32, fraction_bits: u32) -> f64 {
    let fraction = (number & ((1 << fraction_bits) - 1)) as f64 / f64::from(1u32 << fraction_bits);
    let largest = (1i32 << exponent_bits) - 1;
    let exponent = (number >> fraction_bits) as i32 & largest;
    let bias = largest / 2;
    let value = match exponent {
        0 => fraction * 2f64.powi(1 - bias),
        exponent if exponent == largest && fraction > 0.0 => f64::NAN,
        exponent if exponent == largest => f64::INFINITY,
        exponent => (1.0 + fraction) * 2f64.powi(exponent - bias),
    };
    if number >> (exponent_bits + fraction_bits) == 1 { -value } else { value }
}
