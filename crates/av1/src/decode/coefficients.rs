//! The coefficients of a transform block (5.11.39).

use std::sync::LazyLock;

use super::Transforms;
use super::probabilities::Probabilities;
use super::symbols::Symbols;
use crate::coefficients::{base_offset, last_context, range_offset, scan};
use crate::inverse::TxType;
use crate::size::BlockSize;

/// The width of a row of levels: the longest side that is coded, and the reach of contexts.
const STRIDE: usize = 32 + REACH;

/// The reach of contexts to the right and down.
const REACH: usize = 4;

/// A position of the scan order.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// The place among levels, by rows of [`STRIDE`].
    level: u16,
    /// The place among coefficients, column by column.
    coefficient: u16,
    /// The offsets of the contexts of `coeff_base` and `coeff_br`.
    base: u8,
    range: u8,
}

/// How transforms combine rows and columns (8.3.2, `get_tx_class`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Both,
    Horizontal,
    Vertical,
}

impl Class {
    fn of(tx_type: TxType) -> Self {
        match tx_type.0 {
            10 | 12 | 14 => Self::Vertical,
            11 | 13 | 15 => Self::Horizontal,
            _ => Self::Both,
        }
    }
}

/// The scan orders of each transform size and class.
static SCANS: LazyLock<Vec<[Vec<Position>; 3]>> = LazyLock::new(|| {
    BlockSize::transforms()
        .map(|size| [Class::Both, Class::Horizontal, Class::Vertical].map(|class| positions(size, class)))
        .collect()
});

fn positions(size: BlockSize, class: Class) -> Vec<Position> {
    let coded = size.coded();
    let (w, h) = (coded.width(), coded.height());
    let order = match class {
        Class::Both => scan(coded),
        // `get_mrow_scan` and `get_mcol_scan` (5.11.41).
        // There are no larger ones.
        _ if size.longest() > 4 => Vec::new(),
        Class::Vertical => (0..(w * h) as u16).collect(),
        Class::Horizontal => (0..w).flat_map(|x| (0..h).map(move |y| (y * w + x) as u16)).collect(),
    };
    let position = |at: u16| {
        let (row, column) = (usize::from(at) / w, usize::from(at) % w);
        let (base, range) = match class {
            Class::Both => (base_offset(size, [row, column]), range_offset([row, column])),
            Class::Vertical => (26 + 5 * row.min(2), if row == 0 { 7 } else { 14 }),
            Class::Horizontal => (26 + 5 * column.min(2), if column == 0 { 7 } else { 14 }),
        };
        Position {
            level: (row * STRIDE + column) as u16,
            coefficient: (column * h + row) as u16,
            base: base as u8,
            range: if at == 0 { 0 } else { range as u8 },
        }
    };
    order.into_iter().map(position).collect()
}

/// Buffers for a transform block.
pub(super) struct Workspace {
    /// The coefficients, column by column, which are zero between blocks.
    pub(super) coefficients: Box<[i32; 32 * 32]>,
    levels: Box<[u8; STRIDE * (32 + REACH)]>,
    /// The positions in scan order of levels that are not zero, last first.
    found: Box<[u16; 32 * 32]>,
    pub(super) transforms: Transforms,
}

impl Workspace {
    pub(super) fn new() -> Self {
        Self {
            coefficients: Box::new([0; 32 * 32]),
            levels: Box::new([0; STRIDE * (32 + REACH)]),
            found: Box::new([0; 32 * 32]),
            transforms: Transforms::new(),
        }
    }
}

/// A transform block to read, for which `all_zero` is not set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) size: BlockSize,
    pub(super) tx_type: TxType,
    pub(super) is_chroma: bool,
    pub(super) sign_context: usize,
    /// The quantizer steps of DC and AC.
    pub(super) steps: [u32; 2],
    /// Factors of the steps in 32nds, row by row.
    pub(super) matrix: Option<&'a [u8]>,
    pub(super) depth: u32,
}

/// What was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// The number of rows that may differ from zero.
    pub(super) rows: usize,
    /// The sum of the coefficients' magnitudes.
    pub(super) magnitude: u32,
    /// `culLevel`, and `dcCategory` in the upper two bits.
    pub(super) context: u8,
}

