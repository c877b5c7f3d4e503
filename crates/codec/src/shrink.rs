//! Reduces a picture while its rows are decoded, so that the whole picture is never in memory.
//!
//! Squares of pixels are replaced by their mean. This box filter alone would be too coarse: it leaves at least twice
//! the needed pixels in each direction, which are then resampled properly (libvips does the same for sharp). Colours
//! are weighted by their alpha, so that transparent pixels do not contribute.

use super::{Area, Channels, Raster, Samples};

/// The maximum side of a square, for which sums of weighted samples fit into 32 bits.
const LONGEST: usize = 128;

/// The side of the squares of pixels that may become one pixel if the smallest useful scale is `scale`.
pub(super) fn factor(scale: f64) -> usize {
    ((0.5 / scale) as usize).clamp(1, LONGEST)
}

/// The whole pixels of a picture that are needed; at least one.
pub(super) struct Window {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) top: u32,
    pub(super) bottom: u32,
}

impl Window {
    /// The pixels that an area touches in a picture of this size.
    pub(super) fn new(area: Area, width: u32, height: u32) -> Self {
        let range = |start: f64, length: f64, side: u32| {
            let first = (start.floor().max(0.0) as u32).min(side - 1);
            (first, ((start + length).ceil() as u32).clamp(first + 1, side))
        };
        let ((left, right), (top, bottom)) = (range(area.x, area.width, width), range(area.y, area.height, height));
        Self { left, right, top, bottom }
    }

    pub(super) fn width(&self) -> u32 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> u32 {
        self.bottom - self.top
    }

    /// The area of the picture that a raster covers after squares of `factor` pixels became one pixel.
    pub(super) fn covered_by(&self, raster: &Raster, factor: usize) -> Area {
        let side = factor as f64;
        let (width, height) = (f64::from(raster.width()) * side, f64::from(raster.height()) * side);
        Area { x: self.left.into(), y: self.top.into(), width, height }
    }
}

/// A picture that is being reduced.
pub(super) struct Shrink {
    factor: usize,
    width: usize,
    channels: Channels,
    sums: Sums,
    /// The number of rows in the sums.
    rows: usize,
    out: Vec<u8>,
}

/// For each sample of a row, its sum over the rows of the squares.
enum Sums {
    Plain(Vec<u16>),
    /// Colours multiplied by alpha, and alpha.
    Weighted(Vec<u32>),
}

impl Shrink {
    /// Creates a reduction for pictures that are `width` pixels wide. `factor` must be at most the result of
    /// [`factor`].
    pub(super) fn new(width: u32, channels: Channels, factor: usize) -> Self {
        let (width, count) = (width as usize, channels.count());
        let sums = match channels.has_alpha() {
            true => Sums::Weighted(vec![0; width * count]),
            false => Sums::Plain(vec![0; width * count]),
        };
        Self { factor, width, channels, sums, rows: 0, out: Vec::new() }
    }

    /// The maximum memory in bytes for a picture of this size.
    pub(super) fn memory(width: u32, height: u32, channels: Channels, factor: usize) -> u64 {
        let (width, height, factor) = (u64::from(width), u64::from(height), factor as u64);
        // The output grows, and a growing vector takes up to three times the size of its content.
        (width * 4 + width.div_ceil(factor) * height.div_ceil(factor) * 3) * channels.count() as u64
    }

    /// Adds the next row.
    pub(super) fn push(&mut self, row: &[u8]) {
        match (&mut self.sums, self.channels) {
            (Sums::Plain(sums), _) => {
                for (sum, sample) in sums.iter_mut().zip(row) {
                    *sum += u16::from(*sample);
                }
            }
            (Sums::Weighted(sums), Channels::La) => add_weighted::<2>(sums, row),
            (Sums::Weighted(sums), _) => add_weighted::<4>(sums, row),
        }
        self.rows += 1;
        if self.rows == self.factor {
            self.end_squares();
        }
    }

    /// The reduced picture; `None` if there were no rows.
    pub(super) fn finish(mut self) -> Option<Raster> {
        if self.rows > 0 {
            self.end_squares();
        }
        let width = self.width.div_ceil(self.factor);
        let height = self.out.len() / (width * self.channels.count()).max(1);
        Raster::new(width as u32, height as u32, self.channels, Samples::U8(self.out))
    }

