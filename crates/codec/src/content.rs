//! Cheap features of a picture's content: what distinguishes drawings, screenshots and text from photographs.

use super::{Channels, Raster, Samples};
use image_origin_kernel::{Kernel, dispatch};

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

/// How many times as much a step between two squares differs, squared, as chroma within them. A ramp differs 16 times as much.
const STEP: f32 = 64.0;

/// The share (1/n) of the squared step between two squares that doubling the resolution by interpolation loses in each of them
/// or, as many steps are above each other, that a square loses to both.
const LOST_OF_STEP: f32 = 8.0;

/// The least energy of edges, per square and weighted by the cube of the share of flat squares, for which chroma at full
/// resolution takes fewer bytes at equal SSIMULACRA2 than at half. NOTES.md of `image-origin-av1` has the measurements.
const LEAST_ENERGY: f32 = 6.0;

/// The same for points of light in the dark, whose flat areas are black.
const LEAST_ENERGY_OF_LIGHTS: f32 = 1.0;

/// The energy of edges inside of squares from which on halved chroma is of no use, wherever they are, unless the picture is an
/// icon. Photographs have at most 30.
const MOST_ENERGY: f32 = 100.0;

/// The number of pixels up to which a picture is an icon.
const ICON: u64 = 128 * 128;

/// The share of the variance of chroma that halving loses from which on it is noise, of which nobody misses any.
const NOISE: f32 = 0.55;

/// Whether chroma has sharp edges between flat areas, as in drawings and coloured text, or so many that hardly any area is
/// flat: these get blurred, and cost more bytes, if chroma is subsampled. In textures and noise it is the other way round.
///
/// Of large pictures only a part is read, so that it takes a few tenths of a millisecond at most.
pub fn has_chroma_edges(raster: &Raster) -> bool {
    halving(raster).blurs_edges()
}

/// What halving chroma would lose, of the squares of 2 by 2 pixels that were read.
#[derive(Debug, Default)]
struct Halving {
    squares: u32,
    /// Squares that lose next to nothing.
    flat: u32,
    /// The sum of what squares lose, and that of those which have edges inside of them.
    lost: f32,
    edges: f32,
    /// The sum of what is lost of steps between squares.
    steps: f32,
    /// The sums of both chroma values of squares, and of their squares.
    sums: [f32; 2],
    powers: f32,
}

impl Halving {
    fn blurs_edges(&self) -> bool {
        let squares = self.squares.max(1) as f32;
        let [edges, lost] = [self.edges, self.lost].map(|sum| sum / squares);
        let variance = lost + self.powers / squares - self.sums.iter().map(|sum| (sum / squares).powi(2)).sum::<f32>();
        self.energy() >= LEAST_ENERGY || edges >= MOST_ENERGY && lost < NOISE * variance && !self.is_icon()
    }

    /// Whether the picture is so small that any has edges everywhere.
    fn is_icon(&self) -> bool {
        u64::from(self.squares) * 4 <= ICON
    }

    /// The energy of edges in squares and, unless the picture is an icon, between them, weighted by the cube of the share of flat squares.
    fn energy(&self) -> f32 {
        let squares = self.squares.max(1) as f32;
        let steps = if self.is_icon() { 0.0 } else { self.steps };
        (self.edges + steps) / squares * (self.flat as f32 / squares).powi(3)
    }

    /// Adds what was summed up of so many squares.
    fn add(&mut self, squares: usize, sums: &Sums) {
        let sum = |values: &[f32; LANES]| values.iter().sum::<f32>();
        self.squares += squares as u32;
        self.flat += sums.flat.iter().sum::<u32>();
        self.lost += sum(&sums.lost);
        self.edges += sum(&sums.edges);
        self.steps += sum(&sums.steps);
        self.sums = [self.sums[0] + sum(&sums.means[0]), self.sums[1] + sum(&sums.means[1])];
        self.powers += sum(&sums.powers);
    }
}

/// The number of squares that are looked at together, so that the compiler makes vectors of them.
const LANES: usize = 16;

/// Consecutive squares, behind the one on the left of them.
struct Squares {
    /// The mean of each chroma value.
    means: [[f32; LANES + 1]; 2],
    /// The squared difference of chroma from its mean, as a mean of the four pixels.
    lost: [f32; LANES + 1],
}

impl Squares {
    /// Squares that are all alike, as is what would be lost of steps between them.
    fn alike<const N: usize>(pixel: &[u8; N]) -> Self {
        Self { means: chroma(pixel).map(|mean| [mean; LANES + 1]), lost: [0.0; LANES + 1] }
    }

