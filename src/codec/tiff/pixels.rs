//! From the samples of a TIFF to those of a raster.

use super::super::{Channels, Error};
use super::damaged;
use super::layout::{Compression, Extra, Layout, Photometric};

/// Converts rows. Samples of up to 8 bits become 8, others 16.
pub(super) struct Pixels {
    pub(super) channels: Channels,
    pub(super) sixteen_bits: bool,
    /// Stored samples of a pixel, and those of them that are colours.
    samples: usize,
    colours: usize,
    photometric: Photometric,
    /// Whether colours are multiplied with alpha.
    associated: bool,
    /// The largest stored and the largest converted sample.
    from_max: u32,
    to_max: u32,
    palette: Vec<[u16; 3]>,
    row: Vec<u16>,
}

impl Pixels {
    pub(super) fn new(layout: &Layout<'_>) -> Result<Self, Error> {
        let (photometric, colours) = match layout.photometric {
            // The decoder of JPEGs has done it.
            Photometric::YCbCr if layout.compression == Compression::Jpeg => (Photometric::Rgb, 3),
            Photometric::Rgb => (Photometric::Rgb, 3),
            Photometric::YCbCr => (Photometric::YCbCr, 3),
            Photometric::Cmyk => (Photometric::Cmyk, 4),
            other => (other, 1),
        };
        // A single further sample of which nothing is said is taken for alpha, as by other programs.
        let alpha = match layout.extra {
            Some(Extra::Associated | Extra::Unassociated) => layout.samples > colours,
            Some(Extra::Other) | None => layout.samples == colours + 1,
        };
        let channels = match photometric {
            Photometric::WhiteIsZero | Photometric::BlackIsZero if alpha => Channels::La,
            Photometric::WhiteIsZero | Photometric::BlackIsZero => Channels::L,
            Photometric::Rgb | Photometric::YCbCr if alpha => Channels::Rgba,
            Photometric::Rgb | Photometric::YCbCr | Photometric::Palette => Channels::Rgb,
            Photometric::Cmyk => Channels::Cmyk,
        };
        let palette = match photometric {
            Photometric::Palette => layout.palette().ok_or_else(|| damaged("the table of colours is cut off"))?,
            _ => Vec::new(),
        };
        let sixteen_bits = layout.bits == 16;
        Ok(Self {
            channels,
            sixteen_bits,
            samples: layout.samples,
            colours,
            photometric,
            associated: alpha && layout.extra == Some(Extra::Associated),
            from_max: (1 << layout.bits) - 1,
            to_max: if sixteen_bits { 65_535 } else { 255 },
            palette,
            row: Vec::new(),
        })
    }

    /// The row in samples of the raster.
    pub(super) fn convert(&mut self, row: &[u16]) -> &[u16] {
        let mut out = std::mem::take(&mut self.row);
        out.clear();
        for pixel in row.chunks_exact(self.samples) {
            match self.photometric {
                Photometric::Palette => out.extend(self.palette.get(usize::from(pixel[0])).unwrap_or(&[0; 3])),
                Photometric::YCbCr => out.extend(from_ycbcr([pixel[0], pixel[1], pixel[2]])),
                Photometric::WhiteIsZero => out.push((self.to_max - self.scaled(pixel[0])) as u16),
                _ => out.extend(pixel[..self.colours].iter().map(|sample| self.scaled(*sample) as u16)),
            }
            if self.channels.has_alpha() {
                let alpha = self.scaled(pixel[self.colours]);
                if self.associated {
                    let colours = out.len() - self.colours;
                    out[colours..].iter_mut().for_each(|sample| *sample = self.divided(*sample, alpha));
                }
                out.push(alpha as u16);
            }
        }
        self.row = out;
        &self.row
    }

    fn scaled(&self, sample: u16) -> u32 {
        if self.from_max == self.to_max { sample.into() } else { u32::from(sample) * self.to_max / self.from_max }
    }

    fn divided(&self, sample: u16, alpha: u32) -> u16 {
        let divided = (u32::from(sample) * self.to_max + alpha / 2).checked_div(alpha);
        divided.unwrap_or(0).min(self.to_max) as u16
    }
}

/// With the coefficients of BT.601, as nearly every file has them (TIFF 6.0, section 21).
fn from_ycbcr([luma, blue, red]: [u16; 3]) -> [u16; 3] {
    let (luma, blue, red) = (f32::from(luma), f32::from(blue) - 128.0, f32::from(red) - 128.0);
    let rgb = [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue];
    rgb.map(|sample| sample.round().clamp(0.0, 255.0) as u16)
}
