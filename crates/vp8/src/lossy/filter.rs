//! The loop filter (RFC 6386, section 15).
//!
//! Intra prediction uses unfiltered samples, so that the filter can run one row of macroblocks behind, and could be
//! omitted.

use super::header::FilterKind;
use image_origin_kernel::Lanes;

/// The filter parameters of a macroblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Strength {
    /// The limit for the difference across an edge between blocks; 0 disables the filter.
    edge: u8,
    /// The limit for differences next to an edge.
    interior: u8,
    /// The threshold above which differences next to the edge have high variance.
    variance: u8,
    /// Whether edges between blocks are filtered too.
    has_inner: bool,
}

/// The additional limit at the edges of a macroblock.
const MACROBLOCK_EDGE: u8 = 4;

impl Strength {
    /// Derives the parameters from a level in `0..=63` and a sharpness in `0..=7` (sections 15.2 and 15.3). Key frames
    /// have their own thresholds for high variance.
    pub(super) fn new(level: u8, sharpness: u8) -> Self {
        if level == 0 {
            return Self::default();
        }
        let interior = match sharpness {
            0 => level,
            1..=4 => (level >> 1).min(9 - sharpness),
            _ => (level >> 2).min(9 - sharpness),
        };
        let interior = interior.max(1);
        let variance = match level {
            0..15 => 0,
            15..40 => 1,
            _ => 2,
        };
        Self { edge: 2 * level + interior, interior, variance, has_inner: false }
    }

    /// Sets whether inner edges are filtered.
    pub(super) fn with_inner(self, has_inner: bool) -> Self {
        Self { has_inner, ..self }
    }
}

/// The number of rows of luma and of chroma above a macroblock that its filter uses, or that are emitted in pairs with
/// those.
pub(super) const HELD: (usize, usize) = (8, 4);

/// Sixteen samples beside each other.
pub(super) type Row = [u8; 16];

/// The samples of a macroblock, preceded by the last rows of the one above it. A row of chroma is one of U followed by
/// one of V.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) luma: [Row; HELD.0 + 16],
    pub(super) chroma: [Row; HELD.1 + 8],
}

/// Filters a macroblock. Those above and to the left must have been filtered, except for the edges to this one.
#[inline(always)]
pub(super) fn filter_macroblock(
    kind: FilterKind,
    strength: Strength,
    mut left: Option<&mut Column>,
    column: &mut Column,
    is_first_row: bool,
) {
    if strength.edge == 0 {
        return;
    }
    match kind {
        FilterKind::None => {}
        FilterKind::Simple => {
            let filter = Simple { outer: strength.edge + MACROBLOCK_EDGE, inner: strength.edge };
            filter_luma(&filter, strength.has_inner, left, column, is_first_row);
        }
        FilterKind::Normal => {
            let filter = Normal(strength);
            filter_luma(&filter, strength.has_inner, left.as_deref_mut(), column, is_first_row);
            filter_chroma(&filter, strength.has_inner, left, column, is_first_row);
        }
    }
}

/// The operation on sixteen segments of an edge, given as the samples at the same distance from it: four before it and four
/// after it.
trait Filter {
    /// At an edge between macroblocks.
    fn outer(&self, lanes: &mut [Lanes; 8]);
    /// At an edge between blocks of a macroblock.
    fn inner(&self, lanes: &mut [Lanes; 8]);
}

/// Four samples of a row, which begin at a multiple of four.
#[inline(always)]
fn word(row: &Row, index: usize) -> u32 {
    u32::from_le_bytes(row.as_chunks::<4>().0[index])
}

#[inline(always)]
fn set_word(row: &mut Row, index: usize, word: u32) {
    row.as_chunks_mut::<4>().0[index] = word.to_le_bytes();
}

/// One half of a row.
#[inline(always)]
fn long(row: &Row, index: usize) -> u64 {
    u64::from_le_bytes(row.as_chunks::<8>().0[index])
}

#[inline(always)]
fn set_long(row: &mut Row, index: usize, long: u64) {
    row.as_chunks_mut::<8>().0[index] = long.to_le_bytes();
}

/// Filters the edge in the middle of eight rows.
#[inline(always)]
fn filter_rows(rows: &mut [Row; 8], filter: impl Fn(&mut [Lanes; 8])) {
    let mut lanes = rows.map(Lanes::from_bytes);
    filter(&mut lanes);
    // The outermost rows do not change.
    for (row, lanes) in rows.iter_mut().zip(lanes).skip(1).take(6) {
        *row = lanes.to_bytes();
    }
}

