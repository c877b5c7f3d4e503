//! Reverses the filters of rows (PNG 3rd edition, section 9).
//!
//! A pixel's prediction needs the pixel to its left, so that the pixels of one row follow each other slowly. Several rows
//! are therefore processed together, each one pixel behind the row above: what a row needs of that one is known then.

use image_origin_kernel::{Kernel, Lanes, dispatch};

/// The number of lanes, which all rows share.
const LANES: usize = 16;

/// The number of vectors that are processed beside each other, so that the steps of one fill the pauses of the other.
const VECTORS: usize = 2;

/// The number of rows that are processed together, of pixels of up to four bytes.
const MOST_ROWS: usize = VECTORS * LANES / 4;

/// The length of rows in bytes below which they are processed one by one: there must be more pixels than rows.
const SHORT: usize = 128;

/// The filter types (section 9.2).
const NONE: u8 = 0;
const SUB: u8 = 1;
const UP: u8 = 2;
const AVERAGE: u8 = 3;
const PAETH: u8 = 4;

/// The number of filter types.
pub(super) const FILTERS: u8 = 5;

/// The length of rows in bytes from which on they are read one by one, so that memory does not follow their length too far.
const LONG: usize = 256 << 10;

/// Rows whose filters are reversed.
pub(super) struct Unfilter {
    /// The number of bytes in a row.
    line: usize,
    /// The number of bytes in a pixel, 1 to 8.
    pixel: usize,
    rows_at_once: usize,
    /// The row above, and the rows of which [`Self::reverse`] was called last.
    rows: Vec<u8>,
    count: usize,
}

impl Unfilter {
    /// For rows of up to `width` pixels of `pixel` bytes.
    pub(super) fn new(width: usize, pixel: usize) -> Self {
        let (line, rows_at_once) = (width * pixel, Self::rows_at_once_of(width * pixel, pixel));
        Self { line, pixel, rows_at_once, rows: vec![0; line * (1 + rows_at_once)], count: 0 }
    }

    /// The memory in bytes of the rows, and of as many filtered ones.
    pub(super) fn memory(width: u64, pixel: u64) -> u64 {
        let line = width.saturating_mul(pixel);
        let rows = Self::rows_at_once_of(usize::try_from(line).unwrap_or(usize::MAX), pixel as usize) as u64;
        line.saturating_mul(1 + rows).saturating_add(line.saturating_add(1).saturating_mul(rows))
    }

    /// The number of bytes in the filtered rows that are processed together.
    pub(super) const fn filtered_len(&self) -> usize {
        (self.line + 1) * self.rows_at_once
    }

    /// The number of rows that are processed together.
    pub(super) const fn rows_at_once(&self) -> usize {
        self.rows_at_once
    }

    const fn rows_at_once_of(line: usize, pixel: usize) -> usize {
        match pixel {
            _ if line >= LONG => 1,
            0..=4 => MOST_ROWS,
            _ => VECTORS * LANES / 8,
        }
    }

    /// The number of bytes in a row.
    pub(super) const fn line(&self) -> usize {
        self.line
    }

    /// Begins a picture or pass of rows of `width` pixels. Above its first row are zeros.
    pub(super) fn begin(&mut self, width: usize) {
        self.line = (width * self.pixel).min(self.rows.len() / (1 + self.rows_at_once));
        self.count = 0;
        self.rows[..self.line].fill(0);
    }

    /// A row of which [`Self::reverse`] was called last.
    pub(super) fn row(&self, number: usize) -> &[u8] {
        &self.rows[(1 + number) * self.line..][..self.line]
    }

    /// Reverses the filters of rows, of which each begins with its filter type, below [`FILTERS`]. There are up to
    /// [`Self::rows_at_once`].
    pub(super) fn reverse(&mut self, filtered: &[u8]) {
        let Self { line, pixel, .. } = *self;
        // The last row of those before is the one above.
        self.rows.copy_within(self.count * line..(self.count + 1) * line, 0);
        self.count = filtered.len() / (line + 1);
        let rows = &mut self.rows[..(self.count + 1) * line];
        let is_chained = filtered.chunks_exact(line + 1).any(|row| matches!(row[0], SUB | AVERAGE | PAETH));
        if is_chained && self.count == Self::rows_at_once_of(0, pixel) && line >= SHORT {
            let group = Group { filtered, rows, line };
            match pixel {
                1 => dispatch(Together::<1, 4>(group)),
                2 => dispatch(Together::<2, 4>(group)),
                3 => dispatch(Together::<3, 4>(group)),
                4 => dispatch(Together::<4, 4>(group)),
                6 => dispatch(Together::<6, 8>(group)),
                _ => dispatch(Together::<8, 8>(group)),
            }
            return;
        }
        for (number, row) in filtered.chunks_exact(line + 1).enumerate() {
            let (above, this) = rows[number * line..].split_at_mut(line);
            reverse_row(row, above, &mut this[..line], pixel);
        }
    }
}