    /// Goes on to the next squares.
    #[inline(always)]
    fn read<const N: usize>(&mut self, upper: &[[u8; N]; 2 * LANES], lower: &[[u8; N]; 2 * LANES]) {
        for values in self.means.iter_mut().chain([&mut self.lost]) {
            values[0] = values[LANES];
        }
        let chromas = [chroma_of(upper), chroma_of(lower)];
        self.lost[1..].fill(0.0);
        for (plane, means) in self.means.iter_mut().enumerate() {
            let [upper, lower] = [&chromas[0][plane], &chromas[1][plane]];
            for i in 0..LANES {
                let pixels = [upper[2 * i], upper[2 * i + 1], lower[2 * i], lower[2 * i + 1]];
                let mean = (pixels[0] + pixels[1] + pixels[2] + pixels[3]) / 4.0;
                let [a, b, c, d] = pixels.map(|value| (value - mean) * (value - mean));
                means[i + 1] = mean;
                self.lost[i + 1] += (a + b + c + d) / 4.0;
            }
        }
    }
}

/// The chroma of some pixels.
#[inline(always)]
fn chroma_of<const N: usize>(pixels: &[[u8; N]; 2 * LANES]) -> [[f32; 2 * LANES]; 2] {
    let mut values = [[0.0; 2 * LANES]; 2];
    for (i, pixel) in pixels.iter().enumerate() {
        [values[0][i], values[1][i]] = chroma(pixel);
    }
    values
}

/// The sums of each lane.
#[derive(Default)]
struct Sums {
    flat: [u32; LANES],
    lost: [f32; LANES],
    edges: [f32; LANES],
    steps: [f32; LANES],
    means: [[f32; LANES]; 2],
    powers: [f32; LANES],
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, squares: &Squares, count: usize) {
        let Squares { means: [blues, reds], lost } = squares;
        for i in 0..count {
            let (blue, red, own) = (blues[i + 1], reds[i + 1], lost[i + 1]);
            self.flat[i] += u32::from(own < FLAT);
            self.lost[i] += own;
            self.edges[i] += if own > EDGE { own } else { 0.0 };
            let step = (blue - blues[i]).powi(2) + (red - reds[i]).powi(2);
            let is_edge = step > EDGE * 2.0 * LOST_OF_STEP && step > STEP * own.max(lost[i]);
            self.steps[i] += if is_edge { step / LOST_OF_STEP } else { 0.0 };
            self.means[0][i] += blue;
            self.means[1][i] += red;
            self.powers[i] += blue * blue + red * red;
        }
    }
}

/// Two rows of pixels.
struct Rows<'h, 'p, const N: usize> {
    halving: &'h mut Halving,
    upper: &'p [[u8; N]],
    lower: &'p [[u8; N]],
}

impl<const N: usize> Kernel for Rows<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [upper, lower] = [self.upper, self.lower];
        let count = upper.len() / 2;
        let Some(first) = upper.first().filter(|_| count > 0) else { return };
        let (mut squares, mut sums) = (Squares::alike(first), Sums::default());
        let ((whole, rest), (whole_below, rest_below)) = (upper.as_chunks(), lower.as_chunks());
        for (upper, lower) in whole.iter().zip(whole_below) {
            squares.read(upper, lower);
            sums.add(&squares, LANES);
        }
        let [upper, lower] = [rest, rest_below].map(|row| {
            let mut pixels = [[0; N]; 2 * LANES];
            pixels[..row.len()].copy_from_slice(row);
            pixels
        });
        squares.read(&upper, &lower);
        sums.add(&squares, rest.len() / 2);
        self.halving.add(count, &sums);
    }
}

/// Chroma of ITU-R BT.601, around 0.
#[inline(always)]
fn chroma<const N: usize>(pixel: &[u8; N]) -> [f32; 2] {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
    [-0.169 * red - 0.331 * green + 0.5 * blue, 0.5 * red - 0.419 * green - 0.081 * blue]
}

fn halving(raster: &Raster) -> Halving {
    let Samples::U8(samples) = raster.samples() else { return Halving::default() };
    let width = raster.width() as usize;
    match raster.channels() {
        Channels::Rgb => halving_of(samples.as_chunks::<3>().0, width),
        Channels::Rgba => halving_of(samples.as_chunks::<4>().0, width),
        _ => Halving::default(),
    }
}

