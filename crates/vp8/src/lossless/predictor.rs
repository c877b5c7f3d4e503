//! The inverse predictor transform (section 3.5.1).
//!
//! A pixel's prediction needs the pixel to its left, so that the pixels of one row follow each other slowly. Four rows are
//! therefore processed together, each two pixels behind the row above: what a row needs of that one, up to the pixel above
//! right, is known then.

use std::ops::Range;

use super::Pixel;
use super::transform::Squares;
use image_origin_kernel::{Kernel, Lanes};

/// The number of rows that are processed together. Squares are at least as high, so that all have the same predictors.
pub(super) const ROWS: usize = 4;

/// The number of pixels that a row is behind the row above it, and the last of the rows behind the first.
const LAG: usize = 2;
const LAST_LAG: usize = LAG * (ROWS - 1);

/// The least binary logarithm of the side of a square for which rows are processed together: rows lie in two squares at most.
const MIN_BITS: u32 = 3;

/// The width from which on rows are processed together.
const MIN_WIDTH: usize = 4 * LAST_LAG;

/// The pixel to the left of the first one.
const BLACK: Pixel = [0, 0, 0, 255];

/// Reverses the prediction of rows of a width, in place. `above` is the row above them, if there is one, and `y` the number of
/// rows above them.
pub(super) struct Predict<'r> {
    pub(super) squares: &'r Squares,
    pub(super) rows: &'r mut [Pixel],
    pub(super) above: Option<&'r [Pixel]>,
    pub(super) y: usize,
    pub(super) width: usize,
}

impl Kernel for Predict<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { squares, rows, above, y, width } = self;
        if let Some(above) = above
            && rows.len() == ROWS * width
            && width >= MIN_WIDTH
            && squares.bits >= MIN_BITS
        {
            let (r0, rest) = rows.split_at_mut(width);
            let (r1, rest) = rest.split_at_mut(width);
            let (r2, r3) = rest.split_at_mut(width);
            together(squares, [r0, r1, r2, r3], above, y);
            return;
        }
        let mut above = above;
        for (row, y) in rows.chunks_exact_mut(width).zip(y..) {
            match above {
                Some(above) => columns(squares, row, above, y, 0..width),
                None => {
                    let mut left = BLACK;
                    for pixel in &mut *row {
                        *pixel = add(*pixel, left);
                        left = *pixel;
                    }
                }
            }
            above = Some(row);
        }
    }
}

#[inline(always)]
pub(super) fn add(one: Pixel, other: Pixel) -> Pixel {
    const HALF: u32 = 0x00ff_00ff;
    let (one, other) = (u32::from_ne_bytes(one), u32::from_ne_bytes(other));
    let sum = |mask: u32| (one & mask).wrapping_add(other & mask) & mask;
    (sum(HALF) | sum(!HALF)).to_ne_bytes()
}

/// The neighbours that predict pixels: four bytes for each pixel.
#[derive(Clone, Copy)]
struct Neighbours {
    left: Lanes,
    top: Lanes,
    top_left: Lanes,
    top_right: Lanes,
}

/// Evaluates an expression for the predictor of this number.
macro_rules! with_predictor {
    ($mode:expr, |$predictor:ident| $result:expr) => {
        with_predictor!($mode, $predictor, $result, {
            1 => |n: &Neighbours| n.left,
            2 => |n: &Neighbours| n.top,
            3 => |n: &Neighbours| n.top_right,
            4 => |n: &Neighbours| n.top_left,
            5 => |n: &Neighbours| n.left.average(n.top_right).average(n.top),
            6 => |n: &Neighbours| n.left.average(n.top_left),
            7 => |n: &Neighbours| n.left.average(n.top),
            8 => |n: &Neighbours| n.top_left.average(n.top),
            9 => |n: &Neighbours| n.top.average(n.top_right),
            10 => |n: &Neighbours| n.left.average(n.top_left).average(n.top.average(n.top_right)),
            11 => select,
            12 => gradient,
            13 => half_gradient,
            // The last two predictors are undefined; libwebp treats them as predictor 0.
            _ => |_: &Neighbours| Lanes::from_words([u32::from_le_bytes(BLACK); 4]),
        })
    };
    ($mode:expr, $name:ident, $result:expr, { $($number:pat => $predictor:expr,)* }) => {
        match $mode {
            $($number => {
                let $name = $predictor;
                $result
            })*
        }
    };
}

