//! The upscaling process (7.16).

use super::frame::Plane;
use super::tables::UPSCALE;
use super::tile::Setting;
use super::{Check, DecodeError, go_on};
use crate::sample::Sample;

/// The number of fractional bits of positions, and of those that do not choose a filter.
const SCALE_BITS: u32 = 14;
const EXTRA_BITS: u32 = 8;

/// The upscaling of rows of a plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Upscaling {
    step: i64,
    start: i64,
    /// The last column of the source.
    last: i64,
    pub(super) width: usize,
    depth: u32,
}

impl Upscaling {
    /// The upscaling of a plane with as many coded columns (a multiple of 4); `None` if the frame does not need any.
    pub(super) fn new(setting: &Setting<'_>, plane: usize, coded: usize) -> Option<Self> {
        let header = setting.header;
        if header.superres == 8 {
            return None;
        }
        let shift = setting.sequence.shifts(plane)[0];
        let [narrow, wide] = [header.coded_width, header.size[0]].map(|width| i64::from(width.div_ceil(1 << shift)));
        let step = ((narrow << SCALE_BITS) + wide / 2) / wide;
        let error = wide * step - (narrow << SCALE_BITS);
        let start = (-((wide - narrow) << (SCALE_BITS - 1)) + wide / 2) / wide + (1 << (EXTRA_BITS - 1)) - error / 2;
        Some(Self {
            step,
            start: start & ((1 << SCALE_BITS) - 1),
            last: coded as i64 - 1,
            width: wide as usize,
            depth: setting.sequence.depth.into(),
        })
    }

    /// Upscales a row.
    pub(super) fn row<S: Sample>(&self, source: &[S], out: &mut [S]) {
        for (x, sample) in out[..self.width].iter_mut().enumerate() {
            let position = -(1 << SCALE_BITS) + self.start + x as i64 * self.step;
            let filter = &UPSCALE[((position & ((1 << SCALE_BITS) - 1)) >> EXTRA_BITS) as usize];
            let first = (position >> SCALE_BITS) - 3;
            let sum: i32 = filter
                .iter()
                .zip(first..)
                .map(|(tap, x)| i32::from(*tap) * Into::<i32>::into(source[x.clamp(0, self.last) as usize]))
                .sum();
            *sample = S::clamped((sum + 64) >> 7, self.depth);
        }
    }

    /// Upscales a plane.
    pub(super) fn plane<S: Sample>(&self, plane: &Plane<S>, check: Check<'_>) -> Result<Plane<S>, DecodeError> {
        let mut upscaled = Plane::new(self.width, plane.samples.len() / plane.stride);
        let rows = plane.samples.chunks_exact(plane.stride).zip(upscaled.samples.chunks_exact_mut(self.width));
        for (y, (source, out)) in rows.enumerate() {
            if y % 64 == 0 {
                go_on(check)?;
            }
            self.row(source, out);
        }
        Ok(upscaled)
    }
}
