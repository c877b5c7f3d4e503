//! Saliency: how much each pixel of a thumbnail stands out.
//!
//! Four signals are scaled to the same range and added: how far a pixel is from the borders of the picture, how rare its
//! colour is, how much detail is around it, and how close its colour is to human skin. The first two are what a texture
//! that fills the picture does not have, be it wood, sand or leaves. The sum is blurred, weighted by the distance from
//! where subjects usually are, and cubed. Every distance is a fraction of the
//! picture.

use super::effects::luma;

/// The standard deviations of the blurs, as fractions of the longer side.
const NOISE: f32 = 1.0 / 128.0;
const DETAIL: f32 = 1.5 / 128.0;
const SPOT: f32 = 0.02;

/// Where subjects usually are, as a fraction of the height, and how fast their likelihood falls from there.
const USUAL_HEIGHT: f32 = 0.45;
const FALL: f32 = 4.0;

/// The saliency of each pixel, in `0.0..=1.0`; all zeros where nothing stands out.
pub(super) fn saliency(pixels: &[[u8; 3]], width: usize, height: usize) -> Vec<f32> {
    let side = width.max(height) as f32;
    let plane = |of: &dyn Fn([f32; 3]) -> f32| Plane {
        values: pixels.iter().map(|rgb| of(rgb.map(f32::from))).collect(),
        width,
    };
    let [red, green, blue] = [0, 1, 2].map(|channel| plane(&|rgb| rgb[channel]).blurred(side * NOISE).values);
    let colours: Vec<[f32; 3]> = red.iter().zip(&green).zip(&blue).map(|((r, g), b)| [*r, *g, *b]).collect();
    let opponents: [fn([f32; 3]) -> f32; 3] = [luma, |[r, g, _]| r - g, |[r, g, b]| (r + g) / 2.0 - b];
    let mut apart = vec![0.0; pixels.len()];
    for opponent in opponents {
        let channel: Vec<f32> = colours.iter().copied().map(opponent).collect();
        add(&mut apart, &border_distances(&channel, width));
    }
    let lumas = plane(&luma);
    let detail = lumas.laplacian().blurred(side * DETAIL).values;
    let skin = plane(&skin).blurred(side * NOISE).values;
    let mut sum = skin;
    for signal in [apart, rarity(&colours), detail] {
        add(&mut sum, &scaled(signal));
    }
    emphasised(Plane { values: sum, width }.blurred(side * SPOT).values, width, FALL)
}

/// Weights a signal by the distance from where subjects usually are, scales it to `0.0..=1.0`, and cubes it, so that its maximum
/// outweighs the rest. `fall` is how fast the likelihood of a subject falls.
pub(super) fn emphasised(mut signal: Vec<f32>, width: usize, fall: f32) -> Vec<f32> {
    let height = signal.len() / width;
    for (index, value) in signal.iter_mut().enumerate() {
        let x = ((index % width) as f32 + 0.5) / width as f32 - 0.5;
        let y = ((index / width) as f32 + 0.5) / height as f32 - USUAL_HEIGHT;
        *value *= (-fall * (x * x + y * y)).exp();
    }
    let highest = signal.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    signal.into_iter().map(|value| (value / highest).powi(3)).collect()
}

fn add(sum: &mut [f32], signal: &[f32]) {
    sum.iter_mut().zip(signal).for_each(|(sum, value)| *sum += value);
}

/// Brings a signal to `0.0..=1.0`, without the lowest fiftieth and the highest hundredth of its values.
fn scaled(mut signal: Vec<f32>) -> Vec<f32> {
    let mut sorted = signal.clone();
    let mut at = |index: usize| *sorted.select_nth_unstable_by(index, f32::total_cmp).1;
    let lowest = at(signal.len() / 50);
    let highest = at(signal.len() * 99 / 100).max(lowest + 0.001);
    signal.iter_mut().for_each(|value| *value = ((*value - lowest) / (highest - lowest)).clamp(0.0, 1.0));
    signal
}

