//! Luma and chroma at half resolution of photographs, such that the picture that decoders interpolate is near the original.
//!
//! Interpolation blurs chroma, which is sharpened beforehand. What is still lost of it changes the brightness of saturated
//! edges, which luma makes up for.

use super::source::{Cell, chroma, colour, exact_luma, pixels};
use crate::brightness::{Interpolated, luma, luma_beside, shown};
use crate::{Channels, Error, Raster, Samples};

/// The fractional bits of chroma before rounding.
const FRACTION: u32 = 4;

/// The share of what interpolation loses that is added to chroma, and how much more of it is where luma has an edge as well.
/// Elsewhere, more costs more bits than it is worth. NOTES.md of `image-origin-av1` has the measurements.
const SHARPENING: f32 = 0.5;
const MORE_AT_EDGES: f32 = 0.8;

/// The least loss of a chroma sample that is sharpened most, and how many times as much luma has to lose there.
const LOSS_OF_EDGE: f32 = 4.0;
const LUMA_OF_EDGE: f32 = 6.0;

/// The maximum change of luma.
const MOST: f32 = 24.0;

/// The memory of [`planes`] in bytes for a cell, besides its result.
pub(super) fn memory([width, height]: [usize; 2]) -> u64 {
    let halved = (width.div_ceil(2) * height.div_ceil(2)) as u64;
    // Chroma before rounding, and luma; what is lost of it; two rows of pixels as integers, and interpolated rows.
    4 * halved * size_of::<i16>() as u64 + (width as u64 + 2) * (24 + 16)
}

/// Planes of luma, and of chroma at half resolution.
pub(super) fn planes(raster: &Raster, cell: Cell) -> Result<Vec<Vec<u8>>, Error> {
    let [width, height] = [cell.width, cell.height].map(|side| side.div_ceil(2));
    let rows = |y: usize, height: usize| pixels(raster, Cell { y: cell.y + y, height, ..cell }, colour);
    let mut means = [(); 2].map(|()| Vec::with_capacity(width * height));
    let mut means_of_luma = Vec::with_capacity(width * height);
    for y in (0..cell.height).step_by(2) {
        let band = rows(y, 2.min(cell.height - y))?;
        for x in (0..cell.width).step_by(2) {
            let square = band.chunks_exact(cell.width).flat_map(|row| &row[x..(x + 2).min(cell.width)]);
            for (means, mean) in means.iter_mut().zip(chroma(square.clone(), FRACTION)) {
                means.push(mean as i16);
            }
            means_of_luma.push(mean_of_luma(square));
        }
    }
    let lost_luma = lost(&means_of_luma, width);
    let chromas = means.map(|means| sharpened(&means, &lost_luma, width));
    let mut lumas = Vec::with_capacity(cell.width * cell.height);
    let mut near = Interpolated::new(width);
    for y in 0..cell.height {
        let chroma = near.row(&chromas, y);
        lumas.extend(rows(y, 1)?.into_iter().zip(chroma).map(|(pixel, [blue, red])| {
            let wanted = pixel.map(|sample| sample as f32);
            rounded(luma_beside(luma(wanted), wanted, [blue, red], MOST))
        }));
    }
    let [blue, red] = chromas;
    Ok(vec![lumas, blue, red])
}

/// The memory of [`with_halved_chroma`] in bytes for a size, besides the planes and the result.
pub fn halving_memory(width: u32, height: u32) -> u64 {
    memory([width as usize, height as usize])
}

/// Halves chroma of luma's resolution, and changes luma as is done for pixels. The planes are those of JFIF.
///
/// # Errors
/// [`Error::Internal`] if the planes differ in size or are not of 8 bits.
pub fn with_halved_chroma(planes: &[Raster; 3]) -> Result<[Raster; 3], Error> {
    let [luma, blue, red] = planes;
    let (width, height) = (luma.width() as usize, luma.height() as usize);
    let check = |plane: &Raster| match plane.samples() {
        Samples::U8(samples) if plane.channels() == Channels::L && samples.len() == width * height => Ok(()),
        _ => Err(Error::Internal("planes of one size and of 8 bits are halved")),
    };
    [luma, blue, red].into_iter().try_for_each(check)?;
    let half = [width, height].map(|side| side.div_ceil(2));
    let means = |plane: &Raster| means(plane.samples().as_bytes(), width);
    let lost_luma = lost(&means(luma), half[0]);
    let chromas = [blue, red].map(|plane| sharpened(&means(plane), &lost_luma, half[0]));
    let mut lumas = Vec::with_capacity(width * height);
    let mut near = Interpolated::new(half[0]);
    let [lines, blues, reds] = [luma, blue, red].map(|plane| plane.samples().as_bytes().chunks_exact(width.max(1)));
    for (y, ((line, blues), reds)) in lines.zip(blues).zip(reds).enumerate() {
        let stored = line.iter().zip(blues).zip(reds);
        lumas.extend(stored.zip(near.row(&chromas, y)).map(|(((luma, blue), red), [near_blue, near_red])| {
            let [luma, blue, red] = [luma, blue, red].map(|sample| f32::from(*sample));
            let wanted = shown(luma, blue - 128.0, red - 128.0);
            rounded(luma_beside(luma, wanted, [near_blue, near_red], MOST))
        }));
    }
    let raster = |samples, width: usize, height: usize| {
        Raster::new(width as u32, height as u32, Channels::L, Samples::U8(samples))
            .ok_or(Error::Internal("planes have samples"))
    };
    let [blue, red] = chromas;
    Ok([raster(lumas, width, height)?, raster(blue, half[0], half[1])?, raster(red, half[0], half[1])?])
}

