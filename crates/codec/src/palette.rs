//! Pictures with at most 256 colours: exact if possible, otherwise quantized.

use std::collections::HashMap;

use super::{Budget, Cancellation, Channels, Error, PaletteOptions, Raster, Samples};

/// A picture as indices into a palette of at most 256 colours.
pub(super) struct Indexed {
    /// Red, green, blue and alpha of each colour; those with alpha below 255 come first, as PNG's `tRNS` requires.
    pub(super) colors: Vec<[u8; 4]>,
    /// One index per pixel.
    pub(super) indices: Vec<u8>,
}

/// The maximum mean squared distance of pixels from their colours in another palette: imperceptible.
const UNSEEN: u32 = 12;

impl Indexed {
    /// The pixels as indices into a shared palette, if the difference is imperceptible. Missing colours are added while
    /// there is room.
    pub(super) fn in_palette(&self, palette: &mut Vec<[u8; 4]>) -> Option<Vec<u8>> {
        let mut counts = [0u32; 256];
        self.indices.iter().for_each(|index| counts[usize::from(*index)] += 1);
        let (mut places, mut error, before) = ([0u8; 256], 0, palette.len());
        for ((color, place), count) in self.colors.iter().zip(&mut places).zip(counts).filter(|(_, count)| *count > 0) {
            let same = palette.iter().enumerate().filter(|(_, other)| other[3] == color[3]);
            let nearest = same.map(|(index, other)| (distance(*color, *other), index)).min();
            let (distance, index) = match nearest {
                Some((distance, _)) if distance > UNSEEN && palette.len() < 256 => {
                    palette.push(*color);
                    (0, palette.len() - 1)
                }
                Some(nearest) => nearest,
                None => (u32::MAX, 0),
            };
            *place = index as u8;
            error += u64::from(distance) * u64::from(count);
        }
        if error > u64::from(UNSEEN) * self.indices.len() as u64 {
            palette.truncate(before);
            return None;
        }
        Some(self.indices.iter().map(|index| places[usize::from(*index)]).collect())
    }
}

fn distance(one: [u8; 4], other: [u8; 4]) -> u32 {
    (0..3).map(|i| u32::from(one[i].abs_diff(other[i])).pow(2)).sum()
}

/// The memory of [`exact`] in bytes besides the picture.
pub(super) fn memory(raster: &Raster) -> u64 {
    u64::from(raster.width()) * u64::from(raster.height()) + (16 << 10)
}

/// Converts the picture losslessly, if it has at most `most` colours (which must be at most 256).
pub(super) fn exact(raster: &Raster, most: usize) -> Option<Indexed> {
    indexed(pixels(raster)?, raster.width() as usize * raster.height() as usize, most)
}

fn indexed(pixels: impl Iterator<Item = [u8; 4]>, count: usize, most: usize) -> Option<Indexed> {
    let mut places: HashMap<[u8; 4], u8> = HashMap::with_capacity(most);
    let mut colors: Vec<[u8; 4]> = Vec::with_capacity(most);
    let mut indices = Vec::with_capacity(count);
    let mut last: Option<([u8; 4], u8)> = None;
    for color in pixels {
        // Pictures with few colours consist of runs of one colour.
        if let Some((_, index)) = last.filter(|(previous, _)| *previous == color) {
            indices.push(index);
            continue;
        }
        let index = match places.get(&color) {
            Some(index) => *index,
            None if colors.len() >= most => return None,
            None => {
                let index = u8::try_from(colors.len()).ok()?;
                places.insert(color, index);
                colors.push(color);
                index
            }
        };
        indices.push(index);
        last = Some((color, index));
    }
    Some(transparent_first(colors, indices))
}

/// The fraction of a pixel's error that is diffused to its neighbours.
const DITHERING: f32 = 0.8;

/// Converts rows of pixels that are either opaque or zero, which is transparent. Lossless if there are few enough
/// colours; otherwise the opaque ones are quantized with error diffusion. Transparent has index 0 if it occurs, or if
/// `has_nothing` is set. `budget` is for memory besides the pixels.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated.
pub(super) fn opaque(pixels: &[[u8; 4]], width: usize, has_nothing: bool, budget: Budget) -> Result<Indexed, Error> {
    // The indices, and those in the palette shared by frames.
    budget.check_memory(2 * pixels.len() as u64)?;
    let has_nothing = has_nothing || pixels.contains(&[0; 4]);
    let first = has_nothing.then_some([0; 4]);
    let exact = indexed(first.into_iter().chain(pixels.iter().copied()), pixels.len() + 1, 256);
    match exact {
        Some(mut exact) => {
            exact.indices.drain(..usize::from(has_nothing));
            Ok(exact)
        }
        None => quantized(pixels, width, has_nothing, budget),
    }
}

