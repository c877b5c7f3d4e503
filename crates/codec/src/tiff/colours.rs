//! Colours that a raster does not hold, as RGB.

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Layout as Samples, TransformExecutor, TransformOptions};

use super::layout::{Layout, Photometric};

/// Luma and chroma of 8 bits (TIFF 6.0, sections 20 and 21).
pub(super) struct YCbCr {
    /// What a sample of each counts, and the sample that counts as zero.
    scales: [(f32, f32); 3],
    /// What chroma adds to red and blue, and what both add to green.
    red: f32,
    blue: f32,
    green: (f32, f32),
}

impl YCbCr {
    pub(super) fn new(layout: &Layout<'_>) -> Self {
        let [black, white, blue_zero, blue_full, red_zero, red_full] = layout.reference_black_white();
        let [r, g, b] = layout.luma_coefficients();
        let (red, blue) = (2.0 - 2.0 * r, 2.0 - 2.0 * b);
        Self {
            scales: [
                (255.0 / (white - black), black),
                (127.0 / (blue_full - blue_zero), blue_zero),
                (127.0 / (red_full - red_zero), red_zero),
            ],
            red,
            blue,
            green: (b * blue / g, r * red / g),
        }
    }

    /// Red, green and blue of 8 bits.
    pub(super) fn to_rgb(&self, samples: [u16; 3]) -> [u16; 3] {
        let scaled = |index: usize| (f32::from(samples[index]) - self.scales[index].1) * self.scales[index].0;
        let (luma, blue, red) = (scaled(0), scaled(1), scaled(2));
        let green = luma - self.green.0 * blue - self.green.1 * red;
        [luma + self.red * red, green, luma + self.blue * blue].map(|sample| sample.round().clamp(0.0, 255.0) as u16)
    }
}

/// CIE L*a*b* in the light of D50, as printers view it, to sRGB; of 8 or 16 bits, which it keeps.
pub(super) struct Lab {
    /// Samples of L* for one unit, of a* and b* for one, and what these have at zero.
    lightness: f32,
    chroma: f32,
    offset: f32,
    is_signed: bool,
    wide: bool,
}

impl Lab {
    /// From XYZ under D50 to linear light of sRGB under D65, adapted by Bradford's method.
    const TO_RGB: [[f32; 3]; 3] =
        [[3.133_856, -1.616_867, -0.490_615], [-0.978_768, 1.916_142, 0.033_454], [0.071_945, -0.228_991, 1.405_243]];
    const WHITE: [f32; 3] = [0.964_22, 1.0, 0.825_21];

    pub(super) fn new(layout: &Layout<'_>) -> Self {
        let wide = layout.bits == 16;
        let is_signed = layout.photometric == Photometric::CieLab;
        // ICC.1:2001-04, A.1: white has 0xff00 in 16 bits.
        let lightness = match (wide, is_signed) {
            (false, _) => 255.0,
            (true, true) => 65_535.0,
            (true, false) => 65_280.0,
        };
        let chroma = if wide { 256.0 } else { 1.0 };
        Self { lightness: lightness / 100.0, chroma, offset: 128.0 * chroma, is_signed, wide }
    }

    pub(super) fn to_rgb(&self, [l, a, b]: [u16; 3]) -> [u16; 3] {
        let chroma = |sample: u16| {
            let number = match (self.is_signed, self.wide) {
                (true, true) => f32::from(sample as i16),
                (true, false) => f32::from(sample as u8 as i8),
                (false, _) => f32::from(sample) - self.offset,
            };
            number / self.chroma
        };
        let y = ((f32::from(l) / self.lightness).min(100.0) + 16.0) / 116.0;
        let (x, z) = (y + chroma(a) / 500.0, y - chroma(b) / 200.0);
        // CIE 15:2004, 8.2.1.
        let light = |root: f32| if root > 6.0 / 29.0 { root.powi(3) } else { (root - 4.0 / 29.0) * 108.0 / 841.0 };
        let xyz = [light(x) * Self::WHITE[0], light(y), light(z) * Self::WHITE[2]];
        let max = if self.wide { 65_535.0 } else { 255.0 };
        Self::TO_RGB.map(|row| {
            let light = row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2];
            // IEC 61966-2-1.
            let encoded = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(2.4f32.recip()) - 0.055 };
            (encoded.clamp(0.0, 1.0) * max).round() as u16
        })
    }
}

