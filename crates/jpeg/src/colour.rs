//! Colour conversion from components to the output.

use super::{Colour, Inks, PixelFormat};

/// Converts rows of samples to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Converter {
    colour: Colour,
    inks: Inks,
}

impl Converter {
    pub(super) const fn new(colour: Colour, inks: Inks) -> Self {
        Self { colour, inks }
    }

    /// The output format.
    pub(super) const fn format(self) -> PixelFormat {
        match self.colour {
            Colour::Grey => PixelFormat::Grey,
            Colour::YCbCr | Colour::Rgb => PixelFormat::Rgb,
            Colour::Cmyk | Colour::Ycck => PixelFormat::Cmyk,
        }
    }

    /// Converts a row of each component to a row of pixels.
    #[inline(always)]
    pub(super) fn convert(self, [first, second, third, fourth]: [&[u8]; 4], out: &mut [u8]) {
        let three = first.iter().zip(second).zip(third).map(|((&a, &b), &c)| (a, b, c));
        let ink = |sample: u8| match self.inks {
            Inks::Complemented => 255 - sample,
            Inks::Plain => sample,
        };
        match self.colour {
            Colour::Grey => out.copy_from_slice(first),
            Colour::Rgb => {
                for (pixel, (r, g, b)) in out.chunks_exact_mut(3).zip(three) {
                    pixel.copy_from_slice(&[r, g, b]);
                }
            }
            Colour::YCbCr => {
                for (pixel, (y, cb, cr)) in out.chunks_exact_mut(3).zip(three) {
                    pixel.copy_from_slice(&rgb(y, cb, cr));
                }
            }
            Colour::Cmyk => {
                for ((pixel, (c, m, y)), &k) in out.chunks_exact_mut(4).zip(three).zip(fourth) {
                    pixel.copy_from_slice(&[c, m, y, k].map(ink));
                }
            }
            Colour::Ycck => {
                for ((pixel, (y, cb, cr)), &k) in out.chunks_exact_mut(4).zip(three).zip(fourth) {
                    let [r, g, b] = rgb(y, cb, cr);
                    pixel.copy_from_slice(&[255 - r, 255 - g, 255 - b, k].map(ink));
                }
            }
        }
    }
}

/// JFIF's YCbCr to RGB in 16-bit fixed point, split so that each product fits 16-bit multiplications.
#[inline(always)]
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let r = y + ((91_881 * cr + 32_768) >> 16);
    let g = y + ((-22_554 * cb - 46_802 * cr + 32_768) >> 16);
    let b = y + ((116_130 * cb + 32_768) >> 16);
    [r, g, b].map(|sample| sample.clamp(0, 255) as u8)
}