/// Left or top, whichever is nearer to the gradient.
#[inline(always)]
fn select(n: &Neighbours) -> Lanes {
    n.top_left.is_nearer(n.top, n.left).select(n.left, n.top)
}

/// The sum of left and top without the corner, clamped.
#[inline(always)]
fn gradient(n: &Neighbours) -> Lanes {
    // One of the two differences is 0.
    let (more, less) = (n.top.minus_saturating(n.top_left), n.top_left.minus_saturating(n.top));
    n.left.plus_saturating(more).minus_saturating(less)
}

/// The mean of left and top, and half of its difference from the corner, clamped.
#[inline(always)]
fn half_gradient(n: &Neighbours) -> Lanes {
    let mean = n.left.average(n.top);
    let (more, less) = (mean.minus_saturating(n.top_left).half(), n.top_left.minus_saturating(mean).half());
    mean.plus_saturating(more).minus_saturating(less)
}

#[inline(always)]
fn predicted(mode: u8, neighbours: &Neighbours) -> Lanes {
    with_predictor!(mode, |predictor| predictor(neighbours))
}

/// Reverses the prediction of columns of one row.
#[inline(always)]
fn columns(squares: &Squares, row: &mut [Pixel], above: &[Pixel], y: usize, wanted: Range<usize>) {
    if wanted.start == 0 {
        row[0] = add(row[0], above[0]);
    }
    for (columns, [_, mode, _, _]) in squares.row(y, row.len()) {
        let columns = columns.start.max(wanted.start).max(1)..columns.end.min(wanted.end);
        if !columns.is_empty() {
            with_predictor!(mode & 0x0f, |predictor| one_by_one(row, above, columns.clone(), predictor));
        }
    }
}

#[inline(always)]
fn one_by_one(row: &mut [Pixel], above: &[Pixel], columns: Range<usize>, predictor: impl Fn(&Neighbours) -> Lanes) {
    let before = columns.start - 1;
    // In the last column, the pixel above right is the first pixel of the current row.
    let behind = [row[0]];
    let mut above = above[before..].iter().chain(&behind).map(|pixel| word(*pixel));
    let (mut left, mut top_left, mut top) = (word(row[before]), Lanes::zero(), Lanes::zero());
    if let (Some(first), Some(second)) = (above.next(), above.next()) {
        (top_left, top) = (first, second);
    }
    for (pixel, top_right) in row[columns].iter_mut().zip(above) {
        left = word(*pixel).plus(predictor(&Neighbours { left, top, top_left, top_right }));
        *pixel = left.to_words()[0].to_le_bytes();
        (top_left, top) = (top, top_right);
    }
}

#[inline(always)]
fn word(pixel: Pixel) -> Lanes {
    Lanes::from_words([u32::from_le_bytes(pixel), 0, 0, 0])
}

/// Reverses the prediction of four rows.
#[inline(always)]
fn together(squares: &Squares, mut rows: [&mut [Pixel]; ROWS], above: &[Pixel], y: usize) {
    let width = above.len();
    // The last column is predicted from the first one, and by itself.
    let (start, end) = (LAST_LAG + 1, width - 1);
    each(&mut rows, above, |row, above, lag| columns(squares, row, above, y, 0..start - lag));
    let before = start - 1;
    let mut wave = Wave {
        left: words([rows[0][before], rows[1][before - 2], rows[2][before - 4], rows[3][before - 6]]),
        top: words([above[start], rows[0][start - 2], rows[1][start - 4], rows[2][start - 6]]),
        top_left: words([above[before], rows[0][before - 2], rows[1][before - 4], rows[2][before - 6]]),
    };
    let mut previous = None;
    for (square, [_, mode, _, _]) in squares.row(y, width) {
        let mode = mode & 0x0f;
        let mut columns = square.start.max(start)..square.end.min(end);
        if let Some(previous) = previous.replace(mode).filter(|previous| *previous != mode) {
            while columns.start < (square.start + LAST_LAG).min(columns.end) {
                // Lower rows are still in the square before.
                let is_here = |row: usize| columns.start >= square.start + LAG * row;
                let here = Lanes::from_words([0, 1, 2, 3].map(|row| if is_here(row) { u32::MAX } else { 0 }));
                let both = |n: &Neighbours| here.select(predicted(mode, n), predicted(previous, n));
                wave.steps(&mut rows, above, columns.start..columns.start + 1, both);
                columns.start += 1;
            }
        }
        if !columns.is_empty() {
            with_predictor!(mode, |predictor| wave.steps(&mut rows, above, columns.clone(), predictor));
        }
    }
    each(&mut rows, above, |row, above, lag| columns(squares, row, above, y, end - lag..width));
}

