//! The loop filter (RFC 6386, section 15).
//!
//! Prediction within a frame looks at samples before they are filtered, so that the filter can run a row of macroblocks
//! behind, and could be left out.

use super::header::FilterKind;
use super::lanes::{Lanes, Segment, transposed, transposed_back};

/// How strongly a macroblock is filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Strength {
    /// Limit of the difference across an edge between blocks; 0 filters nothing.
    edge: u8,
    /// Limit of differences beside an edge.
    interior: u8,
    /// Differences beside the edge that are higher than this are of high variance.
    variance: u8,
    /// Whether the edges between blocks are filtered too.
    has_inner: bool,
}

/// How much higher the limit is at the edges of a macroblock.
const MACROBLOCK_EDGE: u8 = 4;

impl Strength {
    /// From a level in `0..=63` and a sharpness in `0..=7` (sections 15.2 and 15.3). Key frames have thresholds of their
    /// own for high variance.
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

    /// The same for a macroblock whose inner edges are filtered too, or not.
    pub(super) fn with_inner(self, has_inner: bool) -> Self {
        Self { has_inner, ..self }
    }
}

/// A row of macroblocks, the four rows of samples above it first: a cell is sixteen samples of one row of a macroblock.
pub(super) struct Cells<'c> {
    pub(super) cells: &'c mut [Lanes],
    /// Macroblocks in a row.
    pub(super) columns: usize,
}

/// Rows of samples above a row of macroblocks that its filter looks at.
const ABOVE: usize = 4;

impl Cells<'_> {
    #[inline(always)]
    fn cell(&mut self, y: usize, column: usize) -> &mut Lanes {
        &mut self.cells[y * self.columns + column]
    }

    #[inline(always)]
    fn rows<const ROWS: usize>(&mut self, y: usize, column: usize) -> [Lanes; ROWS] {
        std::array::from_fn(|row| *self.cell(y + row, column))
    }

    #[inline(always)]
    fn set_rows(&mut self, y: usize, column: usize, rows: &[Lanes]) {
        for (row, lanes) in rows.iter().enumerate() {
            *self.cell(y + row, column) = *lanes;
        }
    }
}

/// Filters a macroblock. Those above and to the left must be done.
#[inline(always)]
pub(super) fn filter_macroblock(
    kind: FilterKind,
    strength: Strength,
    luma: &mut Cells<'_>,
    chroma: &mut Cells<'_>,
    column: usize,
    is_first_row: bool,
) {
    if strength.edge == 0 {
        return;
    }
    match kind {
        FilterKind::None => {}
        FilterKind::Simple => {
            let filter = Simple { outer: strength.edge + MACROBLOCK_EDGE, inner: strength.edge };
            filter_luma(&filter, strength.has_inner, luma, column, is_first_row);
        }
        FilterKind::Normal => {
            let filter = Normal(strength);
            filter_luma(&filter, strength.has_inner, luma, column, is_first_row);
            filter_chroma(&filter, strength.has_inner, chroma, column, is_first_row);
        }
    }
}

/// What is done to the samples at an edge, given as four lanes before it and four after it.
trait Filter {
    /// Between macroblocks.
    fn outer(&self, lanes: &mut [Lanes; 8]);
    /// Between the blocks of one.
    fn inner(&self, lanes: &mut [Lanes; 8]);
}

#[inline(always)]
fn filter_luma(filter: &impl Filter, has_inner: bool, cells: &mut Cells<'_>, column: usize, is_first_row: bool) {
    if column > 0 {
        let segments: [Segment; 16] = std::array::from_fn(|y| {
            let (left, right) = (*cells.cell(y + ABOVE, column - 1), *cells.cell(y + ABOVE, column));
            join(&left[12..], &right[..4])
        });
        let mut lanes = transposed(&segments);
        filter.outer(&mut lanes);
        for (y, segment) in transposed_back(lanes).iter().enumerate() {
            cells.cell(y + ABOVE, column - 1)[12..].copy_from_slice(&segment[..4]);
            cells.cell(y + ABOVE, column)[..4].copy_from_slice(&segment[4..]);
        }
    }
    let mut rows: [Lanes; 16] = cells.rows(ABOVE, column);
    if has_inner {
        filter_inner_columns(filter, &mut rows);
    }
    if !is_first_row {
        let mut lanes = [[0; 16]; 8];
        lanes[..4].copy_from_slice(&cells.rows::<4>(0, column));
        lanes[4..].copy_from_slice(&rows[..4]);
        filter.outer(&mut lanes);
        cells.set_rows(1, column, &lanes[1..4]);
        rows[..4].copy_from_slice(&lanes[4..]);
    }
    if has_inner {
        for y in [0, 4, 8] {
            if let Some(lanes) = rows[y..].first_chunk_mut() {
                filter.inner(lanes);
            }
        }
    }
    cells.set_rows(ABOVE, column, &rows);
}

/// The three edges between the columns of blocks of sixteen rows.
#[inline(always)]
fn filter_inner_columns(filter: &impl Filter, rows: &mut [Lanes; 16]) {
    let half = |start: usize| {
        transposed(&std::array::from_fn(|y| join(&rows[y][start..start + 4], &rows[y][start + 4..start + 8])))
    };
    let (left, right) = (half(0), half(8));
    let mut columns = [[0; 16]; 16];
    columns[..8].copy_from_slice(&left);
    columns[8..].copy_from_slice(&right);
    for x in [0, 4, 8] {
        if let Some(lanes) = columns[x..].first_chunk_mut() {
            filter.inner(lanes);
        }
    }
    let (left, right) = columns.split_at(8);
    for (start, half) in [(0, left), (8, right)] {
        let Some(lanes) = half.first_chunk() else { return };
        for (row, segment) in rows.iter_mut().zip(transposed_back(*lanes)) {
            row[start..start + 8].copy_from_slice(&segment);
        }
    }
}