/// Reverses the filter of one row.
fn reverse_row(filtered: &[u8], above: &[u8], row: &mut [u8], pixel: usize) {
    let Some((filter, filtered)) = filtered.split_first() else { return };
    match *filter {
        NONE => row.copy_from_slice(filtered),
        UP => {
            for ((to, from), above) in row.iter_mut().zip(filtered).zip(above) {
                *to = from.wrapping_add(*above);
            }
        }
        filter => {
            for at in 0..row.len() {
                let (left, corner) = match at.checked_sub(pixel) {
                    Some(before) => (row[before], above[before]),
                    None => (0, 0),
                };
                let predicted = match filter {
                    SUB => left,
                    AVERAGE => ((u16::from(left) + u16::from(above[at])) / 2) as u8,
                    _ => paeth(left, above[at], corner),
                };
                row[at] = filtered[at].wrapping_add(predicted);
            }
        }
    }
}

/// The value of three that is nearest to `left + above - corner`, the first of equally near ones (section 9.4).
#[inline(always)]
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let to_left = above.max(corner) - above.min(corner);
    let to_above = left.max(corner) - left.min(corner);
    // If the corner is between the others, the distances point in opposite directions; otherwise it is the farthest.
    let is_between = (left < corner) == (corner < above);
    let difference = to_left.max(to_above) - to_left.min(to_above);
    let to_corner = if is_between { difference } else { u8::MAX };
    let other = if to_above <= to_corner { above } else { corner };
    if (to_left <= to_above) & (to_left <= to_corner) { left } else { other }
}

/// As many filtered rows as are processed together, and the same rows behind the one above them.
struct Group<'g> {
    filtered: &'g [u8],
    rows: &'g mut [u8],
    line: usize,
}

/// A kernel for pixels of `PIXEL` bytes in lanes of `LANE` bytes.
struct Together<'g, const PIXEL: usize, const LANE: usize>(Group<'g>);

impl<const PIXEL: usize, const LANE: usize> Kernel for Together<'_, PIXEL, LANE> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let filters = self.0.filtered.chunks_exact(self.0.line + 1).map(|row| row[0]);
        if filters.clone().all(|filter| filter == PAETH) {
            self.process::<true, false>();
        } else if filters.clone().all(|filter| filter != AVERAGE) {
            self.process::<false, false>();
        } else {
            self.process::<false, true>();
        }
    }
}

