//! Luma and chroma of opaque pixels, for lossy pictures: ITU-R BT.601 in the range of video, chroma of half the resolution.
//!
//! libwebp's own conversion takes means of 2 by 2 pixels, in light. Chroma that is halved with a longer filter is sharper once a
//! decoder has interpolated it: fewer bytes at equal likeness. Luma of drawings makes up for what is lost of saturated edges.
//! NOTES.md of this crate has the measurements.

use std::array::from_fn;

use crate::brightness::{self, Interpolated, luma_beside};
use crate::{Cancellation, Cancelled, Channels, Error, Raster, Samples};

/// Lanczos's filter with three lobes for half the resolution, from the two middle samples outwards; samples further out would
/// change nothing that is left after rounding.
const TAPS: [f32; 5] = [0.4688, 0.1334, -0.0675, -0.0402, 0.0055];

/// The maximum change of luma, in levels of full range.
const MOST: f32 = 48.0;

/// The rows that a row of halved chroma depends on.
const ROWS: usize = 2 * TAPS.len();

/// Both chroma planes of a row.
type Chroma = [Vec<f32>; 2];

/// Luma and both chroma planes of an opaque 8-bit picture; luma `makes_up` for halved chroma if that is asked for.
pub(super) fn planes(raster: &Raster, makes_up: bool, cancellation: &Cancellation) -> Result<[Vec<u8>; 3], Error> {
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    match (raster.channels(), raster.samples()) {
        (Channels::L, Samples::U8(greys)) => {
            let quarter = width.div_ceil(2) * height.div_ceil(2);
            let luma = greys.iter().map(|grey| luma(&[*grey; 3])).collect();
            Ok([luma, vec![128; quarter], vec![128; quarter]])
        }
        (Channels::Rgb, Samples::U8(samples)) => {
            let pixels = samples.as_chunks::<3>().0;
            let mut planes = of_colours(pixels, [width, height], cancellation)?;
            if makes_up {
                make_up(&mut planes, pixels, width, cancellation)?;
            }
            Ok(planes)
        }
        _ => Err(Error::Internal("planes are made of opaque samples of 8 bits")),
    }
}

/// The memory of [`planes`] in bytes.
pub(super) fn memory(raster: &Raster) -> u64 {
    let (width, height) = (u64::from(raster.width()), u64::from(raster.height()));
    let rows = (ROWS as u64 + 4) * 2 * size_of::<f32>() as u64;
    let half = width.div_ceil(2);
    width * height + 2 * half * height.div_ceil(2) + half * rows + Interpolated::memory(half as usize)
}

/// Changes luma so that each pixel is as bright beside its chroma as it is to be.
fn make_up(
    [luma, chromas @ ..]: &mut [Vec<u8>; 3],
    pixels: &[[u8; 3]],
    width: usize,
    cancellation: &Cancellation,
) -> Result<(), Cancelled> {
    let mut interpolated = Interpolated::new(width.div_ceil(2));
    for (y, (line, row)) in luma.chunks_exact_mut(width).zip(pixels.chunks_exact(width)).enumerate() {
        cancellation.check()?;
        for ((sample, pixel), near) in line.iter_mut().zip(row).zip(interpolated.row(chromas, y)) {
            let wanted = pixel.map(f32::from);
            let luma =
                luma_beside(brightness::luma(wanted), wanted, near.map(|deviation| deviation * (255.0 / 224.0)), MOST);
            *sample = (luma * (219.0 / 255.0) + 16.5) as u8;
        }
    }
    Ok(())
}