fn halving_of<const N: usize>(pixels: &[[u8; N]], width: usize) -> Halving {
    let step = (pixels.len() / MOST_READ).max(1);
    let mut all = Halving::default();
    for rows in pixels.chunks_exact(2 * width).step_by(step) {
        let (upper, lower) = rows.split_at(width);
        dispatch(Rows { halving: &mut all, upper, lower });
    }
    all
}

/// What the quality of a format is calibrated for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content {
    /// Photographs, and everything else that is not drawn.
    Photograph,
    /// Drawings, screenshots and text without sharp chroma.
    Drawing {
        /// From 0 to 1, the more of its pixels repeat neither neighbour.
        softness: f32,
    },
    /// Pictures with sharp edges of chroma between flat areas, see [`has_chroma_edges`].
    Coloured,
    /// Points of light in the dark, such as stars.
    Lights {
        /// Whether their chroma has edges.
        are_coloured: bool,
    },
}

impl Content {
    /// Whether the scales of drawings hold for such a picture: they were measured on opaque ones that are no icons.
    pub(super) fn has_own_scale(self, raster: &Raster) -> bool {
        let pixels = u64::from(raster.width()) * u64::from(raster.height());
        matches!(self, Self::Drawing { .. } | Self::Coloured) && !raster.channels().has_alpha() && pixels > ICON
    }
}

/// The share of fresh pixels from which on drawings are as soft as any.
const SOFTEST: f32 = 0.35;

impl Repetition {
    /// How soft a drawing is, from 0 to 1: it grows with the share of pixels that repeat neither neighbour.
    fn softness(&self) -> f32 {
        (self.fresh as f32 / self.visible.max(1) as f32 / SOFTEST).min(1.0).sqrt()
    }
}

/// The kind of an 8-bit picture, which takes about three nanoseconds per pixel.
pub(super) fn classify(raster: &Raster) -> Content {
    content_of(raster, repetition(raster))
}

/// The kind of an 8-bit picture whose [`repetition`] is known.
pub fn content_of(raster: &Raster, repetition: Repetition) -> Content {
    let halving = halving(raster);
    let softness = repetition.softness();
    if halving.blurs_edges() {
        Content::Coloured
    } else if repetition.is_drawn() {
        Content::Drawing { softness }
    } else if has_lights(raster) {
        Content::Lights { are_coloured: halving.energy() >= LEAST_ENERGY_OF_LIGHTS }
    } else if has_ground(raster) {
        Content::Drawing { softness }
    } else {
        Content::Photograph
    }
}

/// The share of fresh pixels from which on drawings are as fine as any.
const FINEST: f32 = 0.3;

/// How fine a drawing is that has nothing but a ground of even brightness, and how much finer one without any is.
const WITH_GROUND: f32 = 0.085;
const WITHOUT_GROUND: f32 = 0.85;

/// How much less fine a drawing counts for each e-fold of the energy of edges of its chroma.
const OF_CHROMA: f32 = 0.08;

/// The fineness of the finest drawings.
const MOST_FINE: f32 = 1.4;

/// How fine the details of a drawing are, from 0 to 1.4: the finer, the less better AVIF shows them than JPEG. It grows with the share of
/// pixels that repeat neither neighbour and with that of pixels beside the ground; edges of chroma, which JPEG blurs, count against it. NOTES.md
/// of this crate has the measurements.
pub(super) fn fineness(raster: &Raster) -> f32 {
    let Repetition { visible, fresh } = repetition(raster);
    let halving = halving(raster);
    let ground = Ground::of(raster);
    let fresh = (fresh as f32 / visible.max(1) as f32 / FINEST).min(1.0);
    let edges = (1.0 + halving.edges / halving.squares.max(1) as f32).ln();
    let fine = fresh + WITH_GROUND + WITHOUT_GROUND * (1.0 - ground.share()) - OF_CHROMA * edges;
    fine.clamp(0.0, MOST_FINE)
}

/// The ranges of brightness of a square that is soft: more than rounding leaves in a flat one, and less than an edge has.
const SOFT: std::ops::Range<u8> = 3..32;

/// Whether the picture is likely to be a drawing on an even ground although few pixels repeat others, as of text that was
/// reduced: at least a quarter of the pixels have the same brightness, and at most a quarter of the squares of 4 by 4 pixels that
/// are not flat are soft. NOTES.md of this crate has the measurements.
fn has_ground(raster: &Raster) -> bool {
    Ground::of(raster).is_drawn()
}