/// U and V at once: a cell holds a row of each.
#[inline(always)]
fn filter_chroma(filter: &impl Filter, has_inner: bool, cells: &mut Cells<'_>, column: usize, is_first_row: bool) {
    if column > 0 {
        let segments: [Segment; 16] = std::array::from_fn(|place| {
            let (y, start) = (place % 8 + ABOVE, place / 8 * 8);
            let (left, right) = (*cells.cell(y, column - 1), *cells.cell(y, column));
            join(&left[start + 4..start + 8], &right[start..start + 4])
        });
        let mut lanes = transposed(&segments);
        filter.outer(&mut lanes);
        for (place, segment) in transposed_back(lanes).iter().enumerate() {
            let (y, start) = (place % 8 + ABOVE, place / 8 * 8);
            cells.cell(y, column - 1)[start + 4..start + 8].copy_from_slice(&segment[..4]);
            cells.cell(y, column)[start..start + 4].copy_from_slice(&segment[4..]);
        }
    }
    let mut rows: [Lanes; 8] = cells.rows(ABOVE, column);
    if has_inner {
        let segments: [Segment; 16] = std::array::from_fn(|place| {
            let (row, start) = (&rows[place % 8], place / 8 * 8);
            join(&row[start..start + 4], &row[start + 4..start + 8])
        });
        let mut lanes = transposed(&segments);
        filter.inner(&mut lanes);
        for (place, segment) in transposed_back(lanes).iter().enumerate() {
            let start = place / 8 * 8;
            rows[place % 8][start..start + 8].copy_from_slice(segment);
        }
    }
    if !is_first_row {
        let mut lanes = [[0; 16]; 8];
        lanes[..4].copy_from_slice(&cells.rows::<4>(0, column));
        lanes[4..].copy_from_slice(&rows[..4]);
        filter.outer(&mut lanes);
        cells.set_rows(1, column, &lanes[1..4]);
        rows[..4].copy_from_slice(&lanes[4..]);
    }
    if has_inner {
        filter.inner(&mut rows);
    }
    cells.set_rows(ABOVE, column, &rows);
}

#[inline(always)]
fn join(before: &[u8], after: &[u8]) -> Segment {
    let mut segment = [0; 8];
    segment[..4].copy_from_slice(before);
    segment[4..].copy_from_slice(after);
    segment
}

#[inline(always)]
fn difference(a: u8, b: u8) -> u8 {
    // Not `abs_diff`, of which the compiler makes 32 bit arithmetic.
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

/// What is taken from the sample after the edge, and what is added to the one before.
#[inline(always)]
fn halves(adjustment: i8) -> (i8, i8) {
    (adjustment.saturating_add(4) >> 3, adjustment.saturating_add(3) >> 3)
}

/// `base + 3 * (q0 - p0)`, clamped; it does not matter whether the steps are.
#[inline(always)]
fn adjustment(base: i8, p0: i8, q0: i8) -> i8 {
    let across = q0.saturating_sub(p0);
    base.saturating_add(across).saturating_add(across).saturating_add(across)
}

/// Section 15.2.
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

/// Section 15.3.
struct Normal(Strength);

impl Normal {
    /// Whether the samples of a segment are filtered, and whether they are of high variance.
    #[inline(always)]
    fn judge(&self, limit: u8, [p3, p2, p1, p0, q0, q1, q2, q3]: Segment) -> (bool, bool) {
        let Strength { interior, variance, .. } = self.0;
        let (beside_p, beside_q) = (difference(p1, p0), difference(q1, q0));
        let is_filtered = is_within(limit, p1, p0, q0, q1)
            & (difference(p3, p2) <= interior)
            & (difference(p2, p1) <= interior)
            & (beside_p <= interior)
            & (beside_q <= interior)
            & (difference(q2, q1) <= interior)
            & (difference(q3, q2) <= interior);
        (is_filtered, (beside_p > variance) | (beside_q > variance))
    }
}

impl Filter for Normal {
    #[inline(always)]
    fn outer(&self, lanes: &mut [Lanes; 8]) {
        let limit = self.0.edge + MACROBLOCK_EDGE;
        let [p3, p2, p1, p0, q0, q1, q2, q3] = *lanes;
        let mut out = [[0; 16]; 6];
        for i in 0..16 {
            let segment = [p3[i], p2[i], p1[i], p0[i], q0[i], q1[i], q2[i], q3[i]];
            let (is_filtered, is_varied) = self.judge(limit, segment);
            let [_, s2, s1, s0, t0, t1, t2, _] = segment.map(signed);
            let change = adjustment(s1.saturating_sub(t1), s0, t0);
            let change = if is_filtered { change } else { 0 };
            let (after, before) = halves(if is_varied { change } else { 0 });
            let wide = i16::from(if is_varied { 0 } else { change });
            let [a, b, c] = [27, 18, 9].map(|weight| ((weight * wide + 63) >> 7) as i8);
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
            let segment = [p3[i], p2[i], p1[i], p0[i], q0[i], q1[i], q2[i], q3[i]];
            let (is_filtered, is_varied) = self.judge(self.0.edge, segment);
            let [_, _, s1, s0, t0, t1, _, _] = segment.map(signed);
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
