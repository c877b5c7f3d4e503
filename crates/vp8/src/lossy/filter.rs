//! The loop filter (RFC 6386, section 15).
//!
//! Intra prediction uses unfiltered samples, so that the filter can run one row of macroblocks behind, and could be
//! omitted.

use super::header::FilterKind;
use super::lanes::{Lanes, transposed};

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

/// The samples of a macroblock, preceded by the last rows of the one above it. A row of chroma is one of U followed by
/// one of V.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) luma: [Lanes; HELD.0 + 16],
    pub(super) chroma: [Lanes; HELD.1 + 8],
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

/// The operation on the samples at an edge, given as four lanes before it and four after it.
trait Filter {
    /// At an edge between macroblocks.
    fn outer(&self, lanes: &mut [Lanes; 8]);
    /// At an edge between blocks of a macroblock.
    fn inner(&self, lanes: &mut [Lanes; 8]);
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
        let mut rows = [[0; 16]; 8];
        for (y, row) in rows.iter_mut().enumerate() {
            let (upper, lower) = (HELD.0 + y, HELD.0 + 8 + y);
            row[..4].copy_from_slice(&left.luma[upper][12..]);
            row[4..8].copy_from_slice(&column.luma[upper][..4]);
            row[8..12].copy_from_slice(&left.luma[lower][12..]);
            row[12..].copy_from_slice(&column.luma[lower][..4]);
        }
        let mut lanes = transposed(rows);
        filter.outer(&mut lanes);
        for (y, row) in transposed(lanes).iter().enumerate() {
            let (upper, lower) = (HELD.0 + y, HELD.0 + 8 + y);
            left.luma[upper][12..].copy_from_slice(&row[..4]);
            column.luma[upper][..4].copy_from_slice(&row[4..8]);
            left.luma[lower][12..].copy_from_slice(&row[8..12]);
            column.luma[lower][..4].copy_from_slice(&row[12..]);
        }
    }
    if has_inner {
        filter_inner_columns(filter, column);
    }
    let edges = if has_inner { 0..4 } else { 0..1 };
    for edge in edges {
        let Some(lanes) = column.luma[HELD.0 - 4 + 4 * edge..].first_chunk_mut() else { return };
        match edge {
            0 if is_first_row => {}
            0 => filter.outer(lanes),
            _ => filter.inner(lanes),
        }
    }
}

/// The three edges between the columns of blocks.
#[inline(always)]
fn filter_inner_columns(filter: &impl Filter, column: &mut Column) {
    let (mut left, mut right) = ([[0; 16]; 8], [[0; 16]; 8]);
    for y in 0..8 {
        let (upper, lower) = (&column.luma[HELD.0 + y], &column.luma[HELD.0 + 8 + y]);
        left[y][..8].copy_from_slice(&upper[..8]);
        left[y][8..].copy_from_slice(&lower[..8]);
        right[y][..8].copy_from_slice(&upper[8..]);
        right[y][8..].copy_from_slice(&lower[8..]);
    }
    let mut lanes = [transposed(left), transposed(right)];
    let columns = lanes.as_flattened_mut();
    for x in [0, 4, 8] {
        let Some(lanes) = columns[x..].first_chunk_mut() else { return };
        filter.inner(lanes);
    }
    let (left, right) = (transposed(lanes[0]), transposed(lanes[1]));
    for y in 0..8 {
        column.luma[HELD.0 + y][..8].copy_from_slice(&left[y][..8]);
        column.luma[HELD.0 + y][8..].copy_from_slice(&right[y][..8]);
        column.luma[HELD.0 + 8 + y][..8].copy_from_slice(&left[y][8..]);
        column.luma[HELD.0 + 8 + y][8..].copy_from_slice(&right[y][8..]);
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
        let mut rows = [[0; 16]; 8];
        for (y, row) in rows.iter_mut().enumerate() {
            let (before, after) = (&left.chroma[HELD.1 + y], &column.chroma[HELD.1 + y]);
            row[..4].copy_from_slice(&before[4..8]);
            row[4..8].copy_from_slice(&after[..4]);
            row[8..12].copy_from_slice(&before[12..]);
            row[12..].copy_from_slice(&after[8..12]);
        }
        let mut lanes = transposed(rows);
        filter.outer(&mut lanes);
        for (y, row) in transposed(lanes).iter().enumerate() {
            let (before, after) = (&mut left.chroma[HELD.1 + y], &mut column.chroma[HELD.1 + y]);
            before[4..8].copy_from_slice(&row[..4]);
            after[..4].copy_from_slice(&row[4..8]);
            before[12..].copy_from_slice(&row[8..12]);
            after[8..12].copy_from_slice(&row[12..]);
        }
    }
    if let (Some(rows), true) = (column.chroma.last_chunk_mut(), has_inner) {
        let mut lanes = transposed(*rows);
        filter.inner(&mut lanes);
        *rows = transposed(lanes);
    }
    if let (Some(lanes), false) = (column.chroma.first_chunk_mut(), is_first_row) {
        filter.outer(lanes);
    }
    if let (Some(lanes), true) = (column.chroma.last_chunk_mut(), has_inner) {
        filter.inner(lanes);
    }
}

#[inline(always)]
fn difference(a: u8, b: u8) -> u8 {
    // Not `abs_diff`, which is compiled to 32-bit arithmetic.
    a.saturating_sub(b) | b.saturating_sub(a)
}

