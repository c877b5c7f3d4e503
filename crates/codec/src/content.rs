//! Cheap features of a picture's content: what distinguishes drawings, screenshots and text from photographs.

use super::{Channels, Raster, Samples};

/// How often pixels repeat their neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repetition {
    /// The number of pixels that are not fully transparent.
    pub visible: u64,
    /// The number of visible pixels that equal neither the pixel on their left nor the one above.
    pub fresh: u64,
}

impl Repetition {
    /// Whether the picture is likely to be drawn: a lossless file of it has about as few bytes as a lossy one.
    pub fn is_drawn(&self) -> bool {
        self.fresh * 3 < self.visible
    }
}

/// Counts the pixels of an 8-bit picture that repeat their neighbours. It takes about a nanosecond per pixel.
pub fn repetition(raster: &Raster) -> Repetition {
    let Samples::U8(samples) = raster.samples() else { return Repetition { visible: 0, fresh: 0 } };
    let width = raster.width() as usize;
    match raster.channels() {
        Channels::L => count(samples.as_chunks::<1>().0, width, |_| true),
        Channels::La => count(samples.as_chunks::<2>().0, width, |pixel| pixel[1] > 0),
        Channels::Rgb => count(samples.as_chunks::<3>().0, width, |_| true),
        Channels::Rgba | Channels::Cmyk => count(samples.as_chunks::<4>().0, width, |pixel| pixel[3] > 0),
    }
}

#[inline(always)]
fn count<const N: usize>(pixels: &[[u8; N]], width: usize, is_visible: impl Fn(&[u8; N]) -> bool) -> Repetition {
    let mut counted = Repetition { visible: 0, fresh: 0 };
    let mut above: &[[u8; N]] = &[];
    for row in pixels.chunks_exact(width) {
        let (mut visible, mut fresh) = (0u32, 0u32);
        for (x, pixel) in row.iter().enumerate() {
            let repeats = x > 0 && row[x - 1] == *pixel || above.get(x) == Some(pixel);
            let is_visible = is_visible(pixel);
            visible += u32::from(is_visible);
            fresh += u32::from(is_visible && !repeats);
        }
        counted.visible += u64::from(visible);
        counted.fresh += u64::from(fresh);
        above = row;
    }
    counted
}

/// The maximum number of pixels that [`has_chroma_edges`] reads: a few tenths of a millisecond. Of larger pictures it
/// reads every n-th pair of rows.
const MOST_READ: usize = 200_000;

/// The mean squared difference of chroma from its mean over 2 by 2 pixels from which on it is an edge, and up to which
/// it is flat.
const EDGE: f32 = 25.0;
const FLAT: f32 = 0.5;

/// The least energy of edges, per square and weighted by the cube of the share of flat squares, for which chroma at full
/// resolution takes fewer bytes at equal SSIMULACRA2 than at half. NOTES.md of `image-origin-av1` has the measurements.
const LEAST_ENERGY: f32 = 6.0;

/// Whether chroma has sharp edges between flat areas, as in drawings and coloured text: these get blurred, and cost more
/// bytes, if chroma is subsampled. In textures and noise it is the other way round.
pub(super) fn has_chroma_edges(raster: &Raster) -> bool {
    chroma_edges(raster) >= LEAST_ENERGY
}

/// The energy of chroma at sharp edges between flat areas: the mean squared difference from the mean of 2 by 2 pixels,
/// weighted by the cube of the share of flat squares.
fn chroma_edges(raster: &Raster) -> f32 {
    let Samples::U8(samples) = raster.samples() else { return 0.0 };
    let width = raster.width() as usize;
    match raster.channels() {
        Channels::Rgb => energy_of_edges(samples.as_chunks::<3>().0, width),
        Channels::Rgba => energy_of_edges(samples.as_chunks::<4>().0, width),
        _ => 0.0,
    }
}

/// What the quality of a format is calibrated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Photographs, and everything else that is not drawn.
    Photograph,
    /// Drawings, screenshots and text without sharp chroma.
    Drawing,
    /// Pictures with sharp edges of chroma between flat areas.
    Coloured,
}

impl Content {
    /// Whether the scales of drawings hold for such a picture: they were measured on opaque ones that are no icons.
    pub(super) fn has_own_scale(self, raster: &Raster) -> bool {
        const ICON: u64 = 128 * 128;
        let pixels = u64::from(raster.width()) * u64::from(raster.height());
        self != Self::Photograph && !raster.channels().has_alpha() && pixels > ICON
    }
}

