//! Pictures of at most 256 colours: exactly where that is possible, by quantisation where it is not.

use std::collections::HashMap;

use super::{Budget, Channels, Error, Raster, Samples};

/// A picture as indices into a palette of at most 256 colours.
pub(super) struct Indexed {
    /// Red, green, blue and alpha of each colour; those with alpha below 255 come first, as PNG's `tRNS` likes them.
    pub(super) colors: Vec<[u8; 4]>,
    /// One index a pixel.
    pub(super) indices: Vec<u8>,
}

/// How far pixels may be from their colours in another palette, in the mean: a squared distance that nobody sees.
const UNSEEN: u32 = 12;

impl Indexed {
    /// The pixels as indices into a palette that others use, too, if hardly anybody could tell. It gets the colours that
    /// it lacks, as long as there is room.
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

/// Bytes that [`exact`] holds beside the picture.
pub(super) fn memory(raster: &Raster) -> u64 {
    u64::from(raster.width()) * u64::from(raster.height()) + (16 << 10)
}

/// The picture without any loss, if it has at most `most` colours (and `most` is at most 256).
pub(super) fn exact(raster: &Raster, most: usize) -> Option<Indexed> {
    indexed(pixels(raster)?, raster.width() as usize * raster.height() as usize, most)
}

fn indexed(pixels: impl Iterator<Item = [u8; 4]>, count: usize, most: usize) -> Option<Indexed> {
    let mut places: HashMap<[u8; 4], u8> = HashMap::with_capacity(most);
    let mut colors: Vec<[u8; 4]> = Vec::with_capacity(most);
    let mut indices = Vec::with_capacity(count);
    let mut last: Option<([u8; 4], u8)> = None;
    for color in pixels {
        // Runs of one colour are what pictures with few colours consist of.
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

/// How much of a pixel's error is passed on to its neighbours.
const DITHERING: f32 = 0.8;

/// Rows of pixels, each either opaque or zero, which stands for nothing. Without loss if the colours are few enough; else
/// the opaque ones are reduced with error diffusion. Nothing has index 0 if it occurs, or `has_nothing` asks for it.
/// `budget` is for what is held beside the pixels.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated.
pub(super) fn opaque(pixels: &[[u8; 4]], width: usize, has_nothing: bool, budget: Budget) -> Result<Indexed, Error> {
    // Their indices, and those in the palette that frames share.
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

/// Most pixels that colours are chosen from; of larger pictures they are a regular sample.
const MOST_CHOSEN: usize = 1 << 18;

/// Bytes for each different colour that the palette is chosen from: its place in a table that has grown, and in the groups
/// that it is put into.
const COLOR: usize = 72;

fn quantized(pixels: &[[u8; 4]], width: usize, has_nothing: bool, budget: Budget) -> Result<Indexed, Error> {
    let shift = u8::from(has_nothing);
    let chosen = pixels.len().min(MOST_CHOSEN);
    // The pixels with their gaps filled, their indices, and those that are chosen, twice until they are counted.
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
    // These calls check ranges and sizes only, and all fit.
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

/// How many different colours pixels have.
fn different(rgba: &[u8]) -> usize {
    let mut colors = rgba.as_chunks::<4>().0.to_vec();
    colors.sort_unstable();
    colors.chunk_by(|one, other| one == other).count()
}

/// The pixels with the colour before them in place of nothing, so that no error is diffused from there.
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

/// The pixels as RGBA; `None` unless they are 8 bit grey or RGB. What is fully transparent has no colour.
pub(super) fn pixels(raster: &Raster) -> Option<Box<dyn Iterator<Item = [u8; 4]> + '_>> {
    let Samples::U8(samples) = raster.samples() else { return None };
    match raster.channels() {
        Channels::L => Some(Box::new(samples.iter().map(|l| [*l, *l, *l, 255]))),
        Channels::La => Some(Box::new(samples.as_chunks().0.iter().map(|&[l, a]| visible([l, l, l, a])))),
        Channels::Rgb => Some(Box::new(samples.as_chunks().0.iter().map(|&[r, g, b]| [r, g, b, 255]))),
        Channels::Rgba => Some(Box::new(samples.as_chunks().0.iter().map(|rgba| visible(*rgba)))),
        Channels::Cmyk => None,
    }
}

fn visible(rgba: [u8; 4]) -> [u8; 4] {
    if rgba[3] == 0 { [0; 4] } else { rgba }
}
