//! The inverse transforms of VP8L (section 3.5).

use super::pixels::Source;
use super::{Check, DecodeError, Pixel, damaged, go_on};

/// The transforms of a picture, in the order in which they were applied.
pub(super) struct Transforms {
    list: Vec<Transform>,
    /// The width of the picture, and the width after all transforms.
    width: usize,
    coded_width: usize,
}

enum Transform {
    /// Pixels are residuals of a prediction from their neighbours; each square has its predictor.
    Predictor(Squares),
    /// Red and blue are residuals of a prediction from other channels.
    Colour(Squares),
    /// Red and blue are differences from green.
    Green,
    /// Pixels are palette indices; if there are few colours, several indices are packed into one pixel.
    Palette { colours: Vec<Pixel>, pixels_per_pixel_bits: u32 },
}

/// A pixel for each square of a picture.
struct Squares {
    /// The binary logarithm of the side of a square.
    bits: u32,
    across: usize,
    samples: Vec<u8>,
}

impl Squares {
    fn read(source: &mut Source<'_, '_>, width: usize, height: usize) -> Result<Self, DecodeError> {
        let bits = source.bits.read(3) + 2;
        let across = width.div_ceil(1 << bits);
        let samples = source.sub_image(across, height.div_ceil(1 << bits))?;
        Ok(Self { bits, across, samples })
    }

    /// Iterates over the squares of a row: the range of columns, and the pixel of each.
    fn row(&self, y: usize, width: usize) -> impl Iterator<Item = (std::ops::Range<usize>, Pixel)> {
        let row = self.samples.as_chunks::<4>().0.iter().skip((y >> self.bits) * self.across).take(self.across);
        let side = 1 << self.bits;
        row.zip((0..width).step_by(side)).map(move |(pixel, x)| (x..(x + side).min(width), *pixel))
    }
}

impl Transforms {
    pub(super) fn read(source: &mut Source<'_, '_>, width: usize, height: usize) -> Result<Self, DecodeError> {
        let mut transforms = Self { list: Vec::new(), width, coded_width: width };
        let mut seen = [false; 4];
        while source.bits.flag() {
            let kind = source.bits.read(2);
            if std::mem::replace(&mut seen[kind as usize], true) {
                return Err(damaged("a transform is applied twice"));
            }
            let transform = match kind {
                0 => Transform::Predictor(Squares::read(source, transforms.coded_width, height)?),
                1 => Transform::Colour(Squares::read(source, transforms.coded_width, height)?),
                2 => Transform::Green,
                _ => {
                    let palette = Transform::palette(source)?;
                    if let Transform::Palette { pixels_per_pixel_bits, .. } = palette {
                        transforms.coded_width = width.div_ceil(1 << pixels_per_pixel_bits);
                    }
                    palette
                }
            };
            transforms.list.push(transform);
        }
        Ok(transforms)
    }

    /// The width of a coded row.
    pub(super) fn coded_width(&self) -> usize {
        self.coded_width
    }

    /// Applies the inverse transforms in place: `pixels` begins with the coded rows, and is filled with the rows of the
    /// picture.
    pub(super) fn undo(&self, pixels: &mut [Pixel], rows: usize, check: Check<'_>) -> Result<(), DecodeError> {
        let mut width = self.coded_width;
        for transform in self.list.iter().rev() {
            go_on(check)?;
            let coded = &mut pixels[..width * rows];
            match transform {
                Transform::Predictor(squares) => undo_predictor(squares, coded, width, check)?,
                Transform::Colour(squares) => undo_colour(squares, coded, width, check)?,
                Transform::Green => coded.iter_mut().for_each(|pixel| *pixel = with_green(*pixel)),
                Transform::Palette { colours, pixels_per_pixel_bits } => {
                    undo_palette(colours, *pixels_per_pixel_bits, pixels, width, self.width);
                    width = self.width;
                }
            }
        }
        Ok(())
    }
}

impl Transform {
    /// Reads the palette, whose colours are stored as differences from the previous one (section 3.5.4).
    fn palette(source: &mut Source<'_, '_>) -> Result<Self, DecodeError> {
        let count = source.bits.read(8) as usize + 1;
        let samples = source.sub_image(count, 1)?;
        let mut last = [0; 4];
        let colours = samples.as_chunks::<4>().0.iter().map(|difference| {
            last = add(last, *difference);
            last
        });
        let pixels_per_pixel_bits = match count {
            0..=2 => 3,
            3..=4 => 2,
            5..=16 => 1,
            _ => 0,
        };
        Ok(Self::Palette { colours: colours.collect(), pixels_per_pixel_bits })
    }
}

#[inline(always)]
fn add(one: Pixel, other: Pixel) -> Pixel {
    const HALF: u32 = 0x00ff_00ff;
    let (one, other) = (u32::from_ne_bytes(one), u32::from_ne_bytes(other));
    let sum = |mask: u32| (one & mask).wrapping_add(other & mask) & mask;
    (sum(HALF) | sum(!HALF)).to_ne_bytes()
}

fn with_green([red, green, blue, alpha]: Pixel) -> Pixel {
    [red.wrapping_add(green), green, blue.wrapping_add(green), alpha]
}

