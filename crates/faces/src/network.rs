//! The later levels: small neural networks on gradient features, which decide whether a window is a face and where in
//! it the face is.

use std::sync::LazyLock;

use crate::WINDOW;

/// The number of gradient sums by direction: horizontal gradients, signed and absolute, where the vertical one is not
/// negative and where it is; and vice versa.
const CHANNELS: usize = 8;

/// The number of values of a patch: four cells of all channels.
const VALUES: usize = 4 * CHANNELS;

pub(crate) struct Network {
    /// Indices into [`PATCHES`].
    features: Vec<usize>,
    threshold: f32,
    layers: Vec<Layer>,
}

pub(crate) struct Layer {
    /// The weights of all inputs, for each output.
    pub(crate) weights: Vec<Vec<f32>>,
    pub(crate) biases: Vec<f32>,
}

impl Network {
    /// `None` if a patch does not exist, or the number of outputs is not four.
    pub(crate) fn new(features: Vec<usize>, threshold: f32, layers: Vec<Layer>) -> Option<Self> {
        let inputs = layers.first()?.weights.first()?.len();
        let fits = features.iter().all(|feature| *feature < PATCHES.len()) && inputs == features.len() * VALUES;
        let outputs = layers.last()?.biases.len();
        (fits && outputs >= 1).then_some(Self { features, threshold, layers })
    }

    /// The score, the shift to the right and down, and the size of the face in a window, each from 0 to 1; `None` if it
    /// is not a face.
    pub(crate) fn output(&self, gradients: &Gradients) -> Option<[f32; 4]> {
        let mut values: Vec<f32> =
            self.features.iter().flat_map(|feature| gradients.patch(PATCHES[*feature])).collect();
        for (number, layer) in self.layers.iter().enumerate() {
            let is_last = number + 1 == self.layers.len();
            let outputs = layer.weights.iter().zip(&layer.biases).map(|(weights, bias)| {
                let sum = product(&values, weights) + bias;
                if is_last { 1.0 / (1.0 + (-sum).exp()) } else { sum.max(0.0) }
            });
            values = outputs.collect();
        }
        let score = values.first().filter(|score| **score > self.threshold)?;
        let at = |index: usize| values.get(index).copied().unwrap_or(0.5);
        Some([*score, at(1), at(2), at(3)])
    }
}

/// The scalar product, summed in eight lanes.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = a.as_chunks::<8>().1.iter().zip(b.as_chunks::<8>().1).map(|(a, b)| a * b).sum::<f32>();
    sums.iter().sum::<f32>() + rest
}

/// A part of the window that is divided into two by two cells.
#[derive(Debug, Clone, Copy)]
struct Patch {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// All patches in the order of the model: by aspect ratio, height, row and column.
static PATCHES: LazyLock<Vec<Patch>> = LazyLock::new(|| {
    const SMALLEST: usize = 16;
    const APART: usize = 16;
    let mut patches = Vec::new();
    for (across, down) in [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2)] {
        for height in (SMALLEST..=WINDOW).filter(|height| height % 2 == 0 && height % down == 0) {
            let width = height / down * across;
            if width % 2 != 0 || !(SMALLEST..=WINDOW).contains(&width) {
                continue;
            }
            for y in (0..=WINDOW - height).step_by(APART) {
                patches.extend((0..=WINDOW - width).step_by(APART).map(|x| Patch { x, y, width, height }));
            }
        }
    }
    patches
});

/// Integral images of a window's gradients, with a leading row and column of zeros.
pub(crate) struct Gradients {
    sums: Vec<[i32; CHANNELS]>,
}

const STRIDE: usize = WINDOW + 1;

impl Gradients {
    pub(crate) fn new() -> Self {
        Self { sums: vec![[0; CHANNELS]; STRIDE * STRIDE] }
    }

    /// Computes the gradients of a window.
    pub(crate) fn read(&mut self, window: &[u8]) {
        let rows = window.as_chunks::<WINDOW>().0;
        // Twice the derivative: central differences, and one-sided ones at the edges.
        let around = |place: usize| (place.saturating_sub(1), (place + 1).min(WINDOW - 1));
        let times = |place: usize| if place == 0 || place == WINDOW - 1 { 2 } else { 1 };
        for y in 0..WINDOW.min(rows.len()) {
            let (up, down) = around(y);
            let (upper, own, lower) = (&rows[up], &rows[y], &rows[down.min(rows.len() - 1)]);
            let (above, below) = self.sums.split_at_mut((y + 1) * STRIDE);
            let sums = above[y * STRIDE + 1..].iter().zip(&mut below[1..STRIDE]);
            let mut row = [0; CHANNELS];
            for (x, (above, sum)) in sums.enumerate() {
                let (left, right) = around(x);
                let dx = times(x) * (i32::from(own[right]) - i32::from(own[left]));
                let dy = times(y) * (i32::from(lower[x]) - i32::from(upper[x]));
                // All bits where a direction is negative.
                let (rises, falls) = (if dy < 0 { -1 } else { 0 }, if dx < 0 { -1 } else { 0 });
                let (plain, absolute) = ([dx, dy], [dx.abs(), dy.abs()]);
                let change = [
                    plain[0] & !rises,
                    absolute[0] & !rises,
                    plain[0] & rises,
                    absolute[0] & rises,
                    plain[1] & !falls,
                    absolute[1] & !falls,
                    plain[1] & falls,
                    absolute[1] & falls,
                ];
                for (((sum, above), row), change) in sum.iter_mut().zip(above).zip(&mut row).zip(change) {
                    *row += change;
                    *sum = above + *row;
                }
            }
        }
    }

    /// The sums of a patch's cells, normalized to length 1.
    fn patch(&self, patch: Patch) -> [f32; VALUES] {
        let (width, height) = (patch.width / 2, patch.height / 2);
        let mut values = [0.0; VALUES];
        for (cell, values) in values.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
            let (x, y) = (patch.x + cell % 2 * width, patch.y + cell / 2 * height);
            let at = |x: usize, y: usize| &self.sums[y * STRIDE + x];
            let (a, b, c, d) = (at(x, y), at(x + width, y), at(x, y + height), at(x + width, y + height));
            for (channel, value) in values.iter_mut().enumerate() {
                *value = (d[channel] + a[channel] - b[channel] - c[channel]) as f32;
            }
        }
        let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32;
        if length > 0.0 {
            values.iter_mut().for_each(|value| *value /= length);
        }
        values
    }
}