/// The maximum number of pixels from which colours are chosen; larger pictures are sampled regularly.
const MOST_CHOSEN: usize = 1 << 18;

/// The memory in bytes for each distinct colour in the choice of the palette: its entry in a hash table that has grown,
/// and in the clusters.
const COLOR: usize = 72;

fn quantized(pixels: &[[u8; 4]], width: usize, has_nothing: bool, budget: Budget) -> Result<Indexed, Error> {
    let shift = u8::from(has_nothing);
    let chosen = pixels.len().min(MOST_CHOSEN);
    // The pixels with filled gaps, their indices, and the sampled pixels, twice until they are counted.
    let held = pixels.len() * (4 + 1) + chosen * 4;
    budget.check_memory((held + chosen * 4) as u64)?;
    let mut visible = Vec::with_capacity(4 * chosen);
    let chosen = pixels.iter().filter(|pixel| pixel[3] != 0).step_by(pixels.len().div_ceil(MOST_CHOSEN));
    visible.extend(chosen.flatten());
    budget.check_memory((held + different(&visible) * COLOR) as u64)?;
    let filled = filled(pixels);
    let (Ok(sample), Ok(image)) = (
        quantizr::Image::new(&visible, visible.len() / 4, 1),
        quantizr::Image::new(&filled, width, pixels.len() / width),
    ) else {
        return Ok(Indexed { colors: vec![[0; 4]], indices: vec![0; pixels.len()] });
    };
    let mut options = quantizr::Options::default();
    // These calls can only fail on invalid ranges and sizes.
    let _ = options.set_max_colors(256 - i32::from(shift));
    let mut result = quantizr::QuantizeResult::quantize(&sample, &options);
    let _ = result.set_dithering_level(DITHERING);
    let mut indices = vec![0; pixels.len()];
    let _ = result.remap_image(&image, &mut indices);
    for (index, pixel) in indices.iter_mut().zip(pixels) {
        *index = if pixel[3] == 0 { 0 } else { *index + shift };
    }
    let palette = result.get_palette();
    let opaque = palette.entries[..palette.count as usize].iter().map(|c| [c.r, c.g, c.b, 255]);
    Ok(Indexed { colors: std::iter::repeat_n([0; 4], shift.into()).chain(opaque).collect(), indices })
}

/// The number of pixels that are mapped to a palette at a time, after which cancellation is checked. Errors are not diffused
/// from one such band of rows to the next.
const BAND: usize = 1 << 20;

/// Converts the picture to a palette with loss, unless it has few enough colours. Colours are chosen and compared with
/// premultiplied alpha: the less of a colour is visible, the less it matters. `budget` is for memory besides the picture.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated, and [`Error::Cancelled`].
pub(super) fn reduced(
    raster: &Raster,
    options: PaletteOptions,
    budget: Budget,
    cancellation: &Cancellation,
) -> Result<Indexed, Error> {
    let PaletteOptions { colors, dither } = options;
    let most = usize::from(colors.clamp(2, 256));
    budget.check_memory(memory(raster))?;
    if let Some(exact) = exact(raster, most) {
        return Ok(exact);
    }
    let (width, count) = (raster.width() as usize, raster.width() as usize * raster.height() as usize);
    let step = count.div_ceil(MOST_CHOSEN);
    let chosen = count.div_ceil(step);
    // The premultiplied pixels, their indices, and the sampled pixels, twice until they are counted.
    let held = count * (4 + 1) + chosen * 4;
    budget.check_memory((held + chosen * 4) as u64)?;
    let Some(pixels) = pixels(raster) else { return Err(Error::Internal("a palette is made of samples of 8 bits")) };
    let mut image = Vec::with_capacity(4 * count);
    image.extend(pixels.flat_map(premultiplied));
    cancellation.check()?;
    let mut sample = Vec::with_capacity(4 * chosen);
    sample.extend(image.as_chunks::<4>().0.iter().step_by(step).flatten());
    budget.check_memory((held + different(&sample) * COLOR) as u64)?;
    const BUG: Error = Error::Internal("the quantizer refuses a picture that it should take");
    let sample = quantizr::Image::new(&sample, sample.len() / 4, 1).map_err(|_| BUG)?;
    let mut quantizing = quantizr::Options::default();
    quantizing.set_max_colors(most as i32).map_err(|_| BUG)?;
    let mut result = quantizr::QuantizeResult::quantize(&sample, &quantizing);
    result.set_dithering_level(f32::from(dither.min(100)) / 100.0).map_err(|_| BUG)?;
    cancellation.check()?;
    let mut indices = vec![0; count];
    let band = (BAND / width).max(1) * width;
    for (pixels, indices) in image.chunks(4 * band).zip(indices.chunks_mut(band)) {
        cancellation.check()?;
        let image = quantizr::Image::new(pixels, width, indices.len() / width).map_err(|_| BUG)?;
        result.remap_image(&image, indices).map_err(|_| BUG)?;
    }
    let palette = result.get_palette();
    let colors = palette.entries[..palette.count as usize].iter().map(|c| straight([c.r, c.g, c.b, c.a])).collect();
    Ok(transparent_first(colors, indices))
}