/// Whether the difference across the edge is within the limit.
#[inline(always)]
fn is_within(limit: u8, p1: u8, p0: u8, q0: u8, q1: u8) -> bool {
    let across = difference(p0, q0);
    across.saturating_add(across).saturating_add(difference(p1, q1) >> 1) <= limit
}

#[inline(always)]
const fn signed(sample: u8) -> i8 {
    (sample ^ 0x80) as i8
}

#[inline(always)]
const fn unsigned(sample: i8) -> u8 {
    sample as u8 ^ 0x80
}

/// The adjustments to subtract after the edge and to add before it.
#[inline(always)]
fn halves(adjustment: i8) -> (i8, i8) {
    (adjustment.saturating_add(4) >> 3, adjustment.saturating_add(3) >> 3)
}

/// `base + 3 * (q0 - p0)`, clamped; intermediate clamping makes no difference.
#[inline(always)]
fn adjustment(base: i8, p0: i8, q0: i8) -> i8 {
    let across = q0.saturating_sub(p0);
    base.saturating_add(across).saturating_add(across).saturating_add(across)
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
        let mut out = [[0; 16]; 2];
        for i in 0..16 {
            let is_filtered = is_within(limit, p1[i], p0[i], q0[i], q1[i]);
            let (s1, s0, t0, t1) = (signed(p1[i]), signed(p0[i]), signed(q0[i]), signed(q1[i]));
            let change = adjustment(s1.saturating_sub(t1), s0, t0);
            let (after, before) = halves(if is_filtered { change } else { 0 });
            out[0][i] = unsigned(s0.saturating_add(before));
            out[1][i] = unsigned(t0.saturating_sub(after));
        }
        lanes[3..5].copy_from_slice(&out);
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
    /// Whether the samples of a segment are filtered.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "as an array, they are not kept in vectors")]
    fn is_filtered(&self, limit: u8, p3: u8, p2: u8, p1: u8, p0: u8, q0: u8, q1: u8, q2: u8, q3: u8) -> bool {
        let interior = self.0.interior;
        is_within(limit, p1, p0, q0, q1)
            & (difference(p3, p2) <= interior)
            & (difference(p2, p1) <= interior)
            & (difference(p1, p0) <= interior)
            & (difference(q1, q0) <= interior)
            & (difference(q2, q1) <= interior)
            & (difference(q3, q2) <= interior)
    }

    /// Whether the samples next to an edge have high variance.
    #[inline(always)]
    fn is_varied(&self, p1: u8, p0: u8, q0: u8, q1: u8) -> bool {
        (difference(p1, p0) > self.0.variance) | (difference(q1, q0) > self.0.variance)
    }
}

impl Filter for Normal {
    #[inline(always)]
    fn outer(&self, lanes: &mut [Lanes; 8]) {
        let limit = self.0.edge + MACROBLOCK_EDGE;
        let [p3, p2, p1, p0, q0, q1, q2, q3] = *lanes;
        let mut out = [[0; 16]; 6];
        for i in 0..16 {
            let is_filtered = self.is_filtered(limit, p3[i], p2[i], p1[i], p0[i], q0[i], q1[i], q2[i], q3[i]);
            let is_varied = self.is_varied(p1[i], p0[i], q0[i], q1[i]);
            let (s2, s1, s0) = (signed(p2[i]), signed(p1[i]), signed(p0[i]));
            let (t0, t1, t2) = (signed(q0[i]), signed(q1[i]), signed(q2[i]));
            let change = adjustment(s1.saturating_sub(t1), s0, t0);
            let change = if is_filtered { change } else { 0 };
            let (after, before) = halves(if is_varied { change } else { 0 });
            let wide = i16::from(if is_varied { 0 } else { change });
            let a = ((27 * wide + 63) >> 7) as i8;
            let b = ((18 * wide + 63) >> 7) as i8;
            let c = ((9 * wide + 63) >> 7) as i8;
            out[0][i] = unsigned(s2.saturating_add(c));
            out[1][i] = unsigned(s1.saturating_add(b));
            out[2][i] = unsigned(s0.saturating_add(before).saturating_add(a));
            out[3][i] = unsigned(t0.saturating_sub(after).saturating_sub(a));
            out[4][i] = unsigned(t1.saturating_sub(b));
            out[5][i] = unsigned(t2.saturating_sub(c));
        }
        lanes[1..7].copy_from_slice(&out);
    }

    #[inline(always)]
    fn inner(&self, lanes: &mut [Lanes; 8]) {
        let [p3, p2, p1, p0, q0, q1, q2, q3] = *lanes;
        let mut out = [[0; 16]; 4];
        for i in 0..16 {
            let is_filtered = self.is_filtered(self.0.edge, p3[i], p2[i], p1[i], p0[i], q0[i], q1[i], q2[i], q3[i]);
            let is_varied = self.is_varied(p1[i], p0[i], q0[i], q1[i]);
            let (s1, s0, t0, t1) = (signed(p1[i]), signed(p0[i]), signed(q0[i]), signed(q1[i]));
            let change = adjustment(if is_varied { s1.saturating_sub(t1) } else { 0 }, s0, t0);
            let (after, before) = halves(if is_filtered { change } else { 0 });
            let outer = if is_varied { 0 } else { (after + 1) >> 1 };
            out[0][i] = unsigned(s1.saturating_add(outer));
            out[1][i] = unsigned(s0.saturating_add(before));
            out[2][i] = unsigned(t0.saturating_sub(after));
            out[3][i] = unsigned(t1.saturating_sub(outer));
        }
        lanes[2..6].copy_from_slice(&out);
    }
}