#[inline(always)]
fn filter_luma(
    filter: &impl Filter,
    has_inner: bool,
    left: Option<&mut Column>,
    column: &mut Column,
    is_first_row: bool,
) {
    if let Some(left) = left {
        let rows = std::array::from_fn(|y| {
            let (upper, lower) = (HELD.0 + y, HELD.0 + 8 + y);
            Lanes::from_words([
                word(&left.luma[upper], 3),
                word(&column.luma[upper], 0),
                word(&left.luma[lower], 3),
                word(&column.luma[lower], 0),
            ])
        });
        let mut lanes = Lanes::transposed_halves(rows);
        filter.outer(&mut lanes);
        for (y, row) in Lanes::transposed_halves(lanes).into_iter().enumerate() {
            let (upper, lower) = (HELD.0 + y, HELD.0 + 8 + y);
            let [left_upper, right_upper, left_lower, right_lower] = row.to_words();
            set_word(&mut left.luma[upper], 3, left_upper);
            set_word(&mut column.luma[upper], 0, right_upper);
            set_word(&mut left.luma[lower], 3, left_lower);
            set_word(&mut column.luma[lower], 0, right_lower);
        }
    }
    if has_inner {
        filter_inner_columns(filter, column);
    }
    let edges = if has_inner { 0..4 } else { 0..1 };
    for edge in edges {
        let Some(rows) = column.luma[HELD.0 - 4 + 4 * edge..].first_chunk_mut() else { return };
        match edge {
            0 if is_first_row => {}
            0 => filter_rows(rows, |lanes| filter.outer(lanes)),
            _ => filter_rows(rows, |lanes| filter.inner(lanes)),
        }
    }
}

/// The three edges between the columns of blocks.
#[inline(always)]
fn filter_inner_columns(filter: &impl Filter, column: &mut Column) {
    let (upper, lower) = (HELD.0, HELD.0 + 8);
    let half = |index: usize| {
        let luma = &column.luma;
        let rows =
            std::array::from_fn(|y| Lanes::from_longs([long(&luma[upper + y], index), long(&luma[lower + y], index)]));
        Lanes::transposed_halves(rows)
    };
    let mut columns = [half(0), half(1)];
    let lanes = columns.as_flattened_mut();
    for x in [0, 4, 8] {
        let Some(lanes) = lanes[x..].first_chunk_mut() else { return };
        filter.inner(lanes);
    }
    for (index, lanes) in columns.into_iter().enumerate() {
        for (y, row) in Lanes::transposed_halves(lanes).into_iter().enumerate() {
            let [in_upper, in_lower] = row.to_longs();
            set_long(&mut column.luma[upper + y], index, in_upper);
            set_long(&mut column.luma[lower + y], index, in_lower);
        }
    }
}

/// Filters U and V together.
#[inline(always)]
fn filter_chroma(
    filter: &impl Filter,
    has_inner: bool,
    left: Option<&mut Column>,
    column: &mut Column,
    is_first_row: bool,
) {
    if let Some(left) = left {
        let rows = std::array::from_fn(|y| {
            let (before, after) = (&left.chroma[HELD.1 + y], &column.chroma[HELD.1 + y]);
            Lanes::from_words([word(before, 1), word(after, 0), word(before, 3), word(after, 2)])
        });
        let mut lanes = Lanes::transposed_halves(rows);
        filter.outer(&mut lanes);
        for (y, row) in Lanes::transposed_halves(lanes).into_iter().enumerate() {
            let (before, after) = (&mut left.chroma[HELD.1 + y], &mut column.chroma[HELD.1 + y]);
            let [u_before, u_after, v_before, v_after] = row.to_words();
            set_word(before, 1, u_before);
            set_word(after, 0, u_after);
            set_word(before, 3, v_before);
            set_word(after, 2, v_after);
        }
    }
    if let (Some(rows), true) = (column.chroma.last_chunk_mut::<8>(), has_inner) {
        let mut lanes = Lanes::transposed_halves(rows.map(Lanes::from_bytes));
        filter.inner(&mut lanes);
        *rows = Lanes::transposed_halves(lanes).map(Lanes::to_bytes);
    }
    if let (Some(rows), false) = (column.chroma.first_chunk_mut(), is_first_row) {
        filter_rows(rows, |lanes| filter.outer(lanes));
    }
    if let (Some(rows), true) = (column.chroma.last_chunk_mut(), has_inner) {
        filter_rows(rows, |lanes| filter.inner(lanes));
    }
}

#[inline(always)]
fn difference(a: Lanes, b: Lanes) -> Lanes {
    a.minus_saturating(b).or(b.minus_saturating(a))
}

/// All bits where a value is at most a limit.
#[inline(always)]
fn at_most(value: Lanes, limit: u8) -> Lanes {
    value.minus_saturating(Lanes::splat(limit)).equals(Lanes::zero())
}

/// All bits where the difference across the edge is within the limit.
#[inline(always)]
fn is_within(limit: u8, [p1, p0, q0, q1]: [Lanes; 4]) -> Lanes {
    let across = difference(p0, q0);
    at_most(across.plus_saturating(across).plus_saturating(difference(p1, q1).half()), limit)
}