/// How often each brightness occurs, and how many squares are neither flat nor have an edge.
struct Ground {
    counts: [u32; 256],
    /// Squares that are not flat.
    squares: u32,
    soft: u32,
}

impl Ground {
    fn of(raster: &Raster) -> Self {
        let mut ground = Self { counts: [0; 256], squares: 0, soft: 0 };
        read_squares::<4>(raster, |square| ground.add(square));
        ground
    }

    fn add(&mut self, square: &[[u8; 4]; 4]) {
        let samples = square.as_flattened();
        let (low, high) = range(samples);
        self.squares += u32::from(high > low);
        self.soft += u32::from(SOFT.contains(&(high - low)));
        for sample in samples {
            self.counts[usize::from(*sample)] += 1;
        }
    }

    /// The number of pixels with the brightness that occurs most often.
    fn most(&self) -> u32 {
        self.counts.iter().max().map_or(0, |count| *count)
    }

    /// Their share.
    fn share(&self) -> f32 {
        self.most() as f32 / self.counts.iter().sum::<u32>().max(1) as f32
    }

    fn is_drawn(&self) -> bool {
        self.squares > 0 && self.most() * 4 >= self.counts.iter().sum() && self.soft * 4 <= self.squares
    }
}

/// The brightest sample that is dark, and the least difference between samples of a square that is a detail.
const DARK: u8 = 47;
const DETAIL: u8 = 24;

/// The most samples of a square of 64 with a point of light that are brighter than the middle between its darkest and its brightest.
const MOST_OF_POINT: usize = 12;

/// Of points of light in the dark, most squares of 8 by 8 samples are dark, and of those with details a third at least are points.
/// Photographs by day have at most a fifth of either, and of a stage on which people stand 0.7 are dark. NOTES.md of
/// `image-origin-av1` has the measurements.
pub fn has_lights(raster: &Raster) -> bool {
    let (mut squares, mut dark, mut detailed, mut points) = (0u32, 0u32, 0u32, 0u32);
    read_squares::<8>(raster, |square| {
        let samples = square.as_flattened();
        let (low, high) = range(samples);
        let above = |limit: u8| samples.iter().map(|sample| usize::from(*sample > limit)).sum::<usize>();
        let is_dark = above(DARK) <= 32;
        let is_detailed = high - low >= DETAIL;
        squares += 1;
        dark += u32::from(is_dark);
        detailed += u32::from(is_detailed);
        points += u32::from(is_detailed && is_dark && above(low.midpoint(high)) <= MOST_OF_POINT);
    });
    dark * 10 >= squares * 9 && points * 3 >= detailed && detailed * 32 > squares
}

/// The darkest and the brightest sample.
fn range(samples: &[u8]) -> (u8, u8) {
    samples.iter().fold((u8::MAX, 0), |(low, high), sample| (low.min(*sample), high.max(*sample)))
}

/// Hands over the brightness of squares of N by N pixels of an 8-bit picture: of all, or of those in every n-th band of rows, so
/// that no more than [`MOST_READ`] pixels are read.
fn read_squares<const N: usize>(raster: &Raster, add: impl FnMut(&[[u8; N]; N])) {
    let Samples::U8(samples) = raster.samples() else { return };
    let width = raster.width() as usize;
    match raster.channels() {
        Channels::L => squares_of(samples.as_chunks::<1>().0, width, |pixel| pixel[0], add),
        Channels::La => squares_of(samples.as_chunks::<2>().0, width, |pixel| pixel[0], add),
        Channels::Rgb => {
            squares_of(samples.as_chunks::<3>().0, width, |[red, green, blue]| brightness(*red, *green, *blue), add);
        }
        Channels::Rgba => {
            let read = |[red, green, blue, _]: &[u8; 4]| brightness(*red, *green, *blue);
            squares_of(samples.as_chunks::<4>().0, width, read, add);
        }
        Channels::Cmyk => {}
    }
}

fn brightness(red: u8, green: u8, blue: u8) -> u8 {
    ((u16::from(red) + 2 * u16::from(green) + u16::from(blue)) / 4) as u8
}

