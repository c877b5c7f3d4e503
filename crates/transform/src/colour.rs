//! Channel layouts, transparency and backgrounds, for the resized picture.

use super::resize::{blank, is_opaque};
use image_origin_codec::{self as codec, Cancelled, Channels, Raster, Samples};
use image_origin_kernel::{Kernel, dispatch};
use image_origin_query::Color;

/// Rounds to 8-bit samples.
pub(super) fn to_eight_bits(raster: Raster) -> Raster {
    let Samples::U16(samples) = raster.samples() else { return raster };
    let eight: Vec<u8> = samples.iter().map(|sample| ((u32::from(*sample) * 255 + 32_767) / 65_535) as u8).collect();
    with_samples(&raster, raster.channels(), eight)
}

/// Whether all pixels are grey.
pub(super) fn is_grey(raster: &Raster) -> bool {
    matches!(raster.channels(), Channels::L | Channels::La)
}

/// Removes an alpha channel that is opaque everywhere.
pub(super) fn without_idle_alpha(raster: Raster) -> Raster {
    if is_opaque(&raster) { without_alpha(raster) } else { raster }
}

fn without_alpha(raster: Raster) -> Raster {
    match raster.channels() {
        Channels::La => picked::<2, 1>(raster, Channels::L, [0]),
        Channels::Rgba => picked::<4, 3>(raster, Channels::Rgb, [0, 1, 2]),
        _ => raster,
    }
}

/// The picture with the selected samples of each pixel, in this order. If there are no more than before, this works in
/// place.
fn picked<const FROM: usize, const TO: usize>(raster: Raster, channels: Channels, which: [usize; TO]) -> Raster {
    fn pick<T: Copy, const FROM: usize, const TO: usize>(samples: Vec<T>, which: [usize; TO]) -> Vec<T> {
        let pick = |pixel: [T; FROM]| which.map(|sample| pixel[sample]);
        if TO <= FROM { fewer(samples, pick) } else { samples.as_chunks().0.iter().copied().flat_map(pick).collect() }
    }
    let (width, height) = (raster.width(), raster.height());
    let samples = match raster.into_samples() {
        Samples::U8(samples) => Samples::U8(pick::<u8, FROM, TO>(samples, which)),
        Samples::U16(samples) => Samples::U16(pick::<u16, FROM, TO>(samples, which)),
    };
    of_samples(width, height, channels, samples)
}

/// Replaces the samples of each pixel by as many or fewer, without a copy.
pub(super) fn fewer<T: Copy, const FROM: usize, const TO: usize>(
    mut samples: Vec<T>,
    change: impl Fn([T; FROM]) -> [T; TO],
) -> Vec<T> {
    let pixels = samples.len() / FROM;
    for pixel in 0..pixels {
        let Some(from) = samples[pixel * FROM..].first_chunk() else { break };
        let to = change(*from);
        samples[pixel * TO..(pixel + 1) * TO].copy_from_slice(&to);
    }
    samples.truncate(pixels * TO);
    samples
}

/// The memory of [`with_colour`] in bytes, including the raster.
pub(super) fn with_colour_memory(raster: &Raster) -> u64 {
    let more = if is_grey(raster) { 2 + raster.channels().count() } else { 0 };
    raster.bytes() + raster.samples().as_bytes().len() as u64 / raster.channels().count() as u64 * more as u64
}

/// Converts grey to RGB, which effects that add colour need.
pub(super) fn with_colour(raster: Raster) -> Raster {
    match raster.channels() {
        Channels::L => picked::<1, 3>(raster, Channels::Rgb, [0, 0, 0]),
        Channels::La => picked::<2, 4>(raster, Channels::Rgba, [0, 0, 0, 1]),
        _ => raster,
    }
}