/// Calls a function with each row, the row above it, and how many pixels it is behind the first one.
#[inline(always)]
fn each(rows: &mut [&mut [Pixel]; ROWS], above: &[Pixel], mut call: impl FnMut(&mut [Pixel], &[Pixel], usize)) {
    let mut above = above;
    for (row, lag) in rows.iter_mut().zip((0..).step_by(LAG)) {
        call(row, above, lag);
        above = &**row;
    }
}

#[inline(always)]
fn words(pixels: [Pixel; ROWS]) -> Lanes {
    Lanes::from_words(pixels.map(u32::from_le_bytes))
}

/// The neighbours of the next pixels of four rows, without those above right.
struct Wave {
    left: Lanes,
    top: Lanes,
    top_left: Lanes,
}

impl Wave {
    /// Processes columns of the first row, and as many of the others, each behind the row above.
    #[inline(always)]
    fn steps(
        &mut self,
        [r0, r1, r2, r3]: &mut [&mut [Pixel]; ROWS],
        above: &[Pixel],
        Range { start, end }: Range<usize>,
        predictor: impl Fn(&Neighbours) -> Lanes,
    ) {
        let Self { mut left, mut top, mut top_left } = *self;
        let upper = r0[start..end].iter_mut().zip(&mut r1[start - LAG..end - LAG]);
        let lower = r2[start - 2 * LAG..end - 2 * LAG].iter_mut().zip(&mut r3[start - 3 * LAG..end - 3 * LAG]);
        for (((p0, p1), (p2, p3)), above) in upper.zip(lower).zip(&above[start + 1..end + 1]) {
            let top_right = left.behind_word(u32::from_le_bytes(*above));
            let residuals = words([*p0, *p1, *p2, *p3]);
            left = residuals.plus(predictor(&Neighbours { left, top, top_left, top_right }));
            [*p0, *p1, *p2, *p3] = left.to_words().map(u32::to_le_bytes);
            (top_left, top) = (top, top_right);
        }
        *self = Self { left, top, top_left };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_together_are_rows_one_by_one() {
        let mut state = 1u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // With small differences here and there.
            let [a, b, c, d, e, ..] = state.to_le_bytes();
            if e < 100 { [a & 3, b & 3, c & 3, d & 3] } else { [a, b, c, d] }
        };
        for width in [MIN_WIDTH, MIN_WIDTH + 1, 31, 32, 33, 63, 90] {
            for bits in MIN_BITS..7 {
                let across = width.div_ceil(1 << bits);
                let squares = Squares { bits, across, samples: (0..across).flat_map(|_| random()).collect() };
                let above: Vec<Pixel> = (0..width).map(|_| random()).collect();
                let rows: Vec<Pixel> = (0..width * ROWS).map(|_| random()).collect();
                for y in [4, 0] {
                    let (mut together, mut expected) = (rows.clone(), above.clone());
                    let above = Some(above.as_slice());
                    Predict { squares: &squares, rows: &mut together, above, y, width }.run();
                    for (row, y) in rows.chunks_exact(width).zip(y..) {
                        let (start, mut row) = (expected.len() - width, row.to_vec());
                        let above = Some(&expected[start..]);
                        Predict { squares: &squares, rows: &mut row, above, y, width }.run();
                        expected.extend_from_slice(&row);
                    }
                    assert!(together == expected[width..], "{width} {bits} {y}");
                }
            }
        }
    }
}