/// Samples as signed bytes, and back.
#[inline(always)]
fn signed(samples: Lanes) -> Lanes {
    samples.xor(Lanes::splat(0x80))
}

/// The adjustments to subtract after the edge and to add before it.
#[inline(always)]
fn halves(adjustment: Lanes) -> (Lanes, Lanes) {
    let eighth = |rounding| adjustment.plus_signed(Lanes::splat(rounding)).halved_signed::<3>();
    (eighth(4), eighth(3))
}

/// `base + 3 * (q0 - p0)`, clamped; intermediate clamping makes no difference.
#[inline(always)]
fn adjustment(base: Lanes, p0: Lanes, q0: Lanes) -> Lanes {
    let across = q0.minus_signed(p0);
    base.plus_signed(across).plus_signed(across).plus_signed(across)
}

/// The simple filter (section 15.2).
struct Simple {
    outer: u8,
    inner: u8,
}

impl Simple {
    #[inline(always)]
    fn apply(limit: u8, lanes: &mut [Lanes; 8]) {
        let [_, _, p1, p0, q0, q1, _, _] = *lanes;
        let is_filtered = is_within(limit, [p1, p0, q0, q1]);
        let [s1, s0, t0, t1] = [p1, p0, q0, q1].map(signed);
        let change = adjustment(s1.minus_signed(t1), s0, t0);
        let (after, before) = halves(change.and(is_filtered));
        lanes[3] = signed(s0.plus_signed(before));
        lanes[4] = signed(t0.minus_signed(after));
    }
}

impl Filter for Simple {
    #[inline(always)]
    fn outer(&self, lanes: &mut [Lanes; 8]) {
        Self::apply(self.outer, lanes);
    }

    #[inline(always)]
    fn inner(&self, lanes: &mut [Lanes; 8]) {
        Self::apply(self.inner, lanes);
    }
}

/// The normal filter (section 15.3).
struct Normal(Strength);

impl Normal {
    /// All bits where the samples of a segment are filtered.
    #[inline(always)]
    fn is_filtered(&self, limit: u8, [p3, p2, p1, p0, q0, q1, q2, q3]: [Lanes; 8]) -> Lanes {
        let before = difference(p3, p2).max(difference(p2, p1)).max(difference(p1, p0));
        let after = difference(q3, q2).max(difference(q2, q1)).max(difference(q1, q0));
        is_within(limit, [p1, p0, q0, q1]).and(at_most(before.max(after), self.0.interior))
    }

    /// All bits where the samples next to an edge have no high variance.
    #[inline(always)]
    fn is_even(&self, [p1, p0, q0, q1]: [Lanes; 4]) -> Lanes {
        at_most(difference(p1, p0).max(difference(q1, q0)), self.0.variance)
    }
}

impl Filter for Normal {
    #[inline(always)]
    fn outer(&self, lanes: &mut [Lanes; 8]) {
        let [_, p2, p1, p0, q0, q1, q2, _] = *lanes;
        let is_filtered = self.is_filtered(self.0.edge + MACROBLOCK_EDGE, *lanes);
        let is_even = self.is_even([p1, p0, q0, q1]);
        let [s2, s1, s0, t0, t1, t2] = [p2, p1, p0, q0, q1, q2].map(signed);
        let change = adjustment(s1.minus_signed(t1), s0, t0).and(is_filtered);
        let (after, before) = halves(is_even.not_and(change));
        let even = change.and(is_even);
        let [a, b, c] = [27, 18, 9].map(|weight| even.scaled::<7>(weight));
        lanes[1] = signed(s2.plus_signed(c));
        lanes[2] = signed(s1.plus_signed(b));
        lanes[3] = signed(s0.plus_signed(before).plus_signed(a));
        lanes[4] = signed(t0.minus_signed(after).minus_signed(a));
        lanes[5] = signed(t1.minus_signed(b));
        lanes[6] = signed(t2.minus_signed(c));
    }

    #[inline(always)]
    fn inner(&self, lanes: &mut [Lanes; 8]) {
        let [_, _, p1, p0, q0, q1, _, _] = *lanes;
        let is_filtered = self.is_filtered(self.0.edge, *lanes);
        let is_even = self.is_even([p1, p0, q0, q1]);
        let [s1, s0, t0, t1] = [p1, p0, q0, q1].map(signed);
        let change = adjustment(is_even.not_and(s1.minus_signed(t1)), s0, t0).and(is_filtered);
        let (after, before) = halves(change);
        let outer = after.plus_signed(Lanes::splat(1)).halved_signed::<1>().and(is_even);
        lanes[2] = signed(s1.plus_signed(outer));
        lanes[3] = signed(s0.plus_signed(before));
        lanes[4] = signed(t0.minus_signed(after));
        lanes[5] = signed(t1.minus_signed(outer));
    }
}
