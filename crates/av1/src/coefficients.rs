//! The coefficients of a transform block: scan order, contexts, and coding (5.11.39).

use std::sync::LazyLock;

use super::probabilities::Probabilities;
use super::quantizer::Steps;
use super::size::BlockSize;
use super::symbols::Sink;
use super::tables::BASE_CONTEXT_OFFSET;

/// The scan order, from the lowest frequency, for each transform size.
pub(super) static SCANS: LazyLock<Vec<Vec<u16>>> =
    LazyLock::new(|| BlockSize::transforms().map(|size| scan(size.coded())).collect());

/// The index in scan order of each position, for each transform size.
pub(super) static PLACES: LazyLock<Vec<Vec<u16>>> = LazyLock::new(|| {
    let places = SCANS.iter().map(|scan| {
        let mut places = vec![0; scan.len()];
        for (index, position) in scan.iter().enumerate() {
            places[usize::from(*position)] = index as u16;
        }
        places
    });
    places.collect()
});

/// `get_default_scan` (5.11.41): diagonals, downwards in tall transforms, upwards in wide ones, and alternating in
/// squares.
pub(super) fn scan(size: BlockSize) -> Vec<u16> {
    let (w, h) = (size.width(), size.height());
    let mut positions = Vec::with_capacity(w * h);
    for diagonal in 0..w + h - 1 {
        let rows = diagonal.saturating_sub(w - 1)..=diagonal.min(h - 1);
        let position = |y: usize| (y * w + diagonal - y) as u16;
        if w < h || (w == h && diagonal % 2 == 1) {
            positions.extend(rows.map(position));
        } else {
            positions.extend(rows.rev().map(position));
        }
    }
    positions
}

/// The contexts for the coefficients of a transform block.
#[derive(Debug, Clone, Copy)]
pub(super) struct CoefContext {
    pub(super) size: BlockSize,
    pub(super) is_chroma: bool,
    /// The context of `all_zero`.
    pub(super) zero_context: usize,
    /// The context of `dc_sign`.
    pub(super) sign_context: usize,
}

/// The levels of the coefficients in scan order, up to the last that is not 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Levels(pub(super) Vec<i16>);

impl Levels {
    /// `culLevel` and `dcCategory`, which are contexts of later blocks.
    pub(super) fn contexts(&self) -> [u8; 2] {
        let sum: u32 = self.0.iter().map(|level| u32::from(level.unsigned_abs())).sum();
        let sign = match self.0.first() {
            Some(..=-1) => 1,
            Some(1..) => 2,
            _ => 0,
        };
        [sum.min(63) as u8, sign]
    }
}

/// A place of the scan order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The position among coefficients, row by row.
    pub(super) position: u16,
    /// The index in [`Neighbours`].
    near: u16,
    /// The offsets of the contexts of `coeff_base` and `coeff_br`.
    base: u8,
    range: u8,
}

/// The places of the scan order, for each transform size.
pub(super) static SCAN_PLACES: LazyLock<Vec<Vec<Place>>> = LazyLock::new(|| {
    let places = |size: BlockSize| {
        let coded = size.coded();
        let place = move |position: &u16| {
            let place @ [row, column] = [position >> coded.w, position & ((1 << coded.w) - 1)].map(usize::from);
            let near = (row + MARGIN) * (coded.width() + MARGIN) + column + MARGIN;
            let (base, range) = (base_offset(size, place) as u8, range_offset(place) as u8);
            Place { position: *position, near: near as u16, base, range }
        };
        SCANS[size.transform_index()].iter().map(place).collect()
    };
    BlockSize::transforms().map(places).collect()
});

/// Sums of the levels to the right of positions and below, for contexts: the rows of the transform with a margin at the
/// left and above, in `N` bytes. Most levels are zeros, so that it is quicker to add to sums than to add up levels.
pub(super) struct Neighbours<const N: usize> {
    /// Of five levels, up to 3 each.
    base: [u8; N],
    /// Of three levels, up to 15 each.
    range: [u8; N],
    stride: usize,
}

/// The reach of contexts.
const MARGIN: usize = 2;

/// The buffer sizes for transforms of up to 8 by 8, and for all.
pub(super) const SMALL: usize = (8 + MARGIN) * (8 + MARGIN);
pub(super) const LARGE: usize = (32 + MARGIN) * (32 + MARGIN);

impl<const N: usize> Neighbours<N> {
    /// Levels of a transform whose coded part is of this size.
    pub(super) fn new(size: BlockSize) -> Self {
        Self { base: [0; N], range: [0; N], stride: size.width() + MARGIN }
    }

    /// Adds a level that is not 0.
    pub(super) fn set(&mut self, place: Place, level: u32) {
        let (at, stride) = (usize::from(place.near), self.stride);
        let (base, range) = (level.min(3) as u8, level.min(15) as u8);
        for at in [at - 1, at - 2, at - stride, at - stride - 1, at - 2 * stride] {
            self.base[at] += base;
        }
        for at in [at - 1, at - stride, at - stride - 1] {
            self.range[at] += range;
        }
    }