impl<const PIXEL: usize, const LANE: usize> Together<'_, PIXEL, LANE> {
    #[inline(always)]
    fn process<const ALL_PAETH: bool, const HAS_AVERAGE: bool>(self) {
        let Group { filtered, rows, line } = self.0;
        let masks: [Masks; VECTORS] =
            std::array::from_fn(|vector| Masks::new::<LANE>(&filtered[vector * LANES / LANE * (line + 1)..], line));
        let pixels = line / PIXEL;
        let (top, rows) = rows.split_at_mut(line);
        let (mut left, mut corner) = ([Lanes::zero(); VECTORS], [Lanes::zero(); VECTORS]);
        let behind = VECTORS * LANES / LANE - 1;
        // A lane may reach into the pixels behind: at both ends pixels are read and written exactly.
        let at_an_end = |step: usize, rows: &mut [u8], left: &mut [Lanes; VECTORS], corner: &mut [Lanes; VECTORS]| {
            let before = *left;
            let pixel_of = |row: usize| step.checked_sub(row).filter(|at| *at < pixels);
            for vector in 0..VECTORS {
                let first = vector * LANES / LANE;
                let mut raw = [0; LANES];
                for (row, lanes) in (first..).zip(raw.chunks_exact_mut(LANE)) {
                    if let Some(at) = pixel_of(row) {
                        lanes[..PIXEL].copy_from_slice(&filtered[row * (line + 1) + 1 + at * PIXEL..][..PIXEL]);
                    }
                }
                let mut above = [0; 8];
                if vector > 0 {
                    above = last_of::<LANE>(before[vector - 1]).to_le_bytes();
                } else if let Some(at) = pixel_of(0) {
                    above[..PIXEL].copy_from_slice(&top[at * PIXEL..][..PIXEL]);
                }
                let above = behind_first::<LANE>(before[vector], u64::from_le_bytes(above));
                let predicted = masks[vector].predict::<ALL_PAETH, HAS_AVERAGE>(before[vector], above, corner[vector]);
                corner[vector] = above;
                let mut bytes = [0; LANES];
                scatter::<LANE>(gather_rows::<LANE>(&raw).plus(predicted), |row, lane| {
                    bytes[row * LANE..][..LANE].copy_from_slice(&lane[..LANE]);
                });
                for (row, lanes) in (first..).zip(bytes.chunks_exact_mut(LANE)) {
                    match pixel_of(row) {
                        Some(at) => rows[row * line + at * PIXEL..][..PIXEL].copy_from_slice(&lanes[..PIXEL]),
                        // To the left of the first pixel are zeros.
                        None => lanes.fill(0),
                    }
                }
                left[vector] = gather_rows::<LANE>(&bytes);
            }
        };
        for step in 0..behind {
            at_an_end(step, rows, &mut left, &mut corner);
        }
        // Each row is a pixel behind the one above it. Slices of one length that begin at the first step have one check of bounds.
        let end = pixels - LANE;
        let length = (end - behind - 1) * PIXEL + LANE;
        let above_all = &top[behind * PIXEL..][..length];
        let (mut inputs, mut outputs) = (filtered.chunks_exact(line + 1), rows.chunks_exact_mut(line));
        let mut starts = (0..=behind).rev().map(|pixel| pixel * PIXEL);
        let mut skewed: [(&[u8], &mut [u8]); MOST_ROWS] =
            std::array::from_fn(|_| match (starts.next(), inputs.next(), outputs.next()) {
                (Some(start), Some(input), Some(output)) => {
                    (&input[1 + start..][..length], &mut output[start..][..length])
                }
                _ => Default::default(),
            });
        for at in (0..length - LANE + 1).step_by(PIXEL) {
            let before = left;
            for vector in 0..VECTORS {
                let rows = &mut skewed[vector * LANES / LANE..][..LANES / LANE];
                let raw = gather::<LANE>(|row| &rows[row].0[..length][at..]);
                let above = match vector.checked_sub(1) {
                    None => long_or_word::<LANE>(&above_all[at..]),
                    Some(vector) => last_of::<LANE>(before[vector]),
                };
                let above = behind_first::<LANE>(before[vector], above);
                left[vector] =
                    raw.plus(masks[vector].predict::<ALL_PAETH, HAS_AVERAGE>(before[vector], above, corner[vector]));
                corner[vector] = above;
                scatter::<LANE>(left[vector], |row, lane| {
                    rows[row].1[..length][at..][..LANE].copy_from_slice(&lane[..LANE]);
                });
            }
        }
        for step in end..pixels + behind {
            at_an_end(step, rows, &mut left, &mut corner);
        }
    }
}

/// What the filters of rows take into account: a filter is Paeth's with some of its values replaced by zeros, but for the
/// average.
struct Masks {
    left: Lanes,
    above: Lanes,
    corner: Lanes,
    average: Lanes,
}

impl Masks {
    #[inline(always)]
    fn new<const LANE: usize>(filtered: &[u8], line: usize) -> Self {
        let mask = |filters: &[u8]| {
            let mut bytes = [0; LANES];
            for (lanes, row) in bytes.chunks_exact_mut(LANE).zip(filtered.chunks_exact(line + 1)) {
                lanes.fill(if filters.contains(&row[0]) { 0xff } else { 0 });
            }
            gather_rows::<LANE>(&bytes)
        };
        Self {
            left: mask(&[SUB, AVERAGE, PAETH]),
            above: mask(&[UP, AVERAGE, PAETH]),
            corner: mask(&[PAETH]),
            average: mask(&[AVERAGE]),
        }
    }

    #[inline(always)]
    fn predict<const ALL_PAETH: bool, const HAS_AVERAGE: bool>(
        &self,
        mut left: Lanes,
        mut above: Lanes,
        mut corner: Lanes,
    ) -> Lanes {
        if !ALL_PAETH {
            (left, above, corner) = (left.and(self.left), above.and(self.above), corner.and(self.corner));
        }
        let paeth = paeth_lanes(left, above, corner);
        if HAS_AVERAGE { self.average.select(left.average(above), paeth) } else { paeth }
    }
}

/// [`paeth`] in each lane.
#[inline(always)]
fn paeth_lanes(left: Lanes, above: Lanes, corner: Lanes) -> Lanes {
    let (least_above, least_left) = (above.min(corner), left.min(corner));
    let to_left = above.max(corner).minus(least_above);
    let to_above = left.max(corner).minus(least_left);
    // If the corner is between the others, the distances point in opposite directions; otherwise it is the farthest. It
    // does not matter how equal ones are ordered, since one of the first two distances is 0 then.
    let is_outside = left.equals(least_left).xor(corner.equals(least_above));
    let difference = to_left.max(to_above).minus(to_left.min(to_above));
    let to_corner = difference.or(is_outside);
    let least = to_above.min(to_corner);
    let other = to_above.equals(least).select(above, corner);
    to_left.equals(to_left.min(least)).select(left, other)
}

