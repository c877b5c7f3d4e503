//! The inverse transforms of VP8L (section 3.5).

use super::pixels::{Sample, Source};
use super::{Check, DecodeError, Pixel, damaged, go_on};
use image_origin_kernel::{Kernel, Lanes, dispatch};

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

    /// Whether green depends on green alone: not after a predictor, which may select by the distance of all samples.
    pub(super) fn keep_green_apart(&self) -> bool {
        !self.list.iter().any(|transform| matches!(transform, Transform::Predictor(_)))
    }

    /// Applies those inverse transforms in place that change green, where it is [kept apart](Self::keep_green_apart).
    pub(super) fn undo_green(&self, samples: &mut [u8]) {
        for transform in &self.list {
            if let Transform::Palette { colours, pixels_per_pixel_bits } = transform {
                undo_palette(colours, *pixels_per_pixel_bits, samples, self.coded_width, self.width);
            }
        }
    }

    /// Applies the inverse transforms in place: `pixels` begins with the coded rows, and is filled with the rows of the
    /// picture.
    pub(super) fn undo(&self, pixels: &mut [Pixel], rows: usize, check: Check<'_>) -> Result<(), DecodeError> {
        let mut width = self.coded_width;
        let mut list = self.list.as_slice();
        while let Some((last, before)) = list.split_last() {
            go_on(check)?;
            if let Transform::Palette { colours, pixels_per_pixel_bits } = last {
                undo_palette(colours, *pixels_per_pixel_bits, pixels, width, self.width);
                width = self.width;
                list = before;
                continue;
            }
            // A row goes through as many transforms as possible while it is in the CPU's cache. Only a predictor looks at
            // the row above, which must not have gone through further ones.
            let ends = |transform: &Transform| !matches!(transform, Transform::Colour(_) | Transform::Green);
            let start = list.iter().rposition(ends).map_or(0, |place| match list[place] {
                Transform::Predictor(_) => place,
                _ => place + 1,
            });
            undo_together(&list[start..], &mut pixels[..width * rows], width, check)?;
            list = &list[..start];
        }
        Ok(())
    }
}

/// Applies the inverse of colour transforms, the last of them first, and of a predictor if there is one before them.
fn undo_together(
    transforms: &[Transform],
    pixels: &mut [Pixel],
    width: usize,
    check: Check<'_>,
) -> Result<(), DecodeError> {
    let mut above: &[Pixel] = &[];
    for (row, y) in pixels.chunks_exact_mut(width).zip(0..) {
        go_on(check)?;
        dispatch(UndoRow { transforms, row, above, y });
        above = row;
    }
    Ok(())
}

/// The inverse of transforms on one row.
struct UndoRow<'r> {
    transforms: &'r [Transform],
    row: &'r mut [Pixel],
    above: &'r [Pixel],
    y: usize,
}

impl Kernel for UndoRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { transforms, row, above, y } = self;
        for transform in transforms.iter().rev() {
            match transform {
                Transform::Predictor(squares) => undo_predictor(squares, row, above, y),
                Transform::Colour(squares) => undo_colour(squares, row, y),
                Transform::Green => row.iter_mut().for_each(|pixel| *pixel = with_green(*pixel)),
                Transform::Palette { .. } => {}
            }
        }
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

#[inline(always)]
fn with_green(pixel: Pixel) -> Pixel {
    let pixel = u32::from_le_bytes(pixel);
    let sums = (pixel & 0x00ff_00ff) + (pixel >> 8 & 0xff) * 0x0001_0001;
    (pixel & 0xff00_ff00 | sums & 0x00ff_00ff).to_le_bytes()
}

/// The inverse predictor transform (section 3.5.1) of a row.
#[inline(always)]
fn undo_predictor(squares: &Squares, row: &mut [Pixel], above: &[Pixel], y: usize) {
    const BLACK: Pixel = [0, 0, 0, 255];
    if above.is_empty() {
        let mut left = BLACK;
        for pixel in row {
            *pixel = add(*pixel, left);
            left = *pixel;
        }
        return;
    }
    row[0] = add(row[0], above[0]);
    for (columns, [_, mode, _, _]) in squares.row(y, row.len()) {
        let columns = columns.start.max(1)..columns.end;
        match mode & 0x0f {
            1 => predict(row, above, columns, |n| n.left),
            2 => predict(row, above, columns, |n| n.top),
            3 => predict(row, above, columns, |n| n.top_right),
            4 => predict(row, above, columns, |n| n.top_left),
            5 => predict(row, above, columns, |n| n.left.average(n.top_right).average(n.top)),
            6 => predict(row, above, columns, |n| n.left.average(n.top_left)),
            7 => predict(row, above, columns, |n| n.left.average(n.top)),
            8 => predict(row, above, columns, |n| n.top_left.average(n.top)),
            9 => predict(row, above, columns, |n| n.top.average(n.top_right)),
            10 => predict(row, above, columns, |n| n.left.average(n.top_left).average(n.top.average(n.top_right))),
            11 => predict(row, above, columns, select),
            12 => predict(row, above, columns, gradient),
            13 => predict(row, above, columns, half_gradient),
            // The last two predictors are undefined; libwebp treats them as predictor 0.
            _ => row[columns].iter_mut().for_each(|pixel| *pixel = add(*pixel, BLACK)),
        }
    }
}

