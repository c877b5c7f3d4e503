//! Reduces a picture while its rows are decoded, so that the whole picture is never in memory.
//!
//! Squares of pixels are replaced by their mean. This box filter alone would be too coarse: it leaves at least twice
//! the needed pixels in each direction, which are then resampled properly (libvips does the same for sharp). Colours
//! are weighted by their alpha, so that transparent pixels do not contribute.

use super::{Area, Channels, Raster, Samples};
use image_origin_kernel::{Kernel, dispatch};

/// The maximum side of a square, for which sums of weighted samples fit into 32 bits.
const LONGEST: usize = 128;

/// The side of the squares of pixels that may become one pixel if the smallest useful scale is `scale`.
pub(super) fn factor(scale: f64) -> usize {
    ((0.5 / scale) as usize).clamp(1, LONGEST)
}

/// The [`blur`](super::Decoded::blur) of means of so many pixels in a row: the variance of a uniform distribution over
/// `factor` points that span a pixel.
pub(super) fn blur(factor: usize) -> f64 {
    (1.0 - (factor as f64).powi(-2)) / 12.0
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
    totals: Vec<u16>,
    out: Vec<u8>,
}

/// For each sample of a row, its sum over the rows of the squares.
enum Sums {
    Plain(Vec<u16>),
    /// As plain ones, of pixels with an unused fourth sample.
    Rgbx(Vec<u16>),
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
        Self { factor, width, channels, sums, rows: 0, totals: Vec::new(), out: Vec::new() }
    }

    /// As [`Self::new`] for RGB, of rows that have an unused sample after each pixel.
    pub(super) fn rgbx(width: u32, factor: usize) -> Self {
        let width = width as usize;
        Self {
            factor,
            width,
            channels: Channels::Rgb,
            sums: Sums::Rgbx(vec![0; width * 4]),
            rows: 0,
            totals: Vec::new(),
            out: Vec::new(),
        }
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
            (Sums::Plain(sums) | Sums::Rgbx(sums), _) => dispatch(AddPlain { sums, row }),
            (Sums::Weighted(sums), Channels::La) => dispatch(AddWeighted::<2> { sums, row }),
            (Sums::Weighted(sums), _) => dispatch(AddWeighted::<4> { sums, row }),
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
        let Self { factor, rows, sums, totals, out, channels, .. } = self;
        let (factor, rows) = (*factor, *rows);
        match (&mut *sums, channels) {
            (Sums::Plain(sums), Channels::L) => dispatch(EndPlain::<1, 1> { sums, totals, factor, rows, out }),
            (Sums::Plain(sums), Channels::Cmyk) => dispatch(EndPlain::<4, 4> { sums, totals, factor, rows, out }),
            (Sums::Plain(sums), _) => dispatch(EndPlain::<3, 3> { sums, totals, factor, rows, out }),
            (Sums::Rgbx(sums), _) => dispatch(EndPlain::<4, 3> { sums, totals, factor, rows, out }),
            (Sums::Weighted(sums), Channels::La) => dispatch(EndWeighted::<2> { sums, factor, rows, out }),
            (Sums::Weighted(sums), _) => dispatch(EndWeighted::<4> { sums, factor, rows, out }),
        }
        self.rows = 0;
    }
}

/// Adds a row to the sums.
struct AddPlain<'s> {
    sums: &'s mut [u16],
    row: &'s [u8],
}

impl Kernel for AddPlain<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (sum, sample) in self.sums.iter_mut().zip(self.row) {
            *sum += u16::from(*sample);
        }
    }
}

/// Adds a row to the sums, with colours weighted by alpha.
struct AddWeighted<'s, const COUNT: usize> {
    sums: &'s mut [u32],
    row: &'s [u8],
}

impl<const COUNT: usize> Kernel for AddWeighted<'_, COUNT> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (sum, pixel) in self.sums.as_chunks_mut::<COUNT>().0.iter_mut().zip(self.row.as_chunks::<COUNT>().0) {
            let mut weights = [u32::from(pixel[COUNT - 1]); COUNT];
            weights[COUNT - 1] = 1;
            for channel in 0..COUNT {
                sum[channel] += u32::from(pixel[channel]) * weights[channel];
            }
        }
    }
}