fn premultiplied([red, green, blue, alpha]: [u8; 4]) -> [u8; 4] {
    let times = |sample: u8| ((u32::from(sample) * u32::from(alpha) + 127) / 255) as u8;
    [times(red), times(green), times(blue), alpha]
}

fn straight([red, green, blue, alpha]: [u8; 4]) -> [u8; 4] {
    let of = u32::from(alpha).max(1);
    let divided = |sample: u8| ((u32::from(sample) * 255 + of / 2) / of).min(255) as u8;
    if alpha == 0 { [0; 4] } else { [divided(red), divided(green), divided(blue), alpha] }
}

/// The number of distinct colours.
fn different(rgba: &[u8]) -> usize {
    let mut colors = rgba.as_chunks::<4>().0.to_vec();
    colors.sort_unstable();
    colors.chunk_by(|one, other| one == other).count()
}

/// The pixels with transparent ones replaced by the preceding colour, so that they diffuse no error.
fn filled(pixels: &[[u8; 4]]) -> Vec<u8> {
    let mut last = pixels.iter().find(|pixel| pixel[3] != 0).copied().unwrap_or_default();
    let fill = |pixel: &[u8; 4]| {
        if pixel[3] != 0 {
            last = *pixel;
        }
        last
    };
    let mut filled = Vec::with_capacity(4 * pixels.len());
    filled.extend(pixels.iter().flat_map(fill));
    filled
}

fn transparent_first(colors: Vec<[u8; 4]>, mut indices: Vec<u8>) -> Indexed {
    let mut order: Vec<usize> = (0..colors.len()).collect();
    order.sort_by_key(|i| colors[*i][3] == 255);
    let mut place = [0u8; 256];
    for (new, old) in order.iter().enumerate() {
        place[*old] = new as u8;
    }
    for index in &mut indices {
        *index = place[*index as usize];
    }
    Indexed { colors: order.iter().map(|i| colors[*i]).collect(), indices }
}

/// The pixels as RGBA; `None` unless they are of 8 bits. Fully transparent pixels are all equal.
pub(super) fn pixels(raster: &Raster) -> Option<Box<dyn Iterator<Item = [u8; 4]> + '_>> {
    let Samples::U8(samples) = raster.samples() else { return None };
    match raster.channels() {
        Channels::L => Some(Box::new(samples.iter().map(grey))),
        Channels::La => Some(Box::new(samples.as_chunks().0.iter().map(grey_and_alpha))),
        Channels::Rgb => Some(Box::new(samples.as_chunks().0.iter().map(rgb))),
        Channels::Rgba => Some(Box::new(samples.as_chunks().0.iter().map(visible))),
        Channels::Cmyk => None,
    }
}

/// The same as a list, without a call by pointer for each pixel.
pub(super) fn list(raster: &Raster) -> Option<Vec<[u8; 4]>> {
    let Samples::U8(samples) = raster.samples() else { return None };
    match raster.channels() {
        Channels::L => Some(samples.iter().map(grey).collect()),
        Channels::La => Some(samples.as_chunks().0.iter().map(grey_and_alpha).collect()),
        Channels::Rgb => Some(samples.as_chunks().0.iter().map(rgb).collect()),
        Channels::Rgba => Some(samples.as_chunks().0.iter().map(visible).collect()),
        Channels::Cmyk => None,
    }
}

fn grey(&l: &u8) -> [u8; 4] {
    [l, l, l, 255]
}

fn grey_and_alpha(&[l, a]: &[u8; 2]) -> [u8; 4] {
    visible(&[l, l, l, a])
}

fn rgb(&[r, g, b]: &[u8; 3]) -> [u8; 4] {
    [r, g, b, 255]
}

fn visible(rgba: &[u8; 4]) -> [u8; 4] {
    if rgba[3] == 0 { [0; 4] } else { *rgba }
}