    /// The context of `coeff_base` at a scan index.
    #[inline(always)]
    pub(super) fn base(&self, c: usize, place: Place) -> usize {
        if c == 0 { 0 } else { usize::from(self.base[usize::from(place.near)].div_ceil(2).min(4) + place.base) }
    }

    /// The context of `coeff_br`.
    pub(super) fn range(&self, place: Place) -> usize {
        usize::from(self.range[usize::from(place.near)].div_ceil(2).min(6) + place.range)
    }
}

impl Place {
    /// The context of `coeff_br` for the last level.
    pub(super) fn last_range(self) -> usize {
        self.range.into()
    }
}

/// The offset of the context of `coeff_br` for a position.
pub(super) fn range_offset(place: [usize; 2]) -> usize {
    match place {
        [0, 0] => 0,
        [..2, ..2] => 7,
        _ => 14,
    }
}

pub(super) fn base_offset(size: BlockSize, [row, column]: [usize; 2]) -> usize {
    BASE_CONTEXT_OFFSET[size.transform_index()][row.min(4)][column.min(4)].into()
}

/// The context of `coeff_base_eob` for the last position.
pub(super) fn last_context(last: usize, area: usize) -> usize {
    match last {
        0 => 0,
        _ if last <= area / 8 => 1,
        _ if last <= area / 4 => 2,
        _ => 3,
    }
}

/// The position class of a number of coefficients, and its number of extra bits.
pub(super) fn group(count: usize) -> (usize, u32) {
    if count <= 2 { (count, 0) } else { ((count - 1).ilog2() as usize + 2, (count - 1).ilog2()) }
}

/// The extent of coefficients.
pub(super) struct Extent {
    /// The number of rows up to the last coefficient that is not zero.
    pub(super) rows: usize,
    /// The sum of their magnitudes.
    pub(super) magnitude: u32,
}

/// Dequantizes levels to the coefficients of the coded part, which are zero, column by column, like a decoder (7.12.3).
pub(super) fn dequantize(levels: &Levels, steps: &Steps, size: BlockSize, coefficients: &mut [i32]) -> Extent {
    let (shift, coded) = (size.dequantizer_shift(), size.coded());
    let mut extent = Extent { rows: 0, magnitude: 0 };
    for (level, position) in levels.0.iter().zip(&SCANS[size.transform_index()]).filter(|(level, _)| **level != 0) {
        let magnitude = (i32::from(level.unsigned_abs()) * steps.step[usize::from(*position)] as i32) & 0xff_ffff;
        let value = magnitude >> shift;
        let [row, column] = [*position >> coded.w, *position & ((1 << coded.w) - 1)].map(usize::from);
        let value = (if *level < 0 { -value } else { value }).clamp(-(1 << 15), (1 << 15) - 1);
        coefficients[column * coded.height() + row] = value;
        extent.rows = extent.rows.max(row + 1);
        extent.magnitude += value.unsigned_abs();
    }
    extent
}

/// Writes levels, except for `all_zero` and the transform type, which precede them. There is at least one level.
pub(super) fn write(levels: &Levels, context: CoefContext, p: &mut Probabilities, writer: &mut impl Sink) {
    let size = context.size.coded();
    let places = &SCAN_PLACES[context.size.transform_index()];
    let (tx_size, plane) = (context.size.context(), usize::from(context.is_chroma));
    let count = levels.0.len();
    let (group, extra) = group(count);
    writer.symbol(p.eob(size.w + size.h, plane), group - 1);
    if extra > 0 {
        let offset = (count - 1 - (1 << extra)) as u32;
        writer.symbol(&mut p.eob_extra[tx_size][plane][group - 3], (offset >> (extra - 1) & 1) as usize);
        writer.literal(offset, extra - 1);
    }
    let mut near = Neighbours::<LARGE>::new(size);
    for (c, level) in levels.0.iter().enumerate().rev() {
        let level = u32::from(level.unsigned_abs());
        let place = places[c];
        if c == count - 1 {
            let cdf = &mut p.base_eob[tx_size][plane][last_context(c, size.area())];
            writer.symbol(cdf, level.min(3) as usize - 1);
        } else {
            let base = near.base(c, place);
            writer.symbol(&mut p.base[tx_size][plane][base], level.min(3) as usize);
        }
        if level > 2 {
            let cdf = &mut p.range[tx_size.min(3)][plane][near.range(place)];
            let mut rest = level.min(15) - 3;
            for _ in 0..4 {
                writer.symbol(cdf, rest.min(3) as usize);
                if rest < 3 {
                    break;
                }
                rest -= 3;
            }
        }
        if level > 0 {
            near.set(place, level);
        }
    }
    for (c, level) in levels.0.iter().enumerate().filter(|(_, level)| **level != 0) {
        if c == 0 {
            writer.symbol(&mut p.dc_sign[plane][context.sign_context], usize::from(*level < 0));
        } else {
            writer.literal(u32::from(*level < 0), 1);
        }
        let magnitude = u32::from(level.unsigned_abs());
        if magnitude > 14 {
            let rest = magnitude - 14;
            writer.literal(0, rest.ilog2());
            writer.literal(rest, rest.ilog2() + 1);
        }
    }
}