/// Appends the means of squares of `factor` columns by `rows` rows, of the first `KEPT` of `COUNT` samples of a pixel, and
/// clears their sums.
struct EndPlain<'s, const COUNT: usize, const KEPT: usize> {
    sums: &'s mut [u16],
    /// Space for as many sums.
    totals: &'s mut Vec<u16>,
    factor: usize,
    rows: usize,
    out: &'s mut Vec<u8>,
}

impl<const COUNT: usize, const KEPT: usize> EndPlain<'_, COUNT, KEPT> {
    /// The maximum number of pixels in a square whose total fits into 16 bits, and whose mean [`Self::end_small`] finds by
    /// a multiplication of 32 bits.
    const SMALL: usize = 256;

    /// The squares of `factor` columns, which have up to [`Self::SMALL`] pixels: their totals are found for all columns at
    /// once, so that the loops become vectors, and then those that begin a square are kept.
    #[inline(always)]
    fn end_small(&mut self) {
        let Self { sums, totals, factor, rows, out } = self;
        let squares = sums.len() / COUNT / *factor;
        totals.clear();
        totals.extend_from_slice(&sums[..squares * *factor * COUNT]);
        for column in 1..*factor {
            let after = sums.iter().skip(column * COUNT);
            totals.iter_mut().zip(after).for_each(|(total, sum)| *total = total.wrapping_add(*sum));
        }
        for square in 0..squares {
            let total: [u16; KEPT] = std::array::from_fn(|channel| totals[square * *factor * COUNT + channel]);
            totals[square * KEPT..][..KEPT].copy_from_slice(&total);
        }
        // With up to 256 pixels, the error of the reciprocal times the largest total is below 2^24 / 256.
        let pixels = (*factor * *rows) as u32;
        let (half, reciprocal) = (pixels / 2, (1u32 << 24).div_ceil(pixels));
        let mean = |total: &u16| (((u32::from(*total) + half) * reciprocal) >> 24) as u8;
        out.extend(totals[..squares * KEPT].iter().map(mean));
    }
}

impl<const COUNT: usize, const KEPT: usize> Kernel for EndPlain<'_, COUNT, KEPT> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let mut ended = 0;
        if self.factor * self.factor <= Self::SMALL {
            self.end_small();
            ended = self.sums.len() / COUNT / self.factor;
        }
        for square in self.sums.as_chunks::<COUNT>().0.chunks(self.factor).skip(ended) {
            let mut totals = [0; COUNT];
            for pixel in square {
                totals.iter_mut().zip(pixel).for_each(|(total, sum)| *total += u32::from(*sum));
            }
            let divisor = Divisor::new((square.len() * self.rows) as u32);
            self.out.extend(totals[..KEPT].iter().map(|total| divisor.mean(*total)));
        }
        self.sums.fill(0);
    }
}

/// Like [`EndPlain`], with colours weighted by alpha.
struct EndWeighted<'s, const COUNT: usize> {
    sums: &'s mut [u32],
    factor: usize,
    rows: usize,
    out: &'s mut Vec<u8>,
}

impl<const COUNT: usize> Kernel for EndWeighted<'_, COUNT> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for square in self.sums.as_chunks::<COUNT>().0.chunks(self.factor) {
            let mut totals = [0; COUNT];
            for pixel in square {
                totals.iter_mut().zip(pixel).for_each(|(total, sum)| *total += sum);
            }
            let (pixels, alpha) = (Divisor::new((square.len() * self.rows) as u32), totals[COUNT - 1]);
            let divisor = Divisor::new(alpha);
            let mut means = totals.map(|total| divisor.mean(total));
            means[COUNT - 1] = pixels.mean(alpha);
            self.out.extend(means);
        }
        self.sums.fill(0);
    }
}

/// Divides by the weight of a square, by multiplication.
#[derive(Clone, Copy)]
pub(super) struct Divisor(f64);

impl Divisor {
    /// A quotient is below 256.5, and either the middle of two whole numbers or at least a 2^32nd away from it. The product has an
    /// error below 2^-43, so that together with this it is rounded like the quotient, and upwards in the middle.
    const SAFETY: f64 = 1.0 / (1u64 << 36) as f64;

    /// Added to a number, it leaves the nearest whole number in the lowest bits.
    const ROUNDED: f64 = (1u64 << 52) as f64;