    fn end_squares(&mut self) {
        let Self { factor, rows, sums, out, channels, .. } = self;
        match (&mut *sums, channels) {
            (Sums::Plain(sums), Channels::L) => end_plain::<1>(sums, *factor, *rows, out),
            (Sums::Plain(sums), Channels::Cmyk) => end_plain::<4>(sums, *factor, *rows, out),
            (Sums::Plain(sums), _) => end_plain::<3>(sums, *factor, *rows, out),
            (Sums::Weighted(sums), Channels::La) => end_weighted::<2>(sums, *factor, *rows, out),
            (Sums::Weighted(sums), _) => end_weighted::<4>(sums, *factor, *rows, out),
        }
        self.rows = 0;
    }
}

/// Appends the means of squares of `factor` columns by `rows` rows, and clears their sums.
fn end_plain<const COUNT: usize>(sums: &mut [u16], factor: usize, rows: usize, out: &mut Vec<u8>) {
    for square in sums.as_chunks::<COUNT>().0.chunks(factor) {
        let mut totals = [0; COUNT];
        for pixel in square {
            totals.iter_mut().zip(pixel).for_each(|(total, sum)| *total += u32::from(*sum));
        }
        out.extend(totals.map(|total| mean(total, (square.len() * rows) as u32)));
    }
    sums.fill(0);
}

/// Like [`end_plain`], with colours weighted by alpha.
fn end_weighted<const COUNT: usize>(sums: &mut [u32], factor: usize, rows: usize, out: &mut Vec<u8>) {
    for square in sums.as_chunks::<COUNT>().0.chunks(factor) {
        let mut totals = [0; COUNT];
        for pixel in square {
            totals.iter_mut().zip(pixel).for_each(|(total, sum)| *total += sum);
        }
        let (pixels, alpha) = ((square.len() * rows) as u32, totals[COUNT - 1]);
        let mut means = totals.map(|total| mean(total, alpha));
        means[COUNT - 1] = mean(alpha, pixels);
        out.extend(means);
    }
    sums.fill(0);
}

fn add_weighted<const COUNT: usize>(sums: &mut [u32], row: &[u8]) {
    for (sum, pixel) in sums.as_chunks_mut::<COUNT>().0.iter_mut().zip(row.as_chunks::<COUNT>().0) {
        let alpha = u32::from(pixel[COUNT - 1]);
        for channel in 0..COUNT - 1 {
            sum[channel] += u32::from(pixel[channel]) * alpha;
        }
        sum[COUNT - 1] += alpha;
    }
}

/// The rounded mean; 0 if the weight is 0.
fn mean(total: u32, weight: u32) -> u8 {
    total.saturating_add(weight / 2).checked_div(weight).unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrunk(width: u32, channels: Channels, factor: usize, rows: &[&[u8]]) -> (u32, u32, Vec<u8>) {
        let mut shrink = Shrink::new(width, channels, factor);
        rows.iter().for_each(|row| shrink.push(row));
        let raster = shrink.finish().unwrap();
        (raster.width(), raster.height(), raster.samples().as_bytes().to_vec())
    }

    #[test]
    fn squares_become_their_mean_and_edges_that_of_what_is_there() {
        let rows: [&[u8]; 3] = [&[0, 10, 20, 30, 7], &[2, 12, 22, 33, 9], &[1, 1, 2, 2, 3]];
        assert_eq!(shrunk(5, Channels::L, 2, &rows), (3, 2, vec![6, 26, 8, 1, 2, 3]));
        assert_eq!(shrunk(1, Channels::Rgb, 2, &[&[1, 2, 3], &[3, 4, 5]]), (1, 1, vec![2, 3, 4]));
    }

    #[test]
    fn transparent_pixels_lend_no_colour() {
        let rows: [&[u8]; 1] = [&[200, 100, 50, 255, 1, 2, 3, 0, 9, 9, 9, 0, 8, 8, 8, 0]];
        assert_eq!(shrunk(4, Channels::Rgba, 2, &rows), (2, 1, vec![200, 100, 50, 128, 0, 0, 0, 0]));
        assert_eq!(shrunk(2, Channels::La, 2, &[&[10, 255, 40, 51]]), (1, 1, vec![15, 153]));
    }

    #[test]
    fn the_largest_sums_fit() {
        let (side, factor) = (LONGEST, factor(0.0));
        assert_eq!(factor, LONGEST);
        for channels in [Channels::L, Channels::La, Channels::Rgb, Channels::Rgba] {
            let row = vec![255; side * channels.count()];
            let white = shrunk(side as u32, channels, factor, &vec![row.as_slice(); side]);
            assert_eq!(white, (1, 1, vec![255; channels.count()]));
        }
    }

    #[test]
    fn twice_the_pixels_are_left() {
        for (scale, expected) in [(1.0, 1), (0.3, 1), (0.25, 2), (0.2, 2), (0.075, 6)] {
            assert_eq!(factor(scale), expected, "{scale}");
        }
    }
}