/// Reads and dequantizes coefficients.
#[inline(always)]
pub(super) fn read(block: Block<'_>, p: &mut Probabilities, symbols: &mut Symbols<'_>, space: &mut Workspace) -> Read {
    let Block { size, .. } = block;
    let coded = size.coded();
    let class = Class::of(block.tx_type);
    let scan = &SCANS[size.transform_index()][class as usize][..];
    let (tx_size, plane) = (size.context(), usize::from(block.is_chroma));
    let count = read_count(block, class, p, symbols);
    let rows = match class {
        Class::Both => {
            // Scans go by diagonals.
            let Position { level, .. } = scan[count - 1];
            let diagonal = usize::from(level) / STRIDE + usize::from(level) % STRIDE;
            (diagonal + 1).min(coded.height())
        }
        _ => coded.height(),
    };
    let levels = &mut space.levels;
    levels[..(rows + REACH) * STRIDE].fill(0);
    let mut found = 0;
    {
        let position = scan[count - 1];
        let context = last_context(count - 1, coded.area());
        let mut level = symbols.symbol(&mut p.base_eob[tx_size][plane][context]) as u32 + 1;
        let at = usize::from(position.level);
        if level > 2 {
            level = read_range(&mut p.range[tx_size.min(3)][plane][usize::from(position.range)], symbols);
        }
        levels[at] = packed(level);
        space.found[found] = (count - 1) as u16;
        found += 1;
    }
    let base = &mut p.base[tx_size][plane];
    let range = &mut p.range[tx_size.min(3)][plane];
    for (c, position) in scan[..count - 1].iter().enumerate().rev() {
        let at = usize::from(position.level);
        let near = |offset: usize| u32::from(levels[at + offset]);
        let (mut sum, more) = match class {
            Class::Both => (near(1) + near(STRIDE) + near(STRIDE + 1), near(2) + near(2 * STRIDE)),
            Class::Horizontal => (near(1) + near(STRIDE) + near(2), near(3) + near(4)),
            Class::Vertical => (near(1) + near(STRIDE) + near(2 * STRIDE), near(3 * STRIDE) + near(4 * STRIDE)),
        };
        let magnitude = sum + more;
        let mut context = usize::from(position.base);
        if c > 0 || class != Class::Both {
            context += if magnitude > 512 { 4 } else { (magnitude as usize + 64) >> 7 };
        }
        let mut level = symbols.symbol(&mut base[context]) as u32;
        if level > 2 {
            sum &= 63;
            let context = usize::from(position.range) + if sum > 12 { 6 } else { (sum as usize + 1) >> 1 };
            level = read_range(&mut range[context], symbols);
        }
        if level > 0 {
            levels[at] = packed(level);
            space.found[found] = c as u16;
            found += 1;
        }
    }
    let shift = size.dequantizer_shift();
    let most = (1 << (block.depth + 7)) - 1;
    let (mut sum, mut total, mut category) = (0u32, 0u32, 0);
    for c in space.found[..found].iter().rev().copied() {
        let position = scan[usize::from(c)];
        let is_negative =
            if c == 0 { symbols.flag(&mut p.dc_sign[plane][block.sign_context]) } else { symbols.bit() == 1 };
        let mut level = u32::from(levels[usize::from(position.level)] & 63);
        if level > 14 {
            level = read_golomb(symbols).wrapping_add(14) & 0xf_ffff;
        }
        sum = sum.saturating_add(level);
        let place = usize::from(position.coefficient);
        if place == 0 {
            category = if is_negative { 1 } else { 2 };
        }
        let mut step = block.steps[usize::from(place > 0)];
        if let Some(matrix) = block.matrix {
            let at = place % coded.height() * coded.width() + place / coded.height();
            step = (step * u32::from(matrix[at]) + 16) >> 5;
        }
        let magnitude = ((level.wrapping_mul(step) & 0xff_ffff) >> shift) as i32;
        total = total.saturating_add(magnitude as u32);
        space.coefficients[place] = if is_negative { (-magnitude).max(-most - 1) } else { magnitude.min(most) };
    }
    Read { rows, magnitude: total, context: sum.min(63) as u8 | category << 6 }
}

/// A level with what contexts of `coeff_br` sum up in the lower 6 bits, and what those of `coeff_base` do above.
fn packed(level: u32) -> u8 {
    (level | level.min(3) << 6) as u8
}

/// The number of coefficients up to the last that is not zero.
#[inline(always)]
fn read_count(block: Block<'_>, class: Class, p: &mut Probabilities, symbols: &mut Symbols<'_>) -> usize {
    let (coded, plane) = (block.size.coded(), usize::from(block.is_chroma));
    let context = usize::from(class != Class::Both);
    let group = match coded.w + coded.h {
        4 => symbols.symbol(&mut p.eob_16[plane][context]),
        5 => symbols.symbol(&mut p.eob_32[plane][context]),
        6 => symbols.symbol(&mut p.eob_64[plane][context]),
        7 => symbols.symbol(&mut p.eob_128[plane][context]),
        8 => symbols.symbol(&mut p.eob_256[plane][context]),
        9 => symbols.symbol(&mut p.eob_512[plane]),
        _ => symbols.symbol(&mut p.eob_1024[plane]),
    };
    if group < 2 {
        return group + 1;
    }
    let extra = group as u32 - 1;
    let high = u32::from(symbols.flag(&mut p.eob_extra[block.size.context()][plane][group - 2]));
    let low = symbols.literal(extra - 1);
    ((1 << extra) + (high << (extra - 1) | low)) as usize + 1
}

/// The rest of a level above 2, up to 15.
#[inline(always)]
fn read_range(cdf: &mut [u16; 4], symbols: &mut Symbols<'_>) -> u32 {
    let mut level = 3;
    for _ in 0..4 {
        let more = symbols.symbol(cdf) as u32;
        level += more;
        if more < 3 {
            break;
        }
    }
    level
}

/// A number from 1 on, with an exponential Golomb code of up to 32 bits.
fn read_golomb(symbols: &mut Symbols<'_>) -> u32 {
    let mut length = 0;
    while length < 32 && symbols.bit() == 0 {
        length += 1;
    }
    (0..length).fold(1u32, |value, _| value << 1 | symbols.bit())
}