    #[inline(always)]
    pub(super) fn new(weight: u32) -> Self {
        // Without weight, all totals are 0. With a sign, numbers are converted by one instruction.
        Self(1.0 / f64::from(weight.max(1).cast_signed()))
    }

    /// The rounded mean of samples of up to 255, whose weighted total this is, below 2^31.
    #[inline(always)]
    pub(super) fn mean(self, total: u32) -> u8 {
        (f64::from(total.cast_signed()) * self.0 + Self::SAFETY + Self::ROUNDED).to_bits() as u8
    }
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
        let mut padded = Shrink::rgbx(3, 2);
        padded.push(&[1, 2, 3, 0, 3, 4, 5, 255, 7, 8, 9, 99]);
        let padded = padded.finish().unwrap();
        assert_eq!((padded.channels(), padded.samples().as_bytes()), (Channels::Rgb, [2, 3, 4, 7, 8, 9].as_slice()));
    }

    #[test]
    fn blur_is_the_variance_of_points_that_are_averaged() {
        for factor in [1, 2, 3, 8, 127] {
            let points = (0..factor).map(|i| (i as f64 + 0.5) / factor as f64 - 0.5);
            let variance = points.map(|point| point * point).sum::<f64>() / factor as f64;
            assert!((blur(factor) - variance).abs() < 1e-12, "{factor}");
        }
    }

    #[test]
    fn transparent_pixels_lend_no_colour() {
        let rows: [&[u8]; 1] = [&[200, 100, 50, 255, 1, 2, 3, 0, 9, 9, 9, 0, 8, 8, 8, 0]];
        assert_eq!(shrunk(4, Channels::Rgba, 2, &rows), (2, 1, vec![200, 100, 50, 128, 0, 0, 0, 0]));
        assert_eq!(shrunk(2, Channels::La, 2, &[&[10, 255, 40, 51]]), (1, 1, vec![15, 153]));
    }

    #[test]
    fn means_are_rounded_like_quotients() {
        let most = (LONGEST * LONGEST * 255) as u32;
        let weights = (1..600).chain((600..most).step_by(9973)).chain([most - 1, most]);
        for weight in weights {
            // On both sides of where the mean changes.
            for mean in [0, 1, 2, 100, 127, 128, 254, 255] {
                let edge = (mean * weight).saturating_sub(weight / 2);
                for total in [edge.saturating_sub(1), edge, edge + 1].map(|total| total.min(255 * weight)) {
                    let expected = (total + weight / 2) / weight;
                    assert_eq!(u32::from(Divisor::new(weight).mean(total)), expected, "{total} / {weight}");
                }
            }
        }
        assert_eq!(Divisor::new(0).mean(0), 0);
    }

    #[test]
    fn squares_of_any_size_have_the_means_of_their_samples() {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for channels in [Channels::L, Channels::La, Channels::Rgb, Channels::Rgba, Channels::Cmyk] {
            for (width, height, factor) in [(7, 5, 2), (33, 7, 3), (64, 17, 8), (50, 33, 16), (41, 35, 17), (3, 2, 16)]
            {
                let count = channels.count();
                let rows: Vec<Vec<u8>> = (0..height).map(|_| (0..width * count).map(|_| random()).collect()).collect();
                let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
                let (columns, _, means) = shrunk(width as u32, channels, factor, &rows);
                for (place, found) in means.iter().enumerate() {
                    let (x, y, channel) =
                        (place / count % columns as usize, place / count / columns as usize, place % count);
                    let pixels = (y * factor..((y + 1) * factor).min(height))
                        .flat_map(|y| (x * factor..((x + 1) * factor).min(width)).map(move |x| (x * count, y)));
                    let is_weighted = channels.has_alpha() && channel + 1 < count;
                    let (mut total, mut weight) = (0, 0);
                    for (at, y) in pixels {
                        let share = if is_weighted { u32::from(rows[y][at + count - 1]) } else { 1 };
                        total += u32::from(rows[y][at + channel]) * share;
                        weight += share;
                    }
                    let expected = (total + weight / 2) / weight.max(1);
                    assert_eq!(u32::from(*found), expected, "{channels:?} {width}x{height} by {factor}: {x}, {y}");
                }
            }
        }
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