/// The bytes of each row's pixel, with which `of(row)` begins.
#[inline(always)]
fn gather<'b, const LANE: usize>(of: impl Fn(usize) -> &'b [u8]) -> Lanes {
    if LANE == 4 {
        Lanes::from_words([0, 1, 2, 3].map(|row| word(of(row))))
    } else {
        Lanes::from_longs([0, 1].map(|row| long(of(row))))
    }
}

/// As [`gather`], of pixels one behind the other.
#[inline(always)]
fn gather_rows<const LANE: usize>(bytes: &[u8; LANES]) -> Lanes {
    gather::<LANE>(|row| &bytes[row * LANE..])
}

/// Gives the bytes of each row's pixel to `put(row, bytes)`, the first `LANE` of eight.
#[inline(always)]
fn scatter<const LANE: usize>(lanes: Lanes, mut put: impl FnMut(usize, [u8; 8])) {
    if LANE == 4 {
        (0..).zip(lanes.to_words()).for_each(|(row, word)| put(row, u64::from(word).to_le_bytes()));
    } else {
        (0..).zip(lanes.to_longs()).for_each(|(row, long)| put(row, long.to_le_bytes()));
    }
}

/// The lanes of one pixel, and behind them those of all rows but the last.
#[inline(always)]
fn behind_first<const LANE: usize>(rows: Lanes, first: u64) -> Lanes {
    if LANE == 4 { rows.behind_word(first as u32) } else { rows.behind_long(first) }
}

/// The lanes of the last row.
#[inline(always)]
fn last_of<const LANE: usize>(rows: Lanes) -> u64 {
    if LANE == 4 { u64::from(rows.to_words()[3]) } else { rows.to_longs()[1] }
}

#[inline(always)]
fn long_or_word<const LANE: usize>(bytes: &[u8]) -> u64 {
    if LANE == 4 { u64::from(word(bytes)) } else { long(bytes) }
}

#[inline(always)]
fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |word| u32::from_le_bytes(*word))
}

#[inline(always)]
fn long(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |long| u64::from_le_bytes(*long))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reverses filters as the standard defines them (sections 9.2 to 9.4).
    fn reversed(filtered: &[u8], line: usize, pixel: usize) -> Vec<u8> {
        let (mut rows, mut above) = (Vec::new(), vec![0; line]);
        for filtered in filtered.chunks_exact(line + 1) {
            let mut row = vec![0u8; line];
            for at in 0..line {
                let before = at.checked_sub(pixel);
                let (a, c) = before.map_or((0, 0), |before| (i32::from(row[before]), i32::from(above[before])));
                let b = i32::from(above[at]);
                let predicted = match filtered[0] {
                    0 => 0,
                    1 => a,
                    2 => b,
                    3 => (a + b) / 2,
                    // The first of those that are nearest.
                    _ => *[a, b, c].iter().min_by_key(|near| (a + b - c - **near).abs()).unwrap(),
                };
                row[at] = filtered[1 + at].wrapping_add(predicted as u8);
            }
            rows.extend_from_slice(&row);
            above = row;
        }
        rows
    }

    #[test]
    fn rows_are_those_that_the_standard_defines() {
        let mut state = 1u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let widths = [1, 2, 5, 15, 16, 31, 32, 33, 42, 43, 63, 64, 127, 128, 129, 300];
        for (pixel, width) in [1, 2, 3, 4, 6, 8].into_iter().flat_map(|pixel| widths.map(|width| (pixel, width))) {
            // Each filter alone, all of them mixed, and values of which many are equal.
            for mode in 0..8 {
                let (line, mut filtered) = (pixel * width, Vec::new());
                for _ in 0..19 {
                    filtered.push(if mode < 5 { mode } else { (random() % 5) as u8 });
                    filtered.extend((0..line).map(|_| random() as u8 & if mode == 7 { 1 } else { 255 }));
                }
                let mut unfilter = Unfilter::new(width + 1, pixel);
                unfilter.begin(width);
                let mut rows = Vec::new();
                for group in filtered.chunks((line + 1) * unfilter.rows_at_once()) {
                    unfilter.reverse(group);
                    (0..group.len() / (line + 1)).for_each(|number| rows.extend_from_slice(unfilter.row(number)));
                }
                assert!(rows == reversed(&filtered, line, pixel), "{pixel} {width} {mode}");
            }
        }
    }
}