fn of_colours(
    pixels: &[[u8; 3]],
    [width, height]: [usize; 2],
    cancellation: &Cancellation,
) -> Result<[Vec<u8>; 3], Cancelled> {
    let luma = pixels.iter().map(luma).collect();
    let half = width.div_ceil(2);
    let mut planes = [(); 2].map(|()| Vec::with_capacity(half * height.div_ceil(2)));
    let mut rows: [Chroma; ROWS] = from_fn(|_| from_fn(|_| vec![0.0; half]));
    let mut halved = Halving::new(half);
    let mut next = 0;
    for y in (0..height).step_by(2) {
        cancellation.check()?;
        while next < height.min(y + 1 + TAPS.len()) {
            halved.row(&pixels[next * width..][..width], &mut rows[next % ROWS]);
            next += 1;
        }
        let row = |y: isize| &rows[y.clamp(0, height as isize - 1) as usize % ROWS];
        let around: [[&Chroma; 2]; TAPS.len()] =
            from_fn(|tap| [row(y as isize - tap as isize), row((y + 1 + tap) as isize)]);
        for (plane, chroma) in planes.iter_mut().enumerate() {
            let around = around.map(|pair| pair.map(|row| &row[plane][..half]));
            chroma.extend((0..half).map(|x| {
                let sum =
                    TAPS.iter().zip(&around).map(|(tap, [above, below])| tap * (above[x] + below[x])).sum::<f32>();
                (sum + 128.5) as u8
            }));
        }
    }
    let [blue, red] = planes;
    Ok([luma, blue, red])
}

/// Halves rows of chroma.
struct Halving {
    /// Chroma of the pixels at even and at odd places, with those at the ends repeated.
    even: Chroma,
    odd: Chroma,
}

/// How often the samples at the ends are repeated.
const REPEATED: usize = TAPS.len() / 2;

impl Halving {
    fn new(half: usize) -> Self {
        let row = || from_fn(|_| vec![0.0; half + 2 * REPEATED]);
        Self { even: row(), odd: row() }
    }

    fn row(&mut self, pixels: &[[u8; 3]], halved: &mut Chroma) {
        let half = halved[0].len();
        for x in 0..half {
            let pair = [pixels[2 * x], pixels[(2 * x + 1).min(pixels.len() - 1)]];
            let [even, odd] = pair.map(chroma);
            for plane in 0..2 {
                self.even[plane][REPEATED + x] = even[plane];
                self.odd[plane][REPEATED + x] = odd[plane];
            }
        }
        let last = REPEATED + half - 1;
        for plane in 0..2 {
            let (first, end) = (self.even[plane][REPEATED], self.odd[plane][last]);
            for row in [&mut self.even[plane], &mut self.odd[plane]] {
                row[..REPEATED].fill(first);
                row[last + 1..].fill(end);
            }
            let even: [&[f32]; ROWS / 2] = from_fn(|from| &self.even[plane][from..][..half]);
            let odd: [&[f32]; ROWS / 2] = from_fn(|from| &self.odd[plane][from..][..half]);
            let [inner, second, third, fourth, outer] = TAPS;
            for (x, halved) in halved[plane].iter_mut().enumerate() {
                *halved = inner * (even[2][x] + odd[2][x])
                    + second * (odd[1][x] + even[3][x])
                    + third * (even[1][x] + odd[3][x])
                    + fourth * (odd[0][x] + even[4][x])
                    + outer * (even[0][x] + odd[4][x]);
            }
        }
    }
}

/// Luma of BT.601 between 16 and 235, rounded.
fn luma(&[red, green, blue]: &[u8; 3]) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((16_829 * red + 33_039 * green + 6_416 * blue + (16 << 16) + (1 << 15)) >> 16) as u8
}