/// The inverse predictor transform (section 3.5.1).
fn undo_predictor(squares: &Squares, pixels: &mut [Pixel], width: usize, check: Check<'_>) -> Result<(), DecodeError> {
    const BLACK: Pixel = [0, 0, 0, 255];
    let (first, rest) = pixels.split_at_mut(width);
    let mut left = BLACK;
    for pixel in &mut *first {
        *pixel = add(*pixel, left);
        left = *pixel;
    }
    let mut above: &[Pixel] = first;
    for (row, y) in rest.chunks_exact_mut(width).zip(1..) {
        go_on(check)?;
        row[0] = add(row[0], above[0]);
        for (columns, [_, mode, _, _]) in squares.row(y, width) {
            let columns = columns.start.max(1)..columns.end;
            match mode & 0x0f {
                1 => predict(row, above, columns, |n| n.left),
                2 => predict(row, above, columns, |n| n.top),
                3 => predict(row, above, columns, |n| n.top_right),
                4 => predict(row, above, columns, |n| n.top_left),
                5 => predict(row, above, columns, |n| mean(mean(n.left, n.top_right), n.top)),
                6 => predict(row, above, columns, |n| mean(n.left, n.top_left)),
                7 => predict(row, above, columns, |n| mean(n.left, n.top)),
                8 => predict(row, above, columns, |n| mean(n.top_left, n.top)),
                9 => predict(row, above, columns, |n| mean(n.top, n.top_right)),
                10 => predict(row, above, columns, |n| mean(mean(n.left, n.top_left), mean(n.top, n.top_right))),
                11 => predict(row, above, columns, select),
                12 => predict(row, above, columns, |n| gradient(n.left, n.top, n.top_left)),
                13 => predict(row, above, columns, |n| half_gradient(mean(n.left, n.top), n.top_left)),
                // The last two predictors are undefined; libwebp treats them as predictor 0.
                _ => predict(row, above, columns, |_| BLACK),
            }
        }
        above = row;
    }
    Ok(())
}

/// The neighbours that predict a pixel.
struct Neighbours {
    left: Pixel,
    top: Pixel,
    top_left: Pixel,
    top_right: Pixel,
}

#[inline(always)]
fn predict(row: &mut [Pixel], above: &[Pixel], columns: std::ops::Range<usize>, mode: impl Fn(Neighbours) -> Pixel) {
    // In the last column, the pixel above right is the first pixel of the current row.
    let behind = row[0];
    let mut left = row[columns.start - 1];
    let neighbours = above[columns.start - 1..].windows(3).map(|window| (window[0], window[1], window[2]));
    let last = above[above.len().saturating_sub(2)..].first_chunk().map(|&[top_left, top]| (top_left, top, behind));
    for (pixel, (top_left, top, top_right)) in row[columns].iter_mut().zip(neighbours.chain(last)) {
        left = add(*pixel, mode(Neighbours { left, top, top_left, top_right }));
        *pixel = left;
    }
}

/// The average of each sample, rounded down.
#[inline(always)]
fn mean(one: Pixel, other: Pixel) -> Pixel {
    let (one, other) = (u32::from_ne_bytes(one), u32::from_ne_bytes(other));
    ((one & other) + (((one ^ other) & 0xfefe_fefe) >> 1)).to_ne_bytes()
}

/// Left or top, whichever is nearer to the gradient (section 3.5.1).
#[inline(always)]
fn select(n: Neighbours) -> Pixel {
    let difference = |one: Pixel, other: Pixel| -> u32 {
        one.into_iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(other))).sum()
    };
    if difference(n.top, n.top_left) < difference(n.left, n.top_left) { n.left } else { n.top }
}

#[inline(always)]
fn gradient(one: Pixel, other: Pixel, corner: Pixel) -> Pixel {
    std::array::from_fn(|sample| {
        let sum = i16::from(one[sample]) + i16::from(other[sample]) - i16::from(corner[sample]);
        sum.clamp(0, 255) as u8
    })
}

#[inline(always)]
fn half_gradient(mean: Pixel, corner: Pixel) -> Pixel {
    std::array::from_fn(|sample| {
        let (mean, corner) = (i16::from(mean[sample]), i16::from(corner[sample]));
        (mean + (mean - corner) / 2).clamp(0, 255) as u8
    })
}

/// The inverse colour transform (section 3.5.2).
fn undo_colour(squares: &Squares, pixels: &mut [Pixel], width: usize, check: Check<'_>) -> Result<(), DecodeError> {
    for (row, y) in pixels.chunks_exact_mut(width).zip(0..) {
        go_on(check)?;
        for (columns, [red_to_blue, green_to_blue, green_to_red, _]) in squares.row(y, width) {
            for pixel in &mut row[columns] {
                let [red, green, blue, alpha] = *pixel;
                let red = red.wrapping_add(share(green_to_red, green));
                let blue = blue.wrapping_add(share(green_to_blue, green)).wrapping_add(share(red_to_blue, red));
                *pixel = [red, green, blue, alpha];
            }
        }
    }
    Ok(())
}

/// The product of two signed numbers, divided by 32.
#[inline(always)]
fn share(factor: u8, sample: u8) -> u8 {
    ((i16::from(factor.cast_signed()) * i16::from(sample.cast_signed())) >> 5) as u8
}

/// The inverse palette transform (section 3.5.4). Indices outside of the palette are transparent. Rows are expanded in
/// place, from the last pixel on.
fn undo_palette(colours: &[Pixel], shared_bits: u32, pixels: &mut [Pixel], coded_width: usize, width: usize) {
    let bits = 8 >> shared_bits;
    let rows = pixels.len() / width;
    for y in (0..rows).rev() {
        for x in (0..width).rev() {
            let indices = pixels[y * coded_width + (x >> shared_bits)][1];
            let index = u32::from(indices) >> ((x as u32 & ((1 << shared_bits) - 1)) * bits) & ((1 << bits) - 1);
            pixels[y * width + x] = colours.get(index as usize).copied().unwrap_or_default();
        }
    }
}
