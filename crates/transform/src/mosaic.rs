//! Mosaics: cells of a picture that get one colour each, the alpha-weighted mean.

use super::colour::of_samples;
use super::effects::Sample;
use image_origin_codec::{self as codec, Cancellation, Raster, Samples};

/// A grid over an area of a picture, in whole pixels.
pub(super) struct Cells {
    /// The start of each column of cells, and the end of the last one.
    across: Vec<usize>,
    /// The start of each row of cells, and the end of the last one.
    down: Vec<usize>,
}

/// A range of columns or rows of pixels.
pub(super) type Span = std::ops::Range<usize>;

impl Cells {
    /// A grid of approximately equal cells of at least one pixel.
    pub(super) fn even(across: Span, down: Span, columns: usize, rows: usize) -> Self {
        let split = |span: Span, parts: usize| {
            let parts = parts.clamp(1, span.len().max(1));
            (0..=parts).map(|part| span.start + part * span.len() / parts).collect()
        };
        Self { across: split(across, columns), down: split(down, rows) }
    }

    /// A grid of squares with this side in pixels; the last ones may be truncated.
    pub(super) fn squares(across: Span, down: Span, side: usize) -> Self {
        let split = |span: Span| span.clone().step_by(side.max(1)).chain([span.end]).collect();
        Self { across: split(across), down: split(down) }
    }

    /// Fills every cell with its colour in `means`.
    pub(super) fn fill(&self, raster: &mut Raster, means: &Raster) {
        let pixel = size_of_val(means.samples().as_bytes()) / (means.width() as usize * means.height() as usize);
        let stride = raster.width() as usize * pixel;
        let colours = means.samples().as_bytes().chunks_exact(means.width() as usize * pixel);
        for (rows, colours) in self.down.windows(2).zip(colours) {
            for row in raster.samples_mut().chunks_exact_mut(stride).take(rows[1]).skip(rows[0]) {
                for (columns, colour) in self.across.windows(2).zip(colours.chunks_exact(pixel)) {
                    let cell = &mut row[columns[0] * pixel..columns[1] * pixel];
                    cell.chunks_exact_mut(pixel).for_each(|to| to.copy_from_slice(colour));
                }
            }
        }
    }

    /// The memory in bytes for the means of all cells of such a picture.
    pub(super) fn memory(&self, raster: &Raster) -> u64 {
        let sample = size_of_val(raster.samples().as_bytes()) / raster.samples().len().max(1);
        ((self.across.len() - 1) * (self.down.len() - 1) * raster.channels().count() * sample) as u64
    }

    /// A picture with one pixel for each cell.
    ///
    /// # Errors
    /// [`codec::Error::Cancelled`] between rows.
    pub(super) fn means(&self, raster: &Raster, cancellation: &Cancellation) -> Result<Raster, codec::Error> {
        let samples = match raster.samples() {
            Samples::U8(samples) => Samples::U8(self.means_of(samples, raster, cancellation)?),
            Samples::U16(samples) => Samples::U16(self.means_of(samples, raster, cancellation)?),
        };
        let (columns, rows) = (self.across.len() - 1, self.down.len() - 1);
        Ok(of_samples(columns as u32, rows as u32, raster.channels(), samples))
    }

    fn means_of<T: Sample>(
        &self,
        samples: &[T],
        raster: &Raster,
        cancellation: &Cancellation,
    ) -> Result<Vec<T>, codec::Error> {
        let (width, channels) = (raster.width() as usize, raster.channels());
        let count = channels.count();
        let columns = self.across.len() - 1;
        let mut means = Vec::with_capacity(columns * (self.down.len() - 1) * count);
        let mut sums = vec![[0u64; 5]; columns];
        for rows in self.down.windows(2) {
            sums.fill([0; 5]);
            for y in rows[0]..rows[1] {
                cancellation.check()?;
                let row = &samples[y * width * count..][..width * count];
                for (sum, span) in sums.iter_mut().zip(self.across.windows(2)) {
                    if count == 1 {
                        let samples = &row[span[0]..span[1]];
                        sum[0] += samples.iter().map(|sample| sample.index() as u64).sum::<u64>();
                        sum[4] += samples.len() as u64;
                        continue;
                    }
                    for pixel in row[span[0] * count..span[1] * count].chunks_exact(count) {
                        let weight = if channels.has_alpha() { pixel[count - 1].index() as u64 } else { 1 };
                        for (sum, sample) in sum.iter_mut().zip(pixel) {
                            *sum += sample.index() as u64 * weight;
                        }
                        sum[4] += weight;
                    }
                }
            }
            for (sum, span) in sums.iter().zip(self.across.windows(2)) {
                let pixels = ((span[1] - span[0]) * (rows[1] - rows[0])) as f64;
                let (alpha, weight) = (sum[4], (sum[4] as f64).max(1.0));
                means.extend(sum[..count].iter().enumerate().map(|(i, sum)| {
                    let is_alpha = channels.has_alpha() && i == count - 1;
                    T::nearest(if is_alpha { alpha as f64 / pixels } else { *sum as f64 / weight })
                }));
            }
        }
        Ok(means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_origin_codec::Channels;

    fn means(width: u32, channels: Channels, samples: Samples, columns: usize, rows: usize) -> Samples {
        let height = samples.len() as u32 / width / channels.count() as u32;
        let raster = Raster::new(width, height, channels, samples).unwrap();
        let cells = Cells::even(0..width as usize, 0..height as usize, columns, rows);
        cells.means(&raster, &Cancellation::unbounded()).unwrap().into_samples()
    }

    #[test]
    fn cells_become_their_mean() {
        let grey: Samples = vec![0u8, 10, 20, 30, 40, 50, 60, 70].into();
        assert_eq!(means(4, Channels::L, grey.clone(), 2, 1), vec![25u8, 45].into());
        assert_eq!(means(4, Channels::L, grey.clone(), 1, 2), vec![15u8, 55].into());
        assert_eq!(means(4, Channels::L, grey.clone(), 9, 9), grey, "no cell is smaller than a pixel");
        let wide: Samples = vec![0u16, 1, 2, 65_535, 4, 5].into();
        assert_eq!(means(2, Channels::Rgb, wide, 1, 1), vec![32_768u16, 3, 4].into());
    }

    #[test]
    fn squares_are_filled_and_the_last_ones_cut() {
        let mut raster = Raster::new(5, 3, Channels::L, Samples::U8((0..15).map(|i| i * 10).collect())).unwrap();
        let cells = Cells::squares(1..5, 0..3, 3);
        let means = cells.means(&raster, &Cancellation::unbounded()).unwrap();
        cells.fill(&mut raster, &means);
        assert_eq!(raster.samples().as_bytes(), [0, 70, 70, 70, 90, 50, 70, 70, 70, 90, 100, 70, 70, 70, 90]);
    }

    #[test]
    fn what_is_transparent_lends_no_colour() {
        let half: Samples = vec![200u8, 255, 0, 0].into();
        assert_eq!(means(2, Channels::La, half, 1, 1), vec![200u8, 128].into());
        let nothing: Samples = vec![9u8, 9, 9, 0, 9, 9, 9, 0].into();
        assert_eq!(means(2, Channels::Rgba, nothing, 1, 1), vec![0u8; 4].into());
    }
}