/// The means of squares of 2 by 2 samples, with [`FRACTION`] fractional bits.
fn means(samples: &[u8], width: usize) -> Vec<i16> {
    let mut means = Vec::with_capacity(samples.len().div_ceil(4) + width);
    for band in samples.chunks(2 * width) {
        let (above, below) = band.split_at(width);
        let below = if below.is_empty() { above } else { below };
        means.extend(above.chunks(2).zip(below.chunks(2)).map(|(above, below)| {
            let sum = |pair: &[u8]| pair.iter().copied().map(i16::from).sum::<i16>() * (2 / pair.len() as i16);
            (sum(above) + sum(below)) << (FRACTION - 2)
        }));
    }
    means
}

/// The mean luma of some pixels, with [`FRACTION`] fractional bits.
fn mean_of_luma<'p>(pixels: impl Iterator<Item = &'p [i32; 3]>) -> i16 {
    let (mut sum, mut count) = (0, 0);
    for pixel in pixels {
        sum += exact_luma(pixel);
        count += 1;
    }
    ((sum / count) >> (16 - FRACTION)) as i16
}

/// Rounds chroma, sharpened by what is lost of it if it is interpolated and averaged again, depending on what of luma would be.
fn sharpened(means: &[i16], lost_luma: &[i16], width: usize) -> Vec<u8> {
    const SCALE: f32 = 1.0 / (1 << FRACTION) as f32;
    let mut samples = Vec::with_capacity(means.len());
    each_loss(means, width, |i, lost| {
        let (size, luma) = (SCALE * lost.abs(), SCALE * f32::from(lost_luma[i].unsigned_abs()));
        let edge = (size / LOSS_OF_EDGE).min(1.0) * (luma / (LUMA_OF_EDGE * size + SCALE)).min(1.0);
        let share = SHARPENING + MORE_AT_EDGES * edge;
        samples.push((SCALE * (f32::from(means[i]) + share * lost) + 0.5) as u8);
    });
    samples
}

/// What luma would lose at half resolution.
fn lost(means: &[i16], width: usize) -> Vec<i16> {
    let mut losses = Vec::with_capacity(means.len());
    each_loss(means, width, |_, lost| losses.push(lost as i16));
    losses
}

/// Hands over what is lost of each sample if it is interpolated and averaged again: the sample itself has a weight of 6/8 in each
/// direction then, and its neighbours of 1/8.
#[inline(always)]
fn each_loss(means: &[i16], width: usize, mut add: impl FnMut(usize, f32)) {
    let height = means.len() / width.max(1);
    let mut sums = vec![0.0; width + 2];
    for y in 0..height {
        let line = |y: usize| &means[y * width..(y + 1) * width];
        let lines = line(y.saturating_sub(1)).iter().zip(line(y)).zip(line((y + 1).min(height - 1)));
        for (sum, ((above, here), below)) in sums[1..].iter_mut().zip(lines) {
            *sum = f32::from(*above) + 6.0 * f32::from(*here) + f32::from(*below);
        }
        (sums[0], sums[width + 1]) = (sums[1], sums[width]);
        for (x, (here, near)) in line(y).iter().zip(sums.windows(3)).enumerate() {
            add(y * width + x, f32::from(*here) - (near[0] + 6.0 * near[1] + near[2]) / 64.0);
        }
    }
}