/// Blends an 8-bit picture with alpha over a colour. The result is opaque if the colour is.
pub(super) fn over(raster: &Raster, color: Color) -> Raster {
    let [r, g, b] = color.rgb;
    let blend = |above: [u8; 4]| {
        let mut pixel = [r, g, b, color.alpha];
        codec::over(&mut pixel, above);
        pixel
    };
    let opaque = |above| {
        let [r, g, b, _] = blend(above);
        [r, g, b]
    };
    let samples = raster.samples().as_bytes();
    let (greys, colours) = (samples.as_chunks().0.iter().map(|&[l, a]| [l, l, l, a]), samples.as_chunks().0.iter());
    let (channels, samples): (_, Vec<u8>) = match (raster.channels(), color.alpha) {
        (Channels::La, 255) => (Channels::Rgb, greys.flat_map(opaque).collect()),
        (Channels::La, _) => (Channels::Rgba, greys.flat_map(blend).collect()),
        (_, 255) => (Channels::Rgb, colours.copied().flat_map(opaque).collect()),
        _ => (Channels::Rgba, colours.copied().flat_map(blend).collect()),
    };
    with_samples(raster, channels, samples)
}

/// Blends a picture of either depth over an opaque colour, in place. Grey stays grey, so `rgb` must be grey then.
pub(super) fn flattened(raster: Raster, [r, g, b]: [u8; 3]) -> Raster {
    fn blend<T: Sample, const FROM: usize, const TO: usize>(samples: Vec<T>, below: [u8; TO]) -> Vec<T> {
        let below = below.map(T::of_eight_bits);
        fewer::<T, FROM, TO>(samples, |pixel| std::array::from_fn(|i| pixel[i].over(below[i], pixel[TO])))
    }
    let (width, height) = (raster.width(), raster.height());
    match (raster.channels(), raster.into_samples()) {
        (Channels::La, Samples::U8(samples)) => of_samples(width, height, Channels::L, blend::<_, 2, 1>(samples, [g])),
        (Channels::La, Samples::U16(samples)) => of_samples(width, height, Channels::L, blend::<_, 2, 1>(samples, [g])),
        (Channels::Rgba, Samples::U8(mut samples)) => {
            dispatch(Flatten { samples: &mut samples, below: [r, g, b] });
            of_samples(width, height, Channels::Rgb, samples)
        }
        (Channels::Rgba, Samples::U16(samples)) => {
            of_samples(width, height, Channels::Rgb, blend::<_, 4, 3>(samples, [r, g, b]))
        }
        (channels, samples) => of_samples(width, height, channels, samples),
    }
}

/// The kernel of [`flattened`] for RGBA of 8 bits.
struct Flatten<'s> {
    samples: &'s mut Vec<u8>,
    below: [u8; 3],
}

impl Kernel for Flatten<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        /// The number of samples that are blended together.
        const TOGETHER: usize = 64;
        let Self { samples, below: [r, g, b] } = self;
        let mut below = [0; TOGETHER];
        below.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| *pixel = [r, g, b, 0]);
        let length = samples.len();
        let mut end = 0;
        for start in (0..length).step_by(TOGETHER) {
            let mut above = [0; TOGETHER];
            match samples[start..].first_chunk() {
                Some(group) => above = *group,
                None => above[..length - start].copy_from_slice(&samples[start..]),
            }
            let (mut alphas, mut blended) = ([0; TOGETHER], [0u8; TOGETHER]);
            for (alphas, pixel) in alphas.as_chunks_mut::<4>().0.iter_mut().zip(above.as_chunks::<4>().0) {
                *alphas = [pixel[3]; 4];
            }
            for (((to, above), below), alpha) in blended.iter_mut().zip(above).zip(below).zip(alphas) {
                *to = above.over(below, alpha);
            }
            for pixel in &blended.as_chunks::<4>().0[..(length - start).min(TOGETHER) / 4] {
                // The fourth byte is overwritten by the next pixel, or cut off.
                samples[end..end + 4].copy_from_slice(pixel);
                end += 3;
            }
        }
        samples.truncate(end);
    }
}

/// A sample of either depth, for blending.
trait Sample: Copy {
    fn of_eight_bits(sample: u8) -> Self;
    /// Blends this sample over an opaque one.
    fn over(self, below: Self, alpha: Self) -> Self;
}

impl Sample for u8 {
    fn of_eight_bits(sample: u8) -> Self {
        sample
    }

