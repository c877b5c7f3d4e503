//! Colours under transparent pixels, for lossy encoders.
//!
//! What lies there is invisible, but lossy encoders blend it with what is beside it: black there makes dark fringes, and
//! its edges cost bytes. So the visible colours are spread over it, as a pyramid: each level has the means of 2 by 2
//! cells, weighted by alpha, and from the top down, empty cells are interpolated from the level above (S. J. Gortler et
//! al., The Lumigraph, 1996, section 3.4).

use super::{Channels, Raster, Samples};

/// A level of the pyramid. The last value of each cell is its weight.
struct Level<const N: usize> {
    width: usize,
    cells: Vec<[u8; N]>,
}

/// The maximum memory of [`spread`] in bytes, including its result.
pub(super) fn memory(raster: &Raster) -> u64 {
    raster.bytes() * 3 / 2 + 1024
}

/// The picture with the visible colours spread under fully transparent pixels; its alpha is unspecified. `None` if
/// there are none of these, or nothing else.
pub(super) fn spread(raster: &Raster) -> Option<Raster> {
    let Samples::U8(samples) = raster.samples() else { return None };
    let width = raster.width() as usize;
    let spread = match raster.channels() {
        Channels::La => spread_cells(samples.as_chunks::<2>().0, width)?.into_flattened(),
        Channels::Rgba => spread_cells(samples.as_chunks::<4>().0, width)?.into_flattened(),
        _ => return None,
    };
    Raster::new(raster.width(), raster.height(), raster.channels(), Samples::U8(spread))
}

fn spread_cells<const N: usize>(pixels: &[[u8; N]], width: usize) -> Option<Vec<[u8; N]>> {
    if !pixels.iter().any(|pixel| pixel[N - 1] == 0) || pixels.iter().all(|pixel| pixel[N - 1] == 0) {
        return None;
    }
    let mut levels = vec![Level { width, cells: pixels.to_vec() }];
    while let Some(last) = levels.last().filter(|last| last.cells.iter().any(|cell| cell[N - 1] == 0)) {
        let next = last.halved();
        levels.push(next);
    }
    let mut above = levels.pop()?;
    while let Some(mut level) = levels.pop() {
        level.fill(&above);
        above = level;
    }
    Some(above.cells)
}

impl<const N: usize> Level<N> {
    fn halved(&self) -> Self {
        let width = self.width.div_ceil(2);
        let mut cells = Vec::with_capacity(width * (self.cells.len() / self.width).div_ceil(2));
        for rows in self.cells.chunks(2 * self.width) {
            for x in (0..self.width).step_by(2) {
                let square = rows.chunks(self.width).flat_map(|row| &row[x..(x + 2).min(self.width)]);
                cells.push(mean(square));
            }
        }
        Self { width, cells }
    }

    /// Fills empty cells from the level above, which has no empty ones.
    fn fill(&mut self, above: &Self) {
        let last = [above.width - 1, above.cells.len() / above.width - 1];
        for (i, cell) in self.cells.iter_mut().enumerate().filter(|(_, cell)| cell[N - 1] == 0) {
            let at = [i % self.width, i / self.width];
            // The cell that contains this one, and the nearest beside it.
            let near = at.map(|at| at / 2);
            let [x, y] = std::array::from_fn(|i| {
                let beside =
                    if at[i].is_multiple_of(2) { near[i].saturating_sub(1) } else { (near[i] + 1).min(last[i]) };
                [near[i], beside]
            });
            let of = |x: usize, y: usize| above.cells[y * above.width + x];
            let corners = [of(x[0], y[0]), of(x[1], y[0]), of(x[0], y[1]), of(x[1], y[1])];
            for (channel, value) in cell.iter_mut().enumerate() {
                let sum: u32 =
                    corners.iter().zip([9, 3, 3, 1]).map(|(corner, share)| u32::from(corner[channel]) * share).sum();
                *value = (sum / 16) as u8;
            }
            cell[N - 1] = u8::MAX;
        }
    }
}

/// The mean of cells, weighted. A cell that is hardly visible remains one that is not empty.
fn mean<'c, const N: usize>(cells: impl Iterator<Item = &'c [u8; N]>) -> [u8; N] {
    let (mut sums, mut weights) = ([0u32; N], 0u32);
    for cell in cells {
        let weight = u32::from(cell[N - 1]);
        for (sum, value) in sums.iter_mut().zip(cell) {
            *sum += u32::from(*value) * weight;
        }
        weights += weight;
    }
    let mut mean = sums.map(|sum| ((sum + weights / 2) / weights.max(1)) as u8);
    mean[N - 1] = weights.min(255) as u8;
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(width: u32, pixels: &[[u8; 4]]) -> Raster {
        let height = pixels.len() as u32 / width;
        Raster::new(width, height, Channels::Rgba, Samples::U8(pixels.as_flattened().to_vec())).unwrap()
    }

    #[test]
    fn visible_colours_stay_and_spread() {
        let (red, blue, hidden) = ([200, 10, 10, 255], [10, 10, 200, 90], [0, 255, 0, 0]);
        for (width, height) in [(1, 9), (9, 1), (7, 5), (16, 16)] {
            let mut pixels = vec![hidden; width * height];
            pixels[0] = red;
            *pixels.last_mut().unwrap() = blue;
            let spread = spread(&raster(width as u32, &pixels)).unwrap();
            let spread = spread.samples().as_bytes().as_chunks::<4>().0;
            assert_eq!((spread[0], spread[width * height - 1]), (red, blue), "{width} by {height}");
            // Nothing of the hidden green remains, and everything lies between red and blue.
            assert!(spread.iter().all(|pixel| pixel[1] == 10 && (10..=200).contains(&pixel[0])), "{width} by {height}");
            assert!(spread[1][0] > spread[width * height - 2][0], "{width} by {height}");
        }
    }

    #[test]
    fn only_what_has_both_kinds_of_pixels_is_spread() {
        for pixels in [[[9, 9, 9, 0]; 6], [[9, 9, 9, 255]; 6], [[9, 9, 9, 1]; 6]] {
            assert!(spread(&raster(3, &pixels)).is_none(), "{pixels:?}");
        }
        let grey = Raster::new(2, 1, Channels::La, Samples::U8(vec![77, 255, 3, 0])).unwrap();
        assert_eq!(spread(&grey).unwrap().samples().as_bytes()[..3], [77, 255, 77]);
    }
}