/// Both chroma values of BT.601 between -112 and 112.
fn chroma([red, green, blue]: [u8; 3]) -> [f32; 2] {
    let [red, green, blue] = [red, green, blue].map(f32::from);
    [-0.148_223 * red - 0.290_993 * green + 0.439_216 * blue, 0.439_216 * red - 0.367_788 * green - 0.071_427 * blue]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> [Vec<u8>; 3] {
        let samples = (0..width * height).flat_map(|i| pixel(i % width, i / width)).collect();
        let raster = Raster::new(width, height, Channels::Rgb, Samples::U8(samples)).unwrap();
        planes(&raster, false, &Cancellation::unbounded()).unwrap()
    }

    #[test]
    fn even_colours_stay_even_at_every_size() {
        for (colour, expected) in [
            ([0, 0, 0], [16, 128, 128]),
            ([255, 255, 255], [235, 128, 128]),
            ([255, 0, 0], [81, 90, 240]),
            ([0, 255, 0], [145, 54, 34]),
            ([0, 0, 255], [41, 240, 110]),
        ] {
            for (width, height) in [(1, 1), (2, 1), (1, 7), (3, 2), (16, 16), (33, 35)] {
                let planes = of(width, height, |_, _| colour);
                let quarter = (width.div_ceil(2) * height.div_ceil(2)) as usize;
                assert_eq!(planes.each_ref().map(Vec::len), [(width * height) as usize, quarter, quarter]);
                for (plane, expected) in planes.iter().zip(expected) {
                    assert!(plane.iter().all(|sample| *sample == expected), "{width}x{height} {plane:?} {expected}");
                }
            }
        }
    }

    #[test]
    fn steps_of_chroma_are_alike_in_both_directions() {
        let colour = |is_blue: bool| if is_blue { [0, 0, 255] } else { [128; 3] };
        let [_, across, _] = of(32, 32, |x, _| colour(x >= 16));
        let [_, down, _] = of(32, 32, |_, y| colour(y >= 16));
        let column: Vec<u8> = down.iter().step_by(16).copied().collect();
        assert_eq!(across[..16], column);
        // The filter overshoots, as is wanted: a decoder's interpolation takes it back.
        assert_eq!(across[..16], [128, 128, 128, 128, 128, 128, 124, 131, 237, 244, 240, 240, 240, 240, 240, 240]);
    }

    /// Blue beside red of a third of its brightness: interpolation makes the red beside the edge brighter, and luma makes up for it.
    #[test]
    fn luma_makes_up_for_the_brightness_of_interpolated_chroma() {
        let colour = |x: usize| if x < 7 { [200, 0, 0] } else { [0, 0, 255] };
        let (width, height) = (16, 4);
        let samples = (0..width * height).flat_map(|i| colour(i % width)).collect();
        let raster = Raster::new(width as u32, height as u32, Channels::Rgb, Samples::U8(samples)).unwrap();
        let brightness =
            |rgb: [f32; 3]| rgb.iter().zip([0.3, 0.622, 0.078]).map(|(c, weight)| weight * c * c).sum::<f32>();
        let error = |makes_up| {
            let [luma, chromas @ ..] = planes(&raster, makes_up, &Cancellation::unbounded()).unwrap();
            let mut interpolated = Interpolated::new(width / 2);
            let shown = interpolated.row(&chromas, 1).zip(&luma[width..2 * width]).map(|([blue, red], luma)| {
                let [blue, red] = [blue, red].map(|deviation| deviation * 255.0 / 224.0);
                crate::brightness::shown((f32::from(*luma) - 16.0) * 255.0 / 219.0, blue, red)
            });
            let errors = shown.enumerate().map(|(x, shown)| {
                let wanted = colour(x).map(f32::from);
                (brightness(shown).sqrt() - brightness(wanted).sqrt()).abs()
            });
            errors.sum::<f32>()
        };
        let [with, without] = [true, false].map(error);
        assert!(with < 0.5 * without, "{with} {without}");
    }

    #[test]
    fn grey_has_no_chroma() {
        let raster = Raster::new(3, 2, Channels::L, Samples::U8(vec![0, 255, 128, 1, 2, 3])).unwrap();
        let planes = planes(&raster, true, &Cancellation::unbounded()).unwrap();
        assert_eq!(planes, [vec![16, 235, 126, 17, 18, 19], vec![128; 2], vec![128; 2]]);
    }
}