#[inline(always)]
fn squares_of<const N: usize, const CHANNELS: usize>(
    pixels: &[[u8; CHANNELS]],
    width: usize,
    read: impl Fn(&[u8; CHANNELS]) -> u8,
    mut add: impl FnMut(&[[u8; N]; N]),
) {
    let step = (pixels.len() / MOST_READ).max(1);
    for rows in pixels.chunks_exact(N * width).step_by(step) {
        for x in (0..(width + 1).saturating_sub(N)).step_by(N) {
            let mut square = [[0; N]; N];
            for (samples, row) in square.iter_mut().zip(rows.chunks_exact(width)) {
                for (sample, pixel) in samples.iter_mut().zip(&row[x..]) {
                    *sample = read(pixel);
                }
            }
            add(&square);
        }
    }
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
        // Squares of two pixels, whose edges halving keeps and interpolation blurs; and none of their places is flat if they are
        // as large as the samples of noise, reduced.
        let sprite = |x: usize, y: usize| [[200, 30, 40], [40, 60, 220], [250; 3]][usize::from(noise(x * 64 + y)) % 3];
        let raster = |pixel: &dyn Fn(usize, usize) -> [u8; 3]| {
            let samples = (0..160 * 160).flat_map(|i| pixel(i % 160, i / 160)).collect();
            Raster::new(160, 160, Channels::Rgb, Samples::U8(samples)).unwrap()
        };
        assert!(has_chroma_edges(&raster(&|x, y| sprite(x / 2, y / 2))));
        assert!(has_chroma_edges(&raster(&|x, y| sprite(x.div_ceil(3), y.div_ceil(3)))));
        assert!(!has_chroma_edges(&raster(&sprite)));
        let tiny = Raster::new(1, 1, Channels::Rgb, Samples::U8(vec![255, 0, 0])).unwrap();
        assert!(!has_chroma_edges(&tiny));
    }

    #[test]
    fn text_on_an_even_ground_is_drawn_and_an_even_sky_is_not() {
        let raster = |sample: &dyn Fn(usize) -> u8| {
            let samples = (0..64 * 64).map(sample).collect();
            Raster::new(64, 64, Channels::L, Samples::U8(samples)).unwrap()
        };
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
        // Strokes of every brightness on white, hardly a pixel of which repeats another.
        let text = raster(&|i| if noise(i / 3) < 100 { noise(i) } else { 255 - (i % 2) as u8 });
        assert!(has_ground(&text) && !repetition(&text).is_drawn());
        assert!(matches!(classify(&text), Content::Drawing { .. }));
        // As much of one brightness, and the rest with little contrast.
        let sky = raster(&|i| if i < 64 * 24 { 250 } else { 100 + noise(i) % 20 });
        assert!(!has_ground(&sky));
        assert!(!has_ground(&raster(&|_| 9)) && !has_ground(&raster(&noise)));
    }

    #[test]
    fn drawings_with_details_are_finer_than_plain_ones() {
        let raster = |sample: &dyn Fn(usize, usize) -> u8| {
            let samples = (0..64 * 64).map(|i| sample(i % 64, i / 64)).collect();
            Raster::new(64, 64, Channels::L, Samples::U8(samples)).unwrap()
        };
        let lines = |every: usize| move |x: usize, y: usize| if x.is_multiple_of(every) { (x + y) as u8 } else { 255 };
        let [plain, few, many] =
            [raster(&|_, _| 9), raster(&lines(16)), raster(&lines(2))].map(|raster| fineness(&raster));
        assert!(plain < 0.1 && plain < few && few < many && many <= MOST_FINE, "{plain} {few} {many}");
    }

    #[test]
    fn stars_are_lights_and_gratings_are_not() {
        let raster = |channels: Channels, sample: &dyn Fn(usize, usize) -> u8| {
            let samples = (0..64 * 64).flat_map(|i| vec![sample(i % 64, i / 64); channels.count()]).collect();
            Raster::new(64, 64, channels, Samples::U8(samples)).unwrap()
        };
        for channels in [Channels::L, Channels::Rgb, Channels::Rgba] {
            assert!(
                has_lights(&raster(channels, &|x, y| if x % 9 == 3 && y % 7 == 2 { 200 } else { 5 })),
                "{channels:?}"
            );
            assert!(
                !has_lights(&raster(channels, &|x, y| if x % 9 == 3 && y % 7 == 2 { 200 } else { 90 })),
                "{channels:?}"
            );
            assert!(!has_lights(&raster(channels, &|x, _| if x % 2 == 0 { 80 } else { 5 })), "{channels:?}");
            assert!(!has_lights(&raster(channels, &|_, _| 5)), "{channels:?}");
        }
    }
}