/// Cyan, magenta, yellow and black with alpha behind them, as sRGB with alpha: through a profile, or as filters of light.
pub(super) enum Inks {
    Filters { max: u32 },
    Narrow { press: Arc<dyn TransformExecutor<u8> + Send + Sync>, inks: Vec<u8>, rgb: Vec<u8> },
    Wide { press: Arc<dyn TransformExecutor<u16> + Send + Sync>, inks: Vec<u16>, rgb: Vec<u16> },
}

impl Inks {
    /// Bytes for the tables of a profile, whose samples become floating point, and those of a transformation.
    pub(super) fn memory(icc: Option<&[u8]>) -> u64 {
        icc.map_or(0, |icc| icc.len() as u64 * 8)
    }

    /// A profile that is none of inks is passed over, as it is where inks have no alpha.
    pub(super) fn new(icc: Option<&[u8]>, wide: bool) -> Self {
        let profile = icc.and_then(|icc| ColorProfile::new_from_slice(icc).ok());
        let profile = profile.filter(|profile| profile.color_space == DataColorSpace::Cmyk);
        Self::through(profile.as_ref(), wide)
            .unwrap_or(Self::Filters { max: if wide { u16::MAX.into() } else { u8::MAX.into() } })
    }

    fn through(profile: Option<&ColorProfile>, wide: bool) -> Option<Self> {
        let (profile, srgb) = (profile?, ColorProfile::new_srgb());
        let options = TransformOptions { rendering_intent: profile.rendering_intent, ..TransformOptions::default() };
        Some(if wide {
            let press = profile.create_transform_16bit(Samples::Rgba, &srgb, Samples::Rgb, options).ok()?;
            Self::Wide { press, inks: Vec::new(), rgb: Vec::new() }
        } else {
            let press = profile.create_transform_8bit(Samples::Rgba, &srgb, Samples::Rgb, options).ok()?;
            Self::Narrow { press, inks: Vec::new(), rgb: Vec::new() }
        })
    }

    /// Turns a row of pixels of five samples into one of four.
    pub(super) fn convert(&mut self, row: &mut Vec<u16>) {
        let count = row.len() / 5;
        let inks_of = |pixel: usize| pixel * 5..pixel * 5 + 4;
        match self {
            Self::Filters { max } => {
                let max = *max;
                for pixel in 0..count {
                    let [c, m, y, k, alpha] = std::array::from_fn(|index| u32::from(row[pixel * 5 + index]));
                    let light = |ink: u32| (((max - ink) * (max - k) + max / 2) / max) as u16;
                    row[pixel * 4..][..4].copy_from_slice(&[light(c), light(m), light(y), alpha as u16]);
                }
            }
            Self::Narrow { press, inks, rgb } => {
                inks.clear();
                inks.extend((0..count).flat_map(|pixel| row[inks_of(pixel)].iter().map(|ink| *ink as u8)));
                rgb.resize(count * 3, 0);
                // The rows fit each other, so this cannot fail.
                let _ = press.transform(inks, rgb);
                merge(row, rgb.iter().map(|sample| u16::from(*sample)));
            }
            Self::Wide { press, inks, rgb } => {
                inks.clear();
                inks.extend((0..count).flat_map(|pixel| row[inks_of(pixel)].iter().copied()));
                rgb.resize(count * 3, 0);
                let _ = press.transform(inks, rgb);
                merge(row, rgb.iter().copied());
            }
        }
        row.truncate(count * 4);
    }
}

/// Writes RGB in front of the alphas, which move from every fifth to every fourth place.
fn merge(row: &mut [u16], mut rgb: impl Iterator<Item = u16>) {
    for pixel in 0..row.len() / 5 {
        let alpha = row[pixel * 5 + 4];
        row[pixel * 4..pixel * 4 + 3].iter_mut().zip(&mut rgb).for_each(|(to, from)| *to = from);
        row[pixel * 4 + 3] = alpha;
    }
}