/// The minimum barrier distance of each pixel to the border: the difference between the highest and the lowest value on
/// the path to the border on which that is least. Areas that are connected to the border have none. A scan from each of two
/// corners approximates it, as in Zhang et al., "Minimum Barrier Salient Object Detection at 80 FPS" (ICCV 2015).
fn border_distances(channel: &[f32], width: usize) -> Vec<f32> {
    let height = channel.len() / width;
    let is_border = |x: usize, y: usize| x == 0 || y == 0 || x + 1 == width || y + 1 == height;
    let mut distances: Vec<f32> =
        (0..channel.len()).map(|index| if is_border(index % width, index / width) { 0.0 } else { f32::MAX }).collect();
    let (mut highest, mut lowest) = (channel.to_vec(), channel.to_vec());
    let mut visit = |index: usize, neighbours: [usize; 2]| {
        for from in neighbours {
            let (high, low) = (highest[from].max(channel[index]), lowest[from].min(channel[index]));
            if high - low < distances[index] {
                (distances[index], highest[index], lowest[index]) = (high - low, high, low);
            }
        }
    };
    for y in 1..height.saturating_sub(1) {
        (1..width.saturating_sub(1)).map(|x| y * width + x).for_each(|at| visit(at, [at - 1, at - width]));
    }
    for y in (1..height.saturating_sub(1)).rev() {
        (1..width.saturating_sub(1)).rev().map(|x| y * width + x).for_each(|at| visit(at, [at + 1, at + width]));
    }
    distances
}

/// The self-information of each colour, in nats, with eight classes for each primary.
fn rarity(colours: &[[f32; 3]]) -> Vec<f32> {
    let class = |rgb: [f32; 3]| rgb.iter().fold(0, |class, primary| class * 8 + ((*primary as usize) / 32).min(7));
    let mut counts = [0u32; 512];
    colours.iter().for_each(|rgb| counts[class(*rgb)] += 1);
    let information = counts.map(|count| -((count + 1) as f32 / colours.len() as f32).ln());
    colours.iter().map(|rgb| information[class(*rgb)]).collect()
}

/// The similarity of a colour's direction to that of skin, `0.0..=1.0`: none from an angle of some 15 degrees on, and in
/// dark and bright areas.
fn skin(rgb: [f32; 3]) -> f32 {
    const SKIN: [f32; 3] = [0.78, 0.57, 0.44];
    let length = |v: [f32; 3]| v.iter().map(|c| c * c).sum::<f32>().sqrt();
    let cosine = rgb.iter().zip(SKIN).map(|(a, b)| a * b).sum::<f32>() / (length(rgb) * length(SKIN)).max(1.0);
    let is_lit = (20.0..245.0).contains(&luma(rgb));
    if is_lit { ((cosine - 0.966) / 0.034).clamp(0.0, 1.0) } else { 0.0 }
}

/// One value for each pixel, in rows.
pub(super) struct Plane {
    pub(super) values: Vec<f32>,
    pub(super) width: usize,
}

impl Plane {
    fn height(&self) -> usize {
        self.values.len() / self.width
    }

    /// The absolute value of the discrete Laplacian; edge pixels are repeated.
    fn laplacian(&self) -> Self {
        let (width, height) = (self.width, self.height());
        let at = |x: usize, y: usize| self.values[y.min(height - 1) * width + x.min(width - 1)];
        let value = |index: usize| {
            let (x, y) = (index % width, index / width);
            let around = at(x.saturating_sub(1), y) + at(x + 1, y) + at(x, y.saturating_sub(1)) + at(x, y + 1);
            (4.0 * at(x, y) - around).abs()
        };
        Self { values: (0..self.values.len()).map(value).collect(), width }
    }

    /// Blurred by a Gaussian; edge pixels are repeated.
    pub(super) fn blurred(self, deviation: f32) -> Self {
        let reach = (deviation * 3.0).ceil() as usize;
        let weight = |at: usize| (-(at.abs_diff(reach) as f32 / deviation).powi(2) / 2.0).exp();
        let weights: Vec<f32> = (0..=2 * reach).map(weight).collect();
        let total: f32 = weights.iter().sum();
        let weights: Vec<f32> = weights.into_iter().map(|weight| weight / total).collect();
        self.convolved_and_turned(&weights).convolved_and_turned(&weights)
    }

