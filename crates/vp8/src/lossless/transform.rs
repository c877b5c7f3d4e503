//! The inverse transforms of VP8L (section 3.5).

use super::pixels::{Sample, Source};
use super::predictor::{self, Predict, add};
use super::{DecodeError, Pixel, damaged};
use image_origin_kernel::{Kernel, dispatch};

/// The number of rows that go through the transforms together, while they are in the CPU's cache.
pub(super) const ROWS: usize = predictor::ROWS;

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
pub(super) struct Squares {
    /// The binary logarithm of the side of a square.
    pub(super) bits: u32,
    pub(super) across: usize,
    pub(super) samples: Vec<u8>,
}

impl Squares {
    fn read(source: &mut Source<'_, '_>, width: usize, height: usize) -> Result<Self, DecodeError> {
        let bits = source.bits.read(3) + 2;
        let across = width.div_ceil(1 << bits);
        let samples = source.sub_image(across, height.div_ceil(1 << bits))?;
        Ok(Self { bits, across, samples })
    }

    /// Iterates over the squares of a row: the range of columns, and the pixel of each.
    #[inline(always)]
    pub(super) fn row(&self, y: usize, width: usize) -> impl Iterator<Item = (std::ops::Range<usize>, Pixel)> {
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

    /// Begins to apply the inverse transforms, from the first row on.
    pub(super) fn begin(&self) -> Undo<'_> {
        Undo { transforms: self, above: Vec::new(), y: 0 }
    }
}

/// Applies the inverse transforms to the rows of a picture, from the top on.
pub(super) struct Undo<'t> {
    transforms: &'t Transforms,
    /// The last row that was predicted, before the transforms that follow.
    above: Vec<Pixel>,
    y: usize,
}

impl Undo<'_> {
    /// Applies them in place to the next [`ROWS`] rows, or the last ones: `pixels` begins with the coded rows, and is filled
    /// with the rows of the picture.
    pub(super) fn undo(&mut self, pixels: &mut [Pixel]) {
        let Transforms { list, width: whole_width, coded_width } = self.transforms;
        let rows = pixels.len() / whole_width;
        let mut width = *coded_width;
        for transform in list.iter().rev() {
            let coded = &mut pixels[..width * rows];
            match transform {
                Transform::Predictor(squares) => {
                    let above = (self.y > 0).then_some(self.above.as_slice());
                    dispatch(Predict { squares, rows: coded, above, y: self.y, width });
                    self.above.clear();
                    self.above.extend_from_slice(&coded[width * (rows - 1)..]);
                }
                Transform::Colour(squares) => dispatch(Colour { squares, rows: coded, y: self.y, width }),
                Transform::Green => dispatch(Green(coded)),
                Transform::Palette { colours, pixels_per_pixel_bits } => {
                    undo_palette(colours, *pixels_per_pixel_bits, pixels, width, *whole_width);
                    width = *whole_width;
                }
            }
        }
        self.y += rows;
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
fn with_green(pixel: Pixel) -> Pixel {
    let pixel = u32::from_le_bytes(pixel);
    let sums = (pixel & 0x00ff_00ff) + (pixel >> 8 & 0xff) * 0x0001_0001;
    (pixel & 0xff00_ff00 | sums & 0x00ff_00ff).to_le_bytes()
}

/// Adds green to red and blue (section 3.5.3).
struct Green<'r>(&'r mut [Pixel]);

impl Kernel for Green<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.0.iter_mut().for_each(|pixel| *pixel = with_green(*pixel));
    }
}

/// The inverse colour transform (section 3.5.2) of rows of a width, from row `y` on.
struct Colour<'r> {
    squares: &'r Squares,
    rows: &'r mut [Pixel],
    y: usize,
    width: usize,
}

impl Kernel for Colour<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (row, y) in self.rows.chunks_exact_mut(self.width).zip(self.y..) {
            for (columns, factors) in self.squares.row(y, self.width) {
                row[columns].iter_mut().for_each(|pixel| *pixel = with_colour(*pixel, factors));
            }
        }
    }
}

#[inline(always)]
fn with_colour(pixel: Pixel, [red_to_blue, green_to_blue, green_to_red, _]: Pixel) -> Pixel {
    let [red, green, blue, _] = pixel.map(u32::from);
    let red = red.wrapping_add(share(green_to_red, green));
    let blue = blue.wrapping_add(share(green_to_blue, green)).wrapping_add(share(red_to_blue, red));
    [red as u8, green as u8, blue as u8, pixel[3]]
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