fn rounded(luma: f32) -> u8 {
    (luma + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Samples};

    fn planes_of(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Vec<Vec<u8>> {
        let samples = (0..width * height).flat_map(|i| pixel(i % width, i / width)).collect();
        let raster = Raster::new(width as u32, height as u32, Channels::Rgb, Samples::U8(samples)).unwrap();
        planes(&raster, Cell { x: 0, y: 0, width, height }).unwrap()
    }

    #[test]
    fn grey_stays_as_it_is() {
        for (width, height) in [(1, 1), (2, 3), (17, 8)] {
            let grey = |x, y| ((x * 31 + y * 57) % 256) as u8;
            let planes = planes_of(width, height, |x, y| [grey(x, y); 3]);
            let luma: Vec<u8> = (0..width * height).map(|i| grey(i % width, i / width)).collect();
            assert_eq!(planes[0], luma, "{width}x{height}");
            assert!(planes[1..].iter().flatten().all(|chroma| *chroma == 128), "{width}x{height}");
        }
    }

    #[test]
    fn areas_of_one_colour_are_exact() {
        for (pixel, converted) in
            [([255, 0, 0], [76, 85, 255]), ([0, 0, 255], [29, 255, 107]), ([9, 80, 40], [54, 120, 96])]
        {
            let planes = planes_of(6, 5, |_, _| pixel);
            for (plane, value) in planes.iter().zip(converted) {
                assert!(plane.iter().all(|sample| sample.abs_diff(value) <= 1), "{pixel:?} {planes:?}");
            }
        }
    }

    #[test]
    fn planes_are_halved_as_pixels_are() {
        for (width, height) in [(1, 1), (2, 3), (17, 8), (16, 9)] {
            // Without colours that RGB cannot show.
            let stored = |plane: usize| {
                move |i: usize| {
                    let (x, y) = (i % width, i / width);
                    [100 + (x * 5 + y * 7) % 60, 110 + (x * 3 + y * 5) % 30, 120 + (x * 7 + y * 2) % 25][plane] as u8
                }
            };
            let samples: [Vec<u8>; 3] = [0, 1, 2].map(|plane| (0..width * height).map(stored(plane)).collect());
            let raster =
                |samples: Vec<u8>| Raster::new(width as u32, height as u32, Channels::L, Samples::U8(samples)).unwrap();
            let halved = with_halved_chroma(&samples.clone().map(raster)).unwrap();
            let pixel = |x, y| {
                let [luma, blue, red] = samples.each_ref().map(|plane| f32::from(plane[y * width + x]));
                shown(luma, blue - 128.0, red - 128.0).map(|sample| sample.round() as u8)
            };
            for (halved, of_pixels) in halved.iter().zip(planes_of(width, height, pixel)) {
                let halved = halved.samples().as_bytes();
                assert_eq!(halved.len(), of_pixels.len(), "{width}x{height}");
                let near = halved.iter().zip(&of_pixels).all(|(one, other)| one.abs_diff(*other) <= 1);
                assert!(near, "{width}x{height}: {halved:?} {of_pixels:?}");
            }
        }
    }

    #[test]
    fn chroma_is_sharpened_more_where_luma_has_an_edge() {
        let step =
            |low: i16, high: i16| -> Vec<i16> { (0..8).map(|i| if i < 4 { low } else { high } << FRACTION).collect() };
        let chroma = step(80, 180);
        let [alone, beside] = [step(90, 90), step(0, 255)].map(|luma| sharpened(&chroma, &lost(&luma, 8), 8));
        assert!(beside[3] < alone[3] && alone[3] < 80, "{beside:?} {alone:?}");
        assert!(beside[4] > alone[4] && alone[4] > 180, "{beside:?} {alone:?}");
    }

    #[test]
    fn planes_of_different_sizes_are_refused() {
        let raster = |width| Raster::new(width, 1, Channels::L, Samples::U8(vec![9; width as usize])).unwrap();
        assert!(with_halved_chroma(&[raster(4), raster(4), raster(2)]).is_err());
    }

    #[test]
    fn saturated_edges_keep_their_brightness() {
        // Red up to a column that is not between two samples of chroma, and blue.
        let [red, blue] = [[230, 20, 30], [30, 40, 220]];
        let planes = planes_of(16, 4, |x, _| if x < 7 { red } else { blue });
        let brightness = |[r, g, b]: [f32; 3]| 0.3 * r * r + 0.622 * g * g + 0.078 * b * b;
        let shown = |x: usize| {
            let chroma = |plane: &[u8]| {
                let far = if x.is_multiple_of(2) { (x / 2).saturating_sub(1) } else { (x / 2 + 1).min(7) };
                (3.0 * f32::from(plane[x / 2]) + f32::from(plane[far])) / 4.0 - 128.0
            };
            let (y, cb, cr) = (f32::from(planes[0][x]), chroma(&planes[1]), chroma(&planes[2]));
            brightness([y + 1.402 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.772 * cb].map(|v| v.clamp(0.0, 255.0)))
        };
        for x in 4..12 {
            let wanted = brightness((if x < 7 { red } else { blue }).map(f32::from));
            let ratio = (shown(x) / wanted).sqrt();
            assert!((0.9..1.1).contains(&ratio), "column {x}: {ratio}");
        }
    }
}
