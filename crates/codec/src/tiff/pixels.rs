//! From the samples of a TIFF to those of a raster.

use std::ops::Range;

use super::super::{Channels, Error, MISSING};
use super::chunks::{Row, RowSamples};
use super::colours::{Inks, Lab, YCbCr};
use super::damaged;
use super::layout::{Alpha, Compression, Kind, Layout, Photometric};

/// Converts rows. Samples of up to 8 bits become 8, others 16.
pub(super) struct Pixels {
    pub(super) channels: Channels,
    pub(super) sixteen_bits: bool,
    /// Whether what comes out is in sRGB, whatever profile the file has.
    pub(super) is_srgb: bool,
    /// Stored samples of a pixel.
    samples: usize,
    alpha: Option<Alpha>,
    colours: Colours,
    /// The largest stored and the largest converted sample.
    from_max: u32,
    to_max: u32,
    /// The stored samples of a row as words, and the row that they become.
    stored: Vec<u16>,
    row: Vec<u16>,
}

/// A row in samples of the raster, of 8 bits each unless the raster has 16.
pub(super) enum Converted<'r> {
    Bytes(&'r [u8]),
    Words(&'r [u16]),
}

/// What becomes of the samples in front of alpha.
enum Colours {
    /// As many are kept.
    Kept(usize),
    Inverted,
    Palette(Vec<[u16; 3]>),
    YCbCr(YCbCr),
    Lab(Lab),
    /// With alpha, which rasters of inks do not have.
    Inks(Inks),
}

impl Pixels {
    /// `icc` is the profile of the file.
    pub(super) fn new(layout: &Layout<'_>, icc: Option<&[u8]>) -> Result<Self, Error> {
        let sixteen_bits =
            (layout.bits > 8 || layout.kind == Kind::Float) && layout.photometric != Photometric::Palette;
        let colours = match layout.photometric {
            Photometric::BlackIsZero => Colours::Kept(1),
            Photometric::WhiteIsZero => Colours::Inverted,
            Photometric::Rgb => Colours::Kept(3),
            Photometric::Palette => {
                Colours::Palette(layout.palette().ok_or_else(|| damaged("the table of colours is cut off"))?)
            }
            // The decoder of JPEGs has done it.
            Photometric::YCbCr if layout.compression == Compression::Jpeg => Colours::Kept(3),
            Photometric::YCbCr => Colours::YCbCr(YCbCr::new(layout)),
            Photometric::CieLab | Photometric::IccLab => Colours::Lab(Lab::new(layout)),
            Photometric::Cmyk if layout.alpha.is_some() => Colours::Inks(Inks::new(icc, sixteen_bits)),
            Photometric::Cmyk => Colours::Kept(4),
        };
        let channels = match (&colours, layout.photometric, layout.alpha) {
            (_, Photometric::WhiteIsZero | Photometric::BlackIsZero, Some(_)) => Channels::La,
            (_, Photometric::WhiteIsZero | Photometric::BlackIsZero, None) => Channels::L,
            (Colours::Kept(4), ..) => Channels::Cmyk,
            (_, _, Some(_)) => Channels::Rgba,
            (_, _, None) => Channels::Rgb,
        };
        Ok(Self {
            channels,
            sixteen_bits,
            is_srgb: matches!(colours, Colours::Lab(_) | Colours::Inks(_)),
            samples: layout.samples,
            alpha: layout.alpha,
            colours,
            from_max: if layout.kind == Kind::Float { 65_535 } else { (1 << layout.bits.min(16)) - 1 },
            to_max: if sixteen_bits { 65_535 } else { 255 },
            stored: Vec::new(),
            row: Vec::new(),
        })
    }

    /// Bytes that are held beside the rows.
    pub(super) fn memory(layout: &Layout<'_>, icc: Option<&[u8]>) -> u64 {
        match layout.photometric {
            Photometric::Palette => (size_of::<[u16; 3]>() as u64) << layout.bits,
            Photometric::Cmyk if layout.alpha.is_some() => Inks::memory(icc),
            _ => 0,
        }
    }

    /// The row in samples of the raster.
    pub(super) fn convert<'r>(&'r mut self, row: &Row<'r>) -> Converted<'r> {
        match row.samples {
            RowSamples::Bytes(bytes) if self.keeps_all() && row.missing.is_empty() => Converted::Bytes(bytes),
            RowSamples::Bytes(bytes) => {
                let mut stored = std::mem::take(&mut self.stored);
                stored.clear();
                stored.extend(bytes.iter().map(|sample| u16::from(*sample)));
                self.convert_words(&stored, row.missing);
                self.stored = stored;
                Converted::Words(&self.row)
            }
            RowSamples::Words(words) => {
                self.convert_words(words, row.missing);
                Converted::Words(&self.row)
            }
        }
    }

    /// Whether the bytes of a row are those of the raster.
    fn keeps_all(&self) -> bool {
        let Colours::Kept(count) = self.colours else { return false };
        match self.alpha {
            None => self.samples == count,
            Some(Alpha { index, associated }) => !associated && index == count && self.samples == count + 1,
        }
    }

    /// Converts a row in words into `self.row`.
    fn convert_words(&mut self, samples: &[u16], missing: &[Range<usize>]) {
        let mut out = std::mem::take(&mut self.row);
        out.clear();
        for pixel in samples.chunks_exact(self.samples) {
            let start = out.len();
            match &self.colours {
                Colours::Kept(count) => out.extend(pixel[..*count].iter().map(|sample| self.scaled(*sample))),
                Colours::Inverted => out.push(self.to_max as u16 - self.scaled(pixel[0])),
                Colours::Palette(palette) => out.extend(palette.get(usize::from(pixel[0])).unwrap_or(&[0; 3])),
                Colours::YCbCr(ycbcr) => out.extend(ycbcr.to_rgb([pixel[0], pixel[1], pixel[2]])),
                Colours::Lab(lab) => out.extend(lab.to_rgb([pixel[0], pixel[1], pixel[2]])),
                Colours::Inks(_) => out.extend(pixel[..4].iter().map(|sample| self.scaled(*sample))),
            }
            if let Some(Alpha { index, associated }) = self.alpha {
                let alpha = self.scaled(pixel[index]);
                if associated {
                    out[start..].iter_mut().for_each(|sample| *sample = self.divided(*sample, alpha));
                }
                out.push(alpha);
            }
        }
        if let Colours::Inks(inks) = &mut self.colours {
            inks.convert(&mut out);
        }
        let count = self.channels.count();
        for missing in missing {
            out[missing.start * count..missing.end * count].chunks_exact_mut(count).for_each(|pixel| self.blank(pixel));
        }
        self.row = out;
    }

    /// Makes a pixel one that is missing: transparent, or grey.
    fn blank(&self, pixel: &mut [u16]) {
        let grey = if self.sixteen_bits { u16::from(MISSING) * 257 } else { MISSING.into() };
        match (pixel, self.channels) {
            (pixel, Channels::La | Channels::Rgba) => pixel.fill(0),
            ([inks @ .., black], Channels::Cmyk) => {
                inks.fill(0);
                *black = grey;
            }
            (pixel, _) => pixel.fill(grey),
        }
    }

    fn scaled(&self, sample: u16) -> u16 {
        if self.from_max == self.to_max {
            return sample;
        }
        ((u32::from(sample) * self.to_max + self.from_max / 2) / self.from_max) as u16
    }

    fn divided(&self, sample: u16, alpha: u16) -> u16 {
        let alpha = u32::from(alpha);
        let divided = (u32::from(sample) * self.to_max + alpha / 2).checked_div(alpha);
        divided.unwrap_or(0).min(self.to_max) as u16
    }
}