/// The neighbours that predict a pixel, each in the first four bytes.
struct Neighbours {
    left: Lanes,
    top: Lanes,
    top_left: Lanes,
    top_right: Lanes,
}

#[inline(always)]
fn lanes(pixel: Pixel) -> Lanes {
    Lanes::from_words([u32::from_le_bytes(pixel), 0, 0, 0])
}

#[inline(always)]
fn predict(row: &mut [Pixel], above: &[Pixel], columns: std::ops::Range<usize>, mode: impl Fn(Neighbours) -> Lanes) {
    let before = columns.start - 1;
    // In the last column, the pixel above right is the first pixel of the current row.
    let behind = [row[0]];
    let above = above[before..].iter().chain(&behind);
    let (mut left, mut top_left) = (lanes(row[before]), lanes([0; 4]));
    let mut top = lanes([0; 4]);
    let mut above = above.map(|pixel| lanes(*pixel));
    if let (Some(first), Some(second)) = (above.next(), above.next()) {
        (top_left, top) = (first, second);
    }
    for (pixel, top_right) in row[columns].iter_mut().zip(above) {
        left = lanes(*pixel).plus(mode(Neighbours { left, top, top_left, top_right }));
        *pixel = left.to_words()[0].to_le_bytes();
        (top_left, top) = (top, top_right);
    }
}

/// Left or top, whichever is nearer to the gradient (section 3.5.1).
#[inline(always)]
fn select(n: Neighbours) -> Lanes {
    if n.top.distance(n.top_left) < n.left.distance(n.top_left) { n.left } else { n.top }
}

/// The sum of left and top without the corner, clamped.
#[inline(always)]
fn gradient(n: Neighbours) -> Lanes {
    // One of the two differences is 0.
    let (more, less) = (n.top.minus_saturating(n.top_left), n.top_left.minus_saturating(n.top));
    n.left.plus_saturating(more).minus_saturating(less)
}

/// The mean of left and top, and half of its difference from the corner, clamped.
#[inline(always)]
fn half_gradient(n: Neighbours) -> Lanes {
    let mean = n.left.average(n.top);
    let (more, less) = (mean.minus_saturating(n.top_left).half(), n.top_left.minus_saturating(mean).half());
    mean.plus_saturating(more).minus_saturating(less)
}

/// The inverse colour transform (section 3.5.2) of a row.
#[inline(always)]
fn undo_colour(squares: &Squares, row: &mut [Pixel], y: usize) {
    for (columns, [red_to_blue, green_to_blue, green_to_red, _]) in squares.row(y, row.len()) {
        for pixel in &mut row[columns] {
            let [red, green, ..] = pixel.map(u32::from);
            let blue = u32::from(pixel[2]);
            let red = red.wrapping_add(share(green_to_red, green));
            let blue = blue.wrapping_add(share(green_to_blue, green)).wrapping_add(share(red_to_blue, red));
            *pixel = [red as u8, green as u8, blue as u8, pixel[3]];
        }
    }
}

/// The product of two signed numbers, divided by 32. Only the low 8 bits of `sample` and of the result count.
#[inline(always)]
fn share(factor: u8, sample: u32) -> u32 {
    ((i32::from(factor.cast_signed()) * i32::from((sample as u8).cast_signed())) >> 5).cast_unsigned()
}

/// The inverse palette transform (section 3.5.4). Indices outside of the palette are transparent. Rows are expanded in
/// place, from the last pixel on.
fn undo_palette<S: Sample>(colours: &[Pixel], shared_bits: u32, pixels: &mut [S], coded_width: usize, width: usize) {
    let bits = 8 >> shared_bits;
    let rows = pixels.len() / width;
    let mut table = [S::of([0; 4]); 256];
    table.iter_mut().zip(colours).for_each(|(place, colour)| *place = S::of(*colour));
    for y in (0..rows).rev() {
        for x in (0..width).rev() {
            let indices = pixels[y * coded_width + (x >> shared_bits)].green();
            let index = u32::from(indices) >> ((x as u32 & ((1 << shared_bits) - 1)) * bits) & ((1 << bits) - 1);
            pixels[y * width + x] = table[index as usize & 0xff];
        }
    }
}
