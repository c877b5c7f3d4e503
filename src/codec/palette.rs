//! Pictures of at most 256 colours: exactly where that is possible, by quantisation where it is not.

use std::collections::HashMap;

use super::{Channels, Raster, Samples};

/// A picture as indices into a palette of at most 256 colours.
pub(super) struct Indexed {
    /// Red, green, blue and alpha of each colour; those with alpha below 255 come first, as PNG's `tRNS` likes them.
    pub(super) colors: Vec<[u8; 4]>,
    /// One index a pixel.
    pub(super) indices: Vec<u8>,
}

/// The picture without any loss, if it has at most `most` colours (and `most` is at most 256).
pub(super) fn exact(raster: &Raster, most: usize) -> Option<Indexed> {
    let mut places: HashMap<[u8; 4], u8> = HashMap::with_capacity(most);
    let mut colors: Vec<[u8; 4]> = Vec::with_capacity(most);
    let mut indices = Vec::with_capacity(raster.width() as usize * raster.height() as usize);
    let mut last: Option<([u8; 4], u8)> = None;
    for color in pixels(raster)? {
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

/// The picture reduced to 256 colours with error diffusion; half transparent pixels keep their alpha.
pub(super) fn quantized(raster: &Raster) -> Indexed {
    let rgba: Vec<u8> = pixels(raster).into_iter().flatten().flatten().collect();
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    let Ok(image) = quantizr::Image::new(&rgba, width, height) else {
        return Indexed { colors: vec![[0; 4]], indices: vec![0; width * height] };
    };
    let mut result = quantizr::QuantizeResult::quantize(&image, &quantizr::Options::default());
    let mut indices = vec![0; width * height];
    // Both calls check sizes only, and these fit.
    let _ = result.set_dithering_level(0.8);
    let _ = result.remap_image(&image, &mut indices);
    let palette = result.get_palette();
    let colors = palette.entries[..palette.count as usize].iter().map(|c| [c.r, c.g, c.b, c.a]).collect();
    transparent_first(colors, indices)
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
fn pixels(raster: &Raster) -> Option<Box<dyn Iterator<Item = [u8; 4]> + '_>> {
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
