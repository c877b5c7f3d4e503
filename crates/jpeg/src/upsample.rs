//! Upsampling of subsampled components to the resolution of the picture.
//!
//! A block yields as many samples horizontally as vertically. For a component that is subsampled more in one direction,
//! reduced blocks have the size that this direction needs, and surplus samples in the other one are averaged.
//!
//! If a sample covers two pixels, [`Upsampling::Smooth`](super::Upsampling::Smooth) interpolates with weights of 3/4
//! and 1/4 between sample centres: the triangle filter, which is the default of other decoders.

use super::layout::{ComponentLayout, Layout};
use super::output::Band;

/// The resampling method of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resampling {
    /// The samples are copied.
    Copy,
    /// Interpolated horizontally.
    SmoothColumns,
    /// Interpolated vertically.
    SmoothRows,
    /// Interpolated in both directions.
    SmoothBoth,
    /// Repeated; with the output's resolution and the component's own, horizontally and vertically.
    Repeat((usize, usize), (usize, usize)),
    /// Averaged vertically over this many rows, and repeated horizontally; with the output's resolution and the
    /// component's own.
    MeanOfRows(usize, (usize, usize)),
    /// Averaged horizontally over this many samples, and repeated vertically; with the output's resolution and the
    /// component's own.
    MeanOfColumns(usize, (usize, usize)),
}

/// The available samples of a component.
pub(super) struct Samples<'b> {
    pub(super) band: &'b Band,
    /// The index of the first row of the band.
    pub(super) first: usize,
    pub(super) component: &'b ComponentLayout,
}

impl<'b> Samples<'b> {
    /// A row by its index, limited to samples inside the picture; the nearest row for an index outside of it.
    #[inline(always)]
    fn row(&self, y: usize) -> &'b [u8] {
        let y = y.min(self.component.height - 1);
        &self.band.row(y + 1 - self.first)[..self.component.width]
    }
}

impl Resampling {
    pub(super) fn new(layout: &Layout, component: &ComponentLayout, smooth: bool) -> Self {
        let horizontal = (layout.max.0 * layout.scale, component.h * component.size);
        let vertical = (layout.max.1 * layout.scale, component.v * component.size);
        let is = |ratio: (usize, usize), factor: usize| ratio.0 == ratio.1 * factor;
        // At 1/8, interpolation would span a whole block, and two samples do not define a slope.
        let smooth_columns = smooth && layout.scale > 1 && !component.is_narrow;
        let smooth_rows = smooth && layout.scale > 1;
        if is(horizontal, 1) && is(vertical, 1) {
            Self::Copy
        } else if smooth_columns && is(horizontal, 2) && is(vertical, 1) {
            Self::SmoothColumns
        } else if smooth_rows && is(horizontal, 1) && is(vertical, 2) {
            Self::SmoothRows
        } else if smooth_columns && is(horizontal, 2) && is(vertical, 2) {
            Self::SmoothBoth
        } else if vertical.1 > vertical.0 && horizontal.1 <= horizontal.0 {
            Self::MeanOfRows(vertical.1 / vertical.0, horizontal)
        } else if horizontal.1 > horizontal.0 && vertical.1 <= vertical.0 {
            Self::MeanOfColumns(horizontal.1 / horizontal.0, vertical)
        } else {
            Self::Repeat(horizontal, vertical)
        }
    }

    /// Whether the first and last pixel row of a band need the samples above and below it.
    pub(super) const fn needs_neighbour_rows(self) -> bool {
        matches!(self, Self::SmoothRows | Self::SmoothBoth)
    }

    /// Whether a pixel row is the average of several rows of samples.
    pub(super) const fn merges_rows(self) -> bool {
        matches!(self, Self::MeanOfRows(..))
    }

    /// Returns the samples for pixel row `y`, computed in `scratch` unless they can be borrowed.
    #[inline(always)]
    pub(super) fn row<'s>(self, samples: &Samples<'s>, y: usize, scratch: &'s mut [u8]) -> &'s [u8] {
        // With twice the rows, the nearest and the second nearest sample row.
        let near_and_far = || {
            let far = if y % 2 == 1 { y / 2 + 1 } else { (y / 2).saturating_sub(1) };
            (samples.row(y / 2), samples.row(far))
        };
        match self {
            Self::Copy => return samples.band.row(y + 1 - samples.first),
            Self::SmoothColumns => smooth_columns(samples.row(y), scratch),
            Self::SmoothRows => {
                let (near, far) = near_and_far();
                let rounding = if y.is_multiple_of(2) { 1 } else { 2 };
                for ((out, &near), &far) in scratch.iter_mut().zip(near).zip(far) {
                    *out = ((3 * u16::from(near) + u16::from(far) + rounding) >> 2) as u8;
                }
            }
            Self::SmoothBoth => {
                let (near, far) = near_and_far();
                smooth_both(near, far, scratch);
            }
            Self::Repeat((out, own), (out_rows, own_rows)) => {
                let row = samples.row(y * own_rows / out_rows);
                for (x, sample) in scratch.iter_mut().enumerate() {
                    *sample = row[(x * own / out).min(row.len() - 1)];
                }
            }
            Self::MeanOfRows(count, (out, own)) => {
                let first = samples.row(y * count);
                for (x, sample) in scratch.iter_mut().enumerate() {
                    let x = (x * own / out).min(first.len() - 1);
                    let sum: usize = (0..count).map(|line| usize::from(samples.row(y * count + line)[x])).sum();
                    *sample = ((sum + count / 2) / count) as u8;
                }
            }
            Self::MeanOfColumns(count, (out_rows, own_rows)) => {
                let row = samples.row(y * own_rows / out_rows);
                for (x, sample) in scratch.iter_mut().enumerate() {
                    let last = row.len() - 1;
                    let sum: usize = (0..count).map(|column| usize::from(row[(x * count + column).min(last)])).sum();
                    *sample = ((sum + count / 2) / count) as u8;
                }
            }
        }
        scratch
    }
}

/// Two samples for each of `row`, with weights of 3/4 and 1/4 for its neighbour; the ends are repeated.
#[inline(always)]
fn smooth_columns(row: &[u8], out: &mut [u8]) {
    let last = row.len() - 1;
    for (pair, three) in out[1..].chunks_exact_mut(2).zip(row.windows(2)) {
        let (left, right) = (u16::from(three[0]), u16::from(three[1]));
        pair[0] = ((3 * left + right + 2) >> 2) as u8;
        pair[1] = ((3 * right + left + 1) >> 2) as u8;
    }
    out[0] = row[0];
    if let Some(end) = out.get_mut(2 * last + 1) {
        *end = row[last];
    }
}

/// The same between two rows, of which `near` has a weight of 3/4, and then in the row.
#[inline(always)]
fn smooth_both(near: &[u8], far: &[u8], out: &mut [u8]) {
    let last = near.len() - 1;
    let column = |x: usize| 3 * u16::from(near[x]) + u16::from(far[x]);
    for ((pair, near), far) in out[1..].chunks_exact_mut(2).zip(near.windows(2)).zip(far.windows(2)) {
        let left = 3 * u16::from(near[0]) + u16::from(far[0]);
        let right = 3 * u16::from(near[1]) + u16::from(far[1]);
        pair[0] = ((3 * left + right + 7) >> 4) as u8;
        pair[1] = ((3 * right + left + 8) >> 4) as u8;
    }
    out[0] = ((4 * column(0) + 8) >> 4) as u8;
    if let Some(end) = out.get_mut(2 * last + 1) {
        *end = ((4 * column(last) + 7) >> 4) as u8;
    }
}