    #[inline(always)]
    fn over(self, below: Self, alpha: Self) -> Self {
        let [above, below, alpha] = [self, below, alpha].map(u16::from);
        ((above * alpha + below * (255 - alpha) + 127) / 255) as Self
    }
}

impl Sample for u16 {
    fn of_eight_bits(sample: u8) -> Self {
        Self::from(sample) * 257
    }

    fn over(self, below: Self, alpha: Self) -> Self {
        let [above, below, alpha] = [self, below, alpha].map(u32::from);
        ((above * alpha + below * (65_535 - alpha) + 32_767) / 65_535) as Self
    }
}

/// The colour blended over white.
pub(super) fn flat(color: Color) -> Color {
    let alpha = u32::from(color.alpha);
    let rgb = color.rgb.map(|sample| ((u32::from(sample) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    Color { rgb, alpha: 255 }
}

/// Pads the 8-bit picture with one colour.
pub(super) fn pad(raster: &Raster, canvas: super::plan::Canvas, color: Color) -> Raster {
    let has_alpha = raster.channels().has_alpha() || color.alpha < 255;
    let channels = if has_alpha { Channels::Rgba } else { Channels::Rgb };
    let [r, g, b] = color.rgb;
    let mut out = blank(canvas.width, canvas.height, channels, false);
    if has_alpha {
        fill_around(out.samples_mut(), raster, canvas, [r, g, b, color.alpha], |rgba| rgba);
    } else {
        fill_around(out.samples_mut(), raster, canvas, [r, g, b], |[r, g, b, _]| [r, g, b]);
    }
    out
}

/// Fills a canvas with this pixel, and with the picture in its place. Each number of samples has a loop of its own.
fn fill_around<const N: usize>(
    out: &mut [u8],
    raster: &Raster,
    canvas: super::plan::Canvas,
    pixel: [u8; N],
    pixel_of: impl Fn([u8; 4]) -> [u8; N],
) {
    let out = out.as_chunks_mut::<N>().0;
    out.fill(pixel);
    let (count, width) = (raster.channels().count(), raster.width() as usize);
    let stride = canvas.width as usize;
    let start = canvas.top as usize * stride + canvas.left as usize;
    let rows = raster.samples().as_bytes().chunks_exact(width * count);
    for (to, from) in out[start..].chunks_mut(stride).zip(rows) {
        match raster.channels() {
            Channels::L => to.iter_mut().zip(from).for_each(|(to, l)| *to = pixel_of([*l, *l, *l, 255])),
            Channels::La => {
                to.iter_mut().zip(from.as_chunks().0).for_each(|(to, &[l, a])| *to = pixel_of([l, l, l, a]));
            }
            Channels::Rgb => {
                to.iter_mut().zip(from.as_chunks().0).for_each(|(to, &[r, g, b])| *to = pixel_of([r, g, b, 255]));
            }
            Channels::Rgba | Channels::Cmyk => {
                to.iter_mut().zip(from.as_chunks().0).for_each(|(to, rgba)| *to = pixel_of(*rgba));
            }
        }
    }
}

/// Adds an opaque alpha channel to an 8-bit picture that has none. Grey stays grey.
pub(super) fn with_alpha(raster: Raster) -> Raster {
    if raster.channels() != Channels::Rgb {
        return raster;
    }
    let rgba = raster.samples().as_bytes().as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]);
    with_samples(&raster, Channels::Rgba, rgba.collect::<Vec<_>>())
}

/// A raster of the same size with other samples.
pub(super) fn with_samples(raster: &Raster, channels: Channels, samples: impl Into<Samples>) -> Raster {
    of_samples(raster.width(), raster.height(), channels, samples)
}

/// A raster of this size from samples of the right number.
pub(super) fn of_samples(width: u32, height: u32, channels: Channels, samples: impl Into<Samples>) -> Raster {
    match Raster::new(width, height, channels, samples.into()) {
        Some(raster) => raster,
        None => unreachable!("one sample a channel for every pixel"),
    }
}

/// The number of rows that are processed at a time.
const BAND: usize = 64;

/// The memory of [`over_rows`] in bytes, including the raster: the result, with at most as many channels, and a band in
/// its original form, in 16 bits, and converted.
pub(super) fn over_rows_memory(raster: &Raster) -> u64 {
    let row = u64::from(raster.width()) * raster.channels().count() as u64;
    raster.bytes() + 2 * raster.samples().len() as u64 + 3 * 2 * row * BAND as u64
}

/// Converts a picture to 16 bits, band by band; `convert` must not change the size of a band.
///
/// # Errors
/// The errors of `convert`.
pub(super) fn over_rows(
    raster: &Raster,
    mut convert: impl FnMut(Raster) -> Result<Raster, Cancelled>,
) -> Result<Raster, Cancelled> {
    let (width, count) = (raster.width(), raster.channels().count());
    let length = width as usize * count * BAND;
    let bands: Box<dyn Iterator<Item = Samples> + '_> = match raster.samples() {
        Samples::U8(samples) => Box::new(samples.chunks(length).map(|band| band.to_vec().into())),
        Samples::U16(samples) => Box::new(samples.chunks(length).map(|band| band.to_vec().into())),
    };
    let (mut out, mut channels) = (Vec::new(), raster.channels());
    for band in bands {
        let height = (band.len() / count / width as usize) as u32;
        let Some(band) = Raster::new(width, height, raster.channels(), band) else { continue };
        let converted = convert(band)?;
        if out.is_empty() {
            channels = converted.channels();
            out.reserve_exact(width as usize * raster.height() as usize * channels.count());
        }
        out.extend_from_slice(bytemuck::cast_slice::<u8, u16>(converted.samples().as_bytes()));
    }
    Ok(with_samples(raster, channels, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(channels: Channels, samples: &[u8]) -> Raster {
        let width = (samples.len() / channels.count()) as u32;
        Raster::new(width, 1, channels, Samples::U8(samples.to_vec())).unwrap()
    }

    #[test]
    fn sixteen_bits_are_rounded_and_idle_alpha_dropped() {
        let samples = Samples::U16(vec![0, 65_535, 32_767, 65_535, 65_535, 65_535]);
        let out = to_eight_bits(without_idle_alpha(Raster::new(3, 1, Channels::La, samples).unwrap()));
        assert_eq!((out.channels(), out.samples().as_bytes()), (Channels::L, [0, 127, 255].as_slice()));
    }

    #[test]
    fn bands_make_a_whole() {
        let samples: Vec<u16> = (0..3 * 150).collect();
        let tall = Raster::new(3, 150, Channels::L, Samples::U16(samples)).unwrap();
        let mut heights = Vec::new();
        let same = over_rows(&tall, |band| {
            heights.push(band.height());
            Ok(band)
        });
        assert_eq!((same, heights), (Ok(tall), vec![64, 64, 22]));
    }

    #[test]
    fn both_depths_are_flattened_alike() {
        let below = [10, 200, 30];
        for (channels, grey) in [(Channels::Rgba, below), (Channels::La, [77; 3])] {
            let samples: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let eight = raster(channels, &samples);
            let wide: Vec<u16> = samples.iter().map(|sample| u16::from(*sample) * 257).collect();
            let sixteen = to_eight_bits(flattened(of_samples(eight.width(), 1, channels, wide), grey));
            let flat = flattened(eight.clone(), grey);
            assert_eq!(flat, sixteen, "{channels:?}");
            let [r, g, b] = grey;
            let blended = over(&eight, Color { rgb: [r, g, b], alpha: 255 });
            assert_eq!(with_colour(flat), blended, "{channels:?}");
        }
        let opaque = raster(Channels::Rgb, &[1, 2, 3]);
        assert_eq!(flattened(opaque.clone(), below), opaque);
    }

    #[test]
    fn transparency_lets_the_background_through() {
        let half = raster(Channels::Rgba, &[255, 0, 0, 128, 9, 9, 9, 0]);
        assert_eq!(over(&half, Color::WHITE).samples().as_bytes(), [255, 127, 127, 255, 255, 255]);
        let veil = Color { rgb: [0, 0, 255], alpha: 128 };
        assert_eq!(over(&half, veil).samples().as_bytes()[4..], [0, 0, 255, 128]);
    }
}