/// The kind of an 8-bit picture, which takes about two nanoseconds per pixel.
pub(super) fn classify(raster: &Raster) -> Content {
    if has_chroma_edges(raster) {
        Content::Coloured
    } else if repetition(raster).is_drawn() {
        Content::Drawing
    } else {
        Content::Photograph
    }
}

fn energy_of_edges<const N: usize>(pixels: &[[u8; N]], width: usize) -> f32 {
    let step = (pixels.len() / MOST_READ).max(1);
    let (mut squares, mut flat, mut energy) = (0u32, 0u32, 0.0);
    for rows in pixels.chunks_exact(2 * width).step_by(step) {
        let (upper, lower) = rows.split_at(width);
        for (upper, lower) in upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0) {
            let lost = loss([&upper[0], &upper[1], &lower[0], &lower[1]]);
            squares += 1;
            flat += u32::from(lost < FLAT);
            energy += if lost > EDGE { lost } else { 0.0 };
        }
    }
    let squares = squares.max(1) as f32;
    energy / squares * (flat as f32 / squares).powi(3)
}

/// The squared difference of the chroma of four pixels from its mean, as a mean of the pixels.
fn loss<const N: usize>(pixels: [&[u8; N]; 4]) -> f32 {
    if pixels.iter().all(|pixel| *pixel == pixels[0]) {
        return 0.0;
    }
    let chroma = pixels.map(|pixel| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        [-0.169 * red - 0.331 * green + 0.5 * blue, 0.5 * red - 0.419 * green - 0.081 * blue]
    });
    let of = |plane: usize| {
        let mean = chroma.iter().map(|chroma| chroma[plane]).sum::<f32>() / 4.0;
        chroma.iter().map(|chroma| (chroma[plane] - mean).powi(2)).sum::<f32>() / 4.0
    };
    of(0) + of(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_repeat_and_photographs_do_not() {
        let raster = |channels: Channels, sample: fn(usize) -> u8| {
            let samples = (0..32 * 32 * channels.count()).map(sample).collect();
            Raster::new(32, 32, channels, Samples::U8(samples)).unwrap()
        };
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        for channels in [Channels::L, Channels::La, Channels::Rgb, Channels::Rgba] {
            let flat = repetition(&raster(channels, |_| 9));
            assert_eq!((flat, flat.is_drawn()), (Repetition { visible: 1024, fresh: 1 }, true), "{channels:?}");
            assert!(!repetition(&raster(channels, noise)).is_drawn(), "{channels:?}");
        }
        // The colours under transparent pixels do not count.
        let hidden = raster(Channels::Rgba, |i| if i % 4 == 3 { 0 } else { (i.wrapping_mul(40_503) >> 8) as u8 });
        assert_eq!(repetition(&hidden), Repetition { visible: 0, fresh: 0 });
        // Columns of one colour repeat what is above, all but in the first row.
        assert_eq!(repetition(&raster(Channels::L, |i| (i % 32) as u8)), Repetition { visible: 1024, fresh: 32 });
    }

    #[test]
    fn coloured_text_has_chroma_edges_and_noise_has_none() {
        let raster = |pixel: &dyn Fn(usize, usize) -> [u8; 3]| {
            let samples = (0..64 * 64).flat_map(|i| pixel(i % 64, i / 64)).collect();
            Raster::new(64, 64, Channels::Rgb, Samples::U8(samples)).unwrap()
        };
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        let bars = |colors: [[u8; 3]; 2]| raster(&move |x, _| colors[usize::from(x % 9 == 1)]);
        for (picture, expected) in [
            (bars([[255; 3], [255, 0, 0]]), true),
            (bars([[0, 0, 255], [255, 0, 0]]), true),
            (bars([[255; 3], [0; 3]]), false),
            (raster(&|x, y| [0, 1, 2].map(|i| noise(x * 192 + y * 3 + i))), false),
            (raster(&|x, y| [x as u8 * 3, y as u8 * 3, 90]), false),
        ] {
            assert_eq!(has_chroma_edges(&picture), expected);
        }
        let tiny = Raster::new(1, 1, Channels::Rgb, Samples::U8(vec![255, 0, 0])).unwrap();
        assert!(!has_chroma_edges(&tiny));
    }
}
