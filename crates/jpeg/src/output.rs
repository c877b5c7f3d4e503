//! Assembles component samples, one row of MCUs at a time, to pixels or planes.

use super::colour::Converter;
use super::kernel::{Kernel, dispatch};
use super::layout::{ComponentLayout, Layout};
use super::upsample::{Resampling, Samples};
use super::{PixelFormat, Upsampling};

/// The value of missing samples.
pub(super) const GREY: u8 = 128;

/// The samples of one component in one row of MCUs, preceded by the last row of the previous band.
#[derive(Debug)]
pub(super) struct Band {
    samples: Vec<u8>,
    stride: usize,
    height: usize,
}

impl Band {
    fn new(component: &ComponentLayout, layout: &Layout) -> Self {
        let (stride, height) = (component.stride(&layout.columns), component.band_height());
        Self { samples: vec![GREY; stride * (height + 1)], stride, height }
    }

    /// Creates one band for each component.
    pub(super) fn all(layout: &Layout) -> Vec<Self> {
        layout.components.iter().map(|component| Self::new(component, layout)).collect()
    }

    /// The memory of the bands in bytes.
    pub(super) fn bytes(layout: &Layout) -> u64 {
        layout.components.iter().map(|c| (c.stride(&layout.columns) * (c.band_height() + 1)) as u64).sum()
    }

    /// The stride of a row in samples.
    #[inline(always)]
    pub(super) const fn stride(&self) -> usize {
        self.stride
    }

    /// A row of this row of MCUs, from column `x` on.
    #[inline(always)]
    pub(super) fn row_mut(&mut self, y: usize, x: usize) -> &mut [u8] {
        let start = (y + 1) * self.stride;
        &mut self.samples[start + x..start + self.stride]
    }

    /// The rows from `y` on, from column `x` on.
    #[inline(always)]
    pub(super) fn rows_mut(&mut self, y: usize, x: usize) -> &mut [u8] {
        let start = (y + 1) * self.stride + x;
        &mut self.samples[start..]
    }

    /// Fills some columns with grey.
    pub(super) fn clear_columns(&mut self, columns: std::ops::Range<usize>) {
        for row in self.samples.chunks_exact_mut(self.stride).skip(1) {
            row[columns.clone()].fill(GREY);
        }
    }

    /// A row, where 0 is the last row of the previous band.
    #[inline(always)]
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..(y + 1) * self.stride]
    }

    /// Keeps the last row for the next row of MCUs.
    fn carry(&mut self) {
        let last = self.height * self.stride;
        self.samples.copy_within(last..last + self.stride, 0);
    }
}

/// A receiver of samples.
pub(super) trait Output {
    /// Receives a row of MCUs; `row` is its index from the top of the picture.
    fn emit(&mut self, bands: &mut [Band], row: usize);
}

/// The pixels of the picture, as far as they are complete.
pub(super) struct Pixels<'l> {
    layout: &'l Layout,
    converter: Converter,
    resampling: Vec<Resampling>,
    /// The number of pixel rows of a row of MCUs that need the samples below it.
    waiting: usize,
    pixels: Vec<u8>,
    rows_done: usize,
    /// A row of each component at the width of the picture.
    rows: Vec<Vec<u8>>,
}

impl<'l> Pixels<'l> {
    pub(super) fn new(layout: &'l Layout, converter: Converter, upsampling: Upsampling) -> Self {
        let resampling =
            |smooth| -> Vec<_> { layout.components.iter().map(|c| Resampling::new(layout, c, smooth)).collect() };
        // Rows that wait for the next band have only one row of the previous band, and means need several.
        let plain = resampling(false);
        let is_smooth = upsampling == Upsampling::Smooth && !plain.iter().any(|resampling| resampling.merges_rows());
        let resampling = if is_smooth { resampling(true) } else { plain };
        Self {
            layout,
            converter,
            waiting: usize::from(resampling.iter().any(|resampling| resampling.needs_neighbour_rows())),
            resampling,
            pixels: vec![0; layout.width * layout.height * converter.format().channels()],
            rows_done: 0,
            rows: vec![vec![0; layout.width + 1]; layout.components.len()],
        }
    }

    /// The memory in bytes of the picture and its working rows.
    pub(super) fn bytes(layout: &Layout, format: PixelFormat) -> u64 {
        let rows = layout.height as u64 * format.channels() as u64 + layout.components.len() as u64;
        (layout.width as u64 + 1) * rows
    }

    pub(super) fn into_samples(self) -> Vec<u8> {
        self.pixels
    }
}

impl Output for Pixels<'_> {
    fn emit(&mut self, bands: &mut [Band], row: usize) {
        let row = row - self.layout.rows.start;
        let is_last = row + 1 == self.layout.rows.len();
        let end = (row + 1) * self.layout.band_height();
        let end = if is_last { self.layout.height } else { end - self.waiting };
        dispatch(Emit { output: self, bands, row, end });
        for band in bands {
            band.carry();
        }
    }
}

/// The pixel rows up to `end` that have not been computed yet.
struct Emit<'e, 'l> {
    output: &'e mut Pixels<'l>,
    bands: &'e [Band],
    row: usize,
    end: usize,
}

impl Kernel for Emit<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { output, bands, row, end } = self;
        let layout = output.layout;
        let bytes = layout.width * output.converter.format().channels();
        while output.rows_done < end {
            let y = output.rows_done;
            let out = &mut output.pixels[y * bytes..(y + 1) * bytes];
            let mut sources: [&[u8]; 4] = [&[]; 4];
            let parts = output.resampling.iter().zip(bands).zip(&layout.components).zip(&mut output.rows);
            for (source, (((resampling, band), component), scratch)) in sources.iter_mut().zip(parts) {
                let samples = Samples { band, first: row * component.band_height(), component };
                *source = &resampling.row(&samples, y, scratch)[..layout.width];
            }
            output.converter.convert(sources, out);
            output.rows_done += 1;
        }
    }
}

/// The samples of each component as separate planes.
pub(super) struct Planes<'l> {
    layout: &'l Layout,
    planes: Vec<Vec<u8>>,
}

impl<'l> Planes<'l> {
    pub(super) fn new(layout: &'l Layout) -> Self {
        let planes = layout.components.iter().map(|c| Vec::with_capacity(c.width * c.height)).collect();
        Self { layout, planes }
    }

    /// The memory of the planes in bytes.
    pub(super) fn bytes(layout: &Layout) -> u64 {
        layout.components.iter().map(|c| (c.width * c.height) as u64).sum()
    }

    pub(super) fn into_samples(self) -> Vec<Vec<u8>> {
        self.planes
    }
}

impl Output for Planes<'_> {
    fn emit(&mut self, bands: &mut [Band], row: usize) {
        let row = row - self.layout.rows.start;
        for ((plane, band), component) in self.planes.iter_mut().zip(bands).zip(&self.layout.components) {
            let done = row * component.band_height();
            for y in 0..component.band_height().min(component.height - done) {
                plane.extend_from_slice(&band.row(y + 1)[..component.width]);
            }
        }
    }
}