    /// The transposed plane, its former rows being convolved.
    fn convolved_and_turned(self, weights: &[f32]) -> Self {
        let (width, height, reach) = (self.width, self.height(), weights.len() / 2);
        let mut turned = vec![0.0; self.values.len()];
        let (mut padded, mut sums) = (vec![0.0; width + 2 * reach], vec![0.0; width]);
        for (y, row) in self.values.chunks_exact(width).enumerate() {
            padded[..reach].fill(row[0]);
            padded[reach..reach + width].copy_from_slice(row);
            padded[reach + width..].fill(row[width - 1]);
            sums.fill(0.0);
            for (shifted, weight) in padded.windows(width).zip(weights) {
                sums.iter_mut().zip(shifted).for_each(|(sum, value)| *sum += value * weight);
            }
            turned[y..].iter_mut().step_by(height).zip(&sums).for_each(|(value, sum)| *value = *sum);
        }
        Self { values: turned, width: height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 48;

    /// The mean saliency within and outside of a square of 12 pixels at `x`, `y`.
    fn contrast(picture: impl Fn(usize, usize) -> [u8; 3], x: usize, y: usize) -> (f32, f32) {
        let pixels: Vec<[u8; 3]> = (0..SIDE * SIDE).map(|index| picture(index % SIDE, index / SIDE)).collect();
        let map = saliency(&pixels, SIDE, SIDE);
        let is_inside = |index: usize| (x..x + 12).contains(&(index % SIDE)) && (y..y + 12).contains(&(index / SIDE));
        let mean = |wanted: bool| {
            let values: Vec<f32> =
                (0..map.len()).filter(|index| is_inside(*index) == wanted).map(|index| map[index]).collect();
            values.iter().sum::<f32>() / values.len() as f32
        };
        (mean(true), mean(false))
    }

    #[test]
    fn a_plain_object_stands_out_from_every_texture() {
        type Texture = fn(usize, usize) -> [u8; 3];
        let wood: Texture = |x, y| {
            let grain = ((x * 7 + y / 3) % 5 * 12) as u8;
            [150 + grain, 105 + grain, 70 + grain]
        };
        let sand: Texture = |x, y| {
            let grain = ((x * 31 + y * 17 + x * y) % 40) as u8;
            [190 + grain, 160 + grain, 120 + grain]
        };
        let leaves: Texture = |x, y| {
            let leaf = ((x / 3 * 5 + y / 2 * 3) % 7 * 20) as u8;
            [20 + leaf / 2, 60 + leaf, 20]
        };
        for (name, texture) in [("wood", wood), ("sand", sand), ("leaves", leaves)] {
            for (x, y) in [(6, 8), (18, 16), (30, 26)] {
                let inside = |column: usize, row: usize| (x..x + 12).contains(&column) && (y..y + 12).contains(&row);
                let picture = |column, row| if inside(column, row) { [40, 60, 170] } else { texture(column, row) };
                let (object, rest) = contrast(picture, x, y);
                assert!(object > 1.4 * rest, "{name} at {x},{y}: {object} {rest}");
            }
        }
    }

    #[test]
    fn nothing_stands_out_in_a_plain_picture_of_any_size() {
        for (width, height) in [(1, 1), (1, 64), (64, 1), (2, 2), (3, 5), (64, 48)] {
            let map = saliency(&vec![[90, 90, 200]; width * height], width, height);
            assert_eq!(map, vec![0.0; width * height], "{width}x{height}");
        }
    }

    #[test]
    fn the_border_is_at_no_distance_and_a_ring_is_a_barrier() {
        let ring = |x: usize, y: usize| {
            (2..7).contains(&x) && (2..7).contains(&y) && !((3..6).contains(&x) && (3..6).contains(&y))
        };
        let channel: Vec<f32> = (0..81).map(|index| if ring(index % 9, index / 9) { 200.0 } else { 50.0 }).collect();
        let distances = border_distances(&channel, 9);
        assert_eq!(distances[0], 0.0);
        assert_eq!(distances[10], 0.0);
        assert_eq!(distances[4 * 9 + 4], 150.0);
    }
}
